//! Pooling and its gradients, without ties.

use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Spatial;
use brolga_ir::ops::{AvgPool, AvgPoolGrad, MaxPool, MaxPoolGather, MaxUnpool};
use brolga_ir::{Data, Shape, Tensor};

use crate::check::{Case, case, check};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, input, channels) in [(2, [5, 4], 2), (1, [3, 3], 1), (0, [3, 3], 1), (1, [3, 3], 0)]
    {
        for window in [[1, 1], [2, 2], [3, 2]] {
            for strides in [[1, 1], [2, 2], [1, 3]] {
                for padding in [[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[0, 1], [1, 0]]] {
                    let fits = (0..2).all(|axis| padding[axis].iter().all(|&p| p < window[axis]));
                    if fits {
                        let pool = Pooling::new(window, strides, padding);
                        cases.extend(poolings((batch, input.into(), channels), pool));
                    }
                }
            }
        }
    }
    let line = Pooling::new([3], [2], [[1, 2]]);
    cases.extend(poolings((2, [7].into(), 2), line));
    for volume in [
        Pooling::new([2; 3], [2; 3], [[0, 0]; 3]),
        Pooling::new([2, 1, 3], [1, 2, 2], [[1, 0], [0, 0], [0, 2]]),
    ] {
        cases.extend(poolings((2, [3, 4, 3].into(), 2), volume));
    }
    cases
}

fn poolings((batch, input, channels): (usize, Spatial<usize>, usize), pool: Pooling) -> Vec<Case> {
    let output = pool.moves().output("test", input, pool.window);
    let output = output.expect("the window fits into the image");
    let shape = |spatial: &[usize]| Shape::from([&[batch], spatial, &[channels]].concat());
    let (images, pooled) = (shape(&input), shape(&output));
    let (x, y) = (Numbers::default().any(images), Numbers::default().any(pooled.clone()));
    let mut cases = vec![
        case(MaxPool { pool }, [x.clone()]),
        case(MaxPoolGather { pool }, [x.clone(), index(&pooled)]),
        case(MaxUnpool { input, pool }, [y.clone(), index(&pooled)]),
    ];
    for count_include_pad in [false, true] {
        let average = AvgPool { pool, count_include_pad };
        let gradient = AvgPoolGrad { input, pool, count_include_pad };
        cases.push(case(average, [x.clone()]));
        cases.push(case(gradient, [y.clone()]));
    }
    cases
}

/// Taps of windows: some inside of window and image, some outside.
fn index(shape: &Shape) -> Tensor {
    let count = shape.elements();
    let taps = (0..count).map(|place: usize| (place * 3 % 7) as u8).collect();
    Tensor::new(shape.clone(), Data::U8(taps)).expect("as many taps as elements")
}

#[test]
fn all_of_them() {
    check(&cases());
}
