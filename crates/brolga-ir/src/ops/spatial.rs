//! Lists with one value for each spatial axis.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// The most spatial axes that images have.
pub const MAX_SPATIAL: usize = 3;

/// One value for each spatial axis, the outermost first: 1 to [`MAX_SPATIAL`] of them. The text
/// form is a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spatial<T> {
    axes: usize,
    /// Values after the last axis are the default, so that equality is that of the lists.
    values: [T; MAX_SPATIAL],
}

impl<T: Copy + Default> Spatial<T> {
    /// The values that a function gives for `0..axes`.
    ///
    /// # Panics
    /// If there are more than [`MAX_SPATIAL`] axes.
    #[must_use]
    pub fn from_fn(axes: usize, mut value: impl FnMut(usize) -> T) -> Self {
        let mut values = [T::default(); MAX_SPATIAL];
        for (axis, slot) in values[..axes].iter_mut().enumerate() {
            *slot = value(axis);
        }
        Self { axes, values }
    }

    /// The same value for every axis.
    ///
    /// # Panics
    /// If there are more than [`MAX_SPATIAL`] axes.
    #[must_use]
    pub fn splat(axes: usize, value: T) -> Self {
        Self::from_fn(axes, |_| value)
    }

    /// The values of a list; `None` unless it has 1 to [`MAX_SPATIAL`].
    #[must_use]
    pub fn of(list: &[T]) -> Option<Self> {
        (1..=MAX_SPATIAL)
            .contains(&list.len())
            .then(|| Self::from_fn(list.len(), |axis| list[axis]))
    }

    /// The values for images with another outermost axis.
    ///
    /// # Panics
    /// If there are [`MAX_SPATIAL`] axes already.
    #[must_use]
    pub fn after(&self, first: T) -> Self {
        Self::from_fn(self.axes + 1, |axis| if axis == 0 { first } else { self[axis - 1] })
    }
}

impl<T> Deref for Spatial<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[..self.axes]
    }
}

impl<T> DerefMut for Spatial<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.axes]
    }
}

impl<T: Copy + Default, const N: usize> From<[T; N]> for Spatial<T> {
    fn from(values: [T; N]) -> Self {
        const { assert!(N > 0 && N <= MAX_SPATIAL, "images have 1 to 3 spatial axes") };
        Self::from_fn(N, |axis| values[axis])
    }
}

impl<T: PartialEq, const N: usize> PartialEq<[T; N]> for Spatial<T> {
    fn eq(&self, other: &[T; N]) -> bool {
        **self == *other
    }
}

impl<T: fmt::Debug> fmt::Debug for Spatial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Extents as messages have them: `3×3`.
impl fmt::Display for Spatial<usize> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, extent) in self.iter().enumerate() {
            if axis > 0 {
                f.write_str("×")?;
            }
            write!(f, "{extent}")?;
        }
        Ok(())
    }
}

impl<T: Serialize> Serialize for Spatial<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Copy + Default + Deserialize<'de>> Deserialize<'de> for Spatial<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(std::marker::PhantomData<T>);

        impl<'de, T: Copy + Default + Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Spatial<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of 1 to {MAX_SPATIAL}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Spatial<T>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Spatial::of(&values).ok_or_else(|| A::Error::invalid_length(values.len(), &self))
            }
        }

        deserializer.deserialize_seq(List(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_as_a_list_is_equal() {
        let mut pair = Spatial::from([4, 5]);
        pair[0] = 1;
        assert_eq!(pair, Spatial::from([5]).after(1));
        assert_eq!(pair, [1, 5]);
        assert_ne!(pair, Spatial::from([1, 5, 0]));
        assert_eq!(
            (pair.to_string(), format!("{pair:?}")),
            ("1×5".to_owned(), "[1, 5]".to_owned())
        );
    }

    #[test]
    fn lists_of_other_lengths_are_refused() -> Result<(), serde_json::Error> {
        let read = serde_json::from_str::<Spatial<usize>>;
        assert_eq!(read("[1,2,3]")?, [1, 2, 3]);
        for text in ["[]", "[1,2,3,4]"] {
            assert!(read(text).is_err_and(|e| e.to_string().contains("a list of 1 to 3")));
        }
        assert_eq!(Spatial::<usize>::of(&[]), None);
        Ok(())
    }
}
