//! What passes make of loops and their gradients.

use brolga_autodiff::gradients;
use brolga_ir::op::Family;
use brolga_ir::{DType, Graph, NodeId, Op, Tracer, Type, Var};
use brolga_passes::{PassManager, pipeline};

/// A layer of long short-term memory over a sequence.
#[derive(Debug, Clone, Copy)]
struct Lstm {
    length: usize,
    dtype: DType,
    reverse: bool,
    checkpoint: Option<usize>,
    gradient: bool,
}

const PLAIN: Lstm =
    Lstm { length: 6, dtype: DType::F32, reverse: false, checkpoint: None, gradient: true };

const BATCH: usize = 2;
const INPUTS: usize = 3;
const UNITS: usize = 4;

/// The gate of this index.
fn gate(z: &Var, index: usize) -> Var {
    z.slice(&[0, index * UNITS], &[BATCH, (index + 1) * UNITS], &[1, 1])
}

impl Lstm {
    fn graph(self) -> Graph {
        let ty = |shape: &[usize]| Type::new(self.dtype, shape);
        let t = Tracer::new("lstm");
        let x = t.input("x", ty(&[self.length, BATCH, INPUTS]));
        let (w, u) =
            (t.input("w", ty(&[INPUTS, 4 * UNITS])), t.input("u", ty(&[UNITS, 4 * UNITS])));
        let (b, v) = (t.input("b", ty(&[4 * UNITS])), t.input("v", ty(&[UNITS, 5])));
        let zero = t.full(&ty(&[BATCH, UNITS]), 0.0);
        let (carries, sequences, shared) = ([&zero, &zero], [&x], [&w, &u, &b, &v]);
        let mut scan = t.scan("step").carries(&carries).over(&sequences, 0).shared(&shared);
        if let Some(every) = self.checkpoint {
            scan = scan.checkpoint(every);
        }
        let (_, stacks) = scan.reverse(self.reverse).run(|step| {
            let (h, c, shared) = (&step.carries[0], &step.carries[1], step.shared);
            let z = step.slices[0].matmul(&shared[0]) + h.matmul(&shared[1]) + &shared[2];
            let [i, f, o] = [0, 1, 3].map(|index| gate(&z, index).sigmoid());
            let c = &f * c + &i * gate(&z, 2).tanh();
            let h = &o * c.tanh();
            (vec![h.clone(), c], vec![h.matmul(&shared[3])])
        });
        let loss = stacks[0].tanh().reduce_sum(&[0, 1, 2], false);
        t.output(&loss);
        if self.gradient {
            let by = [x, w, u, b, v];
            let gradients = gradients(&t, &loss, &by).expect("all have a gradient");
            gradients.iter().for_each(|gradient| t.output(gradient));
        }
        drop((zero, stacks, loss));
        t.finish().expect("the shapes fit")
    }
}

/// All passes before fusion, with the bits compared after each.
fn simplified(mut graph: Graph) -> Graph {
    let passes = pipeline();
    let count = passes.iter().rposition(|pass| pass.name() == "hoist_loops").expect("it is there");
    let passes = passes.into_iter().take(count + 4).collect();
    let run = PassManager::new(passes).check_each_pass(true).run(&mut graph);
    run.unwrap_or_else(|error| panic!("{error}\n{graph}"));
    graph
}

/// The nodes of a graph, those in loops not counted, for which a condition holds.
fn count(graph: &Graph, is: impl Fn(&Op) -> bool) -> usize {
    graph.ids().filter(|&id| is(&graph.node(id).op)).count()
}

fn is_contraction(op: &Op) -> bool {
    matches!(op.family(), Family::Contraction { .. })
}

fn loops(graph: &Graph) -> Vec<NodeId> {
    let is_loop = |id: &NodeId| graph.node(*id).op.family() == Family::Loop;
    graph.order().into_iter().filter(is_loop).collect()
}

#[test]
fn a_step_of_an_lstm_keeps_the_products_of_its_carry() {
    let graph = simplified(PLAIN.graph());
    let [forward, backward] = loops(&graph)[..] else { panic!("two loops: {graph}") };
    for id in [forward, backward] {
        let body = &graph.node(id).op.bodies()[0];
        assert_eq!(count(body, is_contraction), 1, "{graph}");
    }
    // In front x·w, behind h·v; the gradients by x, w, u and v, and that by h of v.
    assert_eq!(count(&graph, is_contraction), 7, "{graph}");
    // The activations are stacked, not computed again.
    let backward = &graph.node(backward).op.bodies()[0];
    let is_costly = |op: &Op| matches!(op, Op::Sigmoid(_) | Op::Tanh(_));
    assert_eq!(count(backward, is_costly), 0, "{graph}");
}

#[test]
fn a_step_of_inference_stacks_its_carry_alone() {
    let graph = simplified(Lstm { gradient: false, ..PLAIN }.graph());
    let [forward] = loops(&graph)[..] else { panic!("one loop: {graph}") };
    let stacks: Vec<String> = graph.node(forward).types.iter().map(ToString::to_string).collect();
    assert_eq!(stacks, ["f32[2,4]", "f32[2,4]", "f32[6,2,4]"], "{graph}");
    assert_eq!(count(&graph, is_contraction), 2, "{graph}");
}

#[test]
fn every_kind_of_lstm_keeps_its_bits() {
    for length in [0, 1, 2, 5] {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            for (reverse, checkpoint) in [(false, None), (true, None), (true, Some(2))] {
                simplified(Lstm { length, dtype, reverse, checkpoint, gradient: true }.graph());
            }
        }
    }
}

#[test]
fn with_checkpoints_a_segment_is_computed_again_and_only_its_carries_are_kept() {
    let graph = simplified(Lstm { checkpoint: Some(3), ..PLAIN }.graph());
    let kept: Vec<String> = (loops(&graph).into_iter())
        .flat_map(|id| graph.node(id).types.to_vec())
        .filter(|ty| ty.shape.first() == Some(&2) && ty.shape.rank() > 2)
        .map(|ty| ty.to_string())
        .collect();
    // Of two segments: the carries, what is returned, the gradient by x, and the factors of the
    // gradients by weights.
    insta::assert_snapshot!(kept.join(" "), @"f32[2,2,4] f32[2,2,4] f32[2,3,2,16] f32[2,3,2,4] f32[2,3,2,4] f32[2,6,3]");
}

/// The graph is the same, but for its extents, whatever the number of steps.
#[test]
fn the_number_of_nodes_does_not_depend_on_the_number_of_steps() {
    let nodes = |length: usize| {
        let mut graph = Lstm { length, ..PLAIN }.graph();
        PassManager::new(pipeline()).run(&mut graph).expect("the step can be optimized");
        let bodies: Vec<usize> = graph.bodies().iter().map(|body| body.len()).collect();
        (graph.len(), bodies)
    };
    assert_eq!(nodes(50), nodes(1000));
}
