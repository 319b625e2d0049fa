//! Event files for TensorBoard.
//!
//! A file is a list of records: the length, its checksum, a protocol buffer `Event`, its checksum
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>). Checksums are CRC-32C, rotated by
//! 15 bits and moved by a constant. The messages are those fields of `event.proto` and
//! `summary.proto` of TensorBoard that a number needs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::step_count::StepCount;
use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;

/// Writes loss, metrics and learning rate of each epoch into event files that `tensorboard --logdir`
/// shows: `log_dir/train` and, with validation data, `log_dir/validation`, under Keras's names
/// `epoch_loss`, `epoch_accuracy`, `epoch_learning_rate`.
///
/// ```
/// use brolga_nn::callbacks::TensorBoard;
///
/// let callback = TensorBoard::new("logs/run-1").update_freq(100);
/// ```
///
/// Keras: <https://keras.io/api/callbacks/tensorboard/>.
#[derive(Debug)]
#[must_use]
pub struct TensorBoard {
    folder: PathBuf,
    update_freq: Option<usize>,
    /// Steps of all epochs so far.
    step: i64,
    /// Those of this epoch.
    steps: StepCount,
    train: Option<Events>,
    validation: Option<Events>,
}

impl TensorBoard {
    /// Event files in this folder.
    pub fn new(log_dir: impl AsRef<Path>) -> Self {
        let folder = log_dir.as_ref().to_owned();
        let steps = StepCount::default();
        Self { folder, update_freq: None, step: 0, steps, train: None, validation: None }
    }

    /// Writes loss and metrics after so many steps too, as `batch_loss`, ..; by default after
    /// epochs alone.
    pub fn update_freq(mut self, steps: usize) -> Self {
        self.update_freq = Some(steps.max(1));
        self
    }
}

impl Callback for TensorBoard {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        self.step = 0;
        self.train = Some(Events::new(&self.folder.join("train"))?);
        let validates = training.plan.reported.iter().any(|name| name.starts_with("val_"));
        let validation = validates.then(|| Events::new(&self.folder.join("validation")));
        self.validation = validation.transpose()?;
        Ok(())
    }

    fn on_epoch_begin(&mut self, _: usize, _: &mut Training<'_>) -> Result<(), NnError> {
        self.steps.begin();
        Ok(())
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let before = self.step;
        self.step += self.steps.add(batch) as i64;
        match (self.update_freq.map(|every| every as i64), &mut self.train) {
            (Some(every), Some(events)) if before / every < self.step / every => events
                .write(self.step - 1, logs.iter().map(|(name, x)| (format!("batch_{name}"), x))),
            _ => Ok(()),
        }
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let rate = training.session.learning_rate().map(|x| ("learning_rate", f64::from(x)));
        let known = logs.get("learning_rate").is_some();
        let scalars = logs.iter().chain(rate.filter(|_| !known));
        let (validation, train): (Vec<_>, Vec<_>) =
            scalars.partition(|(name, _)| name.starts_with("val_"));
        let named = |(name, value): (&str, f64)| {
            (format!("epoch_{}", name.strip_prefix("val_").unwrap_or(name)), value)
        };
        for (events, scalars) in [(&mut self.train, train), (&mut self.validation, validation)] {
            if let Some(events) = events {
                events.write(epoch as i64, scalars.into_iter().map(named))?;
                events.flush()?;
            }
        }
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut Training<'_>) -> Result<(), NnError> {
        for events in [self.train.take(), self.validation.take()].into_iter().flatten() {
            { events }.flush()?;
        }
        Ok(())
    }
}

/// An event file under construction.
#[derive(Debug)]
struct Events {
    path: PathBuf,
    file: BufWriter<File>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

impl Events {
    /// A new file in this folder, under a name that no other has.
    fn new(folder: &Path) -> Result<Self, NnError> {
        let error = |path: &Path, source| NnError::Io { path: path.to_owned(), source };
        fs::create_dir_all(folder).map_err(|e| error(folder, e))?;
        let (seconds, process) = (now() as u64, process::id());
        for number in 0.. {
            let name = format!("events.out.tfevents.{seconds}.brolga.{process}.{number}.v2");
            let path = folder.join(name);
            match File::create_new(&path) {
                Ok(file) => {
                    let mut events = Self { path, file: BufWriter::new(file) };
                    let file_version = Some("brain.Event:2".to_owned());
                    events.record(&Event { wall_time: now(), file_version, ..Event::default() })?;
                    return Ok(events);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(error(&path, e)),
            }
        }
        unreachable!("numbers do not end")
    }

    fn write(
        &mut self,
        step: i64,
        scalars: impl Iterator<Item = (String, f64)>,
    ) -> Result<(), NnError> {
        let scalar = |(tag, value): (String, f64)| Scalar { tag, simple_value: value as f32 };
        let summary = Some(Summary { value: scalars.map(scalar).collect() });
        self.record(&Event { wall_time: now(), step, summary, ..Event::default() })
    }

    fn record(&mut self, event: &Event) -> Result<(), NnError> {
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let parts = [&length[..], &checksum(&length), &data, &checksum(&data)];
        let written = parts.into_iter().try_for_each(|part| self.file.write_all(part));
        self.named(written)
    }

    fn flush(&mut self) -> Result<(), NnError> {
        let flushed = self.file.flush();
        self.named(flushed)
    }

    fn named(&self, result: io::Result<()>) -> Result<(), NnError> {
        result.map_err(|source| NnError::Io { path: self.path.clone(), source })
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The checksum of a part of a record.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalars of a file, with their steps.
    fn read(path: &Path) -> Vec<(i64, String, f32)> {
        let bytes = fs::read(path).expect("the file was written");
        let (mut rest, mut found) = (&bytes[..], vec![]);
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let size = u64::from_le_bytes(*length) as usize;
            assert_eq!(after[..4], checksum(length));
            let data = &after[4..4 + size];
            assert_eq!(after[4 + size..8 + size], checksum(data));
            let event = Event::decode(data).expect("an event");
            let summary = event.summary.unwrap_or_default();
            found.extend(summary.value.into_iter().map(|s| (event.step, s.tag, s.simple_value)));
            rest = &after[8 + size..];
        }
        assert!(rest.is_empty());
        found
    }

    #[test]
    fn events_come_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = Events::new(folder.path()).expect("a file");
        events.write(3, [("epoch_loss".to_owned(), 0.5)].into_iter()).expect("written");
        events.flush().expect("flushed");
        assert_eq!(read(&events.path), [(3, "epoch_loss".to_owned(), 0.5)]);
        let other = Events::new(folder.path()).expect("a second file");
        assert_ne!(other.path, events.path);
    }

    /// The masked checksum of eight zero bytes, as TensorFlow's own files begin.
    #[test]
    fn checksums_are_those_of_tensorflow() {
        // The length of the first record of each event file, 24, and its checksum there.
        assert_eq!(checksum(&24_u64.to_le_bytes()), [0xa3, 0x7f, 0x4b, 0x22]);
    }
}
