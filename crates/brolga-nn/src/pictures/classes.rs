//! The classes of samples: numbers, or scores of which the largest counts.

use crate::data::{Data, IntoData};
use crate::error::NnError;

use super::svg::mistake;

/// The class of each sample, and how many classes there are where the data tell.
pub(super) struct Classes {
    pub(super) numbers: Vec<usize>,
    pub(super) count: Option<usize>,
}

impl Classes {
    /// The classes of labels or predictions: class numbers `[n]` or `[n, 1]`, or a row of scores
    /// for each sample, `[n, classes]`, of which the largest counts, and of equal ones the first.
    pub(super) fn of<'a>(data: impl IntoData<'a>, what: &str) -> Result<Self, NnError> {
        let data = data.into_data();
        data.check_copied(what)?;
        if data.shape().contains(&0) {
            let what = format!("the array of {what}");
            return Err(NnError::Empty { what, shape: data.shape().to_vec() });
        }
        match *data.shape() {
            [_] | [_, 1] => Self::of_numbers(&data, what),
            [_, count] => Self::of_scores(&data, count, what),
            ref shape => {
                let message = format!("{what} of shape {shape:?} are no classes");
                let help =
                    "give class numbers of shape [samples], or scores of shape [samples, classes]";
                Err(mistake(message, help))
            }
        }
    }

    fn of_numbers(data: &Data<'_>, what: &str) -> Result<Self, NnError> {
        // Every whole number up to here is exact.
        let is_class = |x: f64| (0.0..9.0e15).contains(&x) && x.fract() == 0.0;
        if let Some((sample, _, value)) = data.find(0..data.samples(), |x| !is_class(x)) {
            let message = format!("{what} have {value} at sample {sample}, which is no class");
            let help = "classes are counted from 0. Probabilities of one class become classes by \
                        `.mapv(|p| u8::from(p > 0.5))`";
            return Err(mistake(message, help));
        }
        let mut numbers = Vec::with_capacity(data.samples());
        data.each(|_, x| numbers.push(x as usize));
        Ok(Self { numbers, count: None })
    }

    fn of_scores(data: &Data<'_>, count: usize, what: &str) -> Result<Self, NnError> {
        if let Some((sample, element, _)) = data.find(0..data.samples(), f64::is_nan) {
            let message = format!("{what} have NaN at sample {sample}, class {element}");
            return Err(mistake(message, "give numbers of which one is the largest"));
        }
        let mut numbers = vec![0; data.samples()];
        let mut largest = f64::NEG_INFINITY;
        data.each(|index, x| {
            let (sample, class) = (index / count, index % count);
            if class == 0 || x > largest {
                (largest, numbers[sample]) = (x, class);
            }
        });
        Ok(Self { numbers, count: Some(count) })
    }

    /// How many classes both know of.
    ///
    /// # Errors
    /// If their numbers of samples differ, or one has a class that the other has no score for.
    pub(super) fn count_with(&self, other: &Self) -> Result<usize, NnError> {
        let (first, second) = (self.numbers.len(), other.numbers.len());
        if first != second {
            return Err(NnError::Lengths {
                first: "the array of labels".to_owned(),
                first_length: first,
                second: "the array of predictions".to_owned(),
                second_length: second,
            });
        }
        let all = || self.numbers.iter().zip(&other.numbers).map(|(a, b)| *a.max(b));
        let needed = all().max().map_or(0, |class| class + 1);
        let Some(count) = self.count.max(other.count) else { return Ok(needed) };
        match all().position(|class| class >= count) {
            None => Ok(count),
            Some(sample) => {
                let class = self.numbers[sample].max(other.numbers[sample]);
                let message = format!(
                    "sample {sample} has the class {class}, but there are scores of {count} classes"
                );
                let help = format!("classes go from 0 to {}", count - 1);
                Err(mistake(message, &help))
            }
        }
    }
}
