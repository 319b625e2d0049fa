//! Callbacks that come with the library, one file each, with Keras's arguments and defaults.
//!
//! A quantity that a callback monitors, or writes into the name of a file, must be among those that
//! the training reports. What is not there is an error before the first step, which lists what
//! there is; Keras warns after the first epoch and goes on without effect. Quantities that a
//! callback of the user's own adds to the logs are known by
//! [`Callback::reports`](crate::Callback::reports).

mod csv_logger;
mod early_stopping;
mod file_name;
mod history;
mod model_checkpoint;
mod monitor;
mod progress;
#[cfg(test)]
pub(crate) mod rig;

pub use csv_logger::CSVLogger;
pub use early_stopping::EarlyStopping;
pub use model_checkpoint::{ModelCheckpoint, SaveFreq};
pub use monitor::Mode;
