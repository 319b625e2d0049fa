//! Kernels written by hand: each has a body for the interpreter and stages in Rust.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use brolga_codegen::compile;
use brolga_codegen::kernel::{Access, Compiled, CompiledKernel, KernelFn, Stage, Touch};
use brolga_codegen::object::Object;
use brolga_ir::ops::{Kernel, KernelKind, ParameterKind};
use brolga_ir::text::parse_graph;
use brolga_ir::{Graph, NodeId, Op, Origin, Role, Tensor, Type, Value};
use brolga_runtime::{Backend, Executable, Options, State, StateLayout};

/// The number of elements in a unit.
pub(crate) const UNIT: usize = 16;

/// A graph under construction, over vectors of `n` elements.
pub(crate) struct Builder {
    pub(crate) graph: Graph,
    pub(crate) n: usize,
}

impl Builder {
    pub(crate) fn new(n: usize) -> Self {
        Self { graph: Graph::new("step"), n }
    }

    pub(crate) fn data(&mut self, name: &str) -> Value {
        self.input(name, ParameterKind::Data)
    }

    pub(crate) fn state(&mut self, name: &str) -> Value {
        self.input(name, ParameterKind::State)
    }

    fn input(&mut self, name: &str, kind: ParameterKind) -> Value {
        let origin = Origin::layer(name, Role::Forward);
        self.graph.add_input(name, kind, Type::f32([self.n]), origin).unwrap()
    }

    /// A call of one of the kernels: `neg`, `flip` (`neg` in place), `patient` (`neg` whose first
    /// units wait for all others), `add`, `reverse`, `sum`.
    pub(crate) fn call(&mut self, kernel: &str, operands: &[Value]) -> Value {
        let op = Kernel { kind: KernelKind::Rows, body: body(kernel, self.n).into() };
        self.graph.add(op, operands, Origin::layer("dense", Role::Forward)).unwrap()
    }

    pub(crate) fn update(&mut self, state: Value, value: Value) {
        self.graph.add_update(state.node, value);
    }

    pub(crate) fn native(&self, threads: usize) -> (Executable, State) {
        native(&self.graph, &Options { threads, oversubscribe: true, ..Options::default() })
    }

    pub(crate) fn interpreter(&self) -> (Executable, State) {
        let layout = StateLayout::of_graphs([&self.graph]).unwrap();
        let options = Options { backend: Backend::Interpreter, ..Options::default() };
        let executable = Executable::new(&self.graph, &layout, &options, compile).unwrap();
        (executable, state_of(&layout))
    }

    /// Runs three steps natively on `threads` threads and on the interpreter, which have to agree
    /// bit for bit.
    pub(crate) fn check(&self, threads: usize) -> Executable {
        let (mut native, mut state) = self.native(threads);
        let (mut reference, mut reference_state) = self.interpreter();
        let inputs = native.inputs().len();
        for index in 0..inputs {
            let values = numbers(self.n, index as u64 + 7);
            native.write_input(index, &values).unwrap();
            reference.write_input(index, &values).unwrap();
        }
        for _ in 0..3 {
            native.run(&mut state).unwrap();
            reference.run(&mut reference_state).unwrap();
            for index in 0..native.outputs().len() {
                let outputs = [&native, &reference].map(|e| e.output_tensor(index).unwrap());
                assert_eq!(outputs[0], outputs[1], "output {index} on {threads} threads");
            }
            for (name, _) in state.layout().iter() {
                let states = [&state, &reference_state].map(|state| state.get(name).unwrap());
                assert_eq!(states[0], states[1], "state `{name}` on {threads} threads");
            }
        }
        native
    }
}

/// The graph with the kernels of this file, and states with some numbers.
pub(crate) fn native(graph: &Graph, options: &Options) -> (Executable, State) {
    let layout = StateLayout::of_graphs([graph]).unwrap();
    (try_native(graph, &layout, options).unwrap(), state_of(&layout))
}

pub(crate) fn try_native(
    graph: &Graph,
    layout: &StateLayout,
    options: &Options,
) -> Result<Executable, brolga_runtime::RuntimeError> {
    Executable::new(graph, layout, options, |graph, _| Ok(compiled(graph)))
}

fn state_of(layout: &StateLayout) -> State {
    let mut state = State::zeros(layout).unwrap();
    let types: Vec<_> = layout.iter().map(|(n, t)| (n.to_owned(), t.clone())).collect();
    for (seed, (name, ty)) in types.into_iter().enumerate() {
        let values = numbers(ty.shape.elements(), seed as u64);
        state.set(&name, &Tensor::f32(ty.shape, values).unwrap()).unwrap();
    }
    state
}

/// Small whole numbers, whose sums are exact.
pub(crate) fn numbers(n: usize, seed: u64) -> Vec<f32> {
    (0..n as u64).map(|i| ((i * 7 + seed * 13) % 31) as f32 - 15.0).collect()
}

fn body(kernel: &str, n: usize) -> Graph {
    let text = match kernel {
        "add" => format!(
            "graph add(%a: f32[{n}], %b: f32[{n}]) {{ %0: f32[{n}] = add %a, %b\n return %0 }}"
        ),
        "reverse" => format!(
            "graph reverse(%a: f32[{n}]) {{ %0: f32[{n}] = reverse %a {{axes=[0]}}\n return %0 }}"
        ),
        "sum" => format!(
            "graph sum(%a: f32[{n}]) {{ %0: f32[] = reduce_sum %a {{axes=[0], keepdims=false}}\n return %0 }}"
        ),
        name => format!("graph {name}(%a: f32[{n}]) {{ %0: f32[{n}] = neg %a\n return %0 }}"),
    };
    parse_graph(&text, "<test>").unwrap_or_else(|errors| panic!("{errors}"))
}

pub(crate) fn compiled(graph: &Graph) -> Compiled<'_> {
    let (kernels, object) = kernels_of(graph);
    // SAFETY: the kernels below are made for the shapes of the graph's nodes, and touch the bytes
    // that they state.
    unsafe { Compiled::new(graph, kernels, object) }
}

/// The descriptions of a graph's kernels, and their code.
pub(crate) fn kernels_of(graph: &Graph) -> (HashMap<NodeId, CompiledKernel>, Object) {
    let mut kernels = HashMap::new();
    let mut functions = vec![];
    for id in graph.ids() {
        if let Op::Kernel(kernel) = &graph.node(id).op {
            let n = kernel.body.ty(kernel.body.inputs()[0].into()).shape.elements();
            kernels.insert(id, stages(kernel.body.name(), n, &mut functions));
        }
    }
    (kernels, Object::of_functions(functions))
}

fn stages(kernel: &str, n: usize, functions: &mut Vec<(String, KernelFn)>) -> CompiledKernel {
    let units = n / UNIT;
    let mut stage = |name: &str, entry: KernelFn, units, reads: &[Touch], writes: &[Touch]| {
        let symbol = format!("{name}_of_{n}");
        functions.push((symbol.clone(), entry));
        Stage {
            name: name.to_owned(),
            symbol,
            units,
            reads: reads.to_vec(),
            writes: writes.to_vec(),
            flops: n as u64,
            together: false,
            copies: None,
        }
    };
    let [x, y, z] = [0, 1, 2].map(|slot| Touch { slot, access: Access::Units });
    let whole = |slot| Touch { slot, access: Access::Whole };
    let one = |stage| CompiledKernel { stages: vec![stage], ..CompiledKernel::default() };
    match kernel {
        "neg" => one(stage("neg", neg, units, &[x], &[y])),
        "patient" => one(stage("patient", patient, units, &[x], &[y])),
        "flip" => {
            CompiledKernel { in_place: vec![(0, 0)], ..one(stage("flip", neg, units, &[x], &[y])) }
        }
        "add" => CompiledKernel {
            in_place: vec![(0, 0), (0, 1)],
            ..one(stage("add", add, units, &[x, y], &[z]))
        },
        "reverse" => {
            let entry = match n {
                0 => reverse::<0>,
                32 => reverse::<32>,
                64 => reverse::<64>,
                1040 => reverse::<1040>,
                n => panic!("there is no `reverse` of {n} elements"),
            };
            CompiledKernel {
                scratch: 4 * UNIT,
                ..one(stage("reverse", entry, units, &[whole(0)], &[y]))
            }
        }
        "sum" => {
            let entry = match n {
                0 => total::<0>,
                32 => total::<2>,
                64 => total::<4>,
                1040 => total::<65>,
                n => panic!("there is no `sum` of {n} elements"),
            };
            let parts = stage("parts", parts, units, &[x], &[z]);
            let total = stage("total", entry, 1, &[whole(2)], &[whole(1)]);
            let workspace = (4 * units).max(4);
            CompiledKernel { stages: vec![parts, total], workspace, ..CompiledKernel::default() }
        }
        name => panic!("there is no kernel `{name}`"),
    }
}

/// An operand as elements.
unsafe fn slot(operands: *const *mut u8, slot: usize) -> *mut f32 {
    // SAFETY: the tables have the slots that the kernels below use.
    unsafe { (*operands.add(slot)).cast() }
}

unsafe extern "C" fn neg(operands: *const *mut u8, _: *mut u8, begin: u64, end: u64) {
    for i in begin as usize * UNIT..end as usize * UNIT {
        // SAFETY: the units are within the operands.
        unsafe { *slot(operands, 1).add(i) = -*slot(operands, 0).add(i) };
    }
}

/// Elements of the kernel `patient`.
pub(crate) const PATIENT: usize = 1 << 15;

/// The number of units of `patient` that have been done.
pub(crate) static DONE: AtomicUsize = AtomicUsize::new(0);

/// `neg`, whose first unit waits until all other units have been done, for at most ten seconds.
unsafe extern "C" fn patient(operands: *const *mut u8, scratch: *mut u8, begin: u64, end: u64) {
    let units = (end - begin) as usize;
    if begin == 0 {
        let start = Instant::now();
        let others = PATIENT / UNIT - units;
        while DONE.load(Ordering::Relaxed) < others && start.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        if DONE.load(Ordering::Relaxed) < others {
            return;
        }
    }
    // SAFETY: the same units and operands.
    unsafe { neg(operands, scratch, begin, end) };
    DONE.fetch_add(units, Ordering::Relaxed);
}

unsafe extern "C" fn add(operands: *const *mut u8, _: *mut u8, begin: u64, end: u64) {
    for i in begin as usize * UNIT..end as usize * UNIT {
        // SAFETY: the units are within the operands.
        unsafe {
            *slot(operands, 2).add(i) = *slot(operands, 0).add(i) + *slot(operands, 1).add(i)
        };
    }
}

/// Reverses by way of the scratch memory, like a kernel that rearranges a block.
unsafe extern "C" fn reverse<const N: usize>(
    operands: *const *mut u8,
    scratch: *mut u8,
    begin: u64,
    end: u64,
) {
    for unit in begin as usize..end as usize {
        for lane in 0..UNIT {
            let from = N - 1 - (unit * UNIT + lane);
            // SAFETY: the scratch memory has the elements of a unit, and the units are within the
            // operands.
            unsafe { *scratch.cast::<f32>().add(lane) = *slot(operands, 0).add(from) };
        }
        for lane in 0..UNIT {
            // SAFETY: as above.
            unsafe {
                *slot(operands, 1).add(unit * UNIT + lane) = *scratch.cast::<f32>().add(lane);
            }
        }
    }
}

unsafe extern "C" fn parts(operands: *const *mut u8, _: *mut u8, begin: u64, end: u64) {
    for unit in begin as usize..end as usize {
        let lane = |lane: usize| {
            // SAFETY: the units are within the operand.
            unsafe { *slot(operands, 0).add(unit * UNIT + lane) }
        };
        // SAFETY: the workspace has an element for each unit.
        unsafe { *slot(operands, 2).add(unit) = (0..UNIT).map(lane).sum() };
    }
}

unsafe extern "C" fn total<const UNITS: usize>(
    operands: *const *mut u8,
    _: *mut u8,
    _: u64,
    _: u64,
) {
    let part = |unit: usize| {
        // SAFETY: the workspace has an element for each unit.
        unsafe { *slot(operands, 2).add(unit) }
    };
    // SAFETY: the result is one element. Adding to +0 keeps an empty sum from being -0, as in the
    // IR.
    unsafe { *slot(operands, 1) = (0..UNITS).map(part).fold(0.0, |sum, part| sum + part) };
}
