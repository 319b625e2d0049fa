//! Models that come with Brolga, by name: what the command `brolga` shows.

use crate::error::NnError;
use crate::layers::{Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D};
use crate::model::{Compile, Sequential};
use crate::optimizers::SGD;

/// The names of the models.
pub const NAMES: &[&str] = &["mnist_cnn", "mlp", "tiny"];

/// The compiled model of this name, with first weights.
///
/// # Errors
/// If there is none; the message lists those that exist.
pub fn by_name(name: &str) -> Result<Sequential, NnError> {
    match name {
        "mnist_cnn" => mnist_cnn(),
        "mlp" => mlp(),
        "tiny" => tiny(),
        other => Err(NnError::unknown("model", other, NAMES)),
    }
}

/// Keras's convolutional network for MNIST.
///
/// # Errors
/// None.
pub fn mnist_cnn() -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(32, (3, 3)).activation("relu"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Conv2D::new(64, (3, 3)).activation("relu"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Flatten::new());
    model.add(Dense::new(128).activation("relu"));
    model.add(Dropout::new(0.5));
    model.add(Dense::new(10).activation("softmax"));
    classifier(model)
}

/// Keras's network of two hidden layers for MNIST.
///
/// # Errors
/// None.
pub fn mlp() -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([784]));
    for _ in 0..2 {
        model.add(Dense::new(512).activation("relu"));
        model.add(Dropout::new(0.2));
    }
    model.add(Dense::new(10).activation("softmax"));
    classifier(model)
}

/// Two dense layers with a squared error, small enough to be read down to the machine code: the
/// model of `docs/tutorial.md`.
///
/// # Errors
/// None.
pub fn tiny() -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(16).activation("relu"));
    model.add(Dense::new(2));
    model.compile(Compile::new().optimizer(SGD::new(0.1)).loss("mean_squared_error"))?;
    Ok(model)
}

fn classifier(mut model: Sequential) -> Result<Sequential, NnError> {
    let compile = Compile::new().optimizer("adam").loss("sparse_categorical_crossentropy");
    model.compile(compile.metrics(["accuracy"]))?;
    Ok(model)
}
