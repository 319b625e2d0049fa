//! `to_categorical` as in Keras.

use brolga_data::{Result, to_categorical};
use ndarray::{Array2, arr0, arr1, arr2, arr3};

#[test]
fn the_number_of_classes_is_given_or_inferred() -> Result<()> {
    let y = arr1(&[2_u8, 0]);
    assert_eq!(to_categorical(&y, None)?, arr2(&[[0., 0., 1.], [1., 0., 0.]]).into_dyn());
    assert_eq!(
        to_categorical(&y, Some(4))?,
        arr2(&[[0., 0., 1., 0.], [1., 0., 0., 0.]]).into_dyn()
    );
    Ok(())
}

#[test]
fn shapes_are_those_of_keras() -> Result<()> {
    assert_eq!(to_categorical(&arr0(1), Some(3))?, arr1(&[0., 1., 0.]).into_dyn());
    assert_eq!(to_categorical(&arr1(&[1]), None)?, arr2(&[[0., 1.]]).into_dyn());
    assert_eq!(to_categorical(&arr2(&[[1], [0]]), None)?, arr2(&[[0., 1.], [1., 0.]]).into_dyn());
    assert_eq!(
        to_categorical(&arr2(&[[1, 0], [0, 0]]), None)?,
        arr3(&[[[0., 1.], [1., 0.]], [[1., 0.], [1., 0.]]]).into_dyn()
    );
    assert_eq!(to_categorical(&arr1::<i32>(&[]), Some(3))?.shape(), [0, 3]);
    assert_eq!(to_categorical(&Array2::<i64>::zeros((0, 1)), Some(3))?.shape(), [0, 3]);
    Ok(())
}

/// The order is that of the indices, not that of the memory.
#[test]
fn views_are_read_in_their_order() -> Result<()> {
    let y = arr2(&[[0_i64, 1, 2], [2, 2, 2]]);
    let transposed = to_categorical(&y.t(), None)?;
    assert_eq!(transposed.shape(), [3, 2, 3]);
    assert_eq!((transposed[[1, 0, 1]], transposed[[1, 1, 2]]), (1.0, 1.0));
    assert_eq!(transposed.sum(), 6.0);
    Ok(())
}
