//! Kernels of kind `random`: Philox on sixteen lanes, with an epilogue.

use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes, PHILOX_BLOCK, philox4x32};
use brolga_ir::op::Family;
use brolga_ir::{Op, Value};

use super::body::Body;
use super::epilogue::{Cell, Epilogue, Offsets};
use super::{Lowered, Stage};
use crate::error::Result;
use crate::nest::{Affine, Arg, Nest, NestBuilder};
use crate::tile::{Builder, Extent, I, LANES, TileProgram};

/// Philox calls of a unit; each gives a block of 64 elements.
const CALLS: usize = 16;

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    let mut roots =
        body.order.iter().copied().map(Value::from).filter(|&value| is_random(body.op(value)));
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err(body.refused("a random kernel holds exactly one source of random numbers"));
    };
    let operands = body.graph.operands(root.node);
    let (Some(seed), Some(step)) = (body.input_slot(operands[0]), body.input_slot(operands[1]))
    else {
        return Err(body.refused("the seed or the step is computed inside"));
    };
    let elements = body.shape(root).elements();
    if elements / PHILOX_BLOCK > (u32::MAX / LANES as u32) as usize {
        return Err(body.refused("so many random numbers in one tensor have no tiles"));
    }
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;
    if epilogue.reads_columns() {
        return Err(body.refused(
            "an operand has one element for each column, but numbers are made in one run",
        ));
    }
    let (calls, rest) = (elements / PHILOX_BLOCK, elements % PHILOX_BLOCK);
    let units = elements.div_ceil(PHILOX_BLOCK * CALLS);
    let whole = tile(body, root, &epilogue, PHILOX_BLOCK)?;
    let tail = if rest > 0 { Some(tile(body, root, &epilogue, rest)?) } else { None };
    let mut nest = NestBuilder::new("random");
    nest.repeat(CALLS, |nest, i| {
        let call = i.add(&Nest::UNIT.into(), CALLS as i64);
        let offsets = Offsets {
            element: Affine::number(0).add(&call, PHILOX_BLOCK as i64),
            column: Affine::number(0),
        };
        let first = Affine::number(0).add(&call, LANES as i64);
        let args: Vec<Arg> = [Affine::slot(seed), Affine::slot(step), first]
            .into_iter()
            .chain(epilogue.args(&offsets))
            .map(Arg::from)
            .collect();
        nest.when(call.clone(), 0..calls, |nest| nest.call(&whole, args.clone()), |_| {});
        if let Some(tail) = &tail {
            nest.when(call, calls..calls + 1, |nest| nest.call(tail, args), |_| {});
        }
    });
    let (reads, writes) = body.touches(|_| false);
    let stage = Stage { code: nest.finish().into(), units, reads, writes, flops: 0 };
    Ok(Lowered { stages: vec![stage], workspace: 0, scratch: 0, in_place: Vec::new() })
}

fn is_random(op: &Op) -> bool {
    matches!(op.family(), Family::Random { .. })
}

/// One call of Philox, for the first `elements` of its block.
fn tile(
    body: &Body<'_>,
    root: Value,
    epilogue: &Epilogue,
    elements: usize,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("philox_{elements}"));
    let (seed, step) = (b.pointer("seed"), b.pointer("step"));
    let first = b.count("counter");
    let pointers = epilogue.pointers(&mut b);
    let key = [b.broadcast_i32(seed.at(0)), b.broadcast_i32(seed.at(4))];
    let Family::Random { stream } = body.op(root).family() else {
        let name = body.op(root).name();
        return Err(body.refused(format!("`{name}` is no source of random numbers")));
    };
    let (start, lane) = (b.splat(first), b.iota());
    let counter =
        [b.iadd(start, lane), b.int(0), b.broadcast_i32(step.at(0)), b.int(i64::from(stream))];
    let words = philox4x32(&mut b, counter, key);
    let mut cells = Vec::new();
    for (word, bits) in words.into_iter().enumerate() {
        let column = word * LANES;
        if column < elements {
            let lanes = vec![number(body, root, &mut b, bits)];
            let extent = Extent::first((elements - column).min(LANES));
            cells.push(Cell { row: 0, column, extent, lanes });
        }
    }
    epilogue.emit(body, &mut b, &pointers, &cells, 0)?;
    Ok(Arc::new(b.finish()?))
}

/// The number that an op makes of 32 random bits: the upper 24 as a fraction, or whether that is
/// below a probability.
fn number(body: &Body<'_>, root: Value, b: &mut Builder, bits: I) -> Lane<Builder> {
    if matches!(body.op(root), Op::RandomBits(_)) {
        return Lane::I(bits);
    }
    let upper = b.shr(bits, 8);
    let (upper, scale) = (b.to_float(upper), b.float(1.0 / f64::from(1 << 24)));
    let uniform = b.mul(upper, scale);
    match body.op(root) {
        Op::RandomBernoulli(op) => {
            let probability = b.float(f64::from(f32::from(op.probability)));
            Lane::M(b.lt(uniform, probability))
        }
        _ => Lane::F(uniform),
    }
}
