//! Scans: loops over the steps of sequences, written as a function of one step.

use super::{Tracer, Var};
use crate::error::Mistake;
use crate::op::Named;
use crate::ops::Scan;
use crate::types::Type;

/// A scan under construction: [`Tracer::scan`].
#[derive(Debug)]
#[must_use = "nothing is added to the graph before `run`"]
pub struct Scanner<'a> {
    tracer: &'a Tracer,
    name: &'a str,
    carries: &'a [&'a Var],
    sequences: &'a [&'a Var],
    shared: &'a [&'a Var],
    axis: usize,
    length: Option<usize>,
    reverse: bool,
    checkpoint: Option<usize>,
}

/// What a step is given.
#[derive(Debug)]
pub struct Step<'a> {
    /// The carries before the step.
    pub carries: &'a [Var],
    /// The slices of the sequences, without the axis of the steps.
    pub slices: &'a [Var],
    /// The shared values.
    pub shared: &'a [Var],
}

impl Tracer {
    /// Begins a [`Scan`]: a loop whose step has this name.
    ///
    /// ```
    /// use brolga_ir::{Tracer, Type};
    ///
    /// // hₜ₊₁ = tanh(xₜ + hₜ·w) for x: [batch, time, units]
    /// let t = Tracer::new("rnn");
    /// let (x, w) = (t.input("x", Type::f32([8, 20, 4])), t.state("w", Type::f32([4, 4])));
    /// let h = t.full(&Type::f32([8, 4]), 0.0);
    /// let (last, all) = t.scan("step").carries(&[&h]).over(&[&x], 1).shared(&[&w]).run(|step| {
    ///     let h = (&step.slices[0] + step.carries[0].matmul(&step.shared[0])).tanh();
    ///     (vec![h.clone()], vec![h])
    /// });
    /// assert_eq!(last[0].ty(), &Type::f32([8, 4]));
    /// assert_eq!(all[0].ty(), &Type::f32([8, 20, 4]));
    /// ```
    pub fn scan<'a>(&'a self, name: &'a str) -> Scanner<'a> {
        Scanner {
            tracer: self,
            name,
            carries: &[],
            sequences: &[],
            shared: &[],
            axis: 0,
            length: None,
            reverse: false,
            checkpoint: None,
        }
    }
}

impl<'a> Scanner<'a> {
    /// The first values of what is carried from step to step.
    pub fn carries(self, carries: &'a [&'a Var]) -> Self {
        Self { carries, ..self }
    }

    /// The sequences, whose steps lie along this axis; those of the stacks do too.
    pub fn over(self, sequences: &'a [&'a Var], axis: usize) -> Self {
        Self { sequences, axis, ..self }
    }

    /// Values that each step reads. The step can use no other values of the graph.
    pub fn shared(self, shared: &'a [&'a Var]) -> Self {
        Self { shared, ..self }
    }

    /// The number of steps: needed if there is no sequence.
    pub fn length(self, length: usize) -> Self {
        Self { length: Some(length), ..self }
    }

    /// Whether the last step is the first; `false` if not called.
    pub fn reverse(self, reverse: bool) -> Self {
        Self { reverse, ..self }
    }

    /// Lets the gradient keep the carries of each `every`-th step alone and recompute the others.
    pub fn checkpoint(self, every: usize) -> Self {
        Self { checkpoint: Some(every), ..self }
    }

    /// Adds the scan: `step` returns the next carries and what is stacked. Returns the last carries
    /// and the stacks: as many as `step` returns, also after a mistake.
    #[track_caller]
    pub fn run(self, step: impl FnOnce(Step<'_>) -> (Vec<Var>, Vec<Var>)) -> (Vec<Var>, Vec<Var>) {
        let Self { tracer, name, carries, sequences, shared, axis, reverse, checkpoint, .. } = self;
        let sequences: Vec<Var> = sequences.iter().map(|x| to_front(x, axis)).collect();
        let first = sequences.first().and_then(|x| x.shape().first().copied());
        let length = self.length.or(first).unwrap_or_else(|| {
            let message = format!("`{} {name}`: its length is not known", Scan::NAME);
            let help = "without a sequence, `length` tells the number of steps";
            tracer.fail(Mistake::new(message).help(help));
            0
        });
        let slice = |x: &Var| Type::new(x.dtype(), x.shape().get(1..).unwrap_or_default());
        let named = |prefix: &str, index: usize, ty: Type| (format!("{prefix}{index}"), ty);
        let inputs = (carries.iter().enumerate().map(|(i, c)| named("c", i, c.ty().clone())))
            .chain(sequences.iter().enumerate().map(|(i, x)| named("x", i, slice(x))))
            .chain(shared.iter().enumerate().map(|(i, s)| named("s", i, s.ty().clone())))
            .collect();
        let count = carries.len();
        let mut returned = (0, 0);
        let (body, _) = tracer.body(name, inputs, Scan::NAME, |values| {
            let (carried, others) = values.split_at(count);
            let (slices, shared) = others.split_at(sequences.len());
            let (mut results, stacks) = step(Step { carries: carried, slices, shared });
            returned = (results.len(), stacks.len());
            results.extend(stacks);
            results
        });
        let (next, stacks) = returned;
        if next != count {
            let message = format!(
                "`{} {name}`: the step gives {next} next values for {count} carries",
                Scan::NAME
            );
            tracer.fail(Mistake::new(message).help("it gives one for each carry, in their order"));
        }
        let mut results = match body {
            Some(body) if next == count => {
                let sequences = sequences.iter();
                let operands: Vec<&Var> = carries
                    .iter()
                    .copied()
                    .chain(sequences.clone())
                    .chain(shared.iter().copied())
                    .collect();
                let sequences = sequences.len();
                let scan = Scan { length, carries: count, sequences, reverse, checkpoint, body };
                tracer.apply_all(scan, &operands)
            }
            _ => Vec::new(),
        };
        results.resize_with(next + stacks, || tracer.void());
        let stacks = results.split_off(next);
        (results, stacks.iter().map(|y| from_front(y, axis)).collect())
    }
}

/// The operand with this axis in front.
fn to_front(x: &Var, axis: usize) -> Var {
    if axis == 0 {
        return x.clone();
    }
    let others = (0..x.shape().rank()).filter(|&other| other != axis);
    x.transpose(&std::iter::once(axis).chain(others).collect::<Vec<_>>())
}

/// The operand with its first axis at this place, or at the last if there are fewer.
fn from_front(y: &Var, axis: usize) -> Var {
    let axis = axis.min(y.shape().rank().saturating_sub(1));
    if axis == 0 {
        return y.clone();
    }
    let mut permutation: Vec<usize> = (1..y.shape().rank()).collect();
    permutation.insert(axis, 0);
    y.transpose(&permutation)
}
