//! Keras's files: `.keras`, `.weights.h5`, and the older `.h5`.

pub(crate) mod archive;
pub(crate) mod compile;
pub(crate) mod config;
pub(crate) mod legacy;
pub(crate) mod optimizer;
pub(crate) mod paths;
pub(crate) mod state;
pub(crate) mod weights;

/// The version of Keras whose files are written.
pub(crate) const VERSION: &str = "3.15.0";
