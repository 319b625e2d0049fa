//! The names of the states that every model has.

/// The state that holds the learning rate: `f32[]`.
pub const LEARNING_RATE: &str = "optimizer/learning_rate";
/// The state that counts the optimizer's steps: `i32[]`.
pub const ITERATIONS: &str = "optimizer/iterations";

/// The state that holds the seed of random layers: `i32[2]`, the low and the high half.
pub const SEED: &str = "rng/seed";
/// The state that counts the steps of training for random layers and shuffling: `i32[]`.
pub const STEP: &str = "rng/step";
