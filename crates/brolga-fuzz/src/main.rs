//! The command of the fuzzer.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use brolga_fuzz::compare::examine;
use brolga_fuzz::files::Files;
use brolga_fuzz::graph_target::Graphs;
use brolga_fuzz::plan::Plan;
use brolga_fuzz::readers::{Reader, Readers};
use brolga_fuzz::supervise::{Worker, supervise};
use brolga_fuzz::target::{Target, caught};
use brolga_fuzz::worker::{Journal, Task, say, work};
use brolga_ir::parse_module;
use clap::{Args, Parser};

/// Tries random graphs and random bytes on the compiler.
#[derive(Debug, Parser)]
#[command(name = "brolga-fuzz", max_term_width = 100)]
enum Cli {
    /// Random graphs by every path through the compiler, bit for bit
    Graphs(Run),
    /// Damaged IR texts into the parser, the verifier, the printer and the passes
    Text(Run),
    /// Damaged files into the reader of `.npy`
    Npy(Run),
    /// Damaged files of models and weights into their readers
    Files(Run),
    /// Damaged values into the reader of `--input`
    Input(Run),
    /// Damaged models into the reader of ONNX files
    Onnx(Run),
    /// Damaged records into their reader and the commands that show them
    Record(Run),
    /// All comparisons on the graphs of a text
    Check {
        /// The path of an IR text file, or - for standard input
        file: String,
        /// With --case: the comparisons and inputs of this case instead of all
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The number of the case, see --seed
        #[arg(long)]
        case: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// The seed of the cases
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases are tried
    #[arg(long, default_value_t = 20_000)]
    cases: u64,
    /// The number of the first case
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many cases are tried at the same time
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The number of failures after which it ends
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Try this case alone
    #[arg(long, conflicts_with_all = ["cases", "first"])]
    only: Option<u64>,
    /// The file of a worker's journal
    #[arg(long, hide = true)]
    journal: Option<PathBuf>,
    /// Cases that are left out
    #[arg(long, hide = true, value_delimiter = ',')]
    skip: Vec<u64>,
}

fn main() -> ExitCode {
    let well = match Cli::parse() {
        Cli::Graphs(run) => run.run("graphs", &Graphs { seed: run.seed }),
        Cli::Text(run) => run.run("text", &Readers::new(Reader::Text, run.seed)),
        Cli::Files(run) => run.run("files", &Files::new(run.seed)),
        Cli::Npy(run) => run.run("npy", &Readers::new(Reader::Npy, run.seed)),
        Cli::Input(run) => run.run("input", &Readers::new(Reader::Input, run.seed)),
        Cli::Onnx(run) => run.run("onnx", &Readers::new(Reader::Onnx, run.seed)),
        Cli::Record(run) => run.run("record", &Readers::new(Reader::Record, run.seed)),
        Cli::Check { file, seed, case } => check(&file, seed, case),
    };
    match well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl Run {
    fn run(&self, name: &'static str, target: &dyn Target) -> io::Result<bool> {
        let cases = match self.only {
            Some(case) => case..case + 1,
            None => self.first..self.first + self.cases,
        };
        let task = Task {
            cases,
            skipped: self.skip.iter().copied().collect(),
            threads: self.threads.max(1),
            most_failures: self.failures,
        };
        let journal = match (&self.journal, self.only) {
            (Some(path), _) => Some(Journal::create(path, task.threads)?),
            (None, Some(_)) => None,
            (None, None) => return supervise(target, &Again { name, run: self }, task),
        };
        let (failures, coverage) = work(target, &task, journal.as_ref());
        if !coverage.is_empty() && self.only.is_none() {
            say(&format!("nodes drawn:\n{coverage}"));
        }
        Ok(failures == 0)
    }
}

/// The arguments that start this command as a worker.
struct Again<'a> {
    name: &'static str,
    run: &'a Run,
}

impl Worker for Again<'_> {
    fn arguments(&self, task: &Task, journal: &str) -> Vec<String> {
        let (first, count) = (task.cases.start, task.cases.end - task.cases.start);
        let mut words = format!(
            "{} --seed {} --first {first} --cases {count} --threads {} --failures {}",
            self.name, self.run.seed, task.threads, task.most_failures
        );
        if !task.skipped.is_empty() {
            let skipped: Vec<String> = task.skipped.iter().map(u64::to_string).collect();
            words.push_str(&format!(" --skip {}", skipped.join(",")));
        }
        let words = words.split(' ').map(str::to_owned);
        words.chain(["--journal".to_owned(), journal.to_owned()]).collect()
    }

    fn only(&self, case: u64) -> Vec<String> {
        let words = format!("{} --seed {} --only {case} --failures 1", self.name, self.run.seed);
        words.split(' ').map(str::to_owned).collect()
    }
}

fn check(file: &str, seed: u64, case: Option<u64>) -> io::Result<bool> {
    let mut text = String::new();
    match file {
        "-" => io::stdin().read_to_string(&mut text).map(|_| ())?,
        path => text = std::fs::read_to_string(path)?,
    }
    let module =
        parse_module(&text, file).map_err(|errors| io::Error::other(errors.to_string()))?;
    let mut well = true;
    for graph in &module.graphs {
        let result = caught(|| match case {
            Some(case) => Graphs { seed }.examine(case, graph),
            None => examine(graph, &Plan::all(), seed),
        });
        if let Err(failure) = result {
            say(&format!("FAILED graph {}: {failure}", graph.name()));
            well = false;
        }
    }
    Ok(well)
}
