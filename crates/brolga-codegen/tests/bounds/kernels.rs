//! Kernels of all kinds, of random shapes.

use std::sync::Arc;

use brolga_codegen::VectorIsa;
use brolga_codegen::lower::{Lowered, Lowering, Stage, lower};
use brolga_codegen::nest::{Nest, Room};
use brolga_codegen::tile::{Element, TileTarget};
use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Window;
use brolga_ir::ops::{Kernel, KernelKind};
use brolga_ir::{DType, Graph, Op, Tracer, Type, Var};
use proptest::prelude::*;

use crate::graph::kernel_graph;

/// The kernel whose body is traced by `build`.
pub(crate) fn kernel(
    kind: KernelKind,
    inputs: &[Type],
    build: impl Fn(&Tracer, &[Var]) -> Vec<Var>,
) -> Kernel {
    let graph = kernel_graph(kind, inputs, build);
    let mut ops = graph.order().into_iter().filter_map(|id| match &graph.node(id).op {
        Op::Kernel(kernel) => Some(kernel.clone()),
        _ => None,
    });
    ops.next().expect("the graph has a kernel")
}

/// Every instruction set that kernels can be lowered for.
pub(crate) fn targets() -> Vec<Arc<dyn TileTarget>> {
    VectorIsa::ALL.into_iter().filter_map(|isa| isa.target().ok()).collect()
}

/// The kernel for 128-bit vectors, whose tiles have the same shape on all machines.
pub(crate) fn lowered(kernel: &Kernel) -> Lowered {
    let target = VectorIsa::V128.target().expect("this machine is known");
    tiled(kernel, &*target).expect("the kernel has tiles")
}

/// The kernel as nests of tiles, if it has them.
pub(crate) fn tiled(kernel: &Kernel, target: &dyn TileTarget) -> Option<Lowered> {
    match lower(kernel, target).expect("every kernel is lowered") {
        (Lowering::Fast(_), lowered) => Some(lowered),
        (Lowering::General(_), _) => None,
    }
}

/// The nest of a stage.
pub(crate) fn nest(stage: &Stage) -> &Nest {
    stage.code.as_nest().expect("the kernel has tiles")
}

/// The nest of a stage, for changes.
pub(crate) fn nest_mut(stage: &mut Stage) -> &mut Nest {
    stage.code.as_nest_mut().expect("the kernel has tiles")
}

/// The operand table of a stage, as its kernel's body has it.
pub(crate) fn table(lowered: &Lowered, stage: &Stage, body: &Graph) -> Vec<Room> {
    let operands = body.inputs().iter().map(|&id| body.ty(id.into()));
    let results = body.outputs().iter().map(|output| body.ty(output.value));
    let element = |dtype| match dtype {
        DType::F32 => Element::F32,
        DType::I32 => Element::I32,
        DType::U8 | DType::Bool => Element::U8,
        DType::BF16 => Element::BF16,
        DType::F16 => Element::F16,
        other => panic!("no native {other}"),
    };
    let typed = operands.chain(results).map(|ty| (ty.bytes(), Some(element(ty.dtype))));
    let rooms = typed.chain([(lowered.workspace, None)]).enumerate();
    let room = |(slot, (bytes, element))| {
        let access = |touches: &[brolga_codegen::kernel::Touch]| {
            touches.iter().find(|touch| touch.slot == slot).map(|touch| touch.access)
        };
        let (reads, writes) = (access(&stage.reads), access(&stage.writes));
        Room { name: format!("slot {slot}"), bytes, element, reads, writes }
    };
    rooms.map(room).collect()
}

/// Kernels of all kinds.
pub(crate) fn any_kernel() -> impl Strategy<Value = Kernel> {
    prop_oneof![product(), convolution(), rows(), window(), moved(), index(), update()]
}

/// Floats that tiles read and write.
fn floats() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::F32, DType::F32, DType::BF16, DType::F16])
}

fn product() -> impl Strategy<Value = Kernel> {
    let dims = (0usize..4, 0usize..40, 0usize..70, 0usize..70);
    (dims, floats(), any::<[bool; 3]>()).prop_map(|((batch, m, k, n), dtype, [ta, tb, batched])| {
        let matrix = |rows, columns| match batched {
            true => Type::new(dtype, [batch, rows, columns]),
            false => Type::new(dtype, [rows, columns]),
        };
        let a = if ta { matrix(k, m) } else { matrix(m, k) };
        let b = if tb { matrix(n, k) } else { matrix(k, n) };
        let types = [a, b, Type::new(dtype, [n]), matrix(m, n)];
        kernel(KernelKind::Contraction, &types, |_, x| {
            let y = x[0].matmul_with(&x[1], ta, tb);
            vec![(&y + &x[2]).relu(), &y * &x[3]]
        })
    })
}

fn convolution() -> impl Strategy<Value = Kernel> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    let images =
        (1usize..10, pair(5..11), 1usize..3, 1usize..6, prop_oneof![1usize..8, 60usize..70]);
    let window = (pair(1..4), pair(1..3), [pair(0..2), pair(0..2)], pair(1..3));
    (images, window, 0usize..5).prop_map(|(images, window, role)| {
        let (batch, [h, w], groups, channels, filters) = images;
        let (kernel_size, strides, padding, dilation) = window;
        let window = Window::new(strides, padding, dilation);
        let out = window.output("test", [h, w], kernel_size).expect("the window fits");
        let [c, f] = [groups * channels, groups * filters];
        let x = Type::f32([batch, h, w, c]);
        let weights = Type::f32([kernel_size[0], kernel_size[1], channels, f]);
        let y = Type::f32([batch, out[0], out[1], f]);
        let kind = KernelKind::Contraction;
        match role {
            0 => kernel(kind, &[x, weights, Type::f32([f]), y], |_, x| {
                vec![(x[0].conv(&x[1], window, groups) + &x[2]).relu() * &x[3]]
            }),
            1 => kernel(kind, &[x, weights], |_, x| {
                let y = x[0].conv(&x[1], window, groups).relu();
                let pool = [out[0].min(2), out[1].min(2)];
                vec![
                    y.max_pool(Pooling::new(pool, pool, [[0; 2]; 2])),
                    y.max_pool_index(Pooling::new(pool, pool, [[0; 2]; 2])),
                ]
            }),
            2 => kernel(kind, &[y, weights], |_, v| {
                vec![v[0].conv_grad_input(&v[1], [h, w], window, groups)]
            }),
            3 => kernel(kind, &[x, y], |_, v| {
                vec![v[0].conv_grad_filter(&v[1], kernel_size, window, groups)]
            }),
            _ => kernel(kind, &[x, y, weights], |_, v| {
                let masked = v[1].relu();
                let gradient = v[0].conv_grad_filter(&masked, kernel_size, window, groups);
                vec![&v[2] - &gradient, masked.reduce_sum(&[0, 1, 2], false)]
            }),
        }
    })
}

fn rows() -> impl Strategy<Value = Kernel> {
    let dims = (0usize..6, 0usize..6, prop_oneof![0usize..40, 2000usize..4200]);
    (dims, floats(), 0usize..5).prop_map(|((a, b, c), dtype, role)| {
        let (x, row) = (Type::new(dtype, [a, b, c]), Type::new(dtype, [c]));
        match role {
            0 => kernel(KernelKind::Rows, &[x, Type::new(dtype, [b, 1])], |_, x| {
                vec![&x[0] * &x[1], x[0].gt(&x[1])]
            }),
            1 => kernel(KernelKind::Rows, &[row, Type::new(DType::U8, [c])], |_, x| {
                vec![&x[0] * x[1].cast(dtype)]
            }),
            2 => kernel(KernelKind::Rows, &[x], |_, x| {
                let e = (&x[0] - &x[0].reduce_max(&[2], true)).exp();
                vec![&e / &e.reduce_sum(&[2], true), e.reduce_mean(&[2], false)]
            }),
            3 => kernel(KernelKind::Columns, &[x, row], |_, x| {
                vec![(&x[0] * &x[1]).reduce_mean(&[0, 1], false)]
            }),
            _ => kernel(KernelKind::Columns, &[x], |_, x| vec![x[0].reduce_max(&[1], true)]),
        }
    })
}

fn window() -> impl Strategy<Value = Kernel> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    let images = (1usize..4, pair(3..9), 1usize..20);
    (images, pair(1..4), pair(1..4), [pair(0..1), pair(0..1)], 0usize..4).prop_map(
        |((batch, [h, w], c), size, strides, padding, role)| {
            let x = Type::f32([batch, h, w, c]);
            let tracer = Tracer::new("shape");
            let pooled =
                tracer.input("x", x.clone()).max_pool(Pooling::new(size, strides, padding));
            let pooled = pooled.shape().clone();
            let index = Type::new(DType::U8, pooled.clone());
            match role {
                0 => kernel(KernelKind::Window, &[x], |_, x| {
                    let index = x[0].max_pool_index(Pooling::new(size, strides, padding));
                    vec![x[0].max_pool(Pooling::new(size, strides, padding)), index]
                }),
                1 => kernel(KernelKind::Window, &[x, index], |_, x| {
                    vec![x[0].max_pool_gather(&x[1], Pooling::new(size, strides, padding))]
                }),
                2 => kernel(KernelKind::Window, &[Type::f32(pooled), index], |_, x| {
                    vec![x[0].max_unpool(&x[1], [h, w], Pooling::new(size, strides, padding))]
                }),
                _ => kernel(KernelKind::Window, &[Type::f32(pooled)], |_, x| {
                    vec![x[0].avg_pool_grad([h, w], Pooling::new(size, strides, padding), false)]
                }),
            }
        },
    )
}

fn moved() -> impl Strategy<Value = Kernel> {
    let types =
        prop::sample::select(vec![DType::F32, DType::BF16, DType::I32, DType::U8, DType::Bool]);
    (types, (1usize..5, 1usize..20, 1usize..20), 0usize..6).prop_map(|(dtype, (a, b, c), role)| {
        let x = Type::new(dtype, [a, b, c]);
        kernel(KernelKind::Move, &[x.clone(), x], |_, x| {
            vec![match role {
                0 => x[0].transpose(&[2, 0, 1]),
                1 => x[0].reverse(&[0, 2]),
                2 => x[0].pad(&[1, 0, 2], &[0, 2, 1]),
                3 => x[0].concat(&[&x[1], &x[0]], 1),
                4 => x[0].broadcast([3, a, b, c]),
                _ => x[0].slice(&[0, b / 2, c / 3], &[a, b, c], &[1, 2, 3]),
            }]
        })
    })
}

/// Kernels whose addresses depend on the content of an operand.
pub(crate) fn index() -> impl Strategy<Value = Kernel> {
    let types = prop::sample::select(vec![DType::I32, DType::U8]);
    (types, (1usize..5, 1usize..20, 1usize..20), 0usize..4).prop_map(|(dtype, (a, b, c), role)| {
        let indices = Type::new(dtype, [a, 3]);
        match role {
            0 => kernel(KernelKind::Move, &[Type::f32([b, c]), indices], |_, x| {
                vec![x[0].gather(&x[1])]
            }),
            1 => kernel(KernelKind::Move, &[Type::f32([a, 3, c]), indices], |_, x| {
                vec![x[0].scatter_add(&x[1], b)]
            }),
            2 => kernel(KernelKind::Move, &[indices], |_, x| vec![x[0].one_hot(c, DType::F32)]),
            _ => kernel(KernelKind::Move, &[Type::f32([a, b, c])], |_, x| {
                vec![x[0].argmax(1, false)]
            }),
        }
    })
}

fn update() -> impl Strategy<Value = Kernel> {
    let sizes = prop::collection::vec(prop_oneof![0usize..40, 2000usize..5000], 1..4);
    (sizes, any::<bool>()).prop_map(|(sizes, random)| {
        if random {
            let types = [Type::new(DType::I32, [2]), Type::new(DType::I32, [])];
            let count = sizes[0].max(1);
            return kernel(KernelKind::Random, &types, |_, x| {
                vec![x[0].random_uniform(&x[1], Type::f32([count]), 3)]
            });
        }
        let groups = sizes.iter().flat_map(|&n| [Type::f32([n]), Type::f32([n])]);
        let types: Vec<Type> = std::iter::once(Type::f32([])).chain(groups).collect();
        kernel(KernelKind::Update, &types, |_, x| {
            x[1..].chunks_exact(2).map(|pair| &pair[0] - &pair[1] * &x[0]).collect()
        })
    })
}
