//! The activation `softmax`.

use brolga_ir::{Mistake, Var};

/// `f(x)ᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along the last axis, computed with `x − max x`, which overflows
/// nowhere; of `bf16` and `f16` in f32.
#[track_caller]
#[must_use]
pub fn softmax(x: &Var) -> Var {
    match shifted(x) {
        Ok((shifted, axis)) => {
            let exponentials = shifted.exp();
            let sum = exponentials.reduce_sum(&[axis], true);
            (exponentials / sum).cast(x.dtype())
        }
        Err(void) => void,
    }
}

/// `x − max x` along the last axis, in the type in which exponentials are summed, and that axis.
///
/// The maximum is a constant to differentiation: what it adds to the gradient sums up to zero.
pub(super) fn shifted(x: &Var) -> Result<(Var, usize), Var> {
    let Some(axis) = x.shape().rank().checked_sub(1) else {
        return Err(x.tracer().fail(Mistake::new("`softmax` needs at least one axis")));
    };
    let x = x.cast(x.dtype().accumulator());
    let maximum = x.reduce_max(&[axis], true).stop_gradient();
    Ok((x - maximum, axis))
}
