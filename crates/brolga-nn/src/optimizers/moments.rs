//! What the optimizers share that follow two moments of the gradient.

use brolga_ir::Var;

/// Declares an optimizer of the arguments `learning_rate`, `beta_1`, `beta_2`, `epsilon`, and a
/// flag of its own, with what the second moment is of; and another flag that Keras does not have,
/// which is a part of configs only where it is set.
macro_rules! moments_optimizer {
    (
        $(#[$doc:meta])* $name:ident of $second:literal $(, $(#[$also:meta])* $flag:ident)?
        $(; $(#[$more:meta])* $own:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            learning_rate: crate::optimizers::LearningRate,
            #[serde(flatten)]
            common: crate::optimizers::Common,
            beta_1: f64,
            beta_2: f64,
            epsilon: f64,
            $($flag: bool,)?
            $(#[serde(skip_serializing_if = "std::ops::Not::not")] $own: bool,)?
        }

        crate::optimizers::optimizer!($name {
            learning_rate: AtLeast(0.0),
            beta_1: BelowOne,
            beta_2: BelowOne,
            epsilon: AtLeast(0.0),
        });

        impl Default for $name {
            fn default() -> Self {
                Self::new(1e-3)
            }
        }

        impl $name {
            /// With this learning rate (Keras's default is 1e-3), `β₁ = 0.9`, `β₂ = 0.999`,
            /// `ε = 1e-7`.
            pub fn new(learning_rate: impl Into<crate::optimizers::LearningRate>) -> Self {
                Self {
                    learning_rate: learning_rate.into(),
                    common: crate::optimizers::Common::default(),
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-7,
                    $($flag: false,)?
                    $($own: false,)?
                }
            }

            crate::setters::setters! {
                /// How slowly the mean of the gradient forgets; 0.9 by default.
                beta_1: f64,
                #[doc = concat!("How slowly the ", $second, " forgets; 0.999 by default.")]
                beta_2: f64,
                /// The number that keeps the divisor away from 0; 1e-7 by default.
                epsilon: f64,
                $($(#[$also])* $flag: bool,)?
                $($(#[$more])* $own: bool,)?
            }
        }
    };
}
pub(super) use moments_optimizer;

/// A moving mean's next value, `mean + (new − mean) · (1 − beta)`.
pub(super) fn followed(mean: &Var, new: &Var, beta: f64) -> Var {
    mean + (new - mean) * (1.0 - beta)
}
