//! The arguments of weights: each trained weight of a layer has an initializer, a regularizer and a
//! constraint under Keras's keys.
//!
//! A layer has a field of the weight's type, flattened by serde, and the weight's setters among its
//! methods: `kernel: Kernel` and `kernel_setters!();`. Its `build` declares the weight with
//! `self.kernel.declare("kernel", shape)`. A new kind of weight is a line in the table below.

use brolga_ir::{Shape, Var};
use serde::{Deserialize, Serialize};

use super::{WeightSpec, yes};
use crate::constraints::Constraint;
use crate::initializers::{GlorotUniform, Initializer, Ones, Orthogonal, RandomUniform, Zeros};
use crate::registry::Choice;
use crate::regularizers::Regularizer;
use crate::trace::Call;

/// Declares for each kind of weight its type, and the macro of the methods that set its arguments
/// in a layer's field.
macro_rules! weights {
    ($(
        $weight:ident, $setters:ident of $($field:ident).+, $what:literal {
            $initializer:ident = $first:ty [$default:literal], $regularizer:ident, $constraint:ident
        }
    )*) => {
        $(
            #[doc = concat!("The arguments of the ", $what, ".")]
            #[derive(Debug, Clone, Serialize, Deserialize)]
            #[serde(default)]
            pub(crate) struct $weight {
                pub(crate) $initializer: Choice<dyn Initializer>,
                pub(crate) $regularizer: Option<Choice<dyn Regularizer>>,
                pub(crate) $constraint: Option<Choice<dyn Constraint>>,
            }

            impl Default for $weight {
                fn default() -> Self {
                    let first = <$first>::default().into();
                    Self { $initializer: first, $regularizer: None, $constraint: None }
                }
            }

            impl $weight {
                /// The trained weight of this name and shape.
                pub(crate) fn declare(&self, name: &str, shape: impl Into<Shape>) -> WeightSpec {
                    WeightSpec::trainable(name, shape, &self.$initializer)
                        .regularizer(&self.$regularizer)
                        .constraint(&self.$constraint)
                }
            }

            macro_rules! $setters {
                () => {
                    #[doc = concat!("The first values of the ", $what, "; `", $default, "` by default.")]
                    #[must_use]
                    pub fn $initializer<Form>(
                        mut self,
                        initializer: impl $crate::registry::IntoArgument<
                            $crate::registry::Choice<dyn $crate::initializers::Initializer>,
                            Form,
                        >,
                    ) -> Self {
                        self.$($field).+.$initializer = initializer.into_argument();
                        self
                    }

                    #[doc = concat!("The regularizer of the ", $what, ", whose term is added to the loss; none by default.")]
                    #[must_use]
                    pub fn $regularizer(
                        mut self,
                        regularizer: impl Into<$crate::registry::Choice<dyn $crate::regularizers::Regularizer>>,
                    ) -> Self {
                        self.$($field).+.$regularizer = Some(regularizer.into());
                        self
                    }

                    #[doc = concat!("The constraint of the ", $what, ", applied after each update; none by default.")]
                    #[must_use]
                    pub fn $constraint(
                        mut self,
                        constraint: impl Into<$crate::registry::Choice<dyn $crate::constraints::Constraint>>,
                    ) -> Self {
                        self.$($field).+.$constraint = Some(constraint.into());
                        self
                    }
                };
            }
            pub(crate) use $setters;
        )*
    };
}

weights! {
    Alpha, alpha_setters of alpha, "slopes" {
        alpha_initializer = Zeros ["zeros"], alpha_regularizer, alpha_constraint
    }
    Beta, beta_setters of affine.beta, "summand `beta`" {
        beta_initializer = Zeros ["zeros"], beta_regularizer, beta_constraint
    }
    Bias, bias_setters of bias, "bias" {
        bias_initializer = Zeros ["zeros"], bias_regularizer, bias_constraint
    }
    Depthwise, depthwise_setters of depthwise, "kernels of single channels" {
        depthwise_initializer = GlorotUniform ["glorot_uniform"],
        depthwise_regularizer, depthwise_constraint
    }
    Embeddings, embeddings_setters of embeddings, "vectors" {
        embeddings_initializer = RandomUniform ["random_uniform"],
        embeddings_regularizer, embeddings_constraint
    }
    Gamma, gamma_setters of affine.gamma, "factor `gamma`" {
        gamma_initializer = Ones ["ones"], gamma_regularizer, gamma_constraint
    }
    Kernel, kernel_setters of kernel, "kernel" {
        kernel_initializer = GlorotUniform ["glorot_uniform"], kernel_regularizer, kernel_constraint
    }
    Pointwise, pointwise_setters of pointwise, "kernel over all channels" {
        pointwise_initializer = GlorotUniform ["glorot_uniform"],
        pointwise_regularizer, pointwise_constraint
    }
    Recurrent, recurrent_setters of recurrent, "recurrent kernel" {
        recurrent_initializer = Orthogonal ["orthogonal"],
        recurrent_regularizer, recurrent_constraint
    }
}

/// `y · gamma + beta` after a normalization: whether there are the two weights, and their
/// arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Affine {
    #[serde(default = "yes")]
    pub(super) center: bool,
    #[serde(default = "yes")]
    pub(super) scale: bool,
    #[serde(flatten)]
    pub(super) beta: Beta,
    #[serde(flatten)]
    pub(super) gamma: Gamma,
}

impl Default for Affine {
    fn default() -> Self {
        Self { center: true, scale: true, beta: Beta::default(), gamma: Gamma::default() }
    }
}

impl Affine {
    /// The weights that there are.
    pub(super) fn declare(&self, shape: &[usize]) -> Vec<WeightSpec> {
        let gamma = self.scale.then(|| self.gamma.declare("gamma", shape));
        let beta = self.center.then(|| self.beta.declare("beta", shape));
        gamma.into_iter().chain(beta).collect()
    }

    /// `y · gamma + beta` with those of the two weights that there are, along `axes`.
    pub(super) fn apply(&self, call: &Call<'_>, y: Var, axes: &[usize]) -> Var {
        let shape = y.shape().clone();
        let weight = |name: &str| spread(&call.weight(name), &shape, axes);
        let y = if self.scale { y * weight("gamma") } else { y };
        if self.center { y + weight("beta") } else { y }
    }
}

/// A weight in the shape in which it broadcasts along the axes of an input.
fn spread(weight: &Var, x: &Shape, axes: &[usize]) -> Var {
    let kept = |(axis, &extent)| if axes.contains(&axis) { extent } else { 1 };
    let shape: Vec<usize> = x.iter().enumerate().map(kept).collect();
    let missing = shape.len().saturating_sub(weight.shape().rank());
    if shape[missing..] == **weight.shape() { weight.clone() } else { weight.reshape(shape) }
}

/// The methods of a normalization, whose field `affine` is [`Affine`], that set its arguments.
macro_rules! affine_setters {
    () => {
        /// Whether `beta` is added; true by default.
        #[must_use]
        pub fn center(mut self, center: bool) -> Self {
            self.affine.center = center;
            self
        }

        /// Whether `gamma` multiplies; true by default.
        #[must_use]
        pub fn scale(mut self, scale: bool) -> Self {
            self.affine.scale = scale;
            self
        }

        $crate::layers::weights::beta_setters!();
        $crate::layers::weights::gamma_setters!();
    };
}
pub(super) use affine_setters;
