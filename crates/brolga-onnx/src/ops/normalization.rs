//! Normalizations.

use brolga_ir::{DType, Var};

use crate::call::{Call, Out, Outs, Sound, extent, mistake, one};
use crate::error::Fault;

/// A value for each channel, in the shape in which it broadcasts to images.
fn of_channels(value: &Var, x: &Var) -> Var {
    let rank = x.shape().rank();
    let channels = value.shape().elements();
    let shape = [1, channels].into_iter().chain(std::iter::repeat_n(1, rank.saturating_sub(2)));
    value.reshape(shape.take(rank.max(1)).collect::<Vec<_>>())
}

/// (x − mean) / √(variance + epsilon) · scale + b for each channel; with `training_mode` the
/// statistics are those of the batch, and the running ones follow.
pub(crate) fn batch_normalization(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let [scale, b, mean, variance] = [call.var(1)?, call.var(2)?, call.var(3)?, call.var(4)?];
    let rank = x.shape().rank();
    if rank < 2 {
        return mistake(format!("the operand is {}", x.ty()), "it has channels on axis 1");
    }
    let epsilon = call.float("epsilon", 1e-5);
    let normalized = |mean: &Var, variance: &Var| {
        let dtype = mean.dtype();
        let [mean, variance] = [mean, variance].map(|value| of_channels(value, &x));
        let centred = x.cast(dtype) - mean;
        let scaled = centred / (variance + epsilon).sqrt();
        let [scale, b] = [&scale, &b].map(|value| of_channels(value, &x).cast(dtype));
        (scaled * scale + b).cast(x.dtype())
    };
    if !call.flag("training_mode", false) {
        return one(normalized(&mean, &variance));
    }
    let axes: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let wide = x.cast(mean.dtype());
    let batch_mean = wide.reduce_mean(&axes, false);
    let centred = &wide - of_channels(&batch_mean, &x);
    let batch_variance = (&centred * &centred).reduce_mean(&axes, false);
    let momentum = call.float("momentum", 0.9);
    let next = |old: &Var, new: &Var| old * momentum + new * (1.0 - momentum);
    let y = normalized(&batch_mean, &batch_variance);
    Ok(vec![y.into(), next(&mean, &batch_mean).into(), next(&variance, &batch_variance).into()])
}

/// The normalization of each channel of each image by itself.
pub(crate) fn instance_normalization(call: &Call<'_>) -> Outs {
    let (x, scale, b) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let axes: Vec<usize> = (2..x.shape().rank()).collect();
    let y = normalized(&x, &axes, call.float("epsilon", 1e-5));
    one(y * of_channels(&scale, &x) + of_channels(&b, &x))
}

/// x with mean 0 and variance 1 over these axes.
fn normalized(x: &Var, axes: &[usize], epsilon: f64) -> Var {
    let centred = x - x.reduce_mean(axes, true);
    let variance = (&centred * &centred).reduce_mean(axes, true);
    centred / (variance + epsilon).sqrt()
}

/// The type in which statistics are computed: `stash_type`, f32 by default.
fn stash(call: &Call<'_>, x: &Var) -> Result<DType, Fault> {
    let element = crate::tensor::element(call.int("stash_type", 1))?;
    let dtype = crate::tensor::storage(element)?;
    Ok(if x.dtype() == DType::F64 { DType::F64 } else { dtype })
}

/// The axes from one on to the last.
fn from_axis(call: &Call<'_>, x: &Var) -> Result<Vec<usize>, Fault> {
    let rank = x.shape().rank();
    Ok((call.axis(-1, rank)?..rank).collect())
}

/// The normalization over the last axes, with its mean and inverse deviation.
pub(crate) fn layer_normalization(call: &Call<'_>) -> Outs {
    let (x, scale, b) = (call.var(0)?, call.var(1)?, call.optional(2)?);
    let axes = from_axis(call, &x)?;
    layer_normalized(call, &x, &axes, &scale, b.as_ref())
}

fn layer_normalized(
    call: &Call<'_>,
    x: &Var,
    axes: &[usize],
    scale: &Var,
    b: Option<&Var>,
) -> Outs {
    let wide = x.cast(stash(call, x)?);
    let mean = wide.reduce_mean(axes, true);
    let centred = &wide - &mean;
    let variance = (&centred * &centred).reduce_mean(axes, true);
    let inverse = 1.0 / (variance + call.float("epsilon", 1e-5)).sqrt();
    let scaled = (centred * &inverse).cast(x.dtype()) * scale;
    let y = match b {
        Some(b) => scaled + b,
        None => scaled,
    };
    Ok(vec![y.into(), mean.into(), inverse.into()])
}

/// `com.microsoft.SkipLayerNormalization`: that of x + skip + bias, and the sum as fourth output.
pub(crate) fn skip_layer_normalization(call: &Call<'_>) -> Outs {
    let (x, skip, gamma) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let sum = match call.optional(4)? {
        Some(bias) => x + skip + bias,
        None => x + skip,
    };
    let rank = sum.shape().rank();
    if rank == 0 {
        return mistake("the operand is a scalar", "it has a last axis");
    }
    let mut outs = layer_normalized(call, &sum, &[rank - 1], &gamma, call.optional(3)?.as_ref())?;
    outs.push(Out::from(sum));
    Ok(outs)
}

/// `com.microsoft.SkipSimplifiedLayerNormalization`: the RMS normalization of x + skip + bias.
pub(crate) fn skip_rms_normalization(call: &Call<'_>) -> Outs {
    let (x, skip, gamma) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let sum = match call.optional(3)? {
        Some(bias) => x + skip + bias,
        None => x + skip,
    };
    let rank = sum.shape().rank();
    if rank == 0 {
        return mistake("the operand is a scalar", "it has a last axis");
    }
    let [y, inverse] = rms(call, &sum, &[rank - 1], &gamma)?;
    Ok(vec![y.into(), inverse.clone().into(), inverse.into(), sum.into()])
}

/// x over its root mean square over the last axes, times a scale.
pub(crate) fn rms_normalization(call: &Call<'_>) -> Outs {
    let (x, scale) = (call.var(0)?, call.var(1)?);
    let axes = from_axis(call, &x)?;
    let [y, inverse] = rms(call, &x, &axes, &scale)?;
    Ok(vec![y.into(), inverse.into()])
}

fn rms(call: &Call<'_>, x: &Var, axes: &[usize], scale: &Var) -> Result<[Var; 2], Fault> {
    let wide = x.cast(stash(call, x)?);
    let square = (&wide * &wide).reduce_mean(axes, true);
    let inverse = 1.0 / (square + call.float("epsilon", 1e-5)).sqrt();
    Ok([(wide * &inverse).cast(x.dtype()) * scale, inverse])
}

/// The normalization over groups of channels.
pub(crate) fn group_normalization(call: &Call<'_>) -> Outs {
    let (x, scale, b) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let groups = extent(call.int("num_groups", 1), "`num_groups`")?;
    let shape = x.shape().to_vec();
    let fits = shape.len() >= 2 && groups > 0 && shape[1].is_multiple_of(groups);
    if !fits {
        return mistake(
            format!("{groups} groups of the channels of {}", x.ty()),
            "the channels, on axis 1, are a multiple of the groups",
        );
    }
    let width = shape[1..].iter().product::<usize>() / groups;
    let wide = x.cast(stash(call, &x)?).reshape([shape[0], groups, width]);
    let y = normalized(&wide, &[2], call.float("epsilon", 1e-5)).cast(x.dtype());
    if call.version >= 21 {
        let y = y.reshape(shape);
        return one(&y * of_channels(&scale, &x) + of_channels(&b, &x));
    }
    // Before opset 21, scale and bias are of groups.
    let [scale, b] = [scale, b].map(|value| value.reshape([1, groups, 1]));
    one((y * scale + b).reshape(shape))
}

/// x over a power of the sum of squares of the channels around it.
pub(crate) fn lrn(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let size = extent(call.int("size", 1), "`size`")?;
    let rank = x.shape().rank();
    if rank < 2 || size == 0 || size > x.shape()[1].saturating_mul(2).max(1) {
        return mistake(
            format!("`size` {size} of the channels of {}", x.ty()),
            "the channels are on axis 1, `size` is at least 1 and at most twice as many",
        );
    }
    let square = &x * &x;
    let around = [(size - 1) / 2, size - 1 - (size - 1) / 2];
    let padded = super::pad::with_value(&square, 1, around, &x.constant_like(0.0)).sound()?;
    let channels = x.shape()[1];
    let parts = (0..size).map(|tap| super::shape::part(&padded, 1, tap, tap + channels));
    let Some(sum) = parts.reduce(|sum, part| sum + part) else { return one(x) };
    let alpha = call.float("alpha", 1e-4) / size as f64;
    let base = sum * alpha + call.float("bias", 1.0);
    one(&x / base.pow(&base.constant_like(call.float("beta", 0.75))))
}
