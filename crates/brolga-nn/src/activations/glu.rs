//! The activation `glu`.

use brolga_ir::{Mistake, Var};

/// The gated linear unit `f([a, b]) = a·σ(b)` on the halves of the last axis.
///
/// Dauphin et al., "Language modeling with gated convolutional networks" (2017).
#[track_caller]
#[must_use]
pub fn glu(x: &Var) -> Var {
    let Some(&width) = x.shape().last().filter(|&&width| width % 2 == 0) else {
        let message = format!("`glu` halves the last axis, which {} does not allow", x.ty());
        return x.tracer().fail(Mistake::new(message).help("its extent must be even"));
    };
    let rank = x.shape().rank();
    let strides = vec![1; rank];
    let (mut middle, mut limits) = (vec![0; rank], x.shape().to_vec());
    middle[rank - 1] = width / 2;
    let gate = x.slice(&middle, &limits, &strides);
    limits[rank - 1] = width / 2;
    x.slice(&vec![0; rank], &limits, &strides) * gate.sigmoid()
}
