//! Matrix products, and convolutions with their gradients.

use brolga_ir::ops::window::{Spatial, Window};
use brolga_ir::ops::{Conv, ConvGradFilter, ConvGradInput, Matmul};
use brolga_ir::{Op, Shape};

use crate::check::{Case, case, check};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    [products(), convolutions(), convolutions_of_little(), lines_and_volumes()].concat()
}

fn products() -> Vec<Case> {
    let batches: [&[usize]; 5] = [&[], &[2], &[1], &[0], &[2, 3]];
    let extents = [(2, 3, 4), (1, 1, 1), (1, 5, 1), (0, 2, 3), (2, 0, 3), (2, 3, 0)];
    let mut cases = Vec::new();
    for batch in batches {
        for (m, k, n) in extents {
            for [transpose_a, transpose_b] in
                [[false, false], [false, true], [true, false], [true, true]]
            {
                let a = if transpose_a { [k, m] } else { [m, k] };
                let b = if transpose_b { [n, k] } else { [k, n] };
                let mut numbers = Numbers::default();
                let operands = [a, b].map(|matrix| numbers.any([batch, &matrix].concat()));
                cases.push(case(Matmul { transpose_a, transpose_b }, operands));
            }
        }
    }
    cases
}

/// The three ops for the same geometry: each has the other two as gradients.
struct Convolution {
    batch: usize,
    input: Spatial<usize>,
    channels: usize,
    kernel: Spatial<usize>,
    filters: usize,
    groups: usize,
    window: Window,
}

impl Convolution {
    fn cases(&self) -> [Case; 3] {
        let &Self { batch, input, channels, kernel, filters, groups, window } = self;
        let output = window.output("test", input, kernel).expect("the filter fits into the image");
        let x: Shape = [&[batch], &*input, &[channels]].concat().into();
        let w: Shape = [&*kernel, &[channels / groups, filters]].concat().into();
        let y: Shape = [&[batch], &*output, &[filters]].concat().into();
        let operands = |op: Op, a: &Shape, b: &Shape| {
            let mut numbers = Numbers::default();
            case(op, [numbers.any(a.clone()), numbers.any(b.clone())])
        };
        [
            operands(Conv::new(window, groups).into(), &x, &w),
            operands(ConvGradInput::new(input, window, groups).into(), &y, &w),
            operands(ConvGradFilter::new(kernel, window, groups).into(), &x, &y),
        ]
    }
}

fn convolutions() -> Vec<Case> {
    let mut cases = Vec::new();
    for kernel in [[1, 1], [2, 3], [3, 2]] {
        for strides in [[1, 1], [2, 1], [2, 3]] {
            for padding in [[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[0, 2], [3, 0]]] {
                for dilation in [[1, 1], [2, 1], [1, 2]] {
                    for (channels, filters, groups) in [(2, 3, 1), (4, 2, 2)] {
                        let window = Window::new(strides, padding, dilation);
                        let (batch, input) = (2, [6, 5].into());
                        let kernel = kernel.into();
                        let convolution =
                            Convolution { batch, input, channels, kernel, filters, groups, window };
                        cases.extend(convolution.cases());
                    }
                }
            }
        }
    }
    cases
}

/// Extents 0 and 1, more pieces of a batch than images, and one filter for each channel.
fn convolutions_of_little() -> Vec<Case> {
    let usual = || Convolution {
        batch: 1,
        input: [3, 3].into(),
        channels: 1,
        kernel: [2, 2].into(),
        filters: 1,
        groups: 1,
        window: Window::plain(2),
    };
    let all_padding = Window { padding: [[2, 2], [1, 1]].into(), ..Window::plain(2) };
    [
        usual(),
        Convolution { batch: 0, ..usual() },
        Convolution { batch: 9, ..usual() },
        Convolution { channels: 0, ..usual() },
        Convolution { filters: 0, ..usual() },
        Convolution { channels: 3, filters: 6, groups: 3, ..usual() },
        Convolution { input: [2, 2].into(), ..usual() },
        Convolution { input: [1, 1].into(), kernel: [1, 1].into(), ..usual() },
        Convolution { input: [0, 1].into(), window: all_padding, ..usual() },
    ]
    .iter()
    .flat_map(Convolution::cases)
    .collect()
}

#[test]
fn matrix_products() {
    check(&products());
}

#[test]
fn convolutions_and_their_gradients() {
    check(&convolutions());
}

#[test]
fn convolutions_of_extents_0_and_1() {
    check(&convolutions_of_little());
}

/// One spatial axis, and three.
fn lines_and_volumes() -> Vec<Case> {
    let line = Convolution {
        batch: 2,
        input: [7].into(),
        channels: 4,
        kernel: [3].into(),
        filters: 2,
        groups: 2,
        window: Window::new([2], [[1, 2]], [2]),
    };
    let volume = Convolution {
        batch: 2,
        input: [3, 4, 3].into(),
        channels: 2,
        kernel: [2, 3, 1].into(),
        filters: 3,
        groups: 1,
        window: Window::new([1, 2, 2], [[1, 0], [1, 1], [0, 1]], [2, 1, 1]),
    };
    let plain = Convolution {
        batch: 1,
        input: [3, 3, 3].into(),
        kernel: [2, 2, 2].into(),
        window: Window::plain(3),
        ..volume
    };
    [line, volume, plain].iter().flat_map(Convolution::cases).collect()
}
