//! What the layers share that pad and crop sequences, images and volumes.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Two numbers for each of `AXES` spatial axes, before and after it:
/// `[[top, bottom], [left, right]]`. A number for each axis stands for both of its sides, a single
/// number for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides<const AXES: usize>(pub [[usize; 2]; AXES]);

impl<const AXES: usize> From<usize> for Sides<AXES> {
    fn from(all: usize) -> Self {
        Self([[all; 2]; AXES])
    }
}

impl<const AXES: usize> From<[[usize; 2]; AXES]> for Sides<AXES> {
    fn from(sides: [[usize; 2]; AXES]) -> Self {
        Self(sides)
    }
}

impl From<(usize, usize)> for Sides<1> {
    fn from((before, after): (usize, usize)) -> Self {
        Self([[before, after]])
    }
}

impl From<(usize, usize)> for Sides<2> {
    fn from((height, width): (usize, usize)) -> Self {
        Self([[height; 2], [width; 2]])
    }
}

impl From<((usize, usize), (usize, usize))> for Sides<2> {
    fn from((height, width): ((usize, usize), (usize, usize))) -> Self {
        Self([height.into(), width.into()])
    }
}

impl From<(usize, usize, usize)> for Sides<3> {
    fn from((depth, height, width): (usize, usize, usize)) -> Self {
        Self([[depth; 2], [height; 2], [width; 2]])
    }
}

/// A pair of one axis, a list of pairs of several.
impl<const AXES: usize> Serialize for Sides<AXES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [only] => serializer.collect_seq(only),
            all => serializer.collect_seq(all),
        }
    }
}

impl<'de, const AXES: usize> Deserialize<'de> for Sides<AXES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(usize),
            Flat(Vec<usize>),
            Pairs(Vec<[usize; 2]>),
        }
        let expected = match AXES {
            1 => "a number, or two for both sides".to_owned(),
            _ => format!("a number, {AXES} numbers, or {AXES} pairs for both sides"),
        };
        let wrong = || Error::custom(format!("expected {expected}"));
        match Form::deserialize(deserializer).map_err(|_| wrong())? {
            Form::One(all) => Ok(all.into()),
            Form::Flat(flat) if AXES == 1 => match flat[..] {
                [before, after] => Ok(Self([[before, after]; AXES])),
                _ => Err(wrong()),
            },
            Form::Flat(flat) => match <[usize; AXES]>::try_from(flat) {
                Ok(axes) => Ok(Self(axes.map(|both| [both; 2]))),
                Err(_) => Err(wrong()),
            },
            Form::Pairs(pairs) => {
                <[[usize; 2]; AXES]>::try_from(pairs).map(Self).map_err(|_| wrong())
            }
        }
    }
}
