//! `brolga show`: a program at any stage or after any pass.

use std::fmt::Write;

use brolga_ir::TextOptions;
use brolga_memory::bytes;
use brolga_record::{KernelRecord, Program};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::commands::log::named;
use crate::error::CliError;
use crate::filter::Filter;
use crate::layout::number_of;
use crate::streams::Streams;
use crate::subject::{Depth, Subject, Target, graph_at};
use crate::view::{graph_json, graph_text};

/// Show a program at any stage or after any pass, whole or in part
///
/// The stages are traced, grad, optimized, and the names of passes: the graph after them. Further
/// ones are kernels, clif and plan, as they were compiled, and sizes. --stages lists them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga show mnist_cnn --layer conv2d --role backward
  brolga show run.brolga --stage fuse_matmul --ids
  brolga show mnist_cnn --batch 256 --stage sizes")]
pub(crate) struct Show {
    #[command(flatten)]
    subject: Subject,
    /// A stage, a pass, kernels, clif, plan or sizes
    #[arg(long, value_name = "STAGE", default_value = "optimized")]
    stage: String,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    target: Target,
    /// List the stages
    #[arg(long)]
    stages: bool,
    /// Name values by the identity of their node, which is the same at all stages
    #[arg(long)]
    ids: bool,
    /// Add the file and line of each node as a comment
    #[arg(long)]
    locations: bool,
}

impl Show {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let code = ["kernels", "clif", "plan", "sizes"].contains(&self.stage.as_str());
        let depth = if code { Depth::Code(self.target) } else { Depth::Passes };
        let programs = self.subject.programs(depth, streams)?;
        let (mut texts, mut documents) = (vec![], vec![]);
        for program in &programs {
            let (text, json) = if self.stages { stages(program) } else { self.show(program)? };
            texts.push(text);
            documents.push(json);
        }
        let json = json!({ "stage": self.stage, "programs": documents });
        Ok(Report { text: texts.join("\n"), json, holds: true })
    }

    fn show(&self, program: &Program) -> Result<(String, Value), CliError> {
        match self.stage.as_str() {
            "kernels" | "clif" => self.kernels(program),
            "plan" => {
                let Some(plan) = &program.plan else { return Err(not_recorded(program, "plan")) };
                Ok((plan.to_string(), json!({ "name": program.name, "plan": plan })))
            }
            "sizes" => Ok(sizes(program)),
            stage => {
                let graph = graph_at(program, stage)?;
                self.filter.check(&graph)?;
                let options = TextOptions { ids: self.ids, locations: self.locations };
                let text = graph_text(&graph, &self.filter, &options);
                Ok((text, graph_json(&graph, &self.filter, &options)))
            }
        }
    }

    fn kernels(&self, program: &Program) -> Result<(String, Value), CliError> {
        if program.kernels.is_empty() {
            return Err(not_recorded(program, "kernels"));
        }
        let graph = graph_at(program, "optimized")?;
        self.filter.check(&graph)?;
        let isa = program.isa.as_deref().unwrap_or_default();
        let mut text = format!(
            "// {}: {} ({isa})\n",
            named(program),
            number_of(program.kernels.len(), "kernel")
        );
        let mut documents = vec![];
        for kernel in &program.kernels {
            let node = graph.ids().find(|&id| graph.uid(id) == kernel.node);
            if node.is_some_and(|id| !self.filter.is_empty() && !self.filter.keeps(&graph, id)) {
                continue;
            }
            let (blocks, document) = self.kernel(program, kernel);
            let layer = kernel.layer.as_ref().map(|layer| format!(" @{layer}"));
            let (layer, role) = (layer.unwrap_or_default(), kernel.role.name());
            let _ = writeln!(text, "\nkernel {} {}{layer} #{role}", kernel.node, kernel.name);
            let lowering = &program.lowerings[kernel.lowering as usize].lowering;
            let _ = writeln!(text, "  kind: {}", kernel.kind);
            let _ = writeln!(text, "  lowering: {lowering}");
            for block in blocks {
                text.push('\n');
                for line in block.trim_end().lines() {
                    let _ = writeln!(text, "{}", format!("  {line}").trim_end());
                }
            }
            documents.push(document);
        }
        Ok((text, json!({ "name": program.name, "isa": isa, "kernels": documents })))
    }

    /// The blocks of a kernel, and its document.
    fn kernel(&self, program: &Program, kernel: &KernelRecord) -> (Vec<String>, Value) {
        let lowering = &program.lowerings[kernel.lowering as usize];
        let functions = || lowering.functions.iter().map(|&f| &program.functions[f as usize]);
        let bytes: usize = functions().map(|function| function.code.len()).sum();
        let mut document = json!({
            "node": kernel.node.to_string(),
            "name": kernel.name,
            "kind": kernel.kind,
            "layer": kernel.layer,
            "role": kernel.role,
            "lowering": lowering.lowering,
            "code_bytes": bytes,
        });
        let blocks: Vec<String> = match self.stage.as_str() {
            "clif" => functions().filter_map(|function| function.clif.clone()).collect(),
            _ => lowering.nests.iter().chain(&lowering.tiles).cloned().collect(),
        };
        document[if self.stage == "clif" { "clif" } else { "nests" }] = json!(blocks);
        (blocks, document)
    }
}

fn not_recorded(program: &Program, what: &str) -> CliError {
    let message = format!("the record of `{}` has no {what}", program.name);
    CliError::argument(message, "it was recorded without native code")
}

fn stages(program: &Program) -> (String, Value) {
    let names: Vec<String> = program.stage_names().collect();
    let lines: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let nodes = program.graph_record(name)?.nodes.len();
            Some(format!("{name:<29} {nodes:>6} nodes\n"))
        })
        .collect();
    let text = format!("{}\n{}", named(program), lines.concat());
    (text, json!({ "name": program.name, "batch": program.batch, "stages": names }))
}

fn sizes(program: &Program) -> (String, Value) {
    let sizes = program.sizes();
    let nodes = |stage: &str| program.graph_record(stage).map_or(0, |graph| graph.nodes.len());
    let mut text = format!("{}\n", named(program));
    let _ = writeln!(
        text,
        "  nodes      {} traced, {} before the passes, {} after them",
        nodes("traced"),
        program.unoptimized().map_or(0, |stage| nodes(&stage.name)),
        nodes("optimized")
    );
    let _ = writeln!(text, "  kernels    {}, {} of them distinct", sizes.kernels, sizes.distinct);
    let _ = writeln!(text, "  code       {}", bytes(sizes.code));
    let _ = writeln!(text, "  arena      {}", bytes(sizes.arena));
    if let Some(memory) = program.plan.as_ref().map(brolga_runtime::Plan::memory) {
        for (part, size) in [
            ("constants", memory.constants),
            ("inputs", memory.inputs),
            ("results", memory.planned),
            ("scratch", memory.scratch),
        ] {
            let _ = writeln!(text, "    {part:<9}  {}", bytes(size));
        }
    }
    let _ = writeln!(text, "  states     {}", bytes(sizes.states));
    (text, json!({ "name": program.name, "batch": program.batch, "sizes": sizes }))
}
