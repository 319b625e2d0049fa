//! Argument types that several layers share.

use brolga_ir::Mistake;
use brolga_ir::ops::window::{self, Spatial};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Two extents, (height, width). A single number stands for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pair(pub [usize; 2]);

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self([both, both])
    }
}

impl From<(usize, usize)> for Pair {
    fn from((height, width): (usize, usize)) -> Self {
        Self([height, width])
    }
}

impl From<[usize; 2]> for Pair {
    fn from(pair: [usize; 2]) -> Self {
        Self(pair)
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(usize),
            Many(Vec<usize>),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::One(both)) => Ok(both.into()),
            Ok(Form::Many(many)) => match many[..] {
                [height, width] => Ok(Self([height, width])),
                _ => Err(Error::custom(format!("expected one or two numbers, given {many:?}"))),
            },
            Err(_) => Err(Error::custom("expected a number or a list of two")),
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
                let span =
                    window[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
                same(input[axis], span, strides[axis])
            })),
            Self::Unknown(word) => Err(Mistake::new(format!("there is no padding `{word}`"))
                .help("padding is \"valid\" or \"same\"")),
        }
    }
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
