//! `brolga bisect`: the first wrong rewrite, or the first that differs.

use std::fmt::Write;

use brolga_ir::Graph;
use brolga_passes::{Culprit, bisect, passes_by_name, pipeline, same_bits};
use brolga_record::{Program, RewriteRecord};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::commands::opt::rewrite_json;
use crate::error::CliError;
use crate::layout::{number_of, wrapped};
use crate::memory::MemoryLimit;
use crate::streams::Streams;
use crate::subject::{Depth, Subject};

/// Find the first rewrite that changes a result, or the first in which two versions differ
///
/// The passes run with fewer and fewer rewrites, and the interpreter compares the bits of all
/// outputs with those of the graph before. With --against, the rewrites of two versions, as their
/// records have them, are compared one by one. The exit code is 1 if something is found.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga bisect mlp
  brolga bisect before.brolga --against after.brolga")]
pub(crate) struct Bisect {
    #[command(flatten)]
    subject: Subject,
    /// Another version: a model, a file or a record, whose rewrites are compared
    #[arg(long, value_name = "SUBJECT")]
    against: Option<String>,
    /// The passes to run in this order, separated by commas [default: the whole pipeline]
    #[arg(long, value_name = "A,B", conflicts_with = "against")]
    passes: Option<String>,
    #[command(flatten)]
    memory: MemoryLimit,
}

impl Bisect {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        if let Some(other) = &self.against {
            let a = self.subject.program(Depth::Passes, streams)?;
            let other = Subject::of(other, Some(&a.name), a.batch.map(|batch| batch as u64));
            let b = other.program(Depth::Passes, streams)?;
            return Ok(compare(&a, &b));
        }
        let (mut text, mut documents, mut found) = (String::new(), vec![], false);
        for graph in self.subject.graphs(streams)? {
            self.memory.check(&graph)?;
            let culprit = self.culprit(&graph)?;
            found |= culprit.is_some();
            text.push_str(&shown(graph.name(), culprit.as_ref()));
            documents.push(json!({
                "name": graph.name(),
                "culprit": culprit.as_ref().map(culprit_json),
            }));
        }
        Ok(Report { text, json: json!({ "graphs": documents }), holds: !found })
    }

    fn culprit(&self, graph: &Graph) -> Result<Option<Culprit>, CliError> {
        let names = self.passes.as_deref();
        // An unknown name is an error before anything runs.
        names.map(passes_by_name).transpose()?;
        let passes = || match names {
            Some(names) => passes_by_name(names).unwrap_or_default(),
            None => pipeline(),
        };
        let check = |before: &Graph, after: &Graph| same_bits("all passes", before, after);
        Ok(bisect(graph, passes, check)?)
    }
}

fn shown(name: &str, culprit: Option<&Culprit>) -> String {
    let Some(Culprit { pass, rewrite, of, error }) = culprit else {
        return format!("{name}: all rewrites keep the bits of all outputs\n");
    };
    let mut text = match rewrite {
        Some((number, rewrite)) => {
            let what = format!("rewrite {number} of {of} is wrong: {rewrite}");
            let mut text = wrapped(&format!("{name}: "), &what, 2);
            text.push_str(&wrapped("  reason given: ", rewrite.rule.reason, 4));
            let _ =
                writeln!(text, "  --stop-after {number} has it, --stop-after {} not", number - 1);
            text
        }
        None => format!("{name}: the pass `{pass}` is wrong, apart from its rewrites\n"),
    };
    for line in error.to_string().lines() {
        text.push_str(&wrapped("  ", line, 4));
    }
    text
}

fn culprit_json(culprit: &Culprit) -> Value {
    json!({
        "pass": culprit.pass,
        "number": culprit.rewrite.as_ref().map(|(number, _)| number),
        "of": culprit.of,
        "rewrite": culprit.rewrite.as_ref().map(|(_, rewrite)| rewrite_json(rewrite)),
        "error": culprit.error.to_string(),
    })
}

/// The first rewrite in which two versions differ.
fn compare(a: &Program, b: &Program) -> Report {
    let key = |rewrite: &RewriteRecord| {
        let node = &rewrite.node;
        (rewrite.pass.clone(), rewrite.rule.clone(), node.op.clone(), node.layer.clone(), node.role)
    };
    let same = a.rewrites.iter().zip(&b.rewrites).take_while(|(a, b)| key(a) == key(b)).count();
    let next = [&a.rewrites, &b.rewrites].map(|rewrites| rewrites.get(same));
    let text = match next {
        [None, None] => {
            format!("{}: both versions make the same {}\n", a.name, number_of(same, "rewrite"))
        }
        next => {
            let mut text = format!("{}: rewrite {} is the first that differs\n", a.name, same + 1);
            for (side, rewrite) in ["a", "b"].iter().zip(next) {
                let words = rewrite.map_or_else(|| "no further one".to_owned(), words);
                text.push_str(&wrapped(&format!("  {side}: "), &words, 6));
            }
            text
        }
    };
    let json = json!({
        "program": a.name,
        "same": same,
        "a": next[0],
        "b": next[1],
    });
    Report { text, json, holds: next == [None, None] }
}

fn words(rewrite: &RewriteRecord) -> String {
    let node = &rewrite.node;
    let layer = node.layer.as_deref().map(|layer| format!(" of {layer}")).unwrap_or_default();
    let at = format!("{}, `{}`{layer} ({})", node.uid, node.op, node.role.name());
    format!("{}: {} at {at}", rewrite.pass, rewrite.rule)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use brolga_ir::parse_graph;
    use brolga_passes::{Changed, Pass, PassError, Rewrites, Rule};

    use super::*;

    /// A pass for which `exp` is its operand.
    struct LostExp;

    const RULE: Rule = Rule { name: "exp(x) → x", reason: "there is none" };

    impl Pass for LostExp {
        fn is_required(&self) -> bool {
            false
        }

        fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
            for id in graph.order() {
                let is_exp = graph.node(id).op.name() == "exp";
                if is_exp && rewrites.allow(&RULE, graph, id) {
                    graph.replace(id.into(), graph.operands(id)[0]);
                }
            }
            graph.remove_dead();
            Ok(rewrites.changed())
        }
    }

    #[test]
    fn the_wrong_rewrite_is_shown() {
        let text = "graph f(%x: f32[4]) {
            %0: f32[4] = add %x, %x @a
            %1: f32[4] = add %x, %x @b
            %2: f32[4] = mul %0, %1 @c
            %3: f32[4] = exp %2 @d
            return %3
        }";
        let graph = parse_graph(text, "test").unwrap();
        let passes = || {
            let mut passes = pipeline();
            let last = passes.len() - 1;
            passes.insert(last, Box::new(LostExp));
            passes.retain(|pass| !pass.name().starts_with("fuse_"));
            passes
        };
        let check = |before: &Graph, after: &Graph| same_bits("all passes", before, after);
        let culprit = bisect(&graph, passes, check).unwrap();
        insta::assert_snapshot!(shown("f", culprit.as_ref()), @"
        f: rewrite 2 of 4 is wrong: lost_exp: exp(x) → x at n4, `exp` of d (forward)
          reason given: there is none
          --stop-after 2 has it, --stop-after 1 not
          the pass `all passes` changes output 0 of graph `f`: 4 of 4 elements differ,
            first element 0: 1.6763211488723755 became 0.5166015625
        ");
        let document = culprit_json(&culprit.unwrap());
        assert_eq!(document["rewrite"]["rule"], "exp(x) → x");
        assert_eq!((&document["pass"], &document["number"]), (&json!("lost_exp"), &json!(2)));
    }
}
