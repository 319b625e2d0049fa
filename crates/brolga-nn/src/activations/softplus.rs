//! The activation `softplus`.

use brolga_ir::Var;

/// `f(x) = ln(1 + eˣ)`, computed as `max(x, 0) + ln(1 + e^−|x|)`, which overflows nowhere.
///
/// Keras: `keras.activations.softplus`.
#[track_caller]
#[must_use]
pub fn softplus(x: &Var) -> Var {
    let zero = x.constant_like(0.0);
    // −|x|, whose gradient at 0 is 1, so that softplus has its gradient of ½ there.
    let negative = x.gt(&zero).select(&-x, x);
    x.relu() + (negative.exp() + 1.0).log()
}
