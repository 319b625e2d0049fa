//! The overlap over the union of all classes of one-hot labels.

use super::overlap::iou_metric;

iou_metric! {
    /// The mean of `overlap / union` of one-hot labels and predictions over all classes that occur.
    ///
    /// Keras: `keras.metrics.OneHotMeanIoU`.
    OneHotMeanIoU: sparse_y_pred = false as "bool::default";
    |_iou| false
}
