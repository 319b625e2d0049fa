//! Kernels of kind `update`: the same elementwise program over groups of tensors, as one run over
//! all of their elements.
//!
//! A group is a connected component of the tensors; all groups share the scalars. Units are blocks
//! of elements, numbered through all groups, so that many small tensors cost no more than one large
//! one.

use std::sync::Arc;

use brolga_ir::{NodeId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::body::{Body, Recorded, broadcast, load, store};
use super::{Lowered, Stage};
use crate::error::Result;
use crate::nest::{Affine, Arg, Nest, NestBuilder};
use crate::tile::{Builder, Count, Extent, LANES, Pointer, TileProgram, Trips};

/// Elements of a unit.
const BLOCK: usize = 2048;

/// A connected component of tensors.
struct Group {
    elements: usize,
    /// The operands of this group, by slot.
    inputs: Vec<(Value, usize)>,
    /// The results of this group, by slot.
    outputs: Vec<(Value, usize)>,
}

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    let groups = groups(body)?;
    let scalars: Vec<(Value, usize)> = (body.graph.inputs().iter().enumerate())
        .map(|(slot, &id)| (Value::from(id), slot))
        .filter(|(value, _)| body.shape(*value).rank() == 0)
        .collect();
    let mut nest = NestBuilder::new("update");
    let mut units = 0;
    let mut in_place = Vec::new();
    for group in &groups {
        let tile = tile(body, group, &scalars)?;
        let blocks = group.elements.div_ceil(BLOCK);
        let block = Affine::from(Nest::UNIT).plus(-(units as i64));
        let tensors = group.inputs.iter().chain(&group.outputs).map(|&(value, slot)| {
            Affine::slot(slot).add(&block, (BLOCK * body.ty(value).dtype.size()) as i64).into()
        });
        let left = Affine::number(group.elements as i64).add(&block, -(BLOCK as i64));
        let args: Vec<Arg> = (scalars.iter().map(|&(_, slot)| Affine::slot(slot).into()))
            .chain(tensors)
            .chain([Arg::Min(left, BLOCK as i64)])
            .collect();
        nest.when(Nest::UNIT.into(), units..units + blocks, |nest| nest.call(&tile, args), |_| {});
        units += blocks;
        for &(result, slot) in &group.outputs {
            let same = group.inputs.iter().filter(|(v, _)| body.ty(*v) == body.ty(result));
            in_place.extend(same.map(|&(_, operand)| (slot - body.operands(), operand)));
        }
    }
    let (reads, writes) = body.touches(|_| false);
    let elements: usize = groups.iter().map(|group| group.elements).sum();
    let ops = body.order.len() / groups.len().max(1);
    let stage =
        Stage { code: nest.finish().into(), units, reads, writes, flops: (elements * ops) as u64 };
    Ok(Lowered { stages: vec![stage], workspace: 0, scratch: 0, in_place })
}

/// The groups, in the order of their first result.
fn groups(body: &Body<'_>) -> Result<Vec<Group>> {
    // The representative of each node's group: nodes that share a tensor have the same.
    let mut parents: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    let is_tensor =
        |id: NodeId| body.shape(id.into()).rank() > 0 && body.splat(id.into()).is_none();
    for &id in body.order.iter().filter(|&&id| is_tensor(id)) {
        for operand in body.graph.producers(id).filter(|&id| is_tensor(id)) {
            let (own, other) = (root(&mut parents, id), root(&mut parents, operand));
            if own != other {
                parents.insert(own, other);
            }
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: FxHashMap<NodeId, usize> = FxHashMap::default();
    for (value, slot) in body.results() {
        let elements = body.shape(value).elements();
        let group = *group_of.entry(root(&mut parents, value.node)).or_insert_with(|| {
            groups.push(Group { elements, inputs: Vec::new(), outputs: Vec::new() });
            groups.len() - 1
        });
        groups[group].outputs.push((value, slot));
    }
    for (slot, &id) in body.graph.inputs().iter().enumerate().filter(|(_, id)| is_tensor(**id)) {
        if let Some(&group) = group_of.get(&root(&mut parents, id)) {
            groups[group].inputs.push((id.into(), slot));
        }
    }
    for group in &groups {
        let mut members = group.inputs.iter().chain(&group.outputs);
        if let Some((value, _)) = members.find(|(v, _)| body.shape(*v).elements() != group.elements)
        {
            let shape = body.shape(*value);
            return Err(body.refused(format!(
                "a tensor of shape {shape} is in a group of {} elements",
                group.elements
            )));
        }
    }
    Ok(groups)
}

/// The representative of a node, with path compression.
fn root(parents: &mut FxHashMap<NodeId, NodeId>, id: NodeId) -> NodeId {
    let mut root = id;
    while let Some(&parent) = parents.get(&root) {
        root = parent;
    }
    let mut next = id;
    while next != root {
        next = parents.insert(next, root).unwrap_or(root);
    }
    root
}

/// The program of one group; the number of elements is an argument.
fn tile(body: &Body<'_>, group: &Group, scalars: &[(Value, usize)]) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("update_{}", group.outputs.len()));
    let shared: Vec<Pointer> =
        (0..scalars.len()).map(|i| b.pointer(format!("scalar{i}"))).collect();
    let inputs: Vec<Pointer> =
        (0..group.inputs.len()).map(|i| b.pointer(format!("in{i}"))).collect();
    let outputs: Vec<Pointer> =
        (0..group.outputs.len()).map(|i| b.pointer(format!("out{i}"))).collect();
    let count: Count = b.count("count");
    let mut known = Recorded::default();
    for (&(value, _), &pointer) in scalars.iter().zip(&shared) {
        let lane = broadcast(&mut b, body.ty(value).dtype, pointer.at(0));
        known.insert(value, lane);
    }
    // Values that depend on scalars only are outside of the loop.
    for value in computed_scalars(body, group) {
        body.record(&mut b, &mut known, value, &mut |_, _| None)?;
    }
    let vector = |b: &mut Builder, extent: Extent| -> Result<()> {
        let mut recorded = known.clone();
        let mut leaf = |b: &mut Builder, value: Value| {
            let index = group.inputs.iter().position(|(own, _)| *own == value)?;
            Some(load(b, body.ty(value).dtype, inputs[index].at(0), extent))
        };
        let mut lanes = Vec::new();
        for &(value, _) in &group.outputs {
            lanes.push(body.record(b, &mut recorded, value, &mut leaf)?);
        }
        for ((&(value, _), lane), &pointer) in group.outputs.iter().zip(lanes).zip(&outputs) {
            store(b, body.ty(value).dtype, pointer.at(0), extent, lane);
        }
        Ok(())
    };
    let mut result = Ok(());
    b.repeat(Trips::Vectors(count), |b| {
        result = vector(b, Extent::Full);
        for (&(value, _), &pointer) in
            group.inputs.iter().zip(&inputs).chain(group.outputs.iter().zip(&outputs))
        {
            b.step(pointer, (LANES * body.ty(value).dtype.size()) as i64, Trips::Const(1));
        }
    });
    result?;
    let mut tail = Ok(());
    b.repeat(Trips::Tail(count), |b| tail = vector(b, Extent::Rest(count)));
    tail?;
    Ok(Arc::new(b.finish()?))
}

/// The values that depend on scalars only and that a group's results need, in the order of the
/// body.
fn computed_scalars(body: &Body<'_>, group: &Group) -> Vec<Value> {
    let mut stack: Vec<NodeId> = group.outputs.iter().map(|(value, _)| value.node).collect();
    let mut needed: FxHashSet<NodeId> = FxHashSet::default();
    while let Some(id) = stack.pop() {
        if needed.insert(id) {
            stack.extend(body.graph.producers(id));
        }
    }
    let computed = |id: &NodeId| {
        let value = Value::from(*id);
        let is_scalar = needed.contains(id) && body.shape(value).rank() == 0;
        is_scalar && body.input_slot(value).is_none() && body.splat(value).is_none()
    };
    body.order.iter().copied().filter(computed).map(Value::from).collect()
}
