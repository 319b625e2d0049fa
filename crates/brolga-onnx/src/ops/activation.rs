//! Activations.

use brolga_ir::{DType, Type, Var};

use crate::call::{Call, Outs, Sound, mistake, one};
use crate::error::Fault;

/// An activation that is a function of x and attributes.
macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident: |$call:ident, $x:ident| $body:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name($call: &Call<'_>) -> Outs {
            let $x = &$call.var(0)?;
            one($body)
        })*
    };
}

activations! {
    /// max(x, 0).
    relu: |call, x| x.relu();
    /// tanh x.
    tanh: |call, x| x.tanh();
    /// 1 / (1 + e⁻ˣ).
    sigmoid: |call, x| x.sigmoid();
    /// ln(1 + eˣ).
    softplus: |call, x| softplus_of(x);
    /// x / (1 + |x|).
    softsign: |call, x| x / (x.abs() + 1.0);
    /// x where it is positive, α · x elsewhere.
    leaky_relu: |call, x| negative(x, &(x * call.float("alpha", 0.01)));
    /// x where it is positive, α · (eˣ − 1) elsewhere.
    elu: |call, x| negative(x, &(expm1(x) * call.float("alpha", 1.0)));
    /// γ · (x where it is positive, α · (eˣ − 1) elsewhere).
    selu: |call, x| {
        let alpha = call.float("alpha", 1.673_263_192_176_818_8);
        negative(x, &(expm1(x) * alpha)) * call.float("gamma", 1.050_701_022_148_132_3)
    };
    /// max(x, 0) + min(0, α · (e^(x/α) − 1)).
    celu: |call, x| {
        let alpha = call.float("alpha", 1.0);
        negative(x, &(expm1(&(x / alpha)) * alpha))
    };
    /// x where it is above α, 0 elsewhere.
    thresholded_relu: |call, x| {
        x.gt(&x.constant_like(call.float("alpha", 1.0))).select(x, &x.constant_like(0.0))
    };
    /// α · x + β, limited to 0 to 1.
    hard_sigmoid: |call, x| hard_sigmoid_of(x, call.float("alpha", 0.2), call.float("beta", 0.5));
    /// x times its hard sigmoid with α = 1/6 and β = 0.5.
    hard_swish: |call, x| x * hard_sigmoid_of(x, 1.0 / 6.0, 0.5);
    /// x · sigmoid(α · x).
    swish: |call, x| x * (x * call.float("alpha", 1.0)).sigmoid();
    /// x · tanh(softplus x).
    mish: |call, x| x * softplus_of(x).tanh();
    /// x ∓ bias where |x| is above λ, 0 elsewhere.
    shrink: |call, x| {
        let (lambda, bias) = (call.float("lambd", 0.5), call.float("bias", 0.0));
        let zero = x.constant_like(0.0);
        let high = x.gt(&x.constant_like(lambda)).select(&(x - bias), &zero);
        x.lt(&x.constant_like(-lambda)).select(&(x + bias), &high)
    };
}

/// x · Φ(x), exact or by its approximation with tanh.
pub(crate) fn gelu(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    match call.text("approximate", "none")? {
        "none" => one(gelu_of(&x)),
        "tanh" => one(gelu_tanh(&x)),
        other => mistake(format!("`approximate` is {other:?}"), "it is \"none\" or \"tanh\""),
    }
}

/// a · sigmoid(α · a) · b.
pub(crate) fn swiglu(call: &Call<'_>) -> Outs {
    let (a, b) = (call.var(0)?, call.var(1)?);
    one(&a * (&a * call.float("alpha", 1.0)).sigmoid() * b)
}

/// x · Φ(x) with the bias of `com.microsoft` added to x first.
pub(crate) fn bias_gelu(call: &Call<'_>) -> Outs {
    one(gelu_of(&(call.var(0)? + call.var(1)?)))
}

/// `com.microsoft.FastGelu`: the approximation with tanh, of x with a bias.
pub(crate) fn fast_gelu(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    one(gelu_tanh(&match call.optional(1)? {
        Some(bias) => x + bias,
        None => x,
    }))
}

/// `com.microsoft.QuickGelu`: x · sigmoid(α · x).
pub(crate) fn quick_gelu(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    one(&x * (&x * call.float("alpha", 1.702)).sigmoid())
}

fn gelu_of(x: &Var) -> Var {
    x * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0)
}

pub(crate) fn gelu_tanh(x: &Var) -> Var {
    let inner = (x + x * x * x * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

/// x where it is positive, with a slope for each channel elsewhere.
pub(crate) fn prelu(call: &Call<'_>) -> Outs {
    let (x, slope) = super::elementwise::pair(call)?;
    let channels = x.shape().get(1).copied();
    let of_channels = call.version < 7 && slope.shape().elements() > 1;
    let slope = match channels {
        Some(channels) if of_channels && slope.shape()[..] == [channels] => {
            let spatial = std::iter::repeat_n(1, x.shape().rank() - 2);
            slope.reshape([channels].into_iter().chain(spatial).collect::<Vec<_>>())
        }
        _ => slope,
    };
    one(negative(&x, &(&x * slope)))
}

/// x where it is not below 0, something else elsewhere.
pub(crate) fn negative(x: &Var, otherwise: &Var) -> Var {
    x.lt(&x.constant_like(0.0)).select(otherwise, x)
}

/// eˣ − 1 for x up to 0; there is no need for more, and no overflow.
fn expm1(x: &Var) -> Var {
    x.minimum(&x.constant_like(0.0)).exp() - 1.0
}

pub(crate) fn softplus_of(x: &Var) -> Var {
    // At 0 both terms have a corner: `max` and `abs` give the half and the none that add up to the
    // slope.
    x.maximum(&x.constant_like(0.0)) + ((-x.abs()).exp() + 1.0).log()
}

pub(crate) fn hard_sigmoid_of(x: &Var, alpha: f64, beta: f64) -> Var {
    let (zero, one) = (x.constant_like(0.0), x.constant_like(1.0));
    (x * alpha + beta).maximum(&zero).minimum(&one)
}

/// The axes over which softmax and its relatives go, and x in a shape that has one such axis at its
/// end: before opset 13 all axes from `axis` on are one.
fn rows(call: &Call<'_>) -> Result<(Var, Vec<usize>), Fault> {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    if call.version >= 13 {
        let axis = call.axis(-1, rank)?;
        return Ok((x, vec![axis]));
    }
    let first = if rank == 0 { 0 } else { call.axis(1, rank.max(2)).map(|axis| axis.min(rank))? };
    Ok((x, (first..rank).collect()))
}

/// eˣ over its sum along an axis.
pub(crate) fn softmax(call: &Call<'_>) -> Outs {
    let (x, axes) = rows(call)?;
    one(softmax_over(&x, &axes))
}

/// The logarithm of the softmax.
pub(crate) fn log_softmax(call: &Call<'_>) -> Outs {
    let (x, axes) = rows(call)?;
    one(log_softmax_over(&x, &axes))
}

pub(crate) fn softmax_over(x: &Var, axes: &[usize]) -> Var {
    let powers = (x - x.reduce_max(axes, true).stop_gradient()).exp();
    let sum = powers.reduce_sum(axes, true);
    powers / sum
}

pub(crate) fn log_softmax_over(x: &Var, axes: &[usize]) -> Var {
    let shifted = x - x.reduce_max(axes, true).stop_gradient();
    let sum = shifted.exp().reduce_sum(axes, true);
    shifted - sum.log()
}

/// 1 at the first maximum along an axis, 0 elsewhere.
pub(crate) fn hardmax(call: &Call<'_>) -> Outs {
    let (x, axes) = rows(call)?;
    let Some(&first) = axes.first() else { return one(x.constant_like(1.0)) };
    let shape = x.shape().clone();
    let last = axes.len() + first;
    let joined: usize = shape[first..last].iter().product();
    let flat: Vec<usize> = shape[..first]
        .iter()
        .copied()
        .chain([joined])
        .chain(shape[last..].iter().copied())
        .collect();
    let flat_x = x.reshape(flat.clone());
    let hot = flat_x.argmax(first, false).one_hot(joined, x.dtype()).sound()?;
    let rank = flat.len();
    let permutation: Vec<usize> = (0..first).chain([rank - 1]).chain(first..rank - 1).collect();
    one(hot.transpose(&permutation).reshape(shape))
}

/// x times a random mask in training, x otherwise. Its seed is the caller's: in imported graphs there
/// is no randomness, so training mode needs a ratio of 0.
pub(crate) fn dropout(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let training = call.has(2) && call.known(2)?.data().to_f64().first() == Some(&1.0);
    if training {
        let ratio = if call.has(1) { call.floats_of(1)? } else { vec![0.5] };
        if ratio.first() != Some(&0.0) {
            return mistake(
                "the node drops elements at random, with a generator that ONNX does not define",
                "set `training_mode` to false; a model's own Dropout layers train",
            );
        }
    }
    let mask = call.tracer().full(&Type::new(DType::Bool, x.shape().clone()), 1.0);
    Ok(vec![x.into(), mask.into()])
}
