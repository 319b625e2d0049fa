//! The walk over a graph: each node becomes nodes of ONNX.
//!
//! Images have their channels last in the IR, and before the spatial axes in ONNX. A value may
//! exist in either order, or in both: a convolution or a pooling takes and gives channels first, and
//! elementwise ops keep the order that their operands have. So there is a transposition where
//! images begin and where they end, not at every layer.

use std::collections::HashMap;

use brolga_ir::{Node, NodeId, Op, Value};

use super::batch::{Both, Extent, Open};
use super::error::{ExportError, UnknownForm};
use super::writer::{Attribute, Writer, attribute, node};
use super::{forms, recurrent};
use crate::proto::{AttributeProto, NodeProto};

/// A value of the graph, by its name in the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// In the order that the graph has.
    plain: Option<String>,
    /// With the last axis moved to the second place.
    images: Option<String>,
    /// The one element of which all others are copies.
    pub(super) single: Option<Value>,
}

impl Stored {
    /// A value in the order that the graph has.
    pub(super) fn plain(name: String) -> Self {
        Self { plain: Some(name), images: None, single: None }
    }

    /// A value whose channels stand first.
    pub(super) fn images(name: String) -> Self {
        Self { plain: None, images: Some(name), single: None }
    }
}

/// A graph that is written, of the model or of a step of a loop.
#[derive(Debug)]
pub(super) struct Emit<'g, 'w> {
    pub(super) both: Both<'g>,
    pub(super) w: &'w mut Writer,
    pub(super) nodes: Vec<NodeProto>,
    pub(super) values: HashMap<Value, Stored>,
    /// The layer of the node that is written.
    layer: String,
}

/// [batch, spatial.., channels] from [batch, channels, spatial..].
pub(super) fn channels_last(rank: usize) -> Vec<i64> {
    let rank = rank as i64;
    [0].into_iter().chain(2..rank).chain([1]).collect()
}

/// [batch, channels, spatial..] from [batch, spatial.., channels].
pub(super) fn channels_first(rank: usize) -> Vec<i64> {
    let rank = rank as i64;
    [0, rank - 1].into_iter().chain(1..rank - 1).collect()
}

/// Whether values of this rank may be images.
fn may_be_images(rank: usize) -> bool {
    (3..=5).contains(&rank)
}

impl<'g, 'w> Emit<'g, 'w> {
    pub(super) fn new(both: Both<'g>, w: &'w mut Writer, values: HashMap<Value, Stored>) -> Self {
        Self { both, w, nodes: vec![], values, layer: String::new() }
    }

    /// Writes all nodes.
    pub(super) fn walk(&mut self) -> Result<(), ExportError> {
        for id in self.both.order.clone() {
            let nodes = self.both.nodes(id)?;
            self.layer = nodes[0].origin.layer.as_deref().unwrap_or_default().to_owned();
            if !matches!(nodes[0].op, Op::Parameter(_)) {
                forms::node(self, id, nodes)?;
            }
        }
        Ok(())
    }

    /// Writes a function in place of its call.
    pub(super) fn inline(
        &mut self,
        id: NodeId,
        bodies: [&brolga_ir::Graph; 2],
    ) -> Result<(), ExportError> {
        let both = Both::new(bodies)?;
        let operands = self.operands(id);
        let inputs = bodies[0].inputs().iter();
        let mut values = HashMap::new();
        for (&input, operand) in inputs.zip(operands) {
            let single = Stored { single: None, ..self.stored(operand) };
            values.insert(input.into(), single);
        }
        let nodes = std::mem::take(&mut self.nodes);
        let mut inner = Emit { both, w: &mut *self.w, nodes, values, layer: self.layer.clone() };
        inner.walk()?;
        let results: Vec<Stored> = bodies[0]
            .outputs()
            .iter()
            .map(|output| Stored { single: None, ..inner.stored(output.value) })
            .collect();
        self.nodes = inner.nodes;
        for (port, stored) in results.into_iter().enumerate() {
            self.values.insert(Value { node: id, port: port as u32 }, stored);
        }
        Ok(())
    }

    /// The operands of a node.
    pub(super) fn operands(&self, id: NodeId) -> Vec<Value> {
        self.both.graphs[0].operands(id).to_vec()
    }

    /// What exists of a value.
    pub(super) fn stored(&self, value: Value) -> Stored {
        self.values.get(&value).cloned().unwrap_or_default()
    }

    /// The node that gives a value.
    pub(super) fn producer(&self, value: Value) -> &'g Node {
        self.both.graphs[0].node(value.node)
    }

    /// The type of a value.
    pub(super) fn ty(&self, value: impl Into<Value>) -> Result<Open, ExportError> {
        self.both.ty(value.into())
    }

    /// A name for a result of an op of the layer that is written.
    pub(super) fn fresh(&mut self, op: &str) -> String {
        match self.layer.as_str() {
            "" => self.w.fresh(op),
            layer => self.w.fresh(&format!("{layer}/{op}")),
        }
    }

    /// Adds a node with one result.
    pub(super) fn op(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let [name] = self.ops(op, inputs, attributes);
        name
    }

    /// Adds a node with several results.
    pub(super) fn ops<const N: usize>(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> [String; N] {
        let names = std::array::from_fn(|_| self.fresh(op));
        let inputs = inputs.iter().map(ToString::to_string).collect();
        self.nodes.push(node(op, inputs, names.to_vec(), attributes));
        names
    }

    /// Adds a transposition.
    pub(super) fn transposed(&mut self, name: &str, permutation: Vec<i64>) -> String {
        if permutation.iter().enumerate().all(|(at, &axis)| at as i64 == axis) {
            return name.to_owned();
        }
        self.op("Transpose", &[name], vec![attribute("perm", Attribute::Ints(permutation))])
    }

    /// The extents as a vector.
    pub(super) fn shape(&mut self, extents: &[Extent]) -> String {
        let (name, node) = self.w.shape(extents);
        self.nodes.extend(node);
        name
    }

    /// The same elements under another shape.
    pub(super) fn reshaped(&mut self, name: &str, extents: &[Extent]) -> String {
        let open = extents.iter().filter(|extent| extent.fixed().is_none()).count();
        let is_void = extents.contains(&Extent::Fixed(0));
        let shape = if open == 1 && !is_void {
            let extent = |extent: &Extent| extent.fixed().map_or(-1, |extent| extent as i64);
            self.w.ints(&extents.iter().map(extent).collect::<Vec<_>>())
        } else {
            self.shape(extents)
        };
        let keep = if is_void { vec![attribute("allowzero", Attribute::Int(1))] } else { vec![] };
        self.op("Reshape", &[name, &shape], keep)
    }

    /// A value in the order that the graph has.
    pub(super) fn plain(&mut self, value: Value) -> Result<String, ExportError> {
        let stored = self.stored(value);
        if let Some(name) = stored.plain {
            return Ok(name);
        }
        // A value without a name is the result of an op that has no form, which is reported.
        let name = match stored.images {
            Some(images) => self.transposed(&images, channels_last(self.ty(value)?.rank())),
            None => String::new(),
        };
        self.values.entry(value).or_default().plain = Some(name.clone());
        Ok(name)
    }

    /// A value with its channels first.
    pub(super) fn images(&mut self, value: Value) -> Result<String, ExportError> {
        if let Some(name) = self.stored(value).images {
            return Ok(name);
        }
        let plain = self.plain(value)?;
        let name = self.transposed(&plain, channels_first(self.ty(value)?.rank()));
        self.values.entry(value).or_default().images = Some(name.clone());
        Ok(name)
    }

    /// Whether a value exists with its channels first alone.
    pub(super) fn is_images(&self, value: Value) -> bool {
        let stored = self.stored(value);
        stored.images.is_some() && stored.plain.is_none()
    }

    /// Gives a value its name.
    pub(super) fn give(&mut self, value: impl Into<Value>, stored: Stored) {
        self.values.insert(value.into(), stored);
    }

    /// Gives the result of a node its name.
    pub(super) fn done(&mut self, id: NodeId, name: String) -> Result<(), ExportError> {
        self.give(id, Stored::plain(name));
        Ok(())
    }

    /// Records an op that ONNX has no form for.
    pub(super) fn unknown(&mut self, node: &Node) -> Result<(), ExportError> {
        let op = node.op.name().to_owned();
        self.w.unknown.insert(UnknownForm { op, layer: self.layer.clone() });
        Ok(())
    }

    /// The operands of an op that computes element by element, all in one order, and whether their
    /// channels are first.
    pub(super) fn elements(&mut self, id: NodeId) -> Result<(Vec<String>, bool), ExportError> {
        let result = self.ty(id)?;
        let mut operands = self.operands(id);
        self.without_copies(&mut operands, &result)?;
        let rank = result.rank();
        let mut images = false;
        for &operand in &operands {
            let ty = self.ty(operand)?;
            images |= may_be_images(rank) && ty.rank() == rank && self.is_images(operand);
        }
        for &operand in &operands {
            let ty = self.ty(operand)?;
            let simple = ty.rank() == rank || ty.rank() <= 1 || ty.is_single();
            images &= simple || ty.fixed().is_some();
        }
        let mut names = Vec::new();
        for &operand in &operands {
            names.push(if images {
                self.among_images(operand, rank)?
            } else {
                self.plain(operand)?
            });
        }
        Ok((names, images))
    }

    /// Copies of one element give way to it, if other operands have the shape of the result.
    fn without_copies(&self, operands: &mut [Value], result: &Open) -> Result<(), ExportError> {
        let mut whole = false;
        for &operand in &*operands {
            whole |= self.stored(operand).single.is_none()
                && self.ty(operand)?.extents == result.extents;
        }
        if whole {
            for operand in operands {
                *operand = self.stored(*operand).single.unwrap_or(*operand);
            }
        }
        Ok(())
    }

    /// An operand that broadcasts to images of this rank, with its channels first.
    fn among_images(&mut self, operand: Value, rank: usize) -> Result<String, ExportError> {
        let ty = self.ty(operand)?;
        if ty.is_single() {
            return self.plain(operand);
        }
        if ty.rank() == rank {
            return self.images(operand);
        }
        let plain = self.plain(operand)?;
        if ty.rank() == 1 {
            let axes: Vec<i64> = (1..rank as i64 - 1).collect();
            let axes = self.w.ints(&axes);
            return Ok(self.op("Unsqueeze", &[&plain, &axes], vec![]));
        }
        let mut wide = vec![Extent::Fixed(1); rank - ty.rank()];
        wide.extend(&ty.extents);
        let wide = self.reshaped(&plain, &wide);
        Ok(self.transposed(&wide, channels_first(rank)))
    }

    /// Names the result of an op whose operands [`Emit::elements`] gave.
    pub(super) fn done_in(&mut self, id: NodeId, name: String, images: bool) {
        self.give(id, if images { Stored::images(name) } else { Stored::plain(name) });
    }

    /// The graph inside of a node, written by itself: `inputs` are the names of the first inputs of
    /// the body, `shared` the values of this graph that the others are.
    pub(super) fn body(
        &mut self,
        bodies: [&'g brolga_ir::Graph; 2],
        shared: &[Value],
    ) -> Result<recurrent::Body, ExportError> {
        // What all steps read is computed outside.
        for &value in shared {
            self.plain(value)?;
        }
        let both = Both::new(bodies)?;
        let inputs = bodies[0].inputs();
        let own = inputs.len().saturating_sub(shared.len());
        let mut values = HashMap::new();
        let mut infos = Vec::new();
        for (at, &input) in inputs.iter().enumerate() {
            let name = match at.checked_sub(own) {
                Some(place) => self.plain(shared[place])?,
                None => {
                    let name = self.fresh("step");
                    infos.push(super::writer::info(&name, &both.ty(input.into())?, false));
                    name
                }
            };
            values.insert(input.into(), Stored::plain(name));
        }
        let mut inner = Emit::new(both, &mut *self.w, values);
        inner.walk()?;
        let mut outputs = Vec::new();
        for output in bodies[0].outputs() {
            let name = inner.plain(output.value)?;
            let made = inner.nodes.iter().any(|node| node.output.contains(&name));
            let twice = outputs.iter().any(|(other, _)| *other == name);
            let name = if made && !twice { name } else { inner.op("Identity", &[&name], vec![]) };
            outputs.push((name, inner.ty(output.value)?));
        }
        let outputs = outputs.iter().map(|(name, ty)| super::writer::info(name, ty, false));
        let outputs = outputs.collect();
        Ok(recurrent::Body {
            name: bodies[0].name().to_owned(),
            infos,
            outputs,
            nodes: inner.nodes,
        })
    }
}
