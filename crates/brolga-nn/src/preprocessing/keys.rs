//! Arrays of texts and of whole numbers, which layers of categories take.

use std::borrow::{Borrow, Cow};
use std::fmt::Debug;
use std::hash::Hash;

use ndarray::{ArrayBase, ArrayRef, Dimension};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a vocabulary consists of: texts (`String`) or whole numbers (`i64`).
pub trait Token:
    Borrow<Self::Key> + Clone + Debug + Eq + Hash + Ord + Send + Sync + Serialize + DeserializeOwned
{
    /// What is looked up: `str` or `i64`.
    type Key: ToOwned<Owned = Self> + Debug + Eq + Hash + Ord + ?Sized + 'static;

    /// The class of lookups of such tokens.
    const CLASS: &'static str;

    /// Whether tokens are numbers.
    const NUMBERS: bool;

    /// The token of what is not in the vocabulary, unless another one is chosen.
    fn oov() -> Self;

    /// The token in a line of a file.
    fn parse(line: &str) -> Option<Self>;

    /// The text that is hashed.
    fn text(key: &Self::Key) -> Cow<'_, str>;

    /// The number, where tokens are numbers.
    fn number(key: &Self::Key) -> Option<i64>;
}

impl Token for String {
    type Key = str;

    const CLASS: &'static str = "StringLookup";
    const NUMBERS: bool = false;

    fn oov() -> Self {
        "[UNK]".to_owned()
    }

    fn parse(line: &str) -> Option<Self> {
        Some(line.to_owned())
    }

    fn text(key: &str) -> Cow<'_, str> {
        Cow::Borrowed(key)
    }

    fn number(_: &str) -> Option<i64> {
        None
    }
}

impl Token for i64 {
    type Key = i64;

    const CLASS: &'static str = "IntegerLookup";
    const NUMBERS: bool = true;

    fn oov() -> Self {
        -1
    }

    fn parse(line: &str) -> Option<Self> {
        line.trim().parse().ok()
    }

    fn text(key: &i64) -> Cow<'_, str> {
        Cow::Owned(key.to_string())
    }

    fn number(key: &i64) -> Option<i64> {
        Some(*key)
    }
}

/// An array of keys, in row-major order.
#[derive(Debug, Clone)]
pub struct Keys<'a, T: Token> {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Vec<Cow<'a, T::Key>>,
}

/// Types that can be given as texts or whole numbers: arrays of [`ndarray`] of any dimension,
/// slices, vectors and arrays, of anything that is a `str`, or of any type of integer.
pub trait IntoKeys<'a, T: Token> {
    /// The same as keys.
    fn into_keys(self) -> Keys<'a, T>;
}

/// An element of an array of keys.
pub trait AsKey<T: Token> {
    /// The same as a key.
    fn as_key(&self) -> Cow<'_, T::Key>;
}

macro_rules! texts {
    ($($type:ty)*) => {$(
        impl AsKey<String> for $type {
            fn as_key(&self) -> Cow<'_, str> {
                Cow::Borrowed(self)
            }
        }
    )*};
}

texts! { &str String Cow<'_, str> Box<str> std::sync::Arc<str> }

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl AsKey<i64> for $type {
            fn as_key(&self) -> Cow<'_, i64> {
                Cow::Owned(i64::from(*self))
            }
        }
    )*};
}

numbers! { i8 i16 i32 i64 u8 u16 u32 }

impl<'a, T: Token> IntoKeys<'a, T> for Keys<'a, T> {
    fn into_keys(self) -> Keys<'a, T> {
        self
    }
}

impl<'a, T: Token, K: AsKey<T>> IntoKeys<'a, T> for &'a [K] {
    fn into_keys(self) -> Keys<'a, T> {
        Keys { shape: vec![self.len()], elements: self.iter().map(AsKey::as_key).collect() }
    }
}

impl<'a, T: Token, K: AsKey<T>> IntoKeys<'a, T> for &'a Vec<K> {
    fn into_keys(self) -> Keys<'a, T> {
        self.as_slice().into_keys()
    }
}

impl<'a, T: Token, K: AsKey<T>, const N: usize> IntoKeys<'a, T> for &'a [K; N] {
    fn into_keys(self) -> Keys<'a, T> {
        self.as_slice().into_keys()
    }
}

impl<'a, T, K, S, D> IntoKeys<'a, T> for &'a ArrayBase<S, D>
where
    T: Token,
    K: AsKey<T>,
    S: ndarray::Data<Elem = K>,
    D: Dimension,
{
    fn into_keys(self) -> Keys<'a, T> {
        let array: &'a ArrayRef<K, D> = self;
        let elements = array.iter().map(AsKey::as_key).collect();
        Keys { shape: array.shape().to_vec(), elements }
    }
}

impl<T: Token> Keys<'_, T> {
    /// The indices of an element: `[1, 0]`.
    pub(crate) fn place(&self, element: usize) -> String {
        place(&self.shape, element)
    }

    /// The elements of each place on the first axis. A scalar is one such place.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[Cow<'_, T::Key>]> {
        let count = self.shape.first().copied().unwrap_or(1);
        let width = self.elements.len() / count.max(1);
        (0..count).map(move |row| &self.elements[row * width..(row + 1) * width])
    }
}

/// The indices of an element of an array: `[1, 0]`.
pub(crate) fn place(shape: &[usize], element: usize) -> String {
    let mut rest = element;
    let mut indices: Vec<String> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let index = rest % extent.max(1);
            rest /= extent.max(1);
            index.to_string()
        })
        .collect();
    indices.reverse();
    format!("[{}]", indices.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_an_index_for_each_axis() {
        assert_eq!(place(&[2, 3, 4], 0), "[0, 0, 0]");
        assert_eq!(place(&[2, 3, 4], 23), "[1, 2, 3]");
        assert_eq!(place(&[5], 3), "[3]");
        assert_eq!(place(&[], 0), "[]");
    }

    #[test]
    fn arrays_of_any_kind_are_keys() {
        let texts = ndarray::array![["a", "b"], ["c", "d"]];
        let transposed = texts.t();
        let keys: Keys<'_, String> = (&transposed).into_keys();
        assert_eq!(
            (keys.shape.as_slice(), &keys.elements[1]),
            ([2, 2].as_slice(), &Cow::from("c"))
        );
        assert_eq!(keys.rows().map(<[_]>::len).collect::<Vec<_>>(), [2, 2]);
        let numbers: Keys<'_, i64> = (&[3_u8, 1]).into_keys();
        assert_eq!(numbers.elements, [Cow::Owned::<i64>(3), Cow::Owned(1)]);
        let owned = vec!["x".to_owned()];
        assert_eq!(IntoKeys::<String>::into_keys(&owned).elements, ["x"]);
    }
}
