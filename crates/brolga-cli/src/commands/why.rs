//! `brolga why-fused` and `brolga why-not-fused`: the rule that decided.

use std::collections::HashSet;

use brolga_ir::{Change, Op, Uid};
use brolga_memory::bytes;
use brolga_record::{Graphs, NodeRecord, Program, RefusalRecord};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::error::CliError;
use crate::layout::wrapped;
use crate::lookup::{described, find, graph_record, node};
use crate::streams::Streams;
use crate::subject::{Depth, Subject};

/// Two nodes of a program.
#[derive(Debug, Args)]
struct Pair {
    #[command(flatten)]
    subject: Subject,
    /// A value: %12 of the text of --stage, or an identity, n12
    #[arg(value_name = "A")]
    a: String,
    /// Another value
    #[arg(value_name = "B")]
    b: String,
    /// The stage whose text has the values [default: the last before the passes]
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
}

/// Show the rule that put two nodes into one kernel, and its reason
///
/// The exit code is 1 if they are not in one kernel.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga why-fused mlp %0 %1")]
pub(crate) struct WhyFused {
    #[command(flatten)]
    pair: Pair,
}

/// Show the rules that kept two nodes out of one kernel, and which condition did not hold
///
/// The exit code is 1 if they are in one kernel.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga why-not-fused mlp %0 %40")]
pub(crate) struct WhyNotFused {
    #[command(flatten)]
    pair: Pair,
}

impl WhyFused {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        self.pair.run(true, streams)
    }
}

impl WhyNotFused {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        self.pair.run(false, streams)
    }
}

impl Pair {
    fn run(&self, fused: bool, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let program = self.subject.program(Depth::Passes, streams)?;
        let before = program.unoptimized().map_or("traced", |stage| &stage.name).to_owned();
        let stage = self.stage.as_deref().unwrap_or(&before);
        let (a, b) = (node(&program, stage, &self.a)?, node(&program, stage, &self.b)?);
        let fusion = Fusion::new(&program, a, b)?;
        let mut text = String::new();
        for uid in [a, b] {
            text.push_str(&wrapped("", &name(&program, uid), 2));
        }
        let (lines, json) = match &fusion {
            Fusion::Together(together) => together.report(&program),
            Fusion::Apart(apart) => apart.report(&program, a, b),
        };
        text.push_str(&lines);
        let together = matches!(fusion, Fusion::Together(_));
        let json = json!({
            "program": program.name,
            "a": a.to_string(),
            "b": b.to_string(),
            "fused": together,
            "answer": json,
        });
        Ok(Report { text, json, holds: together == fused })
    }
}

enum Fusion<'a> {
    Together(Together<'a>),
    Apart(Apart<'a>),
}

/// Both are in one kernel.
struct Together<'a> {
    kernel: &'a NodeRecord,
    /// The pass that put both into one kernel, its rule and the reason.
    by: Option<(String, String, String)>,
}

/// They are in different kernels, or one of them is in none.
struct Apart<'a> {
    /// The kernels of each.
    kernels: [Vec<&'a NodeRecord>; 2],
    /// The refusals that name both, or a node of the kernel of one and the other.
    refusals: Vec<&'a RefusalRecord>,
}

/// The nodes with code around a node: kernels that hold it.
fn kernels<'a>(
    program: &'a Program,
    nodes: &[(&'a NodeRecord, Option<&'a NodeRecord>)],
    uid: Uid,
) -> Vec<&'a NodeRecord> {
    let is_kernel = |node: &NodeRecord| matches!(program.graphs.op(node), Op::Kernel(_));
    let of_node = nodes.iter().filter(|(node, _)| node.uid == uid);
    of_node
        .filter_map(|(node, around)| match around {
            Some(around) if is_kernel(around) => Some(*around),
            _ => Some(*node).filter(|node| is_kernel(node)),
        })
        .collect()
}

impl<'a> Fusion<'a> {
    fn new(program: &'a Program, a: Uid, b: Uid) -> Result<Self, CliError> {
        let last = graph_record(program, "optimized")?;
        let nodes = program.graphs.all_nodes(last);
        let [of_a, of_b] = [a, b].map(|uid| kernels(program, &nodes, uid));
        let shared = of_a.iter().find(|kernel| of_b.iter().any(|other| other.uid == kernel.uid));
        if let Some(&kernel) = shared {
            return Ok(Self::Together(Together { kernel, by: Self::first(program, a, b) }));
        }
        // The nodes that stand for each of them: those of its kernels too.
        let group = |uid: Uid, kernels: &[&NodeRecord]| -> HashSet<Uid> {
            let bodies = kernels.iter().flat_map(|kernel| program.graphs.bodies(kernel));
            let inner = bodies.flat_map(|body| program.graphs.nodes_of(body));
            let inner = inner.filter(|n| !matches!(program.graphs.op(n), Op::Parameter(_)));
            let own = kernels.iter().map(|kernel| kernel.uid);
            inner.map(|node| node.uid).chain(own).chain([uid]).collect()
        };
        let (group_a, group_b) = (group(a, &of_a), group(b, &of_b));
        let between = |refusal: &&RefusalRecord| {
            let Some(outside) = &refusal.outside else { return false };
            let (inside, outside) = (refusal.node.uid, outside.uid);
            (group_a.contains(&inside) && group_b.contains(&outside))
                || (group_b.contains(&inside) && group_a.contains(&outside))
        };
        let at_all = |refusal: &&RefusalRecord| {
            refusal.outside.is_none() && [a, b].contains(&refusal.node.uid)
        };
        let mut refusals: Vec<&RefusalRecord> = program.refusals.iter().filter(between).collect();
        // Those that name both come first.
        refusals.sort_by_key(|refusal| {
            let outside = refusal.outside.as_ref().map(|site| site.uid);
            let named = [Some(refusal.node.uid), outside];
            2 - [a, b].into_iter().filter(|uid| named.contains(&Some(*uid))).count()
        });
        refusals.extend(program.refusals.iter().filter(at_all));
        Ok(Self::Apart(Apart { kernels: [of_a, of_b], refusals }))
    }

    /// The first pass after which both are in one kernel, and its rule.
    fn first(program: &Program, a: Uid, b: Uid) -> Option<(String, String, String)> {
        let mut last = None;
        for pass in &program.passes {
            if last.replace(pass.graph) == Some(pass.graph) {
                continue;
            }
            let graph = &program.graphs.graphs[pass.graph as usize];
            let nodes = program.graphs.all_nodes(graph);
            let [of_a, of_b] = [a, b].map(|uid| kernels(program, &nodes, uid));
            let shared = of_a.iter().find(|k| of_b.iter().any(|other| other.uid == k.uid));
            let Some(kernel) = shared else { continue };
            let own = &program.rewrites[pass.rewrites.clone()];
            let made = own.iter().find(|rewrite| {
                program.journal[rewrite.changes.clone()].contains(&Change::Added(kernel.uid))
            });
            let (rule, reason) = made
                .map(|rewrite| (rewrite.rule.clone(), rewrite.reason.clone()))
                .unwrap_or_default();
            return Some((pass.stage(), rule, reason));
        }
        None
    }
}

impl Together<'_> {
    fn report(&self, program: &Program) -> (String, Value) {
        let graphs = &program.graphs;
        let name = graphs.bodies(self.kernel).next().map_or("", |body| &body.name);
        let kind = match graphs.op(self.kernel) {
            Op::Kernel(kernel) => kernel.kind.name(),
            _ => "",
        };
        let mut text =
            wrapped("", &format!("are in one kernel: {} {name} ({kind})", self.kernel.uid), 2);
        if let Some((pass, rule, reason)) = &self.by {
            text.push_str(&wrapped("  ", &format!("by {pass}: {rule}"), 6));
            text.push_str(&wrapped("  why: ", reason, 6));
        }
        let json = json!({
            "kernel": self.kernel.uid.to_string(),
            "name": name,
            "kind": kind,
            "pass": self.by.as_ref().map(|by| &by.0),
            "rule": self.by.as_ref().map(|by| &by.1),
            "reason": self.by.as_ref().map(|by| &by.2),
        });
        (text, json)
    }
}

impl Apart<'_> {
    fn report(&self, program: &Program, a: Uid, b: Uid) -> (String, Value) {
        let mut text = String::from("are not in one kernel\n");
        let graphs = &program.graphs;
        for (uid, kernels) in [a, b].iter().zip(&self.kernels) {
            let place = match kernels.as_slice() {
                [] => gone(program, *uid),
                kernels => {
                    let named = kernels.iter().map(|kernel| {
                        let name = graphs.bodies(kernel).next().map_or("", |body| &body.name);
                        format!("{} {name}", kernel.uid)
                    });
                    format!("is in {}", named.collect::<Vec<_>>().join(", "))
                }
            };
            text.push_str(&wrapped("  ", &format!("{uid} {place}"), 6));
        }
        let facts = facts(program, a, b);
        for fact in &facts {
            text.push_str(&wrapped("  ", fact, 6));
        }
        for refusal in &self.refusals {
            let site = |site: &brolga_record::SiteRecord| format!("{} `{}`", site.uid, site.op);
            let outside = match &refusal.outside {
                Some(outside) => format!("{} without {}", site(&refusal.node), site(outside)),
                None => format!("{} not at all", site(&refusal.node)),
            };
            text.push_str(&wrapped(
                "  ",
                &format!("{}: {outside}: {}", refusal.pass, refusal.why),
                6,
            ));
        }
        if self.refusals.is_empty() {
            text.push_str("  no rule considered both together\n");
        }
        let ids = |kernels: &[&NodeRecord]| -> Vec<String> {
            kernels.iter().map(|kernel| kernel.uid.to_string()).collect()
        };
        let json = json!({
            "kernels": { "a": ids(&self.kernels[0]), "b": ids(&self.kernels[1]) },
            "facts": facts,
            "refusals": self.refusals,
        });
        (text, json)
    }
}

/// Why a node is in no kernel.
fn gone(program: &Program, uid: Uid) -> String {
    let last = program.graph_record("optimized");
    let outside = last.and_then(|graph| crate::lookup::in_graph(program, graph, uid));
    if let Some((node, _)) = outside {
        return format!("is outside of kernels: `{}` has no code", program.graphs.op(node).name());
    }
    let removal = program.passes.iter().find(|pass| {
        program.journal[pass.changes.clone()].iter().any(|change| match change {
            Change::Removed(old) | Change::Dead(old) | Change::Replaced((old, _), _) => *old == uid,
            _ => false,
        })
    });
    match removal {
        Some(pass) => format!("is gone: {} removed it, see brolga blame", pass.stage()),
        None => "is at no stage after the passes".to_owned(),
    }
}

/// How both are connected before the passes: uses, types and what is stored between them.
fn facts(program: &Program, a: Uid, b: Uid) -> Vec<String> {
    let Some(stage) = program.unoptimized() else { return vec![] };
    let graphs = &program.graphs;
    let graph = &graphs.graphs[stage.graph as usize];
    let nodes: Vec<&NodeRecord> = graphs.nodes_of(graph).collect();
    let reads = |user: Uid, value: Uid| {
        let user = nodes.iter().find(|node| node.uid == user);
        user.is_some_and(|user| user.operands.iter().any(|(operand, _)| *operand == value))
    };
    let (producer, consumer) = match (reads(b, a), reads(a, b)) {
        (true, _) => (a, b),
        (_, true) => (b, a),
        _ => return vec!["neither reads the other".to_owned()],
    };
    let uses = nodes.iter().filter(|node| node.operands.iter().any(|(o, _)| *o == producer));
    let users: Vec<String> = uses
        .filter(|user| user.uid != consumer)
        .map(|user| format!("{} `{}`", user.uid, graphs.op(user).name()))
        .collect();
    let mut facts = vec![];
    if let Some(node) = nodes.iter().find(|node| node.uid == producer) {
        facts.push(format!("{consumer} reads {producer}: {}", value(graphs, node)));
    }
    if !users.is_empty() {
        facts.push(format!("{producer} is also read by {}", users.join(", ")));
    }
    if graph.outputs.iter().any(|output| output.value.0 == producer) {
        facts.push(format!("{producer} is returned"));
    }
    facts
}

/// The types of a node's results, and their bytes.
fn value(graphs: &Graphs, node: &NodeRecord) -> String {
    let types: Vec<String> = graphs.types(node).map(ToString::to_string).collect();
    let size = graphs.types(node).map(brolga_ir::Type::bytes).fold(0, usize::saturating_add);
    format!("{}, {}", types.join(", "), bytes(size))
}

fn name(program: &Program, uid: Uid) -> String {
    find(program, uid).map_or_else(|| uid.to_string(), |(_, node)| described(program, node))
}
