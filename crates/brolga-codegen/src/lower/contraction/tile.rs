//! The tile of a contraction kernel: the contraction, then the epilogue on its accumulators.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::Result;
use crate::generators::{Contraction, KLoop, Start};
use crate::lower::Body;
use crate::lower::epilogue::{Cell, Epilogue, Place};
use crate::nest::{Affine, Arg, NestBuilder};
use crate::tile::{Builder, TileProgram, Trips};

/// A constant loop over k.
pub(super) fn k_loop(trips: usize, a_step: i64, b_step: i64) -> KLoop {
    KLoop { trips: Trips::Const(trips as u32), a_step, b_step }
}

/// A tile with its epilogue.
pub(super) struct ContractionTile {
    program: Arc<TileProgram>,
}

impl ContractionTile {
    /// `row_step` is the distance of the tile's rows in the result, in elements.
    pub(super) fn new(
        body: &Body<'_>,
        epilogue: &Epilogue,
        rows: &[i32],
        lanes: usize,
        loops: &[KLoop],
        row_step: usize,
    ) -> Result<Self> {
        let mut b = Builder::new(format!("contraction_{}x{lanes}", rows.len()));
        let (a, w) = (b.pointer("a"), b.pointer("b"));
        let pointers = epilogue.pointers(&mut b);
        let contraction = Contraction {
            rows: SmallVec::from_slice(rows),
            lanes,
            loops: SmallVec::from_slice(loops),
        };
        let accumulators = contraction.emit(&mut b, a, w, Start::Zero);
        let cells: Vec<Cell> = accumulators.into_iter().map(Cell::from).collect();
        epilogue.emit(body, &mut b, &pointers, &cells, row_step)?;
        Ok(Self { program: Arc::new(b.finish()?) })
    }

    /// Calls the tile with its first factors at `a` and `w`.
    pub(super) fn call(
        &self,
        nest: &mut NestBuilder,
        epilogue: &Epilogue,
        a: Affine,
        w: Affine,
        place: &Place,
    ) {
        let args: Vec<Arg> =
            [a, w].into_iter().chain(epilogue.args(place)).map(Arg::from).collect();
        nest.call(&self.program, args);
    }
}
