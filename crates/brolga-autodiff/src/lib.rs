//! Reverse-mode differentiation of Brolga graphs.
