//! Values and gradients of functions.

use std::fmt;

use brolga_ir::{Mistake, Var};
use brolga_runtime::Options;
use ndarray::ArrayD;

use super::program::Programs;
use super::trace::StepTrace;
use crate::arrays::IntoArrays;
use crate::error::NnError;

/// A function of arrays that gives its value and its gradients; see [`value_and_grad`].
pub struct ValueAndGrad<const M: usize, const A: usize, const G: usize> {
    programs: Programs,
}

/// The value of a function of `M` arrays, and its gradients by the inputs of these numbers (JAX's
/// `value_and_grad(function, argnums, has_aux=True)`).
///
/// The function returns one float, its value, and `A` auxiliary tensors beside it, which are
/// returned as they are. It is compiled once for the shapes of its inputs.
///
/// ```
/// use brolga_nn::prelude::*;
/// use ndarray::array;
///
/// // The sum of x·w², by w.
/// let mut f = value_and_grad(|[x, w]| ((x * w * w).reduce_sum(&[0], false), []), [1]);
/// let (x, w) = (array![1.0_f32, 2.0], array![3.0_f32, 4.0]);
/// let (value, [], [dw]) = f.run([&x, &w])?;
/// assert_eq!(value, 41.0);
/// assert_eq!(dw, array![6.0, 16.0].into_dyn());
/// # Ok::<(), NnError>(())
/// ```
///
/// Weights of models are differentiated by in a [`TrainStep`](super::TrainStep).
pub fn value_and_grad<const M: usize, const A: usize, const G: usize>(
    function: impl Fn(&[Var; M]) -> (Var, [Var; A]) + Send + 'static,
    argnums: [usize; G],
) -> ValueAndGrad<M, A, G> {
    let whole = move |step: &mut StepTrace<'_>, inputs: &[Var]| {
        let inputs: [Var; M] = std::array::from_fn(|index| inputs[index].clone());
        let wanted = argnums.iter().map(|&number| match inputs.get(number) {
            Some(input) => input.clone(),
            None => {
                let s = if M == 1 { "" } else { "s" };
                let message = format!("value_and_grad: there is no input {number}");
                step.tracer().fail(
                    Mistake::new(message).help(format!("the function has {M} input{s}, from 0 on")),
                )
            }
        });
        let wanted: Vec<Var> = wanted.collect();
        let (value, auxiliary) = function(&inputs);
        let gradients = step.gradients(&value, &wanted);
        [value].into_iter().chain(auxiliary).chain(gradients).collect()
    };
    ValueAndGrad { programs: Programs::new("value_and_grad", M, Box::new(whole)) }
}

/// The value, the auxiliary tensors, and the gradients.
type Evaluated<const A: usize, const G: usize> = (f32, [ArrayD<f32>; A], [ArrayD<f32>; G]);

impl<const M: usize, const A: usize, const G: usize> ValueAndGrad<M, A, G> {
    /// How it is compiled and run; see [`TrainStep::options`](super::TrainStep::options).
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.programs.set_options(options);
        self
    }

    /// The value, the auxiliary tensors and the gradients for these arrays.
    ///
    /// # Errors
    /// If the function made a mistake, its value is not one float or does not depend on an input
    /// asked for, there are more or fewer arrays than inputs, or the program needs more memory than
    /// is granted.
    pub fn run<'a>(&mut self, inputs: impl IntoArrays<'a>) -> Result<Evaluated<A, G>, NnError> {
        let mut outputs = self.programs.run(&mut [], inputs.into_arrays())?.into_iter();
        let mut next = || outputs.next().expect("a program has as many outputs as its function");
        let value = next().sum();
        Ok((value, std::array::from_fn(|_| next()), std::array::from_fn(|_| next())))
    }
}

impl<const M: usize, const A: usize, const G: usize> fmt::Debug for ValueAndGrad<M, A, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueAndGrad").field("programs", &self.programs).finish()
    }
}
