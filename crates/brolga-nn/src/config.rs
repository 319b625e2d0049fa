//! Argument types that several layers share.

use brolga_ir::ops::window::{self, Spatial};
use brolga_ir::{Data, Mistake, Shape, Tensor, Type, Var};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number for each of `AXES` spatial axes, the outermost first: (height, width). A single number
/// stands for all.
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

/// One axis; a negative number counts from the end. −1, the last one, by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Axis(pub i64);

impl Default for Axis {
    fn default() -> Self {
        Self(-1)
    }
}

impl From<i64> for Axis {
    fn from(axis: i64) -> Self {
        Self(axis)
    }
}

impl Axis {
    /// The index of this axis of a shape.
    ///
    /// # Errors
    /// If the shape does not have it.
    pub fn of(self, shape: &Shape) -> Result<usize, Mistake> {
        axis_index(self.0, shape)
    }
}

/// One value or several: in configs the value or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// Several values.
    Many(Vec<T>),
}

impl<T> From<T> for OneOrMany<T> {
    fn from(one: T) -> Self {
        Self::One(one)
    }
}

impl<T, const N: usize> From<[T; N]> for OneOrMany<T> {
    fn from(many: [T; N]) -> Self {
        Self::Many(many.into())
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(many: Vec<T>) -> Self {
        Self::Many(many)
    }
}

impl<T> OneOrMany<T> {
    /// All values.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// One axis or several; negative numbers count from the end, −1 is the last axis.
pub type Axes = OneOrMany<i64>;

impl Axes {
    /// The indices of these axes of a shape, ascending.
    ///
    /// # Errors
    /// If the shape does not have one of them, or one is given twice.
    pub fn of(&self, shape: &Shape) -> Result<Vec<usize>, Mistake> {
        let indices = self.as_slice().iter().map(|&axis| axis_index(axis, shape));
        let mut indices = indices.collect::<Result<Vec<_>, _>>()?;
        indices.sort_unstable();
        match indices.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(indices),
            Some(pair) => {
                let message = format!("axis {} of shape {shape} is given twice", pair[0]);
                Err(Mistake::new(message).help("name each axis once"))
            }
        }
    }
}

/// One number for all channels, or one for each: the last axis counts the channels.
pub type PerChannel = OneOrMany<f64>;

impl PerChannel {
    /// Fails if there is not one number for each channel of the input.
    pub(crate) fn check(&self, what: &str, input: &Type) -> Result<(), Mistake> {
        let channels = input.shape.get(1..).unwrap_or_default().last();
        let Self::Many(numbers) = self else { return Ok(()) };
        if channels == Some(&numbers.len()) {
            return Ok(());
        }
        let count = numbers.len();
        let message = match channels {
            Some(channels) => format!("{what} is for {count} channels, the input has {channels}"),
            None => format!("{what} is for {count} channels, the input has no axis of channels"),
        };
        Err(Mistake::new(message).help("give one number, or one for each channel of the last axis"))
    }

    /// A constant that broadcasts over x.
    pub(crate) fn constant(&self, x: &Var) -> Var {
        match self {
            Self::One(number) => x.constant_like(*number),
            Self::Many(numbers) => {
                let values = Data::from_f64(x.dtype(), numbers);
                let tensor = Tensor::new([numbers.len()], values);
                x.tracer().constant(tensor.expect("as many values as the shape has"))
            }
        }
    }
}

/// The index of an axis of a shape; a negative one counts from the end.
pub(crate) fn axis_index(axis: i64, shape: &Shape) -> Result<usize, Mistake> {
    let rank = shape.rank() as i64;
    let index = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if (0..rank).contains(&index) {
        return Ok(index as usize);
    }
    let help = match rank {
        0 => "it has no axes".to_owned(),
        1 => "its axis is 0, or -1 from the end".to_owned(),
        _ => format!("its axes are 0 to {}, or -{rank} to -1 from the end", rank - 1),
    };
    Err(Mistake::new(format!("shape {shape} has no axis {axis}")).help(help))
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
    /// As many places as `⌈input / stride⌉`; what is missing is added before, so that no output
    /// depends on a later input. For [`Conv1D`](crate::layers::Conv1D) alone.
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
    fn axes_count_from_both_ends() {
        let shape = Shape::from([2, 3, 4]);
        let of = |axes: Axes| axes.of(&shape).map_err(|mistake| mistake.to_string());
        assert_eq!(of(1.into()), Ok(vec![1]));
        assert_eq!(of([-1, 0].into()), Ok(vec![0, 2]));
        assert_eq!(of(vec![].into()), Ok(vec![]));
        insta::assert_snapshot!(of((-4).into()).expect_err("a mistake"), @"
        shape [2,3,4] has no axis -4
          help: its axes are 0 to 2, or -3 to -1 from the end
        ");
        insta::assert_snapshot!(of([2, -1].into()).expect_err("a mistake"), @"
        axis 2 of shape [2,3,4] is given twice
          help: name each axis once
        ");
        assert!(axis_index(0, &Shape::scalar()).is_err());
        assert_eq!(serde_json::to_string(&Axes::from(0)).ok().as_deref(), Some("0"));
        assert_eq!(serde_json::from_str::<Axes>("[0, 1]").ok(), Some([0, 1].into()));
    }

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
