//! Regions over rows: elementwise ops over a domain, reductions of the domain along its last axes,
//! and what is computed of those.

use std::collections::{BTreeMap, BTreeSet};

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId, Op, Shape, Value};

use super::chain::{FULL, OPERAND, OTHER_SHAPE, OWN_RESULT};
use super::{Border, Growing, MAX_NODES, NodeSet, Schedule};
use crate::rewrites::Why;
use crate::values::{broadcasts, elements, is_elementwise, repeats_columns, splat};

/// How far apart in the schedule the nodes of a region may stand, unless it is plain that they fit
/// together. A loss and its gradient are neighbours; looking farther would make the time quadratic
/// in the depth of a model.
pub(crate) const MAX_SPAN: usize = 256;

/// How many uses a value has at most whose reductions are looked for among them: of one with more,
/// it would take too long to look through them again and again.
const MAX_USES: usize = 256;

/// How many reductions a region has at most: a row is read once for each that needs another.
const MAX_REDUCTIONS: usize = 32;

/// How many elements of a single row are computed by one worker for the sake of fusing.
const MAX_SERIAL: usize = 1 << 14;

/// What a value is to the rows of a domain `[r.., c..]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has the domain's shape.
    Whole,
    /// One element a row: `[r.., 1..]`.
    Kept,
    /// One element a row: `[r..]`.
    Dropped,
}

/// The shape `[r.., c..]` over which a region computes. Its last axes, the columns, are the row
/// that reductions run along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) shape: Shape,
    /// The first of the columns.
    pub(crate) split: usize,
}

impl Domain {
    /// A domain without reductions.
    pub(crate) fn elementwise(shape: Shape) -> Self {
        let split = shape.rank().saturating_sub(1);
        Self { shape, split }
    }

    /// Whether all there is is one row.
    pub(crate) fn is_one_row(&self) -> bool {
        self.shape[..self.split].iter().all(|&extent| extent == 1)
    }

    /// Whether all there is is one row that is too long for one worker: its reduction is better
    /// computed apart, by all of them.
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
    places: BTreeMap<NodeId, Place>,
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

/// Whether a node's op is one that can stand in a body of rows at all.
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
    let mut candidates: BTreeSet<_> = seeds.iter().map(|&id| (schedule.place(id), id)).collect();
    let push = |candidates: &mut BTreeSet<_>, id: NodeId| {
        candidates.insert((schedule.place(id), id));
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
        Self { domain, places: BTreeMap::new(), reductions: 0 }
    }

    /// Adds a node.
    ///
    /// # Errors
    /// Why it does not fit.
    fn insert(&mut self, graph: &Graph, id: NodeId) -> Result<(), Why> {
        let place = self.fit(graph, id)?;
        self.places.insert(id, place);
        // What read the node from outside must be able to read it inside.
        let mut inside = graph.users(id).filter_map(|user| Some((user, *self.places.get(&user)?)));
        if inside.all(|(user, place)| self.fit(graph, user) == Ok(place)) {
            return Ok(());
        }
        self.places.remove(&id);
        Err("the kernel reads its result along another axis than it computes it")
    }

    /// Adds a node and all that stands on paths between it and the region, or nothing. Returns what
    /// was added.
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
            return Err("it does not go row by row");
        }
        let extends = schedule.extends(graph, region, id);
        if !extends && region.span_with(schedule, id) > MAX_SPAN {
            return Err("it stands too far away in the order of the graph");
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
                self.places.retain(|id, _| !added.contains(id));
                return Err(if inner == id { why } else { OWN_RESULT });
            }
        }
        self.reductions = reductions;
        added.iter().for_each(|&id| region.insert(schedule, id));
        Ok(added)
    }

    /// What the node would be in the region.
    ///
    /// # Errors
    /// Why it cannot stand there.
    fn fit(&self, graph: &Graph, id: NodeId) -> Result<Place, Why> {
        let node = graph.node(id);
        let operands = graph.operands(id);
        let place = |value: &Value| self.places.get(&value.node).copied();
        let shape = &node.types.first().ok_or(OTHER_SHAPE)?.shape;
        let whole = *shape == self.domain.shape;
        // A row is one run of elements: what is read along with it has one for each of them, or one
        // for all. An operand inside of the region that lost its axes would be read along the wrong
        // ones.
        let readable = |value: &Value| match place(value) {
            Some(place) => place != Place::Dropped,
            None => repeats_columns(graph, *value, &self.domain.shape, self.domain.split),
        };
        let single_column_axis = self.domain.split + 1 == self.domain.shape.rank();
        match &node.op {
            _ if is_elementwise(graph, id) => {
                if whole {
                    return operands.iter().all(readable).then_some(Place::Whole).ok_or(OPERAND);
                }
                let one = |value: &Value| {
                    place(value).is_none()
                        && (elements(graph, *value) == 1 || splat(graph, *value).is_some())
                };
                let reduced = |wanted: Place, outside: &dyn Fn(&Value) -> bool| {
                    operands.iter().any(|value| place(value) == Some(wanted))
                        && operands.iter().all(|value| match place(value) {
                            Some(place) => place == wanted,
                            None => outside(value),
                        })
                };
                if *shape == self.domain.kept()
                    && reduced(Place::Kept, &|v| broadcasts(graph, *v, &self.domain.kept()))
                {
                    return Ok(Place::Kept);
                }
                (*shape == self.domain.dropped() && reduced(Place::Dropped, &one))
                    .then_some(Place::Dropped)
                    .ok_or("its result has neither the shape of the rows nor one element a row of theirs")
            }
            op if row_reduction(op).is_some() => {
                let domain = reduced_domain(graph, id).ok_or("it does not reduce the last axes")?;
                let keepdims = row_reduction(op).is_some_and(|(_, keepdims)| keepdims);
                let result = if keepdims { Place::Kept } else { Place::Dropped };
                // Where the domain has one column, a reduced value has the domain's shape; reducing
                // it again is another row.
                let reads = place(&operands[0]).is_none_or(|place| place == Place::Whole);
                (domain == self.domain && reads).then_some(result).ok_or("it reduces other rows")
            }
            Op::Broadcast(_) => {
                (whole && operands.iter().all(readable)).then_some(Place::Whole).ok_or(OPERAND)
            }
            Op::OneHot(_) if single_column_axis => (whole && place(&operands[0]).is_none())
                .then_some(Place::Whole)
                .ok_or("it marks along another axis than the rows', or what the row computes"),
            Op::Iota(iota) if single_column_axis => (whole && iota.axis == self.domain.split)
                .then_some(Place::Whole)
                .ok_or("it counts along another axis than the rows'"),
            _ => Err("it counts or marks along one of several axes"),
        }
    }
}

/// The reduced axes of a node that reduces neighbouring axes in front of the last one: what a
/// kernel of columns computes.
pub(crate) fn column_axes(graph: &Graph, id: NodeId) -> Option<std::ops::Range<usize>> {
    let op = &graph.get(id)?.op;
    let (axes, _) = row_reduction(op).filter(|_| !matches!(op, Op::Argmax(_)))?;
    let (&first, &last) = (axes.first()?, axes.last()?);
    let rank = graph.ty(graph.operands(id)[0]).shape.rank();
    let neighbours = axes.iter().copied().eq(first..last + 1);
    (neighbours && last + 1 < rank).then_some(first..last + 1)
}
