//! Whether training changes a layer's weights.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// Whether training changes the weights of a layer; true by default. All models that a layer
/// belongs to see a change, as in Keras.
#[derive(Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub struct Trainable(AtomicBool);

impl Trainable {
    /// Whether it does.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says whether it does.
    pub fn set(&self, trainable: bool) {
        self.0.store(trainable, Ordering::Relaxed);
    }
}

impl Default for Trainable {
    fn default() -> Self {
        true.into()
    }
}

impl From<bool> for Trainable {
    fn from(trainable: bool) -> Self {
        Self(AtomicBool::new(trainable))
    }
}

impl From<Trainable> for bool {
    fn from(trainable: Trainable) -> Self {
        trainable.get()
    }
}

/// A layer of its own, which is frozen apart from the original.
impl Clone for Trainable {
    fn clone(&self) -> Self {
        self.get().into()
    }
}

impl fmt::Debug for Trainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
