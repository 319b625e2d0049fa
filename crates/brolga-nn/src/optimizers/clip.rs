//! Bounds on gradients.

use brolga_ir::Var;

use super::Common;

/// The gradients within the bounds asked for: by the norm of each, of all together, or by value;
/// the first that is set.
pub(super) fn clip(common: &Common, gradients: &[Var]) -> Vec<Var> {
    if let Some(bound) = common.clipnorm {
        gradients.iter().flat_map(|g| by_norm(bound, std::slice::from_ref(g))).collect()
    } else if let Some(bound) = common.global_clipnorm {
        by_norm(bound, gradients)
    } else if let Some(bound) = common.clipvalue {
        let within = |g: &Var| g.maximum(&g.constant_like(-bound)).minimum(&g.constant_like(bound));
        gradients.iter().map(within).collect()
    } else {
        gradients.to_vec()
    }
}

/// The factor of a gradient before it is squared, where its squares would overflow or vanish: a
/// power of two, which changes no digit.
const DOWN: f64 = 1.0 / UP;
const UP: f64 = (1u128 << 80) as f64;

/// The gradients as they are if their common norm is at most `bound`, else divided by `norm /
/// bound`.
///
/// The norm is right wherever the gradients are finite, also where the sum of their squares is not.
/// With an infinite gradient, infinite elements become NaN and all others 0; with NaN among them
/// all become NaN, as in Keras.
fn by_norm(bound: f64, gradients: &[Var]) -> Vec<Var> {
    let squares = |scale: f64| {
        let sum = |g: &Var| square_sum(&if scale == 1.0 { g.clone() } else { g * scale });
        gradients.iter().map(sum).reduce(|a, b| a + b)
    };
    let (Some(plain), Some(down)) = (squares(1.0), squares(DOWN)) else { return vec![] };
    let number = |value: f64| plain.constant_like(value);
    let large = plain.gt(&number(UP));
    let (mut square, mut scale) = (plain.clone(), number(1.0));
    // Gradients whose squares vanish are longer than the bound only if that is small too.
    if bound < 1.0
        && let Some(up) = squares(UP)
    {
        let small = plain.lt(&number(DOWN));
        (square, scale) = (small.select(&up, &square), small.select(&number(UP), &scale));
    }
    let square = large.select(&down, &square);
    let scale = large.select(&number(DOWN), &scale);
    let divisor = square.sqrt() / bound;
    let within = divisor.le(&scale);
    gradients.iter().map(|g| within.select(g, &(g * &scale / &divisor))).collect()
}

fn square_sum(x: &Var) -> Var {
    (x * x).reduce_sum(&(0..x.shape().rank()).collect::<Vec<_>>(), false)
}
