//! The common part of the pooling layers.

use brolga_ir::ops::Pooling;
use brolga_ir::{Mistake, Var};

use super::shapes;
use crate::config::{Padding, Pair};
use crate::trace::Call;

/// Pools every input with windows of this size, side by side unless strides are given.
pub(super) fn pooled(
    call: &mut Call<'_>,
    inputs: &[Var],
    class: &str,
    (size, strides, padding): (Pair, Option<Pair>, &Padding),
    pool: impl Fn(&Var, Pooling) -> Var,
) -> Vec<Var> {
    call.map(inputs, |call, x| {
        let (window, strides) = (size.0, strides.unwrap_or(size).0);
        let &[_, height, width, _] = &x.shape()[..] else {
            let message = format!(
                "{class} takes images (None, height, width, channels), given {}",
                shapes(&[x.ty().clone()])
            );
            return call.tracer().fail(Mistake::new(message));
        };
        match padding.amounts([height, width], window, strides, [1, 1]) {
            Ok(padding) => pool(&x, Pooling::new(window, strides, padding)),
            Err(mistake) => call.tracer().fail(mistake),
        }
    })
}
