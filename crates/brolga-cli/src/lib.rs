//! The command `brolga`: shows and checks every stage of the compiler.
//!
//! | command | what it does |
//! |---|---|
//! | `brolga assert MODEL CHECK` | checks what the compiler makes of a program, for CI |
//! | `brolga bisect FILE` | the first rewrite that changes a result, or in which two versions differ |
//! | `brolga blame MODEL VALUE` | where a node comes from, and what became of it |
//! | `brolga convert A B` | writes a model or its weights in another format |
//! | `brolga diff A B` | how two stages, passes, models or records differ, layer by layer |
//! | `brolga dump MODEL --stage STAGE` | shows a program at one stage, from trace to machine code |
//! | `brolga inspect FILE` | what is in a file of a model or of weights |
//! | `brolga log MODEL` | what each pass did |
//! | `brolga opt FILE` | runs passes over graphs and prints the result |
//! | `brolga record MODEL` | writes all stages of a program to one file |
//! | `brolga reduce FILE` | shrinks a graph that fails to a minimal one |
//! | `brolga run FILE` | evaluates graphs on the interpreter, natively, or both and compares bits |
//! | `brolga show MODEL --stage STAGE` | a program at any stage or after any pass |
//! | `brolga test FILE` | runs tests of passes, which are IR texts with directives |
//! | `brolga verify FILE` | reports everything that is wrong with a text |
//! | `brolga why-fused`, `why-not-fused` | the rule that decided, and its reason |
//! | `brolga completions`, `manual` | scripts for shells, pages for `man` |
//!
//! Results go to standard output, and with `--json` they are one JSON document. Errors go to
//! standard error, rendered as compilers render them. The exit code is 0 for success, 1 for an
//! error or a check that fails, 2 for wrong usage. `docs/cli.md` has an example of each.

mod columns;
mod commands;
mod compare;
mod differentiate;
mod error;
mod evaluation;
mod filter;
mod inputs;
mod kernels;
mod layout;
mod lookup;
mod memory;
mod model_explorer;
mod native;
mod numpy;
mod page;
mod recorded;
mod stage;
mod statistics;
mod streams;
mod subject;
mod view;
mod widen;

use std::ffi::OsString;
use std::io;

use clap::Parser;
use serde_json::{Value, json};

pub use brolga_files::npy;
pub use error::CliError;
pub use inputs::tensor_of_text;
pub use streams::Streams;

use commands::Command;

/// An autodiff graph compiler for the CPU: shows and checks every stage.
#[derive(Debug, Parser)]
#[command(name = "brolga", version, max_term_width = 100)]
struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The result of a command.
pub(crate) struct Report {
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
    /// Whether the check that the command makes holds; if not, the exit code is 1.
    pub(crate) holds: bool,
}

/// Runs the command with these arguments, the first of which is the name of the program; returns
/// the exit code.
///
/// A reader that closes the output early is not an error.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    streams: &mut Streams<'_>,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    // Arguments that cannot be parsed may ask for a document, too.
    let json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let result = match Cli::try_parse_from(arguments) {
        Ok(cli) => execute(cli, streams),
        Err(usage) => explain(&usage, json, streams),
    };
    let flushed = streams.stdout.flush();
    match result.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            // If standard error cannot be written either, the exit code is all that tells of the
            // error.
            let _ = writeln!(streams.stderr, "error: the output cannot be written: {error}");
            1
        }
    }
}

fn execute(Cli { json, command }: Cli, streams: &mut Streams<'_>) -> io::Result<u8> {
    let (text, mut document, holds) = match command.run(streams) {
        Ok(Report { text, json, holds }) => (text, json, holds),
        Err(error) => {
            writeln!(streams.stderr, "{}", error.rendered())?;
            (String::new(), json!({ "error": error.to_json() }), false)
        }
    };
    if json {
        // A list is a format of somebody else.
        if document.is_object() {
            document["schema"] = command.schema().into();
        }
        writeln!(streams.stdout, "{document:#}")?;
    } else {
        streams.stdout.write_all(text.as_bytes())?;
    }
    Ok(u8::from(!holds))
}

/// Prints help to standard output, and errors in arguments to standard error and, with `--json`, as
/// a document to standard output.
fn explain(usage: &clap::Error, json: bool, streams: &mut Streams<'_>) -> io::Result<u8> {
    let text = usage.render().to_string();
    if !usage.use_stderr() {
        streams.stdout.write_all(text.as_bytes())?;
        return Ok(0);
    }
    streams.stderr.write_all(text.as_bytes())?;
    if json {
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let document = json!({ "error": { "message": message, "mistakes": [] } });
        writeln!(streams.stdout, "{document:#}")?;
    }
    Ok(2)
}
