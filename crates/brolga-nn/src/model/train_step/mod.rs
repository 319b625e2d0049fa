//! Training steps of one's own: traced functions of models and arrays.

mod function;
mod models;
mod program;
mod trace;
mod traced;

use std::fmt;

use brolga_ir::Var;
use brolga_runtime::{Options, State};
use ndarray::ArrayD;

pub use function::{ValueAndGrad, value_and_grad};
pub use models::Trainee;
pub use trace::{StepModel, StepOptimizer, StepTrace, Variable};

use crate::arrays::IntoArrays;
use crate::error::NnError;
use program::Programs;

/// A training step of one's own: a function that is traced, differentiated, fused and compiled as
/// the built-in one is, once for the shapes of its inputs (Keras: an overridden `train_step` with a
/// `GradientTape`; JAX: a function under `jit`).
///
/// The function is given a [`StepTrace`], the models, and a variable for each input. It calls
/// models, asks for gradients, applies optimizers, and returns what is to be reported. All of it
/// runs as one program.
///
/// ```
/// use brolga_nn::prelude::*;
/// use ndarray::array;
///
/// # fn main() -> Result<(), NnError> {
/// let mut model = Sequential::new();
/// model.add(Input::new([2]));
/// model.add(Dense::new(1));
///
/// let mut train = TrainStep::new(|step, [model], [x, y]| {
///     let prediction = step.call(&model, &x, true);
///     let loss = step.loss("mse", &y, &prediction);
///     let weights = step.trainable_weights(&model);
///     let gradients = step.gradients(&loss, &weights);
///     let optimizer = step.optimizer(SGD::new(0.1));
///     step.apply_gradients(&optimizer, &gradients, &weights);
///     [loss]
/// });
/// let (x, y) = (array![[1.0_f32, 0.0], [0.0, 1.0]], array![[1.0_f32], [2.0]]);
/// for _ in 0..10 {
///     let [loss] = train.run([&mut model], [&x, &y])?;
///     println!("{}", loss.sum());
/// }
/// let predictions = model.predict(&x)?;
/// # Ok(())
/// # }
/// ```
///
/// Models keep their weights: a run takes them from the models and leaves the next ones there, so
/// that `predict`, `save_weights` and `fit` see them. What optimizers keep, and states of one's
/// own, belong to the `TrainStep`. Random layers and moving statistics of models that are called in
/// training go on as in `fit`. The function is called when a shape is new and must write the same
/// states down each time; it depends on nothing that changes.
///
/// Inputs of floats are `f32`, those of integers and truth values `i32`, whatever type the arrays
/// have. The first axis needs not be a batch.
///
/// Unlike `fit`, a run does not look whether numbers become NaN.
pub struct TrainStep<const N: usize, const M: usize, const K: usize> {
    programs: Programs,
}

impl<const N: usize, const M: usize, const K: usize> TrainStep<N, M, K> {
    /// A step of `N` models and `M` inputs that returns `K` tensors.
    ///
    /// Nothing is traced before the first run, which also finds the function's mistakes.
    pub fn new(
        function: impl Fn(&mut StepTrace<'_>, [StepModel; N], [Var; M]) -> [Var; K] + Send + 'static,
    ) -> Self {
        let whole = move |step: &mut StepTrace<'_>, inputs: &[Var]| {
            let models = std::array::from_fn(StepModel::new);
            function(step, models, std::array::from_fn(|index| inputs[index].clone())).into()
        };
        Self { programs: Programs::new("step", M, Box::new(whole)) }
    }

    /// How it is compiled and run, such as the number of threads; by default natively, on all
    /// cores. Nothing here changes a bit of any result.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.programs.set_options(options);
        self
    }

    /// Makes one step and returns what the function returned, as `f32`.
    ///
    /// # Errors
    /// If the function made a mistake, a model is not built, the models have other weights than in
    /// the first run, there are more or fewer arrays than inputs, or the program needs more memory
    /// than is granted. Then the models are as they were.
    pub fn run<'a>(
        &mut self,
        mut models: [&mut dyn Trainee; N],
        inputs: impl IntoArrays<'a>,
    ) -> Result<[ArrayD<f32>; K], NnError> {
        let outputs = self.programs.run(&mut models, inputs.into_arrays())?;
        let mut outputs = outputs.into_iter();
        Ok(std::array::from_fn(|_| {
            outputs.next().expect("a program has as many outputs as its function")
        }))
    }

    /// What lives from run to run, in the order of the trace: the optimizers' states, such as
    /// `adam/dense/kernel/momentum` and `adam/learning_rate`, those of [`StepTrace::state`], and
    /// the models' weights as of the last run. `None` before the first one.
    pub fn state(&self) -> Option<&State> {
        self.programs.state()
    }

    /// The same, to be changed; changes of weights are lost, which the models hold.
    pub fn state_mut(&mut self) -> Option<&mut State> {
        self.programs.state_mut()
    }
}

impl<const N: usize, const M: usize, const K: usize> fmt::Debug for TrainStep<N, M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainStep").field("programs", &self.programs).finish()
    }
}
