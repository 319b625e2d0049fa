//! Tile programs: every instruction set gives the bits of the interpreter and touches no byte it should not.

mod contraction;
mod instructions;
mod machine_code;
mod memory;
mod random_programs;
mod rules;
mod support;
