//! Labels as one-hot vectors.

use std::fmt::Display;

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use crate::error::{Error, Result};
use crate::shape;

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
    S::Elem: Copy + Display + TryInto<usize>,
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

    let too_large = || Error::TooLarge {
        what: "to_categorical: the result".to_owned(),
        given: shape::array_type("f32", &shape),
        help: "is one of the labels no label? otherwise train on the labels themselves, with \
               `sparse_categorical_crossentropy`",
    };
    let mut one_hot = shape::reserve(&shape).ok_or_else(too_large)?;
    one_hot.resize(y.len() * num_classes, 0.0);
    for (row, (index, &label)) in y.indexed_iter().enumerate() {
        match label.try_into() {
            Ok(class) if class < num_classes => one_hot[row * num_classes + class] = 1.0,
            _ => {
                return Err(Error::CategoricalLabel {
                    num_classes,
                    index: format!("{index:?}"),
                    given: label.to_string(),
                });
            }
        }
    }
    Ok(ArrayD::from_shape_vec(shape, one_hot).expect("as many values as the shape"))
}

/// The largest label + 1. Labels that are no class are left to the conversion to complain about.
fn infer_num_classes<S, D>(y: &ArrayBase<S, D>) -> Result<usize>
where
    S: Data,
    S::Elem: Copy + TryInto<usize>,
    D: Dimension,
{
    if y.is_empty() {
        return Err(Error::CategoricalEmpty);
    }
    let classes = y.iter().filter_map(|&label| label.try_into().ok());
    Ok(classes.max().map_or(0, |class: usize| class.saturating_add(1)))
}
