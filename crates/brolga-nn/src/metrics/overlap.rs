//! How far predicted classes overlap with true ones.

use brolga_ir::{DType, Mistake, Var};

use crate::losses::{EPSILON, align};
use crate::trace::argmax_last;

/// The class numbers of a batch, or of its vectors the index of the greatest element.
#[track_caller]
pub(super) fn classes(y: &Var, sparse: bool) -> Var {
    if sparse { y.cast(DType::I32) } else { argmax_last(y) }
}

/// The sum of the weights of all labels of each class (row) that are predicted as each class
/// (column). Labels and predictions of no class are left out.
#[track_caller]
pub(super) fn overlap(
    labels: &Var,
    predictions: &Var,
    sample_weight: Option<&Var>,
    classes: usize,
    ignored: Option<i64>,
) -> Var {
    let count = labels.shape().elements();
    if predictions.shape().elements() != count {
        let message =
            format!("the metric compares classes {} with {}", labels.ty(), predictions.ty());
        let help = "both must have as many; see the arguments for vectors over the classes";
        return labels.tracer().fail(Mistake::new(message).help(help));
    }
    let hot = |y: &Var| y.reshape([count]).one_hot(classes, DType::F32);
    let (mut rows, columns) = (hot(labels), hot(predictions));
    if let Some(ignored) = ignored {
        let ignored = ignored.clamp(i32::MIN.into(), i32::MAX.into()) as f64;
        let line = labels.reshape([count, 1]);
        rows = rows * line.ne(&line.constant_like(ignored)).cast(DType::F32);
    }
    if let Some(weight) = sample_weight {
        let weight = align(weight, labels).broadcast(labels.shape().clone());
        rows = rows * weight.reshape([count, 1]);
    }
    rows.matmul_with(&columns, true, false)
}

/// The mean of `overlap / union` of these classes, of those that occur; see [`overlap`].
pub(super) fn mean_iou(total: &[f64], classes: usize, targets: impl Iterator<Item = usize>) -> f64 {
    let at = |row: usize, column: usize| total.get(row * classes + column).copied().unwrap_or(0.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for class in targets.filter(|&class| class < classes) {
        let labels: f64 = (0..classes).map(|other| at(class, other)).sum();
        let predictions: f64 = (0..classes).map(|other| at(other, class)).sum();
        let union = labels + predictions - at(class, class);
        if union > 1e-9 {
            (sum, count) = (sum + at(class, class) / (union + EPSILON), count + 1.0);
        }
    }
    sum / (count + EPSILON)
}
