//! The record of a run.

use std::fs;
use std::path::Path;

use brolga_ir::{Change, Graph, Uid};
use brolga_runtime::{Plan, Profile};
use serde::{Deserialize, Serialize};

use crate::code::{CodeRange, FunctionRecord, KernelRecord, LoweringRecord};
use crate::error::RecordError;
use crate::file;
use crate::graphs::{GraphRecord, Graphs};
use crate::passes::{PassRecord, RefusalRecord, RewriteRecord};
use crate::values::ValuesRecord;

/// All that is known of the programs of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Where it was made.
    pub machine: Machine,
    /// The programs in the order in which they were compiled.
    pub programs: Vec<Program>,
}

/// What made a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The version of Brolga.
    pub brolga: String,
    /// The architecture, such as `x86_64`.
    pub architecture: String,
    /// The system, such as `linux`.
    pub system: String,
    /// The widest vector instruction set.
    pub isa: String,
}

impl Machine {
    /// This machine, and this version of Brolga.
    #[must_use]
    pub fn this() -> Self {
        Self {
            brolga: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            system: std::env::consts::OS.to_owned(),
            isa: brolga_runtime::VectorIsa::widest().name().to_owned(),
        }
    }
}

/// A program: a graph on its way to machine code. Parts that nobody asked for are empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Program {
    /// The graph's name.
    pub name: String,
    /// The size of its batch, if it is a model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The graphs of all stages and passes.
    pub graphs: Graphs,
    /// The stages in order: `traced`, `grad`, `optimized`.
    pub stages: Vec<Stage>,
    /// The runs of passes in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassRecord>,
    /// The rewrites of all passes in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<RewriteRecord>,
    /// What passes considered and did not do, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<RefusalRecord>,
    /// Every change of the graph by the passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<Change>,
    /// The vector instruction set of its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isa: Option<String>,
    /// The kernels, in the order of the optimized graph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelRecord>,
    /// How they are computed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lowerings: Vec<LoweringRecord>,
    /// Their machine code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionRecord>,
    /// The memory plan and the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The time that compiling took, in nanoseconds, without recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile_ns: Option<u64>,
    /// The times of its kernels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Values of its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValuesRecord>,
}

/// The graph at one point of its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The name.
    pub name: String,
    /// The graph.
    pub graph: u32,
}

/// The sizes of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sizes {
    /// Kernels.
    pub kernels: usize,
    /// Kernels that are not equal to an earlier one.
    pub distinct: usize,
    /// Bytes of machine code.
    pub code: usize,
    /// Bytes of the arena.
    pub arena: usize,
    /// Bytes of the states.
    pub states: usize,
}

impl Program {
    /// The names of all stages, those of passes between `grad` and `optimized`.
    pub fn stage_names(&self) -> impl Iterator<Item = String> + '_ {
        let named = |stage: &Stage| stage.name.clone();
        let last = self.stages.iter().position(|stage| stage.name == "optimized");
        let (before, after) = self.stages.split_at(last.unwrap_or(self.stages.len()));
        let passes = self.passes.iter().map(PassRecord::stage);
        before.iter().map(named).chain(passes).chain(after.iter().map(named))
    }

    /// The index of the graph at a stage, or after a pass: `fuse_rows`, of a later run
    /// `trim_loops#2`.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<u32> {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        let pass = || self.passes.iter().find(|pass| pass.stage() == name);
        stage.map(|stage| stage.graph).or_else(|| pass().map(|pass| pass.graph))
    }

    /// The graph at a stage, or after a pass, as the record has it; `None` if there is no such
    /// stage.
    #[must_use]
    pub fn graph_record(&self, name: &str) -> Option<&GraphRecord> {
        self.graphs.graphs.get(self.stage(name)? as usize)
    }

    /// The graph at a stage, or after a pass, built and verified; `None` if there is no such stage.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn graph(&self, name: &str) -> Result<Option<Graph>, String> {
        self.stage(name).map(|index| self.graphs.graph(index)).transpose()
    }

    /// The graph that the passes were given: `grad`, or `traced` of a program without gradients.
    #[must_use]
    pub fn unoptimized(&self) -> Option<&Stage> {
        self.stages.iter().rfind(|stage| stage.name != "optimized")
    }

    /// The kernel of a node.
    #[must_use]
    pub fn kernel(&self, node: Uid) -> Option<&KernelRecord> {
        self.kernels.iter().find(|kernel| kernel.node == node)
    }

    /// Its sizes; those of parts that were not recorded are 0.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let memory = self.plan.as_ref().map(Plan::memory);
        Sizes {
            kernels: self.kernels.len(),
            distinct: self.lowerings.len(),
            code: self.functions.iter().map(|function| function.code.len()).sum(),
            arena: memory.map_or(0, |memory| memory.arena),
            states: memory.map_or(0, |memory| memory.states),
        }
    }

    /// Checks that whatever the program refers to by an index is there.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.graphs.check()?;
        let graphs = self.graphs.graphs.len();
        let graph = |index: u32| match (index as usize) < graphs {
            true => Ok(()),
            false => Err(format!("there is no graph {index}")),
        };
        self.stages.iter().try_for_each(|stage| graph(stage.graph))?;
        for pass in &self.passes {
            graph(pass.graph)?;
            for (what, range, length) in [
                ("rewrites", &pass.rewrites, self.rewrites.len()),
                ("refusals", &pass.refusals, self.refusals.len()),
                ("changes", &pass.changes, self.journal.len()),
            ] {
                if range.start > range.end || range.end > length {
                    return Err(format!("pass `{}` has {what} that are not there", pass.name));
                }
            }
        }
        for rewrite in &self.rewrites {
            let range = &rewrite.changes;
            if range.start > range.end || range.end > self.journal.len() {
                return Err(format!("a rewrite of `{}` has no such changes", rewrite.pass));
            }
        }
        for kernel in &self.kernels {
            if kernel.lowering as usize >= self.lowerings.len() {
                return Err(format!("kernel `{}` has no lowering", kernel.name));
            }
        }
        let functions = self.lowerings.iter().flat_map(|lowering| &lowering.functions);
        if let Some(lost) = functions.into_iter().find(|&&f| f as usize >= self.functions.len()) {
            return Err(format!("there is no function {lost}"));
        }
        for function in &self.functions {
            let length = function.code.len();
            let outside =
                |range: &CodeRange| range.start > range.end || range.end as usize > length;
            if function.map.iter().any(outside) {
                return Err(format!("the map of `{}` goes beyond its code", function.symbol));
            }
        }
        match self.plan.as_ref().and_then(Plan::problem) {
            Some(problem) => Err(format!("its plan: {problem}")),
            None => Ok(()),
        }
    }
}

impl Record {
    /// The record of these programs, made on this machine.
    #[must_use]
    pub fn of(programs: Vec<Program>) -> Self {
        Self { machine: Machine::this(), programs }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is no record, is damaged, or needs more memory than the machine
    /// grants.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RecordError> {
        let path = path.as_ref();
        let failed = |source| RecordError::Io { path: path.to_owned(), source };
        let bytes = brolga_memory::read(path).map_err(failed)?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Reads the content of a file; `name` is its name in errors.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, RecordError> {
        file::read(bytes, name)
    }

    /// The content of the file.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] if a number cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        file::write(self)
    }

    /// Writes a file, or replaces it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), RecordError> {
        let path = path.as_ref();
        let failed = |source| RecordError::Io { path: path.to_owned(), source };
        fs::write(path, self.to_bytes()?).map_err(failed)
    }

    /// The programs of a name, and of a size of batch if it is given.
    pub fn programs_of<'a>(
        &'a self,
        name: &'a str,
        batch: Option<usize>,
    ) -> impl Iterator<Item = &'a Program> {
        let wanted = move |program: &&Program| {
            program.name == name && batch.is_none_or(|batch| program.batch == Some(batch))
        };
        self.programs.iter().filter(wanted)
    }
}
