//! Data given batch by batch.

use std::error::Error;
use std::fmt;

use brolga_ir::Type;
use ndarray::Dimension;

use crate::arrays::{Arrays, IntoArrays};
use crate::data::{Data, Element};

/// The error of an iterator of batches.
pub(crate) type BatchError = Box<dyn Error + Send + Sync>;

/// Batches that are made while they are needed: for data that memory does not hold, or that are
/// changed on their way. `fit`, `evaluate` and `predict` take one in place of arrays, with `()` in
/// place of the labels, which are part of the batches.
///
/// A batch is `x`, `(x, y)` or `(x, y, sample_weight)`, each of which is an array, or a list of
/// arrays, as [`IntoPart`] says; a [`Batch`]; or a `Result` of any of these, whose error ends the
/// method that asked. Sizes of batches may differ, and for each size a program is compiled; sample
/// shapes and element types are those of the first batch.
///
/// Batches are made on a thread of their own, a few of them in advance ([`Dataset::prefetch`]); the
/// thread ends when no more batches are needed. The results are, bit by bit, those of the same
/// batches cut from arrays.
///
/// How many batches there are is taken from [`Iterator::size_hint`]: an exact one is the number of
/// steps, and a lower bound of `usize::MAX`, such as `cycle` and `repeat_with` have, means that
/// they never end, which needs `steps_per_epoch` (of an evaluation or a prediction `steps`, of a
/// validation `validation_steps`). Where nothing is known the first epoch finds out.
///
/// ```
/// use brolga_nn::Dataset;
/// use ndarray::{Array1, Array2, Axis};
///
/// let (x, y) = (Array2::<f32>::zeros((100, 3)), Array1::<u8>::zeros(100));
/// let batches = || x.axis_chunks_iter(Axis(0), 32).zip(y.axis_chunks_iter(Axis(0), 32));
/// let dataset = Dataset::from_generator(batches);
/// let noise = std::iter::repeat_with(|| (Array2::<f32>::zeros((32, 3)), Array1::<u8>::zeros(32)));
/// let endless = Dataset::from_iterator(noise);
/// ```
///
/// Keras: `tf.data.Dataset`, `keras.utils.PyDataset`, generators;
/// <https://keras.io/api/models/model_training_apis/>.
#[must_use]
pub struct Dataset<'a> {
    pub(crate) passes: Passes<'a>,
    /// Whether there is one pass alone.
    pub(crate) once: bool,
    pub(crate) prefetch: usize,
}

/// Makes the batches of a pass and gives each of them away, until there is none left or nobody
/// takes them any more.
pub(crate) type Passes<'a> = Box<dyn FnMut(&mut dyn FnMut(Made) -> bool) + Send + 'a>;

/// What a pass gives.
pub(crate) enum Made {
    /// A pass begins: the bounds of its number of batches.
    Bounds((usize, Option<usize>)),
    /// The next batch.
    Batch(Result<Batch, BatchError>),
}

impl fmt::Debug for Dataset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (once, prefetch) = (&self.once, &self.prefetch);
        let mut debug = f.debug_struct("Dataset");
        debug.field("once", once).field("prefetch", prefetch).finish_non_exhaustive()
    }
}

impl<'a> Dataset<'a> {
    /// The batches of the iterators that this function makes: one iterator for each epoch,
    /// validation, evaluation or prediction; with `steps_per_epoch` the next one when the last is
    /// used up.
    ///
    /// The function and its iterators run on another thread. Whoever wants another order in each
    /// epoch shuffles in the function.
    pub fn from_generator<I>(mut generator: impl FnMut() -> I + Send + 'a) -> Self
    where
        I: IntoIterator<Item: IntoBatch>,
    {
        Self::new(false, Box::new(move |give| pass(generator(), give)))
    }

    /// The batches of an iterator, which are read once: each epoch, and each validation, goes on
    /// where the one before it ended. Several epochs need `steps_per_epoch`, several validations
    /// `validation_steps`.
    pub fn from_iterator<I>(iterator: I) -> Self
    where
        I: IntoIterator<Item: IntoBatch> + Send + 'a,
    {
        let mut iterator = Some(iterator);
        let passes = move |give: &mut dyn FnMut(Made) -> bool| {
            if let Some(iterator) = iterator.take() {
                pass(iterator, give);
            }
        };
        Self::new(true, Box::new(passes))
    }

    fn new(once: bool, passes: Passes<'a>) -> Self {
        Self { passes, once, prefetch: 2 }
    }

    /// How many batches wait at most, besides the one that is being made and the one that is being
    /// used; 2 by default. They are what the dataset takes in memory.
    pub fn prefetch(mut self, batches: usize) -> Self {
        self.prefetch = batches;
        self
    }
}

fn pass<I: IntoIterator<Item: IntoBatch>>(batches: I, give: &mut dyn FnMut(Made) -> bool) {
    let mut batches = batches.into_iter();
    if give(Made::Bounds(batches.size_hint())) {
        // Whoever takes the batches wants no more after an error.
        let _ = batches.all(|batch| give(Made::Batch(batch.into_batch())));
    }
}

/// A batch of a [`Dataset`]: arrays of the same number of samples, which it owns.
#[derive(Debug, Clone)]
#[must_use]
pub struct Batch {
    pub(crate) x: Arrays<'static>,
    pub(crate) y: Arrays<'static>,
    pub(crate) sample_weight: Option<Arrays<'static>>,
}

impl Batch {
    /// Samples without labels. Arrays that are borrowed are copied.
    pub fn new(x: impl IntoPart) -> Self {
        Self { x: x.into_part(), y: ().into_arrays(), sample_weight: None }
    }

    /// The labels.
    pub fn y(mut self, y: impl IntoPart) -> Self {
        self.y = y.into_part();
        self
    }

    /// How much the loss of each sample counts.
    pub fn sample_weight(mut self, sample_weight: impl IntoPart) -> Self {
        self.sample_weight = Some(sample_weight.into_part());
        self
    }

    /// What must be the same in all batches: the names of the arrays as messages have them, and the
    /// types of their samples.
    pub(crate) fn signature(&self) -> Vec<(String, Type)> {
        let parts = [
            ("x", Some(&self.x)),
            ("y", Some(&self.y)),
            ("sample_weight", self.sample_weight.as_ref()),
        ];
        let of_part = |(role, arrays): (&str, Option<&Arrays<'_>>)| {
            arrays.map_or_else(Vec::new, |arrays| arrays.signature(role))
        };
        parts.into_iter().flat_map(of_part).collect()
    }
}

/// Types that can be `x`, `y` or `sample_weight` of a [`Batch`]: arrays and views of them, by value
/// or borrowed, and all else that [`IntoArrays`] has. What is borrowed is copied. In lists an array
/// that is not borrowed is `Data::from(array)`.
pub trait IntoPart {
    /// The same as arrays.
    fn into_part(self) -> Arrays<'static>;
}

impl<'b, T: IntoArrays<'b>> IntoPart for T {
    fn into_part(self) -> Arrays<'static> {
        self.into_arrays().into_owned()
    }
}

impl<T: Element + 'static, D: Dimension> IntoPart for ndarray::Array<T, D>
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn into_part(self) -> Arrays<'static> {
        Data::from(self).into_arrays()
    }
}

impl<T: Element + 'static, D: Dimension> IntoPart for ndarray::ArrayView<'_, T, D>
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn into_part(self) -> Arrays<'static> {
        Data::from(self).into_arrays().into_owned()
    }
}

/// Types that can be a batch of a [`Dataset`]: `x`, `(x, y)`, `(x, y, sample_weight)`, each as
/// [`IntoPart`] says, a [`Batch`], and results of them.
pub trait IntoBatch {
    /// The same as a batch.
    ///
    /// # Errors
    /// If this is an error.
    fn into_batch(self) -> Result<Batch, Box<dyn Error + Send + Sync>>;
}

impl IntoBatch for Batch {
    fn into_batch(self) -> Result<Batch, BatchError> {
        Ok(self)
    }
}

impl<X: IntoPart> IntoBatch for X {
    fn into_batch(self) -> Result<Batch, BatchError> {
        Ok(Batch::new(self))
    }
}

impl<X: IntoPart, Y: IntoPart> IntoBatch for (X, Y) {
    fn into_batch(self) -> Result<Batch, BatchError> {
        Ok(Batch::new(self.0).y(self.1))
    }
}

impl<X: IntoPart, Y: IntoPart, W: IntoPart> IntoBatch for (X, Y, W) {
    fn into_batch(self) -> Result<Batch, BatchError> {
        Ok(Batch::new(self.0).y(self.1).sample_weight(self.2))
    }
}

impl<B: IntoBatch, E: Into<BatchError>> IntoBatch for Result<B, E> {
    fn into_batch(self) -> Result<Batch, BatchError> {
        self.map_err(Into::into)?.into_batch()
    }
}

/// What a model is trained on: arrays, or a dataset.
#[derive(Debug)]
pub enum Source<'a> {
    /// Arrays of samples.
    Arrays(Arrays<'a>),
    /// Batches.
    Dataset(Dataset<'a>),
}

/// Types that `fit`, `evaluate` and `predict` take as `x`: arrays ([`IntoArrays`]), or a
/// [`Dataset`].
pub trait IntoSource<'a> {
    /// The same as a source.
    fn into_source(self) -> Source<'a>;
}

impl<'a, T: IntoArrays<'a>> IntoSource<'a> for T {
    fn into_source(self) -> Source<'a> {
        Source::Arrays(self.into_arrays())
    }
}

impl<'a> IntoSource<'a> for Dataset<'a> {
    fn into_source(self) -> Source<'a> {
        Source::Dataset(self)
    }
}
