//! Attention and what belongs to it.

use brolga_ir::{DType, Type, Var};

use super::gather::counted;
use super::pad::with_value;
use super::product::matmul;
use super::shape::{joined, part};
use crate::call::{Call, Out, Outs, Sound, extent, mistake, one};
use crate::error::Fault;
use crate::value::Value;

/// [batch, steps, heads · size] as [batch, heads, steps, size].
fn heads(x: &Var, heads: usize) -> Result<Var, Fault> {
    match x.shape()[..] {
        [_, _, _, _] => Ok(x.clone()),
        [batch, steps, width] if heads > 0 && width.is_multiple_of(heads) => {
            Ok(x.reshape([batch, steps, heads, width / heads]).transpose(&[0, 2, 1, 3]))
        }
        _ => mistake(
            format!("{heads} heads of {}", x.ty()),
            "it is [batch, steps, heads · size], with the number of heads as an attribute, or [batch, heads, steps, size]",
        ),
    }
}

/// Each head of keys or values repeated for the heads of queries that share it.
fn shared(x: &Var, heads: usize) -> Result<Var, Fault> {
    let [batch, own, steps, size] = super::shape::images(x)?;
    if own == heads {
        return Ok(x.clone());
    }
    if own == 0 || !heads.is_multiple_of(own) {
        return mistake(
            format!("{heads} heads of queries, {own} of keys"),
            "the heads of queries are a multiple of those of keys",
        );
    }
    let wide = [batch, own, heads / own, steps, size];
    Ok(x.reshape([batch, own, 1, steps, size]).broadcast(wide).reshape([batch, heads, steps, size]))
}

/// softmax(Q · Kᵀ · scale + mask) · V, with the keys and values of a cache before the new ones.
pub(crate) fn attention(call: &Call<'_>) -> Outs {
    let q = call.var(0)?;
    let is_flat = q.shape().rank() == 3;
    let count = |name: &str| extent(call.int(name, 0), &format!("`{name}`"));
    let (query_heads, key_heads) = (count("q_num_heads")?, count("kv_num_heads")?);
    let q = heads(&q, query_heads)?.sound()?;
    let [k, v] = [heads(&call.var(1)?, key_heads)?, heads(&call.var(2)?, key_heads)?];
    let cached = |index: usize, new: Var| -> Result<Var, Fault> {
        match call.optional(index)? {
            Some(past) => joined(&[past, new], 2),
            None => Ok(new),
        }
    };
    let past = call.optional(4)?.map(|past| super::shape::images(&past)).transpose()?;
    let past = past.map(|[_, _, steps, _]| steps);
    let (k, v) = (cached(4, k)?.sound()?, cached(5, v)?.sound()?);
    let [_, query_heads, steps, size] = super::shape::images(&q)?;
    let [_, _, keys, _] = super::shape::images(&k)?;
    let scale = call.float("scale", 1.0 / (size as f64).sqrt()).sqrt();
    let all_keys = shared(&k, query_heads)?.transpose(&[0, 1, 3, 2]);
    let products = matmul(&(&q * scale), &(all_keys * scale))?;
    let cap = call.float("softcap", 0.0);
    let capped = if cap > 0.0 { (&products / cap).tanh() * cap } else { products.clone() };
    let bias = bias(call, &q, [steps, keys], past)?.map(Sound::sound).transpose()?;
    let biased = match &bias {
        Some(bias) => &capped + bias,
        None => capped.clone(),
    };
    let precision = match call.int("softmax_precision", 0) {
        0 => biased.dtype(),
        code => crate::tensor::storage(crate::tensor::element(code)?)?,
    };
    let mut weights = masked_softmax(&biased.cast(precision).sound()?);
    if let Some(bias) = &bias {
        // A query that no key is open to gives zeros.
        let closed = bias.reduce_max(&[bias.shape().rank() - 1], true);
        let closed = closed.eq(&closed.constant_like(f64::NEG_INFINITY));
        weights = closed.select(&weights.constant_like(0.0), &weights);
    }
    let weights = weights.cast(q.dtype());
    let y = matmul(&weights, &shared(&v, query_heads)?)?.sound()?;
    let y = if is_flat { flattened(&y)? } else { y };
    let shown = match call.int("qk_matmul_output_mode", 0) {
        0 => products,
        1 => capped,
        2 => biased,
        _ => weights,
    };
    Ok(vec![y.into(), k.into(), v.into(), shown.into()])
}

/// [batch, heads, steps, size] as [batch, steps, heads · size].
fn flattened(x: &Var) -> Result<Var, Fault> {
    let [batch, heads, steps, size] = super::shape::images(x)?;
    Ok(x.transpose(&[0, 2, 1, 3]).reshape([batch, steps, heads * size]))
}

/// The softmax along the last axis; zeros where all are −∞.
fn masked_softmax(x: &Var) -> Var {
    let last = [x.shape().rank() - 1];
    let greatest = x.reduce_max(&last, true).stop_gradient();
    let (zero, one) = (x.constant_like(0.0), x.constant_like(1.0));
    let closed = greatest.eq(&x.constant_like(f64::NEG_INFINITY));
    let powers = (x - closed.select(&zero, &greatest)).exp();
    let sum = powers.reduce_sum(&last, true);
    &powers / sum.eq(&zero).select(&one, &sum)
}

/// What is added to the products: 0 where a key is open to a query, −∞ where it is not.
fn bias(
    call: &Call<'_>,
    q: &Var,
    [steps, keys]: [usize; 2],
    past: Option<usize>,
) -> Result<Option<Var>, Fault> {
    let [zero, closed] = [0.0, f64::NEG_INFINITY].map(|value| q.constant_like(value));
    let mut bias = match call.optional(3)? {
        Some(mask) => Some(additive(&mask, keys, &zero, &closed)?),
        None => None,
    };
    let mut close = |open: &Var| {
        let more = open.select(&zero, &closed);
        bias = Some(match bias.take() {
            Some(bias) => bias + more,
            None => more,
        });
    };
    let place = |axis: usize| call.tracer().iota(Type::new(DType::I64, [steps, keys]), axis);
    let lengths = call.optional(6)?.map(|lengths| lengths.cast(DType::I64));
    let (query, key) = (place(0), place(1));
    let offset = match (past, &lengths) {
        (Some(past), _) => query.constant_like(past as f64),
        (None, Some(lengths)) => {
            let batch = lengths.shape().elements();
            lengths.reshape([batch, 1, 1, 1]) - steps as f64
        }
        (None, None) => query.constant_like(0.0),
    };
    if call.flag("is_causal", false) {
        close(&key.le(&(&query + &offset)));
    }
    let distance = &query + &offset - &key;
    let (left, right) = (call.int("left_window_size", -1), call.int("right_window_size", -1));
    if left >= 0 {
        close(&distance.le(&distance.constant_like(left as f64)));
    }
    if right >= 0 {
        close(&distance.ge(&distance.constant_like(-(right as f64))));
    }
    if let Some(lengths) = &lengths {
        let batch = lengths.shape().elements();
        let key = call.tracer().iota(Type::new(DType::I64, [keys]), 0);
        close(&key.lt(&lengths.reshape([batch, 1, 1, 1])));
    }
    Ok(bias)
}

/// A mask as what is added; keys that it does not reach are closed.
fn additive(mask: &Var, keys: usize, zero: &Var, closed: &Var) -> Result<Var, Fault> {
    let rank = mask.shape().rank();
    let Some(&own) = mask.shape().last() else {
        return mistake("the mask is a scalar", "its last axis are the keys");
    };
    let mask = match mask.dtype() {
        DType::Bool => mask.select(zero, closed),
        _ => mask.clone(),
    };
    match keys.checked_sub(own) {
        Some(0) | None => Ok(mask),
        Some(_) if own == 1 && rank > 0 => Ok(mask),
        Some(missing) => with_value(&mask, rank - 1, [0, missing], closed).sound(),
    }
}

/// Pairs of elements turned by angles that depend on the place.
pub(crate) fn rotary_embedding(call: &Call<'_>) -> Outs {
    let given = call.var(0)?;
    let count = extent(call.int("num_heads", 0), "`num_heads`")?;
    let x = heads(&given, count)?.sound()?;
    let [_, _, steps, size] = super::shape::images(&x)?;
    let turned = match extent(call.int("rotary_embedding_dim", 0), "`rotary_embedding_dim`")? {
        0 => size,
        turned => turned,
    };
    if turned > size || !turned.is_multiple_of(2) {
        return mistake(
            format!("`rotary_embedding_dim` is {turned}, heads have {size} elements"),
            "it is even, and no larger",
        );
    }
    let half = turned / 2;
    let cache = |index: usize| -> Result<Var, Fault> {
        let cache = call.var(index)?;
        let chosen = match call.optional(3)? {
            Some(places) => {
                cache.gather(&counted(&places, cache.shape().first().copied().unwrap_or(0)))
            }
            None => cache,
        };
        let chosen = chosen.sound()?;
        match chosen.shape()[..] {
            [batch, own, width] if own == steps && width == half => {
                Ok(chosen.reshape([batch, 1, own, width]))
            }
            _ => mistake(
                format!("the cache is {} for {steps} steps and {half} angles", chosen.ty()),
                "with the places of the steps it is [batch, steps, angles]",
            ),
        }
    };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let rotated = part(&x, 3, 0, turned);
    let [batch, heads, ..] = super::shape::images(&x)?;
    let pairs = |x: &Var, which: usize| {
        if call.flag("interleaved", false) {
            let pairs = x.reshape([batch, heads, steps, half, 2]);
            part(&pairs, 4, which, which + 1).reshape([batch, heads, steps, half])
        } else {
            part(x, 3, which * half, (which + 1) * half)
        }
    };
    let (a, b) = (pairs(&rotated, 0), pairs(&rotated, 1));
    let (real, imaginary) = (&cos * &a - &sin * &b, &sin * &a + &cos * &b);
    let rotated = if call.flag("interleaved", false) {
        let wide = [batch, heads, steps, half, 1];
        let both = real.reshape(wide).concat(&[&imaginary.reshape(wide)], 4);
        both.reshape([batch, heads, steps, turned])
    } else {
        real.concat(&[&imaginary], 3)
    };
    let y = rotated.concat(&[&part(&x, 3, turned, size)], 3).sound()?;
    one(if given.shape().rank() == 3 { flattened(&y)? } else { y })
}

/// A cache with new elements written at a place on an axis, maybe round its end.
pub(crate) fn tensor_scatter(call: &Call<'_>) -> Outs {
    let (cache, update) = (call.var(0)?, call.var(1)?);
    let rank = cache.shape().rank();
    let axis = call.axis(-2, rank)?;
    let (whole, new) = (cache.shape()[axis], update.shape().get(axis).copied().unwrap_or(0));
    let fits = |at: usize| at == axis || update.shape()[at] == cache.shape()[at];
    if axis == 0 || update.shape().rank() != rank || !(0..rank).all(fits) || new > whole {
        return mistake(
            format!("an update {} of {}", update.ty(), cache.ty()),
            "both have the same extents but on the axis, which is not the first one",
        );
    }
    let circular = match call.text("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        other => {
            return mistake(format!("`mode` is {other:?}"), "it is \"linear\" or \"circular\"");
        }
    };
    let batch = cache.shape()[0];
    let start = match call.optional(2)? {
        Some(start) => start.cast(DType::I64),
        None => call.zeros(&Type::new(DType::I64, [batch])),
    };
    // Place p of the cache takes element p − start of the update, if there is one.
    let place = call.tracer().iota(Type::new(DType::I64, [batch, whole]), 1);
    let mut source = place - start.reshape([batch, 1]);
    if circular {
        let negative = source.lt(&source.constant_like(0.0));
        source = negative.select(&(&source + whole as f64), &source);
    }
    let zero = source.constant_like(0.0);
    let taken = source.ge(&zero).logical_and(&source.lt(&(&zero + new as f64)));
    let mut wide = vec![1; rank];
    (wide[0], wide[axis]) = (batch, whole);
    // The update as rows of batch and place.
    let order: Vec<usize> =
        [0, axis].into_iter().chain((1..rank).filter(|&at| at != axis)).collect();
    let moved = update.transpose(&order).sound()?;
    let rest: Vec<usize> = moved.shape()[2..].to_vec();
    let rows = moved.reshape([batch * new].into_iter().chain(rest).collect::<Vec<_>>());
    let row = call.tracer().iota(Type::new(DType::I64, [batch, whole]), 0) * new as f64;
    let chosen = rows.gather(&(row + taken.select(&source, &zero)));
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
    one(Out::from(taken.reshape(wide).select(&chosen.transpose(&back), &cache)))
}

/// Attention without softmax: a state of keys times values, updated and read step by step.
pub(crate) fn linear_attention(call: &Call<'_>) -> Outs {
    let query = call.var(0)?;
    let count = |name: &str| extent(call.int(name, 0), &format!("`{name}`"));
    let (query_heads, key_heads) = (count("q_num_heads")?, count("kv_num_heads")?);
    let rule = call.text("update_rule", "gated_delta")?;
    let (gated, corrected) = match rule {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => {
            return mistake(
                format!("`update_rule` is {other:?}"),
                "it is \"linear\", \"gated\", \"delta\" or \"gated_delta\"",
            );
        }
    };
    let wide = |index: usize, number: usize| -> Result<Var, Fault> {
        heads(&call.var(index)?, number)?.cast(DType::F32).sound()
    };
    let (q, k, v) = (wide(0, query_heads)?, wide(1, key_heads)?, wide(2, key_heads)?);
    let [batch, _, steps, size] = super::shape::images(&k)?;
    let [_, _, _, width] = super::shape::images(&v)?;
    let past = call.optional(3)?;
    let element = past.as_ref().map_or(query.dtype(), Var::dtype);
    let mut state = match past {
        Some(past) => past.cast(DType::F32),
        None => call.zeros(&Type::f32([batch, key_heads, size, width])),
    };
    // Decay and beta are of each head, or of each element of a key.
    let decay = if gated { Some(wide(4, key_heads)?.exp()) } else { None };
    let beta = if corrected {
        let beta = call.var(5)?;
        let own = beta.shape().last().copied().unwrap_or(0);
        Some(heads(&beta, own)?.cast(DType::F32).sound()?)
    } else {
        None
    };
    let scale = match call.float("scale", 0.0) {
        0.0 => 1.0 / (size as f64).sqrt(),
        scale => scale,
    };
    let mut outputs = Vec::new();
    for step in 0..steps {
        let at = |x: &Var| part(x, 2, step, step + 1);
        let column = |x: &Var| at(x).transpose(&[0, 1, 3, 2]);
        if let Some(decay) = &decay {
            state = state * column(decay);
        }
        let mut value = at(&v);
        if let Some(beta) = &beta {
            value = at(beta) * (value - matmul(&at(&k), &state)?);
        }
        state = (state + column(&k) * value).sound()?;
        outputs.push(matmul(&at(&q), &shared(&state, query_heads)?)? * scale);
    }
    if outputs.is_empty() {
        return mistake("a sequence without steps", "it has one or more");
    }
    let y = flattened(&joined(&outputs, 2)?.sound()?)?;
    Ok(vec![y.cast(query.dtype()).into(), state.cast(element).into()])
}

/// softmax(Q · Kᵀ · scale) · V, with graphs of the node that change scores and probabilities.
pub(crate) fn flex_attention(call: &Call<'_>) -> Outs {
    let (q, k, v) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let [_, heads, _, size] = super::shape::images(&q)?;
    let precision = match (call.int("softmax_precision", 0), q.dtype()) {
        (0, DType::F64) => DType::F64,
        (0, _) => DType::F32,
        (code, _) => crate::tensor::storage(crate::tensor::element(code)?)?,
    };
    let changed = |name: &str, x: Var| -> Result<Var, Fault> {
        if !call.says(name) {
            return Ok(x);
        }
        let element = crate::ElementType::of_dtype(x.dtype());
        let results = call.run(call.graph(name)?, vec![Value::traced(element, x.clone())])?;
        match results.first() {
            Some(Value::Tensor(result)) => {
                let y = result.var(call.tracer(), call.import.declare).sound()?;
                if y.ty() == x.ty() {
                    return Ok(y);
                }
                mistake(format!("`{name}` makes {} of {}", y.ty(), x.ty()), "it keeps the type")
            }
            _ => mistake(format!("`{name}` gives no tensor"), "it gives one"),
        }
    };
    let keys = shared(&k, heads)?.transpose(&[0, 1, 3, 2]);
    let scale = call.float("scale", 1.0 / (size as f64).sqrt());
    let scores = (matmul(&q, &keys)? * scale).cast(precision).sound()?;
    let weights = masked_softmax(&changed("score_mod", scores)?);
    let weights = changed("prob_mod", weights.sound()?)?.cast(q.dtype());
    one(matmul(&weights, &shared(&v, heads)?)?)
}

/// `com.microsoft.Attention`: queries, keys and values are one product of x; a mask says which keys are
/// open, by their number or one by one.
pub(crate) fn packed_attention(call: &Call<'_>) -> Outs {
    let (x, weight) = (call.var(0)?, call.var(1)?);
    if call.has(4) || call.has(6) || call.says("qkv_hidden_sizes") {
        return mistake(
            "a cache, or hidden sizes that differ",
            "attention without both is read; export the model without its cache",
        );
    }
    let count = extent(call.int("num_heads", 0), "`num_heads`")?;
    let [batch, steps, _] = <[usize; 3]>::try_from(&**x.shape()).unwrap_or_default();
    let packed = matmul(&x, &weight)?;
    let packed = match call.optional(2)? {
        Some(bias) => packed + bias,
        None => packed,
    };
    let packed = packed.sound()?;
    let width = packed.shape().last().copied().unwrap_or(0) / 3;
    if packed.shape()[..] != [batch, steps, 3 * width] || count == 0 || !width.is_multiple_of(count)
    {
        return mistake(
            format!("x {}, weights {}, {count} heads", x.ty(), weight.ty()),
            "they are [batch, steps, input] and [input, 3 · heads · size]",
        );
    }
    let third =
        |number: usize| heads(&part(&packed, 2, number * width, (number + 1) * width), count);
    let (q, k, v) = (third(0)?, third(1)?, third(2)?);
    let scale = match call.float("scale", 0.0) {
        0.0 => 1.0 / ((width / count) as f64).sqrt(),
        scale => scale,
    };
    let mut scores = matmul(&q, &k.transpose(&[0, 1, 3, 2]))? * scale;
    if let Some(bias) = call.optional(5)? {
        scores = scores + bias;
    }
    let closed = x.constant_like(call.float("mask_filter_value", -10_000.0));
    let zero = x.constant_like(0.0);
    let place = |axis: usize| call.tracer().iota(Type::new(DType::I64, [steps, steps]), axis);
    if let Some(mask) = call.optional(3)? {
        let mask = mask.cast(DType::I64);
        let open = match mask.shape()[..] {
            [samples] if samples == batch => place(1).lt(&mask.reshape([batch, 1, 1, 1])),
            [samples, keys] if [samples, keys] == [batch, steps] => {
                mask.reshape([batch, 1, 1, steps]).ne(&mask.constant_like(0.0))
            }
            [samples, queries, keys] if [samples, queries, keys] == [batch, steps, steps] => {
                mask.reshape([batch, 1, steps, steps]).ne(&mask.constant_like(0.0))
            }
            _ => {
                return mistake(
                    format!("a mask {}", mask.ty()),
                    "it is [batch], [batch, steps] or [batch, steps, steps]",
                );
            }
        };
        scores = scores + open.select(&zero, &closed);
    }
    if call.flag("unidirectional", false) {
        let closed = x.constant_like(f64::NEG_INFINITY);
        scores = scores + place(1).le(&place(0)).select(&zero, &closed);
    }
    one(flattened(&matmul(&masked_softmax(&scores.sound()?), &v)?.sound()?)?)
}
