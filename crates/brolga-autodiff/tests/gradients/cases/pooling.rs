//! Pooling and its gradients, without ties.

use brolga_ir::ops::window::Window;
use brolga_ir::ops::{AvgPool, AvgPoolGrad, MaxPool, MaxPoolGather, MaxUnpool};
use brolga_ir::{Data, Tensor};

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
                        let images = [batch, input[0], input[1], channels];
                        cases.extend(poolings(images, window, strides, padding));
                    }
                }
            }
        }
    }
    cases
}

fn poolings(
    images: [usize; 4],
    window: [usize; 2],
    strides: [usize; 2],
    padding: [[usize; 2]; 2],
) -> Vec<Case> {
    let [batch, height, width, channels] = images;
    let input = [height, width];
    let moves = Window { strides, padding, dilation: [1, 1] };
    let [rows, cols] = moves.output("test", input, window).expect("the window fits into the image");
    let pooled = [batch, rows, cols, channels];
    let (x, y) = (Numbers::default().any(images), Numbers::default().any(pooled));
    let mut cases = vec![
        case(MaxPool { window, strides, padding }, [x.clone()]),
        case(MaxPoolGather { window, strides, padding }, [x.clone(), index(pooled)]),
        case(MaxUnpool { input, window, strides, padding }, [y.clone(), index(pooled)]),
    ];
    for count_include_pad in [false, true] {
        let average = AvgPool { window, strides, padding, count_include_pad };
        let gradient = AvgPoolGrad { input, window, strides, padding, count_include_pad };
        cases.push(case(average, [x.clone()]));
        cases.push(case(gradient, [y.clone()]));
    }
    cases
}

/// Taps of windows: some inside of window and image, some outside.
fn index(shape: [usize; 4]) -> Tensor {
    let count = shape.iter().product();
    let taps = (0..count).map(|place: usize| (place * 3 % 7) as u8).collect();
    Tensor::new(shape, Data::U8(taps)).expect("as many taps as elements")
}

#[test]
fn all_of_them() {
    check(&cases());
}
