//! Loops that end when a condition does not hold any more.

use std::sync::Arc;

use super::{Tracer, Var};
use crate::graph::Graph;
use crate::op::Named;
use crate::ops::WhileLoop;
use crate::types::{DType, Type};

/// A loop under construction: [`Tracer::while_loop`].
#[derive(Debug)]
#[must_use = "nothing is added to the graph before `run`"]
pub struct Looper<'a> {
    tracer: &'a Tracer,
    name: &'a str,
    limit: usize,
    carries: &'a [&'a Var],
    shared: &'a [&'a Var],
}

/// What the condition and a step of a loop are given.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The carries before the step.
    pub carries: &'a [Var],
    /// The shared values.
    pub shared: &'a [Var],
}

impl Tracer {
    /// Begins a [`WhileLoop`]: a loop of at most `limit` steps, whose step has this name.
    ///
    /// ```
    /// use brolga_ir::{Tensor, Tracer, Type, interpret};
    ///
    /// // Heron's method for √a, until a step changes nothing that matters.
    /// let t = Tracer::new("root");
    /// let a = t.input("a", Type::f32([]));
    /// let (x, steps) = t.while_loop("heron", 100).carries(&[&a]).shared(&[&a]).run(
    ///     |turn| {
    ///         let (x, a) = (&turn.carries[0], &turn.shared[0]);
    ///         (x * x - a).abs().gt(&(a * 1e-6))
    ///     },
    ///     |turn| {
    ///         let (x, a) = (&turn.carries[0], &turn.shared[0]);
    ///         vec![(x + a / x) * 0.5]
    ///     },
    /// );
    /// t.output(&x[0]);
    /// t.output(&steps);
    /// # drop((a, x, steps));
    /// let graph = t.finish()?;
    /// let results = interpret(&graph, &[Tensor::f32([], vec![9.0]).ok_or("one element")?])?;
    /// assert_eq!(results[0].as_f32(), Some([3.0].as_slice()));
    /// assert_eq!(results[1].to_i64(), Some(vec![5]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn while_loop<'a>(&'a self, name: &'a str, limit: usize) -> Looper<'a> {
        Looper { tracer: self, name, limit, carries: &[], shared: &[] }
    }
}

impl<'a> Looper<'a> {
    /// The first values of what is carried from step to step.
    pub fn carries(self, carries: &'a [&'a Var]) -> Self {
        Self { carries, ..self }
    }

    /// Values that the condition and each step read. They can use no other values of the graph.
    pub fn shared(self, shared: &'a [&'a Var]) -> Self {
        Self { shared, ..self }
    }

    /// Adds the loop: as long as `condition` returns true, `step` returns the next carries. Returns
    /// the last carries, as many as there are, also after a mistake; and the number of steps.
    #[track_caller]
    pub fn run(
        self,
        condition: impl FnOnce(Turn<'_>) -> Var,
        step: impl FnOnce(Turn<'_>) -> Vec<Var>,
    ) -> (Vec<Var>, Var) {
        let Self { tracer, name, limit, carries, shared } = self;
        let count = carries.len();
        let holds = self.body(&format!("{name}.condition"), |values| {
            let (carries, shared) = values.split_at(count);
            vec![condition(Turn { carries, shared })]
        });
        let body = self.body(name, |values| {
            let (carries, shared) = values.split_at(count);
            step(Turn { carries, shared })
        });
        let operands: Vec<&Var> = carries.iter().chain(shared).copied().collect();
        let mut results = match holds.zip(body) {
            Some((holds, body)) => {
                tracer.apply_all(WhileLoop::new(limit, count, holds, body), &operands)
            }
            None => Vec::new(),
        };
        let steps = if results.len() == count + 1 { results.pop() } else { None };
        results.resize_with(count, || tracer.void());
        let void = || Var { ty: Type::scalar(DType::I32), ..tracer.void() };
        (results, steps.unwrap_or_else(void))
    }

    /// A graph of the carries and the shared values.
    #[track_caller]
    fn body(&self, name: &str, write: impl FnOnce(&[Var]) -> Vec<Var>) -> Option<Arc<Graph>> {
        let named = |prefix: &'static str| {
            move |(index, value): (usize, &&Var)| (format!("{prefix}{index}"), value.ty().clone())
        };
        let inputs = (self.carries.iter().enumerate().map(named("c")))
            .chain(self.shared.iter().enumerate().map(named("s")))
            .collect();
        let (body, _) = self.tracer.body(name, inputs, WhileLoop::NAME, write);
        body
    }
}
