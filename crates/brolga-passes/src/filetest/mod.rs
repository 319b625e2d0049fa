//! Tests of passes as text files.
//!
//! A file holds graphs. Comments say which passes run over them, and what the printed result must
//! be:
//!
//! ```text
//! // passes: algebraic_simplification
//! // check: graph f
//! // check-next: %0: f32[4] = exp %x
//! // check-not: mul
//! graph f(%x: f32[4]) {
//!   %0: f32[] = constant {value=1}
//!   %1: f32[4] = mul %x, %0
//!   %2: f32[4] = exp %1
//!   return %2
//! }
//! ```
//!
//! | comment | meaning |
//! |---|---|
//! | `// passes: A,B` | the passes in order; `default` is the [`pipeline`](crate::pipeline) |
//! | `// check: TEXT` | takes the next line that has this text |
//! | `// check-next: TEXT` | the line right after the last one taken has this text |
//! | `// check-not: TEXT` | no line between those that the checks around it take has this text |
//! | `// expect:` | the comments below it are the whole result |
//!
//! A run of blanks in a check equals any other. Checks are compared in order and never go back. A
//! comment that nearly is a directive is a mistake; all other comments are ignored. The file is an
//! IR text like any other, so that every command of `brolga` reads it.
//!
//! Each pass must also leave a valid graph that gives the same bits on the interpreter, for each
//! [`Sample`](crate::Sample) of inputs.

mod compare;
mod directives;
mod error;

use brolga_ir::{Graph, Module, ParseError, TextOptions, parse_module};

use crate::error::PassError;
use crate::manager::PassManager;
use crate::pass::Pass;
use crate::passes::pipeline;
use crate::pipeline::passes_by_name;
use directives::{Directives, Expectation};
pub use error::{Mismatch, TestError};

/// A test: graphs, passes, and what the result must be.
#[derive(Debug, Clone)]
pub struct FileTest {
    file: String,
    text: String,
    module: Module,
    passes: String,
    expectation: Expectation,
}

impl FileTest {
    /// Reads a test. `file` is the name that errors give.
    ///
    /// # Errors
    /// The mistakes in the directives, or else those in the graphs. A file may state no result:
    /// [`compare`](Self::compare) reports that.
    pub fn parse(text: &str, file: &str) -> Result<Self, TestError> {
        let Directives { passes, expectation } = directives::read(text, file)?;
        let module = parse_module(text, file)?;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), module, passes, expectation })
    }

    /// The graphs before the passes.
    pub fn graphs(&self) -> &[Graph] {
        &self.module.graphs
    }

    /// Runs the passes over each graph and prints the result.
    ///
    /// # Errors
    /// If a graph is not valid, before or after a pass, or a pass changes the bits of an output.
    pub fn run(&self) -> Result<String, TestError> {
        let mut module = self.module.clone();
        let failed = |error| TestError::Pass { file: self.file.clone(), error };
        let mut manager =
            PassManager::new(passes(&self.passes).map_err(failed)?).check_each_pass(true);
        for graph in &mut module.graphs {
            manager.run(graph).map_err(failed)?;
        }
        Ok(module.to_text(&TextOptions::default()))
    }

    /// Compares a printed result with what the file expects.
    ///
    /// # Errors
    /// If they differ, or the file states no result.
    pub fn compare(&self, result: &str) -> Result<(), TestError> {
        let lines: Vec<&str> = result.lines().collect();
        let compared = match &self.expectation {
            Expectation::Nothing => {
                let message = "no comment says what the result must be";
                let help = "write `// check: TEXT`, or let `brolga test --bless` write the whole result below `// expect:`";
                let mistake = self.mistake_at_start(message, help);
                return Err(TestError::Directives(vec![mistake]));
            }
            Expectation::Checks(checks) => compare::checks(checks, &lines),
            Expectation::Whole { title, lines: expected, .. } => {
                compare::whole(title, expected, &lines)
            }
        };
        compared.map_err(|difference| {
            TestError::Mismatch(Box::new(difference.of_file(&self.file, &lines)))
        })
    }

    /// The text of the file with this result below `// expect:`, which is added at the end if there
    /// is none.
    ///
    /// # Errors
    /// If the file has checks, which only their author can adapt.
    pub fn blessed(&self, result: &str) -> Result<String, TestError> {
        let mut text = match &self.expectation {
            Expectation::Whole { start, .. } => self.text[..*start].to_owned(),
            Expectation::Nothing => format!("{}\n\n// expect:", self.text.trim_end()),
            Expectation::Checks(checks) => {
                let message = "checks are written by hand";
                let help =
                    "to have the whole result written down, replace all checks by `// expect:`";
                let spans = checks.iter().take(1).map(|check| &check.span);
                let mistakes = spans.map(|span| span.mistake(&self.file, message, Some(help)));
                return Err(TestError::Directives(mistakes.collect()));
            }
        };
        text.truncate(text.trim_end().len());
        for line in result.lines() {
            text.push_str(if line.is_empty() { "\n//" } else { "\n// " });
            text.push_str(line);
        }
        text.push('\n');
        Ok(text)
    }

    fn mistake_at_start(&self, message: &str, help: &str) -> ParseError {
        directives::start_of(&self.text).mistake(&self.file, message, Some(help))
    }
}

/// The passes of these names; `default` is the whole pipeline.
fn passes(names: &str) -> Result<Vec<Box<dyn Pass>>, PassError> {
    if names == "default" { Ok(pipeline()) } else { passes_by_name(names) }
}

#[cfg(test)]
mod tests;
