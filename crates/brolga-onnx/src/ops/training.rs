//! Steps of optimizers, as ONNX's training ops have them.

use brolga_ir::{DType, Var};

use crate::call::{Call, Out, Outs, mistake};
use crate::error::Fault;

/// A step for each tensor: after rate and count come all values, all gradients, and the states of
/// each kind. The results are the next values and states in the same order.
fn steps(
    call: &Call<'_>,
    states: usize,
    step: impl Fn(&Var, &Var, &[Var]) -> Result<Vec<Var>, Fault>,
) -> Outs {
    let vars = call.vars()?;
    let kinds = states + 2;
    if vars.len() < 2 + kinds || !(vars.len() - 2).is_multiple_of(kinds) {
        return mistake(
            format!("{} operands", vars.len()),
            format!("after rate and count there are {kinds} for each tensor"),
        );
    }
    let count = (vars.len() - 2) / kinds;
    let mut results = vec![vec![]; states + 1];
    for tensor in 0..count {
        let of = |kind: usize| vars[2 + kind * count + tensor].clone();
        let own: Vec<Var> = (2..kinds).map(of).collect();
        let next = step(&of(0), &of(1), &own)?;
        results.iter_mut().zip(next).for_each(|(all, value)| all.push(value));
    }
    Ok(results.into_iter().flatten().map(Out::from).collect())
}

/// Rate and count, as scalars of x's type.
fn rate_and_count(call: &Call<'_>, x: &Var) -> Result<(Var, Var), Fault> {
    Ok((call.var(0)?.cast(x.dtype()), call.var(1)?.cast(DType::F64)))
}

/// The gradient with that of the regularization.
fn regularized(call: &Call<'_>, x: &Var, g: &Var) -> Var {
    x * call.float("norm_coefficient", 0.0) + g
}

/// A step of Adagrad.
pub(crate) fn adagrad(call: &Call<'_>) -> Outs {
    steps(call, 1, |x, g, states| {
        let (rate, count) = rate_and_count(call, x)?;
        let decay = (count * call.float("decay_factor", 0.0) + 1.0).cast(x.dtype());
        let g = regularized(call, x, g);
        let square = &states[0] + &g * &g;
        let next = x - (rate / decay) * g / (square.sqrt() + call.float("epsilon", 1e-6));
        Ok(vec![next, square])
    })
}

/// A step of Adam.
pub(crate) fn adam(call: &Call<'_>) -> Outs {
    let (alpha, beta) = (call.float("alpha", 0.9), call.float("beta", 0.999));
    steps(call, 2, |x, g, states| {
        let (rate, count) = rate_and_count(call, x)?;
        let g = regularized(call, x, g);
        let v = &states[0] * alpha + &g * (1.0 - alpha);
        let h = &states[1] * beta + &g * &g * (1.0 - beta);
        let power = |base: f64| 1.0 - count.constant_like(base).pow(&count);
        let corrected = power(beta).sqrt() / power(alpha);
        let first = count.gt(&count.constant_like(0.0));
        let factor = first.select(&corrected, &count.constant_like(1.0)).cast(x.dtype());
        let next = x - rate * factor * (&v / (h.sqrt() + call.float("epsilon", 1e-6)));
        Ok(vec![next * (1.0 - call.float("norm_coefficient_post", 0.0)), v, h])
    })
}

/// A step of gradient descent with momentum, maybe Nesterov's.
pub(crate) fn momentum(call: &Call<'_>) -> Outs {
    let (alpha, beta) = (call.float("alpha", 0.0), call.float("beta", 0.0));
    let nesterov = match call.text("mode", "standard")? {
        "standard" => false,
        "nesterov" => true,
        other => {
            return mistake(format!("`mode` is {other:?}"), "it is \"standard\" or \"nesterov\"");
        }
    };
    steps(call, 1, |x, g, states| {
        let (rate, count) = rate_and_count(call, x)?;
        let g = regularized(call, x, g);
        let first = count.gt(&count.constant_like(0.0));
        let beta = first.select(&count.constant_like(beta), &count.constant_like(1.0));
        let v = &states[0] * alpha + beta.cast(x.dtype()) * &g;
        let direction = if nesterov { &g + &v * alpha } else { v.clone() };
        Ok(vec![x - rate * direction, v])
    })
}
