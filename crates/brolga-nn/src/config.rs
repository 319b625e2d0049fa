//! Argument types that several layers share.

use brolga_ir::Mistake;
use brolga_ir::ops::window::{self, Spatial};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number for each of `AXES` spatial axes, the outermost first: (height, width). A single number stands for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extents<const AXES: usize>(pub [usize; AXES]);

/// Two extents, (height, width).
pub type Pair = Extents<2>;

impl<const AXES: usize> From<usize> for Extents<AXES> {
    fn from(all: usize) -> Self {
        Self([all; AXES])
    }
}

impl<const AXES: usize> From<[usize; AXES]> for Extents<AXES> {
    fn from(extents: [usize; AXES]) -> Self {
        Self(extents)
    }
}

impl From<(usize, usize)> for Extents<2> {
    fn from((height, width): (usize, usize)) -> Self {
        Self([height, width])
    }
}

impl From<(usize, usize, usize)> for Extents<3> {
    fn from((depth, height, width): (usize, usize, usize)) -> Self {
        Self([depth, height, width])
    }
}

impl<const AXES: usize> From<Extents<AXES>> for Spatial<usize> {
    fn from(extents: Extents<AXES>) -> Self {
        extents.0.into()
    }
}

impl<const AXES: usize> Serialize for Extents<AXES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0)
    }
}

impl<'de, const AXES: usize> Deserialize<'de> for Extents<AXES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(usize),
            Many(Vec<usize>),
        }
        let [or_more, list] = match AXES {
            1 => ["one number", "one"],
            2 => ["one or two numbers", "two"],
            _ => ["one or three numbers", "three"],
        };
        match Form::deserialize(deserializer) {
            Ok(Form::One(all)) => Ok(all.into()),
            Ok(Form::Many(many)) => <[usize; AXES]>::try_from(many)
                .map(Self)
                .map_err(|many| Error::custom(format!("expected {or_more}, given {many:?}"))),
            Err(_) => Err(Error::custom(format!("expected a number or a list of {list}"))),
        }
    }
}

/// The treatment of the border of an image by a window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Padding {
    /// The window stays inside: `⌊(input − window) / stride⌋ + 1` positions.
    #[default]
    Valid,
    /// As many positions as `⌈input / stride⌉`; the input is padded on both sides, with an odd one
    /// after it.
    Same,
    /// As many places as `⌈input / stride⌉`; what is missing is added before, so that no output depends on a later input. For
    /// [`Conv1D`](crate::layers::Conv1D) alone.
    Causal,
    /// Another word, which is an error when the layer is used.
    Unknown(String),
}

impl Padding {
    /// How much is added before and after each axis of an image under a window of this size.
    pub(crate) fn amounts(
        &self,
        input: impl Into<Spatial<usize>>,
        window: impl Into<Spatial<usize>>,
        strides: impl Into<Spatial<usize>>,
        dilation: impl Into<Spatial<usize>>,
    ) -> Result<window::Padding, Mistake> {
        let (input, window) = (input.into(), window.into());
        let (strides, dilation) = (strides.into(), dilation.into());
        match self {
            Self::Valid => Ok(Spatial::splat(input.len(), [0, 0])),
            Self::Same => Ok(Spatial::from_fn(input.len(), |axis| {
                same(input[axis], span(window[axis], dilation[axis]), strides[axis])
            })),
            Self::Causal => Err(no_padding("causal", "\"valid\" or \"same\"")),
            Self::Unknown(word) => Err(no_padding(word, "\"valid\" or \"same\"")),
        }
    }

    /// As [`Padding::amounts`] for a layer that may be causal.
    pub(crate) fn causal_amounts(
        &self,
        input: Spatial<usize>,
        window: Spatial<usize>,
        strides: Spatial<usize>,
        dilation: Spatial<usize>,
    ) -> Result<window::Padding, Mistake> {
        match self {
            Self::Causal => Ok(Spatial::from_fn(input.len(), |axis| {
                [span(window[axis], dilation[axis]) - 1, 0]
            })),
            Self::Unknown(word) => Err(no_padding(word, "\"valid\", \"same\" or \"causal\"")),
            _ => self.amounts(input, window, strides, dilation),
        }
    }
}

fn no_padding(word: &str, known: &str) -> Mistake {
    Mistake::new(format!("there is no padding `{word}`")).help(format!("padding is {known}"))
}

/// From the first to the last tap of a window on one axis.
pub(crate) fn span(window: usize, dilation: usize) -> usize {
    window.saturating_sub(1).saturating_mul(dilation).saturating_add(1)
}

fn same(input: usize, span: usize, stride: usize) -> [usize; 2] {
    let positions = input.div_ceil(stride.max(1));
    let needed = positions.saturating_sub(1).saturating_mul(stride).saturating_add(span);
    let total = needed.saturating_sub(input);
    [total / 2, total - total / 2]
}

impl From<&str> for Padding {
    fn from(word: &str) -> Self {
        match word {
            "valid" => Self::Valid,
            "same" => Self::Same,
            "causal" => Self::Causal,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl From<String> for Padding {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<Padding> for String {
    fn from(padding: Padding) -> Self {
        match padding {
            Padding::Valid => "valid".to_owned(),
            Padding::Same => "same".to_owned(),
            Padding::Causal => "causal".to_owned(),
            Padding::Unknown(word) => word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_one_after() {
        assert_eq!(same(9, 3, 2), [1, 1]);
        assert_eq!(same(8, 3, 2), [0, 1]);
        assert_eq!(same(8, 2, 3), [0, 0]);
        assert_eq!(same(1, 3, 1), [1, 1]);
        let dilated = Padding::Same.amounts([8, 8], [3, 1], [1, 1], [2, 2]);
        assert_eq!(dilated, Ok([[2, 2], [0, 0]].into()));
    }
}
