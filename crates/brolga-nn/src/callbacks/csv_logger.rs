//! Writing what each epoch reports into a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use brolga_ir::Mistake;
use csv::{ReaderBuilder, Writer, WriterBuilder};

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::files::check_regular;
use crate::history::Logs;

/// Writes a line for each epoch: its number, from 0, and what it reports, in the order of the
/// names. A quantity that an epoch does not report is `NA`.
///
/// As in Keras, a training without validation has empty columns for it, so that a later training
/// with validation can be appended. Appended lines follow the headings of the file; a reported
/// quantity without a heading is an error before the first step.
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

    /// The separator of values: an ASCII character, a comma by default.
    pub fn separator(mut self, separator: char) -> Self {
        self.separator = separator;
        self
    }

    /// Whether lines are appended to a file that exists; false by default.
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Opens the file, and decides what stands in which column: where lines are appended to others,
    /// what the headings there say.
    fn open(&mut self, reported: &[String]) -> Result<(), NnError> {
        let separator = u8::try_from(self.separator)
            .ok()
            .filter(|byte| byte.is_ascii() && !b"\r\n\"".contains(byte));
        let separator = separator.ok_or_else(|| {
            let message = format!("CSVLogger: {:?} cannot separate values", self.separator);
            Mistake::new(message).help("the separator is one ASCII character, such as ',' or '\\t'")
        })?;
        check_regular(&self.path)?;
        let failed = |source| NnError::Io { path: self.path.clone(), source };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(self.append).truncate(!self.append);
        let mut file = options.read(self.append).open(&self.path).map_err(failed)?;
        let headings = if self.append { headings(&file, separator).map_err(failed)? } else { None };
        if let Some(headings) = &headings {
            self.check_headings(headings, reported)?;
            end_line(&mut file).map_err(failed)?;
        }
        self.writer = Some(WriterBuilder::new().delimiter(separator).from_writer(file));
        let new = headings.is_none();
        self.columns = headings.unwrap_or_else(|| columns(reported));
        if new { self.write(str::to_owned) } else { Ok(()) }
    }

    /// Fails unless everything that is reported has a heading in the file.
    fn check_headings(&self, headings: &[String], reported: &[String]) -> Result<(), NnError> {
        if reported.iter().all(|name| headings.contains(name)) {
            return Ok(());
        }
        let list = |names: &[String]| names.join(&self.separator.to_string());
        let message = format!(
            "CSVLogger: {} has the headings `{}`, the training reports `{}`",
            self.path.display(),
            list(headings),
            list(reported)
        );
        let help =
            "append with the metrics and the separator of the file, or write to another file";
        Err(Mistake::new(message).help(help).into())
    }

    fn write(&mut self, value: impl Fn(&str) -> String) -> Result<(), NnError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let row = self.columns.iter().map(|name| value(name));
        let written = writer.write_record(row.collect::<Vec<_>>()).map_err(Into::into);
        written
            .and_then(|()| writer.flush())
            .map_err(|source| NnError::Io { path: self.path.clone(), source })
    }
}

/// No line of headings is longer.
const LONGEST_LINE: u64 = 1 << 20;

/// The first line of a file, if there is one.
fn headings(file: &File, separator: u8) -> io::Result<Option<Vec<String>>> {
    let mut reader = ReaderBuilder::new().delimiter(separator).from_reader(file.take(LONGEST_LINE));
    let headings: Vec<_> = reader.headers()?.iter().map(str::to_owned).collect();
    Ok((!headings.is_empty()).then_some(headings))
}

/// Ends the last line of a file that is not empty, which a training that was killed may have left
/// open.
fn end_line(file: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// The heading of the epochs' numbers.
const EPOCH: &str = "epoch";

/// The epoch, then the names in order; those of a validation after them, if there is none among
/// them.
fn columns(reported: &[String]) -> Vec<String> {
    let mut columns = reported.to_vec();
    columns.sort();
    if !columns.iter().any(|name| name.starts_with("val_")) {
        let validated: Vec<_> = columns.iter().map(|name| format!("val_{name}")).collect();
        columns.extend(validated);
    }
    columns.insert(0, EPOCH.to_owned());
    columns
}

impl Callback for CSVLogger {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        self.open(&training.plan.reported)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.write(|name| match logs.get(name) {
            _ if name == EPOCH => epoch.to_string(),
            Some(value) => value.to_string(),
            None => "NA".to_owned(),
        })
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

    /// The file after a training that appends to this content.
    fn appended(content: &str, separator: char) -> Result<String, NnError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.csv");
        fs::write(&path, content).expect("a file");
        let mut callback = CSVLogger::new(&path).append(true).separator(separator);
        let run = train(&mut callback, &["loss", "acc"], &[vec![0.5, 0.25]]);
        run.map(|_| fs::read_to_string(path).expect("the file")).map_err(|error| {
            NnError::Argument(Mistake::new(
                error.to_string().replace(&folder.path().display().to_string(), "DIR"),
            ))
        })
    }

    #[test]
    fn values_stand_under_the_headings_of_the_file() {
        let file = |content| appended(content, ',').expect("a log");
        // Another order, more columns, a last line without an end, no line at all.
        assert_eq!(file("loss,epoch,acc\n1,0,0\n"), "loss,epoch,acc\n1,0,0\n0.5,0,0.25\n");
        assert_eq!(file("epoch,acc,f1,loss\n"), "epoch,acc,f1,loss\n0,0.25,NA,0.5\n");
        assert_eq!(file("epoch,acc,loss\n0,0.1,1"), "epoch,acc,loss\n0,0.1,1\n0,0.25,0.5\n");
        assert_eq!(file("epoch,acc,loss"), "epoch,acc,loss\n0,0.25,0.5\n");
        let new = "epoch,acc,loss,val_acc,val_loss\n0,0.25,0.5,NA,NA\n";
        assert_eq!(file(""), new);
        assert_eq!(file("\n"), format!("\n{new}"));
    }

    #[test]
    fn a_file_without_the_headings_is_an_error_before_the_first_step() {
        let error = |content, separator| appended(content, separator).expect_err("a mistake");
        insta::assert_snapshot!(error("epoch,loss,mae,val_loss,val_mae\n0,1,1,1,1\n", ','), @"
        CSVLogger: DIR/log.csv has the headings `epoch,loss,mae,val_loss,val_mae`, the training reports `loss,acc`
          help: append with the metrics and the separator of the file, or write to another file
        ");
        insta::assert_snapshot!(error("epoch,acc,loss\n0,1,1\n", ';'), @"
        CSVLogger: DIR/log.csv has the headings `epoch,acc,loss`, the training reports `loss;acc`
          help: append with the metrics and the separator of the file, or write to another file
        ");
        insta::assert_snapshot!(error("\u{fffd}PNG\n", ','), @"
        CSVLogger: DIR/log.csv has the headings `�PNG`, the training reports `loss,acc`
          help: append with the metrics and the separator of the file, or write to another file
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
        insta::assert_snapshot!(error(CSVLogger::new("missing/log.csv")), @"
        missing/log.csv: No such file or directory (os error 2)
          help: check the path: its folder must exist, and a file to be read too
        ");
        for append in [false, true] {
            let logger = CSVLogger::new("src").append(append);
            insta::allow_duplicates! { insta::assert_snapshot!(error(logger), @"
            src: this is a folder, not a file
              help: give the path of a file
            "); }
        }
    }
}
