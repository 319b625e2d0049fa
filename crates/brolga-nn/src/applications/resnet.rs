//! Residual networks: He et al., "Deep residual learning for image recognition" (2015), and
//! "Identity mappings in deep residual networks" (2016).

use super::{Architecture, normalized};
use crate::error::NnError;
use crate::layers::{Activation, Add, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D};
use crate::model::{Apply, Functional, Symbolic};

const EPSILON: f64 = 1.001e-5;
/// The stages: their names, filters and blocks.
const STAGES: [(&str, usize, usize); 4] =
    [("conv2", 64, 3), ("conv3", 128, 4), ("conv4", 256, 6), ("conv5", 512, 3)];

/// ResNet50: 25,636,712 weights, images of 224×224 in [`Preprocessing::Caffe`].
///
/// # Errors
/// If the images are smaller than 32×32, or the weights do not fit.
///
/// Keras: <https://keras.io/api/applications/resnet/>.
///
/// [`Preprocessing::Caffe`]: super::Preprocessing::Caffe
pub fn resnet50(architecture: Architecture) -> Result<Functional, NnError> {
    let (image, _) = architecture.images("resnet50", [224, 32])?;
    let mut x = stem(&image);
    x = normalized(&x, EPSILON, ["conv1_bn".to_owned(), "conv1_relu".to_owned()]);
    x = pooled(&x);
    for (number, (name, filters, blocks)) in STAGES.into_iter().enumerate() {
        let stride = if number == 0 { 1 } else { 2 };
        x = block(&x, filters, Some(stride), &format!("{name}_block1"));
        for number in 2..=blocks {
            x = block(&x, filters, None, &format!("{name}_block{number}"));
        }
    }
    let top = architecture.top(&x, [Some("avg_pool"), Some("max_pool")]);
    architecture.model("resnet50", &image, &top)
}

/// ResNet50V2: 25,613,800 weights, images of 224×224 in [`Preprocessing::Signed`].
///
/// # Errors
/// As [`resnet50`].
///
/// [`Preprocessing::Signed`]: super::Preprocessing::Signed
pub fn resnet50_v2(architecture: Architecture) -> Result<Functional, NnError> {
    let (image, _) = architecture.images("resnet50v2", [224, 32])?;
    let mut x = pooled(&stem(&image));
    for (number, (name, filters, blocks)) in STAGES.into_iter().enumerate() {
        for block in 1..=blocks {
            // The last block of a stage makes the images smaller, but for the last stage.
            let stride = if block == blocks && number + 1 < STAGES.len() { 2 } else { 1 };
            x = block_v2(&x, filters, stride, block == 1, &format!("{name}_block{block}"));
        }
    }
    x = normalized(&x, EPSILON, ["post_bn".to_owned(), "post_relu".to_owned()]);
    let top = architecture.top(&x, [Some("avg_pool"), Some("max_pool")]);
    architecture.model("resnet50v2", &image, &top)
}

fn stem(image: &Symbolic) -> Symbolic {
    let x = ZeroPadding2D::new(((3, 3), (3, 3))).name("conv1_pad").on(image);
    Conv2D::new(64, 7).strides(2).name("conv1_conv").on(&x)
}

fn pooled(x: &Symbolic) -> Symbolic {
    let x = ZeroPadding2D::new(((1, 1), (1, 1))).name("pool1_pad").on(x);
    MaxPooling2D::new(3).strides(2).name("pool1_pool").on(&x)
}

/// A bottleneck and its shortcut, which is a convolution of this stride, or the input.
fn block(input: &Symbolic, filters: usize, stride: Option<usize>, name: &str) -> Symbolic {
    let norm = |x: &Symbolic, number: usize| {
        BatchNormalization::new().epsilon(EPSILON).name(format!("{name}_{number}_bn")).on(x)
    };
    let names = |number: usize| [format!("{name}_{number}_bn"), format!("{name}_{number}_relu")];
    let shortcut = stride.map(|stride| {
        let convolution = Conv2D::new(4 * filters, 1).strides(stride);
        norm(&convolution.name(format!("{name}_0_conv")).on(input), 0)
    });
    let x = Conv2D::new(filters, 1).strides(stride.unwrap_or(1));
    let x = normalized(&x.name(format!("{name}_1_conv")).on(input), EPSILON, names(1));
    let x = Conv2D::new(filters, 3).padding("same").name(format!("{name}_2_conv")).on(&x);
    let x = normalized(&x, EPSILON, names(2));
    let x = norm(&Conv2D::new(4 * filters, 1).name(format!("{name}_3_conv")).on(&x), 3);
    let x = Add::new().name(format!("{name}_add")).on([shortcut.as_ref().unwrap_or(input), &x]);
    Activation::new("relu").name(format!("{name}_out")).on(&x)
}

/// A bottleneck that normalizes first, and its shortcut, which is a convolution if `widens`.
fn block_v2(input: &Symbolic, filters: usize, stride: usize, widens: bool, name: &str) -> Symbolic {
    let names = |number: usize| [format!("{name}_{number}_bn"), format!("{name}_{number}_relu")];
    let preact = [format!("{name}_preact_bn"), format!("{name}_preact_relu")];
    let preact = normalized(input, EPSILON, preact);
    let shortcut = if widens {
        Conv2D::new(4 * filters, 1).strides(stride).name(format!("{name}_0_conv")).on(&preact)
    } else if stride > 1 {
        MaxPooling2D::new(1).strides(stride).on(input)
    } else {
        input.clone()
    };
    let x = Conv2D::new(filters, 1).use_bias(false).name(format!("{name}_1_conv")).on(&preact);
    let x = normalized(&x, EPSILON, names(1));
    let x = ZeroPadding2D::new(((1, 1), (1, 1))).name(format!("{name}_2_pad")).on(&x);
    let convolution = Conv2D::new(filters, 3).strides(stride).use_bias(false);
    let x = normalized(&convolution.name(format!("{name}_2_conv")).on(&x), EPSILON, names(2));
    let x = Conv2D::new(4 * filters, 1).name(format!("{name}_3_conv")).on(&x);
    Add::new().name(format!("{name}_out")).on([&shortcut, &x])
}
