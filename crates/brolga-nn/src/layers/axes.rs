//! Axes as arguments.

use brolga_ir::{Mistake, Type, Var};

use super::shapes;
use crate::config::OneOrMany;

/// One axis or several; negative ones are counted from the last.
pub type Axes = OneOrMany<isize>;

/// The default of most layers.
pub(super) fn last() -> isize {
    -1
}

/// The same as one of several.
pub(super) fn last_axis() -> Axes {
    Axes::One(last())
}

impl Axes {
    /// The axes of a tensor, ascending.
    ///
    /// # Errors
    /// If the tensor has not one of them, one stands twice, or one is the batch.
    pub(super) fn of(&self, ty: &Type) -> Result<Vec<usize>, Mistake> {
        let mut axes = self
            .as_slice()
            .iter()
            .map(|&axis| self::axis(axis, ty))
            .collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        match axes.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let message = format!("axis {} is given twice in {:?}", pair[0], self.as_slice());
                Err(Mistake::new(message).help("give each axis once"))
            }
            None => Ok(axes),
        }
    }
}

/// An axis of a tensor.
///
/// # Errors
/// If the tensor has no such axis, or it is the batch.
pub(super) fn axis(axis: isize, ty: &Type) -> Result<usize, Mistake> {
    let rank = ty.shape.rank();
    let found = if axis < 0 { rank.checked_add_signed(axis) } else { usize::try_from(axis).ok() };
    match found {
        Some(found) if (1..rank).contains(&found) => Ok(found),
        Some(0) if rank > 0 => {
            let given = shapes(std::slice::from_ref(ty));
            let message = format!("axis {axis} of {given} counts the samples");
            Err(Mistake::new(message).help("give another axis: samples are computed one by one"))
        }
        _ => {
            let given = shapes(std::slice::from_ref(ty));
            let message = format!("{given} has no axis {axis}");
            let help = match rank {
                0 | 1 => "the layer takes inputs with an axis beside the batch".to_owned(),
                _ => format!(
                    "there are 1 to {}, or -1 to -{} counted from the last",
                    rank - 1,
                    rank - 1
                ),
            };
            Err(Mistake::new(message).help(help))
        }
    }
}

/// A tensor with an extent for each of `axes`, ascending, of tensors of this rank, so that it
/// broadcasts along them.
pub(super) fn along(values: &Var, axes: &[usize], rank: usize) -> Var {
    let are_last = axes.iter().rev().zip((0..rank).rev()).all(|(&axis, last)| axis == last);
    if are_last {
        return values.clone();
    }
    let mut extents = vec![1; rank];
    for (&axis, &extent) in axes.iter().zip(values.shape().iter()) {
        extents[axis] = extent;
    }
    values.reshape(extents)
}

/// The axes of a tensor of this rank that are not among `axes`.
pub(super) fn others(axes: &[usize], rank: usize) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(axis)).collect()
}
