//! Graphs of one kernel.

use std::sync::Arc;

use brolga_ir::ops::{Kernel, KernelKind, ParameterKind};
use brolga_ir::{Graph, Origin, Tracer, Type, Var};

/// A graph of one kernel whose body is traced by `build`: inputs of these types, returned values.
pub(crate) fn kernel_graph(
    kind: KernelKind,
    inputs: &[Type],
    build: impl Fn(&Tracer, &[Var]) -> Vec<Var>,
) -> Graph {
    let tracer = Tracer::new("kernel");
    let vars: Vec<Var> = inputs
        .iter()
        .enumerate()
        .map(|(i, ty)| tracer.input(&format!("x{i}"), ty.clone()))
        .collect();
    for var in build(&tracer, &vars) {
        tracer.output(&var);
    }
    let mut body = tracer.finish().unwrap_or_else(|error| panic!("{error}"));
    body.remove_dead();
    let mut graph = Graph::new("main");
    let operands: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(i, ty)| {
            graph
                .add_input(&format!("x{i}"), ParameterKind::Data, ty.clone(), Origin::default())
                .expect("a fresh name")
        })
        .collect();
    let results = body.outputs().len();
    let op = Kernel { kind, body: Arc::new(body) };
    let node = graph.add_node(op, &operands, Origin::default()).expect("the body's types");
    for port in 0..results {
        graph.add_output(brolga_ir::Value { node, port: port as u32 });
    }
    graph
}
