//! Keras-like frontend of the Brolga compiler.
