//! The scores of all classes as a table.

use std::fmt;

use super::{ClassScores, ConfusionMatrix, ratio};

/// The widest name that is not a class's.
const WEIGHTED: &str = "weighted avg";

/// The table of scikit-learn's `classification_report`.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.class_names.iter().map(|name| name.chars().count());
        let width = names.max().unwrap_or(0).max(WEIGHTED.len());
        let titles = ["precision", "recall", "f1-score", "support"];
        write!(f, "{:width$} ", "")?;
        titles.iter().try_for_each(|title| write!(f, " {title:>9}"))?;
        writeln!(f, "\n")?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, scores: &ClassScores| {
            let ClassScores { precision, recall, f1, support } = scores;
            writeln!(f, "{name:>width$}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}")
        };
        let scores = self.scores();
        for (name, scores) in self.class_names.iter().zip(&scores) {
            row(f, name, scores)?;
        }
        let support = self.counts.sum();
        let (accuracy, empty) = (self.accuracy(), "");
        writeln!(
            f,
            "\n{:>width$}  {empty:>9} {empty:>9} {accuracy:>9.2} {support:>9}",
            "accuracy"
        )?;
        row(f, "macro avg", &mean(&scores, support, |_| 1.0))?;
        row(f, WEIGHTED, &mean(&scores, support, |scores| scores.support as f64))
    }
}

/// The mean of the scores of all classes.
fn mean(scores: &[ClassScores], support: u64, weight: impl Fn(&ClassScores) -> f64) -> ClassScores {
    let whole = scores.iter().map(&weight).sum();
    let of = |number: fn(&ClassScores) -> f64| {
        ratio(scores.iter().map(|scores| weight(scores) * number(scores)).sum(), whole)
    };
    ClassScores {
        precision: of(|s| s.precision),
        recall: of(|s| s.recall),
        f1: of(|s| s.f1),
        support,
    }
}
