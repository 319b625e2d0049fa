//! A scan as a scan of segments.

use std::sync::Arc;

use super::Scan;
use crate::error::{Mistake, TraceError};
use crate::graph::Graph;
use crate::trace::{Tracer, Var};
use crate::types::Type;

/// The scan as a function: an outer scan whose steps are scans of `every` steps, and what is left
/// over as one more. The gradient of the outer scan keeps the carries between its steps, and
/// recomputes all else.
pub(super) fn segments(scan: &Scan, every: usize, operands: &[Var]) -> Result<Graph, Mistake> {
    let (carries, own) = (scan.carries, scan.own());
    let (count, rest) = (scan.length / every, scan.length % every);
    let plain = |length: usize| Scan { length, checkpoint: None, ..scan.clone() };
    let finish = |tracer: Tracer| tracer.finish().map_err(|TraceError { mistake, .. }| mistake);
    let name = scan.body.name();

    let outer = Tracer::new(format!("{name}.segment"));
    let taken: Vec<Var> = operands
        .iter()
        .enumerate()
        .map(|(index, operand)| {
            let ty = match (carries..own).contains(&index) {
                true => sized(operand.ty(), every),
                false => operand.ty().clone(),
            };
            outer.input(&format!("x{index}"), ty)
        })
        .collect();
    let results = outer.apply_all(plain(every), &taken.iter().collect::<Vec<_>>());
    results.iter().for_each(|result| outer.output(result));
    drop((taken, results));
    let outer =
        Scan { length: count, checkpoint: Some(1), body: Arc::new(finish(outer)?), ..scan.clone() };

    let whole = Tracer::new(format!("{name}.segments"));
    let inputs: Vec<Var> = (operands.iter().enumerate())
        .map(|(index, operand)| whole.input(&format!("x{index}"), operand.ty().clone()))
        .collect();
    // The steps left over run last.
    let (first, last) = if scan.reverse { (rest, 0) } else { (0, count * every) };
    let in_segments = |x: &Var| {
        let (steps, own) = (cut(x, first, count * every), &x.shape()[1..]);
        steps.reshape([&[count, every], own].concat())
    };
    let of_segments = |(index, x): (usize, &Var)| match (carries..own).contains(&index) {
        true => in_segments(x),
        false => x.clone(),
    };
    let segmented: Vec<Var> = inputs.iter().enumerate().map(of_segments).collect();
    let results = whole.apply_all(outer, &segmented.iter().collect::<Vec<_>>());
    let (carried, stacks) = results.split_at(carries.min(results.len()));
    let flat = |x: &Var| x.reshape([&[count * every], &x.shape()[2..]].concat());
    let stacks: Vec<Var> = stacks.iter().map(flat).collect();
    if rest == 0 {
        carried.iter().chain(&stacks).for_each(|result| whole.output(result));
    } else {
        let of_rest = |(index, x): (usize, &Var)| match index {
            _ if index < carries => carried[index].clone(),
            _ if index < own => cut(x, last, rest),
            _ => x.clone(),
        };
        let tail: Vec<Var> = inputs.iter().enumerate().map(of_rest).collect();
        let tail = whole.apply_all(plain(rest), &tail.iter().collect::<Vec<_>>());
        tail[..carries.min(tail.len())].iter().for_each(|result| whole.output(result));
        for (main, tail) in stacks.iter().zip(tail.iter().skip(carries)) {
            let parts = if scan.reverse { [tail, main] } else { [main, tail] };
            whole.output(&parts[0].concat(&parts[1..], 0));
        }
    }
    drop((inputs, segmented, results, stacks));
    finish(whole)
}

/// A sequence of the same steps of another length.
fn sized(ty: &Type, length: usize) -> Type {
    let mut ty = ty.clone();
    ty.shape.dims_mut()[0] = length;
    ty
}

/// Some steps of a sequence.
fn cut(x: &Var, from: usize, count: usize) -> Var {
    if count == x.shape()[0] {
        return x.clone();
    }
    let rank = x.shape().rank();
    let (mut starts, mut limits) = (vec![0; rank], x.shape().to_vec());
    (starts[0], limits[0]) = (from, from + count);
    x.slice(&starts, &limits, &vec![1; rank])
}
