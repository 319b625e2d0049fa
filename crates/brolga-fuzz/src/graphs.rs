//! The graph of a case.

use brolga_ir::draw::{Pen, Rng};
use brolga_ir::{DType, Graph, Op, Var};

use crate::motifs::motif;
use crate::training::{differentiate, update};

/// Ops that are not drawn: other ops draw inputs, and passes make kernels.
pub const NOT_DRAWN: [&str; 2] = ["parameter", "kernel"];

/// The op and the element type that a case draws in any event.
pub fn focus(case: u64) -> (&'static str, DType) {
    let ops: Vec<&str> = Op::NAMES.iter().copied().filter(|op| !NOT_DRAWN.contains(op)).collect();
    let pair = case as usize % (ops.len() * DType::ALL.len());
    (ops[pair % ops.len()], DType::ALL[pair / ops.len()])
}

/// Draws the graph of a case.
///
/// # Errors
/// If differentiation fails, or a graph is not valid.
pub fn graph(seed: u64, case: u64) -> Result<Graph, String> {
    let mut rng = Rng::new(seed, case);
    let limit = match rng.below(40) {
        0 => 6000,
        _ => rng.pick(&[128, 512, 1024, 2048]),
    };
    let mut pen = Pen::new("random", rng, limit);
    let (op, dtype) = focus(case);
    let nodes = pen.rng.pick(&[1, 1, 2, 2, 3, 3, 4, 5, 6, 8]);
    let chosen = pen.rng.below(nodes);
    for node in 0..nodes {
        pen.set_dtype(dtype);
        if node == chosen {
            focused(&mut pen, op);
        } else {
            anything(&mut pen);
        }
    }
    let forward = pen.values().to_vec();
    let gradients = match pen.rng.below(5) {
        0 | 1 => differentiate(&mut pen)?,
        _ => vec![],
    };
    if pen.rng.one_in(2) || (!gradients.is_empty() && pen.rng.one_in(2)) {
        update(&mut pen, &gradients);
    }
    let gradients: Vec<Var> = gradients.into_iter().map(|(_, gradient)| gradient).collect();
    outputs(&mut pen, &forward, &gradients);
    pen.finish().map_err(|error| error.to_string())
}

/// The op for the pen's element type, or for another one that it takes.
fn focused(pen: &mut Pen, op: &str) {
    let mut drawn = pen.op(op);
    for _ in 0..8 {
        if drawn.is_ok() {
            return;
        }
        let dtype = pen.rng.pick(&DType::ALL);
        pen.set_dtype(dtype);
        drawn = pen.op(op);
    }
}

/// An op or a part of a model, for the pen's element type or, rarely, for another one.
fn anything(pen: &mut Pen) {
    match pen.rng.below(8) {
        0 => {
            let dtype = pen.rng.pick(&DType::ALL);
            if let Some(last) = pen.values().last().cloned() {
                let converted = last.cast(dtype);
                pen.offer(&converted);
            }
            pen.set_dtype(dtype);
        }
        1 => {
            if let Some(dtype) = pen.values().last().map(Var::dtype) {
                pen.set_dtype(dtype);
            }
        }
        _ => {}
    }
    if pen.dtype().is_float() && pen.rng.below(5) < 2 {
        motif(pen);
    } else {
        let op = pen.rng.pick(Op::NAMES);
        // Ops that reject the element type are left out.
        let _ = pen.op(op);
    }
}

/// Returns all values without uses, and some others.
fn outputs(pen: &mut Pen, forward: &[Var], gradients: &[Var]) {
    let used = |var: &Var| {
        let value = var.value()?;
        pen.tracer().with_graph(|g| (!g.uses_of(value).is_empty()).then_some(()))
    };
    let used: Vec<bool> = forward.iter().map(|var| used(var).is_some()).collect();
    let last = forward.len().saturating_sub(1);
    for (index, (var, used)) in forward.iter().zip(used).enumerate() {
        let wanted = match used {
            _ if index == last => true,
            true => pen.rng.one_in(8),
            false => !pen.rng.one_in(8),
        };
        if wanted {
            pen.tracer().output(var);
        }
    }
    for gradient in gradients {
        if !pen.rng.one_in(3) {
            pen.tracer().output(gradient);
        }
    }
}
