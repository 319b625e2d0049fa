//! Sequences, images and volumes: what layers with one to three spatial axes expect of their input.

use brolga_ir::ops::window::Spatial;
use brolga_ir::{Mistake, Type, Var};

use super::shapes;

/// The spatial extents and the channels of the one input.
///
/// # Errors
/// If it is none with `AXES` spatial axes.
pub(super) fn images<const AXES: usize>(
    class: &str,
    inputs: &[Type],
) -> Result<(Spatial<usize>, usize), Mistake> {
    if let [x] = inputs
        && x.shape.rank() == AXES + 2
        && let [_, spatial @ .., channels] = &*x.shape
        && let Some(spatial) = Spatial::of(spatial)
    {
        return Ok((spatial, *channels));
    }
    let (what, axes, example) = match AXES {
        1 => ("sequences", "steps", "28"),
        2 => ("images", "height, width", "28, 28"),
        _ => ("volumes", "depth, height, width", "28, 28, 28"),
    };
    let message =
        format!("{class} takes {what} (None, {axes}, channels), given {}", shapes(inputs));
    Err(Mistake::new(message).help(format!(
        "{what} without a channel axis need one of extent 1: Input::new([{example}, 1])"
    )))
}

/// As [`images`], of a value.
pub(super) fn images_of<const AXES: usize>(
    class: &str,
    x: &Var,
) -> Result<(Spatial<usize>, usize), Mistake> {
    images::<AXES>(class, std::slice::from_ref(x.ty()))
}
