//! The contract with code generation: the graph of kernels of `docs/architecture.md`, as a check.

mod contraction;
mod rows;
mod update;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use brolga_ir::op::Family;
use brolga_ir::ops::{Kernel, KernelKind};
use brolga_ir::{Graph, NodeId, Op, Shape, Value};

use crate::values::{is_elementwise, repeats_columns, same_or_one, splat, streams};

/// A rule of the contract that a node breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The kernel's name with its layer, or the node.
    pub node: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.message)
    }
}

/// Checks that a valid graph is a graph of kernels, and that each kernel holds what its kind
/// allows.
///
/// # Errors
/// All violations.
pub fn check_kernels(graph: &Graph) -> Result<(), Vec<Violation>> {
    let mut violations = Vec::new();
    for id in graph.order() {
        let node = graph.node(id);
        let (name, checked) = match &node.op {
            op if !op.family().has_code() => continue,
            Op::Kernel(kernel) => {
                (format!("kernel `{}`", kernel.body.name()), check(graph, id, kernel))
            }
            op => (format!("`{}`", op.name()), Err("the node is not in a kernel".to_owned())),
        };
        if let Err(message) = checked {
            let layer = node.origin.layer.as_ref().map(|layer| format!(" of {layer}"));
            violations.push(Violation { node: name + &layer.unwrap_or_default(), message });
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

type Checked = Result<(), String>;

/// Fails with a message unless `holds`.
fn ensure(holds: bool, message: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(message.into()) }
}

fn check(graph: &Graph, id: NodeId, kernel: &Kernel) -> Checked {
    let body = &*kernel.body;
    let nodes: Vec<NodeId> = body.order().into_iter().filter(|&id| is_code(body, id)).collect();
    for &id in &nodes {
        let op = &body.node(id).op;
        let alone = !matches!(op.family(), Family::Call | Family::View);
        ensure(alone, format!("`{}` cannot stand in a body", op.name()))?;
    }
    for (&input, operand) in body.inputs().iter().zip(graph.operands(id)) {
        let users = body.uses(input);
        ensure(!users.is_empty(), "an operand is not used")?;
        let folded = splat(graph, operand).is_none()
            || users.iter().all(|(user, _)| !is_elementwise(body, *user));
        ensure(folded, "a splat constant is an operand of an elementwise op, and not in the body")?;
    }
    match kernel.kind {
        KernelKind::Contraction => contraction::check(body, &nodes),
        KernelKind::Rows => rows::check(body, &nodes),
        KernelKind::Columns => check_columns(body, &nodes),
        KernelKind::Window => check_window(body, &nodes),
        KernelKind::Random => {
            let is_random = |family: Family<'_>| matches!(family, Family::Random { .. });
            let (main, epilogue) = split(body, &nodes, is_random)?;
            ensure(main.len() == 1, "there must be one random op")?;
            check_main(body, &main)?;
            let shape = &body.ty(main[0].into()).shape;
            let run =
                |&value: &Value| same_or_one(body, value, shape) || splat(body, value).is_some();
            let runs = epilogue.iter().all(|&id| body.operands(id).iter().all(run));
            ensure(runs, "a node of the epilogue repeats an operand")?;
            check_epilogue(body, main[0], &epilogue)
        }
        KernelKind::Attention => {
            let is_attention = |family: Family<'_>| matches!(family, Family::Attention);
            let (main, others) = split(body, &nodes, is_attention)?;
            ensure(main.len() == 1 && others.is_empty(), "there must be one attention alone")?;
            check_main(body, &main)
        }
        KernelKind::Move => check_move(body, &nodes),
        KernelKind::Update => update::check(body, &nodes),
        KernelKind::Loop => check_loop(body, &nodes),
    }
}

/// Whether a node of a body is neither an input nor a constant.
fn is_code(body: &Graph, id: NodeId) -> bool {
    body.node(id).op.family() != Family::Source
}

fn is_input(body: &Graph, value: Value) -> bool {
    body.parameter(value.node).is_some()
}

/// The nodes with ops of a family, and all others.
fn split(
    body: &Graph,
    nodes: &[NodeId],
    is_main: impl Fn(Family<'_>) -> bool,
) -> Result<(Vec<NodeId>, Vec<NodeId>), String> {
    let (main, others): (Vec<_>, Vec<_>) =
        nodes.iter().copied().partition(|&id| is_main(body.node(id).op.family()));
    ensure(!main.is_empty(), "the op that makes its kind is missing")?;
    Ok((main, others))
}

/// Checks that these nodes read nothing but operands of the kernel.
fn check_main(body: &Graph, nodes: &[NodeId]) -> Checked {
    for &id in nodes {
        let reads_inputs = body.operands(id).iter().all(|&value| is_input(body, value));
        ensure(
            reads_inputs,
            format!("`{}` does not read operands alone", body.node(id).op.name()),
        )?;
    }
    Ok(())
}

/// Checks that the epilogue of `main` is elementwise and of its shape, and that its operands stream
/// along with it.
fn check_epilogue(body: &Graph, main: NodeId, epilogue: &[NodeId]) -> Checked {
    let shape = &body.ty(main.into()).shape;
    epilogue.iter().try_for_each(|&id| check_streaming(body, id, shape))
}

fn check_streaming(body: &Graph, id: NodeId, shape: &Shape) -> Checked {
    let name = body.node(id).op.name();
    ensure(is_elementwise(body, id), format!("`{name}` is not elementwise"))?;
    let ty = body.ty(id.into());
    ensure(ty.shape == *shape, format!("`{name}` has type {ty}, the chain has shape {shape}"))?;
    for value in body.operands(id) {
        let fits = streams(body, value, shape) || splat(body, value).is_some();
        ensure(fits, format!("`{name}` reads {}, which does not stream", body.ty(value)))?;
    }
    Ok(())
}

fn check_loop(body: &Graph, nodes: &[NodeId]) -> Checked {
    ensure(nodes.len() == 1, "there must be one loop")?;
    check_main(body, nodes)?;
    for step in body.node(nodes[0]).op.bodies() {
        check_kernels(step).map_err(|violations| {
            violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
        })?;
    }
    Ok(())
}

fn check_columns(body: &Graph, nodes: &[NodeId]) -> Checked {
    let mut reductions = nodes.iter().filter_map(|&id| Some((id, column_axes(body, id)?)));
    let (Some((reduction, axes)), None) = (reductions.next(), reductions.next()) else {
        return Err("there must be one reduction over adjacent axes before the last".to_owned());
    };
    let domain = body.ty(body.operands(reduction)[0]).shape.clone();
    let result = body.ty(reduction.into()).shape.clone();
    let before = ancestors(body, reduction);
    for &id in nodes.iter().filter(|&&id| id != reduction) {
        let (name, ty) = (body.node(id).op.name(), body.ty(id.into()));
        ensure(is_elementwise(body, id), format!("`{name}` is not elementwise"))?;
        let is_before = before.contains(&id);
        let shape = if is_before { &domain } else { &result };
        ensure(ty.shape == *shape, format!("`{name}` has type {ty}, the chain has shape {shape}"))?;
        let fits = |value: &Value| match is_before {
            _ if splat(body, *value).is_some() => true,
            true => repeats_columns(body, *value, shape, axes.end),
            false => same_or_one(body, *value, shape),
        };
        let all_fit = body.operands(id).iter().all(fits);
        ensure(all_fit, format!("`{name}` reads an operand that repeats within the columns"))?;
        let result = is_before && body.is_output(id.into());
        ensure(!result, format!("`{name}` before the reduction is a result"))?;
    }
    Ok(())
}

/// The axes that a node reduces, if they are adjacent and before the last one. `argmax` has scalar
/// loops for any axes.
fn column_axes(body: &Graph, id: NodeId) -> Option<Range<usize>> {
    let op = &body.node(id).op;
    let Family::Reduction { axes, .. } = op.family() else { return None };
    let range = *axes.first()?..axes.last()? + 1;
    let rank = body.ty(*body.operands(id).first()?).shape.rank();
    let fits = axes.iter().copied().eq(range.clone()) && range.end < rank;
    (fits && !matches!(op, Op::Argmax(_))).then_some(range)
}

fn check_window(body: &Graph, nodes: &[NodeId]) -> Checked {
    let (main, epilogue) = split(body, nodes, |family| family == Family::Window)?;
    check_main(body, &main)?;
    let first = match main[..] {
        [one] => one,
        [a, b] => pool_with_indices(body, a, b)
            .ok_or("the two windows are not maxima and their indices")?,
        _ => return Err(format!("there are {} windows", main.len())),
    };
    check_epilogue(body, first, &epilogue)
}

/// The `max_pool` of these two nodes, if the other one gives the indices of its maxima.
fn pool_with_indices(body: &Graph, a: NodeId, b: NodeId) -> Option<NodeId> {
    let (pool, indices) = if matches!(body.node(a).op, Op::MaxPool(_)) { (a, b) } else { (b, a) };
    let (Op::MaxPool(op), Op::MaxPoolIndex(index)) = (&body.node(pool).op, &body.node(indices).op)
    else {
        return None;
    };
    (op.pool == index.pool && body.operands(pool) == body.operands(indices)).then_some(pool)
}

fn check_move(body: &Graph, nodes: &[NodeId]) -> Checked {
    let &[id] = nodes else { return Err(format!("there are {} ops, expected one", nodes.len())) };
    let op = &body.node(id).op;
    let moves = matches!(
        op.family(),
        Family::Movement | Family::Indices | Family::Reduction { .. } | Family::Other
    );
    ensure(moves, format!("`{}` has a kernel of another kind", op.name()))?;
    check_main(body, &[id])
}

/// The nodes that a node depends on, without the node itself.
fn ancestors(body: &Graph, id: NodeId) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::new();
    let mut stack = vec![id];
    while let Some(id) = stack.pop() {
        let operands = body.operands(id).into_iter().map(|value| value.node);
        stack.extend(operands.filter(|&id| found.insert(id)));
    }
    found
}
