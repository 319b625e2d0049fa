//! The axis along which an activation works.

use brolga_ir::{Mistake, Var};

use crate::config::axis_index;

/// The index of an axis of x; a negative one counts from the end.
#[track_caller]
pub(super) fn axis(name: &str, axis: i64, x: &Var) -> Result<usize, Var> {
    axis_index(axis, x.shape()).map_err(|Mistake { message, help }| {
        let message = format!("`{name}` works along axis {axis}: {message}");
        x.tracer().fail(Mistake { message, help })
    })
}
