//! Functions: parts of a graph that are written once and called several times.

use std::sync::Arc;

use super::{Tracer, Var};
use crate::error::{Mistake, TraceError};
use crate::graph::Graph;
use crate::op::{Named, Op};
use crate::ops::{Call, CustomGradient};
use crate::types::Type;

/// A function that the traced graph can call. Clones are the same function.
#[derive(Debug, Clone)]
pub struct Function {
    tracer: Tracer,
    /// The call of it; `None` if a mistake was made in it.
    op: Option<Op>,
    results: usize,
}

impl Tracer {
    /// Defines a function: `body` gets a variable for each input, with these names and types, and
    /// returns the results. It can use no other value of the graph. Layers that its nodes enter
    /// become parts of the layer of the call.
    ///
    /// All calls share the function: it is printed, differentiated and compiled once.
    ///
    /// ```
    /// use brolga_ir::{TraceError, Tracer, Type};
    ///
    /// let t = Tracer::new("predict");
    /// let (x, w) = (t.input("x", Type::f32([2, 3])), t.state("w", Type::f32([3, 3])));
    /// let inputs = [("h", x.ty().clone()), ("w", w.ty().clone())];
    /// let step = t.function("step", inputs, |f| vec![f[0].matmul(&f[1]).tanh()]);
    /// let h = step.apply(&[&x, &w]);
    /// t.output(&step.apply(&[&h, &w]));
    /// assert_eq!(
    ///     t.finish()?.to_string(),
    ///     "func step(%h: f32[2,3], %w: f32[3,3]) {
    ///   %0: f32[2,3] = matmul %h, %w {transpose_a=false, transpose_b=false}
    ///   %1: f32[2,3] = tanh %0
    ///   return %1
    /// }
    ///
    /// graph predict(%x: f32[2,3], state %w: f32[3,3]) {
    ///   %0: f32[2,3] = call step %x, %w
    ///   %1: f32[2,3] = call step %0, %w
    ///   return %1
    /// }
    /// "
    /// );
    /// # Ok::<(), TraceError>(())
    /// ```
    ///
    /// A mistake in the function is one of the graph. A function must not declare states, and must
    /// return at least one value, all of them its own.
    #[track_caller]
    pub fn function<'n>(
        &self,
        name: &str,
        inputs: impl IntoIterator<Item = (&'n str, Type)>,
        body: impl FnOnce(&[Var]) -> Vec<Var>,
    ) -> Function {
        let inputs: Vec<(String, Type)> =
            inputs.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        let (graph, results) = self.body(name, inputs, Call::NAME, body);
        let op = graph.map(|function| Call { function }.into());
        Function { tracer: self.clone(), op, results }
    }

    /// A graph of inputs of these names and types, to be a body of `op`, and the number of its
    /// results; `None` if a mistake was made in it.
    #[track_caller]
    pub(super) fn body(
        &self,
        name: &str,
        inputs: Vec<(String, Type)>,
        op: &str,
        body: impl FnOnce(&[Var]) -> Vec<Var>,
    ) -> (Option<Arc<Graph>>, usize) {
        let inner = Self::new(name);
        let input = |(name, ty): (String, Type)| inner.input(&name, ty);
        let inputs: Vec<Var> = inputs.into_iter().map(input).collect();
        let results = body(&inputs);
        let foreign = results.iter().find(|v| v.value.is_some() && !inner.owns(v)).map(Var::ty);
        if let Some(ty) = foreign {
            let message = format!("the function `{name}` returns {ty}, a value of another graph");
            inner.fail(Mistake::new(message).help("it can use only the values that it is given"));
        }
        results.iter().for_each(|result| inner.output(result));
        let count = results.len();
        let graph = match inner.finish() {
            Ok(graph) => match graph.check_body(op) {
                Ok(()) => Some(Arc::new(graph)),
                Err(mistake) => {
                    self.fail(mistake);
                    None
                }
            },
            Err(TraceError { mistake, origin }) => {
                let origin = self.inside(origin);
                self.state.borrow_mut().error.get_or_insert(TraceError { mistake, origin });
                None
            }
        };
        (graph, count)
    }
}

impl Function {
    /// Calls the function and returns its first result.
    #[track_caller]
    pub fn apply(&self, operands: &[&Var]) -> Var {
        self.apply_all(operands).into_iter().next().unwrap_or_else(|| self.tracer.void())
    }

    /// Calls the function and returns all its results: as many as it has, also after a mistake.
    #[track_caller]
    pub fn apply_all(&self, operands: &[&Var]) -> Vec<Var> {
        let results = match &self.op {
            Some(op) => self.tracer.apply_all(op.clone(), operands),
            None => Vec::new(),
        };
        let void = std::iter::repeat_with(|| self.tracer.void());
        results.into_iter().chain(void).take(self.results).collect()
    }

    /// The function as a graph; `None` if a mistake was made in it.
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        self.op.as_ref()?.bodies().first()
    }

    /// The same function with a gradient rule of its own, which all calls have: `gradient` is given
    /// the inputs, the results, and the cotangents of the results of floats, and returns the
    /// gradient by each input of floats, of its type. What it computes is differentiated where a
    /// second order is asked for. [`CustomGradient`] has the details.
    ///
    /// ```
    /// use brolga_ir::{Tracer, Type};
    ///
    /// // log(1 + eˣ), whose derived gradient is NaN where eˣ is infinite.
    /// let t = Tracer::new("stable");
    /// let x = t.input("x", Type::f32([4]));
    /// let softplus = t
    ///     .function("softplus", [("x", x.ty().clone())], |x| vec![(x[0].exp() + 1.0).log()])
    ///     .with_gradient(|x, _y, dy| vec![x[0].sigmoid() * &dy[0]]);
    /// t.output(&softplus.apply(&[&softplus.apply(&[&x])]));
    /// # assert!(t.finish().is_ok());
    /// ```
    ///
    /// A mistake in the gradient is one of the graph. Values of another number or of other types
    /// are a mistake, and so is a function without an input or a result of floats.
    #[track_caller]
    #[must_use]
    pub fn with_gradient(self, gradient: impl FnOnce(&[Var], &[Var], &[Var]) -> Vec<Var>) -> Self {
        let Some(function) = self.graph().cloned() else { return self };
        let Self { tracer, results, .. } = self;
        let op = tracer.own_gradient(&function, gradient);
        Self {
            tracer,
            op: op.map(|gradient| CustomGradient::new(function, gradient).into()),
            results,
        }
    }
}

impl Tracer {
    /// The body that is the gradient of a function.
    #[track_caller]
    fn own_gradient(
        &self,
        function: &Graph,
        gradient: impl FnOnce(&[Var], &[Var], &[Var]) -> Vec<Var>,
    ) -> Option<Arc<Graph>> {
        let operands = function.inputs().iter().map(|&id| function.ty(id.into()));
        let operands: Vec<&Type> = operands.collect();
        let results = function.outputs().iter().map(|output| function.ty(output.value).clone());
        let results: Vec<Type> = results.collect();
        let takes = match CustomGradient::signature(&operands, &results) {
            Ok((takes, _)) => takes,
            Err(mistake) => {
                self.fail(mistake);
                return None;
            }
        };
        let (first, second) = (operands.len(), operands.len() + results.len());
        let own = |index: usize| match function.inputs().get(index) {
            Some(&id) => function.parameter(id).map_or(String::new(), |p| p.name.clone()),
            None if index < second => unused(function, format!("y{}", index - first)),
            None => unused(function, format!("d{}", index - second)),
        };
        let inputs = takes.into_iter().enumerate().map(|(index, ty)| (own(index), ty)).collect();
        let name = format!("{}.gradient", function.name());
        let body = |all: &[Var]| gradient(&all[..first], &all[first..second], &all[second..]);
        self.body(&name, inputs, CustomGradient::NAME, body).0
    }
}

/// The name, with more underscores at its end where an input of the function has it.
fn unused(function: &Graph, mut name: String) -> String {
    while function.input(&name).is_some() {
        name.push('_');
    }
    name
}
