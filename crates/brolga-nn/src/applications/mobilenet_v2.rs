//! MobileNetV2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks" (2018).

use super::Architecture;
use crate::error::NnError;
use crate::layers::{Add, BatchNormalization, Conv2D, DepthwiseConv2D, ReLU, ZeroPadding2D};
use crate::model::{Apply, Functional, Symbolic};

/// The stages: filters, stride of the first block, blocks.
const STAGES: [(usize, usize, usize); 7] =
    [(16, 1, 1), (24, 2, 2), (32, 2, 3), (64, 2, 4), (96, 1, 3), (160, 2, 3), (320, 1, 1)];

/// MobileNetV2 of width 1: 3,538,984 weights, images of 224×224 in [`Preprocessing::Signed`].
///
/// # Errors
/// If the images are smaller than 32×32, or the weights do not fit.
///
/// Keras: <https://keras.io/api/applications/mobilenet/>.
///
/// [`Preprocessing::Signed`]: super::Preprocessing::Signed
pub fn mobilenet_v2(architecture: Architecture) -> Result<Functional, NnError> {
    let (image, [height, width, _]) = architecture.images("mobilenet_v2", [224, 32])?;
    let x = Conv2D::new(32, 3).strides(2).padding("same").use_bias(false).name("Conv1").on(&image);
    let x = rectified(&x, "bn_Conv1", "Conv1_relu");
    let mut block = Block { x, channels: 32, extents: [height.div_ceil(2), width.div_ceil(2)] };
    let mut number = 0;
    for (filters, stride, blocks) in STAGES {
        for first in (0..blocks).map(|block| block == 0) {
            block.next(filters, if first { stride } else { 1 }, number);
            number += 1;
        }
    }
    let x = Conv2D::new(1280, 1).use_bias(false).name("Conv_1").on(&block.x);
    let x = rectified(&x, "Conv_1_bn", "out_relu");
    let name = format!("mobilenetv2_1.00_{height}");
    architecture.model(&name, &image, &architecture.top(&x, [None, None]))
}

fn norm(x: &Symbolic, name: &str) -> Symbolic {
    BatchNormalization::new().epsilon(1e-3).momentum(0.999).name(name).on(x)
}

fn rectified(x: &Symbolic, norm: &str, relu: &str) -> Symbolic {
    ReLU::new().max_value(6.0).name(relu).on(self::norm(x, norm))
}

/// What the blocks so far give.
struct Block {
    x: Symbolic,
    channels: usize,
    extents: [usize; 2],
}

impl Block {
    /// A pointwise convolution to more channels, a depthwise one, and one back to few.
    fn next(&mut self, filters: usize, stride: usize, number: usize) {
        let prefix =
            if number == 0 { "expanded_conv_".to_owned() } else { format!("block_{number}_") };
        let named = |part: &str| format!("{prefix}{part}");
        let input = self.x.clone();
        let mut x = input.clone();
        if number > 0 {
            let convolution = Conv2D::new(6 * self.channels, 1).padding("same").use_bias(false);
            x = convolution.name(named("expand")).on(&x);
            x = rectified(&x, &named("expand_BN"), &named("expand_relu"));
        }
        if stride == 2 {
            let padding = self.extents.map(|extent| (extent % 2, 1));
            x = ZeroPadding2D::new((padding[0], padding[1])).name(named("pad")).on(&x);
        }
        let depthwise = DepthwiseConv2D::new(3).strides(stride).use_bias(false);
        let depthwise = depthwise.padding(if stride == 1 { "same" } else { "valid" });
        x = depthwise.name(named("depthwise")).on(&x);
        x = rectified(&x, &named("depthwise_BN"), &named("depthwise_relu"));
        let project = Conv2D::new(filters, 1).padding("same").use_bias(false);
        x = norm(&project.name(named("project")).on(&x), &named("project_BN"));
        if stride == 1 && filters == self.channels {
            x = Add::new().name(named("add")).on([&input, &x]);
        }
        let extents = self.extents.map(|extent| extent.div_ceil(stride));
        *self = Self { x, channels: filters, extents };
    }
}
