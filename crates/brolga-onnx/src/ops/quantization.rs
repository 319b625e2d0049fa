//! Integers that stand for numbers: scales and zero points.

use brolga_ir::{DType, Var};

use super::conv::convolved;
use super::elementwise::round_to_even;
use super::product::matmul;
use crate::call::{Call, Out, Outs, Sound, extent, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::floats::Format;
use crate::tensor;
use crate::value::Value;

/// A scale or zero point in a shape that broadcasts to x: of the whole, of each index of an axis, or
/// of blocks along the axis.
fn spread(call: &Call<'_>, value: &Var, x: &Var) -> Result<Var, Fault> {
    let (shape, own) = (x.shape(), value.shape());
    if own.elements() == 1 {
        return Ok(value.reshape([1; 0]));
    }
    let axis = call.axis(1, shape.rank())?;
    let block = extent(call.int("block_size", 0), "`block_size`")?;
    if block == 0 {
        if own[..] != [shape[axis]] {
            return mistake(
                format!("a scale or zero point {} for {}", value.ty(), x.ty()),
                "there is one for all, or one for each index of the axis",
            );
        }
        let mut wide = vec![1; shape.rank()];
        wide[axis] = shape[axis];
        return Ok(value.reshape(wide));
    }
    let fits = own.rank() == shape.rank()
        && own[axis].saturating_mul(block) >= shape[axis]
        && (0..shape.rank()).all(|at| at == axis || own[at] == shape[at]);
    if !fits {
        return mistake(
            format!("scales {} of blocks of {block} along axis {axis} of {}", value.ty(), x.ty()),
            "the scale has the shape of x, with one index for each block on the axis",
        );
    }
    let mut wide = own.to_vec();
    wide.insert(axis + 1, 1);
    let mut repeated = wide.clone();
    repeated[axis + 1] = block;
    let mut joined = own.to_vec();
    joined[axis] = joined[axis].saturating_mul(block);
    let all = value.reshape(wide).broadcast(repeated).reshape(joined).sound()?;
    Ok(super::shape::part(&all, axis, 0, shape[axis]))
}

/// A number rounded and limited to the range of an integer type.
fn rounded(x: &Var, zero: Option<&Var>, element: ElementType) -> Result<Out, Fault> {
    let dtype = tensor::storage(element)?;
    let Some((least, greatest)) = element.range() else {
        return mistake(format!("quantization to {element}"), "integers are read");
    };
    let wide = round_to_even(&x.cast(DType::F64));
    let moved = match zero {
        Some(zero) => wide + zero.cast(DType::F64),
        None => wide,
    };
    let [least, greatest] = [least, greatest].map(|bound| moved.constant_like(bound as f64));
    let limited = moved.maximum(&least).minimum(&greatest).cast(dtype);
    Ok(Value::traced(element, limited).into())
}

/// round(x / scale) + zero point, limited to the range of the type.
pub(crate) fn quantize_linear(call: &Call<'_>) -> Outs {
    let (x, scale) = (call.var(0)?, call.var(1)?);
    let element = match (call.has(2), call.int("output_dtype", 0)) {
        (true, _) => call.element(2)?,
        (false, 0) => ElementType::U8,
        (false, code) => tensor::element(code)?,
    };
    let zero = call.optional(2)?.map(|zero| spread(call, &zero, &x)).transpose()?;
    let scale = spread(call, &scale, &x)?;
    let precision = match call.int("precision", 0) {
        0 => scale.dtype(),
        code => tensor::storage(tensor::element(code)?)?,
    };
    let ratio = x.cast(precision) / scale.cast(precision);
    if let Some(format) = Format::of(element) {
        let saturate = call.flag("saturate", true);
        return one(Value::traced(element, format.round(&ratio, saturate)));
    }
    one(rounded(&ratio, zero.as_ref(), element)?)
}

/// (x − zero point) · scale.
pub(crate) fn dequantize_linear(call: &Call<'_>) -> Outs {
    let (x, scale) = (call.var(0)?, call.var(1)?);
    let dtype = match call.int("output_dtype", 0) {
        0 => scale.dtype(),
        code => tensor::storage(tensor::element(code)?)?,
    };
    let zero = call.optional(2)?.map(|zero| spread(call, &zero, &x)).transpose()?;
    let scale = spread(call, &scale, &x)?.cast(DType::F32);
    let x = x.cast(DType::F32);
    let moved = match zero {
        Some(zero) => x - zero.cast(DType::F32),
        None => x,
    };
    one(Value::traced(ElementType::of_dtype(dtype), (moved * scale).cast(dtype)))
}

/// x as bytes, with the scale and zero point that its range asks for.
pub(crate) fn dynamic_quantize_linear(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let axes: Vec<usize> = (0..x.shape().rank()).collect();
    let zero = x.constant_like(0.0);
    let greatest = x.reduce_max(&axes, false).maximum(&zero);
    let least = x.reduce_min(&axes, false).minimum(&zero);
    let is_empty = greatest.eq(&least);
    let range = is_empty.select(&x.constant_like(1.0), &(&greatest - &least));
    let scale = range / 255.0;
    let point = (&zero - &least / &scale).maximum(&zero).minimum(&x.constant_like(255.0));
    let point = round_to_even(&point).cast(DType::U8);
    let y = rounded(&(&x / &scale), Some(&point), ElementType::U8)?;
    Ok(vec![y, scale.into(), Value::traced(ElementType::U8, point).into()])
}

/// An operand of integers less its zero point, in `f64`, which holds it exactly. Zero points may be of
/// each index of an axis, counted from the end.
fn centred(call: &Call<'_>, x: usize, zero: usize, from_end: usize) -> Result<Var, Fault> {
    let x = call.var(x)?.cast(DType::F64);
    let Some(zero) = call.optional(zero)? else { return Ok(x) };
    let zero = zero.cast(DType::F64);
    if zero.shape().elements() == 1 {
        return Ok(x - zero.reshape([1; 0]));
    }
    if zero.shape().rank() != 1 {
        return Ok(x - zero);
    }
    let rank = x.shape().rank();
    let Some(axis) = rank.checked_sub(from_end) else { return Ok(x - zero) };
    let mut wide = vec![1; rank];
    wide[axis] = zero.shape()[0];
    Ok(x - zero.reshape(wide))
}

/// The product of matrices of bytes less their zero points, exact.
pub(crate) fn mat_mul_integer(call: &Call<'_>) -> Outs {
    // A zero point for each row of the first, for each column of the second.
    let (a, b) = (centred(call, 0, 2, 2)?, centred(call, 1, 3, 1)?);
    let product = matmul(&a, &b)?.cast(DType::I32);
    one(Value::traced(ElementType::I32, product))
}

/// The convolution of bytes less their zero points, exact.
pub(crate) fn conv_integer(call: &Call<'_>) -> Outs {
    let x = centred(call, 0, 2, 1)?;
    let w = centred_filter(call, 1, 3)?;
    let y = convolved(call, &x, &w, None)?.cast(DType::I32);
    one(Value::traced(ElementType::I32, y))
}

/// A filter less its zero points, of which there may be one for each of its outputs.
fn centred_filter(call: &Call<'_>, w: usize, zero: usize) -> Result<Var, Fault> {
    let rank = call.var(w)?.shape().rank();
    centred(call, w, zero, rank)
}

/// A product of matrices of bytes, rounded to bytes.
pub(crate) fn q_linear_mat_mul(call: &Call<'_>) -> Outs {
    let (a, b) = (centred(call, 0, 2, 2)?, centred(call, 3, 5, 1)?);
    let product = matmul(&a, &b)?;
    let wide = |index: usize| Ok::<_, Fault>(call.var(index)?.cast(DType::F32));
    let factor = (wide(1)? * wide(4)? / wide(6)?).cast(DType::F64);
    let element = if call.has(7) { call.element(7)? } else { call.element(0)? };
    let y = product * factor;
    one(quantized(&y, call.optional(7)?.as_ref(), element)?)
}

/// A number plus its zero point, rounded and limited.
fn quantized(y: &Var, zero: Option<&Var>, element: ElementType) -> Result<Out, Fault> {
    let moved = match zero {
        Some(zero) if zero.shape().elements() == 1 => y + zero.cast(DType::F64).reshape([1; 0]),
        Some(zero) => y + zero.cast(DType::F64),
        None => y.clone(),
    };
    rounded(&moved, None, element)
}

/// A convolution of bytes, rounded to bytes.
pub(crate) fn q_linear_conv(call: &Call<'_>) -> Outs {
    let x = centred(call, 0, 2, 1)?;
    let w = centred_filter(call, 3, 5)?;
    let bias = call.optional(8)?.map(|bias| bias.cast(DType::F64));
    let y = convolved(call, &x, &w, bias.as_ref())?.sound()?;
    let wide = |index: usize| Ok::<_, Fault>(call.var(index)?.cast(DType::F32));
    let factor = (wide(1)? * wide(4)? / wide(6)?).cast(DType::F64);
    let factor = match factor.shape().elements() {
        1 => factor.reshape([1; 0]),
        channels => {
            let spatial = std::iter::repeat_n(1, y.shape().rank().saturating_sub(2));
            factor.reshape([1, channels].into_iter().chain(spatial).collect::<Vec<_>>())
        }
    };
    let element = if call.has(7) { call.element(7)? } else { call.element(0)? };
    one(quantized(&(y * factor), call.optional(7)?.as_ref(), element)?)
}
