//! The messages for bad input, as a whole.

mod arguments;
mod attention;
mod data;
mod families;
mod finite;
mod layers;
mod ranges;
mod resources;

use brolga_nn::prelude::*;
use brolga_runtime::Backend;
use ndarray::ArrayD;

/// The message of an error, without what differs between machines and with every change of this
/// file.
pub(crate) fn message<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
    let folder = std::env::temp_dir().display().to_string();
    let text = result.map_err(|error| error.to_string()).expect_err("an error");
    let without_lines = |line: &str| match line.rsplit_once(".rs:") {
        Some((before, _)) => format!("{before}.rs:[line]"),
        None => line.to_owned(),
    };
    let lines: Vec<_> = text.lines().map(without_lines).collect();
    lines.join("\n").replace(&folder, "[tmp]")
}

pub(crate) fn compile() -> Compile {
    Compile::new().optimizer("sgd").backend(Backend::Interpreter)
}

/// Four inputs, three classes.
pub(crate) fn classifier(loss: &str) -> Sequential {
    classifier_with(compile().loss(loss))
}

pub(crate) fn classifier_with(compile: Compile) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(3).activation("softmax"));
    model.compile(compile).expect("the model is right");
    model
}

pub(crate) fn ones(shape: &[usize]) -> ArrayD<f32> {
    ArrayD::ones(shape)
}

/// Runs a test on native code and on the interpreter: messages are the same, word for word.
pub(crate) fn on_both(test: impl Fn(Backend)) {
    insta::allow_duplicates!([Backend::Interpreter, Backend::Native].into_iter().for_each(test));
}

/// The message of a model with this layer after an input of this shape.
#[track_caller]
pub(crate) fn built(shape: &[usize], layer: impl Layer + 'static) -> String {
    let mut model = Sequential::new();
    model.add(Input::new(shape.iter().copied()));
    model.add(layer);
    message(model.build(shape))
}
