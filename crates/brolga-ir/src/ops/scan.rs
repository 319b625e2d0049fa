//! A loop over the steps of sequences.

mod gradient;
mod segments;
mod steps;
mod total;

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::steps::{Stack, part};
use super::body::{check_carries, check_steps, infer_body};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::Bodies;
use crate::loops::{self, Buffer, Index, Writer, write_body};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{MAX_RANK, Type};

/// The body, once for each step `t`: `(cₜ₊₁, yₜ) = body(cₜ, xₜ, s)`.
///
/// | | operands and inputs of the body, in this order | results, in this order |
/// |---|---|---|
/// | `carries` | first values c, which the body takes as they are | the values after the last step |
/// | `sequences` | `x: [length, ..]`; the body takes `x[t, ..]` | |
/// | all others | shared values s, the same in each step | stacks `y: [length, ..]` of what the body returns in each step |
///
/// The body returns the next value of each carry, of the carry's type, and then what is stacked.
/// Steps run from `0` to `length − 1`, or with `reverse` the other way; `y[t]` belongs to `x[t]` in
/// both cases. Without steps the carries stay, and the stacks are empty. Types are exact: nothing
/// is broadcast. The body takes data alone.
///
/// The gradient is a scan too, in the other direction, made by differentiating the body. It takes
/// the carries of all steps, which a second scan stacks, and recomputes what else it needs; passes
/// merge both scans, and stack what would be costly to recompute. Carries that have no gradient, as
/// those of integers, have no place in it: this is decided by a fixed point over the carries. The
/// gradient by a shared value is the sum over the steps. Where a step adds a product of matrices,
/// sums along axes or rows of a table, all steps are one product, one sum, one table, in ascending
/// order of `t`; all else is added up step after step, from the last to the first, `bf16` and `f16`
/// in f32.
///
/// With `checkpoint = k` the gradient keeps the carries of each k-th step alone and recomputes the
/// steps between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The number of steps.
    pub length: usize,
    /// The number of carries.
    pub carries: usize,
    /// The number of sequences.
    pub sequences: usize,
    /// Whether the last step is the first.
    #[serde(default)]
    pub reverse: bool,
    /// How many steps lie between the carries that the gradient keeps; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<usize>,
    /// A step.
    #[serde(skip)]
    pub body: Arc<Graph>,
}

/// As that of [`Call`](super::Call).
impl Hash for Scan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.length, self.carries, self.sequences, self.reverse).hash(state);
        (self.checkpoint, self.body.len()).hash(state);
    }
}

impl Scan {
    /// The index of the step that runs at this place.
    fn step(&self, place: usize) -> usize {
        if self.reverse { self.length - 1 - place } else { place }
    }

    /// The number of operands that are no shared values.
    fn own(&self) -> usize {
        self.carries.saturating_add(self.sequences)
    }

    fn check_sequence(&self, ty: &Type) -> Result<Type, Mistake> {
        match ty.shape.split_first() {
            Some((&length, step)) if length == self.length => Ok(Type::new(ty.dtype, step)),
            _ => {
                let (name, length) = (Self::NAME, self.length);
                let message =
                    format!("`{name}`: a sequence is {ty}, which has not the length {length}");
                Err(Mistake::new(message).help("steps lie along the first axis"))
            }
        }
    }
}

/// A type with an axis of this length in front.
fn stacked(ty: &Type, length: usize) -> Type {
    Type {
        dtype: ty.dtype,
        shape: std::iter::once(length).chain(ty.shape.iter().copied()).collect(),
    }
}

impl Operation for Scan {
    fn family(&self) -> Family<'_> {
        Family::Loop
    }

    fn bodies(&self) -> &[Arc<Graph>] {
        std::slice::from_ref(&self.body)
    }

    fn bodies_mut(&mut self) -> &mut [Arc<Graph>] {
        std::slice::from_mut(&mut self.body)
    }

    fn names_bodies(&self) -> bool {
        true
    }

    fn most_steps(&self) -> Option<usize> {
        Some(self.length)
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let (name, given) = (Self::NAME, operands.len());
        let (carries, length) = (self.carries, self.length);
        if self.own() > given {
            let own = self.own();
            return Err(Mistake::new(format!(
                "`{name}` takes {own} operands or more, not {given}: its carries and sequences"
            )));
        }
        if self.checkpoint == Some(0) {
            let message = format!("`{name}`: there is no checkpoint every 0 steps");
            return Err(Mistake::new(message).help("without checkpoint all carries are kept"));
        }
        let slices = operands[carries..self.own()].iter().map(|ty| self.check_sequence(ty));
        let slices: Vec<Type> = slices.collect::<Result<_, _>>()?;
        let taken: Vec<&Type> = (operands[..carries].iter().copied())
            .chain(&slices)
            .chain(operands[self.own()..].iter().copied())
            .collect();
        let given = infer_body(Self::NAME, &self.body, &taken)?;
        check_steps(Self::NAME, self)?;
        check_carries(Self::NAME, &self.body, &operands[..carries], &given)?;
        let (next, stacks) = given.split_at(carries);
        Ok(next.iter().cloned().chain(stacks.iter().map(|ty| stacked(ty, length))).collect())
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let operands = operands.iter().copied().map(Cow::Borrowed).collect();
        self.evaluate_owned(operands, results, &mut Bodies::unobserved())
    }

    fn evaluate_owned(
        &self,
        mut operands: Vec<Cow<'_, Tensor>>,
        results: &[Type],
        bodies: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        let others = operands.split_off(self.carries);
        let mut carried: Vec<Tensor> = operands.into_iter().map(Cow::into_owned).collect();
        let (sequences, shared) = others.split_at(self.sequences);
        let mut stacks: Vec<Stack> = results[self.carries..].iter().map(Stack::new).collect();
        for place in 0..self.length {
            let step = self.step(place);
            let slices = sequences.iter().map(|sequence| Cow::Owned(part(sequence, step)));
            let shared = shared.iter().map(|value| Cow::Borrowed(&**value));
            let taken = carried.into_iter().map(Cow::Owned).chain(slices).chain(shared).collect();
            let mut given = bodies.evaluate((0, &self.body), Some(step), taken);
            for (stack, value) in stacks.iter_mut().zip(given.drain(self.carries..)) {
                stack.set(step, &value);
            }
            carried = given;
        }
        carried.into_iter().chain(stacks.into_iter().map(Stack::finish)).collect()
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (carries, own) = (self.carries, self.own());
        for (&first, &carried) in operands.iter().zip(&results[..carries]) {
            w.set_name("copy");
            loops::copy(w, first, carried);
        }
        if self.length == 0 {
            return;
        }
        let next: Vec<Buffer> =
            results[..carries].iter().map(|&carry| w.temporary(w.ty(carry).clone())).collect();
        w.set_name(format!("{} {}", Self::NAME, self.body.name()));
        w.stage(1, |w, _| {
            w.repeat(self.length, |w, place| {
                let step =
                    if self.reverse { Index::number(self.length - 1) - place } else { place };
                let part = |w: &mut Writer, buffer: &Buffer| w.part(*buffer, &step);
                let slices: Vec<Buffer> =
                    operands[carries..own].iter().map(|buffer| part(w, buffer)).collect();
                let stacks: Vec<Buffer> =
                    results[carries..].iter().map(|buffer| part(w, buffer)).collect();
                let taken: Vec<Buffer> = (results[..carries].iter())
                    .chain(&slices)
                    .chain(&operands[own..])
                    .copied()
                    .collect();
                let given: Vec<Buffer> = next.iter().chain(&stacks).copied().collect();
                write_body(w, &self.body, &taken, &given);
                for (&next, &carry) in next.iter().zip(results) {
                    loops::copy(w, next, carry);
                }
            });
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        gradient::vjp(self, node)
    }
}

impl Draw for Scan {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let length = pen.rng.pick(&[0, 1, 2, 3, 5]);
        let (body, operands) = pen.function()?;
        let lower = |ty: &Type| ty.shape.rank() < MAX_RANK;
        let results = body.outputs().iter().map(|output| body.ty(output.value));
        if !results.chain(operands.iter().map(Var::ty)).all(lower) {
            return None;
        }
        let outputs: Vec<Type> =
            body.outputs().iter().map(|output| body.ty(output.value).clone()).collect();
        // As many carries as the first inputs and results have the same types.
        let fitting = outputs.iter().zip(&operands).take_while(|(next, first)| *next == first.ty());
        let carries = pen.rng.between(0, fitting.count());
        let sequences = pen.rng.between(0, operands.len() - carries);
        let is_sequence = |index: usize| (carries..carries + sequences).contains(&index);
        let operand = |(index, operand): (usize, Var)| match is_sequence(index) {
            true => {
                let ty = stacked(operand.ty(), length);
                pen.value(ty.dtype, ty.shape)
            }
            false => operand,
        };
        let operands: Vec<Var> = operands.into_iter().enumerate().map(operand).collect();
        let reverse = pen.rng.one_in(2);
        let checkpoint = pen.rng.one_in(3).then(|| pen.rng.between(1, 3));
        let body = Arc::new(body);
        Some((Self { length, carries, sequences, reverse, checkpoint, body }, operands))
    }
}

#[cfg(test)]
mod tests;
