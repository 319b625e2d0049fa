//! Kernels of rows and of updates: native code and interpreter give the same bits.

mod common;
mod tiled;

use brolga_ir::ops::KernelKind::{Rows, Update};
use brolga_ir::{DType, Type};
use tiled::{check_floats, check_tiles};

#[test]
fn elementwise_chains() {
    for shape in [
        vec![],
        vec![1],
        vec![0],
        vec![15],
        vec![16],
        vec![17],
        vec![33, 5],
        vec![2, 3, 65],
        vec![3, 20, 1],
        vec![2, 1, 7, 1],
        vec![2, 3, 19, 1, 1],
        vec![5000],
        vec![1, 4099],
        vec![3, 0, 2],
    ] {
        let x = Type::f32(shape);
        check_floats(Rows, &[x.clone(), x], |_, x| {
            let y = (&x[0] * &x[1] + 1.0).exp();
            vec![(&y / &x[1]).relu(), y.gt(&x[0]), x[0].gt(&x[1]).select(&x[0], &y)]
        });
    }
}

#[test]
fn broadcasts() {
    for (a, b) in [
        (vec![4, 7], vec![7]),
        (vec![4, 7], vec![4, 1]),
        (vec![4, 7], vec![]),
        (vec![4, 7], vec![1, 1]),
        (vec![3, 5, 20], vec![5, 1]),
        (vec![3, 5, 20], vec![3, 1, 20]),
        (vec![3, 5, 20], vec![20]),
        (vec![1, 5, 20], vec![5, 20]),
        (vec![2, 1, 3, 18], vec![4, 1, 18]),
        (vec![3, 5, 20, 1], vec![20, 1]),
        (vec![3, 5, 20, 1], vec![5, 1, 1]),
        (vec![3, 5, 20, 1], vec![3, 1, 20, 1]),
        (vec![3, 20, 1, 1], vec![3, 1, 1, 1]),
    ] {
        let (rank_a, rank_b) = (Type::f32(a), Type::f32(b));
        check_floats(Rows, &[rank_a, rank_b], |_, x| vec![&x[0] - &x[1]]);
    }
}

#[test]
fn operands_beside_reductions_that_keep_their_axes() {
    for (x, w) in [
        (vec![2, 2, 2, 3], vec![2, 2, 1]),
        (vec![2, 3, 4, 5], vec![4, 1]),
        (vec![2, 3, 4, 5], vec![3, 1, 1]),
        (vec![3, 3, 5], vec![3, 1]),
        (vec![3, 5], vec![1]),
    ] {
        check_floats(Rows, &[Type::f32(x.clone()), Type::f32(w)], |_, v| {
            let last = x.len() - 1;
            let sum = v[0].reduce_sum(&[last], true);
            vec![&sum * &v[1], &sum + &v[0]]
        });
    }
}

/// Short rows of large domains are one long row, unless an operand repeats.
#[test]
fn narrow_rows() {
    for shape in [vec![8192, 1], vec![2731, 3], vec![137, 2, 63], vec![140, 64], vec![1, 4100, 2]] {
        let columns = shape[shape.len() - 1];
        let of = |dtype| Type::new(dtype, shape.clone());
        let types = [of(DType::F32), of(DType::I32), of(DType::Bool), Type::f32([])];
        check_tiles(Rows, &types, |_, x| {
            let y = (&x[0] + &x[3]).sigmoid();
            vec![y.cast(DType::BF16), x[2].select(&y, &x[1].cast(DType::F32))]
        });
        check_floats(Rows, &[of(DType::F32), Type::f32([columns])], |_, x| {
            vec![&x[0] - &x[1], x[0].relu()]
        });
    }
}

#[test]
fn element_types() {
    for n in [1, 16, 19, 50] {
        let ty = |dtype| Type::new(dtype, [3, n]);
        check_tiles(Rows, &[ty(DType::U8), ty(DType::Bool), ty(DType::I32)], |_, x| {
            let byte = x[0].cast(DType::F32);
            vec![
                &byte * 0.5,
                x[1].cast(DType::F32),
                &x[2] + &x[0].cast(DType::I32),
                x[2].cast(DType::U8),
                &x[0] * &x[0],
                x[1].select(&x[2], &x[0].cast(DType::I32)),
            ]
        });
    }
}

#[test]
fn conversions() {
    const FLOATS: [DType; 3] = [DType::F32, DType::BF16, DType::F16];
    for n in [1, 16, 19, 50] {
        for from in FLOATS.into_iter().chain([DType::U8, DType::Bool, DType::I32]) {
            check_tiles(Rows, &[Type::new(from, [3, n])], |_, x| {
                let number = x[0].cast(DType::F32) * 1.37;
                FLOATS.into_iter().flat_map(|to| [x[0].cast(to), number.cast(to)]).collect()
            });
        }
        for from in FLOATS {
            check_tiles(Rows, &[Type::new(from, [3, n])], |_, x| {
                [DType::U8, DType::Bool, DType::I32].map(|to| x[0].cast(to)).to_vec()
            });
        }
    }
}

/// Each op rounds its result: sums and squares are no more precise than their type.
#[test]
fn chains_in_mixed_precision() {
    for half in [DType::BF16, DType::F16] {
        for n in [5, 16, 83] {
            let types = [Type::new(half, [4, n]), Type::f32([4, n]), Type::new(half, [n])];
            check_tiles(Rows, &types, |_, x| {
                let sum = &x[0] + &x[1].cast(half) * &x[2];
                let square = (&sum * &sum).tanh() * 0.1;
                let wide = sum.cast(DType::F32) * &x[1];
                vec![square.cast(DType::F32) + &wide, &square - &sum, square.maximum(&x[0]).exp()]
            });
        }
    }
}

#[test]
fn reductions_along_rows() {
    for columns in [1, 7, 16, 40, 64, 100] {
        let x = Type::f32([5, columns]);
        check_floats(Rows, &[x], |_, x| {
            vec![
                x[0].reduce_sum(&[1], false),
                x[0].reduce_max(&[1], true),
                x[0].reduce_min(&[1], false),
                x[0].reduce_mean(&[1], true),
                (&x[0] * &x[0]).reduce_sum(&[1], true),
            ]
        });
        check_floats(Rows, &[Type::f32([columns])], |_, x| vec![x[0].reduce_sum(&[0], false)]);
        check_floats(Rows, &[Type::f32([3, 2, columns])], |_, x| {
            vec![x[0].reduce_sum(&[1, 2], false)]
        });
        check_floats(Rows, &[Type::f32([3, columns])], |_, x| {
            vec![x[0].reduce_sum(&[0, 1], false)]
        });
    }
}

#[test]
fn argmax_along_rows() {
    for columns in [1, 10, 16, 33, 100] {
        check_floats(Rows, &[Type::f32([6, columns])], |_, x| vec![x[0].argmax(1, false)]);
    }
}

#[test]
fn softmax() {
    for columns in [1, 10, 16, 31, 100] {
        check_floats(Rows, &[Type::f32([6, columns])], |_, x| {
            let shifted = &x[0] - &x[0].reduce_max(&[1], true);
            let e = shifted.exp();
            vec![&e / &e.reduce_sum(&[1], true)]
        });
    }
}

#[test]
fn softmax_cross_entropy() {
    for columns in [3, 10, 17] {
        let types = [Type::f32([6, columns]), Type::new(DType::I32, [6]), Type::f32([])];
        check_floats(Rows, &types, |_, x| {
            let shifted = &x[0] - &x[0].reduce_max(&[1], true);
            let e = shifted.exp();
            let sum = e.reduce_sum(&[1], true);
            let hot = x[1].one_hot(columns, x[0].dtype());
            let picked = (&hot * &(&shifted - &sum.log())).reduce_sum(&[1], false);
            let gradient = (&e / &sum - &hot) * &x[2];
            vec![-picked, gradient]
        });
    }
}

/// Parameters in f32 beside gradients in 16 bits, and a copy of them in 16 bits for the next step.
#[test]
fn updates_in_mixed_precision() {
    for half in [DType::BF16, DType::F16] {
        let mut types = vec![Type::f32([])];
        for n in [1, 15, 33, 2100] {
            types.extend([Type::f32([n]), Type::new(half, [n])]);
        }
        check_tiles(Update, &types, |_, x| {
            let update = |tensors: &[brolga_ir::Var]| {
                let next = &tensors[0] - tensors[1].cast(DType::F32) * &x[0];
                [next.clone(), next.cast(half)]
            };
            x[1..].chunks_exact(2).flat_map(update).collect()
        });
    }
}

#[test]
fn updates() {
    let groups = [vec![3, 3, 1, 8], vec![8], vec![4100], vec![1], vec![0]];
    let mut types = vec![Type::f32([]), Type::f32([])];
    for shape in &groups {
        types.extend([
            Type::f32(shape.clone()),
            Type::f32(shape.clone()),
            Type::f32(shape.clone()),
        ]);
    }
    check_floats(Update, &types, |_, x| {
        let mut results = Vec::new();
        for tensors in x[2..].chunks_exact(3) {
            let rate = &x[0] * &x[1];
            let momentum = &tensors[1] + (&tensors[2] - &tensors[1]) * 0.1;
            results.extend([&tensors[0] - &momentum * rate, momentum]);
        }
        results
    });
}
