//! The activation `selu`.

use brolga_ir::Var;

use super::elu::exponential_below;

/// α of the fixed point of mean 0 and variance 1.
const ALPHA: f64 = 1.673_263_242_354_377_2;
/// λ of the fixed point of mean 0 and variance 1.
const SCALE: f64 = 1.050_700_987_355_480_5;

/// The scaled exponential linear unit `f(x) = λ·x` where `x > 0`, `λ·α·(eˣ − 1)` elsewhere.
///
/// Klambauer et al., "Self-normalizing neural networks" (2017), where λ and α are derived.
///
/// Keras: `keras.activations.selu`.
#[track_caller]
#[must_use]
pub fn selu(x: &Var) -> Var {
    let positive = x.gt(&x.constant_like(0.0));
    let exponential = exponential_below(x, &positive) * ALPHA;
    positive.select(x, &exponential) * SCALE
}
