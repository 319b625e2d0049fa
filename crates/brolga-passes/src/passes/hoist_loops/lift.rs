//! Values of a step for all steps at once, as nodes of the graph around the loop.

use brolga_ir::op::Family;
use brolga_ir::ops::{Reshape, Transpose};
use brolga_ir::types::{MAX_BYTES, MAX_RANK};
use brolga_ir::{Graph, Mistake, NodeId, Op, Shape, Value};
use rustc_hash::FxHashMap;

/// Whether a node of a step, not all of whose operands are the same in each step, can be computed
/// for all steps by the same arithmetic: elementwise, or by rows along the first axis, to which the
/// axis of the steps is joined.
pub(super) fn can_lift(
    body: &Graph,
    id: NodeId,
    length: usize,
    is_same: &dyn Fn(Value) -> bool,
) -> bool {
    let (node, operands) = (body.node(id), body.operands(id));
    let fits = |value: &Value| {
        let ty = body.ty(*value);
        ty.shape.rank() < MAX_RANK && ty.bytes().saturating_mul(length) <= MAX_BYTES
    };
    if node.types.len() != 1 || !operands.iter().chain([&Value::from(id)]).all(fits) {
        return false;
    }
    match (&node.op, node.op.family()) {
        (Op::Reshape(_) | Op::Transpose(_), _) | (_, Family::Elementwise(_)) => true,
        (_, Family::Contraction { .. }) => contracts_rows(body, id, is_same),
        (_, Family::Reduction { axes, .. }) => {
            body.ty(operands[0]).shape.rank() > 1 && axes.first().is_some_and(|&axis| axis > 0)
        }
        _ => false,
    }
}

/// Whether each row of a contraction's result is made of a row of the first operand, and of a
/// second operand that is the same in each step.
fn contracts_rows(body: &Graph, id: NodeId, is_same: &dyn Fn(Value) -> bool) -> bool {
    let operands = body.operands(id);
    let by_rows = match &body.node(id).op {
        Op::Matmul(product) => !product.transpose_a && body.ty(operands[0]).shape.rank() == 2,
        Op::Conv(_) | Op::ConvGradInput(_) => true,
        _ => false,
    };
    by_rows && !is_same(operands[0]) && is_same(operands[1])
}

/// A value of a step outside of the loop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lifted {
    /// It is the same in each step.
    Same(Value),
    /// Those of all steps: as a stack `[length, d.., ]`, with the first two axes joined, or both.
    Steps { stacked: Option<Value>, flat: Option<Value> },
}

impl Lifted {
    pub(super) fn stack(value: Value) -> Self {
        Self::Steps { stacked: Some(value), flat: None }
    }
}

/// Writes nodes of a step for all steps.
pub(super) struct Lift<'a> {
    pub(super) graph: &'a mut Graph,
    pub(super) body: &'a Graph,
    pub(super) length: usize,
    /// What exists outside.
    pub(super) known: FxHashMap<Value, Lifted>,
}

impl Lift<'_> {
    /// The stack of a value that is known, or the value itself if it is the same in each step.
    pub(super) fn outside(&mut self, value: Value) -> Result<Value, Mistake> {
        match self.known[&value] {
            Lifted::Same(outside) => Ok(outside),
            Lifted::Steps { .. } => self.stacked(value),
        }
    }

    fn is_same(&self, value: Value) -> bool {
        matches!(self.known[&value], Lifted::Same(_))
    }

    fn shape(&self, value: Value) -> &Shape {
        &self.body.ty(value).shape
    }

    /// `[length, d..]`
    fn stacked_shape(&self, shape: &[usize]) -> Shape {
        Shape::new([self.length].iter().chain(shape).copied())
    }

    /// `[length · d₀, d₁..]`
    fn flat_shape(&self, shape: &[usize]) -> Shape {
        Shape::new([self.length * shape[0]].iter().chain(&shape[1..]).copied())
    }

    fn reshape(&mut self, of: Value, value: Value, shape: Shape) -> Result<Value, Mistake> {
        let origin = self.body.node(of.node).origin.clone();
        self.graph.add(Reshape { shape }, &[value], origin)
    }

    fn stacked(&mut self, value: Value) -> Result<Value, Mistake> {
        let (stacked, flat) = match self.known[&value] {
            Lifted::Same(outside) => return Ok(outside),
            Lifted::Steps { stacked, flat } => (stacked, flat),
        };
        let made = match (stacked, flat) {
            (None, Some(flat)) => {
                self.reshape(value, flat, self.stacked_shape(self.shape(value)))?
            }
            (stacked, _) => return stacked.ok_or_else(|| Mistake::new("a value has no form")),
        };
        self.known.insert(value, Lifted::Steps { stacked: Some(made), flat });
        Ok(made)
    }

    fn flat(&mut self, value: Value) -> Result<Value, Mistake> {
        match self.known[&value] {
            Lifted::Same(outside) => Ok(outside),
            Lifted::Steps { flat: Some(flat), .. } => Ok(flat),
            Lifted::Steps { stacked, flat: None } => {
                let stack = self.stacked(value)?;
                let made = self.reshape(value, stack, self.flat_shape(self.shape(value)))?;
                self.known.insert(value, Lifted::Steps { stacked, flat: Some(made) });
                Ok(made)
            }
        }
    }

    /// The stack of a value with axes of extent 1, so that it broadcasts to steps of this rank.
    fn aligned(&mut self, value: Value, rank: usize) -> Result<Value, Mistake> {
        let own = self.shape(value).clone();
        let stack = self.stacked(value)?;
        if self.is_same(value) || own.rank() == rank {
            return Ok(stack);
        }
        let shape = std::iter::repeat_n(1, rank - own.rank()).chain(own.iter().copied());
        let shape = self.stacked_shape(&shape.collect::<Vec<_>>());
        self.reshape(value, stack, shape)
    }

    /// Whether an elementwise node is the same with the first two axes joined: no operand is
    /// repeated along the first axis, or each one that is the same in each step is.
    fn joins(&self, id: NodeId) -> bool {
        let result = self.shape(id.into());
        let Some(&first) = result.first() else { return false };
        self.body.operands(id).iter().all(|&operand| {
            let own = self.shape(operand);
            match self.is_same(operand) {
                true => own.rank() < result.rank() || own[0] == 1,
                false => own.rank() == result.rank() && own[0] == first,
            }
        })
    }

    /// Adds a node whose operands are known.
    pub(super) fn add(&mut self, id: NodeId) -> Result<(), Mistake> {
        let (body, operands) = (self.body, self.body.operands(id));
        let (op, origin) = (body.node(id).op.clone(), body.node(id).origin.clone());
        let shape = body.node(id).types[0].shape.clone();
        if operands.iter().all(|&operand| self.is_same(operand)) {
            let outside: Vec<Value> =
                operands.iter().map(|&operand| self.outside(operand)).collect::<Result<_, _>>()?;
            let node = self.graph.add_node(op, &outside, origin)?;
            for port in 0..body.node(id).types.len() as u32 {
                let outside = Lifted::Same(Value { node, port });
                self.known.insert(Value { node: id, port }, outside);
            }
            return Ok(());
        }
        let is_stack = match &op {
            Op::Reshape(_) | Op::Transpose(_) => true,
            op => op.is_elementwise() && !self.joins(id),
        };
        let op: Op = match op {
            Op::Reshape(_) => Reshape { shape: self.stacked_shape(&shape) }.into(),
            Op::Transpose(Transpose { permutation }) => {
                let moved = permutation.iter().map(|axis| axis + 1);
                Transpose { permutation: std::iter::once(0).chain(moved).collect() }.into()
            }
            op => op,
        };
        let rank = if op.is_elementwise() { Some(shape.rank()) } else { None };
        let outside: Vec<Value> = (operands.iter())
            .map(|&operand| match (is_stack, rank) {
                (true, Some(rank)) => self.aligned(operand, rank),
                (true, None) => self.stacked(operand),
                (false, _) => self.flat(operand),
            })
            .collect::<Result<_, _>>()?;
        let made = Some(self.graph.add(op, &outside, origin)?);
        let lifted = match is_stack {
            true => Lifted::Steps { stacked: made, flat: None },
            false => Lifted::Steps { stacked: None, flat: made },
        };
        self.known.insert(id.into(), lifted);
        Ok(())
    }
}
