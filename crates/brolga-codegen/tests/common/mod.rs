//! Runs a kernel natively, in several orders of its units, and compares it with the interpreter bit
//! for bit.

mod graph;

use std::sync::Arc;

use brolga_codegen::host::MachineCode;
use brolga_codegen::jit::{Code, link};
use brolga_codegen::kernel::CompiledKernel;
use brolga_codegen::tile::{Interpret, TileProgram, TileShape, TileTarget};
use brolga_codegen::{Result, VectorIsa, compile_for};
use brolga_ir::ops::KernelKind;
use brolga_ir::{DType, Data, Graph, Op, Tensor, Tracer, Type, Var, interpret};
use cranelift_module::FuncId;
pub(crate) use graph::kernel_graph;
use half::{bf16, f16};

/// Every instruction set that this machine has, and for all others their tile shapes with
/// interpreted tiles, since kernels differ only in these shapes.
pub(crate) fn targets() -> Vec<Arc<dyn TileTarget>> {
    let known = |isa: VectorIsa| isa.target().ok();
    VectorIsa::ALL
        .into_iter()
        .filter_map(|isa| {
            let target = known(isa)?;
            if isa.is_supported() {
                return Some(target);
            }
            let tiles = Interpret::host().expect("this machine is known");
            Some(Arc::new(Shapes { shapes: target, tiles }) as Arc<dyn TileTarget>)
        })
        .collect()
}

/// The shapes of one target with the tiles of the interpreter.
struct Shapes {
    shapes: Arc<dyn TileTarget>,
    tiles: Interpret,
}

impl TileTarget for Shapes {
    fn name(&self) -> &'static str {
        self.shapes.name()
    }

    fn register_lanes(&self) -> usize {
        self.shapes.register_lanes()
    }

    fn fits(&self, shape: TileShape) -> bool {
        self.shapes.fits(shape)
    }

    fn step_cycles(&self, shape: TileShape) -> f64 {
        self.shapes.step_cycles(shape)
    }

    /// The real code is assembled too, since every tile has to fit the registers.
    fn compile(&self, program: &Arc<TileProgram>, id: FuncId, text: bool) -> Result<MachineCode> {
        self.shapes.compile(program, id, text)?;
        self.tiles.compile(program, id, text)
    }
}

/// Memory of one tensor, aligned to 64 bytes, with a guard of known bytes after it.
struct Buffer {
    words: Vec<[u64; 8]>,
    bytes: usize,
}

const GUARD: u64 = 0x7fc0_dead_7fc0_dead;

impl Buffer {
    fn new(bytes: usize) -> Self {
        Self { words: vec![[GUARD; 8]; bytes.div_ceil(64) + 1], bytes }
    }

    fn pointer(&mut self) -> *mut u8 {
        self.words.as_mut_ptr().cast()
    }

    fn raw(&self) -> Vec<u8> {
        self.words.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn guard_is_intact(&self) -> bool {
        let guard = GUARD.to_le_bytes();
        self.raw().iter().enumerate().skip(self.bytes).all(|(i, &byte)| byte == guard[i % 8])
    }
}

fn write(tensor: &Tensor) -> Buffer {
    let bytes: Vec<u8> = match tensor.data() {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::BF16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
    };
    let mut buffer = Buffer::new(bytes.len());
    let mut raw = buffer.raw();
    raw[..bytes.len()].copy_from_slice(&bytes);
    for (word, bytes) in buffer.words.iter_mut().flatten().zip(raw.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    buffer
}

fn read(buffer: &Buffer, ty: &Type) -> Tensor {
    let raw = &buffer.raw()[..buffer.bytes];
    macro_rules! elements {
        ($ty:ty) => {
            raw.chunks_exact(size_of::<$ty>())
                .map(|bytes| <$ty>::from_le_bytes(bytes.try_into().expect("bytes of an element")))
                .collect()
        };
    }
    let data = match ty.dtype {
        DType::F32 => Data::F32(elements!(f32)),
        DType::F64 => Data::F64(elements!(f64)),
        DType::BF16 => Data::BF16(elements!(bf16)),
        DType::F16 => Data::F16(elements!(f16)),
        DType::I64 => Data::I64(elements!(i64)),
        DType::I32 => Data::I32(elements!(i32)),
        DType::U8 => Data::U8(raw.to_vec()),
        DType::Bool => Data::Bool(raw.iter().map(|&x| x != 0).collect()),
    };
    Tensor::new(ty.shape.clone(), data).expect("the buffer has the type's size")
}

/// The order in which the units of a stage run.
#[derive(Clone, Copy)]
enum Order {
    /// All in one call.
    Whole,
    /// One call for each unit, the last first, each with fresh scratch memory.
    Backwards,
}

fn run(
    (kernel, code): (&CompiledKernel, &Code),
    inputs: &[Tensor],
    results: &[Type],
    order: Order,
) -> Vec<Tensor> {
    let mut buffers: Vec<Buffer> = inputs.iter().map(write).collect();
    buffers.extend(results.iter().map(|ty| Buffer::new(ty.bytes())));
    buffers.push(Buffer::new(kernel.workspace));
    let table: Vec<*mut u8> = buffers.iter_mut().map(Buffer::pointer).collect();
    for stage in &kernel.stages {
        let units = stage.units as u64;
        let function = code.kernel(&stage.symbol).expect("the stage has code");
        let ranges: Vec<(u64, u64)> = match order {
            Order::Whole => vec![(0, units)],
            Order::Backwards => (0..units).rev().map(|u| (u, u + 1)).collect(),
        };
        for (begin, end) in ranges {
            let mut scratch = Buffer::new(kernel.scratch);
            // SAFETY: the table has the operands, results and the workspace with their sizes, and
            // no other thread runs.
            unsafe { function(table.as_ptr(), scratch.pointer(), begin, end) };
            assert!(
                scratch.guard_is_intact(),
                "stage {} wrote after its scratch memory",
                stage.name
            );
        }
    }
    for (slot, buffer) in buffers.iter().enumerate() {
        assert!(buffer.guard_is_intact(), "slot {slot} was written after its end");
    }
    (buffers[inputs.len()..].iter().zip(results)).map(|(b, ty)| read(b, ty)).collect()
}

/// Pseudo-random numbers, some of them special.
pub(crate) fn data(ty: &Type, seed: u64, special: bool) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    };
    let specials =
        [0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-40, 3e38, 0.5];
    let values: Vec<f64> = (0..ty.shape.elements())
        .map(|_| match ty.dtype {
            dtype if dtype.is_float() && special && next() % 7 == 0 => {
                specials[next() as usize % specials.len()]
            }
            dtype if dtype.is_float() => (next() % 2001) as f64 / 500.0 - 2.0,
            DType::Bool => (next() % 2) as f64,
            DType::U8 => (next() % 5) as f64,
            _ => (next() % 21) as f64 - 4.0,
        })
        .collect();
    Tensor::new(ty.shape.clone(), Data::from_f64(ty.dtype, &values))
        .expect("as many values as elements")
}

/// Compiles the kernel and compares it with the interpreter, on ordinary and on special numbers.
pub(crate) fn check(
    kind: KernelKind,
    inputs: &[Type],
    build: impl Fn(&Tracer, &[Var]) -> Vec<Var>,
) {
    let graph = kernel_graph(kind, inputs, build);
    check_graph(&graph, inputs);
}

/// As [`check`], for a graph of one kernel.
pub(crate) fn check_graph(graph: &Graph, inputs: &[Type]) {
    let compiled: Vec<_> = targets()
        .into_iter()
        .map(|target| {
            let name = target.name();
            let compiled = compile_for(graph, target).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (kernels, object) = compiled.into_parts();
            (name, kernels, link(object).unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    let node = graph.order().into_iter().find(|&id| matches!(graph.node(id).op, Op::Kernel(_)));
    let node = node.expect("the graph has a kernel");
    let results = graph.node(node).types.to_vec();
    for special in [false, true] {
        let tensors: Vec<Tensor> =
            inputs.iter().enumerate().map(|(i, ty)| data(ty, i as u64 + 1, special)).collect();
        let expected = interpret(graph, &tensors).expect("inputs of the right types");
        for (name, kernels, code) in &compiled {
            for order in [Order::Whole, Order::Backwards] {
                let given = run((&kernels[&node], code), &tensors, &results, order);
                for (index, (given, expected)) in given.iter().zip(&expected).enumerate() {
                    compare(graph, name, index, given, expected);
                }
            }
        }
    }
}

fn compare(graph: &Graph, name: &str, index: usize, given: &Tensor, expected: &Tensor) {
    let (a, b) = (given.data().canonical_bits(), expected.data().canonical_bits());
    if let Some(offset) = (0..a.len()).find(|&i| a[i] != b[i]) {
        let wrong = (0..a.len()).filter(|&i| a[i] != b[i]).count();
        panic!(
            "{name}: result {index} of {}: {wrong} of {} differ, first at {offset}: native {}, interpreter {}",
            graph.to_string().lines().take(12).collect::<Vec<_>>().join("\n"),
            a.len(),
            given.data().to_f64()[offset],
            expected.data().to_f64()[offset],
        );
    }
}
