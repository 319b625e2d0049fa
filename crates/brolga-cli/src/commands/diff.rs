//! `brolga diff`: two stages, passes, models or records side by side.

use std::collections::HashMap;
use std::fmt::Write;

use brolga_ir::Role;
use brolga_memory::bytes;
use brolga_record::{KernelRecord, Program};
use clap::Args;
use clap::builder::styling::AnsiColor;
use serde_json::{Value, json};

use crate::Report;
use crate::compare::{Difference, Moved};
use crate::error::CliError;
use crate::inputs::Inputs;
use crate::layout::{Color, painted, wrapped};
use crate::memory::MemoryLimit;
use crate::recorded::{Parting, parting, unoptimized, values};
use crate::streams::Streams;
use crate::subject::{Depth, Subject, no_stage};

/// Show how two stages, passes, models or records differ, layer by layer
///
/// Nodes have names of their layer, dense/add, backward ones with a ' and those of updates with a
/// ", which stay when something else changes. Values are named without the borders of kernels, so
/// that fusing a node does not change what it reads. A pass stands for the graph after it; with
/// one argument it is compared with the graph before it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga diff mlp@grad mlp@optimized
  brolga diff mnist_cnn@common_subexpressions
  brolga diff before.brolga after.brolga --exit-code")]
pub(crate) struct Diff {
    /// A model, a file or a record, and a stage or a pass: mlp@grad, run.brolga@fuse_rows
    #[arg(value_name = "SUBJECT[@STAGE]")]
    a: String,
    /// What it is compared with
    #[arg(value_name = "SUBJECT[@STAGE]")]
    b: Option<String>,
    /// The stage of those that name none [default: optimized]
    #[arg(long, value_name = "STAGE", default_value = "optimized", hide_default_value = true)]
    stage: String,
    /// The program of both
    #[arg(long, visible_alias = "graph", value_name = "NAME")]
    program: Option<String>,
    /// The size of a batch of both
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    batch: Option<u64>,
    /// Compare what the nodes compute, and name the first whose bits differ: the values of records
    /// that have some, or else those that the interpreter computes of the inputs of seed 0
    #[arg(long)]
    values: bool,
    /// Exit with 1 if they differ
    #[arg(long)]
    exit_code: bool,
    /// When text is coloured
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Color,
}

/// A program at a stage.
struct Side {
    /// What the user calls it.
    subject: String,
    program: Program,
    stage: String,
}

impl Diff {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let (a, b) = match &self.b {
            Some(b) => self.both(b, streams)?,
            None => self.around(streams)?,
        };
        if self.values {
            return self.of_values(&a, &b);
        }
        // Stages of one program share identities.
        let related = a.subject == b.subject;
        let graph = |side: &Side| -> Result<u32, CliError> {
            let stage = side.program.stage(&side.stage);
            stage.ok_or_else(|| no_stage(&side.program, &side.stage))
        };
        let (of_a, of_b) = (graph(&a)?, graph(&b)?);
        let of_a = &a.program.graphs.graphs[of_a as usize];
        let of_b = &b.program.graphs.graphs[of_b as usize];
        let difference =
            Difference::new((&a.program.graphs, of_a), (&b.program.graphs, of_b), related);
        let code = code(&a.program, &b.program);
        let arena = match (&a.program.plan, &b.program.plan) {
            (Some(x), Some(y)) => {
                Some((x.memory().arena, y.memory().arena)).filter(|(x, y)| x != y)
            }
            _ => None,
        };
        let nodes = [of_a.nodes.len(), of_b.nodes.len()];
        let same = difference.is_empty() && code.is_empty() && arena.is_none();
        let mut text = header(&a, &b, nodes, &difference);
        let on = self.color.is_on();
        write_groups(&mut text, &difference, on);
        for line in &code {
            let _ = writeln!(text, "code of {line}");
        }
        if let Some((x, y)) = arena {
            let _ = writeln!(text, "arena: {} → {}", bytes(x), bytes(y));
        }
        let json = json!({
            "a": side_json(&a, nodes[0]),
            "b": side_json(&b, nodes[1]),
            "same": same,
            "groups": groups_json(&difference),
            "outputs": difference.outputs.as_ref().map(|(a, b)| json!({ "a": a, "b": b })),
            "code": code,
            "arena": arena.map(|(a, b)| json!({ "a": a, "b": b })),
        });
        Ok(Report { text, json, holds: same || !self.exit_code })
    }

    /// The first node whose value differs.
    fn of_values(&self, a: &Side, b: &Side) -> Result<Report, CliError> {
        let of = |side: &Side| match side.program.values.last() {
            Some(recorded) => Ok(recorded.clone()),
            None => values(&side.program, &Inputs::default(), &[], &MemoryLimit::default()),
        };
        let (equal, parting) = parting(&of(a)?, &of(b)?);
        let Some(Parting { node: (uid, port), why }) = parting else {
            let text = format!("{equal} values, all with the same bits\n");
            let json = json!({ "same": true, "equal": equal, "first": null });
            return Ok(Report { text, json, holds: true });
        };
        let mut site = String::new();
        for side in [b, a] {
            let (_, graph) = unoptimized(&side.program)?;
            if let Some(id) = graph.ids().find(|&id| graph.uid(id) == uid) {
                let node = graph.node(id);
                site = format!(
                    "{uid}, `{}`{} ({})",
                    node.op.name(),
                    node.origin.of_layer(),
                    node.origin.role.name()
                );
                break;
            }
        }
        let text = format!(
            "the first node that differs, after {equal} with the same bits:\n{site}: {why}\n"
        );
        let first = json!({ "id": uid.to_string(), "port": port, "site": site, "why": why });
        let json = json!({ "same": false, "equal": equal, "first": first });
        Ok(Report { text, json, holds: !self.exit_code })
    }

    fn both(&self, b: &str, streams: &mut Streams<'_>) -> Result<(Side, Side), CliError> {
        let (a_subject, a_stage) = split(&self.a);
        let (b_subject, b_stage) = split(b);
        let a = self.side(a_subject, a_stage.unwrap_or(&self.stage), streams)?;
        let stage = b_stage.unwrap_or(&self.stage);
        if a_subject == b_subject {
            let (subject, program) = (a.subject.clone(), a.program.clone());
            return Ok((a, Side { subject, program, stage: stage.to_owned() }));
        }
        Ok((a, self.side(b_subject, stage, streams)?))
    }

    /// The graphs before and after a pass.
    fn around(&self, streams: &mut Streams<'_>) -> Result<(Side, Side), CliError> {
        let (subject, stage) = split(&self.a);
        let Some(stage) = stage else {
            let message = "one argument without a stage has nothing to be compared with";
            return Err(CliError::argument(message, format!("name a pass: {subject}@fuse_rows")));
        };
        let after = self.side(subject, stage, streams)?;
        let names: Vec<String> = after.program.stage_names().collect();
        let Some(place) = names.iter().position(|name| name == stage) else {
            return Err(no_stage(&after.program, stage));
        };
        let Some(before) = place.checked_sub(1).and_then(|place| names.get(place)) else {
            let message = format!("`{stage}` is the first stage");
            return Err(CliError::argument(message, "name a later one, or two subjects"));
        };
        let (subject, program) = (after.subject.clone(), after.program.clone());
        Ok((Side { subject, program, stage: before.clone() }, after))
    }

    fn side(
        &self,
        subject: &str,
        stage: &str,
        streams: &mut Streams<'_>,
    ) -> Result<Side, CliError> {
        let loaded = Subject::of(subject, self.program.as_deref(), self.batch);
        let program = loaded.program(Depth::Passes, streams)?;
        Ok(Side { subject: loaded.name().to_owned(), program, stage: stage.to_owned() })
    }
}

/// `mlp@grad` as `mlp` and `grad`.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('@') {
        Some((subject, stage)) if !stage.contains(['/', '.']) => (subject, Some(stage)),
        _ => (text, None),
    }
}

/// The kernels whose machine code is another one, in words; none unless both have code.
fn code(a: &Program, b: &Program) -> Vec<String> {
    if a.functions.is_empty() || b.functions.is_empty() {
        return vec![];
    }
    if a.isa != b.isa {
        let isa = |program: &Program| program.isa.clone().unwrap_or_default();
        return vec![format!("all kernels: for {} and for {}", isa(a), isa(b))];
    }
    let key = |kernel: &KernelRecord| (kernel.layer.clone(), kernel.role, kernel.kind.clone());
    let mut others: HashMap<_, Vec<&KernelRecord>> = HashMap::new();
    for kernel in b.kernels.iter().rev() {
        others.entry(key(kernel)).or_default().push(kernel);
    }
    let mut lines = vec![];
    for kernel in &a.kernels {
        let Some(other) = others.get_mut(&key(kernel)).and_then(Vec::pop) else { continue };
        let (before, after) = (machine_code(a, kernel), machine_code(b, other));
        if before != after {
            let (before, after) = (before.len(), after.len());
            let at = place(kernel.layer.as_deref().unwrap_or_default(), kernel.role);
            let name = match kernel.name == other.name {
                true => kernel.name.clone(),
                false => format!("{} → {}", kernel.name, other.name),
            };
            lines.push(format!("{name}, {at}: {before} → {after} bytes"));
        }
    }
    lines
}

fn machine_code(program: &Program, kernel: &KernelRecord) -> Vec<u8> {
    let functions = &program.lowerings[kernel.lowering as usize].functions;
    let code = functions.iter().map(|&function| &program.functions[function as usize].code);
    code.flatten().copied().collect()
}

/// A layer and a role in words.
pub(crate) fn place(layer: &str, role: Role) -> String {
    match layer {
        "" => format!("no layer, {}", role.name()),
        layer => format!("{layer}, {}", role.name()),
    }
}

fn header(a: &Side, b: &Side, nodes: [usize; 2], difference: &Difference) -> String {
    let name = |side: &Side| format!("{}@{}", side.subject, side.stage);
    let [removed, added, changed, moved] = difference.counts();
    let mut text = format!("{} → {}: ", name(a), name(b));
    if difference.is_empty() {
        let _ = writeln!(text, "the same {} nodes", nodes[0]);
        return text;
    }
    let counts = [
        (removed, "removed"),
        (added, "added"),
        (changed, "changed"),
        (moved, "in another kernel"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let text = format!("{text}{} → {} nodes: {}", nodes[0], nodes[1], counts.join(", "));
    wrapped("", &text, 2)
}

fn write_groups(text: &mut String, difference: &Difference, on: bool) {
    for ((layer, role), group) in &difference.groups {
        let _ = writeln!(text, "\n{}", place(layer, *role));
        for (name, node) in &group.removed {
            let line = wrapped("  - ", &format!("{name} = {node}"), 6);
            text.push_str(&painted(&line, AnsiColor::Red, on));
        }
        for (name, node) in &group.added {
            let line = wrapped("  + ", &format!("{name} = {node}"), 6);
            text.push_str(&painted(&line, AnsiColor::Green, on));
        }
        for changed in &group.changed {
            let line = wrapped("  ~ ", &format!("{} = {}", changed.name, changed.before), 6);
            text.push_str(&painted(&line, AnsiColor::Yellow, on));
            let line = wrapped("      now ", &changed.after, 6);
            text.push_str(&painted(&line, AnsiColor::Yellow, on));
        }
        for (from, to, names) in by_place(&group.moved) {
            let words = match (from, to) {
                (None, Some(to)) => format!("into {to}: {names}"),
                (Some(from), None) => format!("out of {from}: {names}"),
                (Some(from), Some(to)) => format!("from {from} into {to}: {names}"),
                (None, None) => names,
            };
            text.push_str(&painted(&wrapped("  > ", &words, 6), AnsiColor::Cyan, on));
        }
    }
    if let Some((before, after)) = &difference.outputs {
        text.push_str("\noutputs\n");
        text.push_str(&painted(&wrapped("  - ", before, 6), AnsiColor::Red, on));
        text.push_str(&painted(&wrapped("  + ", after, 6), AnsiColor::Green, on));
    }
}

/// Nodes that move from one kernel to another, together.
fn by_place(moved: &[Moved]) -> Vec<(Option<&str>, Option<&str>, String)> {
    let mut places: Vec<(Option<&str>, Option<&str>, String)> = vec![];
    for Moved { name, from, to } in moved {
        let (from, to) = (from.as_deref(), to.as_deref());
        match places.iter_mut().find(|(f, t, _)| *f == from && *t == to) {
            Some((.., names)) => {
                let _ = write!(names, ", {name}");
            }
            None => places.push((from, to, name.clone())),
        }
    }
    places
}

fn side_json(side: &Side, nodes: usize) -> Value {
    json!({
        "subject": side.subject,
        "program": side.program.name,
        "batch": side.program.batch,
        "stage": side.stage,
        "nodes": nodes,
    })
}

fn groups_json(difference: &Difference) -> Vec<Value> {
    let nodes = |list: &[(String, String)]| -> Vec<Value> {
        list.iter().map(|(name, text)| json!({ "name": name, "text": text })).collect()
    };
    let groups = difference.groups.iter().map(|((layer, role), group)| {
        let changed = group.changed.iter();
        let changed = changed.map(|c| json!({ "name": c.name, "a": c.before, "b": c.after }));
        let moved = group.moved.iter();
        let moved = moved.map(|m| json!({ "name": m.name, "from": m.from, "to": m.to }));
        json!({
            "layer": layer,
            "role": role,
            "removed": nodes(&group.removed),
            "added": nodes(&group.added),
            "changed": changed.collect::<Vec<_>>(),
            "moved": moved.collect::<Vec<_>>(),
        })
    });
    groups.collect()
}
