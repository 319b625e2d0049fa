//! Graphs that several tests use.

use std::sync::Arc;

use brolga_ir::ops::{Kernel, KernelKind};
use brolga_ir::{Data, Graph, Role, Tensor, Tracer, Type, parse_graph};

/// The graph of a text that has no mistake.
pub(crate) fn graph(text: &str) -> Graph {
    parse_graph(text, "<input>").unwrap_or_else(|errors| panic!("{errors}"))
}

/// A tensor of `f32`.
pub(crate) fn tensor<const N: usize>(shape: [usize; N], values: &[f32]) -> Tensor {
    Tensor::f32(shape, values.to_vec()).expect("as many values as the shape has elements")
}

/// Part of a training step, with a kernel that has two results.
pub(crate) fn train_step() -> Graph {
    let body = graph(
        "graph conv_relu_pool(%x: f32[2,6,6,1], %w: f32[3,3,1,2], %b: f32[2]) {
          %c: f32[2,4,4,2] = conv %x, %w {strides=[1,1]}
          %a: f32[2,4,4,2] = add %c, %b
          %r: f32[2,4,4,2] = relu %a
          %y: f32[2,2,2,2] = max_pool %r {window=[2,2], strides=[2,2]}
          %i: u8[2,2,2,2] = max_pool_index %r {window=[2,2], strides=[2,2]}
          return %y, %i
        }",
    );
    let tracer = Tracer::new("train_step");
    let x = tracer.input("x", Type::f32([2, 6, 6, 1]));
    let (w, b) = {
        let _conv = tracer.enter("conv2d");
        (
            tracer.state("conv2d/kernel", Type::f32([3, 3, 1, 2])),
            tracer.state("conv2d/bias", Type::f32([2])),
        )
    };
    let results = {
        let _conv = tracer.enter("conv2d");
        let kernel = Kernel { kind: KernelKind::Contraction, body: Arc::new(body) };
        tracer.apply_all(kernel, &[&x, &w, &b])
    };
    let scale = tracer.constant(tensor([2], &[1.5, -0.0]));
    let y = &results[0] * &scale;
    let _update = tracer.role(Role::Update);
    let next = &b - 0.001;
    tracer.output(&y);
    tracer.update(&b, &next);
    tracer.output(&results[1]);
    tracer.finish().expect("the graph has no mistake")
}

/// All element types with values at their limits.
pub(crate) fn extremes() -> Vec<Data> {
    use half::{bf16, f16};
    vec![
        Data::F32(vec![
            0.0,
            -0.0,
            0.1,
            1e-45,
            f32::MAX,
            f32::MIN_POSITIVE,
            f32::NAN,
            f32::INFINITY,
        ]),
        Data::F64(vec![0.1, -1e-320, f64::MAX, f64::NEG_INFINITY, 1.0 / 3.0]),
        Data::BF16([0.1, -0.0, 3.0e38, 1e-40, f32::NAN].map(bf16::from_f32).to_vec()),
        Data::F16([0.1, 65504.0, 6e-8, f32::INFINITY].map(f16::from_f32).to_vec()),
        Data::I64(vec![i64::MIN, -1, i64::MAX]),
        Data::I32(vec![i32::MIN, 7, i32::MAX]),
        Data::U8(vec![0, 255]),
        Data::Bool(vec![true, false]),
    ]
}
