//! Which classes are taken for which.

mod draw;
mod report;

use std::path::Path;

use brolga_runtime::RuntimeError;
use ndarray::Array2;

use super::classes::Classes;
use super::svg;
use crate::data::IntoData;
use crate::error::NnError;

/// How many samples of each class (rows) were predicted as which class (columns).
///
/// As text it is the report that scikit-learn calls `classification_report`.
///
/// ```
/// use brolga_nn::prelude::*;
///
/// let labels = [0, 0, 0, 1, 1, 2];
/// let predictions = [0, 0, 1, 1, 1, 0];
/// let matrix = ConfusionMatrix::of(&labels, &predictions)?.class_names(["cat", "dog", "owl"])?;
/// assert_eq!(matrix.counts(), ndarray::array![[2, 1, 0], [0, 2, 0], [1, 0, 0]]);
/// println!("{matrix}");
/// # Ok::<(), NnError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    counts: Array2<u64>,
    class_names: Vec<String>,
}

/// How well a class is recognized. What would be divided by 0 is 0, as in scikit-learn.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClassScores {
    /// Which share of the samples that were predicted as the class are of it.
    pub precision: f64,
    /// Which share of the samples of the class were predicted as it.
    pub recall: f64,
    /// The harmonic mean of both, `2·precision·recall / (precision + recall)`.
    pub f1: f64,
    /// How many samples the class has.
    pub support: u64,
}

impl ConfusionMatrix {
    /// Counts labels and predictions. Both are class numbers, `[samples]` or `[samples, 1]`, or a
    /// score for each class, `[samples, classes]`, such as what `predict` gives: the largest
    /// counts, and of equal ones the first.
    ///
    /// There are as many classes as there are scores, else as many as the largest number asks for.
    ///
    /// Counterparts: `sklearn.metrics.confusion_matrix`, `tf.math.confusion_matrix`.
    ///
    /// # Errors
    /// If there are no samples, the numbers of samples differ, something is no class, or the
    /// machine does not grant the memory for the counts.
    pub fn of<'l, 'p>(
        labels: impl IntoData<'l>,
        predictions: impl IntoData<'p>,
    ) -> Result<Self, NnError> {
        let labels = Classes::of(labels, "labels")?;
        let predictions = Classes::of(predictions, "predictions")?;
        let count = labels.count_with(&predictions)?;
        let mut counts = zeros(count)?;
        for pair in labels.numbers.into_iter().zip(predictions.numbers) {
            counts[pair] += 1;
        }
        Ok(Self { counts, class_names: (0..count).map(|class| class.to_string()).collect() })
    }

    /// The same with names for the classes; by default they have their numbers. Classes that have a
    /// name but no sample are added.
    ///
    /// # Errors
    /// If there are fewer names than classes.
    pub fn class_names<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, NnError> {
        let class_names: Vec<String> = names.into_iter().map(Into::into).collect();
        let (classes, given) = (self.class_names.len(), class_names.len());
        if given < classes {
            let message = format!("{classes} classes have {given} names");
            return Err(svg::mistake(
                message,
                "give each class a name, in the order of their numbers",
            ));
        }
        let mut counts = zeros(given)?;
        counts.slice_mut(ndarray::s![..classes, ..classes]).assign(&self.counts);
        Ok(Self { counts, class_names })
    }

    /// How many samples of the class of a row were predicted as the class of a column.
    pub fn counts(&self) -> &Array2<u64> {
        &self.counts
    }

    /// The counts as shares of their rows (scikit-learn's `normalize="true"`): its diagonal has the
    /// recalls. A class without samples has zeros.
    pub fn normalized(&self) -> Array2<f64> {
        let mut shares = self.counts.mapv(|count| count as f64);
        for mut row in shares.rows_mut() {
            let sum = row.sum();
            row.mapv_inplace(|count| ratio(count, sum));
        }
        shares
    }

    /// Which share of all samples was predicted right.
    pub fn accuracy(&self) -> f64 {
        ratio(self.counts.diag().sum() as f64, self.counts.sum() as f64)
    }

    /// The scores of each class.
    pub fn scores(&self) -> Vec<ClassScores> {
        let score = |class: usize| {
            let right = self.counts[(class, class)] as f64;
            let support = self.counts.row(class).sum();
            let precision = ratio(right, self.counts.column(class).sum() as f64);
            let recall = ratio(right, support as f64);
            let f1 = ratio(2.0 * precision * recall, precision + recall);
            ClassScores { precision, recall, f1, support }
        };
        (0..self.class_names.len()).map(score).collect()
    }

    /// The matrix as SVG. Each cell has its count, and a colour for its share of the row.
    pub fn to_svg(&self) -> String {
        draw::draw(self)
    }

    /// Writes the [picture](ConfusionMatrix::to_svg). The file is replaced as a whole.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_svg(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        svg::save(path.as_ref(), &self.to_svg())
    }
}

/// Counts of no sample.
fn zeros(classes: usize) -> Result<Array2<u64>, NnError> {
    let cells = classes.saturating_mul(classes);
    let counts = brolga_memory::filled(0, cells).map_err(RuntimeError::from)?;
    Array2::from_shape_vec((classes, classes), counts).map_err(|error| {
        svg::mistake(format!("{classes} classes cannot be counted: {error}"), "use smaller numbers")
    })
}

/// The quotient, or 0 where it is none.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests;
