//! Poolings.

use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::MAX_SPATIAL;
use brolga_ir::{DType, Type, Var};

use super::conv::{MAX_STEP, Steps, channels_first, channels_last, list, of_axes, spatial, steps};
use super::pad::with_value;
use crate::call::{Call, Outs, Sound, elements, extents, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::value::Value;

/// A window over padded images: for each of its taps what it reads.
struct Taps {
    /// What a tap reads for each output, taps in row-major order.
    parts: Vec<Var>,
    steps: Steps,
    outputs: Vec<usize>,
    input: Vec<usize>,
}

/// The most taps of a window that is written out, part by part.
const MAX_TAPS: usize = 1 << 12;

/// The steps of a pooling, with padding after the images that `ceil_mode` asks for.
fn pooling(call: &Call<'_>, x: &Var) -> Result<(Steps, Vec<usize>, Vec<usize>), Fault> {
    let input = spatial(x)?;
    let Some(window) = call.ints("kernel_shape") else {
        return mistake("`kernel_shape` is missing", "a pooling has a window");
    };
    let window = extents(window, "`kernel_shape`")?;
    let fits = |extent: &usize| (1..=MAX_STEP).contains(extent);
    if window.len() != input.len() || !window.iter().all(fits) {
        return mistake(
            format!("`kernel_shape` is {window:?}, the images are {}", x.ty()),
            "it has one number, from 1 to 2^31, for each spatial axis",
        );
    }
    let mut steps = steps(call, &input, window)?;
    let ceil = call.flag("ceil_mode", false);
    let mut outputs = Vec::new();
    for (axis, &extent) in input.iter().enumerate() {
        outputs.push(steps.outputs(axis, extent, ceil)?);
    }
    Ok((steps, outputs, input))
}

impl Steps {
    /// The extent of a window with its gaps.
    fn span(&self, axis: usize) -> i64 {
        (self.window[axis] as i64 - 1).saturating_mul(self.dilations[axis] as i64) + 1
    }

    /// The outputs on an axis. With `ceil` the last window may end beyond the padding, which grows
    /// by that; it never begins there.
    fn outputs(&mut self, axis: usize, input: usize, ceil: bool) -> Result<usize, Fault> {
        let [before, after] = self.padding[axis];
        let (span, stride) = (self.span(axis), self.strides[axis] as i64);
        let room = input as i64 + before + after - span;
        if room < 0 && !ceil {
            return mistake(
                format!("a window of {span} is larger than its input of {input} with padding"),
                "make the window smaller, or the input larger",
            );
        }
        let mut outputs = room.div_euclid(stride) + 1;
        if ceil && room.rem_euclid(stride) != 0 && outputs * stride < input as i64 + before {
            outputs += 1;
        }
        let missing = (outputs - 1) * stride + span - input as i64 - before;
        self.padding[axis][1] = after.max(missing);
        crate::call::extent(outputs, "the number of windows")
    }
}

impl Taps {
    /// The parts of x that each tap of its windows reads; `outside` is what it reads in the padding.
    fn of(x: &Var, steps: Steps, outputs: Vec<usize>, outside: &Var) -> Result<Self, Fault> {
        let input = spatial(x)?;
        let taps = steps.window.iter().try_fold(1_usize, |all, &one| all.checked_mul(one));
        if taps.is_none_or(|taps| taps > MAX_TAPS) {
            return too_large(&steps);
        }
        let mut parts = vec![padded(x, &steps, outside)?];
        for (axis, &outputs) in outputs.iter().enumerate() {
            let mut next = Vec::new();
            for part in &parts {
                for tap in 0..steps.window[axis] {
                    next.push(strided(part, tap, &steps, axis, outputs)?);
                }
            }
            parts = next;
        }
        Ok(Self { parts, steps, outputs, input })
    }
}

/// What all taps of a window read, combined on one axis after the other.
fn combined(
    x: &Var,
    steps: &Steps,
    outputs: &[usize],
    outside: &Var,
    combine: impl Fn(&Var, &Var) -> Var,
) -> Result<Var, Fault> {
    let mut y = padded(x, steps, outside)?;
    for (axis, &outputs) in outputs.iter().enumerate() {
        if steps.window[axis] > MAX_TAPS {
            return too_large(steps);
        }
        let first = strided(&y, 0, steps, axis, outputs)?;
        let mut all = first;
        for tap in 1..steps.window[axis] {
            all = combine(&all, &strided(&y, tap, steps, axis, outputs)?);
        }
        y = all;
    }
    Ok(y)
}

/// x with its padding, in which taps read something else.
fn padded(x: &Var, steps: &Steps, outside: &Var) -> Result<Var, Fault> {
    let mut padded = x.clone();
    for (axis, around) in steps.padding.iter().enumerate() {
        let around = extents(around, "padding")?;
        padded = with_value(&padded, axis + 2, [around[0], around[1]], outside).sound()?;
    }
    Ok(padded)
}

fn too_large<T>(steps: &Steps) -> Result<T, Fault> {
    mistake(
        format!("a window of {:?}", steps.window),
        format!("with dilations, `ceil_mode` or indices at most {MAX_TAPS} taps are read"),
    )
}

/// What one tap reads on an axis for each output.
fn strided(x: &Var, tap: usize, steps: &Steps, axis: usize, outputs: usize) -> Result<Var, Fault> {
    let at = axis + 2;
    let rank = x.shape().rank();
    let (mut starts, mut limits, mut strides) = (vec![0; rank], x.shape().to_vec(), vec![1; rank]);
    let start = tap.saturating_mul(steps.dilations[axis]);
    starts[at] = start;
    let last = outputs.saturating_sub(1).saturating_mul(steps.strides[axis]);
    limits[at] = start.saturating_add(last).saturating_add(usize::from(outputs > 0));
    strides[at] = steps.strides[axis];
    x.slice(&starts, &limits, &strides).sound()
}

/// The least number of an element type.
fn least(x: &Var) -> Var {
    let value = match x.dtype() {
        dtype if dtype.is_float() => f64::NEG_INFINITY,
        dtype => ElementType::of_dtype(dtype).range().map_or(0.0, |(least, _)| least as f64),
    };
    x.constant_like(value)
}

/// Whether the IR's poolings have this form.
fn is_plain(steps: &Steps, outputs: &[usize], input: &[usize]) -> bool {
    let fits = |axis: usize| {
        let [before, after] = steps.padding[axis];
        let window = steps.window[axis] as i64;
        let total = input[axis] as i64 + before + after;
        steps.dilations[axis] == 1
            && (0..window).contains(&before)
            && (0..window).contains(&after)
            && (total - window) / steps.strides[axis] as i64 + 1 == outputs[axis] as i64
    };
    (0..input.len()).all(fits) && !input.contains(&0) && input.len() <= MAX_SPATIAL
}

/// The maximum of each window, and its offset in the images.
pub(crate) fn max_pool(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let (steps, outputs, input) = pooling(call, &x)?;
    if !call.gives(1) && is_plain(&steps, &outputs, &input) {
        return one(channels_first(&channels_last(&x).max_pool(pool(&steps)?).sound()?));
    }
    let outside = least(&x);
    let y = combined(&x, &steps, &outputs, &outside, Var::maximum)?;
    if !call.gives(1) {
        return one(y);
    }
    let taps = Taps::of(&x, steps, outputs, &outside)?;
    let indices = maxima(call, &x, &taps, &y)?;
    Ok(vec![y.into(), Value::traced(ElementType::I64, indices).into()])
}

/// The offsets of the maxima in the whole tensor; with `storage_order` columns come first.
fn maxima(call: &Call<'_>, x: &Var, taps: &Taps, y: &Var) -> Result<Var, Fault> {
    let by_columns = call.int("storage_order", 0) == 1;
    let axes = taps.input.len();
    let mut strides = vec![1; axes];
    let order: Vec<usize> =
        if by_columns { (0..axes).collect() } else { (0..axes).rev().collect() };
    let mut stride = 1;
    for &axis in &order {
        strides[axis] = stride;
        stride *= taps.input[axis];
    }
    let place = |axis: usize| x.tracer().iota(Type::new(DType::I64, x.shape().clone()), axis);
    let mut offsets = (place(0) * x.shape()[1] as f64 + place(1)) * stride as f64;
    for (axis, &stride) in strides.iter().enumerate() {
        offsets = offsets + place(axis + 2) * stride as f64;
    }
    let outside = offsets.constant_like(-1.0);
    let read = Taps::of(&offsets, taps.steps.clone(), taps.outputs.clone(), &outside)?;
    // Of equal maxima the first one counts, so the last ones are looked at first.
    let pairs = taps.parts.iter().zip(&read.parts).rev();
    Ok(pairs.fold(outside.broadcast(y.shape().clone()), |found, (part, offset)| {
        let wins = part.eq(y).logical_and(&offset.ge(&offset.constant_like(0.0)));
        wins.select(offset, &found)
    }))
}

fn pool(steps: &Steps) -> Result<Pooling, Fault> {
    let window = steps.window()?;
    Ok(Pooling::new(of_axes(&steps.window)?, window.strides, window.padding))
}

/// The mean of each window; taps in the padding count if an attribute says so.
pub(crate) fn average_pool(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let (steps, outputs, input) = pooling(call, &x)?;
    let include = call.flag("count_include_pad", false);
    let ceil = call.flag("ceil_mode", false);
    if !ceil && is_plain(&steps, &outputs, &input) {
        return one(channels_first(&channels_last(&x).avg_pool(pool(&steps)?, include).sound()?));
    }
    // `ceil_mode` may have added padding, which never counts.
    let declared = super::conv::steps(call, &input, steps.window.clone())?.padding;
    let zero = x.constant_like(0.0);
    let ones = counted(&x, include, &declared)?;
    let around = beyond(&steps, &declared, include);
    let count = combined(&ones, &around, &outputs, &zero, |a, b| a + b)?;
    let sum = combined(&x, &steps, &outputs, &zero, |a, b| a + b)?;
    one(sum / count)
}

/// Ones where a tap counts: in the image, and with `include` in the declared padding too.
fn counted(x: &Var, include: bool, declared: &[[i64; 2]]) -> Result<Var, Fault> {
    let mut shape = x.shape().to_vec();
    (shape[0], shape[1]) = (1, 1);
    if include {
        for (axis, padding) in declared.iter().enumerate() {
            let more = extents(padding, "padding")?;
            shape[axis + 2] += more[0] + more[1];
        }
    }
    Ok(x.tracer().full(&Type::new(x.dtype(), shape), 1.0))
}

/// The padding around what [`counted`] gives.
fn beyond(steps: &Steps, declared: &[[i64; 2]], include: bool) -> Steps {
    let mut steps = steps.clone();
    if include {
        for (padding, declared) in steps.padding.iter_mut().zip(declared) {
            *padding = [padding[0] - declared[0], padding[1] - declared[1]];
        }
    }
    steps
}

/// The p-norm of each window.
pub(crate) fn lp_pool(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let (steps, outputs, _) = pooling(call, &x)?;
    let p = call.int("p", 2) as f64;
    let powers = power(&x.abs(), p);
    let sum = combined(&powers, &steps, &outputs, &x.constant_like(0.0), |a, b| a + b)?;
    one(power(&sum, 1.0 / p))
}

/// xᵖ for x from 0 on.
fn power(x: &Var, p: f64) -> Var {
    match p {
        1.0 => x.clone(),
        2.0 => x * x,
        0.5 => x.sqrt(),
        p => x.pow(&x.constant_like(p)),
    }
}

/// The spatial axes.
fn all_spatial(x: &Var) -> Result<Vec<usize>, Fault> {
    let rank = x.shape().rank();
    if rank < 3 {
        return mistake(format!("the operand is {}", x.ty()), "it is images [batch, channels, ..]");
    }
    Ok((2..rank).collect())
}

/// The mean of each channel of an image.
pub(crate) fn global_average_pool(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    one(x.reduce_mean(&all_spatial(&x)?, true))
}

/// The maximum of each channel of an image.
pub(crate) fn global_max_pool(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    one(x.reduce_max(&all_spatial(&x)?, true))
}

/// The p-norm of each channel of an image.
pub(crate) fn global_lp_pool(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let p = call.int("p", 2) as f64;
    let sum = power(&x.abs(), p).reduce_sum(&all_spatial(&x)?, true);
    one(power(&sum, 1.0 / p))
}

/// Maxima at their offsets in a larger image, zeros elsewhere.
pub(crate) fn max_unpool(call: &Call<'_>) -> Outs {
    let (x, indices) = (call.var(0)?, call.var(1)?);
    let input = spatial(&x)?;
    let axes = input.len();
    let window = list(call, "kernel_shape", axes, 1)?;
    let strides = list(call, "strides", axes, 1)?;
    let pads = super::conv::pads(call, axes)?;
    let inferred = |axis: usize| {
        let moved = (input[axis] as i64 - 1).saturating_mul(strides[axis] as i64);
        let whole = moved.saturating_add(window[axis] as i64);
        whole.saturating_sub(pads[axis].iter().sum::<i64>())
    };
    let inferred: Vec<i64> = (0..axes).map(inferred).collect();
    let inferred = extents(&inferred, "an extent")?;
    let mut own = x.shape()[..2].to_vec();
    own.extend(&inferred);
    let shape = match call.maybe_ints_of(2)? {
        Some(shape) => extents(&shape, "an extent")?,
        None => own.clone(),
    };
    let count = x.shape().elements();
    let elements = elements(&own)?;
    let flat = x.reshape([count]).scatter_add(&indices.reshape([count]), elements);
    let y = flat.reshape(own.clone());
    let fits = shape.len() == own.len() && shape.iter().zip(&own).all(|(all, part)| all >= part);
    if !fits {
        return mistake(
            format!("an output of {shape:?}, the windows make {own:?}"),
            "it has as many axes, and no extent is smaller",
        );
    }
    let high: Vec<usize> = shape.iter().zip(&own).map(|(all, part)| all - part).collect();
    one(y.pad(&vec![0; own.len()], &high))
}
