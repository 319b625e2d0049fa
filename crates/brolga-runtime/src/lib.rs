//! Memory plan, schedule and execution of compiled Brolga programs.
//!
//! A [`Plan`] gives every value of a graph of compiled kernels an offset in one arena, and puts the
//! stages in order with barriers between them. It is data, without code. An [`Executable`] is a
//! plan linked with the code of its kernels. It is made for a [`StateLayout`] and runs on the
//! [`State`] of that layout, which all programs of one model share.
//!
//! `docs/runtime.md` tells how plan, schedule and barriers fit together.

mod claims;
mod copy;
mod cores;
mod element;
mod error;
mod executable;
mod feed;
mod hazards;
mod interpreter;
mod layout;
mod limits;
mod memory;
mod memory_plan;
mod options;
mod order;
mod pace;
mod parallel;
mod phases;
mod plan;
mod planned;
mod profile;
mod progress;
mod random;
mod regions;
mod report;
mod run;
mod schedule;
mod signature;
mod state;
pub mod table;
mod tasks;
mod team;
mod together;
mod touched;
mod trace;
mod updates;
mod wait;

pub use brolga_codegen::VectorIsa;
pub use element::Element;
pub use error::RuntimeError;
pub use executable::Executable;
pub use feed::{Array, Feed};
pub use options::{Backend, Options};
pub use parallel::for_each_chunk;
pub use plan::{KernelInfo, Plan};
pub use planned::Planned;
pub use profile::{KernelProfile, Profile};
pub use random::{Distribution, Draw, Random};
pub use report::{LayerMemory, MemoryReport, ValueMemory};
pub use schedule::StageInfo;
pub use signature::InputRef;
pub use state::{State, StateLayout};
pub use together::MemoryTogether;
pub use trace::{Event, Part};
