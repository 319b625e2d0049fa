//! Kernels of the kind `rows`.
//!
//! The rules are stated independently of the passes that grow such kernels, so that a mistake there
//! is noticed.

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId, Op, Shape, Value};
use rustc_hash::FxHashMap;

use super::Checked;
use crate::values::{elements, is_elementwise, repeats_columns, splat};

/// The shape `[r.., c..]` over which a kernel computes. A row spans the axes from `split` on.
#[derive(PartialEq, Eq)]
struct Domain {
    shape: Shape,
    split: usize,
}

/// What a node computes of each row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The elements of the row: the shape is `[r.., c..]`.
    Elements,
    /// One element; the row's axes are kept: `[r.., 1..]`.
    Kept,
    /// One element; the row's axes are dropped: `[r..]`.
    Dropped,
}

pub(super) fn check(body: &Graph, nodes: &[NodeId]) -> Checked {
    let domain = domain(body, nodes).ok_or("the body is empty")?;
    let mut parts = FxHashMap::default();
    for &id in nodes {
        let (name, ty, shape) = (body.node(id).op.name(), body.ty(id.into()), &domain.shape);
        let part = part(body, id, &domain, &parts)
            .ok_or_else(|| format!("`{name}` of type {ty} does not fit the domain {shape}"))?;
        parts.insert(id, part);
    }
    Ok(())
}

/// The domain of the first reduction; without one, the largest shape, with rows along its last
/// axis.
fn domain(body: &Graph, nodes: &[NodeId]) -> Option<Domain> {
    if let Some(domain) = nodes.iter().find_map(|&id| reduced(body, id)) {
        return Some(domain.0);
    }
    let shapes = nodes.iter().map(|&id| &body.node(id).types[0].shape);
    let shape = shapes.max_by_key(|shape| (shape.elements(), shape.rank()))?.clone();
    Some(Domain { split: shape.rank().saturating_sub(1), shape })
}

/// The domain that a node reduces along its rows, and what it makes of each.
fn reduced(body: &Graph, id: NodeId) -> Option<(Domain, Part)> {
    let Family::Reduction { axes, keepdims, .. } = body.node(id).op.family() else { return None };
    let shape = body.ty(*body.operands(id).first()?).shape.clone();
    let split = *axes.first()?;
    let are_last = axes.iter().copied().eq(split..shape.rank());
    let part = if keepdims { Part::Kept } else { Part::Dropped };
    are_last.then_some((Domain { shape, split }, part))
}

/// The part of each row that a node computes, given those of its producers; `None` if the body may
/// not hold the node.
fn part(
    body: &Graph,
    id: NodeId,
    domain: &Domain,
    parts: &FxHashMap<NodeId, Part>,
) -> Option<Part> {
    let Domain { shape, split } = domain;
    let op = &body.node(id).op;
    let operands = body.operands(id);
    let part_of = |value: &Value| parts.get(&value.node).copied();
    let is_whole = body.node(id).types.first()?.shape == *shape;
    // Without the row's axes, broadcasting would read it along other axes.
    let is_read_along_rows = |value: &Value| match part_of(value) {
        Some(part) => part != Part::Dropped,
        None => repeats_columns(body, *value, shape, *split),
    };
    let fits = match op {
        _ if is_elementwise(body, id) && !is_whole => return of_reduced(body, id, domain, part_of),
        Op::Broadcast(_) => operands.iter().all(is_read_along_rows),
        _ if is_elementwise(body, id) => operands.iter().all(is_read_along_rows),
        // `iota` and `one_hot` run along one axis, and `one_hot` reads an input of the body.
        Op::OneHot(_) => split + 1 == shape.rank() && operands.iter().all(|v| part_of(v).is_none()),
        Op::Iota(iota) => split + 1 == shape.rank() && iota.axis == *split,
        _ => {
            let (reduces, result) = reduced(body, id)?;
            let reads_elements = |v: &Value| part_of(v).is_none_or(|part| part == Part::Elements);
            return (reduces == *domain && operands.iter().all(reads_elements)).then_some(result);
        }
    };
    (is_whole && fits).then_some(Part::Elements)
}

/// The part that an elementwise node computes of reduced values. It reads at least one, of its own
/// shape.
fn of_reduced(
    body: &Graph,
    id: NodeId,
    domain: &Domain,
    part_of: impl Fn(&Value) -> Option<Part>,
) -> Option<Part> {
    let operands = body.operands(id);
    let shape = &body.node(id).types[0].shape;
    let (rows, columns) = domain.shape.split_at(domain.split);
    let result = match shape.strip_prefix(rows)? {
        [] => Part::Dropped,
        ones if ones.len() == columns.len() && ones.iter().all(|&extent| extent == 1) => Part::Kept,
        _ => return None,
    };
    let fits = |value: &Value| match part_of(value) {
        Some(part) => part == result,
        None if result == Part::Kept => body.ty(*value).shape.broadcasts_to(shape),
        None => elements(body, *value) == 1 || splat(body, *value).is_some(),
    };
    let reads_reduced = operands.iter().any(|value| part_of(value) == Some(result));
    (reads_reduced && operands.iter().all(fits)).then_some(result)
}

#[cfg(test)]
mod tests {
    use brolga_ir::parse_graph;

    use crate::check_kernels;

    /// The contract's message for a kernel of rows that returns the last of these values.
    fn said(lines: &str, last: &str) -> String {
        let operands = "%x: f32[4,4], %v: f32[4], %i: i32[4]";
        let ty =
            lines.rsplit_once(&format!("{last}: ")).and_then(|(_, rest)| rest.split_once(" ="));
        let (ty, _) = ty.expect("a line for the last value");
        let text = format!(
            "graph f({operands}) {{
                %k: {ty} = kernel %x, %v, %i {{kind=\"rows\"}} k({operands}) {{
                    %a: f32[4,4] = one_hot %i {{depth=4, dtype=\"f32\"}}
                    %b: f32[4,4] = add %x, %v
                    {lines}
                    return {last}, %a, %b
                }}
                return %k
            }}"
        );
        let text = text
            .replace(&format!("%k: {ty} ="), &format!("%k: {ty}, %l: f32[4,4], %m: f32[4,4] ="));
        let graph = parse_graph(&text, "test").unwrap_or_else(|errors| panic!("{errors}"));
        match check_kernels(&graph) {
            Ok(()) => "fits".to_owned(),
            Err(violations) => violations[0].to_string(),
        }
    }

    const KEPT: &str = "%0: f32[4,1] = reduce_sum %b {axes=[1], keepdims=true}\n";
    const DROPPED: &str = "%0: f32[4] = reduce_sum %b {axes=[1], keepdims=false}\n";

    #[test]
    fn rows_are_elements_and_what_they_are_reduced_to() {
        let fits = |lines: &str, last: &str| assert_eq!(said(lines, last), "fits", "{lines}");
        fits(&format!("{KEPT} %1: f32[4,4] = sub %b, %0"), "%1");
        fits(&format!("{KEPT} %1: f32[4,1] = log %0\n %2: f32[4,1] = mul %0, %1"), "%2");
        fits(&format!("{DROPPED} %1: f32[4] = neg %0"), "%1");
        fits(&format!("{DROPPED} %1: f32[4,4] = iota {{axis=1}}"), "%1");
    }

    #[test]
    fn other_values_are_violations() {
        let along_columns = format!("{DROPPED} %1: f32[4,4] = add %b, %0");
        insta::assert_snapshot!(said(&along_columns, "%1"), @"kernel `k`: `add` of type f32[4,4] does not fit the domain [4,4]");
        let reduced_again =
            format!("{KEPT} %1: f32[4] = reduce_max %0 {{axes=[1], keepdims=false}}");
        insta::assert_snapshot!(said(&reduced_again, "%1"), @"kernel `k`: `reduce_max` of type f32[4] does not fit the domain [4,4]");
        let over_rows = format!("{KEPT} %1: f32[4] = reduce_max %x {{axes=[0], keepdims=false}}");
        insta::assert_snapshot!(said(&over_rows, "%1"), @"kernel `k`: `reduce_max` of type f32[4] does not fit the domain [4,4]");
        let with_an_operand = format!("{DROPPED} %1: f32[4] = add %0, %v");
        insta::assert_snapshot!(said(&with_an_operand, "%1"), @"kernel `k`: `add` of type f32[4] does not fit the domain [4,4]");
        let along_rows = format!("{KEPT} %1: f32[4,4] = iota {{axis=0}}");
        insta::assert_snapshot!(said(&along_rows, "%1"), @"kernel `k`: `iota` of type f32[4,4] does not fit the domain [4,4]");
        let moved = format!("{KEPT} %1: f32[4,4] = transpose %b {{permutation=[1,0]}}");
        insta::assert_snapshot!(said(&moved, "%1"), @"kernel `k`: `transpose` of type f32[4,4] does not fit the domain [4,4]");
    }
}
