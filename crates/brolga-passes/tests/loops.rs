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

/// A generator of pseudo-random numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn pick<'a>(&mut self, values: &'a [Var]) -> &'a Var {
        &values[self.below(values.len())]
    }
}

/// Another matrix of two or three rows and columns.
fn grow(numbers: &mut Numbers, values: &[Var]) -> Var {
    let (a, b) = (numbers.pick(values).clone(), numbers.pick(values).clone());
    let fits = |a: usize, b: usize| a == b || a == 1 || b == 1;
    match numbers.below(12) {
        0..4 if a.shape()[1] == b.shape()[0] => a.matmul(&b),
        0..4 if a.shape()[1] == b.shape()[1] => a.matmul_with(&b, false, true),
        0..4 if a.shape()[0] == b.shape()[0] => a.matmul_with(&b, true, false),
        0..6 if fits(a.shape()[0], b.shape()[0]) && fits(a.shape()[1], b.shape()[1]) => &a + &b,
        6 => a.transpose(&[1, 0]),
        7 => a.reshape([1, a.shape().elements()]).reshape(a.shape().clone()),
        8 => a.reduce_sum(&[1], true),
        9 => a.reduce_max(&[0], true),
        10 if fits(a.shape()[0], b.shape()[0]) && fits(a.shape()[1], b.shape()[1]) => &a * &b,
        _ => a.tanh(),
    }
}

/// A loop whose step is random, in a loop or not, and with it a gradient or not.
fn random(seed: u64) -> Graph {
    let n = &mut Numbers(seed);
    let dtype = [DType::F32, DType::F32, DType::F64, DType::BF16][n.below(4)];
    let length = [0, 1, 2, 3, 5][n.below(5)];
    let (counts, reverse) = ([1, 1, 2].map(|most| 1 + n.below(most)), n.below(2) == 0);
    let checkpoint = (n.below(5) == 0).then(|| 1 + n.below(3));
    let t = Tracer::new("random");
    let mut names = 0;
    let mut input = |n: &mut Numbers, steps: Option<usize>| {
        names += 1;
        let own = [1 + n.below(3), 1 + n.below(3)];
        let shape: Vec<usize> = steps.into_iter().chain(own).collect();
        t.input(&format!("x{names}"), Type::new(dtype, shape))
    };
    let carries: Vec<Var> = (0..counts[0]).map(|_| input(n, None)).collect();
    let sequences: Vec<Var> = (0..counts[1]).map(|_| input(n, Some(length))).collect();
    let shared: Vec<Var> = (0..counts[2]).map(|_| input(n, None)).collect();
    let (c, x, s): (Vec<&Var>, Vec<&Var>, Vec<&Var>) =
        (carries.iter().collect(), sequences.iter().collect(), shared.iter().collect());
    let mut loops = t.scan("step").length(length).carries(&c).over(&x, 0).shared(&s);
    if let Some(every) = checkpoint {
        loops = loops.checkpoint(every);
    }
    let (last, all) = loops.reverse(reverse).run(|step| {
        let mut values = [step.carries, step.slices, step.shared].concat();
        for _ in 0..4 + n.below(12) {
            let value = grow(n, &values);
            values.push(value);
        }
        let next = step.carries.iter().map(|carry| {
            let fitting = values.iter().rev().filter(|value| value.ty() == carry.ty());
            let fitting: Vec<Var> = fitting.cloned().collect();
            fitting[n.below(fitting.len().min(3))].clone()
        });
        let next: Vec<Var> = next.collect();
        let stacks = (0..n.below(4)).map(|_| n.pick(&values).clone()).collect();
        (next, stacks)
    });
    let results = [last, all].concat();
    results.iter().for_each(|result| t.output(result));
    let total = |result: &Var| {
        let axes: Vec<usize> = (0..result.shape().rank()).collect();
        result.tanh().reduce_sum(&axes, false)
    };
    let loss = results.iter().map(total).reduce(|sum, term| sum + term);
    let loss = loss.expect("there is a carry");
    if n.below(2) == 0 {
        // What does not depend on an input has no gradient by it.
        for by in carries.iter().chain(&sequences).chain(&shared) {
            if let Ok(gradient) = gradients(&t, &loss, std::slice::from_ref(by)) {
                gradient.iter().for_each(|gradient| t.output(gradient));
            }
        }
    }
    drop((carries, sequences, shared, results, loss));
    t.finish().unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

/// All passes on random loops, with the bits compared after each: those of products, of views and
/// of reductions, of whatever of them depends on what.
#[test]
fn random_loops_keep_their_bits() {
    let mut hoisted = 0;
    for seed in 0..200 {
        let mut graph = random(seed);
        let mut manager = PassManager::new(pipeline()).check_each_pass(true);
        let report = manager.run(&mut graph).unwrap_or_else(|error| {
            panic!("seed {seed}: {error}\n{}", random(seed));
        });
        hoisted += report.rewrites.iter().filter(|r| &*r.pass == "hoist_loops").count();
    }
    assert!(hoisted > 60, "{hoisted} rewrites");
}
