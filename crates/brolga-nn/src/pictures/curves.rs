//! The curves of a training.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordi32;
use plotters::prelude::*;
use plotters::series::DashedLineSeries;

use super::svg::{self, mistake};
use crate::error::NnError;
use crate::history::History;

/// The width and the height of the panel of one quantity.
const PANEL: (u32, u32) = (480, 340);
/// Blue and orange, which all people tell apart.
const TRAINING: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const VALIDATION: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const FONT: &str = "sans-serif";
/// Before the names of what is computed on the validation data.
const VAL: &str = "val_";
/// Epochs are marked by dots and triangles where there are at most so many.
const MARKED: usize = 40;

/// The curves of a training, to be drawn: of [`History::plot`].
#[derive(Debug, Clone)]
pub struct Curves<'a> {
    history: &'a History,
    title: String,
    log_scale: bool,
    quantities: Option<Vec<String>>,
}

/// Epochs and values.
type Points = Vec<(i32, f64)>;

/// A quantity in training and in validation.
struct Panel<'a> {
    name: &'a str,
    training: Points,
    validation: Points,
}

impl History {
    /// The curves of the training: a panel for the loss and for each metric, with training (a line)
    /// and validation (dashes) in it. Epochs count from 1. Values that are not finite are left out.
    ///
    /// ```no_run
    /// # fn save(history: &brolga_nn::History) -> Result<(), brolga_nn::NnError> {
    /// history.plot().title("LeNet").log_scale(true).quantities(["loss"]).save_svg("loss.svg")
    /// # }
    /// ```
    pub fn plot(&self) -> Curves<'_> {
        Curves { history: self, title: String::new(), log_scale: false, quantities: None }
    }

    /// The [curves](History::plot) as SVG.
    ///
    /// # Errors
    /// If the history has no epoch.
    pub fn to_svg(&self) -> Result<String, NnError> {
        self.plot().to_svg()
    }

    /// Writes the [curves](History::plot) as SVG. The file is replaced as a whole.
    ///
    /// # Errors
    /// If the history has no epoch, or the file cannot be written.
    pub fn save_svg(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        self.plot().save_svg(path)
    }

    /// The number of an epoch, counted from 1, and the value of this quantity there.
    fn points(&self, name: &str) -> Points {
        let values = self.get(name).unwrap_or_default();
        let epochs = self.epoch.iter().map(|&epoch| number(epoch));
        // Beyond the range of f32 the axis could not be divided.
        epochs.zip(values.iter().copied()).filter(|(_, y)| (*y as f32).is_finite()).collect()
    }

    /// From the first to the last epoch, and not empty.
    fn epochs(&self) -> Range<i32> {
        let first = self.epoch.iter().min().map_or(1, |&epoch| number(epoch));
        let last = self.epoch.iter().max().map_or(1, |&epoch| number(epoch));
        if first == last { first - 1..last.saturating_add(1) } else { first..last }
    }
}

impl<'a> Curves<'a> {
    /// A title above all panels; none by default.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Whether the values have logarithmic axes; false by default. Then they must be positive.
    #[must_use]
    pub fn log_scale(mut self, log_scale: bool) -> Self {
        self.log_scale = log_scale;
        self
    }

    /// What is drawn, such as `["loss", "accuracy"]`, each with its validation; by default all.
    #[must_use]
    pub fn quantities<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.quantities = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The curves as SVG.
    ///
    /// # Errors
    /// If the history has no epoch or not such a quantity, or a value on a logarithmic axis is not
    /// positive.
    pub fn to_svg(&self) -> Result<String, NnError> {
        if self.history.epoch.is_empty() {
            let message = "a history without epochs has no curves";
            return Err(mistake(message, "train the model for one epoch at least"));
        }
        let panels = self.panels()?;
        let columns = panels.len().clamp(1, 2);
        let rows = panels.len().div_ceil(columns).max(1);
        let above = if self.title.is_empty() { 0 } else { 40 };
        let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32 + above);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            self.draw(&root, above, (rows, columns), &panels)
                .map_err(|error| mistake(format!("the curves cannot be drawn: {error}"), ""))?;
        }
        Ok(svg)
    }

    /// Writes the [curves](Curves::to_svg). The file is replaced as a whole.
    ///
    /// # Errors
    /// As [`Curves::to_svg`], or if the file cannot be written.
    pub fn save_svg(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        svg::save(path.as_ref(), &self.to_svg()?)
    }

    /// The quantities without those of the validation, which are drawn beside them.
    fn panels(&self) -> Result<Vec<Panel<'_>>, NnError> {
        let mut known: Vec<&str> = vec![];
        for series in &self.history.history {
            let name = series.name.strip_prefix(VAL).unwrap_or(&series.name);
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let mut names = known.clone();
        if let Some(asked) = &self.quantities {
            names = asked.iter().map(String::as_str).collect();
            if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
                return Err(NnError::unknown("quantity", unknown, &known));
            }
        }
        let panel = |name| Panel {
            name,
            training: self.history.points(name),
            validation: self.history.points(&format!("{VAL}{name}")),
        };
        let panels: Vec<Panel<'_>> = names.into_iter().map(panel).collect();
        let not_positive = |panel: &&Panel<'_>| panel.values().any(|y| y <= 0.0);
        match panels.iter().find(not_positive).filter(|_| self.log_scale) {
            None => Ok(panels),
            Some(panel) => {
                let message = format!(
                    "`{}` is not positive everywhere, as a logarithmic axis needs it",
                    panel.name
                );
                Err(mistake(message, "choose what is drawn: .quantities([..])"))
            }
        }
    }

    fn draw(
        &self,
        root: &DrawingArea<SVGBackend<'_>, Shift>,
        above: u32,
        split: (usize, usize),
        panels: &[Panel<'_>],
    ) -> Result<(), Box<dyn Error>> {
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(above);
        if above > 0 {
            head.titled(&self.title, (FONT, 20))?;
        }
        let epochs = self.history.epochs();
        for (panel, area) in panels.iter().zip(body.split_evenly(split)) {
            panel.draw(&area, epochs.clone(), self.log_scale)?;
        }
        Ok(root.present()?)
    }
}

/// The number of an epoch, counted from 1.
fn number(epoch: usize) -> i32 {
    i32::try_from(epoch.saturating_add(1)).unwrap_or(i32::MAX)
}

impl Panel<'_> {
    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        epochs: Range<i32>,
        log_scale: bool,
    ) -> Result<(), Box<dyn Error>> {
        let mut builder = ChartBuilder::on(area);
        builder
            .margin(12)
            .caption(self.name, (FONT, 18))
            .x_label_area_size(38)
            .y_label_area_size(72);
        let (low, high) = self.extremes();
        if log_scale {
            let range = (low / 1.2..high * 1.2).log_scale();
            self.fill(builder.build_cartesian_2d(epochs, range)?, &|y| logarithmic(*y))
        } else {
            let range = widened(low, high);
            let label = |y: &f64| linear(*y, &range);
            self.fill(builder.build_cartesian_2d(epochs, range.clone())?, &label)
        }
    }

    /// Draws axes, curves and legend.
    fn fill<'c, 's: 'c, Y: Ranged<ValueType = f64> + ValueFormatter<f64>>(
        &self,
        mut chart: ChartContext<'c, SVGBackend<'s>, Cartesian2d<RangedCoordi32, Y>>,
        label: &dyn Fn(&f64) -> String,
    ) -> Result<(), Box<dyn Error>> {
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.6))
            .x_desc("epoch")
            .y_desc(self.name)
            .x_labels(8)
            .y_labels(6)
            .y_label_formatter(&label)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .draw()?;
        let marked = |points: &Points| if points.len() <= MARKED { points.clone() } else { vec![] };
        if !self.training.is_empty() {
            let style = TRAINING.stroke_width(2);
            let line = LineSeries::new(self.training.iter().copied(), style);
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style);
            chart.draw_series(line)?.label("training").legend(legend);
            let dots = marked(&self.training).into_iter();
            chart.draw_series(dots.map(|point| Circle::new(point, 3, TRAINING.filled())))?;
        }
        if !self.validation.is_empty() {
            let style = VALIDATION.stroke_width(2);
            let line = DashedLineSeries::new(self.validation.iter().copied(), 7, 4, style);
            let legend = move |(x, y)| {
                let dash = |from, to| PathElement::new([(x + from, y), (x + to, y)], style);
                EmptyElement::at((0, 0)) + dash(0, 7) + dash(11, 18)
            };
            chart.draw_series(line)?.label("validation").legend(legend);
            let triangles = marked(&self.validation).into_iter();
            chart.draw_series(
                triangles.map(|point| TriangleMarker::new(point, 4, VALIDATION.filled())),
            )?;
        }
        chart
            .configure_series_labels()
            .position(self.free_corner())
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 13))
            .draw()?;
        Ok(())
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.training.iter().chain(&self.validation).map(|&(_, y)| y)
    }

    /// The smallest and the largest value; those of a panel without values are 0 and 1, or such
    /// that they have logarithms.
    fn extremes(&self) -> (f64, f64) {
        let low = self.values().fold(f64::INFINITY, f64::min);
        let high = self.values().fold(f64::NEG_INFINITY, f64::max);
        if low > high { (0.1, 1.0) } else { (low, high) }
    }

    /// Where the legend hides least: above curves that fall, below curves that rise.
    fn free_corner(&self) -> SeriesLabelPosition {
        let rises = |points: &Points| match (points.first(), points.last()) {
            (Some((_, first)), Some((_, last))) => last > first,
            _ => false,
        };
        if rises(&self.training) || self.training.is_empty() && rises(&self.validation) {
            SeriesLabelPosition::LowerRight
        } else {
            SeriesLabelPosition::UpperRight
        }
    }
}

/// The range of these values with a twentieth of it on both sides.
fn widened(low: f64, high: f64) -> Range<f64> {
    let flat = high - low <= 1e-9 * low.abs().max(high.abs()).max(1e-20);
    let margin = if flat { (0.1 * low.abs()).max(1e-3) } else { 0.05 * (high - low) };
    low - margin..high + margin
}

/// A number on an axis of this range, with as many digits as neighbours need to differ.
fn linear(y: f64, range: &Range<f64>) -> String {
    let largest = range.start.abs().max(range.end.abs());
    if !(1e-2..1e5).contains(&largest) {
        return format!("{y:.2e}");
    }
    let digits = (1.0 - (range.end - range.start).log10().floor()).clamp(0.0, 9.0);
    format!("{y:.*}", digits as usize)
}

/// A number on a logarithmic axis.
fn logarithmic(y: f64) -> String {
    if (1e-3..1e5).contains(&y) {
        ((y * 1e9).round() / 1e9).to_string()
    } else {
        format!("{y:.0e}")
    }
}

#[cfg(test)]
mod tests;
