//! Kernels of columns, windows, moves and random numbers: native code and interpreter give the same
//! bits.

mod common;
mod tiled;

use brolga_ir::ops::KernelKind::{Columns, Move, Random, Window};
use brolga_ir::ops::{Pooling, RunSums};
use brolga_ir::{DType, Type};
use common::check;
use tiled::{check_floats, check_tiles};

/// Up to eight pieces of one number of rows or another, groups of up to 64 columns in registers.
#[test]
fn sums_of_columns_around_pieces_and_groups() {
    for rows in [1, 7, 8, 9, 100] {
        for columns in [1, 15, 16, 17, 48, 63, 64, 65, 130] {
            let types = [Type::f32([rows, columns]), Type::f32([rows, 1])];
            check_floats(Columns, &types, |_, x| {
                vec![(&x[0] * &x[1]).reduce_sum(&[0], false).relu()]
            });
        }
    }
    for shape in [[2, 9, 3, 65], [1, 3, 2, 17], [3, 1, 1, 70]] {
        check_floats(Columns, &[Type::f32(shape)], |_, x| vec![x[0].reduce_min(&[1, 2], false)]);
        check_floats(Columns, &[Type::f32(shape)], |_, x| vec![x[0].reduce_max(&[1], true)]);
    }
}

#[test]
fn reductions_over_leading_axes() {
    for shape in [[1, 1], [3, 5], [8, 16], [32, 128], [33, 17], [0, 4], [4, 0], [0, 0], [100, 1]] {
        check_floats(Columns, &[Type::f32(shape)], |_, x| vec![x[0].reduce_sum(&[0], false)]);
        check_floats(
            Columns,
            &[Type::f32(shape), Type::f32([shape[1]]), Type::f32([shape[0], 1])],
            |_, x| {
                let product = &x[0] * &x[1] - &x[2];
                vec![product.reduce_mean(&[0], true)]
            },
        );
        check_floats(Columns, &[Type::f32(shape), Type::f32([shape[1]])], |_, x| {
            let max = x[0].reduce_max(&[0], false);
            vec![&max * 2.0, &max + &x[1]]
        });
        check_floats(Columns, &[Type::f32(shape)], |_, x| vec![x[0].reduce_min(&[0], false)]);
    }
}

#[test]
fn reductions_in_the_middle() {
    for shape in [
        [2, 3, 4, 5],
        [9, 2, 1, 16],
        [1, 7, 7, 20],
        [2, 0, 3, 4],
        [0, 3, 2, 4],
        [2, 3, 4, 0],
        [2, 3, 4, 1100],
    ] {
        check_floats(Columns, &[Type::f32(shape)], |_, x| vec![x[0].reduce_mean(&[1, 2], false)]);
        check_floats(Columns, &[Type::f32(shape)], |_, x| vec![x[0].reduce_sum(&[0, 1, 2], false)]);
        check_floats(Move, &[Type::f32(shape)], |_, x| vec![x[0].reduce_max(&[1], true)]);
    }
}

#[test]
fn pooling() {
    for (shape, window, strides, padding) in [
        ([2, 6, 6, 3], [2, 2], [2, 2], [[0, 0], [0, 0]]),
        ([1, 7, 5, 17], [3, 2], [2, 1], [[1, 1], [0, 1]]),
        ([3, 5, 5, 16], [3, 3], [1, 1], [[1, 1], [1, 1]]),
        ([1, 4, 4, 1], [1, 1], [3, 3], [[0, 0], [0, 0]]),
        ([2, 8, 9, 2], [2, 3], [3, 4], [[0, 1], [2, 0]]),
        ([0, 4, 4, 2], [2, 2], [2, 2], [[0, 0], [0, 0]]),
        ([1, 4, 4, 0], [2, 2], [2, 2], [[0, 0], [0, 0]]),
    ] {
        let x = Type::f32(shape);
        check_floats(Window, std::slice::from_ref(&x), |_, x| {
            vec![
                x[0].max_pool(Pooling::new(window, strides, padding)),
                x[0].max_pool_index(Pooling::new(window, strides, padding)),
            ]
        });
        for pad in [false, true] {
            check_floats(Window, &[x.clone(), Type::f32([shape[3]])], |_, x| {
                vec![(x[0].avg_pool(Pooling::new(window, strides, padding), pad) + &x[1]).relu()]
            });
        }
        let tracer = brolga_ir::Tracer::new("shape");
        let pooled = tracer
            .input("x", x.clone())
            .max_pool(Pooling::new(window, strides, padding))
            .shape()
            .clone();
        let index = Type::new(DType::U8, pooled.clone());
        let input = [shape[1], shape[2]];
        check_floats(Window, &[x.clone(), index.clone()], |_, x| {
            vec![x[0].max_pool_gather(&x[1], Pooling::new(window, strides, padding))]
        });
        check_floats(Window, &[Type::f32(pooled.clone()), index], |_, x| {
            vec![x[0].max_unpool(&x[1], input, Pooling::new(window, strides, padding))]
        });
        for pad in [false, true] {
            check_floats(Window, &[Type::f32(pooled.clone())], |_, x| {
                vec![x[0].avg_pool_grad(input, Pooling::new(window, strides, padding), pad)]
            });
        }
    }
}

#[test]
fn moves() {
    for dtype in [DType::F32, DType::BF16, DType::F16, DType::I32, DType::U8, DType::Bool] {
        for shape in [[2, 3, 4], [1, 17, 16], [5, 1, 33], [0, 2, 3]] {
            let x = Type::new(dtype, shape);
            for permutation in [[2, 1, 0], [0, 2, 1], [1, 0, 2]] {
                check_tiles(Move, std::slice::from_ref(&x), |_, x| {
                    vec![x[0].transpose(&permutation)]
                });
            }
            check_tiles(Move, std::slice::from_ref(&x), |_, x| vec![x[0].reverse(&[0, 2])]);
            check_tiles(Move, std::slice::from_ref(&x), |_, x| {
                vec![x[0].pad(&[1, 0, 2], &[0, 2, 1])]
            });
            check_tiles(Move, std::slice::from_ref(&x), |_, v| {
                vec![v[0].broadcast([2, shape[0], shape[1], shape[2]])]
            });
            check_tiles(Move, &[x.clone(), x.clone()], |_, x| {
                vec![x[0].concat(&[&x[1], &x[0]], 1)]
            });
            check_tiles(Move, &[x.clone(), x], |_, x| vec![x[0].concat(&[&x[1]], 0)]);
        }
        let x = Type::new(dtype, [5, 6, 7]);
        check_tiles(Move, &[x], |_, x| vec![x[0].slice(&[1, 0, 2], &[5, 5, 7], &[2, 1, 3])]);
        check_tiles(Move, &[Type::new(dtype, [3, 1])], |_, x| vec![x[0].broadcast([4, 3, 18])]);
    }
}

#[test]
fn tables() {
    for dtype in [DType::F32, DType::BF16, DType::F16, DType::I32, DType::U8] {
        for columns in [1, 16, 19] {
            let (table, rows) = (Type::new(dtype, [6, columns]), Type::new(dtype, [4, 3, columns]));
            for index in [DType::I32, DType::U8] {
                let indices = Type::new(index, [4, 3]);
                check_tiles(Move, &[table.clone(), indices.clone()], |_, x| {
                    vec![x[0].gather(&x[1])]
                });
                check(Move, &[rows.clone(), indices], |_, x| vec![x[0].scatter_add(&x[1], 6)]);
            }
        }
    }
}

#[test]
fn rows_are_replaced() {
    for dtype in [DType::F32, DType::BF16, DType::F16, DType::I32, DType::U8] {
        for (rows, columns) in [(6, 1), (6, 16), (5, 19), (900, 20), (0, 4)] {
            let (table, new) =
                (Type::new(dtype, [rows, columns]), Type::new(dtype, [4, 3, columns]));
            for index in [DType::I32, DType::U8] {
                let indices = Type::new(index, [4, 3]);
                check_tiles(Move, &[table.clone(), indices, new.clone()], |_, x| {
                    vec![x[0].set_rows(&x[1], &x[2])]
                });
            }
        }
    }
}

#[test]
fn rows_are_summed_by_runs() {
    for (count, columns) in [(0, 3), (1, 16), (7, 1), (40, 19), (40, 0)] {
        let keys = Type::new(DType::I32, [count]);
        let updates = Type::f32([count, columns]);
        check_tiles(Move, &[keys.clone(), keys.clone(), updates.clone()], |t, x| {
            t.apply_all(RunSums, &[&x[0], &x[1], &x[2]])
        });
        for dtype in [DType::F64, DType::BF16, DType::I64, DType::U8] {
            let updates = Type::new(dtype, [count, columns]);
            let keys = [Type::new(DType::I64, [count]), keys.clone()];
            check(Move, &[keys[0].clone(), keys[1].clone(), updates], |t, x| {
                t.apply_all(RunSums, &[&x[0], &x[1], &x[2]])
            });
        }
    }
}

#[test]
fn indices() {
    for dtype in [DType::F32, DType::BF16, DType::F16, DType::I32] {
        for (shape, axis) in [([3, 20, 4], 0), ([3, 20, 4], 1), ([3, 4, 37], 2)] {
            check_tiles(Move, &[], |t, _| vec![t.iota(Type::new(dtype, shape), axis)]);
        }
        check_tiles(Move, &[Type::new(DType::I32, [5, 3])], |_, x| vec![x[0].one_hot(18, dtype)]);
        for (shape, axis) in [([3, 5, 20], 1), ([4, 2, 3], 0), ([4, 1, 18], 2)] {
            check_tiles(Move, &[Type::new(dtype, shape)], |_, x| vec![x[0].argmax(axis, false)]);
        }
    }
}

#[test]
fn random_numbers() {
    let types = [Type::new(DType::I32, [2]), Type::new(DType::I32, []), Type::f32([])];
    for count in [1, 15, 16, 63, 64, 65, 1000, 1024, 5000] {
        check_tiles(Random, &types[..2], |_, x| {
            vec![x[0].random_bits(&x[1], Type::new(DType::I32, [count]), 7)]
        });
        check_tiles(Random, &types, |_, x| {
            let uniform = x[0].random_uniform(&x[1], Type::f32([count]), 3);
            vec![&uniform * &x[2], uniform]
        });
        check_tiles(Random, &types[..2], |_, x| {
            let keep = x[0].random_bernoulli(&x[1], Type::new(DType::Bool, [count]), 0.25, 1);
            vec![keep.cast(DType::F32) * 4.0]
        });
    }
}
