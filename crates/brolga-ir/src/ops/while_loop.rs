//! A loop that ends when a condition does not hold any more.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::body::{check_carries, check_steps, infer_body};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::Bodies;
use crate::loops::{self, Buffer, Index, Scalar, Writer, write_body};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::{Tracer, Var};
use crate::types::{DType, Shape, Type};

/// The body as long as the condition holds, but `limit` times at most: `cₜ₊₁ = body(cₜ, s)` while
/// `condition(cₜ, s)`.
///
/// | | operands and inputs of both graphs, in this order | results, in this order |
/// |---|---|---|
/// | `carries` | first values c, which the graphs take as they are | the values after the last step |
/// | all others | shared values s, the same in each step | |
/// | | | `i32[]`: the number of steps that were taken |
///
/// The condition returns one `bool[]`, and is evaluated before each step. The body returns the next
/// value of each carry, of the carry's type, and nothing else. If the condition does not hold at
/// first, or the limit is 0, the carries stay. Types are exact: nothing is broadcast. Both graphs
/// take data alone.
///
/// There is no gradient: it would take the carries of all steps, whose number is not known before
/// they run, in memory that is planned before they run. [`Scan`](super::Scan) has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhileLoop {
    /// The most steps.
    pub limit: usize,
    /// The number of carries.
    pub carries: usize,
    /// The condition, and a step.
    #[serde(skip)]
    bodies: [Arc<Graph>; 2],
}

/// As that of [`Call`](super::Call).
impl Hash for WhileLoop {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.limit, self.carries, self.condition().len(), self.body().len()).hash(state);
    }
}

impl WhileLoop {
    /// The loop of a condition and a step.
    pub fn new(limit: usize, carries: usize, condition: Arc<Graph>, body: Arc<Graph>) -> Self {
        Self { limit, carries, bodies: [condition, body] }
    }

    /// The condition.
    pub fn condition(&self) -> &Arc<Graph> {
        &self.bodies[0]
    }

    /// A step.
    pub fn body(&self) -> &Arc<Graph> {
        &self.bodies[1]
    }
}

/// The type of the number of steps.
const COUNT: DType = DType::I32;

impl Operation for WhileLoop {
    fn family(&self) -> Family<'_> {
        Family::Loop
    }

    fn bodies(&self) -> &[Arc<Graph>] {
        &self.bodies
    }

    fn bodies_mut(&mut self) -> &mut [Arc<Graph>] {
        &mut self.bodies
    }

    fn names_bodies(&self) -> bool {
        true
    }

    fn most_steps(&self) -> Option<usize> {
        Some(self.limit)
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let (name, carries, given) = (Self::NAME, self.carries, operands.len());
        if carries > given {
            return Err(Mistake::new(format!(
                "`{name}` takes {carries} operands or more, not {given}: its carries"
            )));
        }
        let holds = infer_body(Self::NAME, self.condition(), operands)?;
        if holds[..] != [Type::scalar(DType::Bool)] {
            let types: Vec<String> = holds.iter().map(Type::to_string).collect();
            let (condition, types) = (self.condition().name(), types.join(", "));
            let message =
                format!("`{name} {condition}`: the condition returns {types}, not bool[]");
            return Err(Mistake::new(message).help("compare numbers that are reduced to one"));
        }
        let next = infer_body(Self::NAME, self.body(), operands)?;
        check_carries(Self::NAME, self.body(), &operands[..carries], &next)?;
        if next.len() > carries {
            let (body, returned) = (self.body().name(), next.len());
            let message = format!(
                "`{name} {body}`: its body returns {returned} values for {carries} carries"
            );
            return Err(Mistake::new(message)
                .help("the number of steps is not known, so that nothing can be stacked"));
        }
        check_steps(Self::NAME, self)?;
        Ok(next.into_iter().chain([Type::scalar(COUNT)]).collect())
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let operands = operands.iter().copied().map(Cow::Borrowed).collect();
        self.evaluate_owned(operands, results, &mut Bodies::unobserved())
    }

    fn evaluate_owned(
        &self,
        mut operands: Vec<Cow<'_, Tensor>>,
        _: &[Type],
        bodies: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        let shared = operands.split_off(self.carries);
        let mut carried: Vec<Tensor> = operands.into_iter().map(Cow::into_owned).collect();
        let mut steps = 0;
        while steps < self.limit {
            let others = shared.iter().map(|value| Cow::Borrowed(&**value));
            let taken = carried.iter().map(Cow::Borrowed).chain(others).collect();
            let holds = bodies.evaluate((0, self.condition()), Some(steps), taken);
            if *holds[0].data() != Data::Bool(vec![true]) {
                break;
            }
            let others = shared.iter().map(|value| Cow::Borrowed(&**value));
            let taken = carried.into_iter().map(Cow::Owned).chain(others).collect();
            carried = bodies.evaluate((1, self.body()), Some(steps), taken);
            steps += 1;
        }
        // The type rule bounds the number of steps.
        carried.push(Tensor::of(Shape::scalar(), Data::I32(vec![steps as i32])));
        carried
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (first, shared) = operands.split_at(self.carries);
        let (carried, steps) = (&results[..self.carries], results[self.carries]);
        for (&first, &carried) in first.iter().zip(carried) {
            w.set_name("copy");
            loops::copy(w, first, carried);
        }
        let next: Vec<Buffer> =
            carried.iter().map(|&carry| w.temporary(w.ty(carry).clone())).collect();
        let holds = w.temporary(Type::scalar(DType::Bool));
        let taken: Vec<Buffer> = carried.iter().chain(shared).copied().collect();
        w.set_name(format!("{} {}", Self::NAME, self.body().name()));
        w.stage(1, |w, _| {
            let zero = w.zero(COUNT);
            let count = w.variable(zero);
            let condition = |w: &mut Writer, _: Index| {
                write_body(w, self.condition(), &taken, &[holds]);
                w.load(holds, Index::default())
            };
            let body = |w: &mut Writer, step: Index| {
                write_body(w, self.body(), &taken, &next);
                for (&next, &carry) in next.iter().zip(carried) {
                    loops::copy(w, next, carry);
                }
                let taken = w.number(Scalar::of(COUNT), step + 1);
                w.set(count, taken);
            };
            if self.limit > 0 {
                w.repeat_while(self.limit, condition, body);
            }
            let count = w.get(count);
            w.store(steps, Index::default(), count);
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (name, limit) = (Self::NAME, self.limit);
        let message = format!(
            "`{name}` is forward only: a gradient needs the carries of all steps, and their number \
             is not known before the loop runs"
        );
        let help = format!(
            "write it as a `scan` of length {limit} whose step keeps the carries, with `select`, \
             once the condition does not hold; or stop the gradient with `stop_gradient`"
        );
        Err(Mistake::new(message).help(help))
    }
}

impl Draw for WhileLoop {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let limit = pen.rng.pick(&[0, 1, 2, 3, 5]);
        let (mut body, operands) = pen.function()?;
        let next = body.outputs().to_vec();
        let fitting = next.iter().zip(&operands);
        let carries = fitting.take_while(|(next, first)| body.ty(next.value) == first.ty()).count();
        if carries == 0 {
            return None;
        }
        body.set_outputs(next[..carries].to_vec());
        body.remove_dead();
        let tracer = Tracer::new(format!("{}.condition", body.name()));
        let taken: Vec<Var> = (operands.iter().enumerate())
            .map(|(index, operand)| tracer.input(&format!("v{index}"), operand.ty().clone()))
            .collect();
        // A number that the body changes, against a bound near those that are drawn.
        let number = taken[pen.rng.below(carries)].cast(DType::F32);
        let axes: Vec<usize> = (0..number.shape().rank()).collect();
        let bound = tracer.scalar(DType::F32, pen.rng.between(0, 4) as f64);
        tracer.output(&number.reduce_max(&axes, false).lt(&bound));
        drop((taken, number, bound));
        let condition = Arc::new(tracer.finish().ok()?);
        Some((Self::new(limit, carries, condition, Arc::new(body)), operands))
    }
}

#[cfg(test)]
mod tests;
