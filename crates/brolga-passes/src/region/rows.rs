//! Regions over rows: elementwise ops over a domain, reductions of the domain along its last axes,
//! and elementwise ops on reduced values.

use std::collections::{BTreeMap, BTreeSet};

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId, Op, Shape, Value};

use super::chain::{FULL, OPERAND, OTHER_SHAPE, OWN_RESULT};
use super::{Border, Growing, MAX_NODES, NodeSet, Schedule};
use crate::rewrites::Why;
use crate::values::{broadcasts, elements, is_elementwise, repeats_columns, splat};

/// The longest distance in the schedule between nodes of a region whose convexity takes a search. A
/// loss and its gradient are near each other; a longer distance would make the time quadratic in
/// the depth of a model.
pub(crate) const MAX_SPAN: usize = 256;

/// The most uses of a value among which reductions are searched for, since they are searched again
/// and again.
const MAX_USES: usize = 256;

/// The most reductions of a region: each one that depends on another reads the row once more.
const MAX_REDUCTIONS: usize = 32;

/// The most elements of a single row that one worker computes for the sake of fusion.
const MAX_SERIAL: usize = 1 << 14;

/// The part of the rows of a domain `[r.., c..]` that a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It has the domain's shape.
    Whole,
    /// One element for each row: `[r.., 1..]`.
    Kept,
    /// One element for each row: `[r..]`.
    Dropped,
}

/// The shape `[r.., c..]` over which a region computes. Reductions run along rows, which span the
/// last axes, the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) shape: Shape,
    /// The first axis of the columns.
    pub(crate) split: usize,
}

impl Domain {
    /// A domain without reductions.
    pub(crate) fn elementwise(shape: Shape) -> Self {
        let split = shape.rank().saturating_sub(1);
        Self { shape, split }
    }

    /// Whether the domain is one row.
    pub(crate) fn is_one_row(&self) -> bool {
        self.shape[..self.split].iter().all(|&extent| extent == 1)
    }

    /// Whether the domain is one row that is too long for one worker: all workers share its
    /// reduction in a kernel of its own.
    pub(crate) fn is_long_row(&self) -> bool {
        self.is_one_row() && self.shape.elements() > MAX_SERIAL
    }

    /// The shape of a reduction that keeps its axes.
    fn kept(&self) -> Shape {
        let mut kept = self.shape.clone();
        kept.dims_mut()[self.split..].fill(1);
        kept
    }

    /// The shape of a reduction that drops its axes.
    fn dropped(&self) -> Shape {
        self.shape[..self.split].into()
    }
}

/// A region under growth.
pub(crate) struct Rows {
    domain: Domain,
    parts: BTreeMap<NodeId, Part>,
    /// How many of the nodes are reductions.
    reductions: usize,
}

/// The axes of a reduction that can stand in a body of rows.
pub(crate) fn row_reduction(op: &Op) -> Option<(&[usize], bool)> {
    match op.family() {
        Family::Reduction { axes, keepdims, .. } => Some((axes, keepdims)),
        _ => None,
    }
}

/// Whether a body of rows may hold a node's op at all.
fn can_stand(graph: &Graph, id: NodeId) -> bool {
    let op = &graph.node(id).op;
    let repeats = matches!(op, Op::Broadcast(_)) || op.family() == Family::Indices;
    repeats || op.is_elementwise() || row_reduction(op).is_some()
}

/// The domain of a node that reduces the last axes alone.
pub(crate) fn reduced_domain(graph: &Graph, id: NodeId) -> Option<Domain> {
    let (axes, _) = row_reduction(&graph.get(id)?.op)?;
    let shape = &graph.ty(*graph.operands(id).first()?).shape;
    let &split = axes.first()?;
    let last_axes = axes.iter().copied().eq(split..shape.rank());
    last_axes.then(|| Domain { shape: shape.clone(), split })
}

/// The largest convex region around the first seed over a domain.
///
/// It grows along edges, to other reductions of what it reads, and to the other seeds.
pub(crate) fn rows(
    graph: &Graph,
    schedule: &Schedule,
    border: &mut Border,
    seeds: &[NodeId],
    domain: Domain,
) -> NodeSet {
    let mut rows = Rows::new(domain);
    let mut region = Growing::default();
    let mut candidates: BTreeSet<_> = seeds.iter().map(|&id| (schedule.position(id), id)).collect();
    let push = |candidates: &mut BTreeSet<_>, id: NodeId| {
        candidates.insert((schedule.position(id), id));
    };
    while region.nodes.len() < MAX_NODES
        && let Some((_, id)) = candidates.pop_first()
    {
        if region.contains(id) {
            continue;
        }
        let added = rows.grow(graph, schedule, &mut region, id).unwrap_or_else(|why| {
            border.refuse(graph, id, why);
            Vec::new()
        });
        for id in added {
            for value in graph.operands(id) {
                push(&mut candidates, value.node);
                if graph.users_of(value).take(MAX_USES + 1).count() <= MAX_USES {
                    let siblings = graph.users_of(value);
                    let reductions = siblings.filter(|&user| reduced_domain(graph, user).is_some());
                    reductions.for_each(|id| push(&mut candidates, id));
                }
            }
            graph.users(id).for_each(|user| push(&mut candidates, user));
        }
    }
    candidates.iter().for_each(|&(_, id)| border.refuse(graph, id, FULL));
    region.nodes
}

impl Rows {
    /// A domain with what is known of its region's nodes.
    fn new(domain: Domain) -> Self {
        Self { domain, parts: BTreeMap::new(), reductions: 0 }
    }

    /// Adds a node.
    ///
    /// # Errors
    /// Why it does not fit.
    fn insert(&mut self, graph: &Graph, id: NodeId) -> Result<(), Why> {
        let part = self.fit(graph, id)?;
        self.parts.insert(id, part);
        // Consumers in the region, which read the node from outside so far, must be able to read it
        // inside.
        let mut inside = graph.users(id).filter_map(|user| Some((user, *self.parts.get(&user)?)));
        if inside.all(|(user, part)| self.fit(graph, user) == Ok(part)) {
            return Ok(());
        }
        self.parts.remove(&id);
        Err("the kernel reads its result along another axis than it computes it")
    }

    /// Adds a node and all nodes on paths between it and the region, or nothing. Returns the added
    /// nodes.
    ///
    /// # Errors
    /// Why nothing was added.
    fn grow(
        &mut self,
        graph: &Graph,
        schedule: &Schedule,
        region: &mut Growing,
        id: NodeId,
    ) -> Result<Vec<NodeId>, Why> {
        if !can_stand(graph, id) {
            return Err("it does not work row by row");
        }
        let extends = schedule.extends(graph, region, id);
        if !extends && region.span_with(schedule, id) > MAX_SPAN {
            return Err("it is too far away in the order of the graph");
        }
        let mut added = Vec::new();
        if !extends {
            region.nodes.insert(id);
            added = schedule.hull(graph, &region.nodes);
            region.nodes.remove(&id);
        }
        added.push(id);
        let added = schedule.sort(&added);
        let is_reduction = |id: &&NodeId| row_reduction(&graph.node(**id).op).is_some();
        let reductions = self.reductions + added.iter().filter(is_reduction).count();
        let most = if self.domain.is_long_row() { 0 } else { MAX_REDUCTIONS };
        if reductions > most.max(self.reductions) {
            return Err("the kernel would have too many reductions");
        }
        for &inner in &added {
            if let Err(why) = self.insert(graph, inner) {
                self.parts.retain(|id, _| !added.contains(id));
                return Err(if inner == id { why } else { OWN_RESULT });
            }
        }
        self.reductions = reductions;
        added.iter().for_each(|&id| region.insert(schedule, id));
        Ok(added)
    }

    /// The part of each row that the node would compute.
    ///
    /// # Errors
    /// Why the region cannot hold it.
    fn fit(&self, graph: &Graph, id: NodeId) -> Result<Part, Why> {
        let node = graph.node(id);
        let operands = graph.operands(id);
        let shape = &node.types.first().ok_or(OTHER_SHAPE)?.shape;
        let whole = *shape == self.domain.shape;
        let readable = || operands.iter().all(|value| self.is_readable(graph, *value));
        let single_column_axis = self.domain.split + 1 == self.domain.shape.rank();
        match &node.op {
            _ if is_elementwise(graph, id) && !whole => self.fit_reduced(graph, shape, &operands),
            op if row_reduction(op).is_some() => self.fit_reduction(graph, id),
            op if matches!(op, Op::Broadcast(_)) || is_elementwise(graph, id) => {
                (whole && readable()).then_some(Part::Whole).ok_or(OPERAND)
            }
            Op::OneHot(_) if single_column_axis => {
                (whole && self.part(operands[0]).is_none()).then_some(Part::Whole).ok_or(
                    "it is not one-hot along the rows, or reads a value that the kernel computes",
                )
            }
            Op::Iota(iota) if single_column_axis => (whole && iota.axis == self.domain.split)
                .then_some(Part::Whole)
                .ok_or("it does not count along the rows"),
            _ => Err("it counts, or is one-hot, along one of several axes"),
        }
    }

    /// The part of a value that the region computes.
    fn part(&self, value: Value) -> Option<Part> {
        self.parts.get(&value.node).copied()
    }

    /// Whether a value can be read along a row.
    ///
    /// A row is one run of elements, so an operand has one for each of them or one for all. An
    /// operand inside of the region whose axes were dropped would be read along the wrong ones.
    fn is_readable(&self, graph: &Graph, value: Value) -> bool {
        match self.part(value) {
            Some(part) => part != Part::Dropped,
            None => repeats_columns(graph, value, &self.domain.shape, self.domain.split),
        }
    }

    /// The part that an elementwise node of this shape computes of reduced values.
    fn fit_reduced(&self, graph: &Graph, shape: &Shape, operands: &[Value]) -> Result<Part, Why> {
        let all = |wanted: Part, outside: &dyn Fn(Value) -> bool| {
            operands.iter().any(|&value| self.part(value) == Some(wanted))
                && operands.iter().all(|&value| match self.part(value) {
                    Some(part) => part == wanted,
                    None => outside(value),
                })
        };
        let (kept, dropped) = (self.domain.kept(), self.domain.dropped());
        if *shape == kept && all(Part::Kept, &|value| broadcasts(graph, value, &kept)) {
            return Ok(Part::Kept);
        }
        let one = |value| elements(graph, value) == 1 || splat(graph, value).is_some();
        (*shape == dropped && all(Part::Dropped, &one))
            .then_some(Part::Dropped)
            .ok_or("its result has neither the shape of the rows nor one element for each row")
    }

    fn fit_reduction(&self, graph: &Graph, id: NodeId) -> Result<Part, Why> {
        let domain = reduced_domain(graph, id).ok_or("it does not reduce the last axes")?;
        let keepdims = row_reduction(&graph.node(id).op).is_some_and(|(_, keepdims)| keepdims);
        let result = if keepdims { Part::Kept } else { Part::Dropped };
        // With one column, a reduced value has the domain's shape, but reducing it again would be
        // of other rows.
        let reads = self.part(graph.operands(id)[0]).is_none_or(|part| part == Part::Whole);
        (domain == self.domain && reads).then_some(result).ok_or("it reduces other rows")
    }
}

/// The axes of a node that reduces adjacent axes before the last one, as a kernel of columns does.
pub(crate) fn column_axes(graph: &Graph, id: NodeId) -> Option<std::ops::Range<usize>> {
    let op = &graph.get(id)?.op;
    let (axes, _) = row_reduction(op).filter(|_| !matches!(op, Op::Argmax(_)))?;
    let (&first, &last) = (axes.first()?, axes.last()?);
    let rank = graph.ty(graph.operands(id)[0]).shape.rank();
    let adjacent = axes.iter().copied().eq(first..last + 1);
    (adjacent && last + 1 < rank).then_some(first..last + 1)
}
