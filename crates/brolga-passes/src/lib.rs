//! Pass manager and passes of the Brolga compiler: from the graph of a step to a graph of kernels.
//!
//! [`optimize`] runs the whole [`pipeline`]. A [`Pass`] is one file below `passes/`; the
//! [`PassManager`] does what all passes need: it verifies, counts, times, prints, skips, stops for
//! a bisection, and compares bits before and after.
//!
//! No pass changes a single bit of any result. The rules for writing rewrites, each with the bug
//! that teaches it, are in this crate's README; how a pass is added is in `docs/adding-a-pass.md`.
//!
//! ```
//! use brolga_ir::{Tracer, Type};
//!
//! let t = Tracer::new("predict");
//! let x = t.input("x", Type::f32([2, 3]));
//! let (w, b) = (t.state("w", Type::f32([3, 4])), t.state("b", Type::f32([4])));
//! t.output(&(x.matmul(&w) + b).relu());
//! let mut graph = t.finish()?;
//!
//! brolga_passes::optimize(&mut graph)?;
//! let text = graph.to_string();
//! assert!(text.contains("matmul_add_relu"), "{text}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bisect;
mod check;
pub mod contract;
mod error;
pub mod filetest;
mod loops;
mod manager;
mod pass;
pub mod passes;
mod pipeline;
mod region;
mod rewrites;
mod sample;
mod shrink;
#[cfg(test)]
mod testing;
mod values;

pub use bisect::{Culprit, bisect};
pub use check::same_bits;
pub use contract::check_kernels;
pub use error::PassError;
pub use manager::{Dump, PassManager, PassReport, Report};
pub use pass::{Changed, Pass};
pub use passes::pipeline;
pub use pipeline::{all_passes, optimize, passes_by_name};
pub use rewrites::{Refusal, Rewrite, Rewrites, Rule, Site, Why};
pub use sample::{Sample, sample_inputs};
pub use shrink::shrink;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
