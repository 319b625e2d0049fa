//! A callback of closures.

use std::fmt;

use ndarray::ArrayViewD;

use crate::callback::{Callback, Inference, Training};
use crate::error::NnError;
use crate::history::Logs;

/// Calls closures; see [`Callback`] for when. An error ends what is running.
///
/// ```
/// use brolga_nn::callbacks::LambdaCallback;
///
/// let mut losses = vec![];
/// let callback = LambdaCallback::new().on_epoch_end(|_, logs, _| {
///     losses.push(logs.loss());
///     Ok(())
/// });
/// ```
///
/// Keras: <https://keras.io/api/callbacks/lambda_callback/>.
#[derive(Default)]
#[must_use]
pub struct LambdaCallback<'a> {
    calls: Calls<'a>,
}

impl fmt::Debug for LambdaCallback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LambdaCallback").finish_non_exhaustive()
    }
}

impl LambdaCallback<'_> {
    /// One that does nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Declares a closure for each of these hooks, the method that sets it, and the hook that calls it.
macro_rules! hooks {
    ($($(#[$doc:meta])* $hook:ident($($argument:ident: $type:ty),*);)*) => {
        /// The closures of all hooks.
        #[derive(Default)]
        struct Calls<'a> {
            $($hook: Option<Box<dyn FnMut($($type),*) -> Result<(), NnError> + 'a>>,)*
        }

        impl<'a> LambdaCallback<'a> {
            $(
                $(#[$doc])*
                pub fn $hook(
                    mut self,
                    call: impl FnMut($($type),*) -> Result<(), NnError> + 'a,
                ) -> Self {
                    self.calls.$hook = Some(Box::new(call));
                    self
                }
            )*
        }

        impl Callback for LambdaCallback<'_> {
            $(
                fn $hook(&mut self, $($argument: $type),*) -> Result<(), NnError> {
                    self.calls.$hook.as_mut().map_or(Ok(()), |call| call($($argument),*))
                }
            )*
        }
    };
}

hooks! {
    /// Is called before the first epoch.
    on_train_begin(training: &mut Training<'_>);
    /// Is called before each epoch, with its number.
    on_epoch_begin(epoch: usize, training: &mut Training<'_>);
    /// Is called before each step, with its number.
    on_batch_begin(batch: usize, training: &mut Training<'_>);
    /// Is called after each step, with its number and the means of the epoch so far.
    on_batch_end(batch: usize, logs: &Logs, training: &mut Training<'_>);
    /// Is called after each epoch, with its number and what it reports.
    on_epoch_end(epoch: usize, logs: &mut Logs, training: &mut Training<'_>);
    /// Is called after the last epoch.
    on_train_end(training: &mut Training<'_>);
    /// Is called before each evaluation and validation.
    on_test_begin(inference: &mut Inference<'_>);
    /// Is called before each batch of an evaluation, with its number.
    on_test_batch_begin(batch: usize, inference: &mut Inference<'_>);
    /// Is called after each batch of an evaluation, with its number and the means so far.
    on_test_batch_end(batch: usize, logs: &Logs, inference: &mut Inference<'_>);
    /// Is called after each evaluation and validation, with its result.
    on_test_end(logs: &Logs, inference: &mut Inference<'_>);
    /// Is called before each prediction.
    on_predict_begin(inference: &mut Inference<'_>);
    /// Is called before each batch of a prediction, with its number.
    on_predict_batch_begin(batch: usize, inference: &mut Inference<'_>);
    /// Is called after each batch of a prediction, with its number and the model's outputs.
    on_predict_batch_end(
        batch: usize,
        outputs: &[ArrayViewD<'_, f32>],
        inference: &mut Inference<'_>
    );
    /// Is called after each prediction.
    on_predict_end(inference: &mut Inference<'_>);
}
