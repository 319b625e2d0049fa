//! The overlap over the union of some classes.

use super::overlap::iou_metric;

iou_metric! {
    /// The mean of `overlap / union` of labels and predictions over some classes, of those that
    /// occur.
    ///
    /// Keras: `keras.metrics.IoU`.
    IoU of target_class_ids:
        sparse_y_true = true as "crate::layers::yes",
        sparse_y_pred = true as "crate::layers::yes";
    |iou| iou.sparse_y_true
}
