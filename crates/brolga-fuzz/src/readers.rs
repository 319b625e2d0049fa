//! Damaged texts, arrays and inputs as cases.

use std::time::Duration;

use brolga_cli::{Streams, npy, tensor_of_text};
use brolga_codegen::VectorIsa;
use brolga_ir::draw::Rng;
use brolga_ir::{DType, Graph, NodeId, Op, Shape, TextOptions, Type, parse_module, to_dot, verify};
use brolga_passes::optimize;
use brolga_record::{Machine, Record, RecordError, Recorder, header, section_of};

use crate::compare::{Steps, examine, json, text};
use crate::coverage::Coverage;
use crate::failure::Failure;
use crate::graphs::graph;
use crate::mutate::mutated;
use crate::plan::{Native, Plan};
use crate::target::Target;
use crate::values::Values;

/// A reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The parser of graphs.
    Text,
    /// The reader of `.npy`.
    Npy,
    /// The reader of `--input`.
    Input,
    /// The reader of records, and the commands that show them.
    Record,
}

/// Damaged inputs for a reader.
#[derive(Debug)]
pub struct Readers {
    seed: u64,
    reader: Reader,
    seeds: Vec<Vec<u8>>,
    words: Vec<&'static str>,
}

impl Readers {
    /// Cases of a seed for a reader.
    pub fn new(reader: Reader, seed: u64) -> Self {
        let seeds = match reader {
            Reader::Text => texts(seed),
            Reader::Npy => arrays(),
            Reader::Input => lists(),
            Reader::Record => records(seed),
        };
        let dtypes = DType::ALL.into_iter().map(DType::name);
        let others = [
            "graph",
            "return",
            "state",
            "kind",
            "\"rows\"",
            "\"contraction\"",
            "value",
            "axes",
            "strides",
            "padding",
            "=>",
            "//",
            " // a.rs:1\n",
            "#backward",
            "@a",
            "true",
            "none",
            "'descr':",
            "'<f4'",
            "fortran_order",
            "True",
            "'shape': (",
            "\u{feff}",
            "é",
            "\u{1F600}",
        ];
        let words = Op::NAMES.iter().copied().chain(dtypes).chain(others).collect();
        Self { seed, reader, seeds, words }
    }

    fn bytes(&self, case: u64) -> (Rng, Vec<u8>) {
        let mut rng = Rng::new(self.seed, case);
        let bytes = mutated(&mut rng, &self.seeds, &self.words);
        (rng, bytes)
    }
}

/// Small graphs, as drawn and as graphs of kernels.
fn texts(seed: u64) -> Vec<Vec<u8>> {
    let mut texts = vec![];
    for case in 0..400 {
        let Ok(graph) = graph(seed, case) else { continue };
        let mut kernels = graph.clone();
        let optimized = optimize(&mut kernels).is_ok();
        for graph in [Some(graph), optimized.then_some(kernels)].into_iter().flatten() {
            let text =
                graph.to_text(&TextOptions { locations: case % 4 == 0, ..TextOptions::default() });
            if text.len() < 3_000 {
                texts.push(text.into_bytes());
            }
        }
    }
    texts
}

fn arrays() -> Vec<Vec<u8>> {
    let mut files = vec![];
    for (descr, size) in
        [("<f8", 8), ("<f4", 4), ("<f2", 2), ("<i8", 8), ("<i4", 4), ("|u1", 1), ("|b1", 1)]
    {
        for (shape, count) in [("()", 1), ("(3,)", 3), ("(2, 3)", 6), ("(0, 4)", 0)] {
            let header = format!(
                "{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}      \n"
            );
            for version in [1_u8, 2] {
                let length = match version {
                    1 => (header.len() as u16).to_le_bytes().to_vec(),
                    _ => (header.len() as u32).to_le_bytes().to_vec(),
                };
                let data = vec![7_u8; size * count];
                let parts =
                    [b"\x93NUMPY".as_slice(), &[version, 0], &length, header.as_bytes(), &data];
                files.push(parts.concat());
            }
        }
    }
    files
}

/// The content of programs of small graphs.
fn records(seed: u64) -> Vec<Vec<u8>> {
    let mut records = vec![];
    for case in 0..200 {
        let Ok(mut graph) = graph(seed, case) else { continue };
        let mut recorder = Recorder::new(graph.name(), Some(8));
        recorder.stage("traced", &graph);
        if recorder.optimize(&mut graph).is_err() {
            continue;
        }
        if let Ok(json) = serde_json::to_vec(&recorder.finish())
            && json.len() < 30_000
        {
            records.push(json);
        }
    }
    records
}

fn lists() -> Vec<Vec<u8>> {
    let lists = [
        "1",
        "-0.5",
        "nan",
        "true",
        "[]",
        "[1,2,3]",
        "[[1,2],[3,4]]",
        "[[],[]]",
        "[1.5, -inf, nan]",
        "[true,false]",
        "[[[1],[2]],[[3],[4]]]",
        "[0,255,-1]",
        "1e30",
        "{value=1}",
        "\"a\"",
        "x.npy",
    ];
    lists.into_iter().map(Vec::from).collect()
}

impl Target for Readers {
    fn try_case(&self, case: u64, _: &mut Coverage) -> Result<(), Failure> {
        let (mut rng, bytes) = self.bytes(case);
        match self.reader {
            Reader::Text => {
                if rng.one_in(8) {
                    command(&bytes)?;
                }
                read_text(&mut rng, &String::from_utf8_lossy(&bytes))
            }
            Reader::Npy => read_array(&bytes),
            Reader::Input => read_input(&mut rng, &String::from_utf8_lossy(&bytes)),
            Reader::Record => read_record(&mut rng, &bytes),
        }
    }

    fn shrunk(&self, case: u64, _: &Failure, _: bool) -> String {
        let (_, bytes) = self.bytes(case);
        format!("{}\n", bytes.escape_ascii())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn memory(&self) -> Option<u64> {
        Some(3 << 30)
    }
}

fn read_text(rng: &mut Rng, given: &str) -> Result<(), Failure> {
    let module = match parse_module(given, "<fuzz>") {
        Ok(module) => module,
        Err(errors) => {
            return match errors.to_string().is_empty() {
                true => Err(Failure::new("parser", "an error without a message")),
                false => Ok(()),
            };
        }
    };
    module.graphs.iter().try_for_each(|graph| read_graph(rng, graph))
}

fn read_graph(rng: &mut Rng, graph: &Graph) -> Result<(), Failure> {
    if let Err(errors) = verify(graph) {
        return match errors.to_string().is_empty() {
            true => Err(Failure::new("verifier", "an error without a message")),
            false => Ok(()),
        };
    }
    text(graph, "text")?;
    if rng.one_in(8) {
        json(graph)?;
    }
    if to_dot(graph).is_empty() {
        return Err(Failure::new("picture", "it is empty"));
    }
    let fused = graph.ids().any(|id| matches!(graph.node(id).op, Op::Kernel(_)));
    match (is_small(graph), rng.below(8)) {
        (true, 0 | 1) if !fused => run(rng, graph),
        (true, 0) => Steps::of(graph, Values::Ties, 0).map(|_| ()),
        (_, 2) => match optimize(&mut graph.clone()) {
            // A kernel in the text need not keep the contract of its kind.
            Err(error) if !fused => Err(Failure::new("pipeline", error)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether the interpreter needs only a moment.
fn is_small(graph: &Graph) -> bool {
    let elements = |id: NodeId| {
        let node = graph.node(id);
        let results: usize = node.types.iter().map(|ty| ty.shape.elements()).sum();
        let operands = graph.operands(id);
        let work: u128 =
            operands.iter().map(|&v| graph.ty(v).shape.elements().max(1) as u128).product();
        let bodies = node.op.bodies().iter().all(|body| is_small(body));
        bodies && results <= 10_000 && work * (results as u128) < 1 << 32
    };
    graph.len() < 100 && graph.ids().all(elements)
}

/// Runs the interpreter, the passes and, rarely, native code.
fn run(rng: &mut Rng, graph: &Graph) -> Result<(), Failure> {
    let natives = rng.one_in(4).then(|| Native {
        fused: rng.one_in(2),
        isa: rng.pick(&VectorIsa::supported().collect::<Vec<_>>()),
        threads: 1,
    });
    let plan = Plan {
        values: vec![rng.pick(&Values::ALL)],
        json: false,
        alone: rng.one_in(8),
        partial: vec![],
        natives: natives.into_iter().collect(),
    };
    examine(graph, &plan, rng.next_u64())
}

/// The whole command, on bytes that need not be text.
fn command(bytes: &[u8]) -> Result<(), Failure> {
    let (mut stdin, mut stdout, mut stderr) = (bytes, vec![], vec![]);
    let mut streams = Streams { stdin: &mut stdin, stdout: &mut stdout, stderr: &mut stderr };
    let code = brolga_cli::run(["brolga", "verify", "-"], &mut streams);
    match (code, stdout.is_empty(), stderr.is_empty()) {
        (0, false, true) | (1, true, false) => Ok(()),
        (code, ..) => Err(Failure::new("command", format!("exit code {code}"))),
    }
}

fn read_array(bytes: &[u8]) -> Result<(), Failure> {
    match npy::read(bytes) {
        Ok(tensor) if tensor.ty().bytes() > bytes.len() => {
            Err(Failure::new("npy", "the array is larger than its file"))
        }
        Ok(_) => Ok(()),
        Err(message) if message.is_empty() => {
            Err(Failure::new("npy", "an error without a message"))
        }
        Err(_) => Ok(()),
    }
}

/// Reads damaged content in a whole file, or a damaged file; then the commands show it.
fn read_record(rng: &mut Rng, content: &[u8]) -> Result<(), Failure> {
    let failed = |error: RecordError| Failure::new("record", error);
    let mut bytes = header(&Machine::this()).map_err(failed)?;
    bytes.extend(section_of(*b"PROG", content).map_err(failed)?);
    if rng.one_in(4) {
        let place = rng.below(bytes.len());
        bytes[place] ^= 1 << rng.below(8);
        bytes.truncate(bytes.len() - rng.below(3));
    }
    let record = match Record::from_bytes(&bytes, "<fuzz>") {
        Ok(record) => record,
        Err(error) => {
            return match error.to_string().is_empty() {
                true => Err(Failure::new("record", "an error without a message")),
                false => Ok(()),
            };
        }
    };
    for program in &record.programs {
        for stage in program.stage_names() {
            if let Ok(Some(graph)) = program.graph(&stage) {
                text(&graph, "text of a record")?;
            }
        }
    }
    if rng.one_in(4) { shown(&record, &bytes) } else { Ok(()) }
}

/// The commands that show records.
fn shown(record: &Record, bytes: &[u8]) -> Result<(), Failure> {
    let thread = format!("{:?}", std::thread::current().id());
    let name: String = thread.chars().filter(char::is_ascii_digit).collect();
    let name = format!("brolga-fuzz-{}-{name}.brolga", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).map_err(|error| Failure::new("record", error))?;
    let file = path.display().to_string();
    let nodes = record.programs.first().map(|program| &program.graphs.nodes);
    let node = nodes.and_then(|nodes| nodes.last()).map_or("n0".to_owned(), |n| n.uid.to_string());
    let before = format!("{file}@traced");
    let result = [
        &["log", &file, "--all"][..],
        &["show", &file, "--stages"],
        &["diff", &before, &file],
        &["blame", &file, &node],
        &["why-not-fused", &file, &node, "n1"],
        &["assert", &file, "nodes > 0", "flops > 0"],
    ]
    .into_iter()
    .try_for_each(|arguments| {
        let (mut stdin, mut stdout, mut stderr) = (&[][..], vec![], vec![]);
        let mut streams = Streams { stdin: &mut stdin, stdout: &mut stdout, stderr: &mut stderr };
        match brolga_cli::run(["brolga"].iter().chain(arguments), &mut streams) {
            0 | 1 => Ok(()),
            code => Err(Failure::new("command", format!("{arguments:?}: exit code {code}"))),
        }
    });
    // A file that stays is overwritten by the next case.
    let _ = std::fs::remove_file(&path);
    result
}

fn read_input(rng: &mut Rng, text: &str) -> Result<(), Failure> {
    let rank = rng.below(4);
    let shape: Shape = (0..rank).map(|_| rng.below(4)).collect();
    let ty = Type { dtype: rng.pick(&DType::ALL), shape };
    match tensor_of_text(text, &ty) {
        Ok(tensor) if tensor.ty() != ty => Err(Failure::new("input", "a tensor of another type")),
        Ok(_) => Ok(()),
        Err(message) if message.is_empty() => {
            Err(Failure::new("input", "an error without a message"))
        }
        Err(_) => Ok(()),
    }
}
