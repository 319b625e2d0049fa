//! Records: all that the compiler did with a program, in one file.
//!
//! A [`Record`] has [`Program`]s. Of each it has the graph at every [`Stage`], what each pass did
//! and did not do, the kernels with their machine code, and the memory plan; timings and values
//! where somebody measured them. A [`Recorder`] makes one while a graph is compiled. With the
//! environment variable [`VARIABLE`] every program that is compiled by a model is
//! [appended](Sink::append) to a file.
//!
//! The format of the file is described in `docs/record.md`.
//!
//! ```
//! use brolga_ir::{Tracer, Type};
//! use brolga_record::{Record, Recorder};
//!
//! let t = Tracer::new("predict");
//! let x = t.input("x", Type::f32([2, 3]));
//! t.output(&x.exp().relu());
//! let mut graph = t.finish()?;
//!
//! let mut recorder = Recorder::new("predict", None);
//! recorder.stage("traced", &graph);
//! recorder.optimize(&mut graph)?;
//! let record = Record::of(vec![recorder.finish()]);
//! let pass = record.programs[0].passes.iter().find(|pass| pass.name == "fuse_elementwise");
//! assert_eq!(pass.map(|pass| (pass.nodes_before, pass.nodes_after)), Some((3, 2)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod error;
mod file;
mod graphs;
mod hook;
mod passes;
mod record;
mod recorder;
mod values;
mod work;

pub use code::{CodeRange, FunctionRecord, KernelRecord, LoweringRecord, RelocationRecord};
pub use error::RecordError;
pub use file::{VERSION, header, section_of};
pub use graphs::{GraphRecord, Graphs, GraphsBuilder, NodeRecord, OutputRecord};
pub use hook::{Sink, VARIABLE, sink};
pub use passes::{PassRecord, RefusalRecord, RewriteRecord, SiteRecord};
pub use record::{Machine, Program, Record, Sizes, Stage};
pub use recorder::Recorder;
pub use values::{Statistics, ValueRecord, ValuesRecord};
pub use work::{Work, work};
