//! The brolga command.
