//! `brolga log`: what each pass did.

use std::fmt::Write;

use brolga_memory::bytes;
use brolga_record::{PassRecord, Program, RewriteRecord, Work};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::error::CliError;
use crate::layout::{count, number_of, wrapped};
use crate::streams::Streams;
use crate::subject::{Depth, Subject};

/// List what each pass did: nodes, arithmetic, traffic, time, rewrites by name
///
/// FLOPs are those of the ops' scalar loops, a multiply-add counted as two; bytes are those of the
/// operands and results of all nodes outside of kernels: what goes through memory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga log mnist_cnn
  brolga log run.brolga --program predict --all")]
pub(crate) struct Log {
    #[command(flatten)]
    subject: Subject,
    /// List passes that changed nothing, too
    #[arg(long)]
    all: bool,
    /// Leave out times, so that two logs can be compared
    #[arg(long)]
    no_time: bool,
}

impl Log {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let programs = self.subject.programs(Depth::Passes, streams)?;
        let texts: Vec<String> = programs.iter().map(|program| self.text(program)).collect();
        let documents: Vec<Value> = programs.iter().map(document).collect();
        Ok(Report { text: texts.join("\n"), json: json!({ "programs": documents }), holds: true })
    }

    fn text(&self, program: &Program) -> String {
        let mut text = title(program);
        let time = if self.no_time { "" } else { "         µs" };
        let _ = writeln!(
            text,
            "{:<29} {:>5}   {:>5} {:>9} {:>10}{time}",
            "pass", "nodes", "after", "FLOP", "bytes"
        );
        for pass in program.passes.iter().filter(|pass| self.all || did(pass)) {
            let _ = write!(
                text,
                "{:<29} {:>5} → {:>5} {:>9} {:>10}",
                pass.stage(),
                pass.nodes_before,
                pass.nodes_after,
                count(pass.after.flops),
                bytes(usize::try_from(pass.after.bytes).unwrap_or(usize::MAX)),
            );
            if !self.no_time {
                let _ = write!(text, " {:>10.1}", pass.time_ns as f64 / 1e3);
            }
            text.push('\n');
            for (rule, times) in rules(&program.rewrites[pass.rewrites.clone()]) {
                text.push_str(&wrapped("    ", &format!("{times} × {rule}"), 8));
            }
        }
        let total: u64 = program.passes.iter().map(|pass| pass.time_ns).sum();
        let (rewrites, refusals) = (program.rewrites.len(), program.refusals.len());
        let _ = write!(text, "{}, {refusals} refused", number_of(rewrites, "rewrite"));
        if !self.no_time {
            let _ = write!(text, ", {:.1} ms", total as f64 / 1e6);
        }
        text.push('\n');
        text
    }
}

fn did(pass: &PassRecord) -> bool {
    !pass.rewrites.is_empty() || pass.nodes_before != pass.nodes_after
}

/// The program and what it begins with.
fn title(program: &Program) -> String {
    let Work { flops, bytes: moved } = program.passes.first().map(|p| p.before).unwrap_or_default();
    let nodes = program.passes.first().map_or(0, |pass| pass.nodes_before);
    let moved = bytes(usize::try_from(moved).unwrap_or(usize::MAX));
    format!("{}: {nodes} nodes, {} FLOP, {moved}\n", named(program), count(flops))
}

/// The name of a program, with its batch.
pub(crate) fn named(program: &Program) -> String {
    match program.batch {
        Some(batch) => format!("{}, batch {batch}", program.name),
        None => program.name.clone(),
    }
}

/// The rules in the order in which they were first applied, and how often each was.
fn rules(rewrites: &[RewriteRecord]) -> Vec<(&str, usize)> {
    let mut rules: Vec<(&str, usize)> = vec![];
    for rewrite in rewrites {
        match rules.iter_mut().find(|(rule, _)| *rule == rewrite.rule) {
            Some((_, times)) => *times += 1,
            None => rules.push((&rewrite.rule, 1)),
        }
    }
    rules
}

fn document(program: &Program) -> Value {
    let passes = program.passes.iter().map(|pass| {
        let rules = rules(&program.rewrites[pass.rewrites.clone()]);
        let rules = rules.iter().map(|(rule, times)| json!({ "rule": rule, "times": times }));
        json!({
            "name": pass.name,
            "run": pass.run,
            "before": { "nodes": pass.nodes_before, "flops": pass.before.flops, "bytes": pass.before.bytes },
            "after": { "nodes": pass.nodes_after, "flops": pass.after.flops, "bytes": pass.after.bytes },
            "microseconds": pass.time_ns as f64 / 1e3,
            "rewrites": rules.collect::<Vec<_>>(),
            "refusals": pass.refusals.len(),
        })
    });
    json!({ "name": program.name, "batch": program.batch, "passes": passes.collect::<Vec<_>>() })
}
