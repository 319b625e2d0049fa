//! Tests of graphs as a whole: their text, serde form, verifier, interpreter, tracer and picture.

mod docs;
mod dot;
mod graph;
mod interpret;
mod journal;
mod loops;
mod mistakes;
mod random;
mod sample;
mod serde;
mod text;
mod trace;
mod verify;
