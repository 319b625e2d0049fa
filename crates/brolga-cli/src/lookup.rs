//! Nodes by the names that a user gives them.

use brolga_ir::text::Names;
use brolga_ir::{Graph, Op, TextOptions, Uid};
use brolga_record::{GraphRecord, NodeRecord, Program};

use crate::error::CliError;
use crate::subject::{graph_at, no_stage};

/// The identity of a value's node: `%12` and `%x` are names in the text of a stage, `n12` and
/// `%n12` are identities, as `--ids` prints them.
///
/// # Errors
/// If there is no such value, with what to do.
pub(crate) fn node(program: &Program, stage: &str, text: &str) -> Result<Uid, CliError> {
    let name = text.trim_start_matches('%');
    if let Some(uid) = identity(name) {
        if find(program, uid).is_some() {
            return Ok(uid);
        }
        let message = format!("no stage of `{}` has a node `n{}`", program.name, uid.number());
        return Err(CliError::argument(message, "brolga show SUBJECT --ids prints identities"));
    }
    let graph = graph_at(program, stage)?;
    by_name(&graph, name).ok_or_else(|| {
        let message = format!("`{}` has no value `%{name}` at the stage `{stage}`", program.name);
        let help = format!(
            "brolga show SUBJECT --stage {stage} prints its values; those inside of kernels have names with --ids"
        );
        CliError::argument(message, help)
    })
}

fn by_name(graph: &Graph, name: &str) -> Option<Uid> {
    if let Some(id) = graph.input(name) {
        return Some(graph.uid(id));
    }
    let names = Names::with(graph, &TextOptions::default());
    let wanted = format!("%{name}");
    names.listing().iter().copied().find_map(|id| {
        let mut results = crate::view::results(graph, id);
        results.any(|value| names.of(value) == wanted).then(|| graph.uid(id))
    })
}

/// The number of `n12` or `n12.1`.
fn identity(name: &str) -> Option<Uid> {
    let (number, _) = name.split_once('.').unwrap_or((name, ""));
    number.strip_prefix('n')?.parse().ok().map(Uid::new)
}

/// Where a node is in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the graph itself.
    Outside,
    /// In the kernel, or the loop, of this identity.
    Inside(Uid),
}

/// The node of this identity in a graph, inside of kernels too, and where it is. Inputs of bodies
/// are not looked at.
pub(crate) fn in_graph<'a>(
    program: &'a Program,
    graph: &'a GraphRecord,
    uid: Uid,
) -> Option<(&'a NodeRecord, Place)> {
    let nodes = program.graphs.all_nodes(graph);
    let found = nodes.into_iter().find(|(node, _)| node.uid == uid)?;
    let place = found.1.map_or(Place::Outside, |around| Place::Inside(around.uid));
    Some((found.0, place))
}

/// The node of this identity at the first stage that has it, and the name of that stage.
pub(crate) fn find(program: &Program, uid: Uid) -> Option<(String, &NodeRecord)> {
    let mut seen = vec![];
    for name in program.stage_names() {
        let Some(index) = program.stage(&name).filter(|index| !seen.contains(index)) else {
            continue;
        };
        seen.push(index);
        let graph = &program.graphs.graphs[index as usize];
        if let Some((node, _)) = in_graph(program, graph, uid) {
            return Some((name, node));
        }
    }
    None
}

/// A node in words: ``n12 `add` of dense (forward)``, and the line of the program that it is from.
pub(crate) fn described(program: &Program, node: &NodeRecord) -> String {
    let graphs = &program.graphs;
    let origin = graphs.origin(node);
    let op = match (graphs.op(node), graphs.bodies(node).next()) {
        (Op::Parameter(parameter), _) => format!("%{}", parameter.name),
        (op, Some(body)) => format!("{} {}", op.name(), body.name),
        (op, None) => op.name().to_owned(),
    };
    let layer = origin.layer.as_deref().map(|layer| format!(" of {layer}")).unwrap_or_default();
    let at = origin.location.as_ref().map(|at| format!(", {}:{}", at.file, at.line));
    format!("{} `{op}`{layer} ({}){}", node.uid, origin.role.name(), at.unwrap_or_default())
}

/// The record of the graph of a stage.
///
/// # Errors
/// If there is none, with the names of those there are.
pub(crate) fn graph_record<'a>(
    program: &'a Program,
    stage: &str,
) -> Result<&'a GraphRecord, CliError> {
    program.graph_record(stage).ok_or_else(|| no_stage(program, stage))
}
