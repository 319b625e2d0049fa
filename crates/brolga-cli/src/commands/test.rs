//! `brolga test`: tests of passes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use brolga_nn::files::replace;
use brolga_passes::filetest::FileTest;
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::error::CliError;
use crate::memory::MemoryLimit;
use crate::streams::Streams;
use crate::subject::{name, read_text};

/// Run tests of passes: IR texts whose comments say which passes run and what the result must be
///
/// `// passes: A,B` names the passes. `// check: TEXT`, `// check-next: TEXT` and
/// `// check-not: TEXT` say which lines the result has, or all comments below `// expect:` are the
/// whole result. Graphs are verified and bits compared after each pass.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga test crates/brolga-passes/tests
  brolga test one.ir --bless")]
pub(crate) struct Test {
    /// Files, directories for all files below them that end in .ir, or - for standard input
    #[arg(required = true, value_name = "FILE|DIRECTORY|-")]
    paths: Vec<String>,
    /// Write each result into its file, below `// expect:`, as the expected one
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    memory: MemoryLimit,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The result is as expected.
    Ok,
    /// It was written as the expected one.
    Blessed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Blessed => "blessed",
        }
    }
}

impl Test {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut files = Vec::new();
        for path in &self.paths {
            files.append(&mut self.files(path)?);
        }
        let (mut text, mut documents, mut failed) = (String::new(), Vec::<Value>::new(), 0);
        for file in &files {
            let result = self.test(file, streams);
            let outcome = result.as_ref().map_or("failed", |outcome| outcome.name());
            text.push_str(&format!("{}: {outcome}\n", name(file)));
            let mut document = json!({ "file": name(file), "outcome": outcome });
            if let Err(error) = result {
                failed += 1;
                writeln!(streams.stderr, "{}\n", error.rendered())?;
                document["error"] = error.to_json();
            }
            documents.push(document);
        }
        if files.len() > 1 {
            text.push_str(&format!("{} tests, {failed} failed\n", files.len()));
        }
        Ok(Report { text, json: json!({ "tests": documents }), holds: failed == 0 })
    }

    /// The files that a path names.
    fn files(&self, path: &str) -> Result<Vec<String>, CliError> {
        if path == "-" && self.bless {
            let message = "standard input cannot be blessed";
            return Err(CliError::argument(message, "give --bless the path of a file"));
        }
        if path == "-" || !Path::new(path).is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let files = texts_below(path.into())
            .map_err(|(path, error)| CliError::Read { path: path.display().to_string(), error })?;
        if files.is_empty() {
            let message = format!("no file below `{path}` ends in .ir");
            return Err(CliError::argument(message, "tests are IR texts"));
        }
        Ok(files.into_iter().map(|file| file.display().to_string()).collect())
    }

    fn test(&self, file: &str, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
        let text = read_text(file, streams)
            .map_err(|error| CliError::Read { path: name(file).to_owned(), error })?;
        let test = FileTest::parse(&text, name(file))?;
        let in_file = |error| match error {
            CliError::Argument { message, help } => {
                CliError::argument(format!("{}: {message}", name(file)), help)
            }
            other => other,
        };
        test.graphs().iter().try_for_each(|graph| self.memory.check(graph)).map_err(in_file)?;
        let result = test.run()?;
        if !self.bless {
            test.compare(&result)?;
            return Ok(Outcome::Ok);
        }
        let blessed = test.blessed(&result)?;
        if blessed == text {
            return Ok(Outcome::Ok);
        }
        replace(Path::new(file), blessed.as_bytes())?;
        Ok(Outcome::Blessed)
    }
}

/// The files below a directory that end in `.ir`, in the order of their paths. Links to directories
/// are not followed.
fn texts_below(directory: PathBuf) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let (mut directories, mut files) = (vec![directory], vec![]);
    while let Some(directory) = directories.pop() {
        let failed = |error| (directory.clone(), error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "ir") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
