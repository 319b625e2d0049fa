//! Labels as one-hot vectors.

use std::fmt::Display;

use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

use crate::error::{Error, Result};

/// Converts class labels to one-hot vectors, as `keras.utils.to_categorical` does: for the losses
/// that compare whole distributions.
///
/// The result has one more dimension than `y`, of `num_classes` elements: `out[.., c]` is 1 where
/// `y[..]` is `c`, and 0 elsewhere. A last dimension of length 1 is taken away first, so that both
/// `[n]` and `[n, 1]` become `[n, num_classes]`. The number of classes is the largest label + 1
/// where it is `None`; give it where the largest class may be missing in `y`.
///
/// ```
/// use brolga_data::to_categorical;
/// use ndarray::arr1;
///
/// let y = to_categorical(&arr1(&[0, 2, 1]), Some(3))?;
/// assert_eq!(y, ndarray::arr2(&[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).into_dyn());
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// A label is negative or not below `num_classes`, there is neither a label nor `num_classes`, or
/// the result does not fit into memory.
pub fn to_categorical<S, D>(y: &ArrayBase<S, D>, num_classes: Option<usize>) -> Result<ArrayD<f32>>
where
    S: Data,
    S::Elem: Copy + Display + PartialOrd + TryInto<usize>,
    D: Dimension,
{
    let num_classes = match num_classes {
        Some(num_classes) => num_classes,
        None => infer_num_classes(y)?,
    };
    let mut shape = y.shape().to_vec();
    if shape.len() > 1 && shape.last() == Some(&1) {
        shape.pop();
    }
    shape.push(num_classes);

    let mut out = zeros(&shape)?;
    let labels = y.indexed_iter();
    for ((index, &label), mut one_hot) in labels.zip(out.rows_mut()) {
        match label.try_into().ok().and_then(|class| one_hot.get_mut(class)) {
            Some(element) => *element = 1.0,
            None => {
                return Err(Error::CategoricalLabel {
                    num_classes,
                    index: format!("{index:?}"),
                    given: label.to_string(),
                });
            }
        }
    }
    Ok(out)
}
