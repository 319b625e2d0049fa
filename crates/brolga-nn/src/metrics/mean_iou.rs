//! The overlap over the union of all classes.

use super::overlap::iou_metric;

iou_metric! {
    /// The mean of `overlap / union` of labels and predictions over all classes that occur.
    ///
    /// Keras: `keras.metrics.MeanIoU`.
    MeanIoU:
        sparse_y_true = true as "crate::layers::yes",
        sparse_y_pred = true as "crate::layers::yes";
    |iou| iou.sparse_y_true
}
