//! What is around a tensor, and what is left in its middle.

use brolga_ir::{DType, Data, Tensor, Type, Var};

use super::shape::part;
use crate::call::{Call, Outs, Sound, axis, extents, listed, mistake, one};
use crate::error::Fault;

/// x with more before and after it on each axis, or less where a number is negative.
pub(crate) fn pad(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let pads = match call.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => call.ints_of(1)?,
    };
    let axes = match call.maybe_ints_of(3)? {
        Some(axes) => axes.iter().map(|&v| axis(v, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return mistake(
            format!("{} numbers of padding for {} axes", pads.len(), axes.len()),
            "there are two for each axis: all before, then all after",
        );
    }
    let value = match call.optional(2)? {
        Some(value) => value.cast(x.dtype()).reshape([1; 0]),
        None => x.constant_like(call.float("value", 0.0)),
    };
    let mode = call.text("mode", "constant")?;
    let mut padded = x;
    for (number, &axis) in axes.iter().enumerate() {
        let (before, after) = (pads[number], pads[axes.len() + number]);
        padded = on_axis(&padded, axis, [before, after], mode, &value)?.sound()?;
    }
    one(padded)
}

fn on_axis(
    x: &Var,
    axis: usize,
    [before, after]: [i64; 2],
    mode: &str,
    value: &Var,
) -> Result<Var, Fault> {
    // What is negative is cut first.
    let less = |number: i64| usize::try_from(number.min(0).unsigned_abs()).unwrap_or(usize::MAX);
    let whole = x.shape()[axis];
    let end = whole.saturating_sub(less(after));
    let x = part(x, axis, less(before).min(end), end).sound()?;
    let [before, after]: [usize; 2] =
        extents(&[before.max(0), after.max(0)], "padding")?.try_into().unwrap_or_default();
    if before == 0 && after == 0 {
        return Ok(x);
    }
    match mode {
        "constant" => Ok(with_value(&x, axis, [before, after], value)),
        "edge" | "reflect" | "wrap" => {
            let extent = x.shape()[axis];
            if extent == 0 {
                return mistake(format!("{} is padded with itself", x.ty()), "it is empty");
            }
            let place = |at: usize| source(at as i64 - before as i64, extent as i64, mode);
            let places: Vec<i64> = (0..listed(before + extent + after)?).map(place).collect();
            Ok(taken(&x, axis, &places))
        }
        other => mistake(
            format!("`mode` is {other:?}"),
            "it is \"constant\", \"edge\", \"reflect\" or \"wrap\"",
        ),
    }
}

/// x with a value before and after it on an axis.
pub(crate) fn with_value(x: &Var, axis: usize, [before, after]: [usize; 2], value: &Var) -> Var {
    let rank = x.shape().rank();
    let (mut low, mut high) = (vec![0; rank], vec![0; rank]);
    (low[axis], high[axis]) = (before, after);
    let padded = x.pad(&low, &high);
    if is_zero(value) {
        return padded;
    }
    let inside = x.tracer().full(&Type::new(DType::Bool, x.shape().clone()), 1.0);
    inside.pad(&low, &high).select(&padded, value)
}

/// Whether a value is a constant 0.
fn is_zero(value: &Var) -> bool {
    let is_zero = |graph: &brolga_ir::Graph| match value.node().map(|id| &graph.node(id).op) {
        Some(brolga_ir::Op::Constant(constant)) => {
            constant.value().canonical_bits().iter().all(|&bits| bits == 0)
        }
        _ => false,
    };
    value.tracer().with_graph(is_zero)
}

/// The index that an index beyond the borders stands for.
fn source(at: i64, extent: i64, mode: &str) -> i64 {
    match mode {
        "edge" => at.clamp(0, extent - 1),
        "wrap" => at.rem_euclid(extent),
        _ if extent == 1 => 0,
        _ => {
            let period = 2 * (extent - 1);
            let at = at.rem_euclid(period);
            at.min(period - at)
        }
    }
}

/// These indices of an axis.
pub(crate) fn taken(x: &Var, axis: usize, places: &[i64]) -> Var {
    let tracer = x.tracer();
    match Tensor::new([places.len()], Data::I64(places.to_vec())) {
        Some(places) => gathered(x, axis, &tracer.constant(places)),
        None => x.clone(),
    }
}

/// The indices of an axis that a tensor has, whose axes take the place of that one.
pub(crate) fn gathered(x: &Var, axis: usize, indices: &Var) -> Var {
    let (rank, more) = (x.shape().rank(), indices.shape().rank());
    if axis == 0 {
        return x.gather(indices);
    }
    let first: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|&a| a != axis)).collect();
    let rows = x.transpose(&first).gather(indices);
    let back: Vec<usize> =
        (more..more + axis).chain(0..more).chain(more + axis..more + rank - 1).collect();
    rows.transpose(&back)
}

/// x cut or padded with zeros around its middle, to a shape.
pub(crate) fn center_crop_pad(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let asked = extents(&call.ints_of(1)?, "an extent")?;
    let axes = match call.ints("axes") {
        Some(axes) => axes.iter().map(|&v| axis(v, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if axes.len() != asked.len() {
        return mistake(
            format!("{} extents for {} axes", asked.len(), axes.len()),
            "there is one for each axis",
        );
    }
    let zero = x.constant_like(0.0);
    let mut result = x;
    for (&axis, &extent) in axes.iter().zip(&asked) {
        let whole = result.shape()[axis];
        result = if extent <= whole {
            let start = (whole - extent) / 2;
            part(&result, axis, start, start + extent)
        } else {
            let before = (extent - whole) / 2;
            with_value(&result, axis, [before, extent - whole - before], &zero)
        };
        result = result.sound()?;
    }
    one(result)
}
