//! A training that goes on after the program was interrupted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use brolga_ir::Mistake;
use serde::Deserialize;

use super::SaveFreq;
use super::step_count::StepCount;
use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::files::replace;
use crate::history::Logs;

/// Saves the state of the training after each epoch into a folder. A training that begins while
/// such a backup is there goes on after the epoch in which it was made, with the same bits as one
/// that was not interrupted. When a training ends, its backup is removed.
///
/// The backup is a file of the state and `backup.json`, which is written last and names it, so that
/// a crash leaves the old backup or the new one. It is for the same model, compiled in the same
/// way, and the same data.
///
/// Keras: <https://keras.io/api/callbacks/backup_and_restore/>.
#[derive(Debug, Clone)]
#[must_use]
pub struct BackupAndRestore {
    folder: PathBuf,
    save_freq: SaveFreq,
    delete_checkpoint: bool,
    epoch: usize,
    steps: StepCount,
}

/// What `backup.json` says.
#[derive(Debug, Deserialize)]
struct Backup {
    /// The epoch with which the training goes on.
    epoch: usize,
    /// The file of the state.
    state: String,
}

const INDEX: &str = "backup.json";

impl BackupAndRestore {
    /// Backups in this folder after each epoch.
    pub fn new(backup_dir: impl AsRef<Path>) -> Self {
        let folder = backup_dir.as_ref().to_owned();
        let (save_freq, steps) = (SaveFreq::Epoch, StepCount::default());
        Self { folder, save_freq, delete_checkpoint: true, epoch: 0, steps }
    }

    /// After each epoch, or after so many steps. What is saved in the middle of an epoch goes on
    /// with the begin of that epoch, with the weights that it had reached.
    pub fn save_freq(mut self, save_freq: SaveFreq) -> Self {
        self.save_freq = save_freq;
        self
    }

    /// Whether the backup is removed when the training ends; true by default.
    pub fn delete_checkpoint(mut self, delete: bool) -> Self {
        self.delete_checkpoint = delete;
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self) -> Result<Option<Backup>, NnError> {
        let path = self.file(INDEX);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path, error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let message = format!("BackupAndRestore: {} is damaged: {error}", path.display());
            Mistake::new(message).help("remove it: the training begins anew").into()
        })
    }

    fn save(&self, epoch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        let old = self.read()?;
        // Two names in turns, so that the state of the old backup stays until the new one is there.
        let other = old.as_ref().is_some_and(|backup| backup.state == "state_0.safetensors");
        let state = format!("state_{}.safetensors", u8::from(other));
        training.session.save_state(self.file(&state))?;
        let index = serde_json::json!({ "epoch": epoch, "state": state }).to_string();
        replace(&self.file(INDEX), index.as_bytes())?;
        old.map_or(Ok(()), |backup| self.remove(&backup.state))
    }

    fn remove(&self, name: &str) -> Result<(), NnError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path, error)),
            _ => Ok(()),
        }
    }
}

fn io_error(path: &Path, source: io::Error) -> NnError {
    NnError::Io { path: path.to_owned(), source }
}

impl Callback for BackupAndRestore {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        if self.save_freq == SaveFreq::Batches(0) {
            let mistake = Mistake::new("BackupAndRestore: a save_freq of 0 steps");
            return Err(mistake.help("save_freq is 1 step or more").into());
        }
        fs::create_dir_all(&self.folder).map_err(|error| io_error(&self.folder, error))?;
        if let Some(backup) = self.read()? {
            training.session.load_state(self.file(&backup.state))?;
            training.begin_at(backup.epoch);
        }
        Ok(())
    }

    fn on_epoch_begin(&mut self, epoch: usize, _: &mut Training<'_>) -> Result<(), NnError> {
        self.epoch = epoch;
        self.steps.begin();
        Ok(())
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        _: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let before = self.steps.seen();
        self.steps.add(batch);
        match self.save_freq {
            SaveFreq::Batches(every) if before / every < self.steps.seen() / every => {
                self.save(self.epoch, training)
            }
            _ => Ok(()),
        }
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        _: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        match self.save_freq {
            SaveFreq::Epoch => self.save(epoch + 1, training),
            SaveFreq::Batches(_) => Ok(()),
        }
    }

    fn on_train_end(&mut self, _: &mut Training<'_>) -> Result<(), NnError> {
        if !self.delete_checkpoint {
            return Ok(());
        }
        let Some(backup) = self.read()? else { return Ok(()) };
        self.remove(INDEX)?;
        self.remove(&backup.state)
    }
}
