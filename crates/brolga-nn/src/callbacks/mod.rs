//! Callbacks that come with the library, one file each, with Keras's arguments and defaults.
//!
//! A quantity that a callback monitors, or writes into the name of a file, must be among those that
//! the training reports. What is not there is an error before the first step, which lists what
//! there is; Keras warns after the first epoch and goes on without effect. Quantities that a
//! callback of the user's own adds to the logs are known by
//! [`Callback::reports`](crate::Callback::reports).

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod file_name;
mod history;
mod lambda_callback;
mod learning_rate_scheduler;
mod model_checkpoint;
mod monitor;
mod progress;
mod reduce_lr_on_plateau;
#[cfg(test)]
pub(crate) mod rig;
mod step_count;
mod swap_ema_weights;
mod tensorboard;
mod terminate_on_nan;

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CSVLogger;
pub use early_stopping::EarlyStopping;
pub use lambda_callback::LambdaCallback;
pub use learning_rate_scheduler::LearningRateScheduler;
pub use model_checkpoint::{ModelCheckpoint, SaveFreq};
pub use monitor::Mode;
pub use reduce_lr_on_plateau::ReduceLROnPlateau;
pub use swap_ema_weights::SwapEMAWeights;
pub use tensorboard::TensorBoard;
pub use terminate_on_nan::TerminateOnNaN;
