//! Densely connected networks: Huang et al., "Densely connected convolutional networks" (2016).

use super::{Architecture, normalized};
use crate::error::NnError;
use crate::layers::{AveragePooling2D, Concatenate, Conv2D, MaxPooling2D, ZeroPadding2D};
use crate::model::{Apply, Functional, Symbolic};

const EPSILON: f64 = 1.001e-5;
/// Channels that each layer of a block adds.
const GROWTH: usize = 32;

/// DenseNet121: 8,062,504 weights, images of 224×224 in [`Preprocessing::Normalized`].
///
/// # Errors
/// If the images are smaller than 32×32, or the weights do not fit.
///
/// Keras: <https://keras.io/api/applications/densenet/>.
///
/// [`Preprocessing::Normalized`]: super::Preprocessing::Normalized
pub fn densenet121(architecture: Architecture) -> Result<Functional, NnError> {
    let blocks = [6, 12, 24, 16];
    let (image, _) = architecture.images("densenet121", [224, 32])?;
    let x = ZeroPadding2D::new(((3, 3), (3, 3))).on(&image);
    let x = Conv2D::new(64, 7).strides(2).use_bias(false).name("conv1_conv").on(&x);
    let x = normalized(&x, EPSILON, ["conv1_bn".to_owned(), "conv1_relu".to_owned()]);
    let x = ZeroPadding2D::new(((1, 1), (1, 1))).on(&x);
    let mut x = MaxPooling2D::new(3).strides(2).name("pool1").on(&x);
    let mut channels = 64;
    for (number, layers) in (2..).zip(blocks) {
        for layer in 1..=layers {
            x = dense_layer(&x, &format!("conv{number}_block{layer}"));
        }
        channels += GROWTH * layers;
        if number < 5 {
            channels /= 2;
            x = transition(&x, channels, &format!("pool{number}"));
        }
    }
    let x = normalized(&x, EPSILON, ["bn".to_owned(), "relu".to_owned()]);
    let top = architecture.top(&x, [Some("avg_pool"), Some("max_pool")]);
    architecture.model("densenet121", &image, &top)
}

/// The input, with the channels that a bottleneck makes of it behind its own.
fn dense_layer(input: &Symbolic, name: &str) -> Symbolic {
    let names = |number: usize| [format!("{name}_{number}_bn"), format!("{name}_{number}_relu")];
    let x = normalized(input, EPSILON, names(0));
    let x = Conv2D::new(4 * GROWTH, 1).use_bias(false).name(format!("{name}_1_conv")).on(&x);
    let x = normalized(&x, EPSILON, names(1));
    let convolution = Conv2D::new(GROWTH, 3).padding("same").use_bias(false);
    let x = convolution.name(format!("{name}_2_conv")).on(&x);
    Concatenate::new().name(format!("{name}_concat")).on([input, &x])
}

/// Half of the channels, on images of half the height and width.
fn transition(x: &Symbolic, channels: usize, name: &str) -> Symbolic {
    let x = normalized(x, EPSILON, [format!("{name}_bn"), format!("{name}_relu")]);
    let x = Conv2D::new(channels, 1).use_bias(false).name(format!("{name}_conv")).on(&x);
    AveragePooling2D::new(2).strides(2).name(format!("{name}_pool")).on(&x)
}
