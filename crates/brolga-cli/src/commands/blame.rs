//! `brolga blame`: where a node comes from, and what became of it.

use brolga_ir::{Change, Uid};
use brolga_record::{PassRecord, Program, RewriteRecord};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::error::CliError;
use crate::layout::wrapped;
use crate::lookup::{Place, described, find, in_graph, node};
use crate::streams::Streams;
use crate::subject::{Depth, Subject};

/// Show where a node comes from, and what became of it
///
/// Which pass and rule made it, of which nodes, of which layer and line; what each pass did to it
/// later; and which pass and rule removed it, and what took its place.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga blame mlp %12
  brolga blame run.brolga n40 --program predict")]
pub(crate) struct Blame {
    #[command(flatten)]
    subject: Subject,
    /// A value: %12 of the text of --stage, or an identity, n12
    #[arg(value_name = "VALUE")]
    value: String,
    /// The stage whose text has the value
    #[arg(long, value_name = "STAGE", default_value = "optimized")]
    stage: String,
}

/// Something that happened to a node.
struct Event {
    /// The pass; of later runs with their number.
    pass: String,
    /// The rule and its reason; `None` for what a pass does at its end.
    rule: Option<(String, String)>,
    /// What happened.
    what: What,
}

enum What {
    /// A rewrite made it, of these nodes.
    Made(Vec<Uid>),
    /// It took the place of this one.
    Replaces(Uid),
    /// One of its operands became another value.
    Rewired(u32, Uid),
    /// It went into the kernel.
    Into(Uid),
    /// This one took its place.
    ReplacedBy(Uid),
    /// It was removed; if it was dead, nothing needed it any longer.
    Removed { dead: bool },
}

impl Blame {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let program = self.subject.program(Depth::Passes, streams)?;
        let uid = node(&program, &self.stage, &self.value)?;
        let events = events(&program, uid);
        let json = json!({
            "program": program.name,
            "node": node_json(&program, uid),
            "first": find(&program, uid).map(|(stage, _)| stage),
            "events": events.iter().map(|event| event_json(&program, event)).collect::<Vec<_>>(),
        });
        Ok(Report { text: text(&program, uid, &events), json, holds: true })
    }
}

/// All that happened to a node, in order.
fn events(program: &Program, uid: Uid) -> Vec<Event> {
    let mut events = vec![];
    let mut place = None;
    let before = program.unoptimized().map(|stage| stage.graph);
    let mut graph = before;
    if let Some(record) = before.and_then(|index| program.graphs.graphs.get(index as usize)) {
        place = in_graph(program, record, uid).map(|(_, place)| place);
    }
    for pass in &program.passes {
        let own = &program.rewrites[pass.rewrites.clone()];
        for (index, change) in program.journal[pass.changes.clone()].iter().enumerate() {
            let at = pass.changes.start + index;
            let rewrite = own.iter().find(|rewrite| rewrite.changes.contains(&at));
            if let Some(what) = what(program, pass, rewrite, *change, uid) {
                let rule = rewrite.map(|r| (r.rule.clone(), r.reason.clone()));
                events.push(Event { pass: pass.stage(), rule, what });
            }
        }
        if pass.changed(graph.unwrap_or(u32::MAX)) {
            graph = Some(pass.graph);
            let record = &program.graphs.graphs[pass.graph as usize];
            let now = in_graph(program, record, uid).map(|(_, place)| place);
            if let (Some(Place::Inside(kernel)), true) = (now, now != place) {
                // It left the graph for the body: the journal says that it was removed.
                events.retain(|event| {
                    event.pass != pass.stage()
                        || !matches!(event.what, What::Removed { .. } | What::ReplacedBy(_))
                });
                let rule = own.iter().find(|rewrite| {
                    let changes = &program.journal[rewrite.changes.clone()];
                    changes.contains(&Change::Added(kernel))
                });
                let rule = rule.map(|r| (r.rule.clone(), r.reason.clone()));
                events.push(Event { pass: pass.stage(), rule, what: What::Into(kernel) });
            }
            place = now;
        }
    }
    events
}

fn what(
    program: &Program,
    pass: &PassRecord,
    rewrite: Option<&RewriteRecord>,
    change: Change,
    uid: Uid,
) -> Option<What> {
    match change {
        Change::Added(new) if new == uid => Some(What::Made(sources(program, pass, rewrite, uid))),
        Change::Replaced((old, _), (new, _)) if new == uid => Some(What::Replaces(old)),
        Change::Replaced((old, _), (new, _)) if old == uid => Some(What::ReplacedBy(new)),
        Change::Rewired { node, operand, to } if node == uid => Some(What::Rewired(operand, to.0)),
        Change::Removed(old) if old == uid => Some(What::Removed { dead: false }),
        Change::Dead(old) if old == uid => Some(What::Removed { dead: true }),
        _ => None,
    }
}

/// The nodes that a rewrite made a node of: those that a kernel took, or else those that it removed
/// or replaced.
fn sources(
    program: &Program,
    pass: &PassRecord,
    rewrite: Option<&RewriteRecord>,
    uid: Uid,
) -> Vec<Uid> {
    let record = &program.graphs.graphs[pass.graph as usize];
    if let Some((node, _)) = in_graph(program, record, uid) {
        let inner = program.graphs.bodies(node).flat_map(|body| program.graphs.nodes_of(body));
        let inner: Vec<Uid> = inner
            .filter(|node| !matches!(program.graphs.op(node), brolga_ir::Op::Parameter(_)))
            .map(|node| node.uid)
            .collect();
        if !inner.is_empty() {
            return inner;
        }
    }
    let Some(rewrite) = rewrite else { return vec![] };
    let mut sources = vec![rewrite.node.uid];
    for change in &program.journal[rewrite.changes.clone()] {
        match change {
            Change::Replaced((old, _), _) | Change::Removed(old) => sources.push(*old),
            _ => {}
        }
    }
    let mut seen = vec![];
    sources.retain(|source| {
        let new = *source != uid && !seen.contains(source);
        seen.push(*source);
        new
    });
    sources
}

fn name(program: &Program, uid: Uid) -> String {
    match find(program, uid) {
        Some((_, node)) => described(program, node),
        // It was made and removed within one pass.
        None => uid.to_string(),
    }
}

fn text(program: &Program, uid: Uid, events: &[Event]) -> String {
    let mut text = String::new();
    let Some((first, node)) = find(program, uid) else { return text };
    text.push_str(&wrapped("", &described(program, node), 2));
    let made = events.iter().any(|event| matches!(event.what, What::Made(_)));
    if !made {
        let by = match first.as_str() {
            "grad" => "made by differentiation, or for the update of a weight",
            _ => "traced",
        };
        let line = format!("{by}: the stage `{first}` is the first that has it");
        text.push_str(&wrapped("  ", &line, 6));
    }
    for event in events {
        let what = match &event.what {
            What::Made(_) => "made".to_owned(),
            What::Replaces(old) => format!("takes the place of {}", name(program, *old)),
            What::Rewired(operand, to) => {
                format!("operand {operand} becomes {}", name(program, *to))
            }
            What::Into(kernel) => format!("goes into {}", name(program, *kernel)),
            What::ReplacedBy(new) => format!("{} takes its place", name(program, *new)),
            What::Removed { dead: true } => "removed: nothing needs it any longer".to_owned(),
            What::Removed { dead: false } => "removed".to_owned(),
        };
        text.push_str(&wrapped("  ", &format!("{}: {what}", event.pass), 6));
        if let Some((rule, reason)) = &event.rule {
            text.push_str(&wrapped("      ", &format!("rule: {rule} ({reason})"), 8));
        }
        if let What::Made(sources) = &event.what {
            for source in sources {
                text.push_str(&wrapped("      of ", &name(program, *source), 8));
            }
        }
    }
    if events.is_empty() {
        text.push_str("  no pass touched it\n");
    }
    text
}

fn node_json(program: &Program, uid: Uid) -> Value {
    let Some((_, node)) = find(program, uid) else { return json!({ "id": uid.to_string() }) };
    let origin = program.graphs.origin(node);
    json!({
        "id": uid.to_string(),
        "op": program.graphs.op(node).name(),
        "layer": origin.layer,
        "role": origin.role,
        "location": origin.location,
        "types": program.graphs.types(node).collect::<Vec<_>>(),
    })
}

fn event_json(program: &Program, event: &Event) -> Value {
    let (what, nodes) = match &event.what {
        What::Made(sources) => ("made", sources.clone()),
        What::Replaces(old) => ("replaces", vec![*old]),
        What::Rewired(_, to) => ("rewired", vec![*to]),
        What::Into(kernel) => ("into", vec![*kernel]),
        What::ReplacedBy(new) => ("replaced_by", vec![*new]),
        What::Removed { dead: true } => ("dead", vec![]),
        What::Removed { dead: false } => ("removed", vec![]),
    };
    json!({
        "pass": event.pass,
        "what": what,
        "rule": event.rule.as_ref().map(|(rule, _)| rule),
        "reason": event.rule.as_ref().map(|(_, reason)| reason),
        "nodes": nodes.iter().map(|&uid| node_json(program, uid)).collect::<Vec<_>>(),
    })
}
