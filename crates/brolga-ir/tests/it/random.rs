//! Random graphs and damaged texts: the text form, the serde form and the verifier hold for all of
//! them.

use brolga_ir::ops::window::Window;
use brolga_ir::ops::{
    Add, Argmax, AvgPool, Broadcast, Cast, Concat, Constant, Conv, Exp, Gt, Iota, Matmul, MaxPool,
    OneHot, Pad, ParameterKind, Pooling, RandomBernoulli, ReduceMax, ReduceSum, Relu, Reshape,
    Select, Slice, Transpose,
};
use brolga_ir::{
    DType, Data, Graph, Module, Op, Origin, Role, Tensor, Type, Value, interpret, parse_module,
    verify,
};
use proptest::prelude::*;
use smallvec::smallvec;

use crate::sample::{graph, train_step};
use crate::text::round_trip;

/// A step of construction: numbers that choose an op, its operands, and its attributes.
type Step = (usize, [usize; 3], [usize; 4]);

/// Appends nodes by these steps to a graph with some inputs, unless an op rejects its operands.
fn build(shape: &[usize], steps: &[Step]) -> Graph {
    let mut graph = Graph::new("random");
    let inputs = [
        ("x", ParameterKind::Data, DType::F32),
        ("w", ParameterKind::State, DType::F32),
        ("n", ParameterKind::Data, DType::I32),
        ("images", ParameterKind::Data, DType::F32),
    ];
    let mut values = Vec::new();
    for (name, kind, dtype) in inputs {
        let ty = if name == "images" { Type::f32([2, 5, 5, 2]) } else { Type::new(dtype, shape) };
        values.push(graph.add_input(name, kind, ty, Origin::default()).expect("a name"));
    }
    for (choice, operands, numbers) in steps {
        let operands = operands.map(|index| values[index % values.len()]);
        let Some((op, arity)) = op(&graph, *choice, operands[0], *numbers) else { continue };
        let layers = [None, Some("dense"), Some("a layer"), Some("block1/conv2d")];
        let origin = Origin {
            layer: layers[numbers[0] % 4].map(Into::into),
            role: [Role::Forward, Role::Backward, Role::Update][numbers[1] % 3],
            location: None,
        };
        if let Ok(value) = graph.add(op, &operands[..arity], origin)
            && graph.ty(value).shape.elements() < 500
        {
            values.push(value);
        }
    }
    for value in values.iter().rev().take(3) {
        graph.add_output(*value);
    }
    let state = values[1];
    let next = values.iter().rev().find(|&&value| graph.ty(value) == graph.ty(state));
    graph.add_update(state.node, *next.unwrap_or(&state));
    graph
}

/// An op that the value may be the first operand of, and the number of operands.
fn op(graph: &Graph, choice: usize, value: Value, numbers: [usize; 4]) -> Option<(Op, usize)> {
    let ty = graph.ty(value);
    let rank = ty.shape.rank();
    let [a, b, c, d] = numbers.map(|number| number % 4);
    let (axis, keepdims) = (a % rank.max(1), b % 2 == 0);
    let (all, dtype) =
        (|number| smallvec![number; rank], DType::ALL[numbers[0] % DType::ALL.len()]);
    let (strides, padding, window) = ([a + 1, b + 1], [[c, d], [d, c]], [c + 1, d + 1]);
    let pool = Pooling::new(window, strides, padding);
    let float = f64::from_bits(numbers[0] as u64 ^ (numbers[1] as u64) << 32);
    Some(match choice % 24 {
        0 => (Relu.into(), 1),
        1 => (Exp.into(), 1),
        2 => (Add.into(), 2),
        3 => (Gt.into(), 2),
        4 => (Select.into(), 3),
        5 => (Cast { dtype }.into(), 1),
        6 => (ReduceSum { axes: smallvec![axis], keepdims }.into(), 1),
        7 => (ReduceMax { axes: smallvec![axis], keepdims }.into(), 1),
        8 => (Reshape { shape: [ty.shape.elements()].into() }.into(), 1),
        9 => (Transpose { permutation: (0..rank).rev().collect() }.into(), 1),
        10 => (Matmul { transpose_a: a > 1, transpose_b: b > 1 }.into(), 2),
        11 => (Constant::new(Tensor::scalar(dtype, float)).into(), 0),
        12 => {
            let values: Vec<f64> = (0..a).map(|i| float * i as f64).collect();
            (Constant::new(Tensor::new([a], Data::from_f64(dtype, &values))?).into(), 0)
        }
        13 => (
            Slice {
                starts: all(0),
                limits: ty.shape.iter().copied().collect(),
                strides: all(a + 1),
            }
            .into(),
            1,
        ),
        14 => (Pad { low: all(a), high: all(b) }.into(), 1),
        15 => (Broadcast { shape: [&[a], &ty.shape[..]].concat().into() }.into(), 1),
        16 => (Concat { axis }.into(), 2),
        17 => (Iota { ty: Type::new(dtype, [a, b]), axis: c }.into(), 0),
        18 => (OneHot { depth: a, dtype }.into(), 1),
        19 => {
            let (ty, probability) = (Type::new(DType::Bool, [a, b]), (0.1 * c as f32).into());
            (RandomBernoulli { ty, probability, stream: d as u32 }.into(), 2)
        }
        20 => (MaxPool { pool }.into(), 1),
        21 => (AvgPool { pool, count_include_pad: a > 1 }.into(), 1),
        22 => (Argmax { axis, keepdims }.into(), 1),
        _ => (Conv::new(Window::new(strides, padding, window), a).into(), 2),
    })
}

fn graphs() -> impl Strategy<Value = Graph> {
    let shape = prop::collection::vec(0..4_usize, 0..4);
    let steps = prop::collection::vec(any::<Step>(), 0..40);
    (shape, steps).prop_map(|(shape, steps)| build(&shape, &steps))
}

/// The texts that damages insert: pieces of the syntax, and numbers that overflow.
const TEXTS: &[&str] = &[
    "",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "=",
    "=>",
    "%",
    "%0",
    "@",
    "#",
    "\"",
    "\\",
    "//",
    "\n",
    "-",
    "é",
    "\u{0}",
    "0",
    "9999999999",
    "18446744073709551615",
    "nan",
    "1e999",
    "kernel",
    "return",
    "graph",
    "state",
    "f32[4611686018427387904,0]",
    "concat",
    "conv",
    "slice",
    "pad",
];

/// Changes of a text: the position, the number of removed characters, and the inserted text.
fn damages() -> impl Strategy<Value = Vec<(usize, usize, String)>> {
    let insert =
        prop_oneof![4 => prop::sample::select(TEXTS).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec((any::<usize>(), 0..12_usize, insert), 1..6)
}

fn damaged(text: &str, damages: &[(usize, usize, String)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (offset, removed, inserted) in damages {
        let start = offset % (text.len() + 1);
        let end = (start + removed).min(text.len());
        text.splice(start..end, inserted.chars());
    }
    text.into_iter().collect()
}

/// Any text is either read, as a valid graph that can be printed, or gives errors with locations.
fn read(text: &str) {
    match parse_module(text, "<input>") {
        Ok(Module { graphs }) => {
            for graph in graphs {
                verify(&graph).unwrap_or_else(|errors| panic!("{errors}"));
                round_trip(&graph);
            }
        }
        Err(errors) => {
            assert!(!errors.errors().is_empty());
            assert!(errors.errors().iter().all(|e| e.line > 0 && e.column > 0 && e.length > 0));
            assert!(!errors.to_string().is_empty());
        }
    }
}

proptest! {
    #[test]
    fn random_graphs_are_valid_and_survive_text_and_json(graph in graphs()) {
        verify(&graph).unwrap_or_else(|errors| panic!("{errors}"));
        round_trip(&graph);
        let json = serde_json::to_string(&graph).expect("a valid graph");
        let back: Graph = serde_json::from_str(&json).expect("the form it was written in");
        prop_assert!(back == graph);
        prop_assert_eq!(back.to_string(), graph.to_string());
    }

    #[test]
    fn the_graph_read_back_computes_the_same_bits(text_of in graphs(), seed in any::<u32>()) {
        let back = graph(&text_of.to_string());
        let inputs: Vec<Tensor> = text_of.inputs().iter().map(|&id| {
            let ty = text_of.ty(id.into());
            let values: Vec<f64> = (0..ty.shape.elements())
                .map(|i| f64::from((seed.wrapping_mul(2 * i as u32 + 1)) >> 20) / 512.0 - 4.0)
                .collect();
            Tensor::new(ty.shape.clone(), Data::from_f64(ty.dtype, &values)).expect("as many as the shape has")
        }).collect();
        prop_assert_eq!(interpret(&back, &inputs), interpret(&text_of, &inputs));
    }

    #[test]
    fn damaged_texts_never_panic(graph in graphs(), damages in damages()) {
        read(&damaged(&graph.to_string(), &damages));
    }

    #[test]
    fn a_damaged_kernel_never_panics(damages in damages()) {
        read(&damaged(&train_step().to_string(), &damages));
    }

    #[test]
    fn arbitrary_texts_never_panic(text in any::<String>()) {
        read(&text);
    }
}
