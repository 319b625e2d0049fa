//! Convolutions and poolings of images with one and three spatial axes: native code and interpreter
//! give the same bits.

mod common;
mod tiled;

use brolga_ir::Type;
use brolga_ir::ops::KernelKind::{self, Contraction};
use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::{Spatial, Window};
use common::check;
use tiled::check_floats;

/// Batch, spatial extents, channels, spatial extents of the filter, filters, window, groups.
struct Case<const N: usize>(usize, [usize; N], usize, [usize; N], usize, Window, usize);

impl<const N: usize> Case<N> {
    /// The types of images, filter and result.
    fn types(&self) -> [Type; 3] {
        let &Self(batch, input, channels, kernel, filters, window, groups) = self;
        let output = window.output("test", input, kernel);
        let output = output.expect("the filter fits");
        let images = |spatial: &[usize], channels: usize| {
            Type::f32([&[batch], spatial, &[channels]].concat())
        };
        [
            images(&input, channels),
            Type::f32([&kernel[..], &[channels / groups, filters]].concat()),
            images(&output, filters),
        ]
    }
}

fn lines() -> Vec<Case<1>> {
    let plain = Window::plain(1);
    vec![
        Case(1, [5], 1, [3], 1, plain, 1),
        Case(0, [5], 2, [3], 4, plain, 1),
        Case(9, [40], 3, [3], 17, plain, 1),
        Case(3, [50], 16, [5], 32, Window::new([1], [[2, 2]], [1]), 1),
        Case(8, [33], 4, [3], 8, Window::new([2], [[0, 1]], [1]), 1),
        Case(2, [31], 6, [3], 6, Window::new([1], [[4, 0]], [2]), 3),
        Case(2, [20], 5, [1], 33, plain, 1),
        Case(1, [9], 8, [3], 128, Window::new([1], [[1, 1]], [1]), 1),
    ]
}

fn volumes() -> Vec<Case<3>> {
    let plain = Window::plain(3);
    vec![
        Case(1, [3, 3, 3], 1, [2, 2, 2], 1, plain, 1),
        Case(0, [3, 3, 3], 2, [2, 2, 2], 3, plain, 1),
        Case(9, [4, 5, 3], 3, [3, 2, 2], 17, plain, 1),
        Case(2, [5, 4, 6], 4, [3, 3, 3], 8, Window::new([1; 3], [[1, 1]; 3], [1; 3]), 1),
        Case(
            2,
            [5, 6, 7],
            4,
            [2, 3, 1],
            6,
            Window::new([2, 1, 3], [[0, 1], [2, 0], [1, 1]], [2, 1, 1]),
            2,
        ),
        Case(2, [3, 2, 4], 5, [1, 1, 1], 9, plain, 1),
    ]
}

type Check = fn(KernelKind, &[Type], Body);
type Body<'a> = &'a dyn Fn(&[brolga_ir::Var]) -> Vec<brolga_ir::Var>;

/// A convolution with what follows it, its pooling, and its gradients.
fn convolutions<const N: usize>(cases: &[Case<N>], check: Check) {
    for case in cases {
        let [x, w, y] = case.types();
        let &Case(_, input, _, kernel, filters, window, groups) = case;
        check(Contraction, &[x.clone(), w.clone()], &|v| vec![v[0].conv(&v[1], window, groups)]);
        let bias = Type::f32([filters]);
        check(Contraction, &[x.clone(), w.clone(), bias.clone(), y.clone()], &|v| {
            vec![(v[0].conv(&v[1], window, groups) + &v[2] + &v[3]).relu()]
        });
        if y.shape[1..=N].iter().all(|&extent| extent >= 2) {
            let twos = Spatial::splat(N, 2);
            let pool = Pooling::new(twos, twos, Window::plain(N).padding);
            check(Contraction, &[x.clone(), w.clone(), bias], &|v| {
                let y = (v[0].conv(&v[1], window, groups) + &v[2]).relu();
                vec![y.max_pool(pool), y.max_pool_index(pool)]
            });
        }
        check(Contraction, &[y.clone(), w], &|v| {
            vec![v[0].conv_grad_input(&v[1], input, window, groups)]
        });
        let axes: Vec<usize> = (0..=N).collect();
        check(Contraction, &[x, y], &|v| {
            vec![
                v[0].conv_grad_filter(&v[1], kernel, window, groups),
                v[1].reduce_sum(&axes, false),
            ]
        });
    }
}

/// All poolings of images and their gradients.
fn poolings<const N: usize>(images: Type, pool: Pooling, check: Check) {
    let x = std::slice::from_ref(&images);
    let input = Spatial::of(&images.shape[1..=N]).expect("1 to 3 axes");
    let output = pool.moves().output("test", input, pool.window).expect("the window fits");
    let mut shape = images.shape.clone();
    shape.dims_mut()[1..=N].copy_from_slice(&output);
    let (y, index) = (Type::f32(shape.clone()), Type::new(brolga_ir::DType::U8, shape));
    check(KernelKind::Window, x, &|v| vec![v[0].max_pool(pool), v[0].max_pool_index(pool)]);
    check(KernelKind::Window, &[images.clone(), index.clone()], &|v| {
        vec![v[0].max_pool_gather(&v[1], pool)]
    });
    check(KernelKind::Window, &[y.clone(), index], &|v| vec![v[0].max_unpool(&v[1], input, pool)]);
    for pad in [false, true] {
        check(KernelKind::Window, x, &|v| vec![v[0].avg_pool(pool, pad)]);
        check(KernelKind::Window, std::slice::from_ref(&y), &|v| {
            vec![v[0].avg_pool_grad(input, pool, pad)]
        });
    }
}

/// One spatial axis runs in the tiles of two.
const TILES: Check = |kind, types, body| check_floats(kind, types, |_, v| body(v));
/// Three spatial axes run as scalar loops.
const LOOPS: Check = |kind, types, body| check(kind, types, |_, v| body(v));

#[test]
fn convolutions_of_lines() {
    convolutions(&lines(), TILES);
}

#[test]
fn convolutions_of_volumes() {
    convolutions(&volumes(), LOOPS);
}

#[test]
fn poolings_of_lines() {
    poolings::<1>(Type::f32([2, 9, 17]), Pooling::new([2], [2], [[0, 0]]), TILES);
    poolings::<1>(Type::f32([3, 20, 5]), Pooling::new([3], [2], [[1, 2]]), TILES);
}

#[test]
fn poolings_of_volumes() {
    poolings::<3>(Type::f32([2, 4, 5, 6, 3]), Pooling::new([2; 3], [2; 3], [[0, 0]; 3]), LOOPS);
    let padded = Pooling::new([3, 2, 2], [2, 1, 3], [[1, 2], [0, 1], [1, 0]]);
    poolings::<3>(Type::f32([2, 4, 5, 6, 3]), padded, LOOPS);
}
