//! Parts of images.

use brolga_ir::Var;

use super::resampling::{Interpolation, resampled};

/// The part of images of this size that begins at this row and column.
pub(super) fn cropped(x: &Var, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Var {
    let &[batch, _, _, channels] = &x.shape()[..] else { return x.clone() };
    x.slice(&[0, top, left, 0], &[batch, top + height, left + width, channels], &[1; 4])
}

/// The part in the middle of images of these extents.
pub(super) fn central(x: &Var, [height, width]: [usize; 2]) -> Var {
    let &[_, all_rows, all_columns, _] = &x.shape()[..] else { return x.clone() };
    let start = [(all_rows - height) / 2, (all_columns - width) / 2];
    cropped(x, start, [height, width])
}

/// The extents of the largest part of images of these extents that has the aspect of `size`.
pub(super) fn with_aspect([height, width]: [usize; 2], size: [usize; 2]) -> [usize; 2] {
    let fitted = |other: usize, own: usize, to: usize, most: usize| {
        let extent = (other as f64 * own as f64 / to as f64) as usize;
        extent.clamp(1, most.max(1))
    };
    [fitted(width, size[0], size[1], height), fitted(height, size[1], size[0], width)]
}

/// Images of this size: the largest part in the middle that has its aspect, resampled.
pub(super) fn fitted(x: &Var, size: [usize; 2], interpolation: &Interpolation) -> Var {
    let &[_, height, width, _] = &x.shape()[..] else { return x.clone() };
    resampled(&central(x, with_aspect([height, width], size)), size, interpolation, false)
}
