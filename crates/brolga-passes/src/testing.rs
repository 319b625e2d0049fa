//! Helpers for the tests of passes.

use brolga_ir::{Graph, Op, parse_graph};

use crate::manager::{PassManager, Report};
use crate::pass::{Changed, Pass};

fn parse(text: &str) -> Graph {
    match parse_graph(text, "test") {
        Ok(graph) => graph,
        Err(errors) => panic!("{errors}"),
    }
}

/// Runs one pass, with the bits compared, and checks that a second run finds nothing left to do.
fn run_on(pass: impl Pass + Copy + 'static, graph: &mut Graph) -> Report {
    let once = |graph: &mut Graph| {
        let mut manager = PassManager::new(vec![Box::new(pass)]).check_each_pass(true);
        manager.run(graph).unwrap_or_else(|error| panic!("{error}\n{graph}"))
    };
    let report = once(graph);
    let again = once(graph);
    assert_eq!(again.passes[0].changed, Changed::No, "the second run changes the graph:\n{graph}");
    report
}

/// The graph after the pass, which keeps its bits.
pub(crate) fn run(pass: impl Pass + Copy + 'static, text: &str) -> String {
    let mut graph = parse(text);
    run_on(pass, &mut graph);
    graph.to_string()
}

/// The graph after the pass: the kind and name of each kernel and the names of other ops, in order.
pub(crate) fn ops(pass: impl Pass + Copy + 'static, text: &str) -> String {
    let mut graph = parse(text);
    run_on(pass, &mut graph);
    let ops = graph.order().into_iter().filter_map(|id| match &graph.node(id).op {
        Op::Parameter(_) => None,
        Op::Kernel(kernel) => {
            Some(format!("{} {}", format!("{:?}", kernel.kind).to_lowercase(), kernel.body.name()))
        }
        op => Some(op.name().to_owned()),
    });
    ops.collect::<Vec<_>>().join(", ")
}

/// Checks that the pass changes nothing but dead nodes.
#[track_caller]
pub(crate) fn refuses(pass: impl Pass + Copy + 'static, text: &str) {
    let mut graph = parse(text);
    graph.remove_dead();
    let before = graph.to_string();
    let report = run_on(pass, &mut graph);
    assert!(report.rewrites.is_empty(), "{}\n{graph}", report.rewrites[0]);
    assert_eq!(before, graph.to_string());
}
