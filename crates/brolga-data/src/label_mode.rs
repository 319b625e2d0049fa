//! How labels of files are given.

use ndarray::{Array1, Array2};

/// How labels are given: [`Int`], [`Categorical`], [`Binary`] or [`NoLabels`], Keras's `label_mode`
/// `"int"`, `"categorical"`, `"binary"` and `None`.
pub trait LabelMode: Copy + sealed::Sealed {
    /// The labels of some files.
    type Labels;

    /// Labels from 0 up to the number of classes.
    fn encode(labels: &[i32], classes: usize) -> Self::Labels;

    /// Whether there are labels.
    const LABELED: bool = true;

    /// Whether there have to be two classes.
    const BINARY: bool = false;
}

/// Class numbers, `i32[n]`: for `sparse_categorical_crossentropy`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Int;

/// One-hot vectors, `f32[n,classes]`: for `categorical_crossentropy`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Categorical;

/// 0 or 1, `f32[n,1]`: for `binary_crossentropy`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Binary;

/// No labels, `()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLabels;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Int {}
    impl Sealed for super::Categorical {}
    impl Sealed for super::Binary {}
    impl Sealed for super::NoLabels {}
}

impl LabelMode for Int {
    type Labels = Array1<i32>;

    fn encode(labels: &[i32], _: usize) -> Array1<i32> {
        labels.to_vec().into()
    }
}

impl LabelMode for Categorical {
    type Labels = Array2<f32>;

    fn encode(labels: &[i32], classes: usize) -> Array2<f32> {
        let hot = |(row, class): (usize, usize)| {
            if usize::try_from(labels[row]) == Ok(class) { 1.0 } else { 0.0 }
        };
        Array2::from_shape_fn((labels.len(), classes), hot)
    }
}

impl LabelMode for Binary {
    type Labels = Array2<f32>;

    fn encode(labels: &[i32], _: usize) -> Array2<f32> {
        Array2::from_shape_fn((labels.len(), 1), |(row, _)| labels[row] as f32)
    }

    const BINARY: bool = true;
}

impl LabelMode for NoLabels {
    type Labels = ();

    fn encode(_: &[i32], _: usize) {}

    const LABELED: bool = false;
}
