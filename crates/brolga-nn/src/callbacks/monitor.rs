//! Watching whether a reported quantity improves.

use brolga_ir::Mistake;

use crate::callback::TrainingPlan;
use crate::error::{NnError, known_names};
use crate::history::Logs;
use crate::metrics::Direction;

/// Which values of a monitored quantity are better. The strings `"auto"`, `"min"` and `"max"` are
/// accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// The metric's own direction; a loss falls.
    #[default]
    Auto,
    /// Lower values.
    Min,
    /// Higher values.
    Max,
    /// Another word, which is an error when a training begins.
    Unknown(String),
}

impl From<&str> for Mode {
    fn from(word: &str) -> Self {
        match word {
            "auto" => Self::Auto,
            "min" => Self::Min,
            "max" => Self::Max,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// A reported quantity and the best value so far.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    /// How much better a value must be to count.
    pub(crate) min_delta: f64,
    pub(crate) best: Option<f64>,
    direction: Direction,
}

impl Default for Monitor {
    fn default() -> Self {
        let (name, mode) = ("val_loss".to_owned(), Mode::Auto);
        Self { name, mode, min_delta: 0.0, best: None, direction: Direction::Min }
    }
}

impl Monitor {
    /// Of `val_loss`, where a value must be so much better to count.
    pub(crate) fn with_min_delta(min_delta: f64) -> Self {
        Self { min_delta, ..Self::default() }
    }

    /// Forgets the best value, and decides which values are better.
    pub(crate) fn begin(&mut self, callback: &str, plan: &TrainingPlan) -> Result<(), NnError> {
        check_reported(callback, &self.name, plan)?;
        self.best = None;
        self.direction = match &self.mode {
            Mode::Min => Direction::Min,
            Mode::Max => Direction::Max,
            Mode::Auto => plan.direction(&self.name).ok_or_else(|| {
                let name = &self.name;
                let message =
                    format!("{callback}: it is not known whether `{name}` should fall or rise");
                NnError::Argument(Mistake::new(message).help("set mode to \"min\" or \"max\""))
            })?,
            Mode::Unknown(word) => {
                let mistake = Mistake::new(format!("{callback}: there is no mode `{word}`"));
                return Err(mistake.help("mode is \"auto\", \"min\" or \"max\"").into());
            }
        };
        Ok(())
    }

    /// The quantity in these logs, if this epoch reports it.
    pub(crate) fn value(&self, logs: &Logs) -> Option<f64> {
        logs.get(&self.name)
    }

    /// Whether a value is better than another by more than `min_delta`. Everything is better than
    /// nothing; NaN is better than nothing else.
    pub(crate) fn improves(&self, value: f64, reference: Option<f64>) -> bool {
        let Some(reference) = reference.filter(|reference| !reference.is_nan()) else {
            return true;
        };
        match self.direction {
            Direction::Min => value + self.min_delta.abs() < reference,
            Direction::Max => value - self.min_delta.abs() > reference,
        }
    }
}

/// Checks that a training reports a quantity.
pub(crate) fn check_reported(
    callback: &str,
    name: &str,
    plan: &TrainingPlan,
) -> Result<(), NnError> {
    if plan.reported.iter().any(|known| known == name) {
        return Ok(());
    }
    let known: Vec<&str> = plan.reported.iter().map(String::as_str).collect();
    let (message, mut help) = known_names("reported quantity", name, &known);
    let measured = name.strip_prefix("val_").is_some_and(|name| known.contains(&name));
    if measured {
        help +=
            "; what begins with `val_` needs validation data: Fit::new().validation_data(&x, &y)";
    }
    let message =
        if measured { format!("there is no reported quantity `{name}`") } else { message };
    Err(NnError::UnknownName { message: format!("{callback}: {message}"), help })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::rig::plan;

    fn begun(mode: &str, min_delta: f64) -> Monitor {
        let mut monitor = Monitor { mode: mode.into(), min_delta, ..Monitor::default() };
        monitor.begin("EarlyStopping", &plan(&["loss", "val_loss"])).expect("it is reported");
        monitor
    }

    #[test]
    fn a_loss_falls() {
        let monitor = begun("auto", 0.1);
        assert!(monitor.improves(1.0, None) && monitor.improves(0.5, Some(1.0)));
        assert!(!monitor.improves(0.95, Some(1.0)) && !monitor.improves(1.5, Some(1.0)));
        assert!(begun("max", -0.1).improves(1.5, Some(1.0)));
        assert!(!begun("max", -0.1).improves(1.05, Some(1.0)));
    }

    #[test]
    fn nan_is_never_better_and_never_stays() {
        let monitor = begun("min", 0.0);
        assert!(!monitor.improves(f64::NAN, Some(1.0)));
        assert!(monitor.improves(1e9, Some(f64::NAN)));
    }

    fn error(name: &str, mode: &str, reported: &[&str]) -> String {
        let mut monitor =
            Monitor { name: name.to_owned(), mode: mode.into(), ..Monitor::default() };
        monitor.begin("EarlyStopping", &plan(reported)).expect_err("a mistake").to_string()
    }

    #[test]
    fn mistakes_are_found_before_the_first_step() {
        insta::assert_snapshot!(error("val_loss", "auto", &["loss", "accuracy"]), @"
        EarlyStopping: there is no reported quantity `val_loss`
          help: there are loss, accuracy; what begins with `val_` needs validation data: Fit::new().validation_data(&x, &y)
        ");
        insta::assert_snapshot!(error("acuracy", "auto", &["loss", "accuracy"]), @"
        EarlyStopping: there is no reported quantity `acuracy`; did you mean `accuracy`?
          help: there are loss, accuracy
        ");
        insta::assert_snapshot!(error("f1", "auto", &["loss", "f1"]), @r#"
        EarlyStopping: it is not known whether `f1` should fall or rise
          help: set mode to "min" or "max"
        "#);
        insta::assert_snapshot!(error("loss", "minimum", &["loss"]), @r#"
        EarlyStopping: there is no mode `minimum`
          help: mode is "auto", "min" or "max"
        "#);
    }
}
