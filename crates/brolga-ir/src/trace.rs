//! Tracing: graphs written as formulas.
//!
//! A [`Tracer`] owns the graph under construction, a [`Var`] is a value in it. Each op's file adds
//! its method to [`Var`], so that `(x * w + b).relu()` appends four nodes. The first mistake is
//! kept with its file, line and layer; everything computed from it is void, and [`Tracer::finish`]
//! returns it.

mod function;
mod scan;
mod while_loop;

use std::cell::RefCell;
use std::panic;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::error::{Mistake, TraceError};
use crate::graph::{Graph, Location, NodeId, Origin, Role, Value};
use crate::op::Op;
use crate::ops::{Constant, ParameterKind};
use crate::tensor::Tensor;
use crate::types::{DType, Shape, Type};

pub use function::Function;
pub use scan::Scanner;
pub use while_loop::{Looper, Turn};

/// A graph under construction. Clones share the graph.
#[derive(Debug, Clone)]
pub struct Tracer {
    state: Rc<RefCell<State>>,
}

#[derive(Debug)]
struct State {
    graph: Graph,
    error: Option<TraceError>,
    origin: Origin,
    /// Whether nodes get their caller's file and line where `origin` has none.
    located: bool,
}

/// A value of the graph being traced. After a mistake it may be void; then everything computed from
/// it is.
#[derive(Debug, Clone)]
pub struct Var {
    tracer: Tracer,
    value: Option<Value>,
    ty: Type,
}

/// Restores the origin before [`Tracer::enter`], [`Tracer::role`], [`Tracer::origin_scope`] or
/// [`Tracer::derived_scope`] when dropped.
#[derive(Debug)]
#[must_use = "the origin is taken back when the guard is dropped"]
pub struct Scope {
    tracer: Tracer,
    origin: Origin,
    located: bool,
}

impl Drop for Scope {
    fn drop(&mut self) {
        let state = &mut *self.tracer.state.borrow_mut();
        state.origin = std::mem::take(&mut self.origin);
        state.located = self.located;
    }
}

impl Tracer {
    /// Starts an empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self::resume(Graph::new(name))
    }

    /// Continues a graph: new nodes are added to it.
    pub fn resume(graph: Graph) -> Self {
        let state = State { graph, error: None, origin: Origin::default(), located: true };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Declares a data input.
    #[track_caller]
    pub fn input(&self, name: &str, ty: Type) -> Var {
        self.parameter(name, ParameterKind::Data, ty)
    }

    /// Declares a state input: a weight, an optimizer slot, a counter.
    #[track_caller]
    pub fn state(&self, name: &str, ty: Type) -> Var {
        self.parameter(name, ParameterKind::State, ty)
    }

    #[track_caller]
    fn parameter(&self, name: &str, kind: ParameterKind, ty: Type) -> Var {
        let origin = self.origin();
        let added = {
            let state = &mut *self.state.borrow_mut();
            state.graph.add_input(name, kind, ty.clone(), origin.clone())
        };
        self.var(added, origin)
    }

    /// A constant tensor.
    #[track_caller]
    pub fn constant(&self, tensor: Tensor) -> Var {
        self.apply(Constant::new(tensor), &[])
    }

    /// A scalar constant.
    #[track_caller]
    pub fn scalar(&self, dtype: DType, value: f64) -> Var {
        self.constant(Tensor::scalar(dtype, value))
    }

    /// A tensor in which every element is `value`.
    #[track_caller]
    pub fn full(&self, ty: &Type, value: f64) -> Var {
        self.scalar(ty.dtype, value).broadcast(ty.shape.clone())
    }

    /// Adds a node with one result.
    #[track_caller]
    pub fn apply(&self, op: impl Into<Op>, operands: &[&Var]) -> Var {
        self.add(op.into(), operands).swap_remove(0)
    }

    /// Adds a node and returns all its results (at least one).
    #[track_caller]
    pub fn apply_all(&self, op: impl Into<Op>, operands: &[&Var]) -> Vec<Var> {
        self.add(op.into(), operands)
    }

    #[track_caller]
    fn add(&self, op: Op, operands: &[&Var]) -> Vec<Var> {
        let origin = self.origin();
        let Some(values) = operands.iter().map(|v| v.value).collect::<Option<Vec<_>>>() else {
            return vec![self.void()];
        };
        if let Some(foreign) = operands.iter().find(|v| !Rc::ptr_eq(&v.tracer.state, &self.state)) {
            let message = format!("`{}`: an operand {} is of another graph", op.name(), foreign.ty);
            return vec![self.var(Err(Mistake::new(message)), origin)];
        }
        let added = self.state.borrow_mut().graph.add_node(op, &values, origin.clone());
        match added {
            Ok(node) => {
                let types = self.state.borrow().graph.node(node).types.clone();
                let var = |(port, ty)| Var {
                    tracer: self.clone(),
                    value: Some(Value { node, port: port as u32 }),
                    ty,
                };
                types.into_iter().enumerate().map(var).collect()
            }
            Err(mistake) => vec![self.var(Err(mistake), origin)],
        }
    }

    fn var(&self, added: Result<Value, Mistake>, origin: Origin) -> Var {
        match added {
            Ok(value) => self.at(value),
            Err(mistake) => {
                self.state.borrow_mut().error.get_or_insert(TraceError { mistake, origin });
                self.void()
            }
        }
    }

    fn void(&self) -> Var {
        Var { tracer: self.clone(), value: None, ty: Type::scalar(DType::F32) }
    }

    /// Adds copies of a function's nodes, as [`Graph::paste`] does.
    pub(crate) fn paste(
        &self,
        function: &Graph,
        values: FxHashMap<Value, Value>,
    ) -> Result<FxHashMap<Value, Value>, Mistake> {
        let origin = self.state.borrow().origin.clone();
        self.state.borrow_mut().graph.paste(function, values, &origin)
    }

    /// The variable of a value that is already in the graph.
    ///
    /// # Panics
    /// If the value is not in the graph.
    pub fn at(&self, value: Value) -> Var {
        let ty = self.state.borrow().graph.ty(value).clone();
        Var { tracer: self.clone(), value: Some(value), ty }
    }

    /// Whether the variable is a value of the graph being traced.
    pub fn owns(&self, var: &Var) -> bool {
        var.value.is_some() && Rc::ptr_eq(&var.tracer.state, &self.state)
    }

    /// Records a mistake of the caller, as if an op had found it.
    #[track_caller]
    pub fn fail(&self, mistake: Mistake) -> Var {
        self.var(Err(mistake), self.origin())
    }

    /// Appends an output.
    pub fn output(&self, var: &Var) {
        if let Some(value) = var.value {
            self.state.borrow_mut().graph.add_output(value);
        }
    }

    /// Makes `next` the value of the state input `state` after the step.
    #[track_caller]
    pub fn update(&self, state: &Var, next: &Var) {
        let (Some(input), Some(value)) = (state.value, next.value) else { return };
        if state.ty == next.ty {
            self.state.borrow_mut().graph.add_update(input.node, value);
        } else {
            let message = format!("a state of type {} cannot become {}", state.ty, next.ty);
            self.fail(Mistake::new(message));
        }
    }

    /// Makes the following nodes belong to a layer, inside the current one, until the guard is
    /// dropped.
    pub fn enter(&self, layer: &str) -> Scope {
        self.origin_scope(self.inside(Origin::layer(layer, Role::Forward)))
    }

    /// An origin inside of the current layer and role: [`Origin::inside`].
    pub fn inside(&self, origin: Origin) -> Origin {
        origin.inside(&self.state.borrow().origin)
    }

    /// Gives the following nodes this role until the guard is dropped.
    pub fn role(&self, role: Role) -> Scope {
        let outer = self.state.borrow().origin.clone();
        self.origin_scope(Origin { role, ..outer })
    }

    /// Gives the following nodes `origin` until the guard is dropped; if it has no location, each
    /// gets its caller's.
    pub fn origin_scope(&self, origin: Origin) -> Scope {
        self.scope(origin, true)
    }

    /// As [`Tracer::origin_scope`], for nodes that are derived from another one: if its origin has
    /// no location, they have none.
    pub fn derived_scope(&self, origin: Origin) -> Scope {
        self.scope(origin, false)
    }

    fn scope(&self, origin: Origin, located: bool) -> Scope {
        let state = &mut *self.state.borrow_mut();
        let origin = std::mem::replace(&mut state.origin, origin);
        let located = std::mem::replace(&mut state.located, located);
        Scope { tracer: self.clone(), origin, located }
    }

    #[track_caller]
    fn origin(&self) -> Origin {
        let state = self.state.borrow();
        let mut origin = state.origin.clone();
        if state.located {
            let caller = panic::Location::caller();
            let here = || Location { file: caller.file().into(), line: caller.line() };
            origin.location.get_or_insert_with(here);
        }
        origin
    }

    /// Calls `look` with the graph so far.
    pub fn with_graph<R>(&self, look: impl FnOnce(&Graph) -> R) -> R {
        look(&self.state.borrow().graph)
    }

    /// Removes every node that neither an output nor one of `kept` needs; inputs stay. The
    /// variables of removed nodes must not be used afterwards.
    pub fn remove_unneeded(&self, kept: impl IntoIterator<Item = NodeId>) {
        self.state.borrow_mut().graph.remove_unneeded(kept);
    }

    /// The first mistake, if one was made.
    pub fn error(&self) -> Option<TraceError> {
        self.state.borrow().error.clone()
    }

    /// The finished graph.
    ///
    /// # Errors
    /// The first mistake that was made.
    pub fn finish(self) -> Result<Graph, TraceError> {
        let mut state = self.state.borrow_mut();
        match state.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut state.graph)),
        }
    }
}

impl AsRef<Self> for Var {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Var {
    /// Element type and shape.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.ty.shape
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// The value in the graph; `None` after a mistake.
    pub fn value(&self) -> Option<Value> {
        self.value
    }

    /// The node in the graph; `None` after a mistake.
    pub fn node(&self) -> Option<NodeId> {
        self.value.map(|value| value.node)
    }

    /// The graph being traced.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Adds a node with this variable as the only operand.
    #[track_caller]
    pub fn unary(&self, op: impl Into<Op>) -> Var {
        self.tracer.apply(op, &[self])
    }

    /// Adds a node with this variable and another as operands.
    #[track_caller]
    pub fn binary(&self, op: impl Into<Op>, other: &Var) -> Var {
        self.tracer.apply(op, &[self, other])
    }

    /// A scalar constant of this variable's element type.
    #[track_caller]
    pub fn constant_like(&self, value: f64) -> Var {
        self.tracer.scalar(self.dtype(), value)
    }

    /// Undoes broadcasting in a cotangent: sums over the axes along which an operand of `shape` was
    /// repeated.
    #[track_caller]
    pub fn unbroadcast(&self, shape: &Shape) -> Var {
        if self.shape() == shape {
            return self.clone();
        }
        let Some(lead) = self.shape().rank().checked_sub(shape.rank()) else {
            return self.reshape(shape.clone());
        };
        let axes: Vec<usize> = (0..self.shape().rank())
            .filter(|&axis| axis < lead || (shape[axis - lead] == 1 && self.shape()[axis] != 1))
            .collect();
        // Axes before the operand's own are dropped, those of extent 1 are kept.
        match (axes.is_empty(), lead) {
            (true, _) => self.reshape(shape.clone()),
            (false, 0) => self.reduce_sum(&axes, true),
            (false, _) => self.reduce_sum(&axes, false).reshape(shape.clone()),
        }
    }
}

/// Implements a binary operator for variables, references to them and `f64` on the right or left.
macro_rules! operator {
    ($trait:ident, $method:ident, $op:ident) => {
        impl std::ops::$trait<&Var> for &Var {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                self.binary(crate::ops::$op, other)
            }
        }
        impl std::ops::$trait<Var> for &Var {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: Var) -> Var {
                self.binary(crate::ops::$op, &other)
            }
        }
        impl std::ops::$trait<&Var> for Var {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                self.binary(crate::ops::$op, other)
            }
        }
        impl std::ops::$trait<Var> for Var {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: Var) -> Var {
                self.binary(crate::ops::$op, &other)
            }
        }
        impl std::ops::$trait<f64> for &Var {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: f64) -> Var {
                self.binary(crate::ops::$op, &self.constant_like(other))
            }
        }
        impl std::ops::$trait<f64> for Var {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: f64) -> Var {
                self.binary(crate::ops::$op, &self.constant_like(other))
            }
        }
        impl std::ops::$trait<&Var> for f64 {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: &Var) -> Var {
                other.constant_like(self).binary(crate::ops::$op, other)
            }
        }
        impl std::ops::$trait<Var> for f64 {
            type Output = Var;
            #[track_caller]
            fn $method(self, other: Var) -> Var {
                other.constant_like(self).binary(crate::ops::$op, &other)
            }
        }
    };
}

operator!(Add, add, Add);
operator!(Sub, sub, Sub);
operator!(Mul, mul, Mul);
operator!(Div, div, Div);

impl std::ops::Neg for &Var {
    type Output = Var;
    #[track_caller]
    fn neg(self) -> Var {
        self.unary(crate::ops::Neg)
    }
}

impl std::ops::Neg for Var {
    type Output = Var;
    #[track_caller]
    fn neg(self) -> Var {
        self.unary(crate::ops::Neg)
    }
}
