//! PyTorch's names and layouts of weights.

use std::fmt;
use std::sync::Arc;

use brolga_ir::Mistake;
use brolga_nn::model::{BuiltLayer, Weight};

use crate::array::Array;
use crate::error::Content;

/// How the layers of a model are called in a state dict of PyTorch. Weights follow from their class: a
/// kernel of a `Dense` or a convolution is a `weight` with its axes in another order, what
/// `BatchNormalization` calls `gamma`, `beta`, `moving_mean` and `moving_variance` are `weight`, `bias`,
/// `running_mean` and `running_var`. A bias that PyTorch's layer does not have is 0.
///
/// ```
/// use brolga_files::TorchNames;
///
/// let names = TorchNames::new().rename(|layer| layer.replace("block_", "blocks."));
/// ```
#[derive(Clone, Default)]
pub struct TorchNames {
    rename: Option<Arc<Rename>>,
}

/// The module of PyTorch for a layer's path.
type Rename = dyn Fn(&str) -> String + Send + Sync;

impl fmt::Debug for TorchNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorchNames").finish_non_exhaustive()
    }
}

impl TorchNames {
    /// Layers have the same names as here, with `.` in place of `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The module of PyTorch for a layer's path.
    #[must_use]
    pub fn rename(mut self, rename: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.rename = Some(Arc::new(rename));
        self
    }

    /// The names of torchvision's ResNets for those of
    /// [`applications`](brolga_nn::applications): `layer1.0.conv1` for `conv2_block1_1_conv`.
    pub fn resnet() -> Self {
        Self::new().rename(resnet)
    }

    /// The module of a layer.
    fn module(&self, layer: &str) -> String {
        let name = self.rename.as_ref().map_or_else(|| layer.to_owned(), |rename| rename(layer));
        name.replace('/', ".")
    }

    /// The name of a weight's tensor.
    pub(crate) fn tensor(&self, weight: &Weight) -> String {
        let own = match weight.name.as_str() {
            "kernel" | "gamma" | "embeddings" | "alpha" => "weight",
            "beta" => "bias",
            "moving_mean" => "running_mean",
            "moving_variance" => "running_var",
            other => other,
        };
        format!("{}.{own}", self.module(&weight.layer))
    }
}

fn resnet(layer: &str) -> String {
    let block = || -> Option<String> {
        let (stage, rest) = layer.strip_prefix("conv")?.split_once("_block")?;
        let (block, rest) = rest.split_once('_')?;
        let (part, kind) = rest.split_once('_')?;
        let (stage, block): (usize, usize) = (stage.parse().ok()?, block.parse().ok()?);
        let module = format!("layer{}.{}", stage.checked_sub(1)?, block.checked_sub(1)?);
        Some(match (part, kind) {
            ("0", "conv") => format!("{module}.downsample.0"),
            ("0", "bn") => format!("{module}.downsample.1"),
            (part, kind) => format!("{module}.{kind}{part}"),
        })
    };
    match layer {
        "conv1_conv" => "conv1".to_owned(),
        "conv1_bn" => "bn1".to_owned(),
        "predictions" => "fc".to_owned(),
        other => block().unwrap_or_else(|| other.to_owned()),
    }
}

/// The order of the axes of PyTorch's tensor for a weight of this shape, if it is another one:
/// axis `i` of the weight is axis `axes[i]` there.
fn axes(layer: &BuiltLayer, weight: &Weight) -> Option<&'static [usize]> {
    if weight.name != "kernel" {
        return None;
    }
    match layer.class_name {
        "Dense" => Some(&[1, 0]),
        "Conv1D" => Some(&[2, 1, 0]),
        "Conv2D" => Some(&[2, 3, 1, 0]),
        "Conv3D" => Some(&[2, 3, 4, 1, 0]),
        // Kernel, output, input here; input, output, kernel there.
        "Conv1DTranspose" => Some(&[2, 1, 0]),
        "Conv2DTranspose" => Some(&[2, 3, 1, 0]),
        "Conv3DTranspose" => Some(&[2, 3, 4, 1, 0]),
        "DepthwiseConv1D" => Some(&[2, 0, 1]),
        "DepthwiseConv2D" => Some(&[2, 3, 0, 1]),
        _ => None,
    }
}

/// The shape of PyTorch's tensor for a weight.
pub(crate) fn shape(layer: &BuiltLayer, weight: &Weight) -> Vec<usize> {
    let shape = weight.ty.shape.to_vec();
    let Some(axes) = axes(layer, weight).filter(|axes| axes.len() == shape.len()) else {
        return shape;
    };
    let mut there = vec![0; shape.len()];
    axes.iter().zip(&shape).for_each(|(&axis, &extent)| there[axis] = extent);
    if is_depthwise(layer) {
        // A filter for each output, of one channel each.
        there =
            vec![there[0] * there[1], 1].into_iter().chain(there[2..].iter().copied()).collect();
    }
    there
}

fn is_depthwise(layer: &BuiltLayer) -> bool {
    layer.class_name.starts_with("DepthwiseConv")
}

/// A weight of PyTorch in the layout of the model.
pub(crate) fn convert(layer: &BuiltLayer, weight: &Weight, array: Array) -> Content<Array> {
    let Some(axes) = axes(layer, weight).filter(|axes| axes.len() == weight.ty.shape.rank()) else {
        return Ok(array);
    };
    if !is_depthwise(layer) {
        return array.transposed(axes);
    }
    let shape = &weight.ty.shape;
    let spatial = shape.rank() - 2;
    let apart = [&shape[spatial..], &shape[..spatial]].concat();
    array.reshaped(apart)?.transposed(axes)
}

/// Whether a weight that the file does not have is 0: convolutions before a normalization have no bias
/// in PyTorch.
pub(crate) fn may_lack(weight: &Weight) -> bool {
    weight.name == "bias"
}

/// Whether a tensor of a state dict is none of weights.
pub(crate) fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// A mistake of a layer whose weights have another form in PyTorch.
pub(crate) fn check(layer: &BuiltLayer) -> Content<()> {
    let other = ["LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "MultiHeadAttention"];
    if !other.contains(&layer.class_name) {
        return Ok(());
    }
    let message = format!(
        "`{}` is a {}, whose weights have another form in PyTorch",
        layer.name, layer.class_name
    );
    Err(Mistake::new(message).help("convert them to the names and shapes of this model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resnets_have_the_names_of_torchvision() {
        let names = [
            ("conv1_conv", "conv1"),
            ("conv1_bn", "bn1"),
            ("conv2_block1_0_conv", "layer1.0.downsample.0"),
            ("conv2_block1_0_bn", "layer1.0.downsample.1"),
            ("conv2_block1_1_conv", "layer1.0.conv1"),
            ("conv5_block3_3_bn", "layer4.2.bn3"),
            ("predictions", "fc"),
            ("else", "else"),
        ];
        for (layer, module) in names {
            assert_eq!(resnet(layer), module);
        }
    }
}
