//! `brolga opt`: passes over a text.

use std::io;

use brolga_ir::{Graph, Module, TextOptions};
use brolga_passes::{
    Changed, Dump, PassManager, PassReport, Refusal, Rewrite, Site, passes_by_name, pipeline,
};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::error::CliError;
use crate::memory::MemoryLimit;
use crate::streams::Streams;
use crate::subject::Subject;

/// Run passes over graphs and print the result
///
/// Snapshots and reports go to standard error; standard output holds only the resulting IR.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga opt dense.ir --passes fuse_matmul --print-changed
  brolga opt mlp --check-each-pass --report")]
pub(crate) struct Opt {
    #[command(flatten)]
    subject: Subject,
    /// The passes to run in this order, separated by commas; an unknown name lists them all
    /// [default: the whole pipeline]
    #[arg(long, value_name = "A,B")]
    passes: Option<String>,
    /// Passes to leave out, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    skip: Vec<String>,
    /// Show the graph after each pass that changed it
    #[arg(long)]
    print_changed: bool,
    /// Show the graph after each pass, also of those that changed nothing
    #[arg(long, conflicts_with = "print_changed")]
    print_after_all: bool,
    /// Compare the bits of all outputs on the interpreter before and after each pass
    #[arg(long)]
    check_each_pass: bool,
    /// Stop optimising after N rewrites; required passes still do their work
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// List what each pass did, and every rewrite
    #[arg(long)]
    report: bool,
    /// List which rewrites were considered and not made, and why
    #[arg(long)]
    explain: bool,
    /// Name values by the identity of their node, which is the same before and after a pass,
    /// instead of numbering them
    #[arg(long)]
    ids: bool,
    #[command(flatten)]
    memory: MemoryLimit,
}

/// The graph after a pass.
struct Snapshot {
    pass: String,
    text: String,
}

impl Opt {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let graphs = self.subject.graphs(streams)?;
        let (mut module, mut documents) = (Module::default(), vec![]);
        for mut graph in graphs {
            if self.check_each_pass {
                self.memory.check(&graph)?;
            }
            let mut snapshots = vec![];
            let result = self.manager(&mut snapshots)?.run(&mut graph);
            // The snapshots before an error help to understand it.
            self.show(&graph, &snapshots, streams)?;
            let report = result?;
            if self.report {
                write!(streams.stderr, "{report}")?;
                for (index, rewrite) in report.rewrites.iter().enumerate() {
                    writeln!(streams.stderr, "{:>5}. {rewrite}", index + 1)?;
                }
            }
            if self.explain {
                for refusal in &report.refusals {
                    writeln!(streams.stderr, "{refusal}")?;
                }
            }
            documents.push(json!({
                "name": graph.name(),
                "text": graph.to_text(&self.text_options()),
                "passes": report.passes.iter().map(pass_json).collect::<Vec<_>>(),
                "rewrites": report.rewrites.iter().map(rewrite_json).collect::<Vec<_>>(),
                "refusals": report.refusals.iter().map(refusal_json).collect::<Vec<_>>(),
                "changed": snapshots.iter().map(snapshot_json).collect::<Vec<_>>(),
            }));
            module.graphs.push(graph);
        }
        let (text, json) = (module.to_text(&self.text_options()), json!({ "graphs": documents }));
        Ok(Report { text, json, holds: true })
    }

    fn manager<'a>(&self, snapshots: &'a mut Vec<Snapshot>) -> Result<PassManager<'a>, CliError> {
        let passes = self.passes.as_deref().map_or_else(|| Ok(pipeline()), passes_by_name)?;
        let mut manager =
            PassManager::new(passes).check_each_pass(self.check_each_pass).explain(self.explain);
        for name in &self.skip {
            manager = manager.skip(name)?;
        }
        if let Some(rewrites) = self.stop_after {
            manager = manager.stop_after(rewrites);
        }
        if self.print_changed || self.print_after_all {
            let options = self.text_options();
            let when = if self.print_after_all { Dump::All } else { Dump::Changed };
            manager = manager.dump(when, move |pass, graph| {
                let text = graph.to_text(&options);
                snapshots.push(Snapshot { pass: pass.to_owned(), text });
            });
        }
        Ok(manager)
    }

    fn text_options(&self) -> TextOptions {
        TextOptions { ids: self.ids, ..TextOptions::default() }
    }

    fn show(
        &self,
        graph: &Graph,
        snapshots: &[Snapshot],
        streams: &mut Streams<'_>,
    ) -> io::Result<()> {
        for Snapshot { pass, text } in snapshots {
            writeln!(streams.stderr, "// {} after {pass}\n{text}", graph.name())?;
        }
        Ok(())
    }
}

fn pass_json(pass: &PassReport) -> Value {
    json!({
        "name": pass.name,
        "changed": pass.changed == Changed::Yes,
        "rewrites": pass.rewrites,
        "nodes": pass.nodes,
        "microseconds": pass.time.as_secs_f64() * 1e6,
    })
}

pub(crate) fn rewrite_json(rewrite: &Rewrite) -> Value {
    json!({
        "pass": &*rewrite.pass,
        "rule": rewrite.rule.name,
        "reason": rewrite.rule.reason,
        "node": site_json(&rewrite.node),
    })
}

fn refusal_json(refusal: &Refusal) -> Value {
    json!({
        "pass": &*refusal.pass,
        "rule": refusal.rule.name,
        "node": site_json(&refusal.node),
        "outside": refusal.outside.as_ref().map(site_json),
        "why": refusal.why,
    })
}

fn site_json(node: &Site) -> Value {
    json!({ "id": node.uid, "op": node.op, "layer": node.layer, "role": node.role })
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    json!({ "pass": snapshot.pass, "text": snapshot.text })
}
