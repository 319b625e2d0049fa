//! The subject of a command: the programs of a model, built in or from a file, the graphs of a text,
//! the graph of an ONNX file, or a record.

use std::fs::File;
use std::io;
use std::sync::Arc;

use brolga_codegen::{VectorIsa, compile_described};
use brolga_files::{AnyModel, Format, load_model};
use brolga_ir::{Graph, Tensor, parse_module, verify};
use brolga_memory::{Limit, read_to_end};
use brolga_nn::{Kind, Sequential, builtin};
use brolga_onnx::{Bindings, Imported};
use brolga_record::{Program, Record, Recorder};
use brolga_runtime::{Options, Planned, StateLayout};
use clap::Args;

use crate::error::CliError;
use crate::streams::Streams;

/// The size of a batch without `--batch`, as in Keras.
const BATCH: u64 = 32;

/// The programs of a model, by the names of their graphs.
const PROGRAMS: [(&str, Kind); 3] =
    [("train_step", Kind::Train), ("eval_step", Kind::Evaluate), ("predict", Kind::Predict)];

/// The arguments that choose the subject.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// A built-in model (mnist_cnn, mlp, tiny), the path of an IR text file, of a model that ends in
    /// .onnx, .keras or .h5, or of a record that ends in .brolga, or - for standard input
    #[arg(value_name = "MODEL|FILE|-")]
    subject: String,
    /// Of a model or a record: train_step (the default of a built-in one), eval_step or predict (the
    /// default of one from a file). Of a text: the graph of this name instead of all
    #[arg(long, visible_alias = "graph", value_name = "NAME")]
    program: Option<String>,
    /// Of a model: the size of a batch [default: 32; of predict of a file: 1]. Of a record: the program
    /// for this size
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    batch: Option<u64>,
    /// Of an ONNX model: an extent that the file leaves open
    #[arg(long = "dim", value_name = "NAME=N", value_parser = dim)]
    dims: Vec<(String, usize)>,
}

fn dim(text: &str) -> Result<(String, usize), String> {
    let (name, extent) = text.split_once('=').ok_or("expected NAME=N")?;
    let extent = extent.parse().map_err(|_| format!("`{extent}` is no number from 0 on"))?;
    Ok((name.to_owned(), extent))
}

/// A loaded subject.
pub(crate) enum Loaded {
    /// A program of a model.
    Program { model: Programs, kind: Kind, batch: usize },
    /// The graphs of a text, each of them valid.
    Graphs(Vec<Graph>),
    /// The graph of an ONNX model, with the values of its weights.
    Imported(Box<Imported>),
    /// A program of a record.
    Recorded(Box<Program>),
}

/// How far a program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// To the graph of kernels.
    Passes,
    /// To machine code and the memory plan, for this target.
    Code(Target),
}

/// The arguments that say what code is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub(crate) struct Target {
    /// The vector instruction set of machine code [default: the widest that this machine has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
    /// The number of threads of the plan [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl Target {
    pub(crate) fn options(self) -> Options {
        let default = Options::default();
        Options { isa: self.isa, threads: self.threads.unwrap_or(default.threads), ..default }
    }
}

/// A model whose programs are traced.
pub(crate) enum Programs {
    /// A built-in one.
    Builtin(Box<Sequential>),
    /// One from a file, with the values of its weights.
    File(Box<AnyModel>),
}

impl Programs {
    pub(crate) fn trace(&mut self, kind: Kind, batch: usize) -> Result<Graph, CliError> {
        Ok(match self {
            Self::Builtin(model) => model.trace(kind, batch)?,
            Self::File(model) => model.trace(kind, batch)?,
        })
    }

    /// The graph of the loss, with layers as in training.
    pub(crate) fn trace_loss(&mut self, batch: usize) -> Result<Graph, CliError> {
        Ok(match self {
            Self::Builtin(model) => model.trace_loss(batch)?,
            Self::File(model) => model.trace_loss(batch)?,
        })
    }

    /// The values of all states that a file has.
    fn stored(&mut self) -> Result<Vec<(String, Arc<Tensor>)>, CliError> {
        let Self::File(model) = self else { return Ok(vec![]) };
        let state = model.session()?.snapshot()?;
        let names: Vec<String> = state.layout().iter().map(|(name, _)| name.to_owned()).collect();
        let value = |name: String| {
            let tensor = state.get(&name)?;
            Ok((name, Arc::new(tensor)))
        };
        names.into_iter().map(value).collect()
    }
}

impl Loaded {
    /// Takes the values that a file has for states of its graphs.
    pub(crate) fn take_stored(&mut self) -> Result<Vec<(String, Arc<Tensor>)>, CliError> {
        match self {
            Self::Imported(imported) => Ok(std::mem::take(&mut imported.states)),
            Self::Program { model, .. } => model.stored(),
            Self::Graphs(_) | Self::Recorded(_) => Ok(vec![]),
        }
    }

    /// The graphs, traced where they are those of a model.
    pub(crate) fn graphs(self) -> Result<Vec<Graph>, CliError> {
        match self {
            Self::Graphs(graphs) => Ok(graphs),
            Self::Imported(imported) => Ok(vec![imported.graph]),
            Self::Program { mut model, kind, batch } => Ok(vec![model.trace(kind, batch)?]),
            Self::Recorded(program) => Ok(vec![unoptimized(&program)?]),
        }
    }

    /// The records of the programs, which are compiled so far unless they are recorded already.
    pub(crate) fn programs(self, depth: Depth) -> Result<Vec<Program>, CliError> {
        match self {
            Self::Recorded(program) => Ok(vec![*program]),
            Self::Program { mut model, kind, batch } => {
                let graph = model.trace(kind, batch)?;
                let mut recorder = Recorder::new(graph.name(), Some(batch));
                if kind == Kind::Train {
                    recorder.stage("traced", &model.trace_loss(batch)?);
                    recorder.stage("grad", &graph);
                } else {
                    recorder.stage("traced", &graph);
                }
                Ok(vec![finished(recorder, graph, depth)?])
            }
            Self::Graphs(_) | Self::Imported(_) => {
                let of_graph = |graph: Graph| {
                    let mut recorder = Recorder::new(graph.name(), None);
                    recorder.stage("traced", &graph);
                    finished(recorder, graph, depth)
                };
                self.graphs()?.into_iter().map(of_graph).collect()
            }
        }
    }
}

/// The graph of a record that its passes were given.
fn unoptimized(program: &Program) -> Result<Graph, CliError> {
    let stage = program.unoptimized().map_or("traced", |stage| &stage.name);
    graph_at(program, stage)
}

/// The graph of a stage.
///
/// # Errors
/// If there is none, with the names of those there are; or the graph is damaged.
pub(crate) fn graph_at(program: &Program, stage: &str) -> Result<Graph, CliError> {
    let damaged = |problem| {
        let message = format!("the graph `{}` at the stage `{stage}`: {problem}", program.name);
        CliError::argument(message, "the record is damaged: record the program again")
    };
    match program.graph(stage).map_err(damaged)? {
        Some(graph) => Ok(graph),
        None => Err(no_stage(program, stage)),
    }
}

/// The error that there is no such stage.
pub(crate) fn no_stage(program: &Program, stage: &str) -> CliError {
    let message = format!("`{}` has no stage `{stage}`", program.name);
    let names: Vec<String> = program.stage_names().collect();
    CliError::argument(message, format!("its stages are {}", names.join(", ")))
}

/// Runs the passes, and compiles if that is asked for.
fn finished(mut recorder: Recorder, mut graph: Graph, depth: Depth) -> Result<Program, CliError> {
    recorder.optimize(&mut graph)?;
    if let Depth::Code(target) = depth {
        let layout = StateLayout::of_graphs([&graph])?;
        let planned = Planned::new(&graph, &layout, &target.options(), |graph, options| {
            let isa = options.isa()?;
            let described = compile_described(graph, options)?;
            recorder.code(graph, &described, isa.name());
            Ok::<_, brolga_codegen::Error>(described.compiled)
        })?;
        recorder.plan(planned.plan());
    }
    Ok(recorder.finish())
}

impl Subject {
    /// The subject of this name.
    pub(crate) fn of(subject: &str, program: Option<&str>, batch: Option<u64>) -> Self {
        let program = program.map(str::to_owned);
        Self { subject: subject.to_owned(), program, batch, dims: vec![] }
    }

    /// What the user calls it.
    pub(crate) fn name(&self) -> &str {
        name(&self.subject)
    }

    /// The records of its programs, compiled so far.
    pub(crate) fn programs(
        &self,
        depth: Depth,
        streams: &mut Streams<'_>,
    ) -> Result<Vec<Program>, CliError> {
        self.load(streams)?.programs(depth)
    }

    /// The record of its only program.
    pub(crate) fn program(
        &self,
        depth: Depth,
        streams: &mut Streams<'_>,
    ) -> Result<Program, CliError> {
        let mut programs = self.programs(depth, streams)?;
        match (programs.pop(), programs.as_slice()) {
            (Some(program), []) => Ok(program),
            (last, others) => {
                let names = others.iter().chain(&last).map(|program| &*program.name);
                let names: Vec<&str> = names.collect();
                let message = format!("`{}` has {} graphs", self.name(), names.len());
                let help = format!("choose one by --program: {}", names.join(", "));
                Err(CliError::argument(message, help))
            }
        }
    }

    /// Finds the model, or reads and verifies the text.
    pub(crate) fn load(&self, streams: &mut Streams<'_>) -> Result<Loaded, CliError> {
        if let Some((name, _)) = self.dims.first().filter(|_| !is_onnx(&self.subject)) {
            let message = format!("`--dim {name}` is for ONNX models; `{}` is none", self.subject);
            return Err(CliError::argument(message, "all other extents are known"));
        }
        if builtin::NAMES.contains(&self.subject.as_str()) {
            return self.model();
        }
        if is_record(&self.subject) {
            return self.record();
        }
        if is_keras(&self.subject) {
            return self.keras();
        }
        if self.batch.is_some() {
            let message = format!(
                "`--batch` is for built-in models and those of Keras; `{}` is none",
                self.subject
            );
            let help = match is_onnx(&self.subject) {
                true => "an extent of an ONNX model is bound by its name: --dim N=1",
                false => "the types in a text have the size of its batch",
            };
            return Err(CliError::argument(message, help));
        }
        if is_onnx(&self.subject) {
            return self.onnx();
        }
        let (text, name) = self.read(streams)?;
        let mut graphs = parse_module(&text, &name)?.graphs;
        graphs.iter().try_for_each(verify)?;
        if let Some(program) = &self.program {
            let names: Vec<String> = graphs.iter().map(|graph| graph.name().to_owned()).collect();
            graphs.retain(|graph| graph.name() == program);
            if graphs.is_empty() {
                let message = format!("`{name}` has no graph `{program}`");
                return Err(CliError::argument(message, format!("it has {}", names.join(", "))));
            }
        }
        Ok(Loaded::Graphs(graphs))
    }

    /// As [`Subject::load`]; a model's program is traced.
    pub(crate) fn graphs(&self, streams: &mut Streams<'_>) -> Result<Vec<Graph>, CliError> {
        self.load(streams)?.graphs()
    }

    fn model(&self) -> Result<Loaded, CliError> {
        let kind = self.kind("train_step")?;
        let model = Programs::Builtin(Box::new(builtin::by_name(&self.subject)?));
        Ok(Loaded::Program { model, kind, batch: self.batch.unwrap_or(BATCH) as usize })
    }

    /// The program that is asked for, or else this one.
    fn kind(&self, default: &str) -> Result<Kind, CliError> {
        let program = self.program.as_deref().unwrap_or(default);
        let found = PROGRAMS.into_iter().find(|(name, _)| *name == program);
        found.map(|(_, kind)| kind).ok_or_else(|| {
            let message = format!("`{}` has no program `{program}`", self.subject);
            let names = PROGRAMS.map(|(name, _)| name).join(", ");
            CliError::argument(message, format!("a model's programs are {names}"))
        })
    }

    fn keras(&self) -> Result<Loaded, CliError> {
        let kind = self.kind("predict")?;
        let model = Programs::File(Box::new(load_model(&self.subject)?));
        let default = if kind == Kind::Predict { 1 } else { BATCH };
        Ok(Loaded::Program { model, kind, batch: self.batch.unwrap_or(default) as usize })
    }

    fn onnx(&self) -> Result<Loaded, CliError> {
        if self.program.is_some() {
            let message = "an ONNX model has one graph";
            return Err(CliError::argument(message, "leave out --program"));
        }
        let bind = |bindings: Bindings, (name, extent): &(String, usize)| {
            bindings.dim(name.clone(), *extent)
        };
        let bindings = self.dims.iter().fold(Bindings::new(), bind);
        let imported = brolga_onnx::load(&self.subject)?.graph(&bindings)?;
        Ok(Loaded::Imported(Box::new(imported)))
    }

    fn record(&self) -> Result<Loaded, CliError> {
        let record = Record::read(&self.subject)?;
        let batch = self.batch.map(|batch| batch as usize);
        let fits = |program: &&Program| {
            let named = self.program.as_ref().is_none_or(|name| program.name == *name);
            named && batch.is_none_or(|batch| program.batch == Some(batch))
        };
        let found: Vec<&Program> = record.programs.iter().filter(fits).collect();
        // Without a name: that of the training, as of models.
        let trained = found.iter().find(|program| program.name == "train_step");
        match trained.or(found.first()) {
            Some(&program) => Ok(Loaded::Recorded(Box::new(program.clone()))),
            None => {
                let message = format!("the record `{}` has no such program", self.subject);
                let name = |program: &Program| match program.batch {
                    Some(batch) => format!("{} for a batch of {batch}", program.name),
                    None => program.name.clone(),
                };
                let names: Vec<String> = record.programs.iter().map(name).collect();
                let help = match names.as_slice() {
                    [] => "nothing was compiled while it was written".to_owned(),
                    names => format!("it has {}", names.join(", ")),
                };
                Err(CliError::argument(message, help))
            }
        }
    }

    /// The text, and its name in errors.
    fn read(&self, streams: &mut Streams<'_>) -> Result<(String, String), CliError> {
        let name = name(&self.subject);
        read_text(&self.subject, streams).map(|text| (text, name.to_owned())).map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => CliError::UnknownSubject {
                    name: name.to_owned(),
                    models: builtin::NAMES.join(", "),
                },
                _ => CliError::Read { path: name.to_owned(), error },
            }
        })
    }
}

/// Whether a path is that of a model of Keras.
pub(crate) fn is_keras(path: &str) -> bool {
    matches!(Format::of(path), Some(Format::Keras | Format::Hdf5))
}

/// Whether a path is that of an ONNX model.
pub(crate) fn is_onnx(path: &str) -> bool {
    path.ends_with(".onnx")
}

/// Whether a path is that of a record.
pub(crate) fn is_record(path: &str) -> bool {
    path.ends_with(".brolga")
}

/// The name of a file, or of standard input, in errors.
pub(crate) fn name(path: &str) -> &str {
    if path == "-" { "<stdin>" } else { path }
}

/// The text of a file, or of standard input if the path is `-`.
pub(crate) fn read_text(path: &str, streams: &mut Streams<'_>) -> io::Result<String> {
    // A parsed text takes about ten times the memory of its bytes.
    let most = Limit::granted().map_or(usize::MAX, |limit| limit.bytes / 32);
    let bytes = match path {
        "-" => read_to_end(&mut streams.stdin, most),
        path => File::open(path).and_then(|file| read_to_end(file, most)),
    };
    String::from_utf8(bytes?).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8")
    })
}
