//! `brolga assert`: checks of a program on one line each.

mod language;

use std::collections::HashSet;

use brolga_ir::{Graph, NodeId, Op, Role, Uid};
use brolga_record::{NodeRecord, Program, work};
use clap::Args;
use serde_json::json;

use crate::Report;
use crate::error::CliError;
use crate::layout::wrapped;
use crate::streams::Streams;
use crate::subject::{Depth, Subject, Target};

use language::{Check, Comparison, Metric, Quantity};

/// Check what the compiler makes of a program, for CI
///
/// fused(A, B, ..) holds if one kernel has all of these: names of ops or of layers. A comparison
/// has a quantity and a number: nodes, kernels, flops, bytes, rewrites, arena (or peak), states,
/// code; of nodes, kernels, flops and bytes only those of a role or a layer, as in nodes(backward);
/// of rewrites those of a pass. Numbers may end in k, M, G, KiB, MiB, GiB. `not` turns a check
/// around. The exit code is 1 if one does not hold.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga assert mnist_cnn 'fused(conv2d, relu, max_pool)' 'peak < 8MiB'
  brolga assert run.brolga 'kernels == 9' 'nodes(backward) <= 40' 'not fused(dense, dense_1)'")]
pub(crate) struct Assert {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    target: Target,
    /// What must hold
    #[arg(value_name = "CHECK", required = true)]
    checks: Vec<String>,
}

impl Assert {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let checks = self.checks.iter().map(|text| Check::parse(text));
        let checks = checks.collect::<Result<Vec<_>, _>>()?;
        let needs_code = checks.iter().any(Check::needs_code);
        let depth = if needs_code { Depth::Code(self.target) } else { Depth::Passes };
        let program = self.subject.program(depth, streams)?;
        let (mut text, mut documents, mut failed) = (String::new(), vec![], 0);
        for (check, written) in checks.iter().zip(&self.checks) {
            let (holds, why) = holds(&program, check)?;
            failed += usize::from(!holds);
            let word = if holds { "ok" } else { "failed" };
            text.push_str(&wrapped("", &format!("{word}: {written}: {why}"), 4));
            documents.push(json!({ "check": written, "holds": holds, "why": why }));
        }
        let json = json!({ "program": program.name, "checks": documents });
        Ok(Report { text, json, holds: failed == 0 })
    }
}

/// Whether a check holds, and why.
fn holds(program: &Program, check: &Check) -> Result<(bool, String), CliError> {
    match check {
        Check::Not(inner) => holds(program, inner).map(|(holds, why)| (!holds, why)),
        Check::Fused(names) => fused(program, names),
        Check::Compare(Comparison { quantity, relation, number }) => {
            let value = measure(program, quantity)?;
            let why = format!("{} is {}", quantity, quantity.metric.shown(value));
            Ok((relation.holds(value, *number), why))
        }
    }
}

fn optimized(program: &Program) -> Result<Vec<(&NodeRecord, Option<&NodeRecord>)>, CliError> {
    let graph = crate::lookup::graph_record(program, "optimized")?;
    Ok(program.graphs.all_nodes(graph))
}

/// Whether a node has this name: its op's, its layer's, or that of a layer around it.
fn is_called(program: &Program, node: &NodeRecord, name: &str) -> bool {
    let layer = program.graphs.origin(node).layer.as_deref();
    is_of_layer(layer, name) || program.graphs.op(node).name() == name
}

fn fused(program: &Program, names: &[String]) -> Result<(bool, String), CliError> {
    let nodes = optimized(program)?;
    let before = program.unoptimized().and_then(|stage| program.graph_record(&stage.name));
    let known = before.map(|graph| program.graphs.all_nodes(graph)).unwrap_or_default();
    let anywhere = |name: &String| {
        let all = known.iter().chain(&nodes);
        all.into_iter().any(|(node, _)| is_called(program, node, name))
    };
    if let Some(unknown) = names.iter().find(|name| !anywhere(name)) {
        let message = format!("`{}` has no op and no layer `{unknown}`", program.name);
        let mut layers: Vec<&str> = known
            .iter()
            .filter_map(|(node, _)| program.graphs.origin(node).layer.as_deref())
            .collect();
        layers.sort_unstable();
        layers.dedup();
        return Err(CliError::argument(message, format!("the layers are {}", layers.join(", "))));
    }
    let mut best: Option<(usize, &NodeRecord, Vec<&String>)> = None;
    for (kernel, _) in nodes.iter().filter(|(node, _)| is_kernel(program, node)) {
        let inside = |name: &&String| {
            let mut bodies = program.graphs.bodies(kernel);
            bodies.any(|body| {
                let inner = program.graphs.nodes_of(body);
                let mut inner = inner.filter(|n| !matches!(program.graphs.op(n), Op::Parameter(_)));
                inner.any(|node| is_called(program, node, name))
            })
        };
        let missing: Vec<&String> = names.iter().filter(|name| !inside(name)).collect();
        let found = names.len() - missing.len();
        if best.as_ref().is_none_or(|(most, ..)| found > *most) {
            best = Some((found, kernel, missing));
        }
    }
    Ok(match best {
        Some((_, kernel, missing)) if missing.is_empty() => {
            (true, format!("{} has all of them", kernel_name(program, kernel)))
        }
        Some((found, kernel, missing)) if found > 0 => {
            let missing: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
            let kernel = kernel_name(program, kernel);
            (false, format!("{kernel} has most of them, without {}", missing.join(", ")))
        }
        _ => (false, "no kernel has any of them".to_owned()),
    })
}

fn is_kernel(program: &Program, node: &NodeRecord) -> bool {
    matches!(program.graphs.op(node), Op::Kernel(_))
}

fn kernel_name(program: &Program, kernel: &NodeRecord) -> String {
    let name = program.graphs.bodies(kernel).next().map_or("", |body| &body.name);
    format!("kernel {} {name}", kernel.uid)
}

fn measure(program: &Program, quantity: &Quantity) -> Result<u64, CliError> {
    let graph = crate::lookup::graph_record(program, "optimized")?;
    // A kernel is of the layers and the ops that it holds.
    let named = |node: &NodeRecord, name: &str| {
        let inner = program.graphs.bodies(node).flat_map(|body| program.graphs.nodes_of(body));
        let mut inner = inner.filter(|n| !matches!(program.graphs.op(n), Op::Parameter(_)));
        is_called(program, node, name) || inner.any(|node| is_called(program, node, name))
    };
    let wanted = |node: &&NodeRecord| match &quantity.of {
        None => true,
        Some(of) => match role(of) {
            Some(role) => program.graphs.origin(node).role == role,
            None => named(node, of),
        },
    };
    let memory = || {
        let plan = program.plan.as_ref();
        plan.map(brolga_runtime::Plan::memory).ok_or_else(|| {
            let message = format!("the record of `{}` has no plan", program.name);
            CliError::argument(message, "it was recorded without native code")
        })
    };
    let nodes = || program.graphs.nodes_of(graph).filter(wanted);
    Ok(match quantity.metric {
        Metric::Nodes => nodes().count() as u64,
        Metric::Kernels => nodes().filter(|node| is_kernel(program, node)).count() as u64,
        Metric::Rewrites => {
            let of = |pass: &str| quantity.of.as_ref().is_none_or(|name| name == pass);
            program.rewrites.iter().filter(|rewrite| of(&rewrite.pass)).count() as u64
        }
        Metric::Flops => {
            let built = crate::subject::graph_at(program, "optimized")?;
            flops(&built, quantity.of.as_deref())
        }
        Metric::Bytes => {
            let built = crate::subject::graph_at(program, "optimized")?;
            let kept: HashSet<Uid> = nodes().map(|node| node.uid).collect();
            let kept = built.ids().filter(|&id| kept.contains(&built.uid(id)));
            kept.map(|id| work(&built, id).bytes).fold(0, u64::saturating_add)
        }
        Metric::Arena => memory()?.arena as u64,
        Metric::States => memory()?.states as u64,
        Metric::Code => program.sizes().code as u64,
    })
}

/// The arithmetic of all nodes, or those of a role, a layer or an op, inside of kernels too. The
/// recursion is as deep as bodies nest.
fn flops(graph: &Graph, of: Option<&str>) -> u64 {
    let own = |id: NodeId| {
        let node = graph.node(id);
        let wanted = of.is_none_or(|of| match role(of) {
            Some(role) => node.origin.role == role,
            None => node.op.name() == of || is_of_layer(node.origin.layer.as_deref(), of),
        });
        match (&node.op, node.op.bodies().first()) {
            (_, None) if wanted => work(graph, id).flops,
            (_, None) => 0,
            (Op::Scan(scan), Some(body)) => flops(body, of).saturating_mul(scan.length as u64),
            (_, Some(body)) => flops(body, of),
        }
    };
    graph.ids().map(own).fold(0, u64::saturating_add)
}

/// Whether a path is that of a layer, or of one inside of it.
fn is_of_layer(path: Option<&str>, layer: &str) -> bool {
    path.and_then(|path| path.strip_prefix(layer))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn role(name: &str) -> Option<Role> {
    [Role::Forward, Role::Backward, Role::Update].into_iter().find(|role| role.name() == name)
}
