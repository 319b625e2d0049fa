//! Loops as kernels, whose steps are kernels of one op each.

use std::sync::Arc;

use brolga_ir::op::Family;
use brolga_ir::ops::{Kernel, KernelKind, ParameterKind};
use brolga_ir::{Graph, NodeId, Op, Origin, Tracer, Type, Value, Var};
use rustc_hash::FxHashMap;

/// A graph of one kernel, a loop traced by `build`: inputs of these types, which are the kernel's
/// operands in their order; results of the loop that are returned.
pub(crate) fn loop_graph(inputs: &[Type], build: impl Fn(&Tracer, &[Var]) -> Vec<Var>) -> Graph {
    let mut body = traced(inputs, build);
    let loops: Vec<NodeId> =
        body.ids().filter(|&id| body.node(id).op.family() == Family::Loop).collect();
    for id in loops {
        let bodies: Vec<Arc<Graph>> =
            body.node(id).op.bodies().iter().map(|body| Arc::new(outlined(body))).collect();
        body.set_bodies(id, &bodies).expect("the same types");
    }
    let mut graph = Graph::new("main");
    let operands: Vec<Value> =
        body.inputs().iter().map(|&id| input(&mut graph, &body, id.into())).collect();
    let results = body.outputs().len() as u32;
    let op = Kernel { kind: KernelKind::Loop, body: Arc::new(body) };
    let node = graph.add_node(op, &operands, Origin::default()).expect("the body's types");
    (0..results).for_each(|port| graph.add_output(Value { node, port }));
    graph
}

fn traced(inputs: &[Type], build: impl Fn(&Tracer, &[Var]) -> Vec<Var>) -> Graph {
    let tracer = Tracer::new("main");
    let vars: Vec<Var> = (inputs.iter().enumerate())
        .map(|(i, ty)| tracer.input(&format!("x{i}"), ty.clone()))
        .collect();
    build(&tracer, &vars).iter().for_each(|result| tracer.output(result));
    drop(vars);
    tracer.finish().unwrap_or_else(|error| panic!("{error}"))
}

/// The graph with a kernel for each op, in the bodies of loops too.
fn outlined(graph: &Graph) -> Graph {
    let mut result = Graph::new(graph.name());
    let mut values: FxHashMap<Value, Value> = FxHashMap::default();
    for &id in graph.inputs() {
        values.insert(id.into(), input(&mut result, graph, id.into()));
    }
    for id in graph.order().into_iter().filter(|&id| graph.parameter(id).is_none()) {
        let operands: Vec<Value> = graph.operands(id).iter().map(|v| values[v]).collect();
        let op = match &graph.node(id).op {
            Op::Reshape(view) => view.clone().into(),
            op => Op::from(kernel(graph, id, op)),
        };
        let is_view = matches!(op, Op::Reshape(_));
        let node = result.add_node(op, &operands, Origin::default()).expect("the same types");
        let ports = if is_view { vec![0] } else { returned(graph, id) };
        for (new, old) in (0..).zip(ports) {
            values.insert(Value { node: id, port: old }, Value { node, port: new });
        }
    }
    graph.outputs().iter().for_each(|output| result.add_output(values[&output.value]));
    result
}

fn input(graph: &mut Graph, from: &Graph, value: Value) -> Value {
    let name = format!("v{}", graph.inputs().len());
    let ty = from.ty(value).clone();
    graph.add_input(&name, ParameterKind::Data, ty, Origin::default()).expect("a fresh name")
}

/// The results of a node that something uses.
fn returned(graph: &Graph, id: NodeId) -> Vec<u32> {
    let used = |&port: &u32| {
        let value = Value { node: id, port };
        graph.users_of(value).next().is_some() || graph.is_output(value)
    };
    (0..graph.node(id).types.len() as u32).filter(used).collect()
}

fn kernel(graph: &Graph, id: NodeId, op: &Op) -> Kernel {
    let mut body = Graph::new(op.name());
    let operands: Vec<Value> =
        graph.operands(id).iter().map(|&value| input(&mut body, graph, value)).collect();
    let (kind, mut op) = (kind(op.family()), op.clone());
    if kind == KernelKind::Loop {
        op.bodies_mut().iter_mut().for_each(|body| *body = Arc::new(outlined(body)));
    }
    let node = body.add_node(op, &operands, Origin::default()).expect("the same types");
    for port in returned(graph, id) {
        body.add_output(Value { node, port });
    }
    Kernel { kind, body: Arc::new(body) }
}

fn kind(family: Family<'_>) -> KernelKind {
    match family {
        Family::Elementwise(_) | Family::Reduction { .. } => KernelKind::Rows,
        Family::Contraction { .. } => KernelKind::Contraction,
        Family::Loop => KernelKind::Loop,
        _ => KernelKind::Move,
    }
}
