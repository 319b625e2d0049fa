//! Images in rows, with predictions.

mod draw;
mod pixels;

use std::path::Path;

use super::classes::Classes;
use super::svg::{self, mistake};
use crate::data::{Data, IntoData};
use crate::error::NnError;

/// Images in rows and columns, each with a title: what `plt.imshow` in `plt.subplots` shows.
///
/// ```
/// use brolga_nn::prelude::*;
/// use ndarray::{Array3, array};
///
/// let images = Array3::<u8>::zeros((2, 28, 28));
/// let scores = array![[0.9, 0.1], [0.8, 0.2]];
/// let grid = ImageGrid::new(&images).predictions(&[0, 1], &scores).class_names(["no", "yes"]);
/// assert!(grid.to_svg()?.contains("no (yes)"));
/// # Ok::<(), NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageGrid<'a> {
    images: Data<'a>,
    columns: Option<usize>,
    value_range: Option<(f64, f64)>,
    titles: Vec<String>,
    predictions: Option<(Data<'a>, Data<'a>)>,
    class_names: Vec<String>,
}

/// A title, and whether it says that a prediction is right.
#[derive(Debug, Clone, Default, PartialEq)]
struct Title {
    text: String,
    is_right: Option<bool>,
}

impl<'a> ImageGrid<'a> {
    /// A grid of grey images `[n, height, width]` or `[n, height, width, 1]`, or of colour images
    /// `[n, height, width, 3]`. Integers go from 0 to 255, floats from 0 to 1.
    pub fn new(images: impl IntoData<'a>) -> Self {
        Self {
            images: images.into_data(),
            columns: None,
            value_range: None,
            titles: vec![],
            predictions: None,
            class_names: vec![],
        }
    }

    /// The number of columns; by default as many as rows, 10 at most.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns);
        self
    }

    /// The values of black and of white (or of no and of full colour); by default (0, 255) for
    /// integers and (0, 1) for floats.
    #[must_use]
    pub fn value_range(mut self, black: f64, white: f64) -> Self {
        self.value_range = Some((black, white));
        self
    }

    /// A title for each image.
    #[must_use]
    pub fn titles<S: Into<String>>(mut self, titles: impl IntoIterator<Item = S>) -> Self {
        self.titles = titles.into_iter().map(Into::into).collect();
        self
    }

    /// Lets each title be "predicted (true)", in a colour and with a sign that say whether both are
    /// the same. Labels and predictions are those of
    /// [`ConfusionMatrix::of`](super::ConfusionMatrix::of).
    #[must_use]
    pub fn predictions(
        mut self,
        labels: impl IntoData<'a>,
        predictions: impl IntoData<'a>,
    ) -> Self {
        self.predictions = Some((labels.into_data(), predictions.into_data()));
        self
    }

    /// Names for the classes; by default they have their numbers.
    #[must_use]
    pub fn class_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.class_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The grid as SVG, with the images inside of it as PNG.
    ///
    /// # Errors
    /// If there are no images, they have another shape, a value is out of range, there are not as
    /// many titles, labels or predictions as images, or a class has no name.
    pub fn to_svg(&self) -> Result<String, NnError> {
        let images = pixels::Images::of(&self.images, self.value_range)?;
        let count = self.images.samples();
        let columns = match self.columns {
            Some(0) => return Err(mistake("a grid of 0 columns", "give one column at least")),
            Some(columns) => columns.min(count),
            None => (1..10).find(|side| side * side >= count).unwrap_or(10),
        };
        draw::draw(&images, columns, &self.all_titles(count)?)
    }

    /// Writes the [picture](ImageGrid::to_svg). The file is replaced as a whole.
    ///
    /// # Errors
    /// As [`ImageGrid::to_svg`], or if the file cannot be written.
    pub fn save_svg(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        svg::save(path.as_ref(), &self.to_svg()?)
    }

    fn all_titles(&self, count: usize) -> Result<Vec<Title>, NnError> {
        let expect = |what: &str, given: usize| {
            if given == count {
                return Ok(());
            }
            Err(NnError::Lengths {
                first: "the array of images".to_owned(),
                first_length: count,
                second: what.to_owned(),
                second_length: given,
            })
        };
        let Some((labels, predictions)) = &self.predictions else {
            if self.titles.is_empty() {
                return Ok(vec![Title::default(); count]);
            }
            expect("the list of titles", self.titles.len())?;
            let title = |text: &String| Title { text: text.clone(), is_right: None };
            return Ok(self.titles.iter().map(title).collect());
        };
        if !self.titles.is_empty() {
            return Err(mistake("images have titles and predictions", "give one of both"));
        }
        expect("the array of labels", labels.samples())?;
        expect("the array of predictions", predictions.samples())?;
        let labels = Classes::of(labels, "labels")?;
        let predictions = Classes::of(predictions, "predictions")?;
        labels.count_with(&predictions)?;
        let title = |(&label, &predicted): (&usize, &usize)| {
            let text = format!("{} ({})", self.class_name(predicted)?, self.class_name(label)?);
            Ok(Title { text, is_right: Some(label == predicted) })
        };
        labels.numbers.iter().zip(&predictions.numbers).map(title).collect()
    }

    fn class_name(&self, class: usize) -> Result<String, NnError> {
        if self.class_names.is_empty() {
            return Ok(class.to_string());
        }
        self.class_names.get(class).cloned().ok_or_else(|| {
            let message =
                format!("the class {class} has no name, {} were given", self.class_names.len());
            mistake(message, "give each class a name, in the order of their numbers")
        })
    }
}

#[cfg(test)]
mod tests;
