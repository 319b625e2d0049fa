//! Networks for images that are known by name, with Keras's layers, names of layers and numbers of
//! weights.
//!
//! ```no_run
//! use brolga_nn::applications::{Architecture, Pooling, resnet50};
//! use brolga_nn::prelude::*;
//!
//! let features = resnet50(Architecture::new().include_top(false).pooling(Pooling::Average))?;
//! let image = Input::new([224, 224, 3]).tensor();
//! let x = features.into_shared()?.on(&image);
//! let model = Model::new(&image, Dense::new(5).activation("softmax").on(&x))?;
//! # Ok::<(), NnError>(())
//! ```
//!
//! Weights are random, or come from a file of the user's: none is downloaded. Keras:
//! <https://keras.io/api/applications/>.

mod densenet;
mod efficientnet;
mod mobilenet_v2;
mod predictions;
mod resnet;
mod vgg;
mod xception;

use std::path::{Path, PathBuf};

use brolga_ir::Mistake;

use crate::activations::Activation;
use crate::error::NnError;
use crate::layers::{
    Activation as ActivationLayer, BatchNormalization, Dense, Flatten, GlobalAveragePooling2D,
    GlobalMaxPooling2D, Input,
};
use crate::model::{Apply, Functional, Symbolic};

pub use densenet::densenet121;
pub use efficientnet::efficientnet_b0;
pub use mobilenet_v2::mobilenet_v2;
pub use predictions::{Preprocessing, decode_predictions};
pub use resnet::{resnet50, resnet50_v2};
pub use vgg::{vgg16, vgg19};
pub use xception::xception;

/// What becomes of the last images where there is no classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// They are the output.
    #[default]
    None,
    /// The average of each channel.
    Average,
    /// The maximum of each channel.
    Maximum,
}

/// The arguments of all networks, with Keras's names and defaults.
#[derive(Debug, Clone)]
#[must_use]
pub struct Architecture {
    include_top: bool,
    weights: Option<PathBuf>,
    input_shape: Option<[usize; 3]>,
    pooling: Pooling,
    classes: usize,
    classifier_activation: Activation,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            include_top: true,
            weights: None,
            input_shape: None,
            pooling: Pooling::None,
            classes: 1000,
            classifier_activation: "softmax".into(),
        }
    }
}

impl Architecture {
    /// With a classifier of 1000 classes, random weights, the images of the paper.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the layers that classify are there; true by default.
    pub fn include_top(mut self, include_top: bool) -> Self {
        self.include_top = include_top;
        self
    }

    /// A file with the weights, as `Model::save_weights` writes it; random ones by default.
    pub fn weights(mut self, path: impl AsRef<Path>) -> Self {
        self.weights = Some(path.as_ref().to_owned());
        self
    }

    /// Height, width and channels of an image.
    pub fn input_shape(mut self, shape: [usize; 3]) -> Self {
        self.input_shape = Some(shape);
        self
    }

    /// What becomes of the last images where there is no classifier.
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    /// How many classes there are; 1000 by default.
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = classes;
        self
    }

    /// The activation of the classifier; softmax by default, `"linear"` gives logits.
    pub fn classifier_activation(mut self, activation: impl Into<Activation>) -> Self {
        self.classifier_activation = activation.into();
        self
    }

    /// The input, whose images have this height and width unless others were asked for.
    fn images(
        &self,
        name: &str,
        [default, least]: [usize; 2],
    ) -> Result<(Symbolic, [usize; 3]), NnError> {
        let shape = self.input_shape.unwrap_or([default, default, 3]);
        if shape[..2].iter().any(|&extent| extent < least) {
            let [height, width, _] = shape;
            let message = format!("{name}: images of {height}×{width} are too small");
            let help = format!("images must be {least}×{least} at least");
            return Err(Mistake::new(message).help(help).into());
        }
        Ok((Input::new(shape).tensor(), shape))
    }

    /// The classifier behind the last images, or what takes its place. `pooled` is the name of the
    /// pooling, where it has one of its own.
    fn top(&self, x: &Symbolic, pooled: [Option<&str>; 2]) -> Symbolic {
        let [average, maximum] = pooled;
        let global_average = || match average {
            Some(name) => GlobalAveragePooling2D::new().name(name).on(x),
            None => GlobalAveragePooling2D::new().on(x),
        };
        match self.pooling {
            _ if self.include_top => self.predictions(&global_average()),
            Pooling::None => x.clone(),
            Pooling::Average => global_average(),
            Pooling::Maximum => match maximum {
                Some(name) => GlobalMaxPooling2D::new().name(name).on(x),
                None => GlobalMaxPooling2D::new().on(x),
            },
        }
    }

    /// The classifier behind flat images, with two hidden layers, or what takes its place.
    fn dense_top(&self, x: &Symbolic) -> Symbolic {
        if !self.include_top {
            return self.top(x, [None, None]);
        }
        let x = Flatten::new().name("flatten").on(x);
        let x = Dense::new(4096).activation("relu").name("fc1").on(&x);
        let x = Dense::new(4096).activation("relu").name("fc2").on(&x);
        self.predictions(&x)
    }

    fn predictions(&self, x: &Symbolic) -> Symbolic {
        let activation = self.classifier_activation.clone();
        Dense::new(self.classes).activation(activation).name("predictions").on(x)
    }

    /// The model between the input and the output, with its weights.
    fn model(
        &self,
        name: &str,
        input: &Symbolic,
        output: &Symbolic,
    ) -> Result<Functional, NnError> {
        let mut model = Functional::new(input, output)?.named(name);
        if let Some(weights) = &self.weights {
            model.load_weights(weights)?;
        }
        Ok(model)
    }
}

/// A normalization of channels, and a rectifier, under these names.
fn normalized(x: &Symbolic, epsilon: f64, [norm, rectifier]: [String; 2]) -> Symbolic {
    let x = BatchNormalization::new().epsilon(epsilon).name(norm).on(x);
    ActivationLayer::new("relu").name(rectifier).on(&x)
}
