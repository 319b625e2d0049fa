//! Categories by their hash.

use brolga_ir::Mistake;
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::encode::{Code, Encoding, Mode, Numbers};
use super::host;
use super::index_lookup::{Salt, bucket};
use super::keys::{IntoKeys, Keys, Token};
use crate::error::NnError;
use crate::layers::Base;
use crate::registry::object;
use crate::setters::setters;

/// Texts and whole numbers as numbers of bins: the hash modulo `num_bins`, FarmHash64, or with a
/// `salt` SipHash-2-4. Of a whole number its decimal digits are hashed.
///
/// ```
/// use brolga_nn::preprocessing::Hashing;
///
/// let bins = Hashing::new(3).apply::<i32, _>(&["A", "B", "C", "D", "E"])?;
/// assert_eq!(bins, ndarray::arr1(&[1, 0, 1, 1, 2]).into_dyn());
/// # Ok::<(), brolga_nn::NnError>(())
/// ```
///
/// | `output_mode` | `x` | `y` |
/// |---|---|---|
/// | `"int"`, the default | `[..]` | `[..]`: the bin of each element |
/// | `"one_hot"` | `[..]` | `[.., num_bins]`: 1 at the bin; a last extent of 1 is dropped first |
/// | `"multi_hot"` | `[.., n]` | `[.., num_bins]`: 1 at the bin of each of the n elements |
/// | `"count"` | `[.., n]` | `[.., num_bins]`: how often each of them occurs |
///
/// With `mask_value` the bin 0 is that of this value alone.
///
/// It runs on the host, before `fit` or in a [`Dataset`](crate::Dataset).
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/categorical/hashing/>, without `sparse`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hashing {
    #[serde(flatten)]
    base: Base,
    num_bins: usize,
    #[serde(default)]
    mask_value: Option<MaskValue>,
    #[serde(default)]
    salt: Option<Salt>,
    #[serde(default = "int")]
    output_mode: String,
}

object!(Hashing { num_bins: Count });
host!(Hashing);

fn int() -> String {
    "int".to_owned()
}

/// The value of missing categories: a text or a whole number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaskValue {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl From<i64> for MaskValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for MaskValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Hashing {
    /// A hashing into so many bins.
    pub fn new(num_bins: usize) -> Self {
        let (base, output_mode) = (Base::default(), int());
        Self { base, num_bins, mask_value: None, salt: None, output_mode }
    }

    setters! {
        /// The value that has bin 0 for itself; none by default.
        mask_value: some MaskValue,
        /// The key of the hash, one number or two; without one it is FarmHash64.
        salt: some Salt,
        /// `"int"`, the default, `"one_hot"`, `"multi_hot"` or `"count"`.
        output_mode: into String,
    }

    /// What an array of texts or of whole numbers is encoded as; element types are `i64`, `i32` and
    /// `f32`.
    ///
    /// # Errors
    /// If there is no bin, no such mode, the mask is of another kind than the elements, or the
    /// result does not fit into memory.
    pub fn apply<'a, E: Code, T: Token>(
        &self,
        x: impl IntoKeys<'a, T>,
    ) -> Result<ArrayD<E>, NnError> {
        crate::registry::check_arguments(self)?;
        let modes = [Mode::Int, Mode::OneHot, Mode::MultiHot, Mode::Count];
        let mode = Mode::of("Hashing", &self.output_mode, &modes)?;
        self.check_mask(T::NUMBERS)?;
        let Keys { mut shape, elements } = x.into_keys();
        if mode == Mode::OneHot && shape.last() == Some(&1) {
            shape.pop();
        }
        let elements = elements.iter().map(|key| Some(self.bin::<T>(key))).collect();
        let encoding = Encoding { class: "Hashing", mode, depth: self.num_bins, weights: &[] };
        Ok(encoding.of(Numbers { shape, elements })?)
    }

    fn check_mask(&self, numbers: bool) -> Result<(), Mistake> {
        let (given, expected) = match (&self.mask_value, numbers) {
            (Some(MaskValue::Number(number)), false) => (number.to_string(), "a text"),
            (Some(MaskValue::Text(text)), true) => (format!("{text:?}"), "a whole number"),
            _ => return Ok(()),
        };
        let elements = if numbers { "whole numbers" } else { "texts" };
        Err(Mistake::new(format!("Hashing: mask_value is {given}, the elements are {elements}"))
            .help(format!("give {expected}")))
    }

    /// The bin of an element.
    fn bin<T: Token>(&self, key: &T::Key) -> i64 {
        let reserved = self.mask_value.is_some() && self.num_bins > 1;
        let bins = self.num_bins - usize::from(reserved);
        let text = T::text(key);
        let masked = match &self.mask_value {
            Some(MaskValue::Number(mask)) => T::number(key) == Some(*mask),
            Some(MaskValue::Text(mask)) => *mask == *text,
            None => false,
        };
        match bucket(&text, self.salt, bins as u64) {
            _ if reserved && masked => 0,
            bin => bin + i64::from(reserved),
        }
    }
}
