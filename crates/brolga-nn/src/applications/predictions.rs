//! Images before, and classes behind a network.

use brolga_ir::Mistake;
use ndarray::{Array, ArrayView2, Dimension};

use crate::error::NnError;

/// What the pixels of an image, from 0 to 255 in red, green and blue, become before a network sees
/// them (Keras's `preprocess_input`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preprocessing {
    /// Blue, green and red without the means of ImageNet: VGG, ResNet (Keras's mode `caffe`).
    Caffe,
    /// From −1 to 1: ResNetV2, MobileNetV2, Xception (Keras's mode `tf`).
    Signed,
    /// From 0 to 1, without the means and over the deviations of ImageNet: DenseNet (Keras's mode
    /// `torch`).
    Normalized,
    /// As they are: EfficientNet scales pixels itself.
    Unchanged,
}

/// Means of ImageNet in blue, green and red.
const CAFFE_MEAN: [f32; 3] = [103.939, 116.779, 123.68];
/// Means and deviations of ImageNet in red, green and blue, of pixels from 0 to 1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

impl Preprocessing {
    /// Images `[.., height, width, 3]` with other pixels.
    ///
    /// # Errors
    /// If the last axis is not one of three colours.
    pub fn apply<D: Dimension>(self, mut images: Array<f32, D>) -> Result<Array<f32, D>, NnError> {
        if images.shape().last() != Some(&3) {
            let message = format!("preprocessing: the shape is {:?}", images.shape());
            let help = "the last axis of images has red, green and blue";
            return Err(Mistake::new(message).help(help).into());
        }
        let change = |[red, green, blue]: [f32; 3]| match self {
            Self::Caffe => {
                let [b, g, r] = CAFFE_MEAN;
                [blue - b, green - g, red - r]
            }
            Self::Signed => [red, green, blue].map(|x| x / 127.5 - 1.0),
            Self::Normalized => {
                let color = |c: usize, x: f32| (x / 255.0 - MEAN[c]) / DEVIATION[c];
                [color(0, red), color(1, green), color(2, blue)]
            }
            Self::Unchanged => [red, green, blue],
        };
        for mut pixel in images.rows_mut() {
            let changed = change([pixel[0], pixel[1], pixel[2]]);
            pixel.iter_mut().zip(changed).for_each(|(x, changed)| *x = changed);
        }
        Ok(images)
    }
}

/// For each sample the labels of the `top` classes of highest probability with it, the highest
/// first (Keras's `decode_predictions`). `predictions` are `[samples, classes]`.
///
/// # Errors
/// If there are not as many labels as classes.
pub fn decode_predictions<'l>(
    predictions: ArrayView2<'_, f32>,
    labels: &'l [impl AsRef<str>],
    top: usize,
) -> Result<Vec<Vec<(&'l str, f32)>>, NnError> {
    if predictions.ncols() != labels.len() {
        let (classes, given) = (predictions.ncols(), labels.len());
        let message = format!("decode_predictions: {classes} classes, but {given} labels");
        return Err(Mistake::new(message).help("give a label for each class").into());
    }
    let best = |probabilities: ndarray::ArrayView1<'_, f32>| {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let label = |&class: &usize| (labels[class].as_ref(), probabilities[class]);
        order.iter().take(top).map(label).collect()
    };
    Ok(predictions.rows().into_iter().map(best).collect())
}
