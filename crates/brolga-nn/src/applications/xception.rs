//! Xception: Chollet, "Xception: deep learning with depthwise separable convolutions" (2016).

use super::Architecture;
use crate::error::NnError;
use crate::layers::{Activation, Add, BatchNormalization, Conv2D, MaxPooling2D, SeparableConv2D};
use crate::model::{Apply, Functional, Symbolic};

/// Xception: 22,910,480 weights, images of 299×299 in [`Preprocessing::Signed`].
///
/// # Errors
/// If the images are smaller than 71×71, or the weights do not fit.
///
/// Keras: <https://keras.io/api/applications/xception/>.
///
/// [`Preprocessing::Signed`]: super::Preprocessing::Signed
pub fn xception(architecture: Architecture) -> Result<Functional, NnError> {
    let (image, _) = architecture.images("xception", [299, 71])?;
    let x = Conv2D::new(32, 3).strides(2).use_bias(false).name("block1_conv1").on(&image);
    let x = relu(&norm(&x, "block1_conv1_bn"), "block1_conv1_act");
    let x = Conv2D::new(64, 3).use_bias(false).name("block1_conv2").on(&x);
    let mut x = relu(&norm(&x, "block1_conv2_bn"), "block1_conv2_act");
    for (block, filters) in [(2, 128), (3, 256), (4, 728)] {
        x = shrinking(&x, block, [filters; 2]);
    }
    for block in 5..13 {
        x = middle(&x, block);
    }
    x = shrinking(&x, 13, [728, 1024]);
    for (number, filters) in [(1, 1536), (2, 2048)] {
        x = separable(&x, filters, &format!("block14_sepconv{number}"));
        x = relu(&x, &format!("block14_sepconv{number}_act"));
    }
    let pooled = if architecture.include_top { Some("avg_pool") } else { None };
    architecture.model("xception", &image, &architecture.top(&x, [pooled, None]))
}

fn norm(x: &Symbolic, name: &str) -> Symbolic {
    BatchNormalization::new().name(name).on(x)
}

fn relu(x: &Symbolic, name: &str) -> Symbolic {
    Activation::new("relu").name(name).on(x)
}

fn separable(x: &Symbolic, filters: usize, name: &str) -> Symbolic {
    let convolution = SeparableConv2D::new(filters, 3).padding("same").use_bias(false);
    norm(&convolution.name(name).on(x), &format!("{name}_bn"))
}

/// Two separable convolutions and a pooling, beside a convolution of the same stride.
fn shrinking(input: &Symbolic, block: usize, filters: [usize; 2]) -> Symbolic {
    let residual = Conv2D::new(filters[1], 1).strides(2).padding("same").use_bias(false).on(input);
    let residual = BatchNormalization::new().on(&residual);
    let mut x = input.clone();
    for (number, filters) in (1..).zip(filters) {
        // The first block begins with the rectifier of the stem.
        if (block, number) != (2, 1) {
            x = relu(&x, &format!("block{block}_sepconv{number}_act"));
        }
        x = separable(&x, filters, &format!("block{block}_sepconv{number}"));
    }
    let pool = MaxPooling2D::new(3).strides(2).padding("same");
    Add::new().on([&pool.name(format!("block{block}_pool")).on(&x), &residual])
}

/// Three separable convolutions beside the input.
fn middle(input: &Symbolic, block: usize) -> Symbolic {
    let mut x = input.clone();
    for number in 1..=3 {
        x = relu(&x, &format!("block{block}_sepconv{number}_act"));
        x = separable(&x, 728, &format!("block{block}_sepconv{number}"));
    }
    Add::new().on([&x, input])
}
