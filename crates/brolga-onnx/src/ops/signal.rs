//! Windows and Fourier transforms.

use std::f64::consts::PI;

use brolga_ir::{DType, Data, Shape, Tensor, Type, Var};

use super::pad::with_value;
use super::shape::{joined, part};
use crate::call::{Call, Outs, Sound, axis, extent, known, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::tensor;

/// The type that an attribute asks for; f32 by default.
fn output_type(call: &Call<'_>) -> Result<(ElementType, DType), Fault> {
    let element = tensor::element(call.int("output_datatype", 1))?;
    Ok((element, tensor::storage(element)?))
}

/// A window: a function of the angle, which goes from 0 to 2π.
fn window(call: &Call<'_>, function: impl Fn(f64) -> f64) -> Outs {
    let size = extent(call.int_of(0)?, "the size")?;
    if size > 1 << 26 {
        return mistake(format!("a window of {size}"), "it has at most 2^26 elements");
    }
    let (element, dtype) = output_type(call)?;
    let periodic = call.flag("periodic", true);
    let period = if periodic { size } else { size.saturating_sub(1) }.max(1) as f64;
    let values: Vec<f64> = (0..size).map(|at| function(2.0 * PI * at as f64 / period)).collect();
    one(known(element, [size].into(), Data::from_f64(dtype, &values)))
}

/// (1 − cos) / 2.
pub(crate) fn hann_window(call: &Call<'_>) -> Outs {
    window(call, |angle| 0.5 - 0.5 * angle.cos())
}

/// 25/46 − 21/46 · cos.
pub(crate) fn hamming_window(call: &Call<'_>) -> Outs {
    window(call, |angle| 25.0 / 46.0 - 21.0 / 46.0 * angle.cos())
}

/// 0.42 − 0.5 · cos + 0.08 · cos of twice the angle.
pub(crate) fn blackman_window(call: &Call<'_>) -> Outs {
    window(call, |angle| 0.42 - 0.5 * angle.cos() + 0.08 * (2.0 * angle).cos())
}

/// The matrices of a Fourier transform, real and imaginary, [outputs, inputs].
fn matrices(
    x: &Var,
    [outputs, inputs, length]: [usize; 3],
    sign: f64,
    factor: impl Fn(usize) -> f64,
) -> Result<[Var; 2], Fault> {
    if outputs.saturating_mul(inputs) > 1 << 26 {
        return mistake(
            format!("a transform of {inputs} elements"),
            "outputs times inputs are at most 2^26",
        );
    }
    let matrix = |function: fn(f64) -> f64, sign: f64| {
        let entry = |at: usize| {
            let (k, n) = (at / inputs, at % inputs);
            // The product is taken to the circle first, so that no digits are lost.
            let turn = (k * n % length.max(1)) as f64 / length.max(1) as f64;
            sign * function(2.0 * PI * turn) * factor(n)
        };
        let values: Vec<f64> = (0..outputs * inputs).map(entry).collect();
        let data = Data::from_f64(x.dtype(), &values);
        match Tensor::new([outputs, inputs], data) {
            Some(tensor) => Ok(x.tracer().constant(tensor)),
            None => mistake("a transform without elements", "it has one or more"),
        }
    };
    Ok([matrix(f64::cos, 1.0)?, matrix(f64::sin, sign)?])
}

/// x with an axis cut or padded with zeros to a length.
fn fitted(x: &Var, axis: usize, length: usize) -> Var {
    let whole = x.shape()[axis];
    match length.checked_sub(whole) {
        Some(missing) => with_value(x, axis, [0, missing], &x.constant_like(0.0)),
        None => part(x, axis, 0, length),
    }
}

/// A matrix times an axis of x.
fn along(matrix: &Var, x: &Var, axis: usize) -> Result<Var, Fault> {
    let rank = x.shape().rank();
    let order: Vec<usize> = (0..rank).filter(|&at| at != axis).chain([axis]).collect();
    let moved = x.transpose(&order).sound()?;
    let (rows, inputs) = (moved.shape()[..rank - 1].to_vec(), moved.shape()[rank - 1]);
    let flat = moved.reshape([rows.iter().product::<usize>(), inputs]);
    let y = flat.matmul_with(matrix, false, true).sound()?;
    let shape: Vec<usize> = rows.into_iter().chain([y.shape()[1]]).collect();
    let back: Vec<usize> = (0..axis).chain([rank - 1]).chain(axis..rank - 1).collect();
    y.reshape(shape).transpose(&back).sound()
}

/// The real and the imaginary part, on the last axis of x; numbers without the latter are real.
fn parts(x: &Var) -> Result<(Var, Option<Var>), Fault> {
    let rank = x.shape().rank();
    match x.shape().last() {
        Some(1) if rank > 1 => Ok((part(x, rank - 1, 0, 1), None)),
        Some(2) if rank > 1 => Ok((part(x, rank - 1, 0, 1), Some(part(x, rank - 1, 1, 2)))),
        _ => mistake(
            format!("the signal is {}", x.ty()),
            "its last axis has the real part, or the real and the imaginary part",
        ),
    }
}

/// The Fourier transform along an axis, of x as [.., 1] or [.., 2].
fn transformed(x: &Var, axis: usize, length: usize, onesided: bool) -> Result<Var, Fault> {
    let (real, imaginary) = parts(x)?;
    let outputs = if onesided { length / 2 + 1 } else { length };
    let [cos, sin] = matrices(x, [outputs, length, length], -1.0, |_| 1.0)?;
    complex(
        &fitted(&real, axis, length),
        imaginary.map(|x| fitted(&x, axis, length)),
        axis,
        [&cos, &sin],
    )
}

/// (cos + i · sin) · (real + i · imaginary), both parts on the last axis.
fn complex(
    real: &Var,
    imaginary: Option<Var>,
    axis: usize,
    [cos, sin]: [&Var; 2],
) -> Result<Var, Fault> {
    let (mut y_real, mut y_imaginary) = (along(cos, real, axis)?, along(sin, real, axis)?);
    if let Some(imaginary) = imaginary {
        y_real = y_real - along(sin, &imaginary, axis)?;
        y_imaginary = y_imaginary + along(cos, &imaginary, axis)?;
    }
    let last = y_real.shape().rank() as i64 - 1;
    joined(&[y_real, y_imaginary], last)
}

/// The Fourier transform along an axis, or its inverse.
pub(crate) fn dft(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let along_axis = if call.version >= 20 {
        if call.has(2) { call.int_of(2)? } else { -2 }
    } else {
        call.int("axis", 1)
    };
    let at = axis(along_axis, rank)?;
    if at + 1 == rank {
        return mistake("the last axis is transformed", "it has the parts of complex numbers");
    }
    let (inverse, onesided) = (call.flag("inverse", false), call.flag("onesided", false));
    let whole = x.shape()[at];
    let length = match call.has(1) {
        true => extent(call.int_of(1)?, "the length")?,
        false if inverse && onesided => 2 * whole.saturating_sub(1),
        false => whole,
    };
    if !inverse {
        return one(transformed(&x, at, length, onesided)?);
    }
    let (real, imaginary) = parts(&x)?;
    if !onesided {
        let [cos, sin] = matrices(&x, [length, length, length], 1.0, |_| 1.0 / length as f64)?;
        let imaginary = imaginary.map(|x| fitted(&x, at, length));
        return one(complex(&fitted(&real, at, length), imaginary, at, [&cos, &sin])?);
    }
    // Every frequency but the first and the middle one stands for two.
    let count = length / 2 + 1;
    let weight = |n: usize| {
        let stands_for = if n > 0 && 2 * n != length { 2.0 } else { 1.0 };
        stands_for / length.max(1) as f64
    };
    let [cos, sin] = matrices(&x, [length, count, length], 1.0, weight)?;
    let mut y = along(&cos, &fitted(&real, at, count), at)?;
    if let Some(imaginary) = imaginary {
        y = y - along(&sin, &fitted(&imaginary, at, count), at)?;
    }
    one(y)
}

/// Fourier transforms of frames of a signal [batch, length, 1 or 2], weighted with a window.
pub(crate) fn stft(call: &Call<'_>) -> Outs {
    let signal = call.var(0)?;
    let signal = match signal.shape()[..] {
        [batch, length] => signal.reshape([batch, length, 1]),
        _ => signal,
    };
    let step = extent(call.int_of(1)?, "the step")?;
    let window = call.optional(2)?;
    let length = match (call.has(3), &window) {
        (true, _) => extent(call.int_of(3)?, "the length of a frame")?,
        (false, Some(window)) => window.shape().elements(),
        (false, None) => return mistake("frames have no length", "give a window, or a length"),
    };
    let Ok([batch, whole, width]) = <[usize; 3]>::try_from(&**signal.shape()) else {
        return mistake(format!("the signal is {}", signal.ty()), "it is [batch, length, 1 or 2]");
    };
    if step == 0 || length == 0 || length > whole {
        return mistake(
            format!("frames of {length} in steps of {step} of a signal of {whole}"),
            "both are at least 1, and a frame fits into the signal",
        );
    }
    let frames = (whole - length) / step + 1;
    let starts = call.tracer().iota(Type::new(DType::I64, [frames, length]), 0) * step as f64;
    let places = starts + call.tracer().iota(Type::new(DType::I64, [frames, length]), 1);
    let cut = super::pad::gathered(&signal, 1, &places);
    let weighted = match window {
        Some(window) if window.shape().elements() == length => {
            cut * window.reshape([1, 1, length, 1])
        }
        Some(window) => {
            return mistake(
                format!("a window {} for frames of {length}", window.ty()),
                "it has one weight for each element of a frame",
            );
        }
        None => cut,
    };
    let weighted = weighted.reshape([batch, frames, length, width]).sound()?;
    one(transformed(&weighted, 2, length, call.flag("onesided", true))?)
}

/// The weights with which frequencies become bands of the mel scale.
pub(crate) fn mel_weight_matrix(call: &Call<'_>) -> Outs {
    let number = |index: usize| -> Result<f64, Fault> {
        Ok(call.floats_of(index)?.first().copied().unwrap_or_default())
    };
    let bands = extent(call.int_of(0)?, "the number of bands")?;
    let length = extent(call.int_of(1)?, "the length")?;
    let (rate, low, high) = (number(2)?, number(3)?, number(4)?);
    let bins = length / 2 + 1;
    let limits = bins.saturating_mul(bands) <= 1 << 26 && rate > 0.0 && low <= high;
    if !limits || bands == 0 {
        return mistake(
            format!("{bands} bands of {bins} frequencies, from {low} to {high} Hz at {rate} Hz"),
            "there are bands, the rate is above 0, and frequencies ascend",
        );
    }
    let (element, dtype) = output_type(call)?;
    let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / 10.0_f64.ln();
    let step = (mel(high) - mel(low)) / (bands + 2) as f64;
    let bin = |at: usize| {
        let hertz = 700.0 * ((at as f64 * step + mel(low)) / 2595.0 * 10.0_f64.ln()).exp_m1();
        ((length + 1) as f64 * hertz / rate).floor().clamp(0.0, bins as f64 - 1.0) as usize
    };
    let mut weights = vec![0.0; bins * bands];
    for band in 0..bands {
        let [left, centre, right] = [bin(band), bin(band + 1), bin(band + 2)];
        if left == centre {
            weights[centre * bands + band] = 1.0;
        }
        for at in left..=centre {
            if centre > left {
                weights[at * bands + band] = (at - left) as f64 / (centre - left) as f64;
            }
        }
        for at in centre..right {
            weights[at * bands + band] = (right - at) as f64 / (right - centre) as f64;
        }
    }
    let shape = Shape::from([bins, bands]);
    one(known(element, shape, Data::from_f64(dtype, &weights)))
}
