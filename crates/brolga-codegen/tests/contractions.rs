//! Contraction kernels: native code and interpreter give the same bits.

mod common;
mod tiled;

use brolga_ir::Type;
use brolga_ir::ops::KernelKind::Contraction;
use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Window;
use tiled::check_floats;

#[test]
fn matrix_products() {
    for (m, k, n) in [
        (1, 1, 1),
        (0, 3, 4),
        (3, 0, 4),
        (3, 4, 0),
        (2, 3, 5),
        (7, 17, 16),
        (32, 40, 33),
        (65, 9, 15),
        (64, 8, 32),
        (100, 5, 47),
        (5, 100, 128),
        (130, 3, 1),
        // Panels: of a unit, and shared; the last one narrow.
        (20, 70, 81),
        (33, 67, 96),
        (66, 65, 100),
        (128, 64, 64),
        // A first factor that no cache holds.
        (4101, 513, 17),
    ] {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = if ta { [k, m] } else { [m, k] };
            let b = if tb { [n, k] } else { [k, n] };
            check_floats(Contraction, &[Type::f32(a), Type::f32(b)], |_, x| {
                vec![x[0].matmul_with(&x[1], ta, tb)]
            });
        }
    }
}

#[test]
fn matrix_products_in_batches() {
    for (batch, k, n) in [(0, 6, 19), (1, 6, 19), (3, 6, 19), (9, 6, 19), (2, 65, 70), (9, 65, 70)]
    {
        for (ta, tb) in [(false, false), (true, true)] {
            let a = if ta { [batch, k, 5] } else { [batch, 5, k] };
            let b = if tb { [batch, n, k] } else { [batch, k, n] };
            check_floats(Contraction, &[Type::f32(a), Type::f32(b)], |_, x| {
                vec![x[0].matmul_with(&x[1], ta, tb)]
            });
        }
    }
}

#[test]
fn dense_layers() {
    for (m, k, n) in [(32, 24, 10), (70, 12, 37), (1, 30, 16), (24, 70, 70), (70, 70, 70)] {
        let types = [
            Type::f32([m, k]),
            Type::f32([k, n]),
            Type::f32([n]),
            Type::f32([m, n]),
            Type::f32([]),
        ];
        check_floats(Contraction, &types, |_, x| {
            let y = x[0].matmul(&x[1]) + &x[2];
            vec![y.relu(), (&y * &x[3]) + &x[4]]
        });
    }
}

#[test]
fn weights_are_updated_after_their_gradient() {
    for (batch, m, n) in [(3, 5, 16), (1, 1, 1), (64, 70, 33), (70, 65, 128), (8, 97, 10)] {
        let weight = Type::f32([m, n]);
        let types =
            [Type::f32([batch, m]), Type::f32([batch, n]), weight.clone(), weight, Type::f32([])];
        check_floats(Contraction, &types, |_, x| {
            let gradient = x[0].matmul_with(&x[1], true, false);
            let momentum = &x[2] * 0.9 + gradient;
            let weight = &x[3] - &momentum * &x[4];
            vec![weight, momentum]
        });
    }
}

/// Batch, input, channels, kernel, filters, window, groups.
type Case = (usize, [usize; 2], usize, [usize; 2], usize, Window, usize);

fn cases() -> Vec<Case> {
    let window = |strides, padding, dilation| Window::new(strides, padding, dilation);
    let plain = Window::plain(2);
    vec![
        (1, [5, 5], 1, [3, 3], 1, plain, 1),
        (0, [5, 5], 2, [3, 3], 4, plain, 1),
        (9, [8, 7], 3, [3, 3], 17, plain, 1),
        (2, [9, 9], 4, [3, 3], 16, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (8, [9, 10], 4, [3, 2], 8, window([2, 2], [[0, 1], [1, 1]], [1, 1]), 1),
        (3, [11, 12], 4, [3, 3], 6, window([1, 2], [[2, 2], [1, 0]], [2, 1]), 2),
        (2, [7, 7], 6, [2, 3], 6, window([3, 2], [[0, 0], [2, 2]], [1, 2]), 6),
        (2, [6, 6], 5, [1, 1], 33, plain, 1),
        (17, [6, 5], 2, [5, 5], 3, window([1, 1], [[2, 2], [2, 2]], [1, 1]), 1),
        (2, [5, 5], 2, [1, 1], 3, window([3, 3], [[0, 0], [0, 0]], [1, 1]), 1),
        (1, [4, 4], 0, [2, 2], 3, plain, 1),
        (2, [4, 5], 3, [2, 2], 0, plain, 1),
        (2, [4, 5], 0, [3, 2], 0, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (2, [6, 12], 17, [2, 3], 5, plain, 1),
        (1, [12, 9], 20, [3, 3], 6, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 2),
        (1, [9, 20], 7, [1, 3], 3, window([1, 2], [[0, 0], [1, 1]], [1, 1]), 1),
        // Few images and many filters, wide weights, and more pixels than the filter's gradient
        // works on at a time.
        (1, [5, 6], 3, [3, 3], 64, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (3, [7, 7], 70, [1, 1], 96, plain, 1),
        (8, [3, 3], 40, [2, 2], 72, window([1, 1], [[1, 0], [0, 1]], [1, 1]), 1),
        (2, [5, 4], 8, [3, 3], 256, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (1, [4, 6], 256, [3, 3], 3, window([1, 2], [[1, 1], [1, 1]], [1, 1]), 1),
        // As many panels as units take, one less, and images that outweigh them; the same for the
        // input's gradient.
        (1, [6, 5], 8, [3, 3], 128, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (2, [5, 4], 8, [3, 3], 112, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (1, [40, 30], 8, [3, 3], 128, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (2, [5, 6], 128, [3, 3], 9, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (8, [3, 5], 9, [3, 3], 144, window([1, 1], [[1, 1], [1, 1]], [1, 1]), 1),
        (2, [4, 4], 32, [2, 2], 288, plain, 2),
        (1, [70, 65], 16, [1, 2], 1, window([2, 1], [[0, 0], [0, 0]], [1, 1]), 1),
        (1, [60, 65], 16, [1, 2], 16, plain, 1),
        (8, [3, 4], 5, [2, 2], 128, plain, 1),
        (3, [2, 4], 3, [1, 1], 256, plain, 1),
        (9, [2, 2], 128, [2, 2], 256, window([1, 1], [[1, 0], [0, 1]], [1, 1]), 1),
        // Products: one pixel, pieces of one and of several images, panels of both factors, and
        // more pixels than a filter's gradient is a product for.
        (1, [1, 1], 3, [1, 1], 5, plain, 1),
        (2, [2, 2], 0, [1, 1], 3, plain, 1),
        (9, [1, 1], 70, [1, 1], 80, plain, 1),
        (17, [3, 3], 70, [1, 1], 80, plain, 1),
        (4, [4, 5], 200, [1, 1], 33, plain, 1),
        (8, [3, 3], 33, [1, 1], 200, plain, 1),
        (2, [32, 33], 7, [1, 1], 17, plain, 1),
        // Blocks of pixels in panels.
        (8, [16, 17], 20, [1, 1], 33, plain, 1),
        (9, [25, 24], 67, [1, 1], 40, plain, 1),
    ]
}

fn types((n, [h, w], c, [kh, kw], f, window, groups): Case) -> (Type, Type, Type) {
    let out = window.output("test", [h, w], [kh, kw]).expect("the window fits");
    (Type::f32([n, h, w, c]), Type::f32([kh, kw, c / groups, f]), Type::f32([n, out[0], out[1], f]))
}

#[test]
fn convolutions() {
    for case in cases() {
        let (x, w, y) = types(case);
        let (window, groups, filters) = (case.5, case.6, case.4);
        check_floats(Contraction, &[x.clone(), w.clone()], |_, x| {
            vec![x[0].conv(&x[1], window, groups)]
        });
        check_floats(Contraction, &[x, w, Type::f32([filters]), y], |_, x| {
            let y = x[0].conv(&x[1], window, groups) + &x[2];
            vec![(y + &x[3]).relu()]
        });
    }
}

#[test]
fn convolutions_with_pooling() {
    for case in cases() {
        let (x, w, y) = types(case);
        let (window, groups, filters) = (case.5, case.6, case.4);
        for pool in [[2, 2], [1, 2], [3, 2]] {
            if pool[0] > y.shape[1] || pool[1] > y.shape[2] {
                continue;
            }
            check_floats(Contraction, &[x.clone(), w.clone(), Type::f32([filters])], |_, x| {
                let y = (x[0].conv(&x[1], window, groups) + &x[2]).relu();
                let none = [[0; 2]; 2];
                vec![
                    y.max_pool(Pooling::new(pool, pool, none)),
                    y.max_pool_index(Pooling::new(pool, pool, none)),
                ]
            });
            check_floats(Contraction, &[x.clone(), w.clone()], |_, x| {
                vec![x[0].conv(&x[1], window, groups).max_pool(Pooling::new(
                    pool,
                    pool,
                    [[0; 2]; 2],
                ))]
            });
        }
    }
}

#[test]
fn input_gradients() {
    for case in cases() {
        let (x, w, y) = types(case);
        let (window, groups) = (case.5, case.6);
        let input = [x.shape[1], x.shape[2]];
        check_floats(Contraction, &[y.clone(), w.clone()], |_, v| {
            vec![v[0].conv_grad_input(&v[1], input, window, groups)]
        });
        check_floats(Contraction, &[y.clone(), w.clone(), y], |_, v| {
            let zero = v[0].constant_like(0.0);
            let masked = v[2].gt(&zero).select(&v[0], &zero);
            vec![masked.conv_grad_input(&v[1], input, window, groups)]
        });
    }
}

#[test]
fn filter_gradients() {
    for case in cases() {
        let (x, w, y) = types(case);
        let (window, groups) = (case.5, case.6);
        let kernel = [w.shape[0], w.shape[1]];
        check_floats(Contraction, &[x.clone(), y.clone()], |_, v| {
            vec![v[0].conv_grad_filter(&v[1], kernel, window, groups)]
        });
        check_floats(Contraction, &[x, y], |_, v| {
            vec![
                v[0].conv_grad_filter(&v[1], kernel, window, groups),
                v[1].reduce_sum(&[0, 1, 2], false),
            ]
        });
    }
}

#[test]
fn filters_and_biases_are_updated_after_their_gradients() {
    for case in cases() {
        let (x, w, y) = types(case);
        let (window, groups) = (case.5, case.6);
        let kernel = [w.shape[0], w.shape[1]];
        let bias = Type::f32([case.4]);
        let update = |gradient: &brolga_ir::Var, slot: &brolga_ir::Var, rate: &brolga_ir::Var| {
            let momentum = slot * 0.9 + gradient;
            (slot - &momentum * rate, momentum)
        };
        let rate = Type::f32([]);
        check_floats(Contraction, &[x.clone(), y.clone(), w.clone(), rate.clone()], |_, v| {
            let gradient = v[0].conv_grad_filter(&v[1], kernel, window, groups);
            let (weight, momentum) = update(&gradient, &v[2], &v[3]);
            vec![weight, momentum]
        });
        check_floats(Contraction, &[x.clone(), y.clone(), w.clone(), bias, rate], |_, v| {
            let zero = v[1].constant_like(0.0);
            let masked = v[1].gt(&zero).select(&v[1], &zero);
            let gradient = masked.reduce_sum(&[0, 1, 2], false);
            let (bias, momentum) = update(&gradient, &v[3], &v[4]);
            let gradient = v[0].conv_grad_filter(&masked, kernel, window, groups);
            let (weight, _) = update(&gradient, &v[2], &v[4]);
            vec![weight, bias, momentum]
        });
        // The bias alone, and a gradient that is a result and has an epilogue.
        check_floats(Contraction, &[x, y, w], |_, v| {
            let gradient = v[0].conv_grad_filter(&v[1], kernel, window, groups);
            vec![&v[2] - &gradient, gradient, v[1].reduce_sum(&[0, 1, 2], false)]
        });
    }
}

#[test]
fn gradients_after_pooling() {
    for case in cases() {
        let (x, w, y) = types(case);
        let (window, groups) = (case.5, case.6);
        let kernel = [w.shape[0], w.shape[1]];
        let input = [x.shape[1], x.shape[2]];
        let full = [y.shape[1], y.shape[2]];
        for pool in [[2, 2], [1, 3]] {
            if pool[0] > full[0] || pool[1] > full[1] {
                continue;
            }
            let pooled = [y.shape[0], full[0] / pool[0], full[1] / pool[1], y.shape[3]];
            let index = Type::new(brolga_ir::DType::U8, pooled);
            let unpool = |v: &[brolga_ir::Var]| {
                let zero = v[0].constant_like(0.0);
                let masked = v[1].gt(&zero).select(&v[0], &zero);
                masked.max_unpool(&v[2], full, Pooling::new(pool, pool, [[0; 2]; 2]))
            };
            let pooled = Type::f32(pooled);
            check_floats(
                Contraction,
                &[pooled.clone(), pooled.clone(), index.clone(), w.clone()],
                |_, v| vec![unpool(v).conv_grad_input(&v[3], input, window, groups)],
            );
            check_floats(Contraction, &[pooled.clone(), pooled, index, x.clone()], |_, v| {
                let u = unpool(v);
                vec![
                    v[3].conv_grad_filter(&u, kernel, window, groups),
                    u.reduce_sum(&[0, 1, 2], false),
                ]
            });
        }
    }
}
