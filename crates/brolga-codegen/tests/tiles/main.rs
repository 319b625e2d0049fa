//! Tile programs: every instruction set gives the bits of the interpreter and touches no byte it
//! should not.

#[cfg(target_arch = "x86_64")]
mod assembled;
mod contraction;
#[cfg(target_arch = "x86_64")]
mod emulate;
mod functions;
mod halves;
mod instructions;
mod machine_code;
mod memory;
mod random_programs;
mod rules;
mod support;
