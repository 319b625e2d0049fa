//! Sequences of one length.

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use crate::error::{Error, Result};
use crate::shape;

/// An end of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Before the first step: Keras's `"pre"`.
    Pre,
    /// After the last step: Keras's `"post"`.
    Post,
}

/// How [`pad_sequences`] brings sequences to one length. Names and defaults are those of Keras.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PadOptions<T> {
    maxlen: Option<usize>,
    padding: End,
    truncating: End,
    value: T,
}

impl<T: Default> PadOptions<T> {
    /// `maxlen` the length of the longest sequence, `padding` and `truncating` `Pre`, `value` 0.
    pub fn new() -> PadOptions<T> {
        let (maxlen, value) = (None, T::default());
        PadOptions { maxlen, padding: End::Pre, truncating: End::Pre, value }
    }

    /// The length of all sequences.
    pub fn maxlen(mut self, maxlen: usize) -> PadOptions<T> {
        self.maxlen = Some(maxlen);
        self
    }

    /// Where shorter sequences are padded.
    pub fn padding(mut self, padding: End) -> PadOptions<T> {
        self.padding = padding;
        self
    }

    /// Where longer sequences are cut.
    pub fn truncating(mut self, truncating: End) -> PadOptions<T> {
        self.truncating = truncating;
        self
    }

    /// What shorter sequences are padded with.
    pub fn value(mut self, value: T) -> PadOptions<T> {
        self.value = value;
        self
    }
}

impl<T: Default> Default for PadOptions<T> {
    fn default() -> PadOptions<T> {
        PadOptions::new()
    }
}

/// Types that can be a sequence: lists of steps, and arrays, whose first axis counts the steps.
pub trait Sequence {
    /// The type of the elements.
    type Element: Copy;

    /// The number of steps, and the shape of each.
    fn shape(&self) -> (usize, &[usize]);

    /// The elements in row-major order.
    fn elements(&self) -> impl Iterator<Item = Self::Element>;
}

macro_rules! lists {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> Sequence for $type {
            type Element = T;

            fn shape(&self) -> (usize, &[usize]) {
                (self.len(), &[])
            }

            fn elements(&self) -> impl Iterator<Item = T> {
                self.iter().copied()
            }
        }
    )*};
}

lists! {
    [T: Copy] Vec<T>;
    [T: Copy] &[T];
    [T: Copy, const N: usize] [T; N];
}

impl<S: Data<Elem: Copy>, D: Dimension> Sequence for ArrayBase<S, D> {
    type Element = S::Elem;

    fn shape(&self) -> (usize, &[usize]) {
        let shape = ArrayBase::shape(self);
        (shape.first().copied().unwrap_or(1), shape.get(1..).unwrap_or_default())
    }

    fn elements(&self) -> impl Iterator<Item = S::Elem> {
        self.iter().copied()
    }
}

/// Brings sequences to one length, as `keras.utils.pad_sequences` does: `[n, maxlen, ..]`, where `..`
/// is the shape of a step.
///
/// ```
/// use brolga_data::{PadOptions, pad_sequences};
///
/// let padded = pad_sequences(&[vec![1], vec![2, 3], vec![4, 5, 6]], PadOptions::new().maxlen(2))?;
/// assert_eq!(padded, ndarray::arr2(&[[0, 1], [2, 3], [5, 6]]).into_dyn());
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// There is no sequence, steps of sequences differ in their shape, or the result does not fit into
/// memory.
pub fn pad_sequences<S: Sequence>(
    sequences: &[S],
    options: PadOptions<S::Element>,
) -> Result<ArrayD<S::Element>> {
    let function = "pad_sequences";
    let Some(longest) = sequences.iter().map(|sequence| sequence.shape().0).max() else {
        return Err(Error::Argument {
            function,
            message: "there are no sequences".to_owned(),
            expected: "at least one".to_owned(),
            given: "none".to_owned(),
            help: "give the sequences as a list",
        });
    };
    let mut filled = sequences.iter().map(Sequence::shape).filter(|(steps, _)| *steps > 0);
    let step = filled.next().map_or(vec![], |(_, step)| step.to_vec());
    let length = options.maxlen.unwrap_or(longest);
    let mut shape = vec![sequences.len(), length];
    shape.extend(&step);

    let too_large = || Error::TooLarge {
        what: format!("{function}: the result"),
        given: shape::array_type("array", &shape),
        help: "give a smaller `maxlen`, or pad fewer sequences at a time",
    };
    let mut padded = shape::reserve(&shape).ok_or_else(too_large)?;
    let width: usize = step.iter().product();
    for (number, sequence) in sequences.iter().enumerate() {
        let (steps, own) = sequence.shape();
        if steps > 0 && own != step {
            return Err(Error::Argument {
                function,
                message: format!("the steps of sequence {number} have another shape"),
                expected: format!("{step:?}, as those before it"),
                given: format!("{own:?}"),
                help: "all steps of all sequences need one shape",
            });
        }
        let kept = steps.min(length);
        let skipped = match options.truncating {
            End::Pre => steps - kept,
            End::Post => 0,
        };
        let pad = |padded: &mut Vec<S::Element>| {
            padded.extend(std::iter::repeat_n(options.value, (length - kept) * width));
        };
        if options.padding == End::Pre {
            pad(&mut padded);
        }
        padded.extend(sequence.elements().skip(skipped * width).take(kept * width));
        if options.padding == End::Post {
            pad(&mut padded);
        }
    }
    Ok(ArrayD::from_shape_vec(shape, padded).expect("each sequence has its length"))
}
