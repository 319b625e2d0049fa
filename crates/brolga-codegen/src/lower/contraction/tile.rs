//! The tile of a contraction kernel: the contraction, then the epilogue on its accumulators.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use smallvec::SmallVec;

use crate::error::Result;
use crate::generators::{Accumulator, Contraction, KLoop, Start};
use crate::lower::Body;
use crate::lower::epilogue::{Cell, Epilogue, Offsets};
use crate::nest::{Affine, Arg, NestBuilder};
use crate::tile::{Builder, Pointer, TileProgram, Trips};

/// A constant loop over k.
pub(super) fn k_loop(trips: usize, a_step: i64, b_step: i64) -> KLoop {
    KLoop { trips: Trips::Const(trips as u32), a_step, b_step }
}

/// The chains of multiply-adds of a result, as the number of k of each. Their results are added in
/// this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chains(SmallVec<[usize; 8]>);

impl Chains {
    /// One chain over all k.
    pub(super) fn one(k: usize) -> Self {
        Self(SmallVec::from_slice(&[k]))
    }

    /// Chains over these k; there is at least one.
    pub(super) fn of(lengths: impl IntoIterator<Item = usize>) -> Self {
        Self(lengths.into_iter().collect())
    }

    /// The floats of scratch memory for the sums of a tile.
    pub(super) fn scratch(&self, rows: usize, lanes: usize) -> usize {
        if self.0.len() > 1 { rows * lanes } else { 0 }
    }

    /// Writes a tile of all chains and returns the results. The pointers `a` and `b` move by these
    /// steps from k to k; `sums` is scratch memory.
    fn emit(
        &self,
        builder: &mut Builder,
        (rows, lanes, ahead): (&[i64], usize, i64),
        (a, a_step): (Pointer, i64),
        (b, b_step): (Pointer, i64),
        sums: Option<Pointer>,
    ) -> Vec<Accumulator> {
        let chain = |builder: &mut Builder, k: usize| {
            let loops = SmallVec::from_slice(&[k_loop(k, a_step, b_step)]);
            let rows = SmallVec::from_slice(rows);
            let contraction = Contraction { rows, lanes, loops, ahead, by_column: false };
            let accumulators = contraction.emit(builder, a, b, Start::Zero);
            // A single step does not move its pointers.
            if k == 1 {
                builder.step(a, a_step, Trips::Const(1));
                builder.step(b, b_step, Trips::Const(1));
            }
            accumulators
        };
        let (Some(sums), [first, middle @ .., last]) = (sums, &self.0[..]) else {
            return chain(builder, self.0.first().copied().unwrap_or(0));
        };
        let address = |acc: &Accumulator| sums.at(4 * (acc.row * lanes + acc.column) as i64);
        for acc in chain(builder, *first) {
            builder.store_f32(address(&acc), acc.extent, acc.value);
        }
        let add = |builder: &mut Builder, k: usize| {
            let mut ends = chain(builder, k);
            for acc in &mut ends {
                let before = builder.load_f32(address(acc), acc.extent);
                acc.value = builder.add(before, acc.value);
            }
            ends
        };
        for equal in middle.chunk_by(|a, b| a == b) {
            builder.repeat(Trips::Const(equal.len() as u32), |builder| {
                for acc in add(builder, equal[0]) {
                    builder.store_f32(address(&acc), acc.extent, acc.value);
                }
            });
        }
        add(builder, *last)
    }
}

/// A tile with its epilogue.
pub(super) struct ContractionTile {
    program: Arc<TileProgram>,
    /// The address of its scratch memory, if it needs some.
    sums: Option<Affine>,
}

impl ContractionTile {
    /// A tile of one chain over nested loops. `row_step` is the distance of the tile's rows in the
    /// result, in elements.
    pub(super) fn new(
        body: &Body<'_>,
        epilogue: &Epilogue,
        contraction: &Contraction,
        row_step: usize,
    ) -> Result<Self> {
        let (rows, lanes) = (contraction.rows.len(), contraction.lanes);
        let contract =
            |b: &mut Builder, [a, w]: [Pointer; 2], _| contraction.emit(b, a, w, Start::Zero);
        Self::with(body, epilogue, (rows, lanes, row_step), None, contract)
    }

    /// A tile of several chains, which walk through the factors by these steps, with scratch memory
    /// for [`Chains::scratch`] floats. `ahead` is [`Contraction::ahead`].
    pub(super) fn of_chains(
        body: &Body<'_>,
        epilogue: &Epilogue,
        (rows, lanes, row_step): (&[i64], usize, usize),
        (chains, [a_step, b_step]): (&Chains, [i64; 2]),
        scratch: &Affine,
        ahead: i64,
    ) -> Result<Self> {
        let sums = (chains.0.len() > 1).then(|| scratch.clone());
        let contract = |b: &mut Builder, [a, w]: [Pointer; 2], sums| {
            chains.emit(b, (rows, lanes, ahead), (a, a_step), (w, b_step), sums)
        };
        Self::with(body, epilogue, (rows.len(), lanes, row_step), sums, contract)
    }

    fn with(
        body: &Body<'_>,
        epilogue: &Epilogue,
        (rows, lanes, row_step): (usize, usize, usize),
        sums: Option<Affine>,
        contract: impl FnOnce(&mut Builder, [Pointer; 2], Option<Pointer>) -> Vec<Accumulator>,
    ) -> Result<Self> {
        let mut b = Builder::new(format!("contraction_{rows}x{lanes}"));
        let factors = [b.pointer("a"), b.pointer("b")];
        let scratch = sums.is_some().then(|| b.pointer("sums"));
        let pointers = epilogue.pointers(&mut b);
        epilogue.prefetch(&mut b, &pointers, [rows, lanes], row_step);
        let accumulators = contract(&mut b, factors, scratch);
        let cells: Vec<Cell> = accumulators.into_iter().map(Cell::from).collect();
        epilogue.emit(body, &mut b, &pointers, &cells, row_step)?;
        Ok(Self { program: Arc::new(b.finish()?), sums })
    }

    /// Calls the tile with its first factors at `a` and `w`.
    pub(super) fn call(
        &self,
        nest: &mut NestBuilder,
        epilogue: &Epilogue,
        a: Affine,
        w: Affine,
        offsets: &Offsets,
    ) {
        let args = [a, w].into_iter().chain(self.sums.clone()).chain(epilogue.args(offsets));
        nest.call(&self.program, args.map(Arg::from).collect::<Vec<_>>());
    }
}
