//! The reports of a training: named numbers, epoch by epoch.

mod series_map;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::NnError;
use crate::files::replace;

/// Named numbers in the order in which they were computed: the loss first, then the metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Logs(Vec<(String, f64)>);

impl Logs {
    /// No numbers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }

    /// The loss; NaN if there is none.
    pub fn loss(&self) -> f64 {
        self.get("loss").unwrap_or(f64::NAN)
    }

    /// Sets the number of this name.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Sets the number of this name after a prefix, without a new string where it is known.
    pub(crate) fn set_prefixed(&mut self, prefix: &str, name: &str, value: f64) {
        let fits = |known: &str| known.strip_prefix(prefix) == Some(name);
        match self.0.iter_mut().find(|(known, _)| fits(known)) {
            Some((_, old)) => *old = value,
            None => self.0.push((format!("{prefix}{name}"), value)),
        }
    }

    /// Names and numbers in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// The logs of each epoch of a training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// The numbers of the epochs, from 0.
    pub epoch: Vec<usize>,
    /// Each quantity with its values, epoch by epoch, in the order in which they were reported. In
    /// JSON this is Keras's `history.history`.
    #[serde(with = "series_map")]
    pub history: Vec<Series>,
}

/// The values of one quantity, epoch by epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, such as `val_loss`.
    pub name: String,
    /// Its values; NaN for an epoch that did not report it, which JSON writes as `null`.
    pub values: Vec<f64>,
}

impl History {
    /// Appends the logs of an epoch.
    pub fn push(&mut self, epoch: usize, logs: &Logs) {
        let before = self.epoch.len();
        self.epoch.push(epoch);
        for (name, value) in logs.iter() {
            let known = self.history.iter().position(|series| series.name == name);
            let index = known.unwrap_or_else(|| {
                let values = vec![f64::NAN; before];
                self.history.push(Series { name: name.to_owned(), values });
                self.history.len() - 1
            });
            self.history[index].values.push(value);
        }
        for series in &mut self.history {
            series.values.resize(before + 1, f64::NAN);
        }
    }

    /// The values of this quantity, epoch by epoch.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.history.iter().find(|s| s.name == name).map(|series| series.values.as_slice())
    }

    /// The value of this quantity after the last epoch.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.get(name)?.last().copied()
    }

    /// The history as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a history consists of names and numbers")
    }

    /// Writes the history as JSON. The file is replaced as a whole: a crash leaves the old one or
    /// the new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_json(&self, path: impl AsRef<Path>) -> Result<(), NnError> {
        replace(path.as_ref(), (self.to_json() + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_may_come_and_go() {
        let mut history = History::default();
        let mut logs = Logs::new();
        logs.set("loss", 2.0);
        history.push(0, &logs);
        logs.set("val_loss", 3.0);
        history.push(1, &logs);
        assert_eq!(history.get("loss"), Some([2.0, 2.0].as_slice()));
        assert!(history.get("val_loss").is_some_and(|v| v[0].is_nan() && v[1] == 3.0));
        assert_eq!(history.last("val_loss"), Some(3.0));
        let read: History = serde_json::from_str(&history.to_json()).expect("what was written");
        assert_eq!(read.to_json(), history.to_json());
    }
}
