//! Functions: parts of a graph that are written once and called several times.

use std::sync::Arc;

use super::{Tracer, Var};
use crate::error::{Mistake, TraceError};
use crate::graph::Graph;
use crate::op::Named;
use crate::ops::Call;
use crate::types::Type;

/// A function that the traced graph can call. Clones are the same function.
#[derive(Debug, Clone)]
pub struct Function {
    tracer: Tracer,
    /// `None` if a mistake was made in it.
    graph: Option<Arc<Graph>>,
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
        let inner = Self::new(name);
        let inputs: Vec<Var> = inputs.into_iter().map(|(name, ty)| inner.input(name, ty)).collect();
        let results = body(&inputs);
        let foreign = results.iter().find(|v| v.value.is_some() && !inner.owns(v)).map(Var::ty);
        if let Some(ty) = foreign {
            let message = format!("the function `{name}` returns {ty}, a value of another graph");
            inner.fail(Mistake::new(message).help("it can use only the values that it is given"));
        }
        results.iter().for_each(|result| inner.output(result));
        let count = results.len();
        let graph = match inner.finish() {
            Ok(graph) => match graph.check_body(Call::NAME) {
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
        Function { tracer: self.clone(), graph, results: count }
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
        let results = match &self.graph {
            Some(function) => {
                self.tracer.apply_all(Call { function: Arc::clone(function) }, operands)
            }
            None => Vec::new(),
        };
        let void = std::iter::repeat_with(|| self.tracer.void());
        results.into_iter().chain(void).take(self.results).collect()
    }

    /// The function as a graph; `None` if a mistake was made in it.
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        self.graph.as_ref()
    }
}
