//! The overlap over the union of some classes of one-hot labels.

use super::overlap::iou_metric;

iou_metric! {
    /// The mean of `overlap / union` of one-hot labels and predictions over some classes, of those
    /// that occur.
    ///
    /// Keras: `keras.metrics.OneHotIoU`.
    OneHotIoU of target_class_ids: sparse_y_pred = false as "bool::default";
    |_iou| false
}
