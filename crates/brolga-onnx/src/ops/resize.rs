//! Images of another size, and images read between their pixels.

use brolga_ir::{DType, Data, Tensor, Type, Var};

use super::conv::{channels_first, channels_last, spatial};
use super::elementwise::round_to_even;
use super::pad::taken;
use crate::call::{Call, Outs, Sound, axis, elements, extent, extents, listed, mistake, one};
use crate::error::Fault;

/// How an axis is resized.
struct Axis<'a> {
    /// The extents before and after.
    input: usize,
    output: usize,
    scale: f64,
    /// The part of the axis that the output covers, of `tf_crop_and_resize`.
    roi: [f64; 2],
    /// How coordinates are transformed.
    transform: &'a str,
    kind: Kind<'a>,
    exclude_outside: bool,
}

/// How values between pixels are found.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Nearest(&'a str),
    Linear { antialias: bool },
    Cubic { a: f64, antialias: bool },
}

/// What an output reads: pixels with their weights, or nothing.
type Taps = Option<Vec<(usize, f64)>>;

impl Axis<'_> {
    /// The coordinate in the input of an output.
    fn coordinate(&self, output: usize) -> Result<f64, Fault> {
        let (at, input, scale) = (output as f64, self.input as f64, self.scale);
        let length = scale * input;
        Ok(match self.transform {
            "half_pixel" => (at + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if length == 1.0 => -0.5,
            "pytorch_half_pixel" => (at + 0.5) / scale - 0.5,
            "half_pixel_symmetric" => {
                let adjustment = self.output as f64 / length;
                input / 2.0 * (1.0 - adjustment) + (at + 0.5) / scale - 0.5
            }
            "align_corners" if length == 1.0 => 0.0,
            "align_corners" => at * (input - 1.0) / (length - 1.0),
            "asymmetric" => at / scale,
            "tf_crop_and_resize" => {
                let [start, end] = self.roi;
                let inside = if length == 1.0 {
                    (end - start) * (input - 1.0) / 2.0
                } else {
                    at * (end - start) * (input - 1.0) / (length - 1.0)
                };
                inside + start * (input - 1.0)
            }
            other => {
                return mistake(
                    format!("`coordinate_transformation_mode` is {other:?}"),
                    "it is one of those that ONNX defines",
                );
            }
        })
    }

    /// The weights of the pixels around a coordinate, from the lowest on.
    fn weights(&self, ratio: f64) -> Result<Vec<f64>, Fault> {
        Ok(match self.kind {
            Kind::Nearest(_) if ratio == 1.0 => vec![0.0, 1.0],
            Kind::Nearest(mode) => {
                let upper = match mode {
                    "round_prefer_floor" => ratio > 0.5,
                    "round_prefer_ceil" => ratio >= 0.5,
                    "floor" => false,
                    "ceil" => true,
                    other => {
                        return mistake(
                            format!("`nearest_mode` is {other:?}"),
                            "it is one of those that ONNX defines",
                        );
                    }
                };
                if upper { vec![0.0, 1.0] } else { vec![1.0, 0.0] }
            }
            Kind::Linear { antialias: false } => vec![1.0 - ratio, ratio],
            Kind::Linear { antialias: true } => {
                let scale = self.scale.min(1.0);
                let start = (-1.0 / scale).floor() as i64 + 1;
                let footprint = 2 - 2 * start;
                let hat = |at: i64| (1.0 - ((at as f64 - ratio) * scale).abs()).clamp(0.0, 1.0);
                normalized((start..start + footprint).map(hat).collect())
            }
            Kind::Cubic { a, antialias: false } => {
                (-1..3).map(|at| cubic(f64::from(at) - ratio, a)).collect()
            }
            Kind::Cubic { a, antialias: true } => {
                let scale = self.scale.min(1.0);
                let start = (-2.0 / scale).floor() as i64 + 1;
                let weight = |at: i64| cubic(scale * (at as f64 - ratio), a);
                normalized((start..2 - start).map(weight).collect())
            }
        })
    }

    /// What an output reads.
    fn taps(&self, output: usize) -> Result<Taps, Fault> {
        let at = self.coordinate(output)?;
        let last = self.input as f64 - 1.0;
        if self.transform == "tf_crop_and_resize" && !(0.0..=last).contains(&at) {
            return Ok(None);
        }
        let whole = at.floor();
        // A coordinate on a pixel is the upper end of the interval before it.
        let ratio = if at == whole { 1.0 } else { at - whole };
        let weights = self.weights(ratio)?;
        let count = weights.len() as i64;
        let first = if count % 2 == 0 {
            whole as i64 - count / 2 + i64::from(at != whole)
        } else {
            whole as i64 - (count - 1) / 2 + i64::from(at - whole > 0.5)
        };
        let outside = |place: i64| place < 0 || place > last as i64;
        let mut taps: Vec<(i64, f64)> = (first..).zip(weights).collect();
        if self.exclude_outside {
            taps.iter_mut().filter(|(place, _)| outside(*place)).for_each(|tap| tap.1 = 0.0);
            let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
            let sum = if sum == 0.0 { 1.0 } else { sum };
            taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
        }
        let clamped = |(place, weight): (i64, f64)| (place.clamp(0, last as i64) as usize, weight);
        Ok(Some(taps.into_iter().map(clamped).collect()))
    }

    /// x resized on an axis; where nothing is read, a value of its own.
    fn resize(&self, x: &Var, axis: usize, outside: f64) -> Result<Var, Fault> {
        let taps =
            (0..listed(self.output)?).map(|at| self.taps(at)).collect::<Result<Vec<Taps>, _>>()?;
        let single = |taps: &Taps| {
            let mut read = taps.as_ref()?.iter().filter(|(_, weight)| *weight != 0.0);
            let first = read.next().filter(|(_, weight)| *weight == 1.0)?;
            read.next().is_none().then_some(first.0 as i64)
        };
        if let Some(places) = taps.iter().map(single).collect::<Option<Vec<i64>>>() {
            return taken(x, axis, &places).sound();
        }
        if taps.len().saturating_mul(self.input) > 1 << 26 {
            return mistake(
                format!("an axis of {} resized to {}", self.input, self.output),
                "their product is at most 2^26",
            );
        }
        let mut matrix = vec![0.0; self.output * self.input];
        for (at, taps) in taps.iter().enumerate() {
            for (place, weight) in taps.iter().flatten() {
                matrix[at * self.input + place] += weight;
            }
        }
        let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let data = Data::from_f64(wide, &matrix);
        let weights = constant(x, &[self.output, self.input], data)?;
        let rank = x.shape().rank();
        let order: Vec<usize> = (0..rank).filter(|&at| at != axis).chain([axis]).collect();
        let moved = x.cast(wide).transpose(&order).sound()?;
        let rows = moved.shape()[..rank - 1].to_vec();
        let flat = moved.reshape([rows.iter().product::<usize>(), self.input]);
        let mut y = flat.matmul_with(&weights, false, true);
        if taps.iter().any(Option::is_none) {
            let inside: Vec<bool> = taps.iter().map(Option::is_some).collect();
            let inside = constant(x, &[self.output], Data::Bool(inside))?;
            y = inside.select(&y, &y.constant_like(outside));
        }
        let shape: Vec<usize> = rows.into_iter().chain([self.output]).collect();
        let back: Vec<usize> = (0..axis).chain([rank - 1]).chain(axis..rank - 1).collect();
        y.reshape(shape).transpose(&back).sound()
    }
}

fn constant(x: &Var, shape: &[usize], data: Data) -> Result<Var, Fault> {
    match Tensor::new(shape, data) {
        Some(tensor) => Ok(x.tracer().constant(tensor)),
        None => mistake(format!("a constant of shape {shape:?}"), "it has as many elements"),
    }
}

fn normalized(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Keys's cubic kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    match x {
        x if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
        _ => 0.0,
    }
}

/// x resized, on axes that are named, to scales or to sizes.
pub(crate) fn resize(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let axes = match call.ints("axes") {
        Some(axes) => axes.iter().map(|&v| axis(v, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let old = call.version < 11;
    let (roi, scales, sizes) = if old { (3, 1, 3) } else { (1, 2, 3) };
    let list = |operand: usize| -> Result<Vec<f64>, Fault> {
        if call.has(operand) { call.floats_of(operand) } else { Ok(vec![]) }
    };
    let scales = list(scales)?;
    let sizes = if old { vec![] } else { list(sizes)? };
    let roi = if old { vec![] } else { list(roi)? };
    let plan = plan(call, &x, &axes, &scales, &sizes)?;
    let mode = call.text("mode", "nearest")?;
    let antialias = call.flag("antialias", false);
    let kind = match mode {
        // Before opset 11 the nearest pixel is the one below.
        "nearest" if old => Kind::Nearest("floor"),
        "nearest" => Kind::Nearest(call.text("nearest_mode", "round_prefer_floor")?),
        "linear" | "bilinear" => Kind::Linear { antialias },
        "cubic" => Kind::Cubic { a: call.float("cubic_coeff_a", -0.75), antialias },
        other => {
            return mistake(
                format!("`mode` is {other:?}"),
                "it is \"nearest\", \"linear\" or \"cubic\"",
            );
        }
    };
    let default = if old { "asymmetric" } else { "half_pixel" };
    let transform = call.text("coordinate_transformation_mode", default)?;
    let given = axes.len();
    let mut y = x.clone();
    for (number, (&at, &(output, scale))) in axes.iter().zip(&plan).enumerate() {
        let roi = match roi.len() {
            count if count == 2 * given => [roi[number], roi[given + number]],
            _ => [0.0, 1.0],
        };
        let axis = Axis {
            input: x.shape()[at],
            output,
            scale,
            roi,
            transform,
            kind,
            exclude_outside: call.flag("exclude_outside", false),
        };
        let same = output == axis.input && (scale - 1.0).abs() < 1e-9 && roi == [0.0, 1.0];
        if !same {
            y = axis.resize(&y, at, call.float("extrapolation_value", 0.0))?;
        }
    }
    one(y.cast(x.dtype()))
}

/// The extent and the scale of each axis.
fn plan(
    call: &Call<'_>,
    x: &Var,
    axes: &[usize],
    scales: &[f64],
    sizes: &[f64],
) -> Result<Vec<(usize, f64)>, Fault> {
    let whole = |number: usize| x.shape()[axes[number]] as f64;
    if axes.iter().any(|&at| x.shape()[at] == 0) {
        return mistake(format!("{} is resized", x.ty()), "it has no pixels");
    }
    let size = |value: f64| extent(value as i64, "an extent");
    if scales.len() == axes.len() && !axes.is_empty() {
        if scales.iter().any(|scale| !scale.is_finite() || *scale <= 0.0) {
            return mistake(format!("scales {scales:?}"), "they are above 0");
        }
        let one = |number: usize| Ok((size(whole(number) * scales[number])?, scales[number]));
        return (0..axes.len()).map(one).collect();
    }
    if sizes.len() != axes.len() {
        return mistake(
            format!("{} scales and {} sizes", scales.len(), sizes.len()),
            format!("there are {} of either", axes.len()),
        );
    }
    let ratios: Vec<f64> = (0..axes.len()).map(|number| sizes[number] / whole(number)).collect();
    let common = match call.text("keep_aspect_ratio_policy", "stretch")? {
        "stretch" => None,
        "not_larger" => ratios.iter().copied().reduce(f64::min),
        "not_smaller" => ratios.iter().copied().reduce(f64::max),
        other => {
            return mistake(
                format!("`keep_aspect_ratio_policy` is {other:?}"),
                "it is \"stretch\", \"not_larger\" or \"not_smaller\"",
            );
        }
    };
    let one = |number: usize| match common {
        Some(scale) => Ok((size(scale * whole(number) + 0.5)?, scale)),
        None => Ok((size(sizes[number])?, ratios[number])),
    };
    (0..axes.len()).map(one).collect()
}

/// x repeated or interpolated by scales, as before opset 10.
pub(crate) fn upsample(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let scales = match call.attribute("scales") {
        Some(attribute) => attribute.floats.iter().map(|&scale| f64::from(scale)).collect(),
        None => call.floats_of(1)?,
    };
    let axes: Vec<usize> = (0..x.shape().rank()).collect();
    let plan = plan(call, &x, &axes, &scales, &[])?;
    let kind = match call.text("mode", "nearest")? {
        "nearest" => Kind::Nearest("floor"),
        _ => Kind::Linear { antialias: false },
    };
    let mut y = x.clone();
    for (&at, &(output, scale)) in axes.iter().zip(&plan) {
        let axis = Axis {
            input: x.shape()[at],
            output,
            scale,
            roi: [0.0, 1.0],
            transform: "asymmetric",
            kind,
            exclude_outside: false,
        };
        if output != axis.input {
            y = axis.resize(&y, at, 0.0)?;
        }
    }
    one(y.cast(x.dtype()))
}

/// The coordinates at which an affine map reads an image, from −1 to 1 on each axis.
pub(crate) fn affine_grid(call: &Call<'_>) -> Outs {
    let theta = call.var(0)?;
    let size = extents(&call.ints_of(1)?, "an extent")?;
    let corners = call.flag("align_corners", false);
    let [batch, _, spatial @ ..] = &size[..] else {
        return mistake(format!("a size of {size:?}"), "it is [batch, channels, ..]");
    };
    let axes = spatial.len();
    if theta.shape()[..] != [*batch, axes, axes + 1] || axes == 0 {
        return mistake(
            format!("maps {} for images {size:?}", theta.ty()),
            "they are [batch, axes, axes + 1]",
        );
    }
    let count = elements(spatial)?;
    let place = |axis: usize| {
        let extent = spatial[axis] as f64;
        let index = call.tracer().iota(Type::new(DType::F64, spatial.to_vec()), axis);
        if corners {
            index * (2.0 / (extent - 1.0).max(1.0)) - 1.0
        } else {
            index * (2.0 / extent) + (1.0 / extent - 1.0)
        }
    };
    // The last axis of the image is the first coordinate.
    let mut rows: Vec<Var> = (0..axes).rev().map(|axis| place(axis).reshape([1, count])).collect();
    rows.push(call.tracer().full(&Type::new(DType::F64, [1, count]), 1.0));
    let grid = super::shape::joined(&rows, 0)?.broadcast([*batch, axes + 1, count]);
    let y = theta.cast(DType::F64).matmul(&grid).transpose(&[0, 2, 1]).cast(theta.dtype());
    let shape: Vec<usize> = [*batch].iter().chain(spatial).chain(&[axes]).copied().collect();
    one(y.reshape(shape))
}

/// Where pixels beyond the border come from.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    Zeros,
    Border,
    Reflection,
}

/// x read at coordinates from −1 to 1 on each axis.
pub(crate) fn grid_sample(call: &Call<'_>) -> Outs {
    let (x, grid) = (call.var(0)?, call.var(1)?);
    let input = spatial(&x)?;
    let axes = input.len();
    let places = grid.shape().to_vec();
    let fits = places.len() == axes + 2
        && places[axes + 1] == axes
        && places[0] == x.shape()[0]
        && !input.contains(&0);
    if !fits {
        return mistake(
            format!("a grid {} for {}", grid.ty(), x.ty()),
            "it is [batch, places.., axes], one coordinate for each spatial axis",
        );
    }
    let corners = call.flag("align_corners", false);
    let beyond = match call.text("padding_mode", "zeros")? {
        "zeros" => Beyond::Zeros,
        "border" => Beyond::Border,
        "reflection" => Beyond::Reflection,
        other => {
            return mistake(
                format!("`padding_mode` is {other:?}"),
                "it is \"zeros\", \"border\" or \"reflection\"",
            );
        }
    };
    let mode = call.text("mode", "linear")?;
    let mut on_axes = Vec::new();
    for (axis, &extent) in input.iter().enumerate() {
        let own = super::shape::index(&grid, axes + 1, axes - 1 - axis).cast(DType::F64);
        on_axes.push(taps(&own, extent, corners, beyond, mode)?);
    }
    let y = sampled(&x.cast(DType::F64), &input, &places[..=axes], &on_axes)?;
    one(channels_first(&y).cast(x.dtype()))
}

/// A pixel on an axis for each place: its index, and its weight.
type Tap = (Var, Var);

/// The pixels that places read on one axis.
fn taps(
    at: &Var,
    extent: usize,
    corners: bool,
    beyond: Beyond,
    mode: &str,
) -> Result<Vec<Tap>, Fault> {
    let length = extent as f64;
    let coordinate =
        if corners { (at + 1.0) * 0.5 * (length - 1.0) } else { ((at + 1.0) * length - 1.0) * 0.5 };
    let [low, high] = if corners { [0.0, length - 1.0] } else { [-0.5, length - 0.5] };
    let coordinate = if mode == "nearest" { round_to_even(&coordinate) } else { coordinate };
    let coordinate = match beyond {
        Beyond::Zeros => coordinate,
        Beyond::Border => within(&coordinate, length),
        Beyond::Reflection => reflected(&coordinate, low, high),
    };
    let pixel = |index: &Var, weight: Var| match beyond {
        Beyond::Zeros => {
            let inside = index.eq(&within(index, length));
            (within(index, length), inside.select(&weight, &weight.constant_like(0.0)))
        }
        Beyond::Border => (within(index, length), weight),
        Beyond::Reflection => {
            let index = super::integers::truncate(&reflected(index, low, high));
            (within(&index, length), weight)
        }
    };
    let whole = coordinate.floor();
    let ratio = &coordinate - &whole;
    Ok(match mode {
        "nearest" => vec![pixel(&coordinate, coordinate.constant_like(1.0))],
        "linear" | "bilinear" => {
            vec![pixel(&whole, 1.0 - &ratio), pixel(&(&whole + 1.0), ratio)]
        }
        "cubic" | "bicubic" => (-1..3)
            .map(|tap| pixel(&(&whole + f64::from(tap)), cubic_of(&(f64::from(tap) - &ratio))))
            .collect(),
        other => {
            return mistake(
                format!("`mode` is {other:?}"),
                "it is \"nearest\", \"linear\" or \"cubic\"",
            );
        }
    })
}

fn within(x: &Var, extent: f64) -> Var {
    x.maximum(&x.constant_like(0.0)).minimum(&x.constant_like(extent - 1.0))
}

/// A coordinate turned back at each border that it passes.
fn reflected(x: &Var, low: f64, high: f64) -> Var {
    let range = high - low;
    if range <= 0.0 {
        return x.constant_like(low).broadcast(x.shape().clone());
    }
    let moved = x - low;
    let rest = &moved - (&moved / (2.0 * range)).floor() * (2.0 * range);
    rest.minimum(&(2.0 * range - &rest)) + low
}

/// Keys's cubic kernel with a = −0.75.
fn cubic_of(x: &Var) -> Var {
    const A: f64 = -0.75;
    let x = x.abs();
    let near = ((&x * (A + 2.0)) - (A + 3.0)) * &x * &x + 1.0;
    let far = ((&x * A - 5.0 * A) * &x + 8.0 * A) * &x - 4.0 * A;
    x.le(&x.constant_like(1.0)).select(&near, &far)
}

/// The weighted sum of the pixels that all combinations of taps read, channels last.
fn sampled(x: &Var, input: &[usize], places: &[usize], on_axes: &[Vec<Tap>]) -> Result<Var, Fault> {
    let (batch, channels) = (x.shape()[0], x.shape()[1]);
    let pixels: usize = input.iter().product();
    let table = channels_last(x).reshape([batch * pixels, channels]);
    let image = x.tracer().iota(Type::new(DType::F64, places), 0) * pixels as f64;
    let one_value = x.constant_like(1.0);
    let mut combined: Vec<Tap> = vec![(image, one_value)];
    let mut stride = pixels;
    for (axis, taps) in on_axes.iter().enumerate() {
        stride /= input[axis];
        let with = |(index, weight): &Tap| {
            let extended =
                taps.iter().map(|(more, factor)| (index + more * stride as f64, weight * factor));
            extended.collect::<Vec<_>>()
        };
        combined = combined.iter().flat_map(with).collect();
    }
    let wide: Vec<usize> = places.iter().copied().chain([1]).collect();
    let read = combined.iter().map(|(index, weight)| {
        let weight =
            if weight.shape().rank() == 0 { weight.clone() } else { weight.reshape(wide.clone()) };
        table.gather(&index.cast(DType::I64)) * weight
    });
    match read.reduce(|sum, part| sum + part) {
        Some(sum) => sum.sound(),
        None => mistake("an image without axes", "it has one to three"),
    }
}
