//! The activation `log_softmax`.

use brolga_ir::Var;

use super::softmax::shifted;

/// `f(x)ᵢ = xᵢ − ln Σⱼ exp(xⱼ)` along the last axis, computed with `x − max x`: finite wherever `x`
/// is; of `bf16` and `f16` in f32.
#[track_caller]
#[must_use]
pub fn log_softmax(x: &Var) -> Var {
    match shifted(x) {
        Ok((shifted, axis)) => {
            let sum = shifted.exp().reduce_sum(&[axis], true);
            (shifted - sum.log()).cast(x.dtype())
        }
        Err(void) => void,
    }
}
