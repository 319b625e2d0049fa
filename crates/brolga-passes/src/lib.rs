//! Pass manager and passes of the Brolga compiler.
