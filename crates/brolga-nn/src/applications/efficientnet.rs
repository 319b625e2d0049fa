//! EfficientNet: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural
//! networks" (2019).

use super::{Architecture, Pooling};
use crate::error::NnError;
use crate::initializers::{Distribution, FanMode, Initializer, VarianceScaling};
use crate::layers::{
    Activation, Add, BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Dropout,
    GlobalAveragePooling2D, GlobalMaxPooling2D, Multiply, Normalization, Rescaling, Reshape,
    ZeroPadding2D,
};
use crate::model::{Apply, Functional, Symbolic};
use crate::registry::Choice;

/// A stage: blocks that differ in their stride and input alone.
struct Stage {
    kernel: usize,
    blocks: usize,
    filters: usize,
    expansion: usize,
    stride: usize,
}

const STAGES: [Stage; 7] = [
    Stage { kernel: 3, blocks: 1, filters: 16, expansion: 1, stride: 1 },
    Stage { kernel: 3, blocks: 2, filters: 24, expansion: 6, stride: 2 },
    Stage { kernel: 5, blocks: 2, filters: 40, expansion: 6, stride: 2 },
    Stage { kernel: 3, blocks: 3, filters: 80, expansion: 6, stride: 2 },
    Stage { kernel: 5, blocks: 3, filters: 112, expansion: 6, stride: 1 },
    Stage { kernel: 5, blocks: 4, filters: 192, expansion: 6, stride: 2 },
    Stage { kernel: 3, blocks: 1, filters: 320, expansion: 6, stride: 1 },
];

/// The probability with which the last block is left out in training; it grows from block to block.
const DROP: f64 = 0.2;

/// EfficientNetB0: 5,330,571 weights, images of 224×224 with pixels from 0 to 255, which it scales
/// itself.
///
/// # Errors
/// If the images are smaller than 32×32, or the weights do not fit.
///
/// Keras: <https://keras.io/api/applications/efficientnet/>.
pub fn efficientnet_b0(architecture: Architecture) -> Result<Functional, NnError> {
    let (image, [height, width, _]) = architecture.images("efficientnetb0", [224, 32])?;
    let x = Rescaling::new(1.0 / 255.0).on(&image);
    let x = Normalization::new().on(&x);
    let mut tower = Tower { x, channels: 32, extents: [height, width] };
    tower.pad(3, "stem_conv_pad".to_owned());
    let stem = convolution(32, 3).strides(2).padding("valid").name("stem_conv");
    tower.x = activated(&stem.on(&tower.x), "stem_bn", "stem_activation");
    let blocks: usize = STAGES.iter().map(|stage| stage.blocks).sum();
    let mut block = 0;
    for (number, stage) in (1..).zip(&STAGES) {
        for letter in ('a'..).take(stage.blocks) {
            let stride = if letter == 'a' { stage.stride } else { 1 };
            let drop = DROP * block as f64 / blocks as f64;
            tower.next(stage, stride, drop, &format!("block{number}{letter}_"));
            block += 1;
        }
    }
    let top = convolution(1280, 1).name("top_conv").on(&tower.x);
    let x = activated(&top, "top_bn", "top_activation");
    architecture.model("efficientnetb0", &image, &head(&architecture, &x))
}

/// The classifier, or what takes its place.
fn head(architecture: &Architecture, x: &Symbolic) -> Symbolic {
    let average = || GlobalAveragePooling2D::new().name("avg_pool").on(x);
    if architecture.include_top {
        let x = Dropout::new(0.2).name("top_dropout").on(average());
        let activation = architecture.classifier_activation.clone();
        return Dense::new(architecture.classes)
            .activation(activation)
            .kernel_initializer(scaled(1.0 / 3.0, Distribution::Uniform))
            .name("predictions")
            .on(&x);
    }
    match architecture.pooling {
        Pooling::None => x.clone(),
        Pooling::Average => average(),
        Pooling::Maximum => GlobalMaxPooling2D::new().name("max_pool").on(x),
    }
}

fn scaled(scale: f64, distribution: Distribution) -> Choice<dyn Initializer> {
    let mode = FanMode::FanOut;
    VarianceScaling { scale, mode, distribution, ..VarianceScaling::default() }.into()
}

/// A convolution without bias that keeps the extents of images.
fn convolution(filters: usize, kernel: usize) -> Conv2D {
    let first = scaled(2.0, Distribution::TruncatedNormal);
    Conv2D::new(filters, kernel).padding("same").use_bias(false).kernel_initializer(first)
}

fn activated(x: &Symbolic, norm: &str, activation: &str) -> Symbolic {
    let x = BatchNormalization::new().name(norm).on(x);
    Activation::new("swish").name(activation).on(&x)
}

/// What the blocks so far give.
struct Tower {
    x: Symbolic,
    channels: usize,
    extents: [usize; 2],
}

impl Tower {
    /// Zeros around the images, so that a convolution of stride 2 halves their extents.
    fn pad(&mut self, kernel: usize, name: String) {
        let [height, width] = self.extents.map(|extent| {
            let before = kernel / 2 - usize::from(extent % 2 == 0);
            (before, kernel / 2)
        });
        self.x = ZeroPadding2D::new((height, width)).name(name).on(&self.x);
        self.extents = self.extents.map(|extent| extent.div_ceil(2));
    }

    /// An inverted residual block: a pointwise convolution to more channels, a depthwise one, gates
    /// for the channels, and a pointwise convolution back to few.
    fn next(&mut self, stage: &Stage, stride: usize, drop: f64, prefix: &str) {
        let named = |part: &str| format!("{prefix}{part}");
        let (input, channels) = (self.x.clone(), self.channels);
        let wide = channels * stage.expansion;
        if stage.expansion > 1 {
            let x = convolution(wide, 1).name(named("expand_conv")).on(&self.x);
            self.x = activated(&x, &named("expand_bn"), &named("expand_activation"));
        }
        if stride == 2 {
            self.pad(stage.kernel, named("dwconv_pad"));
        }
        let depthwise = DepthwiseConv2D::new(stage.kernel)
            .strides(stride)
            .padding(if stride == 2 { "valid" } else { "same" })
            .use_bias(false)
            .depthwise_initializer(scaled(2.0, Distribution::TruncatedNormal));
        let x = depthwise.name(named("dwconv")).on(&self.x);
        let x = activated(&x, &named("bn"), &named("activation"));
        let gated = gated(&x, [(channels / 4).max(1), wide], &named);
        let x = convolution(stage.filters, 1).name(named("project_conv")).on(&gated);
        let mut x = BatchNormalization::new().name(named("project_bn")).on(&x);
        if stride == 1 && channels == stage.filters {
            if drop > 0.0 {
                let whole = [None, Some(1), Some(1), Some(1)];
                x = Dropout::new(drop).noise_shape(whole).name(named("drop")).on(&x);
            }
            x = Add::new().name(named("add")).on([&x, &input]);
        }
        (self.x, self.channels) = (x, stage.filters);
    }
}

/// Channels times gates that follow from the averages of all channels ("squeeze and excitation").
fn gated(x: &Symbolic, [few, all]: [usize; 2], named: &dyn Fn(&str) -> String) -> Symbolic {
    let gate = GlobalAveragePooling2D::new().name(named("se_squeeze")).on(x);
    let gate = Reshape::new([1, 1, all as isize]).name(named("se_reshape")).on(&gate);
    let reduce = convolution(few, 1).use_bias(true).activation("swish");
    let gate = reduce.name(named("se_reduce")).on(&gate);
    let expand = convolution(all, 1).use_bias(true).activation("sigmoid");
    let gate = expand.name(named("se_expand")).on(&gate);
    Multiply::new().name(named("se_excite")).on([x, &gate])
}
