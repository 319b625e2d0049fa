//! Random graphs through the whole pipeline: equal bits after every pass, and a graph of kernels at the end.

use brolga_ir::ops::ParameterKind;
use brolga_ir::ops::window::Window;
use brolga_ir::{DType, Graph, Role, Tensor, Tracer, Type, Var, interpret};
use brolga_passes::{PassManager, Sample, passes_by_name, pipeline, sample_inputs};
use brolga_runtime::{Backend, Executable, Options, RuntimeError, State, StateLayout};
use proptest::prelude::*;

/// A step of the construction: which op, and numbers that choose its operands and attributes.
type Choice = (u8, u16, u16, u16);

/// The passes that may be left out.
fn optional() -> Vec<String> {
    let passes = pipeline();
    let mut names: Vec<_> =
        passes.iter().filter(|pass| !pass.is_required()).map(|pass| pass.name()).collect();
    names.sort();
    names.dedup();
    names
}

proptest! {
    #[test]
    fn every_pass_keeps_the_bits_of_any_graph(choices in choices()) {
        let mut graph = build(&choices);
        let ran = PassManager::new(pipeline()).check_each_pass(true).run(&mut graph);
        prop_assert!(ran.is_ok(), "{}\n{graph}", ran.expect_err("an error"));
    }

    #[test]
    fn no_pass_needs_another_that_is_optional(
        choices in choices(),
        skipped in prop::sample::subsequence(optional(), 0..optional().len()),
        stop in 0usize..60,
    ) {
        let mut graph = build(&choices);
        let mut manager = PassManager::new(pipeline()).check_each_pass(true).stop_after(stop);
        for name in &skipped {
            manager = manager.skip(name).expect("the pass is optional");
        }
        let ran = manager.run(&mut graph);
        prop_assert!(ran.is_ok(), "{}\n{graph}", ran.expect_err("an error"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn machine_code_gives_the_bits_of_any_graph(choices in choices(), unfused in any::<bool>()) {
        let traced = build(&choices);
        let mut kernels = traced.clone();
        let passes = if unfused {
            passes_by_name("canonical_reductions,outline").expect("there are such passes")
        } else {
            pipeline()
        };
        PassManager::new(passes).run(&mut kernels).expect("the passes are right");
        for sample in [Sample::Ordinary, Sample::Special] {
            let inputs = sample_inputs(&traced, sample);
            let expected = interpret(&traced, &inputs).expect("the inputs fit");
            let given = run_native(&kernels, &inputs);
            prop_assert!(given.is_ok(), "{}\n{kernels}", given.expect_err("an error"));
            let given = given.expect("it was checked");
            prop_assert!(expected == given, "{sample:?}: {expected:?} became {given:?}\n{kernels}");
        }
    }
}

/// The outputs of a graph of kernels in machine code, next states in their places.
fn run_native(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, RuntimeError> {
    let layout = StateLayout::of_graphs([graph])?;
    let options = Options { backend: Backend::Native, threads: 2, ..Options::default() };
    let mut executable = Executable::new(graph, &layout, &options)?;
    let mut state = State::zeros(&layout)?;
    for (&id, tensor) in graph.inputs().iter().zip(inputs) {
        let Some(parameter) = graph.parameter(id) else { continue };
        match parameter.kind {
            ParameterKind::State => state.set(&parameter.name, tensor)?,
            ParameterKind::Data => executable.set_input(parameter.name.as_str(), tensor)?,
        }
    }
    executable.run(&mut state)?;
    let mut place = 0;
    let outputs = graph.outputs().iter().map(|output| {
        match output.replaces.and_then(|id| graph.parameter(id)) {
            Some(parameter) => state.get(&parameter.name),
            None => {
                place += 1;
                executable.output_tensor(place - 1)
            }
        }
    });
    outputs.collect()
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec((0u8..40, any::<u16>(), any::<u16>(), any::<u16>()), 1..24)
}

/// Values that later steps choose from.
struct Builder {
    t: Tracer,
    floats: Vec<Var>,
    weights: Vec<Var>,
}

fn pick<T>(list: &[T], choice: u16) -> &T {
    &list[choice as usize % list.len()]
}

impl Builder {
    fn weight(&mut self, shape: &[usize]) -> Var {
        let w = self.t.state(&format!("w{}", self.weights.len()), Type::f32(shape));
        self.weights.push(w.clone());
        w
    }

    /// A value that can be an operand together with `x`.
    fn partner(&mut self, x: &Var, choice: u16) -> Var {
        let shape = x.shape().clone();
        match choice % 5 {
            0 => x.constant_like(f64::from(choice % 7) / 2.0 - 1.0),
            1 => self.weight(&shape[shape.rank().min(1)..]),
            2 => self
                .weight(&shape.iter().map(|&d| if d % 2 == 0 { d } else { 1 }).collect::<Vec<_>>()),
            3 => self.t.full(x.ty(), f64::from(choice % 3) - 1.0),
            _ => {
                let fits =
                    |v: &&Var| v.shape().broadcast(&shape).is_some_and(|s| s.elements() <= 4096);
                let fitting: Vec<Var> = self.floats.iter().filter(fits).cloned().collect();
                pick(&fitting, choice / 5).clone()
            }
        }
    }

    fn step(&mut self, (op, a, b, c): Choice) {
        // Half of the steps continue what the last one made, so that graphs become deep.
        let recent = if a % 2 == 0 { &self.floats[self.floats.len() - 1..] } else { &self.floats };
        let x = pick(recent, a / 2).clone();
        let shape = x.shape().clone();
        let rank = shape.rank();
        let zero = x.constant_like(0.0);
        let new = match op {
            0 => x.relu(),
            1 => -&x,
            2 => x.exp(),
            3 => x.abs(),
            4 => x.tanh(),
            5 => x.floor(),
            6 => x.stop_gradient(),
            7..=9 => &x + self.partner(&x, b),
            10..=12 => &x * self.partner(&x, b),
            13 => &x - self.partner(&x, b),
            14 => &x / self.partner(&x, b),
            15 => x.maximum(&self.partner(&x, b)),
            16 => x.gt(&zero).select(&x, &self.partner(&x, b)),
            17 => x.gt(&self.partner(&x, b)).cast(DType::F32),
            18 => x.reshape([shape.elements()]),
            19 => {
                let mut dims = shape.to_vec();
                dims.insert(b as usize % (rank + 1), 1);
                x.reshape(dims)
            }
            20 if rank > 1 => {
                let mut order: Vec<usize> = (0..rank).collect();
                order.swap(b as usize % rank, c as usize % rank);
                x.transpose(&order)
            }
            21 => {
                x.broadcast(shape.iter().map(|&d| if d == 1 { 3 } else { d }).collect::<Vec<_>>())
            }
            22..=25 => {
                let axes: Vec<usize> = (0..rank).filter(|axis| b >> axis & 1 == 1).collect();
                let keepdims = c % 2 == 0;
                match op {
                    22 => x.reduce_sum(&axes, keepdims),
                    23 => x.reduce_max(&axes, keepdims),
                    24 => x.reduce_mean(&axes, keepdims),
                    _ => x.reduce_min(&axes, keepdims),
                }
            }
            26 if rank > 0 && shape[rank - 1] > 0 => {
                // A softmax along the last axis.
                let shifted = &x - x.reduce_max(&[rank - 1], true).stop_gradient();
                let powers = shifted.exp();
                &powers / powers.reduce_sum(&[rank - 1], true)
            }
            27 if rank > 0 && shape.elements() > 0 => {
                let axis = b as usize % rank;
                x.argmax(axis, c % 2 == 0).cast(DType::F32)
            }
            28..=30 if rank == 2 => {
                let (transposed, n) = (b % 2 == 0, c as usize % 4 + 1);
                let inner = shape[1];
                let w = self.weight(&if transposed { [n, inner] } else { [inner, n] });
                x.matmul_with(&w, false, transposed) + self.weight(&[n])
            }
            31..=34 if rank == 4 && shape[1] >= 2 && shape[2] >= 2 => {
                let (kernel, filters) =
                    ([b as usize % 2 + 1, c as usize % 2 + 1], c as usize % 3 + 1);
                let w = self.weight(&[kernel[0], kernel[1], shape[3], filters]);
                let y = x.conv2d(&w, Window::default(), 1) + self.weight(&[filters]);
                match (op, y.shape()[1].min(y.shape()[2]) >= 2) {
                    (31 | 32, true) => y.relu().max_pool([2, 2], [2, 2], [[0, 0]; 2]),
                    (33, true) => y.tanh().max_pool([2, 2], [1, 1], [[1, 0]; 2]),
                    _ => y.relu(),
                }
            }
            35 if rank == 4 && shape[1] >= 2 && shape[2] >= 2 => {
                x.avg_pool([2, 2], [2, 1], [[0, 0]; 2], false)
            }
            36 if rank > 0 => x.reverse(&[b as usize % rank]),
            37 if rank > 0 => {
                let starts: Vec<usize> = shape.iter().map(|&d| usize::from(d > 2)).collect();
                x.slice(&starts, &shape, &vec![1; rank])
            }
            38 => x.constant_like(1.5) * x.constant_like(2.0) + &x * 1.0,
            39 => x.gt(&zero).select(&x.gt(&zero).select(&x, &zero), &(&x * 0.25)),
            _ => x.sigmoid(),
        };
        if new.shape().elements() <= 4096 && new.shape().rank() <= 5 {
            self.floats.push(new);
        }
    }
}

/// A graph of these steps, with some gradients and updates of its weights.
fn build(choices: &[Choice]) -> Graph {
    let t = Tracer::new("random");
    let floats = vec![
        t.input("image", Type::f32([3, 6, 5, 2])),
        t.input("matrix", Type::f32([4, 20])),
        t.input("square", Type::f32([3, 3])),
        t.input("vector", Type::f32([17])),
        t.input("scalar", Type::f32([])),
        t.input("empty", Type::f32([1, 3])),
    ];
    let mut builder = Builder { t: t.clone(), floats, weights: Vec::new() };
    choices.iter().for_each(|&choice| builder.step(choice));
    let Builder { floats, weights, .. } = builder;
    for (place, var) in floats.iter().rev().take(4).enumerate() {
        if place % 2 == 0 {
            t.output(var);
        }
    }
    let last = floats.last().expect("there are inputs");
    let loss = (last * last).reduce_mean(&(0..last.shape().rank()).collect::<Vec<_>>(), false);
    for w in &weights {
        // Some weights have no way to the loss.
        if let Ok(gradients) = brolga_autodiff::gradients(&t, &loss, std::slice::from_ref(w)) {
            let _role = t.role(Role::Update);
            t.update(w, &(w - &gradients[0] * 0.1));
        }
    }
    t.output(&loss);
    t.finish().expect("every step was chosen to fit")
}
