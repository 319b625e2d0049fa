//! The curves of a training as an SVG, and its history in a file.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use brolga_ir::Mistake;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::NnError;
use crate::files::replace;
use crate::history::History;

/// The width and the height of the panel of one quantity.
const PANEL: (u32, u32) = (480, 340);
const TRAINING: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const VALIDATION: RGBColor = RGBColor(0xe6, 0x6c, 0x00);
const FONT: &str = "sans-serif";
/// Before the names of what is computed on the validation data.
const VAL: &str = "val_";

/// Epochs and values.
type Points = Vec<(i32, f64)>;

/// A quantity in training and in validation.
struct Panel<'a> {
    name: &'a str,
    training: Points,
    validation: Points,
}

impl History {
    /// The curves as an SVG: a panel for the loss and for each metric, with training and validation
    /// in it. Epochs count from 1.
    ///
    /// Values that are not finite are left out.
    ///
    /// # Errors
    /// If the history has no epoch.
    pub fn to_svg(&self) -> Result<String, NnError> {
        if self.epoch.is_empty() {
            let mistake = Mistake::new("a history without epochs has no curves");
            return Err(mistake.help("train the model for one epoch at least").into());
        }
        let panels = self.panels();
        let columns = panels.len().clamp(1, 2);
        let rows = panels.len().div_ceil(columns).max(1);
        let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let areas = root.split_evenly((rows, columns));
            let drawn = root.fill(&WHITE).map_err(Into::into).and_then(|()| {
                panels
                    .iter()
                    .zip(&areas)
                    .try_for_each(|(panel, area)| panel.draw(area, self.epochs()))
            });
            drawn.and_then(|()| Ok(root.present()?)).map_err(|error: Box<dyn Error>| {
                NnError::Argument(Mistake::new(format!("the curves cannot be drawn: {error}")))
            })?;
        }
        Ok(svg)
    }

    /// Writes the [curves](History::to_svg). The file is replaced as a whole: a crash leaves the
    /// old one or the new one.
    ///
    /// # Errors
    /// If the history has no epoch, or the file cannot be written.
    pub fn save_svg(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        replace(path.as_ref(), self.to_svg()?.as_bytes())
    }

    /// Writes the history as JSON. The file is replaced as a whole: a crash leaves the old one or
    /// the new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_json(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        replace(path.as_ref(), (self.to_json() + "\n").as_bytes())
    }

    fn panels(&self) -> Vec<Panel<'_>> {
        let mut names: Vec<&str> = vec![];
        for series in &self.history {
            let name = series.name.strip_prefix(VAL).unwrap_or(&series.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let panel = |name| Panel {
            name,
            training: self.points(name),
            validation: self.points(&format!("{VAL}{name}")),
        };
        names.into_iter().map(panel).collect()
    }

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

/// The number of an epoch, counted from 1.
fn number(epoch: usize) -> i32 {
    i32::try_from(epoch.saturating_add(1)).unwrap_or(i32::MAX)
}

impl Panel<'_> {
    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        epochs: Range<i32>,
    ) -> Result<(), Box<dyn Error>> {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(self.name, (FONT, 18))
            .x_label_area_size(38)
            .y_label_area_size(68)
            .build_cartesian_2d(epochs, self.range())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.6))
            .x_desc("epoch")
            .y_desc(self.name)
            .x_labels(8)
            .y_labels(6)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .draw()?;
        let curves =
            [("training", &self.training, TRAINING), ("validation", &self.validation, VALIDATION)];
        for (label, points, colour) in curves {
            if points.is_empty() {
                continue;
            }
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            let line = line.point_size(if points.len() <= 40 { 3 } else { 0 });
            chart.draw_series(line)?.label(label).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
            });
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

    /// The range of the values with a twentieth of it on both sides.
    fn range(&self) -> Range<f64> {
        let low = self.values().fold(f64::INFINITY, f64::min);
        let high = self.values().fold(f64::NEG_INFINITY, f64::max);
        if low > high {
            return 0.0..1.0;
        }
        let flat = high - low <= 1e-9 * low.abs().max(high.abs()).max(1e-20);
        let margin = if flat { (0.1 * low.abs()).max(1e-3) } else { 0.05 * (high - low) };
        low - margin..high + margin
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Logs;

    fn history(epochs: usize, names: &[&str]) -> History {
        let mut history = History::default();
        for epoch in 0..epochs {
            let mut logs = Logs::new();
            for (index, name) in names.iter().enumerate() {
                logs.set(*name, 1.0 / (epoch + index + 1) as f64);
            }
            history.push(epoch, &logs);
        }
        history
    }

    fn curves(svg: &str) -> usize {
        svg.matches("<polyline").count()
    }

    #[test]
    fn each_quantity_has_a_panel_and_each_series_a_curve() {
        let names = ["loss", "accuracy", "val_loss", "val_accuracy"];
        let svg = history(3, &names).to_svg().expect("three epochs");
        for text in ["loss", "accuracy", "epoch", "training", "validation"] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text} is missing");
        }
        assert!(svg.starts_with("<svg width=\"960\" height=\"340\""));
        let without = history(3, &["loss"]).to_svg().expect("three epochs");
        assert!(!without.contains("validation") && without.starts_with("<svg width=\"480\""));
        assert!(curves(&svg) > curves(&without));
    }

    #[test]
    fn one_epoch_and_odd_values_can_be_drawn() {
        let mut history = history(1, &["loss"]);
        assert!(history.to_svg().is_ok());
        for values in [vec![f64::NAN], vec![0.0], vec![1e300], vec![-1e-320], vec![f64::INFINITY]] {
            history.history[0].values = values;
            assert!(history.to_svg().is_ok());
        }
        history.history.clear();
        assert!(history.to_svg().is_ok());
        assert_eq!(history.epochs(), 0..2);
    }

    #[test]
    fn a_history_without_epochs_is_an_error() {
        let error = History::default().to_svg().expect_err("nothing to draw");
        insta::assert_snapshot!(error, @"
        a history without epochs has no curves
          help: train the model for one epoch at least
        ");
    }

    #[test]
    fn files_are_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("curves.svg");
        std::fs::write(&path, "old").expect("a file");
        history(2, &["loss"]).save_svg(&path).expect("a writable folder");
        assert!(std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with("<svg")));
        assert_eq!(std::fs::read_dir(folder.path()).map(Iterator::count).ok(), Some(1));
        let lost = folder.path().join("missing/curves.svg");
        assert!(matches!(history(2, &["loss"]).save_svg(lost), Err(NnError::Io { .. })));
    }
}
