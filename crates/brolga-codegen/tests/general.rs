//! Every op for every element type: native code and interpreter give the same bits.

mod common;
#[path = "loops/mod.rs"]
mod loops;

use brolga_ir::ops::KernelKind::{Columns, Contraction, Move, Random, Rows, Window};
use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Window as Moves;
use brolga_ir::{DType, Type};
use common::check;

const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::BF16, DType::F16];
const NUMBERS: [DType; 7] =
    [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::U8];
const INTEGERS: [DType; 3] = [DType::I64, DType::I32, DType::U8];

#[test]
fn arithmetic() {
    for dtype in NUMBERS {
        for (a, b) in [([3, 5], [1, 5]), ([1, 1], [7, 17]), ([0, 4], [0, 4]), ([16, 33], [16, 33])]
        {
            check(Rows, &[Type::new(dtype, a), Type::new(dtype, b)], |_, x| {
                let (a, b) = (&x[0], &x[1]);
                let sum = &(a + b) * a - b;
                let chosen = a.lt(b).select(&sum, &a.minimum(b));
                vec![sum.maximum(b).relu(), chosen.abs().sign(), -a, a.eq(b), a.ge(b), a.ne(b)]
            });
        }
    }
}

#[test]
fn functions_of_floats() {
    for dtype in FLOATS {
        let x = Type::new(dtype, [5, 7]);
        check(Rows, &[x.clone(), x], |_, x| {
            let (a, b) = (&x[0], &x[1]);
            vec![
                a.exp(),
                a.abs().log(),
                a.tanh(),
                a.sigmoid(),
                a.pow(b),
                a.abs().sqrt(),
                a.abs().rsqrt(),
                a.floor(),
                a.flush(),
                a / b,
            ]
        });
    }
}

#[test]
fn conversions() {
    for from in DType::ALL {
        for to in DType::ALL.into_iter().filter(|&to| to != from) {
            check(Rows, &[Type::new(from, [37])], |_, x| {
                let scaled = if from.is_float() { &x[0] * 300.0 } else { x[0].clone() };
                vec![x[0].cast(to), scaled.cast(to)]
            });
        }
    }
}

#[test]
fn truth() {
    let x = Type::new(DType::Bool, [3, 19]);
    check(Rows, &[x.clone(), x.clone(), x], |_, x| {
        let both = x[0].logical_and(&x[1]);
        vec![both.logical_or(&x[2]).logical_not(), x[0].select(&x[1], &x[2]), x[0].eq(&x[1])]
    });
}

#[test]
fn reductions() {
    for dtype in NUMBERS {
        for shape in [[2, 3, 35], [9, 4, 1], [17, 1, 3], [2, 0, 3], [0, 2, 2]] {
            for axes in [&[2][..], &[1, 2], &[0], &[0, 1], &[0, 2], &[0, 1, 2], &[]] {
                let kind = if axes.contains(&2) { Rows } else { Columns };
                check(kind, &[Type::new(dtype, shape)], |_, x| {
                    vec![
                        x[0].reduce_sum(axes, false),
                        x[0].reduce_max(axes, true),
                        x[0].reduce_min(axes, false),
                    ]
                });
                if dtype.is_float() {
                    check(kind, &[Type::new(dtype, shape)], |_, x| {
                        vec![x[0].reduce_mean(axes, true)]
                    });
                }
            }
        }
        for axis in 0..3 {
            let kind = if axis == 2 { Rows } else { Move };
            check(kind, &[Type::new(dtype, [3, 4, 5])], |_, x| vec![x[0].argmax(axis, true)]);
        }
    }
}

#[test]
fn products() {
    for dtype in NUMBERS {
        for [m, k, n] in [[1, 2, 2], [2, 4, 5], [17, 16, 15], [3, 0, 2], [0, 2, 2]] {
            for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                let a = if ta { [2, k, m] } else { [2, m, k] };
                let b = if tb { [2, n, k] } else { [2, k, n] };
                check(Contraction, &[Type::new(dtype, a), Type::new(dtype, b)], |_, x| {
                    vec![x[0].matmul_with(&x[1], ta, tb)]
                });
            }
        }
    }
}

#[test]
fn convolutions() {
    let windows = [
        Moves::plain(2),
        Moves::new([2, 1], [[1, 0], [2, 1]], [1, 2]),
        Moves::new([3, 2], [[2, 2], [0, 1]], [2, 1]),
    ];
    for dtype in FLOATS {
        for (window, groups) in windows.into_iter().flat_map(|w| [(w, 1), (w, 2)]) {
            let x = Type::new(dtype, [3, 7, 6, 4]);
            let filter = Type::new(dtype, [3, 2, 4 / groups, 6]);
            check(Contraction, &[x.clone(), filter.clone()], |_, v| {
                vec![v[0].conv(&v[1], window, groups)]
            });
            let out = window.output("conv", [7, 6], [3, 2]).expect("it fits");
            let dy = Type::new(dtype, [3, out[0], out[1], 6]);
            check(Contraction, &[dy.clone(), filter], |_, v| {
                vec![v[0].conv_grad_input(&v[1], [7, 6], window, groups)]
            });
            check(Contraction, &[x, dy], |_, v| {
                vec![v[0].conv_grad_filter(&v[1], [3, 2], window, groups)]
            });
        }
    }
}

#[test]
fn pooling() {
    for (window, strides, padding) in [
        ([2, 2], [2, 2], [[0, 0], [0, 0]]),
        ([3, 2], [2, 1], [[1, 2], [0, 1]]),
        ([2, 3], [3, 4], [[0, 1], [2, 0]]),
        ([70, 65], [1, 1], [[35, 35], [32, 33]]),
    ] {
        for dtype in NUMBERS {
            let x = Type::new(dtype, [2, 7, 8, 3]);
            check(Window, std::slice::from_ref(&x), |_, x| {
                vec![x[0].max_pool(Pooling::new(window, strides, padding))]
            });
            if dtype.is_float() {
                check(Window, &[x], |_, x| {
                    [false, true]
                        .map(|pad| x[0].avg_pool(Pooling::new(window, strides, padding), pad))
                        .to_vec()
                });
            }
        }
        let moves = Moves::new(strides, padding, [1, 1]);
        let out = moves.output("pool", [7, 8], window).expect("it fits");
        for dtype in FLOATS {
            let dy = Type::new(dtype, [2, out[0], out[1], 3]);
            for pad in [false, true] {
                check(Window, std::slice::from_ref(&dy), |_, dy| {
                    vec![dy[0].avg_pool_grad([7, 8], Pooling::new(window, strides, padding), pad)]
                });
            }
        }
        if window[0] * window[1] > 256 {
            continue;
        }
        let index = Type::new(DType::U8, [2, out[0], out[1], 3]);
        for dtype in NUMBERS {
            let x = Type::new(dtype, [2, 7, 8, 3]);
            check(Window, std::slice::from_ref(&x), |_, x| {
                vec![x[0].max_pool_index(Pooling::new(window, strides, padding))]
            });
            check(Window, &[x, index.clone()], |_, x| {
                vec![x[0].max_pool_gather(&x[1], Pooling::new(window, strides, padding))]
            });
        }
        for dtype in FLOATS {
            let dy = Type::new(dtype, [2, out[0], out[1], 3]);
            check(Window, &[dy, index.clone()], |_, x| {
                vec![x[0].max_unpool(&x[1], [7, 8], Pooling::new(window, strides, padding))]
            });
        }
    }
}

#[test]
fn movement() {
    for dtype in DType::ALL {
        for shape in [[2, 3, 17], [1, 1, 1], [4, 0, 3]] {
            let x = Type::new(dtype, shape);
            check(Move, std::slice::from_ref(&x), |_, x| vec![x[0].transpose(&[2, 0, 1])]);
            check(Move, std::slice::from_ref(&x), |_, x| vec![x[0].reverse(&[0, 2])]);
            check(Move, std::slice::from_ref(&x), |_, x| vec![x[0].pad(&[1, 0, 2], &[0, 2, 1])]);
            check(Move, std::slice::from_ref(&x), |_, x| {
                let s = x[0].shape().clone();
                vec![x[0].slice(&[0, s[1] / 2, 0], &[s[0], s[1], s[2]], &[1, 1, 2])]
            });
            check(Move, &[x.clone(), x.clone()], |_, x| vec![x[0].concat(&[&x[1], &x[0]], 1)]);
            check(Move, &[x], |_, x| {
                let s = x[0].shape();
                vec![x[0].broadcast([2, s[0], s[1], s[2]])]
            });
        }
    }
    for dtype in NUMBERS {
        for axis in 0..2 {
            check(Move, &[], |t, _| vec![t.iota(Type::new(dtype, [300, 5]), axis)]);
        }
    }
}

#[test]
fn indices() {
    for index in INTEGERS {
        for dtype in DType::ALL {
            let indices = Type::new(index, [3, 4]);
            check(Move, &[Type::new(dtype, [5, 2, 3]), indices.clone()], |_, x| {
                vec![x[0].gather(&x[1])]
            });
            check(Move, std::slice::from_ref(&indices), |_, x| vec![x[0].one_hot(7, dtype)]);
            if dtype != DType::Bool {
                check(Move, &[indices, Type::new(dtype, [3, 4, 70])], |_, x| {
                    vec![x[1].scatter_add(&x[0], 5)]
                });
            }
        }
    }
}

#[test]
fn random_numbers() {
    let inputs = [Type::new(DType::I32, [2]), Type::scalar(DType::I32)];
    for count in [0, 1, 16, 63, 64, 65, 200] {
        check(Random, &inputs, |_, x| {
            vec![x[0].random_bits(&x[1], Type::new(DType::I32, [count]), 3)]
        });
        check(Random, &inputs, |_, x| vec![x[0].random_uniform(&x[1], Type::f32([count]), 4)]);
        check(Random, &inputs, |_, x| {
            vec![x[0].random_bernoulli(&x[1], Type::new(DType::Bool, [count]), 0.3, 5)]
        });
    }
}

#[test]
fn whole_bodies() {
    for dtype in FLOATS {
        // A dense layer with its activation, a reshape between, a reduction, and a value that is
        // both returned and used.
        let types = [[4, 6], [6, 10], [1, 10]].map(|shape| Type::new(dtype, shape));
        check(Contraction, &types, |_, x| {
            let y = (x[0].matmul(&x[1]) + &x[2]).tanh();
            let rows = y.reshape([2, 20]).reduce_sum(&[1], true);
            vec![y.clone(), rows.broadcast([2, 20]), y, x[0].clone()]
        });
    }
    // Indices out of range of the one-hot vectors, and operands of other shapes.
    for shape in [&[7, 5][..], &[0], &[16], &[9, 5, 4]] {
        let values = Type::f32(shape.to_vec());
        let classes = Type::new(DType::I32, shape.to_vec());
        check(Rows, &[values, classes], |_, x| {
            let s = x[0].shape();
            let column = x[0].reshape(s.iter().copied().chain([1]).collect::<Vec<_>>());
            vec![&x[1].one_hot(1, column.dtype()) * &column]
        });
    }
}
