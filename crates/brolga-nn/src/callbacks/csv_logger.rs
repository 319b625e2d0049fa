//! Writing what each epoch reports into a file.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use brolga_ir::Mistake;
use csv::{Writer, WriterBuilder};

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;

/// Writes a line for each epoch: its number, from 0, and what it reports, in the order of the names. What an epoch does not report is `NA`.
///
/// As in Keras, a training without validation has empty columns for it, so that a later training with validation can be appended.
#[derive(Debug)]
#[must_use]
pub struct CSVLogger {
    path: PathBuf,
    separator: char,
    append: bool,
    columns: Vec<String>,
    writer: Option<Writer<File>>,
}

impl CSVLogger {
    /// Writes to this file, which is replaced if it exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), separator: ',', append: false, columns: vec![], writer: None }
    }

    /// What stands between values: an ASCII character, a comma by default.
    pub fn separator(mut self, separator: char) -> Self {
        self.separator = separator;
        self
    }

    /// Whether lines are appended to a file that exists; false by default.
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    fn open(&self) -> Result<(Writer<File>, bool), NnError> {
        let separator = u8::try_from(self.separator)
            .ok()
            .filter(|byte| byte.is_ascii() && !b"\r\n\"".contains(byte));
        let separator = separator.ok_or_else(|| {
            let message = format!("CSVLogger: {:?} cannot separate values", self.separator);
            Mistake::new(message).help("the separator is one ASCII character, such as ',' or '\\t'")
        })?;
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(self.append).truncate(!self.append);
        let file = options.open(&self.path);
        let opened = file.and_then(|file| file.metadata().map(|data| (file, data.len() == 0)));
        let (file, empty) =
            opened.map_err(|source| NnError::Io { path: self.path.clone(), source })?;
        Ok((WriterBuilder::new().delimiter(separator).from_writer(file), empty))
    }

    fn write(&mut self, row: impl Iterator<Item = String>) -> Result<(), NnError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let row: Vec<_> = row.collect();
        let written = writer.write_record(row).map_err(Into::into).and_then(|()| writer.flush());
        written.map_err(|source| NnError::Io { path: self.path.clone(), source })
    }
}

/// The names in order; those of a validation behind them, if there is none among them.
fn columns(reported: &[String]) -> Vec<String> {
    let mut columns = reported.to_vec();
    columns.sort();
    if !columns.iter().any(|name| name.starts_with("val_")) {
        let validated: Vec<_> = columns.iter().map(|name| format!("val_{name}")).collect();
        columns.extend(validated);
    }
    columns
}

impl Callback for CSVLogger {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        let (writer, empty) = self.open()?;
        self.writer = Some(writer);
        self.columns = columns(&training.plan.reported);
        let header = std::iter::once("epoch".to_owned()).chain(self.columns.clone());
        if empty { self.write(header) } else { Ok(()) }
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let value = |name: &String| logs.get(name).map_or("NA".to_owned(), |x| x.to_string());
        let values: Vec<_> = self.columns.iter().map(value).collect();
        self.write(std::iter::once(epoch.to_string()).chain(values))
    }

    fn on_train_end(&mut self, _: &mut Training<'_>) -> Result<(), NnError> {
        self.writer = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::callbacks::rig::train;

    /// The file after two trainings.
    fn file(change: impl Fn(CSVLogger) -> CSVLogger) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.csv");
        let mut callback = change(CSVLogger::new(&path));
        train(&mut callback, &["loss", "acc"], &[vec![0.5, 0.1], vec![0.25]]).expect("a log");
        train(
            &mut callback,
            &["loss", "acc", "val_loss", "val_acc"],
            &[vec![0.125, 0.9, 1.0, 0.75]],
        )
        .expect("a log");
        fs::read_to_string(path).expect("the file")
    }

    #[test]
    fn a_file_is_replaced() {
        insta::assert_snapshot!(file(|logger| logger), @"
        epoch,acc,loss,val_acc,val_loss
        0,0.9,0.125,0.75,1
        ");
    }

    #[test]
    fn lines_are_appended_under_one_header() {
        insta::assert_snapshot!(file(|logger| logger.append(true).separator(';')), @"
        epoch;acc;loss;val_acc;val_loss
        0;0.1;0.5;NA;NA
        1;NA;0.25;NA;NA
        0;0.9;0.125;0.75;1
        ");
    }

    /// Reads the file after each epoch.
    struct Reader(CSVLogger, Vec<String>);

    impl Callback for Reader {
        fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
            self.0.on_train_begin(training)
        }

        fn on_epoch_end(
            &mut self,
            epoch: usize,
            logs: &mut Logs,
            training: &mut Training<'_>,
        ) -> Result<(), NnError> {
            self.0.on_epoch_end(epoch, logs, training)?;
            self.1.push(fs::read_to_string(&self.0.path).expect("the file"));
            Ok(())
        }
    }

    #[test]
    fn lines_are_complete_while_the_training_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut reader = Reader(CSVLogger::new(folder.path().join("log.csv")), vec![]);
        train(&mut reader, &["loss"], &[vec![0.5], vec![0.25]]).expect("a log");
        assert_eq!(
            reader.1,
            ["epoch,loss,val_loss\n0,0.5,NA\n", "epoch,loss,val_loss\n0,0.5,NA\n1,0.25,NA\n"]
        );
    }

    #[test]
    fn mistakes_are_found_before_the_first_step() {
        let error = |mut callback: CSVLogger| {
            train(&mut callback, &["loss"], &[vec![0.5]]).expect_err("a mistake")
        };
        insta::assert_snapshot!(error(CSVLogger::new("log.csv").separator('→')), @r#"
        CSVLogger: '→' cannot separate values
          help: the separator is one ASCII character, such as ',' or '\t'
        "#);
        assert!(matches!(error(CSVLogger::new("missing/log.csv")), NnError::Io { .. }));
    }
}
