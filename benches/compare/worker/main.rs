//! Brolga's side of `benches/compare/compare.py`: answers each command, a line of JSON on standard
//! input, with a line of JSON.
//!
//! The commands are described in `benches/compare/README.md`. Nothing runs between two commands:
//! the thread that reads is blocked, the helpers of the runtime sleep.

mod case;
mod models;
mod ops;

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, Write};

use brolga::measure;
use brolga::runtime::Options;
use case::{Case, compiled, write};
use clap::Parser;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Brolga's side of the comparison.
#[derive(Parser)]
struct Args {
    /// Worker threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut options = Options::default();
    options.threads = args.threads.unwrap_or(options.threads);
    let mut cases: HashMap<String, Case> = HashMap::new();
    for line in io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?)
            .map_err(Into::into)
            .and_then(|command| answer(&command, &options, &mut cases))
            .unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(command: &Value, options: &Options, cases: &mut HashMap<String, Case>) -> Result<Value> {
    match text(command, "run")? {
        "hello" => {
            let version = env!("CARGO_PKG_VERSION");
            let peak = measure::peak_memory();
            Ok(json!({ "versions": { "brolga": version }, "peak_memory": peak }))
        }
        "write" => write(command),
        "limit" => {
            let mut model = compiled(text(command, "model")?, true, case::EPSILON, options)?.model;
            let (batch, rounds) = (number(command, "batch")?, number(command, "rounds")?);
            let report = measure::train_step(&mut model, batch, options, rounds)?;
            let limit = report.limit().ok_or("the step has a limit")?;
            let narrow = report.limits.first().unwrap_or(limit);
            Ok(json!({
                "isa": report.isa.name(),
                "limit": limit.flops_per_second,
                "share": limit.share,
                "limit_128": narrow.flops_per_second,
                "share_128": narrow.share,
                "flops": report.flops,
                "compile": report.compile.as_secs_f64(),
            }))
        }
        "forget" => {
            cases.clear();
            Ok(json!({}))
        }
        _ => {
            let key = key(command);
            let new = !cases.contains_key(&key);
            if new {
                cases.insert(key.clone(), Case::new(command, options)?);
            }
            let case = cases.get_mut(&key).ok_or("the case was made above")?;
            if command["values"] == true {
                let values = case.values(number(command, "steps").unwrap_or(1))?;
                cases.remove(&key);
                return Ok(json!({ "values": values }));
            }
            let mut answer = case.time(command)?;
            if new {
                answer["prepare"] = case.prepare.as_secs_f64().into();
                answer["compile"] = case.compile.as_secs_f64().into();
            }
            Ok(answer)
        }
    }
}

/// What tells two cases apart: the command without that which may change from one measurement to
/// the next.
fn key(command: &Value) -> String {
    let mut command = command.clone();
    if let Some(fields) = command.as_object_mut() {
        fields.retain(|word, _| !["steps", "seconds", "warm"].contains(&word.as_str()));
    }
    command.to_string()
}

fn text<'a>(command: &'a Value, word: &str) -> Result<&'a str> {
    command[word].as_str().ok_or_else(|| format!("`{word}` must be a text").into())
}

fn number(command: &Value, word: &str) -> Result<usize> {
    let number = command[word].as_u64().map(usize::try_from);
    number
        .and_then(std::result::Result::ok)
        .ok_or_else(|| format!("`{word}` must be a number").into())
}
