//! How far predicted classes overlap with true ones.

use brolga_ir::{DType, Mistake, Var};

use crate::config::Axis;
use crate::losses::{EPSILON, align};
use crate::trace::argmax;

/// The class numbers of a batch, or of its vectors along an axis the index of the greatest element.
#[track_caller]
pub(super) fn classes(y: &Var, sparse: bool, axis: Axis) -> Var {
    if sparse { y.cast(DType::I32) } else { argmax(y, axis) }
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
pub(super) fn mean_iou(totals: &[Vec<f64>], classes: usize, targets: &[usize]) -> f64 {
    let Some(total) = totals.first() else { return 0.0 };
    let at = |row: usize, column: usize| total.get(row * classes + column).copied().unwrap_or(0.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for &class in targets.iter().filter(|&&class| class < classes) {
        let labels: f64 = (0..classes).map(|other| at(class, other)).sum();
        let predictions: f64 = (0..classes).map(|other| at(other, class)).sum();
        let union = labels + predictions - at(class, class);
        if union > 1e-9 {
            (sum, count) = (sum + at(class, class) / (union + EPSILON), count + 1.0);
        }
    }
    sum / (count + EPSILON)
}

/// Declares a metric of overlaps over unions: its classes, if it does not look at all, which of
/// labels and predictions may be class numbers or vectors, and the default of that.
macro_rules! iou_metric {
    (
        $(#[$doc:meta])*
        $name:ident $(of $targets:ident)?: $($sparse:ident = $value:literal as $default:literal),*;
        |$this:ident| $sparse_labels:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// The name under which it is reported; `None`: Keras's name for the class.
            #[serde(default)]
            pub name: Option<String>,
            /// The number of classes.
            pub num_classes: usize,
            $(
                /// The classes that are looked at.
                pub $targets: Vec<usize>,
            )?
            /// A label that marks samples that do not count.
            #[serde(default)]
            pub ignore_class: Option<i64>,
            $(
                /// Whether they are class numbers instead of vectors over the classes.
                #[serde(default = $default)]
                pub $sparse: bool,
            )*
            /// The axis of the vectors over the classes; the last one by default.
            #[serde(default)]
            pub axis: crate::config::Axis,
        }

        crate::metrics::metric!($name { num_classes: Count });

        impl $name {
            /// With this number of classes, and no class ignored.
            pub fn new(num_classes: usize $(, $targets: impl Into<Vec<usize>>)?) -> Self {
                Self {
                    name: None,
                    num_classes,
                    $($targets: $targets.into(),)?
                    ignore_class: None,
                    $($sparse: $value,)*
                    axis: crate::config::Axis::default(),
                }
            }

            crate::setters::setters! {
                /// A label that marks samples that do not count; none by default.
                ignore_class: opt i64,
                $(
                    #[doc = concat!(
                        "Whether they are class numbers instead of vectors over the classes; ",
                        stringify!($value), " by default."
                    )]
                    $sparse: bool,
                )*
                /// The axis of the vectors over the classes; −1, the last one, by default.
                axis: into crate::config::Axis,
            }
        }

        impl crate::metrics::Metric for $name {
            fn given_name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn uses_mask(&self) -> bool {
                false
            }

            fn direction(&self) -> Option<crate::metrics::Direction> {
                Some(crate::metrics::Direction::Max)
            }

            fn parts(&self) -> usize {
                1
            }

            fn statistics(
                &self,
                y_true: &brolga_ir::Var,
                y_pred: &crate::trace::Prediction,
                sample_weight: Option<&brolga_ir::Var>,
            ) -> Vec<brolga_ir::Var> {
                use crate::metrics::overlap::{classes, overlap};
                let $this = self;
                let labels = classes(y_true, $sparse_labels, self.axis);
                let predictions = classes(&y_pred.output, self.sparse_y_pred, self.axis);
                let (count, ignored) = (self.num_classes, self.ignore_class);
                vec![overlap(&labels, &predictions, sample_weight, count, ignored)]
            }

            fn result(&self, totals: &[Vec<f64>]) -> f64 {
                let targets: Option<&[usize]> = None$(.or(Some(self.$targets.as_slice())))?;
                let targets = targets.map_or_else(|| (0..self.num_classes).collect(), <[_]>::to_vec);
                crate::metrics::overlap::mean_iou(totals, self.num_classes, &targets)
            }
        }
    };
}
pub(super) use iou_metric;
