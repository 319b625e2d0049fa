//! The body of a kernel as scalar loops.
//!
//! Its nodes are written one after the other. Consecutive elementwise nodes of one shape share a
//! loop, in which values that only they use stay in registers; all other values between nodes are
//! temporaries, and `reshape`s are views.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Buffer, Index, Number, Writer};
use crate::graph::{Graph, NodeId, Value};
use crate::op::Op;
use crate::types::{DType, Shape};

/// Writes all nodes of a graph whose inputs are `operands` and whose outputs go to `results`.
pub fn write_body(w: &mut Writer, graph: &Graph, operands: &[Buffer], results: &[Buffer]) {
    w.enter();
    let mut body = Body { w, graph, buffers: FxHashMap::default(), run: Vec::new() };
    for (&input, &buffer) in graph.inputs().iter().zip(operands) {
        body.buffers.insert(input.into(), buffer);
    }
    for (output, &buffer) in graph.outputs().iter().zip(results) {
        body.buffers.entry(output.value).or_insert(buffer);
    }
    for id in graph.order() {
        body.node(id);
    }
    body.flush();
    for (output, &buffer) in graph.outputs().iter().zip(results) {
        let source = body.buffers[&output.value];
        if source != buffer {
            body.w.set_name("copy");
            copy(body.w, source, buffer);
        }
    }
    body.w.leave();
}

/// Writes a stage that copies a tensor to another with as many elements.
pub(crate) fn copy(w: &mut Writer, from: Buffer, to: Buffer) {
    w.each(&[w.shape(to).elements()], |w, at| {
        let element = w.load(from, at[0].clone());
        w.store(to, at[0].clone(), element);
    });
}

struct Body<'a> {
    w: &'a mut Writer,
    graph: &'a Graph,
    /// The buffers of values.
    buffers: FxHashMap<Value, Buffer>,
    /// Elementwise nodes of one shape that are still to be written.
    run: Vec<NodeId>,
}

impl Body<'_> {
    fn node(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        if node.op.is_elementwise() {
            let shape = |id: NodeId| &self.graph.ty(id.into()).shape;
            if self.run.last().is_some_and(|&last| shape(last) != shape(id)) {
                self.flush();
            }
            return self.run.push(id);
        }
        match &node.op {
            Op::Parameter(_) => {}
            // Elementwise ops have such a constant in a register.
            Op::Constant(constant) if constant.splat().is_some() && self.is_immediate(id) => {}
            Op::Reshape(_) if !self.buffers.contains_key(&id.into()) => {
                self.flush();
                let source = self.operands(id)[0];
                let view = self.w.view(source, self.graph.ty(id.into()).clone());
                self.buffers.insert(id.into(), view);
            }
            op => {
                self.flush();
                let operands = self.operands(id);
                let results: Vec<Buffer> = self.results(id);
                self.w.set_name(op.name());
                self.w.set_source(id.index());
                op.definition().loops(self.w, &operands, &results);
            }
        }
    }

    fn operands(&self, id: NodeId) -> Vec<Buffer> {
        self.graph.operands(id).iter().map(|value| self.buffers[value]).collect()
    }

    fn results(&mut self, id: NodeId) -> Vec<Buffer> {
        let types = &self.graph.node(id).types;
        let value = |port| Value { node: id, port };
        (0..).zip(types).map(|(port, _)| self.buffer(value(port))).collect()
    }

    /// The buffer of a value, a new one if it has none.
    fn buffer(&mut self, value: Value) -> Buffer {
        let (w, ty) = (&mut *self.w, self.graph.ty(value));
        *self.buffers.entry(value).or_insert_with(|| w.temporary(ty.clone()))
    }

    /// Whether only elementwise ops read a constant.
    fn is_immediate(&self, id: NodeId) -> bool {
        let users = self.graph.uses(id);
        !self.buffers.contains_key(&id.into())
            && users.iter().all(|&(user, _)| self.graph.node(user).op.is_elementwise())
    }

    /// Writes the run of elementwise nodes.
    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        let Some(&first) = run.first() else { return };
        let members: FxHashSet<NodeId> = run.iter().copied().collect();
        let leaves = |&id: &NodeId| {
            let value = Value::from(id);
            let used = self.graph.uses_of(value);
            self.buffers.contains_key(&value)
                || used.iter().any(|(user, _)| !members.contains(user))
        };
        let stored: Vec<NodeId> = run.iter().copied().filter(leaves).collect();
        for &id in &stored {
            self.buffer(id.into());
        }
        let names: Vec<&str> =
            run.iter().take(4).map(|&id| self.graph.node(id).op.name()).collect();
        self.w.set_name(names.join("_"));
        let shape = self.graph.ty(first.into()).shape.clone();
        let extents = self.extents(&run, &shape);
        let (graph, buffers) = (self.graph, &self.buffers);
        self.w.each(&extents, |w, at| {
            let mut element =
                Element { w, graph, buffers, shape: &shape, at, numbers: FxHashMap::default() };
            for &id in &run {
                element.compute(id);
            }
            for &id in &stored {
                element.store(id.into());
            }
        });
    }

    /// The loops of a run: one over all elements if no operand is repeated along an axis.
    fn extents(&self, run: &[NodeId], shape: &Shape) -> Vec<usize> {
        let lies_alike = |value: &Value| {
            let own = &self.graph.ty(*value).shape;
            own == shape || own.elements() == 1
        };
        let flat = run.iter().all(|&id| self.graph.operands(id).iter().all(lies_alike));
        if flat { vec![shape.elements()] } else { shape.to_vec() }
    }
}

/// One element of a run.
struct Element<'a> {
    w: &'a mut Writer,
    graph: &'a Graph,
    buffers: &'a FxHashMap<Value, Buffer>,
    shape: &'a Shape,
    /// Its coordinates, or its row-major index alone.
    at: &'a [Index],
    numbers: FxHashMap<Value, Number>,
}

impl Element<'_> {
    fn compute(&mut self, id: NodeId) {
        self.w.set_source(id.index());
        let operands = self.graph.operands(id);
        let args: Vec<Number> = operands.iter().map(|&value| self.operand(value)).collect();
        let dtype = self.graph.ty(id.into()).dtype;
        let number = self.graph.node(id).op.scalar(self.w, &args);
        let number = number.expect("a run has elementwise nodes alone");
        let number = round(self.w, number, dtype);
        self.numbers.insert(id.into(), number);
    }

    fn operand(&mut self, value: Value) -> Number {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = match (&self.graph.node(value.node).op, self.buffers.get(&value)) {
            (Op::Constant(constant), _) if constant.splat().is_some() => {
                self.w.first(constant.value())
            }
            (_, Some(&buffer)) => {
                let index = self.index(&self.graph.ty(value).shape);
                self.w.load(buffer, index)
            }
            _ => unreachable!("a run reads values that were written before it"),
        };
        self.numbers.insert(value, number);
        number
    }

    fn store(&mut self, value: Value) {
        let index = self.index(self.shape);
        self.w.store(self.buffers[&value], index, self.numbers[&value]);
    }

    /// The index of this element in a tensor of a shape that broadcasts to the run's.
    fn index(&self, own: &Shape) -> Index {
        if own.elements() == 1 {
            Index::default()
        } else if own == self.shape && self.at.len() == 1 {
            self.at[0].clone()
        } else {
            self.w.broadcast_at(own, self.at)
        }
    }
}

/// The number rounded to its element type, as each op of a kernel rounds its result.
fn round(w: &mut Writer, number: Number, dtype: DType) -> Number {
    match dtype {
        DType::BF16 | DType::F16 | DType::U8 => w.convert(number, dtype),
        _ => number,
    }
}
