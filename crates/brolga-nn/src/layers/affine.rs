//! Images moved, turned and stretched: values of an image between its pixels and beyond its border.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::resampling::Interpolation;
use crate::arguments::Numbers;
use crate::trace::Call;

/// What lies beyond the border of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum FillMode {
    /// The image in a mirror at its edge: `d c b a | a b c d | d c b a`.
    Reflect,
    /// The image again: `a b c d | a b c d | a b c d`.
    Wrap,
    /// The same value everywhere.
    Constant,
    /// The pixel at the edge: `a a a a | a b c d | d d d d`.
    Nearest,
    /// Another word, which is an error when the layer is built.
    Unknown(String),
}

impl From<&str> for FillMode {
    fn from(word: &str) -> Self {
        match word {
            "reflect" => Self::Reflect,
            "wrap" => Self::Wrap,
            "constant" => Self::Constant,
            "nearest" => Self::Nearest,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl From<String> for FillMode {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<FillMode> for String {
    fn from(mode: FillMode) -> Self {
        match mode {
            FillMode::Reflect => "reflect".to_owned(),
            FillMode::Wrap => "wrap".to_owned(),
            FillMode::Constant => "constant".to_owned(),
            FillMode::Nearest => "nearest".to_owned(),
            FillMode::Unknown(word) => word,
        }
    }
}

/// The range from which a random factor is drawn. One number `f` stands for `−f` to `f`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Factor {
    /// From its negative to this number.
    One(f64),
    /// From the lesser to the greater number.
    Range([f64; 2]),
}

impl From<f64> for Factor {
    fn from(most: f64) -> Self {
        Self::One(most)
    }
}

impl From<(f64, f64)> for Factor {
    fn from((lower, upper): (f64, f64)) -> Self {
        Self::Range([lower, upper])
    }
}

impl From<[f64; 2]> for Factor {
    fn from(range: [f64; 2]) -> Self {
        Self::Range(range)
    }
}

impl Numbers for Factor {
    fn numbers(&self) -> Vec<f64> {
        match self {
            Self::One(most) => vec![*most],
            Self::Range(range) => range.to_vec(),
        }
    }
}

impl Factor {
    /// The least and the greatest number.
    pub(super) fn bounds(self) -> [f64; 2] {
        match self {
            Self::One(most) => [-most.abs(), most.abs()],
            Self::Range([a, b]) => [a.min(b), a.max(b)],
        }
    }

    /// A number for each of the samples of `x`, from `[lower, upper)`: `[batch, 1, 1]`.
    pub(super) fn draw(self, call: &mut Call<'_>, x: &Var) -> Var {
        let batch = x.shape().first().copied().unwrap_or(1);
        between(call, &Type::new(x.dtype(), [batch, 1, 1]), self.bounds())
    }
}

/// Random numbers from `[lower, upper)`.
pub(super) fn between(call: &mut Call<'_>, ty: &Type, [lower, upper]: [f64; 2]) -> Var {
    call.random_uniform(ty) * (upper - lower) + lower
}

/// How values of an image are found between its pixels and beyond its border.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling<'a> {
    pub(super) mode: &'a FillMode,
    pub(super) value: f64,
    pub(super) interpolation: &'a Interpolation,
}

impl Sampling<'_> {
    /// Fails if there is no such mode or interpolation.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        if let FillMode::Unknown(word) = self.mode {
            return Err(Mistake::new(format!("there is no fill_mode `{word}`"))
                .help("there are reflect, wrap, constant, nearest"));
        }
        match self.interpolation {
            Interpolation::Nearest | Interpolation::Bilinear => Ok(()),
            other => {
                let word = String::from(other.clone());
                Err(Mistake::new(format!("there is no interpolation `{word}`"))
                    .help("there are nearest, bilinear"))
            }
        }
    }

    /// The images whose pixel (row, column) is that of `x` at (`rows`, `columns`), each
    /// `[batch, height, width]` and not rounded.
    pub(super) fn sample(&self, x: &Var, [rows, columns]: [&Var; 2]) -> Var {
        if *self.interpolation == Interpolation::Nearest {
            return self.tap(x, &(rows + 0.5).floor(), &(columns + 0.5).floor());
        }
        let (top, left) = (rows.floor(), columns.floor());
        let (down, right) = (spread(&(rows - &top)), spread(&(columns - &left)));
        let line = |row: &Var| {
            let [a, b] = [self.tap(x, row, &left), self.tap(x, row, &(&left + 1.0))];
            &a + (b - &a) * &right
        };
        let [a, b] = [line(&top), line(&(&top + 1.0))];
        &a + (b - &a) * &down
    }

    /// The pixels at these rows and columns, which are whole numbers.
    fn tap(&self, x: &Var, rows: &Var, columns: &Var) -> Var {
        let &[batch, height, width, channels] = &x.shape()[..] else { return x.clone() };
        let [row, column] = [self.inside(rows, height), self.inside(columns, width)];
        let pixels = gathered(x, [&row.cast(DType::I32), &column.cast(DType::I32)]);
        if *self.mode != FillMode::Constant || [batch, height, width, channels].contains(&0) {
            return pixels;
        }
        let is_inside = row.eq(rows).logical_and(&column.eq(columns));
        spread(&is_inside).select(&pixels, &x.constant_like(self.value))
    }

    /// Places on an axis of an image of this extent, of which some are beyond its border, as places
    /// within.
    fn inside(&self, places: &Var, extent: usize) -> Var {
        let (extent, zero) = (extent as f64, places.constant_like(0.0));
        let modulo = |period: f64| places - (places / period).floor() * period;
        let found = match self.mode {
            FillMode::Wrap => modulo(extent),
            FillMode::Reflect => {
                let place = modulo(2.0 * extent);
                let mirrored = (2.0 * extent - 1.0) - &place;
                place.minimum(&mirrored)
            }
            _ => places.clone(),
        };
        found.maximum(&zero).minimum(&places.constant_like(extent - 1.0))
    }
}

/// A value for each pixel as one for each of its channels.
fn spread(x: &Var) -> Var {
    x.reshape(x.shape().iter().copied().chain([1]).collect::<Vec<_>>())
}

/// The pixels of `x: [batch, height, width, channels]` at rows and columns of `i32` that broadcast
/// to `[batch, height′, width′]`.
pub(super) fn gathered(x: &Var, [rows, columns]: [&Var; 2]) -> Var {
    let &[batch, height, width, channels] = &x.shape()[..] else { return x.clone() };
    let pixels = batch.saturating_mul(height).saturating_mul(width);
    let dtype = if i32::try_from(pixels).is_ok() { DType::I32 } else { DType::I64 };
    let image = x.tracer().iota(Type::new(dtype, [batch, 1, 1]), 0);
    let row = image * height as f64 + rows.cast(dtype);
    let pixel = row * width as f64 + columns.cast(dtype);
    x.reshape([batch * height * width, channels]).gather(&pixel)
}

/// The images whose pixel (x, y) is that of the images at `(a₀·x + a₁·y + a₂, b₀·x + b₁·y + b₂)`,
/// where each number of the map is `[batch, 1, 1]`.
pub(super) fn transformed(x: &Var, [a, b]: [[Var; 3]; 2], sampling: Sampling<'_>) -> Var {
    let &[_, height, width, _] = &x.shape()[..] else { return x.clone() };
    let column = x.tracer().iota(Type::new(x.dtype(), [1, 1, width]), 2);
    let row = x.tracer().iota(Type::new(x.dtype(), [1, height, 1]), 1);
    let [columns, rows] = [a, b].map(|[of_x, of_y, offset]| of_x * &column + of_y * &row + offset);
    sampling.sample(x, [&rows, &columns])
}

/// The sine and the cosine of angles that are given as parts of a turn.
pub(super) fn sine_and_cosine(turns: &Var) -> [Var; 2] {
    let quarter = (turns * 4.0 + 0.5).floor();
    // At most an eighth of a turn is left, where few terms of the series are enough.
    let angle = (turns - &quarter * 0.25) * std::f64::consts::TAU;
    let square = &angle * &angle;
    let series = |divisors: &[f64]| {
        let one = square.constant_like(1.0);
        divisors.iter().rev().fold(one.clone(), |rest, &by| &one - &square * rest / by)
    };
    let sine = angle * series(&[6.0, 20.0, 42.0, 72.0]);
    let cosine = series(&[2.0, 12.0, 30.0, 56.0, 90.0]);
    let quarter = &quarter - (&quarter * 0.25).floor() * 4.0;
    let is = |quarters: f64| quarter.eq(&quarter.constant_like(quarters));
    let is_odd = is(1.0).logical_or(&is(3.0));
    let [s, c] = [is_odd.select(&cosine, &sine), is_odd.select(&sine, &cosine)];
    let sine = is(2.0).logical_or(&is(3.0)).select(&-&s, &s);
    let cosine = is(1.0).logical_or(&is(2.0)).select(&-&c, &c);
    [sine, cosine]
}
