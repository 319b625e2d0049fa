//! What the cells with units have in common: arguments, weights, products for all steps at once.

use brolga_ir::{Mistake, Type, Var};

use super::features;
use crate::layers::{Bias, Kernel, Recurrent, WeightSpec, dropped};
use crate::trace::Call;

/// The activation of new states.
pub(super) fn tanh() -> crate::activations::Activation {
    crate::activations::Tanh::default().into()
}

/// Declares a cell: its struct, with the arguments that all cells with units have and its own, as
/// Keras's keys.
macro_rules! named_cell {
    (
        $(#[$doc:meta])*
        $class:ident { $($(#[serde($($serde:tt)*)])? $own:ident: $ty:ty = $default:expr,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub struct $class {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            name: Option<String>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            trainable: Option<bool>,
            units: usize,
            #[serde(default = "tanh")]
            activation: Activation,
            $($(#[serde($($serde)*)])? $own: $ty,)*
            #[serde(default = "yes")]
            use_bias: bool,
            #[serde(flatten)]
            kernel: Kernel,
            #[serde(flatten)]
            recurrent: Recurrent,
            #[serde(flatten)]
            bias: Bias,
            #[serde(default)]
            dropout: f64,
            #[serde(default)]
            recurrent_dropout: f64,
            #[serde(default)]
            seed: Option<u64>,
        }

        $crate::registry::object!($class { units: Count, dropout: Share, recurrent_dropout: Share });

        impl $class {
            /// A cell whose states have so many features.
            pub fn new(units: usize) -> Self {
                Self {
                    name: None,
                    trainable: None,
                    units,
                    activation: tanh(),
                    $($own: $default,)*
                    use_bias: true,
                    kernel: Kernel::default(),
                    recurrent: Recurrent::default(),
                    bias: Bias::default(),
                    dropout: 0.0,
                    recurrent_dropout: 0.0,
                    seed: None,
                }
            }

            /// What it has in common with other cells.
            fn unit(&self) -> Unit<'_> {
                Unit {
                    class: stringify!($class),
                    units: self.units,
                    use_bias: self.use_bias,
                    kernel: &self.kernel,
                    recurrent: &self.recurrent,
                    bias: &self.bias,
                    dropout: self.dropout,
                    recurrent_dropout: self.recurrent_dropout,
                }
            }
        }
    };
}
pub(super) use named_cell;

/// The methods that set the arguments of all cells with units.
macro_rules! unit_setters {
    () => {
        $crate::setters::setters! {
            /// The function of new states; `tanh` by default.
            activation: into Activation,
            /// Whether there is a bias; true by default.
            use_bias: bool,
            /// The probability with which a feature of the input is dropped in training, the same
            /// ones in all steps; 0 by default.
            dropout: f64,
            /// The same for the states.
            recurrent_dropout: f64,
            /// Kept in the config; all random numbers follow from the model's seed.
            seed: opt u64,
        }

        kernel_setters!();
        recurrent_setters!();
        bias_setters!();
    };
}
pub(super) use unit_setters;

/// The methods of a layer, whose field `cell` is a cell, that set the cell's arguments: `name: form
/// Type`, where the form is `into`, `is` or `some` as in [`setters`](crate::setters::setters).
macro_rules! forward_cell_setters {
    (all) => {
        crate::cells::forward_cell_setters! {
            /// The function of new states; `tanh` by default.
            activation: into crate::activations::Activation,
            /// Whether there is a bias; true by default.
            use_bias: is bool,
            /// The probability with which a feature of the input is dropped in training, the same
            /// ones in all steps; 0 by default.
            dropout: is f64,
            /// The same for the states.
            recurrent_dropout: is f64,
            /// Kept in the config; all random numbers follow from the model's seed.
            seed: is u64,
            /// The first values of the kernel; `glorot_uniform` by default.
            kernel_initializer: into crate::registry::Choice<dyn crate::initializers::Initializer>,
            /// The first values of the recurrent kernel; `orthogonal` by default.
            recurrent_initializer: into crate::registry::Choice<dyn crate::initializers::Initializer>,
            /// The first values of the bias; `zeros` by default.
            bias_initializer: into crate::registry::Choice<dyn crate::initializers::Initializer>,
            /// The regularizer of the kernel; none by default.
            kernel_regularizer: some crate::registry::Choice<dyn crate::regularizers::Regularizer>,
            /// The regularizer of the recurrent kernel; none by default.
            recurrent_regularizer: some crate::registry::Choice<dyn crate::regularizers::Regularizer>,
            /// The regularizer of the bias; none by default.
            bias_regularizer: some crate::registry::Choice<dyn crate::regularizers::Regularizer>,
            /// The constraint of the kernel; none by default.
            kernel_constraint: some crate::registry::Choice<dyn crate::constraints::Constraint>,
            /// The constraint of the recurrent kernel; none by default.
            recurrent_constraint: some crate::registry::Choice<dyn crate::constraints::Constraint>,
            /// The constraint of the bias; none by default.
            bias_constraint: some crate::registry::Choice<dyn crate::constraints::Constraint>,
        }
    };
    ($($(#[$doc:meta])* $name:ident: $form:ident $ty:ty,)*) => {
        $(crate::cells::forward_cell_setters! { @ $form $(#[$doc])* $name $ty })*
    };
    (@ into $(#[$doc:meta])* $name:ident $ty:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name<Form>(
            mut self,
            $name: impl crate::registry::IntoArgument<$ty, Form>,
        ) -> Self {
            self.cell = self.cell.$name($name);
            self
        }
    };
    (@ is $(#[$doc:meta])* $name:ident $ty:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $ty) -> Self {
            self.cell = self.cell.$name($name);
            self
        }
    };
    (@ some $(#[$doc:meta])* $name:ident $ty:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<$ty>) -> Self {
            self.cell = self.cell.$name($name);
            self
        }
    };
}
pub(crate) use forward_cell_setters;

/// The arguments that all cells with units have.
pub(super) struct Unit<'a> {
    pub(super) class: &'static str,
    pub(super) units: usize,
    pub(super) use_bias: bool,
    pub(super) kernel: &'a Kernel,
    pub(super) recurrent: &'a Recurrent,
    pub(super) bias: &'a Bias,
    pub(super) dropout: f64,
    pub(super) recurrent_dropout: f64,
}

/// The products of the input with the kernels of all gates.
pub(super) struct Projection {
    /// For each gate `x·kernel + bias`, `[time, batch, units]`.
    pub(super) gates: Vec<Var>,
    /// The shared values that each step reads: the recurrent kernel of each gate, `recurrent/0` and
    /// so on, and what its states are multiplied by, `dropout`, if there is dropout.
    pub(super) shared: Vec<(String, Var)>,
}

impl Unit<'_> {
    /// The weights of a cell with so many gates; the bias has this shape.
    pub(super) fn build(
        &self,
        input: &Type,
        gates: usize,
        bias: &[usize],
    ) -> Result<Vec<WeightSpec>, Mistake> {
        let features = features(self.class, input)?;
        let width = gates * self.units;
        let kernel = self.kernel.declare("kernel", [features, width]);
        let recurrent = self.recurrent.declare("recurrent_kernel", [self.units, width]);
        let bias = self.use_bias.then(|| self.bias.declare("bias", bias));
        Ok([kernel, recurrent].into_iter().chain(bias).collect())
    }

    /// The products of all steps with the kernels of the gates, with these biases.
    pub(super) fn project(
        &self,
        call: &mut Call<'_>,
        x: &Var,
        gates: usize,
        bias: Option<&Var>,
    ) -> Projection {
        let &[time, batch, features] = &x.shape()[..] else {
            let mistake = Mistake::new(format!("{} takes a vector in each step", self.class));
            let void = call.tracer().fail(mistake);
            return Projection { gates: vec![void; gates], shared: vec![] };
        };
        let x = match row_shares(call, self.dropout, &Type::new(x.dtype(), [batch, features])) {
            Some(shares) => x * shares,
            None => x.clone(),
        };
        let rows = x.reshape([time * batch, features]);
        let (kernel, recurrent) = (call.weight("kernel"), call.weight("recurrent_kernel"));
        let of_gate = |weight: &Var, gate: usize| columns(weight, gate * self.units, self.units);
        let product = |gate: usize| {
            let product = rows.matmul(&of_gate(&kernel, gate));
            let sum = match bias {
                Some(bias) => product + of_gate(bias, gate),
                None => product,
            };
            sum.reshape([time, batch, self.units])
        };
        let mut shared: Vec<(String, Var)> = (0..gates)
            .map(|gate| (format!("recurrent/{gate}"), of_gate(&recurrent, gate)))
            .collect();
        let ty = Type::new(x.dtype(), [batch, self.units]);
        let shares = row_shares(call, self.recurrent_dropout, &ty);
        shared.extend(shares.map(|shares| ("dropout".to_owned(), shares)));
        Projection { gates: (0..gates).map(product).collect(), shared }
    }

    /// The state of a step, of which features are dropped in training.
    pub(super) fn kept(&self, call: &super::CellStep<'_>, state: &Var) -> Var {
        match (call.shared)("dropout") {
            Some(shares) => state * shares,
            None => state.clone(),
        }
    }
}

/// In training, what each feature is multiplied by in all steps: 0 with the probability `rate`,
/// `1 / (1 − rate)` otherwise.
fn row_shares(call: &mut Call<'_>, rate: f64, ty: &Type) -> Option<Var> {
    (call.training() && rate > 0.0).then(|| {
        let ones = call.tracer().full(ty, 1.0);
        dropped(call, &ones, rate, ty.shape.clone())
    })
}

/// Columns of a weight along its last axis.
pub(super) fn columns(weight: &Var, from: usize, count: usize) -> Var {
    let rank = weight.shape().rank();
    let Some(last) = rank.checked_sub(1) else { return weight.clone() };
    let (mut starts, mut limits) = (vec![0; rank], weight.shape().to_vec());
    (starts[last], limits[last]) = (from, from + count);
    weight.slice(&starts, &limits, &vec![1; rank])
}
