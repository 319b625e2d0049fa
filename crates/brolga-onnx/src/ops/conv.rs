//! Convolutions. ONNX has channels before the spatial axes, the IR after them.

use brolga_ir::ops::window::{MAX_SPATIAL, Spatial, Window};
use brolga_ir::{DType, Type, Var};

use crate::call::{Call, Outs, Sound, elements, extent, extents, mistake, one};
use crate::error::Fault;

/// [batch, channels, spatial..] as [batch, spatial.., channels].
pub(crate) fn channels_last(x: &Var) -> Var {
    let rank = x.shape().rank();
    x.transpose(&[0].into_iter().chain(2..rank).chain([1]).collect::<Vec<_>>())
}

/// [batch, spatial.., channels] as [batch, channels, spatial..].
pub(crate) fn channels_first(x: &Var) -> Var {
    let rank = x.shape().rank();
    x.transpose(&[0, rank - 1].into_iter().chain(1..rank - 1).collect::<Vec<_>>())
}

/// The extents of images: batch, channels, and one to three spatial ones.
pub(crate) fn spatial(x: &Var) -> Result<Vec<usize>, Fault> {
    match &x.shape()[..] {
        [_, _, spatial @ ..] if (1..=MAX_SPATIAL).contains(&spatial.len()) => Ok(spatial.to_vec()),
        _ => mistake(
            format!("the operand is {}", x.ty()),
            "it is images [batch, channels, ..] with one to three spatial axes",
        ),
    }
}

/// The attributes of a window, one value for each spatial axis.
#[derive(Clone)]
pub(crate) struct Steps {
    pub(crate) window: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) dilations: Vec<usize>,
    pub(crate) padding: Vec<[i64; 2]>,
}

/// How `auto_pad` names the padding.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum AutoPad {
    /// As the attribute `pads` says.
    NotSet,
    /// None.
    Valid,
    /// As much as it takes for an output of ⌈input / stride⌉; the odd one after.
    SameUpper,
    /// The same with the odd one before.
    SameLower,
}

pub(crate) fn auto_pad(call: &Call<'_>) -> Result<AutoPad, Fault> {
    Ok(match call.text("auto_pad", "NOTSET")? {
        "" | "NOTSET" => AutoPad::NotSet,
        "VALID" => AutoPad::Valid,
        "SAME_UPPER" => AutoPad::SameUpper,
        "SAME_LOWER" => AutoPad::SameLower,
        other => {
            return mistake(
                format!("`auto_pad` is {other:?}"),
                "it is \"NOTSET\", \"VALID\", \"SAME_UPPER\" or \"SAME_LOWER\"",
            );
        }
    })
}

/// The largest stride, dilation or window: products of two of them are no overflow.
pub(crate) const MAX_STEP: usize = 1 << 31;

/// A list of one number for each spatial axis, from 1 to [`MAX_STEP`].
pub(crate) fn list(
    call: &Call<'_>,
    name: &str,
    axes: usize,
    default: usize,
) -> Result<Vec<usize>, Fault> {
    let Some(given) = call.ints(name) else { return Ok(vec![default; axes]) };
    let values = extents(given, &format!("`{name}`"))?;
    if values.len() != axes {
        return mistake(
            format!("`{name}` is {values:?}"),
            format!("it has one number for each of {axes} spatial axes"),
        );
    }
    if !values.iter().all(|value| (1..=MAX_STEP).contains(value)) {
        return mistake(
            format!("`{name}` is {values:?}"),
            format!("it is 1 to {MAX_STEP} on each axis"),
        );
    }
    Ok(values)
}

/// The attribute `pads`: all before, then all after.
pub(crate) fn pads(call: &Call<'_>, axes: usize) -> Result<Vec<[i64; 2]>, Fault> {
    let Some(given) = call.ints("pads") else { return Ok(vec![[0, 0]; axes]) };
    let limit = 1 << 40;
    if given.len() != 2 * axes || given.iter().any(|pad| !(-limit..limit).contains(pad)) {
        return mistake(
            format!("`pads` is {given:?}"),
            format!("it has two numbers for each of {axes} spatial axes: before, then after"),
        );
    }
    Ok((0..axes).map(|axis| [given[axis], given[axes + axis]]).collect())
}

/// The steps of a window over inputs of these extents.
pub(crate) fn steps(call: &Call<'_>, input: &[usize], window: Vec<usize>) -> Result<Steps, Fault> {
    let axes = input.len();
    let strides = list(call, "strides", axes, 1)?;
    let dilations = list(call, "dilations", axes, 1)?;
    let same = |axis: usize, lower: bool| {
        let (input, stride) = (input[axis] as i64, strides[axis] as i64);
        let span = (window[axis] as i64 - 1).saturating_mul(dilations[axis] as i64) + 1;
        let outputs = (input + stride - 1) / stride;
        let total = ((outputs - 1) * stride).saturating_add(span).saturating_sub(input).max(0);
        if lower { [total - total / 2, total / 2] } else { [total / 2, total - total / 2] }
    };
    let padding = match auto_pad(call)? {
        AutoPad::NotSet => pads(call, axes)?,
        AutoPad::Valid => vec![[0, 0]; axes],
        AutoPad::SameUpper => (0..axes).map(|axis| same(axis, false)).collect(),
        AutoPad::SameLower => (0..axes).map(|axis| same(axis, true)).collect(),
    };
    Ok(Steps { window, strides, dilations, padding })
}

/// A list of the IR.
pub(crate) fn of_axes<T: Copy + Default>(values: &[T]) -> Result<Spatial<T>, Fault> {
    match Spatial::of(values) {
        Some(spatial) => Ok(spatial),
        None => mistake(
            format!("{} spatial axes", values.len()),
            format!("there are one to {MAX_SPATIAL}"),
        ),
    }
}

impl Steps {
    /// The window of the IR; padding must not be negative.
    pub(crate) fn window(&self) -> Result<Window, Fault> {
        let pad = |[before, after]: &[i64; 2]| {
            Ok([extent(*before, "padding")?, extent(*after, "padding")?])
        };
        let padding = self.padding.iter().map(pad).collect::<Result<Vec<_>, Fault>>()?;
        Ok(Window {
            strides: of_axes(&self.strides)?,
            padding: of_axes(&padding)?,
            dilation: of_axes(&self.dilations)?,
        })
    }
}

/// A filter [filters, channels, spatial..] as [spatial.., channels, filters].
fn filter_last(w: &Var) -> Var {
    let rank = w.shape().rank();
    w.transpose(&(2..rank).chain([1, 0]).collect::<Vec<_>>())
}

fn groups(call: &Call<'_>) -> Result<usize, Fault> {
    match extent(call.int("group", 1), "`group`")? {
        0 => mistake("`group` is 0", "it is at least 1"),
        groups => Ok(groups),
    }
}

/// The spatial extents of a filter, which has those of `x` as axes.
fn window_of(call: &Call<'_>, x: &[usize], w: &Var) -> Result<Vec<usize>, Fault> {
    let own = spatial(w)?;
    if own.len() != x.len() {
        return mistake(
            format!("the filter is {}, the images have {} spatial axes", w.ty(), x.len()),
            "both have the same number of axes",
        );
    }
    if own.contains(&0) {
        return mistake(format!("the filter is {}", w.ty()), "its extents are at least 1");
    }
    match call.ints("kernel_shape") {
        Some(given) if extents(given, "`kernel_shape`")? != own => mistake(
            format!("`kernel_shape` is {given:?}, the filter is {}", w.ty()),
            "it says the extents that the filter has",
        ),
        _ => Ok(own),
    }
}

/// y = x ∗ w + b.
pub(crate) fn conv(call: &Call<'_>) -> Outs {
    let (x, w, b) = (call.var(0)?, call.var(1)?, call.optional(2)?);
    one(convolved(call, &x, &w, b.as_ref())?)
}

/// The convolution that a node's attributes describe.
pub(crate) fn convolved(call: &Call<'_>, x: &Var, w: &Var, b: Option<&Var>) -> Result<Var, Fault> {
    let input = spatial(x)?;
    let window = window_of(call, &input, w)?;
    let window = steps(call, &input, window)?.window()?;
    let y = channels_last(x).conv(&filter_last(w), window, groups(call)?).sound()?;
    Ok(channels_first(&b.map_or(y.clone(), |b| y + b)))
}

/// The transpose of a convolution: the gradient by its images, plus b.
pub(crate) fn conv_transpose(call: &Call<'_>) -> Outs {
    let (x, w, b) = (call.var(0)?, call.var(1)?, call.optional(2)?);
    let input = spatial(&x)?;
    let window = window_of(call, &input, &w)?;
    let axes = input.len();
    let (strides, dilations) = (list(call, "strides", axes, 1)?, list(call, "dilations", axes, 1)?);
    let more = match call.ints("output_padding") {
        Some(more) => extents(more, "`output_padding`")?,
        None => vec![0; axes],
    };
    if more.len() != axes {
        return mistake(
            format!("`output_padding` is {more:?}"),
            format!("it has one number for each of {axes} spatial axes"),
        );
    }
    let full = |axis: usize| {
        let span = (window[axis] - 1).saturating_mul(dilations[axis]).saturating_add(1);
        input[axis].saturating_sub(1).saturating_mul(strides[axis]).saturating_add(span)
    };
    let larger = |axis: usize| full(axis).saturating_add(more[axis]) as i64;
    let padding = transposed_padding(call, &input, &strides, &larger)?;
    // The gradient's images have no padding; what the attributes take away is cut off afterwards.
    let whole: Vec<usize> = (0..axes).map(full).collect();
    let steps = Window {
        strides: of_axes(&strides)?,
        padding: of_axes(&vec![[0, 0]; axes])?,
        dilation: of_axes(&dilations)?,
    };
    let groups = groups(call)?;
    let filter = transposed_filter(&w, groups)?;
    let y = channels_last(&x).conv_grad_input(&filter, of_axes(&whole)?, steps, groups).sound()?;
    let mut y = channels_first(&y);
    for axis in 0..axes {
        let [before, after] = padding[axis];
        y = cut(&y, axis + 2, [before, after - more[axis] as i64])?;
    }
    let b = b.map(|b| {
        let shape = [1, b.shape().elements()].into_iter().chain(vec![1; axes]);
        b.reshape(shape.collect::<Vec<_>>())
    });
    one(b.map_or(y.clone(), |b| y + b))
}

/// So much less before and after on an axis; zeros where it is more.
fn cut(x: &Var, axis: usize, [before, after]: [i64; 2]) -> Result<Var, Fault> {
    let size = |number: i64| usize::try_from(number.max(0)).unwrap_or_default();
    let end = x.shape()[axis].saturating_sub(size(after));
    let kept = super::shape::part(x, axis, size(before).min(end), end).sound()?;
    let around = [size(-before), size(-after)];
    super::pad::with_value(&kept, axis, around, &kept.constant_like(0.0)).sound()
}

/// What is cut off on each side of the output, from `pads`, `auto_pad` or `output_shape`.
fn transposed_padding(
    call: &Call<'_>,
    input: &[usize],
    strides: &[usize],
    full: &dyn Fn(usize) -> i64,
) -> Result<Vec<[i64; 2]>, Fault> {
    let axes = input.len();
    let mode = auto_pad(call)?;
    let to_size = |axis: usize, size: i64| {
        let total = full(axis) - size;
        let half = total.div_euclid(2);
        if mode == AutoPad::SameUpper { [half, total - half] } else { [total - half, half] }
    };
    if let Some(shape) = call.ints("output_shape") {
        let shape = shape.get(shape.len().saturating_sub(axes)..).unwrap_or_default();
        extents(shape, "`output_shape`")?;
        if shape.len() != axes {
            return mistake(
                format!("`output_shape` is {shape:?}"),
                format!("it has one number for each of {axes} spatial axes"),
            );
        }
        return Ok((0..axes).map(|axis| to_size(axis, shape[axis])).collect());
    }
    match mode {
        AutoPad::NotSet => pads(call, axes),
        AutoPad::Valid => Ok(vec![[0, 0]; axes]),
        AutoPad::SameUpper | AutoPad::SameLower => Ok((0..axes)
            .map(|axis| to_size(axis, input[axis].saturating_mul(strides[axis]) as i64))
            .collect()),
    }
}

/// A filter [channels, filters / groups, spatial..] of a transposed convolution as the filter of the
/// convolution that it is the gradient of: [spatial.., filters / groups, channels].
fn transposed_filter(w: &Var, groups: usize) -> Result<Var, Fault> {
    if !w.shape()[0].is_multiple_of(groups) {
        return mistake(
            format!("{groups} groups of the filter {}", w.ty()),
            "its first extent is a multiple of the groups",
        );
    }
    Ok(filter_last(w))
}

/// The sum of blocks at their places in images: [batch, channels · taps, blocks] becomes
/// [batch, channels, spatial..], the gradient of cutting images into blocks.
pub(crate) fn col2im(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let image = extents(&call.ints_of(1)?, "an extent")?;
    let block = extents(&call.ints_of(2)?, "the extent of a block")?;
    let axes = image.len();
    let (strides, dilations) = (list(call, "strides", axes, 1)?, list(call, "dilations", axes, 1)?);
    let taps = elements(&block)?;
    let fits = x.shape().rank() == 3 && block.len() == axes && taps > 0;
    if !fits || !x.shape()[1].is_multiple_of(taps) || taps > 1 << 12 {
        return mistake(
            format!("blocks of {block:?} in images of {image:?}, {}", x.ty()),
            "x is [batch, channels · taps, blocks], with 2^12 taps at most",
        );
    }
    let steps = Steps { window: block, strides, dilations, padding: pads(call, axes)? };
    let window = steps.window()?;
    let outputs = window.output("col2im", of_axes(&image)?, of_axes(&steps.window)?)?;
    let (batch, channels) = (x.shape()[0], x.shape()[1] / taps);
    if elements(&outputs)? != x.shape()[2] {
        return mistake(
            format!("{} blocks in images of {image:?}", x.shape()[2]),
            format!("there are {outputs}"),
        );
    }
    // Each channel by itself: a transposed convolution whose filter takes one tap of each of its
    // inputs.
    let rows = x.reshape([batch * channels, taps, x.shape()[2]]).transpose(&[0, 2, 1]);
    let shape = [batch * channels].into_iter().chain(outputs.iter().copied()).chain([taps]);
    let cotangent = rows.reshape(shape.collect::<Vec<_>>());
    let tap = x.tracer().iota(Type::new(DType::I64, [taps]), 0).one_hot(taps, x.dtype());
    let filter: Vec<usize> = steps.window.iter().copied().chain([1, taps]).collect();
    let y = cotangent.conv_grad_input(&tap.reshape(filter), of_axes(&image)?, window, 1).sound()?;
    let shape: Vec<usize> = [batch, channels].into_iter().chain(image).collect();
    one(y.reshape(shape))
}

/// A convolution of sequences that looks back alone, with the end of the sequence before as state.
pub(crate) fn causal_conv_with_state(call: &Call<'_>) -> Outs {
    let (x, w, b) = (call.var(0)?, call.var(1)?, call.optional(2)?);
    let ([batch, channels, _], [_, 1, width]) = (
        <[usize; 3]>::try_from(&**x.shape()).unwrap_or_default(),
        <[usize; 3]>::try_from(&**w.shape()).unwrap_or_default(),
    ) else {
        return mistake(
            format!("x {}, weight {}", x.ty(), w.ty()),
            "they are [batch, channels, length] and [channels, 1, width]",
        );
    };
    let before = width.saturating_sub(1);
    let past = match call.optional(3)? {
        Some(past) => past,
        None => call.zeros(&Type::new(x.dtype(), [batch, channels, before])),
    };
    let padded = past.concat(&[&x], 2).sound()?;
    let y = channels_last(&padded).conv(&filter_last(&w), Window::plain(1), channels).sound()?;
    let y = channels_first(&b.map_or(y.clone(), |b| y + b));
    let y = match call.text("activation", "none")? {
        "none" => y,
        "silu" | "swish" => {
            let wide = y.cast(DType::F32);
            (&wide * wide.sigmoid()).cast(y.dtype())
        }
        other => {
            return mistake(
                format!("`activation` is {other:?}"),
                "it is \"none\", \"silu\" or \"swish\"",
            );
        }
    };
    let length = padded.shape()[2];
    Ok(vec![y.into(), super::shape::part(&padded, 2, length - before, length).into()])
}
