//! Arrays that go into `fit`, `evaluate` and `predict`.

use std::borrow::Cow;

use brolga_ir::{DType, Mistake};
use brolga_memory::NotGranted;
use brolga_runtime::Array;
use ndarray::{ArrayBase, ArrayRef, Dimension};

use crate::error::NnError;

/// An array of samples: the first axis counts them. Elements are converted to the model's type when
/// a batch is copied.
#[derive(Debug, Clone)]
pub struct Data<'a> {
    shape: Vec<usize>,
    elements: Elements<'a>,
    /// Why there are no elements: the array had to be copied, and there is no memory for it.
    missing: Option<NotGranted>,
}

/// The elements in row-major order.
#[derive(Debug, Clone)]
pub(crate) enum Elements<'a> {
    F32(Cow<'a, [f32]>),
    F64(Cow<'a, [f64]>),
    I64(Cow<'a, [i64]>),
    I32(Cow<'a, [i32]>),
    U8(Cow<'a, [u8]>),
    Bool(Cow<'a, [bool]>),
}

/// Runs an expression for the slice of elements, whatever their type.
macro_rules! for_elements {
    ($elements:expr, $slice:ident => $body:expr) => {
        match $elements {
            Elements::F32($slice) => $body,
            Elements::F64($slice) => $body,
            Elements::I64($slice) => $body,
            Elements::I32($slice) => $body,
            Elements::U8($slice) => $body,
            Elements::Bool($slice) => $body,
        }
    };
}

/// A Rust type whose arrays can be data: `f32`, `f64`, `bool` and all integers.
pub trait Element: Copy {
    /// The type of the elements.
    const DTYPE: DType;

    /// Elements of this type as data.
    #[doc(hidden)]
    fn wrap(elements: Cow<'_, [Self]>, shape: Vec<usize>) -> Data<'_>;

    /// The number as `f64`, rounded.
    fn to_f64(self) -> f64;
}

macro_rules! element {
    ($($rust:ty: $variant:ident, |$x:ident| $number:expr;)*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;

            fn wrap(elements: Cow<'_, [Self]>, shape: Vec<usize>) -> Data<'_> {
                Data { shape, elements: Elements::$variant(elements), missing: None }
            }

            fn to_f64(self) -> f64 {
                let $x = self;
                $number as f64
            }
        }
    )*};
}

/// Integers that are kept as `i64`, which holds every number that a label can be; larger ones
/// become the largest.
macro_rules! as_i64 {
    ($($rust:ty)*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::I64;

            fn wrap(elements: Cow<'_, [Self]>, shape: Vec<usize>) -> Data<'_> {
                let number = |&x: &Self| i64::try_from(x).unwrap_or(i64::MAX);
                Data::copied(elements.iter().map(number), shape)
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

as_i64! { i8 i16 u16 u32 u64 usize isize }

element! {
    f32: F32, |x| x;
    f64: F64, |x| x;
    i64: I64, |x| x;
    i32: I32, |x| x;
    u8: U8, |x| x;
    bool: Bool, |x| u8::from(x);
}

impl<'a> Data<'a> {
    /// Elements in row-major order; `None` if their number is not that of the shape.
    pub fn new<T: Element + 'a>(shape: &[usize], elements: impl Into<Cow<'a, [T]>>) -> Option<Self>
    where
        [T]: ToOwned<Owned = Vec<T>>,
    {
        let elements = elements.into();
        let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        (count == Some(elements.len())).then(|| T::wrap(elements, shape.to_vec()))
    }

    /// The elements of an iterator.
    fn copied<T: Element + 'a>(
        elements: impl ExactSizeIterator<Item = T>,
        mut shape: Vec<usize>,
    ) -> Self
    where
        [T]: ToOwned<Owned = Vec<T>>,
    {
        match brolga_memory::collected(elements) {
            Ok(elements) => T::wrap(Cow::Owned(elements), shape),
            Err(error) => {
                shape.iter_mut().take(1).for_each(|samples| *samples = 0);
                Self { missing: Some(error), ..T::wrap(Cow::Owned(vec![]), shape) }
            }
        }
    }

    /// The same with elements of its own: copied, if they are borrowed.
    pub(crate) fn into_owned(self) -> Data<'static> {
        let Self { shape, elements, missing } = self;
        let owned = for_elements!(elements, elements => match elements {
            Cow::Owned(elements) => Element::wrap(Cow::Owned(elements), shape),
            Cow::Borrowed(elements) => Data::copied(elements.iter().copied(), shape),
        });
        Data { missing: missing.or(owned.missing), ..owned }
    }

    /// The bytes of the elements.
    pub(crate) fn bytes(&self) -> usize {
        for_elements!(&self.elements, slice => size_of_val(&slice[..]))
    }

    /// Fails if there was no memory for a copy of the array.
    pub(crate) fn check_copied(&self, what: &str) -> Result<(), NnError> {
        let Some(error) = self.missing else { return Ok(()) };
        let help = "an array that is not in row-major order, or of a type that no program reads, is copied: \
                    give a smaller one, or one that needs no copy";
        Err(Mistake::new(format!("{what} cannot be copied: {error}")).help(help).into())
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of samples: the first extent, or 1 for a scalar.
    pub fn samples(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// The extents of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or_default()
    }

    /// The number of elements of one sample.
    pub fn sample_len(&self) -> usize {
        self.sample_shape().iter().product()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        match &self.elements {
            Elements::F32(_) => DType::F32,
            Elements::F64(_) => DType::F64,
            Elements::I64(_) => DType::I64,
            Elements::I32(_) => DType::I32,
            Elements::U8(_) => DType::U8,
            Elements::Bool(_) => DType::Bool,
        }
    }

    /// The samples from `start` on, at most `count`.
    pub(crate) fn range(&self, start: usize, count: usize) -> Data<'_> {
        let start = start.min(self.samples());
        let count = count.min(self.samples() - start);
        let width = self.sample_len();
        let mut shape = self.shape.clone();
        if let Some(samples) = shape.first_mut() {
            *samples = count;
        }
        let part = for_elements!(&self.elements, slice => {
            Element::wrap(Cow::Borrowed(&slice[start * width..(start + count) * width]), shape)
        });
        Data { missing: self.missing, ..part }
    }

    /// The elements as programs are fed with them.
    pub(crate) fn array(&self) -> Array<'_> {
        match &self.elements {
            Elements::F32(elements) => Array::F32(elements),
            Elements::F64(elements) => Array::F64(elements),
            Elements::I64(elements) => Array::I64(elements),
            Elements::I32(elements) => Array::I32(elements),
            Elements::U8(elements) => Array::U8(elements),
            Elements::Bool(elements) => Array::Bool(elements),
        }
    }

    /// Copies these samples as `f32`, one after the other.
    pub(crate) fn gather_f32(&self, samples: &[usize], target: &mut [f32]) {
        self.array().gather_f32(self.sample_len(), samples, target);
    }

    /// Copies these samples as `i32`, one after the other; fractions are cut off, what is out of
    /// range saturates.
    pub(crate) fn gather_i32(&self, samples: &[usize], target: &mut [i32]) {
        self.array().gather_i32(self.sample_len(), samples, target);
    }

    /// Calls a function with each element and its index in row-major order.
    pub(crate) fn each(&self, mut function: impl FnMut(usize, f64)) {
        for_elements!(&self.elements, slice => {
            (0..).zip(slice.iter()).for_each(|(index, x)| function(index, x.to_f64()));
        });
    }

    /// The first element, in these samples, for which the test is true: its sample, its index in
    /// the sample and its value.
    pub(crate) fn find(
        &self,
        samples: impl IntoIterator<Item = usize>,
        test: impl Fn(f64) -> bool,
    ) -> Option<(usize, usize, f64)> {
        let width = self.sample_len();
        for_elements!(&self.elements, slice => samples.into_iter().find_map(|sample| {
            let elements = &slice[sample * width..(sample + 1) * width];
            let index = elements.iter().position(|x| test(x.to_f64()))?;
            Some((sample, index, elements[index].to_f64()))
        }))
    }
}

/// Types that can be given as data: arrays of [`ndarray`] of any dimension, slices and vectors, of
/// any [`Element`] type, and [`Data`].
pub trait IntoData<'a> {
    /// The same as data; an array whose elements do not lie in row-major order is copied.
    fn into_data(self) -> Data<'a>;
}

impl<'a> IntoData<'a> for Data<'a> {
    fn into_data(self) -> Data<'a> {
        self
    }
}

impl<'a> IntoData<'a> for &'a Data<'_> {
    fn into_data(self) -> Data<'a> {
        self.range(0, usize::MAX)
    }
}

impl<'a, T: Element, S: ndarray::Data<Elem = T>, D: Dimension> IntoData<'a> for &'a ArrayBase<S, D>
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn into_data(self) -> Data<'a> {
        let array: &'a ArrayRef<T, D> = self;
        let shape = array.shape().to_vec();
        match array.as_slice() {
            Some(elements) => T::wrap(Cow::Borrowed(elements), shape),
            None => Data::copied(array.iter().copied(), shape),
        }
    }
}

/// The elements move; they are copied if they do not lie in row-major order.
impl<'a, T: Element + 'a, D: Dimension> From<ndarray::Array<T, D>> for Data<'a>
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn from(array: ndarray::Array<T, D>) -> Self {
        let shape = array.shape().to_vec();
        if !array.is_standard_layout() {
            return Self::copied(array.iter().copied(), shape);
        }
        let (mut elements, offset) = array.into_raw_vec_and_offset();
        let first = offset.unwrap_or(0);
        elements.truncate(first + shape.iter().product::<usize>());
        elements.drain(..first);
        T::wrap(Cow::Owned(elements), shape)
    }
}

impl<'a, T: Element, D: Dimension> From<ndarray::ArrayView<'a, T, D>> for Data<'a>
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn from(view: ndarray::ArrayView<'a, T, D>) -> Self {
        let shape = view.shape().to_vec();
        match view.to_slice() {
            Some(elements) => T::wrap(Cow::Borrowed(elements), shape),
            None => Self::copied(view.iter().copied(), shape),
        }
    }
}

impl<'a, T: Element> IntoData<'a> for &'a [T]
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn into_data(self) -> Data<'a> {
        T::wrap(Cow::Borrowed(self), vec![self.len()])
    }
}

impl<'a, T: Element> IntoData<'a> for &'a Vec<T>
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn into_data(self) -> Data<'a> {
        self.as_slice().into_data()
    }
}

impl<'a, T: Element, const N: usize> IntoData<'a> for &'a [T; N]
where
    [T]: ToOwned<Owned = Vec<T>>,
{
    fn into_data(self) -> Data<'a> {
        self.as_slice().into_data()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, array};

    use super::*;

    #[test]
    fn arrays_of_any_layout_and_type_are_data() {
        let array = array![[1u8, 2, 3], [4, 5, 6]];
        let data = (&array).into_data();
        assert_eq!((data.shape(), data.dtype()), ([2, 3].as_slice(), DType::U8));
        let mut target = [0.0; 6];
        data.gather_f32(&[1, 0], &mut target);
        assert_eq!(target, [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);

        let transposed = array.t();
        let mut target = [0.0; 4];
        (&transposed).into_data().gather_f32(&[2, 0], &mut target);
        assert_eq!(target, [3.0, 6.0, 1.0, 4.0]);
    }

    #[test]
    fn labels_are_integers_of_any_type_in_slices_too() {
        fn labels<T: Element + TryFrom<u8>>() -> [i32; 3]
        where
            [T]: ToOwned<Owned = Vec<T>>,
        {
            let elements: Vec<T> =
                [2u8, 0, 7].map(|x| T::try_from(x).ok()).into_iter().flatten().collect();
            let data = elements.as_slice().into_data();
            assert_eq!((data.shape(), data.samples()), ([3].as_slice(), 3));
            let mut target = [0; 3];
            data.gather_i32(&[0, 1, 2], &mut target);
            target
        }
        let all = [
            labels::<u8>(),
            labels::<i8>(),
            labels::<u16>(),
            labels::<i16>(),
            labels::<u32>(),
            labels::<i32>(),
            labels::<u64>(),
            labels::<i64>(),
            labels::<usize>(),
            labels::<isize>(),
        ];
        assert_eq!(all, [[2, 0, 7]; 10]);
        let large = vec![u64::MAX];
        let large = (&large).into_data();
        assert_eq!(large.find([0], |x| x > 9e18).map(|(sample, ..)| sample), Some(0));
        assert_eq!((&[1u8, 2]).into_data().shape(), [2]);
    }

    #[test]
    fn copies_that_no_memory_holds_are_errors() {
        let one = array![0.5_f32];
        let wide = one.broadcast((1 << 30, 1 << 30)).expect("one element repeated");
        let data = (&wide).into_data();
        assert_eq!(data.shape(), [0, 1 << 30]);
        assert!((&data).into_data().check_copied("x").is_err());
        let error = data.check_copied("x").expect_err("4 EiB").to_string();
        let limit = data.missing.and_then(|error| error.limit).expect("the system tells");
        insta::assert_snapshot!(error.replace(&limit.to_string(), "the machine grants 8.0 GiB"), @r"
        x cannot be copied: 4194304.0 TiB of memory are needed, the machine grants 8.0 GiB
          help: an array that is not in row-major order, or of a type that no program reads, is copied: give a smaller one, or one that needs no copy
        ");
    }

    #[test]
    fn ranges_end_with_the_data() {
        let array = Array::from_iter(0..5i64);
        let data = (&array).into_data();
        let mut target = [0; 2];
        data.range(3, 7).gather_i32(&[0, 1], &mut target);
        assert_eq!(target, [3, 4]);
        assert_eq!(data.range(9, 1).samples(), 0);
    }

    #[test]
    fn elements_are_found_with_their_place() {
        let array = array![[0.0f32, 1.0], [2.0, f32::NAN]];
        let (sample, index, value) =
            (&array).into_data().find(0..2, |x| !x.is_finite()).expect("a NaN");
        assert_eq!((sample, index, value.is_nan()), (1, 1, true));
    }
}
