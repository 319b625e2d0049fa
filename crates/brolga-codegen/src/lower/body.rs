//! A kernel's body as all lowerings see it.

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::{DType, Graph, NodeId, Op, Shape, Type, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::kernel::{Access, Touch};
use crate::tile::{Address, Builder, Element, Extent};

/// The body of a kernel with the slots of its operands and results in the operand table.
pub(crate) struct Body<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) order: Vec<NodeId>,
    /// The slot of each operand.
    slots: FxHashMap<NodeId, usize>,
    /// Whether it runs in each step of a loop.
    pub(crate) in_loop: bool,
}

/// A node whose operands are being recorded, its operands, and the lanes of the first of them.
type Waiting = (NodeId, SmallVec<[Value; 4]>, Vec<Lane<Builder>>);

/// Values of a body that have been recorded in the current block of a tile program.
pub(crate) type Recorded = FxHashMap<Value, Lane<Builder>>;

impl<'a> Body<'a> {
    /// # Errors
    /// If a value has an element type without tiles.
    pub(crate) fn new(graph: &'a Graph) -> Result<Self> {
        let slots = graph.inputs().iter().enumerate().map(|(slot, &id)| (id, slot)).collect();
        let body = Self { graph, order: graph.order(), slots, in_loop: false };
        for &id in &body.order {
            for ty in &graph.node(id).types {
                element(ty.dtype).map_err(|error| body.refused(error))?;
            }
        }
        Ok(body)
    }

    /// The same body, which runs in each step of a loop or does not.
    pub(crate) fn in_loop(self, in_loop: bool) -> Self {
        Self { in_loop, ..self }
    }

    pub(crate) fn name(&self) -> &str {
        self.graph.name()
    }

    /// The number of operands.
    pub(crate) fn operands(&self) -> usize {
        self.graph.inputs().len()
    }

    /// The slot of an operand, if the value is a body input.
    pub(crate) fn input_slot(&self, value: Value) -> Option<usize> {
        self.slots.get(&value.node).copied()
    }

    /// The slot of a factor of a contraction as f32: an operand's own slot, or, for the copy of a
    /// 16-bit operand, a number after all slots, until [`widen`](super::contraction) gives the copy
    /// an offset.
    pub(crate) fn factor_slot(&self, value: Value) -> Option<usize> {
        let slot = self.input_slot(value)?;
        let is_half = matches!(self.ty(value).dtype, DType::BF16 | DType::F16);
        Some(if is_half { self.workspace() + 1 + slot } else { slot })
    }

    /// The values returned with their slots.
    pub(crate) fn results(&self) -> impl Iterator<Item = (Value, usize)> + '_ {
        let first = self.operands();
        self.graph.outputs().iter().enumerate().map(move |(i, o)| (o.value, first + i))
    }

    /// The slot of the workspace.
    pub(crate) fn workspace(&self) -> usize {
        self.operands() + self.graph.outputs().len()
    }

    pub(crate) fn ty(&self, value: Value) -> &'a Type {
        self.graph.ty(value)
    }

    pub(crate) fn shape(&self, value: Value) -> &'a Shape {
        &self.graph.ty(value).shape
    }

    /// The shape of an operand.
    pub(crate) fn shape_of_slot(&self, slot: usize) -> &'a Shape {
        self.shape(self.graph.inputs()[slot].into())
    }

    pub(crate) fn op(&self, value: Value) -> &'a Op {
        &self.graph.node(value.node).op
    }

    /// The number of all elements of the value, if it is a splat constant.
    pub(crate) fn splat(&self, value: Value) -> Option<f64> {
        match self.op(value) {
            Op::Constant(constant) => constant.splat(),
            _ => None,
        }
    }

    /// The format of the value's elements in memory.
    pub(crate) fn element(&self, value: Value) -> Element {
        known_element(self.ty(value).dtype)
    }

    /// Why a fast lowering does not take the body.
    pub(crate) fn refused(&self, problem: impl Into<String>) -> Error {
        Error::Refused(problem.into())
    }

    /// Fails unless the operands of a node are of these element types.
    pub(crate) fn expect_types(&self, root: Value, types: &[DType]) -> Result<()> {
        let operands = self.graph.operands(root.node);
        match operands.iter().find(|&&value| !types.contains(&self.ty(value).dtype)) {
            None => Ok(()),
            Some(&other) => {
                let (op, dtype) = (self.op(root).name(), self.ty(other).dtype);
                Err(self.refused(format!("`{op}` of {dtype} has no tiles")))
            }
        }
    }

    /// The touches of all operands and results; `parted` tells which slots units divide into equal
    /// parts.
    pub(crate) fn touches(&self, parted: impl Fn(usize) -> bool) -> (Vec<Touch>, Vec<Touch>) {
        let touch =
            |slot| Touch { slot, access: if parted(slot) { Access::Units } else { Access::Whole } };
        ((0..self.operands()).map(touch).collect(), self.results().map(|(_, s)| touch(s)).collect())
    }

    /// Records an elementwise value. `leaf` gives the lanes of values that are leaves, and `None`
    /// for others, whose operands are recorded.
    pub(crate) fn record(
        &self,
        b: &mut Builder,
        recorded: &mut Recorded,
        value: Value,
        leaf: &mut dyn FnMut(&mut Builder, Value) -> Option<Lane<Builder>>,
    ) -> Result<Lane<Builder>> {
        // A stack of nodes whose operands are being recorded, each with the lanes of its first
        // operands.
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut next = value;
        loop {
            let Some(mut lane) = self.leaf(b, recorded, next, leaf) else {
                let operands = self.graph.operands(next.node);
                match operands.first() {
                    Some(&first) => {
                        waiting.push((next.node, operands, Vec::new()));
                        next = first;
                        continue;
                    }
                    None => return Err(self.not_elementwise(next)),
                }
            };
            loop {
                let Some((node, operands, lanes)) = waiting.last_mut() else { return Ok(lane) };
                lanes.push(lane);
                if let Some(&operand) = operands.get(lanes.len()) {
                    next = operand;
                    break;
                }
                lane = self.emit(b, Value::from(*node), lanes)?;
                recorded.insert(Value::from(*node), lane);
                waiting.pop();
            }
        }
    }

    /// The lanes of a value that needs no operands.
    fn leaf(
        &self,
        b: &mut Builder,
        recorded: &mut Recorded,
        value: Value,
        leaf: &mut dyn FnMut(&mut Builder, Value) -> Option<Lane<Builder>>,
    ) -> Option<Lane<Builder>> {
        if let Some(&lane) = recorded.get(&value) {
            return Some(lane);
        }
        let lane = match self.splat(value) {
            Some(number) => constant(b, self.ty(value).dtype, number),
            None => leaf(b, value)?,
        };
        recorded.insert(value, lane);
        Some(lane)
    }

    /// The lanes of a value whose operands have these lanes.
    fn emit(
        &self,
        b: &mut Builder,
        value: Value,
        operands: &[Lane<Builder>],
    ) -> Result<Lane<Builder>> {
        let outer = b.set_source(Some(value.node.index()));
        let lane = match (self.op(value), operands) {
            (Op::Broadcast(_) | Op::Reshape(_), &[lane]) => Ok(lane),
            (op, _) => match op.emit(b, operands) {
                Some(lane) => Ok(hold(b, self.ty(value).dtype, lane)),
                None => Err(self.not_elementwise(value)),
            },
        };
        b.set_source(outer);
        lane
    }

    fn not_elementwise(&self, value: Value) -> Error {
        self.refused(format!("`{}` is not elementwise", self.op(value).name()))
    }
}

/// The format of an element type in memory.
///
/// # Errors
/// If it has no tiles.
pub(crate) fn element(dtype: DType) -> Result<Element, String> {
    match dtype {
        DType::F32 => Ok(Element::F32),
        DType::BF16 => Ok(Element::BF16),
        DType::F16 => Ok(Element::F16),
        DType::I32 => Ok(Element::I32),
        DType::U8 | DType::Bool => Ok(Element::U8),
        DType::F64 | DType::I64 => Err(format!("{dtype} has no tiles")),
    }
}

/// A constant in every lane.
pub(crate) fn constant(b: &mut Builder, dtype: DType, number: f64) -> Lane<Builder> {
    match dtype {
        DType::Bool => Lane::M(b.truth(number != 0.0)),
        dtype if dtype.is_float() => Lane::F(b.float(number)),
        _ => Lane::I(b.int(number as i64)),
    }
}

/// The part of a result that the element type holds: the low byte of an integer, the nearest float.
fn hold(b: &mut Builder, dtype: DType, lane: Lane<Builder>) -> Lane<Builder> {
    match (dtype, lane) {
        (DType::U8, Lane::I(x)) => {
            let byte = b.int(255);
            Lane::I(b.iand(x, byte))
        }
        (_, lane) => round(b, dtype, lane),
    }
}

/// The nearest number of the element type, for ops that compute in f32 and round their result.
pub(crate) fn round(b: &mut Builder, dtype: DType, lane: Lane<Builder>) -> Lane<Builder> {
    match lane {
        Lane::F(x) => Lane::F(b.round_to(known_element(dtype), x)),
        lane => lane,
    }
}

fn known_element(dtype: DType) -> Element {
    element(dtype).expect("`Body::new` has checked all element types")
}

/// Lanes from memory.
pub(crate) fn load(
    b: &mut Builder,
    dtype: DType,
    address: Address,
    extent: Extent,
) -> Lane<Builder> {
    let lane = b.load(known_element(dtype), address, extent);
    truth(b, dtype, lane)
}

/// One element from memory in every lane.
pub(crate) fn broadcast(b: &mut Builder, dtype: DType, address: Address) -> Lane<Builder> {
    let lane = b.broadcast(known_element(dtype), address);
    truth(b, dtype, lane)
}

fn truth(b: &mut Builder, dtype: DType, lane: Lane<Builder>) -> Lane<Builder> {
    match (dtype, lane) {
        (DType::Bool, Lane::I(x)) => {
            let zero = b.int(0);
            let no = b.ieq(x, zero);
            Lane::M(b.not(no))
        }
        (_, lane) => lane,
    }
}

/// Lanes to memory.
pub(crate) fn store(
    b: &mut Builder,
    dtype: DType,
    address: Address,
    extent: Extent,
    lane: Lane<Builder>,
) {
    let element = known_element(dtype);
    match lane {
        Lane::F(x) => b.store(element, address, extent, x),
        Lane::I(x) => b.store(element, address, extent, x),
        Lane::M(x) => {
            let x = b.mask_to_int(x);
            b.store(element, address, extent, x);
        }
    }
}
