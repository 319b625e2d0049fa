//! Tile programs and kernels of the Brolga compiler, compiled with Cranelift.
