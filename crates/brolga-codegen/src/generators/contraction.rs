//! The contraction tile: `acc[r][n] += Σₖ a[r][k] · b[k][n]`, in registers.

use brolga_ir::lanes::Lanes;
use smallvec::SmallVec;

use crate::tile::{Builder, Extent, F, LANES, Pointer, REACH, Trips, Variable};

/// Steps in the body of the innermost loop: enough to hide the cost of the loop, and of the moves
/// of accumulators at its end.
const UNROLL: u32 = 8;
/// The most steps of nested loops that are unrolled completely.
const FLAT: u32 = 16;

/// A contraction of `rows.len()` × `lanes` results over nested loops.
///
/// Each result is a chain of fused multiply-adds in the order of the loops, the outermost being the
/// slowest: the order that the IR demands of a contraction. Dense layers, the three convolutions
/// and matrix products differ in the loops alone.
#[derive(Debug, Clone)]
pub struct Contraction {
    /// The offset of each row's first factor from the pointer `a`, in bytes.
    pub rows: SmallVec<[i64; 8]>,
    /// Columns of the result: consecutive floats of `b`, at least 1.
    pub lanes: usize,
    /// The loops over k, the outermost first; without loops k has one value.
    pub loops: SmallVec<[KLoop; 4]>,
    /// If not 0, the distance in bytes at which the innermost loop prefetches each row's factors,
    /// for a later tile.
    pub ahead: i64,
    /// Whether each column has first factors of its own, contiguous as those of `b`; otherwise a
    /// row has one for all columns.
    pub by_column: bool,
}

/// One loop over k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KLoop {
    /// The number of steps.
    pub trips: Trips,
    /// Bytes from one factor in `a` to the next.
    pub a_step: i64,
    /// Bytes from one row of factors in `b` to the next.
    pub b_step: i64,
}

/// The start of the chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// +0.
    Zero,
    /// The floats at the pointer, with an offset in bytes for each row.
    Memory(Pointer, &'a [i64]),
}

/// One vector of results.
#[derive(Debug, Clone, Copy)]
pub struct Accumulator {
    /// Its row.
    pub row: usize,
    /// Its first column.
    pub column: usize,
    /// Its lanes; those outside are unspecified.
    pub extent: Extent,
    /// The results.
    pub value: F,
}

impl Contraction {
    /// Rows `stride` bytes apart.
    #[must_use]
    pub fn strided(rows: usize, stride: i64, lanes: usize, loops: &[KLoop]) -> Self {
        let rows = (0..rows as i64).map(|row| row * stride).collect();
        Self { rows, lanes, loops: SmallVec::from_slice(loops), ahead: 0, by_column: false }
    }

    /// Writes the contraction and gives the results, row by row. It moves the pointers `a` and `b`.
    pub fn emit(
        &self,
        builder: &mut Builder,
        a: Pointer,
        b: Pointer,
        start: Start<'_>,
    ) -> Vec<Accumulator> {
        let cells: Vec<(usize, usize, Extent)> = (0..self.rows.len())
            .flat_map(|row| {
                let extent = |column: usize| Extent::first((self.lanes - column).min(LANES));
                (0..self.lanes).step_by(LANES).map(move |column| (row, column, extent(column)))
            })
            .collect();
        let acc: Vec<Variable<F>> = cells
            .iter()
            .map(|&(row, column, extent)| {
                let initial = match start {
                    Start::Zero => builder.float(0.0),
                    Start::Memory(pointer, rows) => {
                        builder.load_f32(pointer.at(rows[row] + 4 * column as i64), extent)
                    }
                };
                builder.variable(initial)
            })
            .collect();
        let Self { ref rows, lanes, ahead, by_column, .. } = *self;
        let tile = Emit { rows, lanes, ahead, by_column, acc: &acc, a, b };
        tile.loops(builder, &merged(&self.loops));
        (cells.into_iter().zip(acc))
            .map(|((row, column, extent), acc)| Accumulator {
                row,
                column,
                extent,
                value: builder.get(acc),
            })
            .collect()
    }
}

/// The loops, with adjacent ones merged that walk `a` and `b` in constant steps.
fn merged(loops: &[KLoop]) -> SmallVec<[KLoop; 4]> {
    let mut result: SmallVec<[KLoop; 4]> = SmallVec::new();
    for &inner in loops {
        if inner.trips == Trips::Const(1) {
            continue;
        }
        if let (Some(outer), Trips::Const(n)) = (result.last_mut(), inner.trips)
            && let Trips::Const(m) = outer.trips
            && let Some(trips) = m.checked_mul(n)
            && outer.a_step == i64::from(n) * inner.a_step
            && outer.b_step == i64::from(n) * inner.b_step
        {
            *outer = KLoop { trips: Trips::Const(trips), ..inner };
        } else {
            result.push(inner);
        }
    }
    result
}

/// The product of all trips, if they are constant.
fn flat_trips(loops: &[KLoop]) -> Option<u32> {
    loops.iter().try_fold(1u32, |product, k_loop| match k_loop.trips {
        Trips::Const(trips) => product.checked_mul(trips),
        _ => None,
    })
}

struct Emit<'a> {
    rows: &'a [i64],
    lanes: usize,
    ahead: i64,
    by_column: bool,
    acc: &'a [Variable<F>],
    a: Pointer,
    b: Pointer,
}

impl Emit<'_> {
    /// Moves the pointers by all trips of the outermost loop.
    fn loops(&self, builder: &mut Builder, loops: &[KLoop]) {
        match *loops {
            [] => self.step(builder, 0, 0),
            [outer, ref rest @ ..] => match flat_trips(loops) {
                Some(trips) if trips <= FLAT => {
                    self.flat(builder, loops, 0, 0);
                    self.advance(builder, outer.a_step, outer.b_step, outer.trips);
                }
                _ if rest.is_empty() => self.innermost(builder, outer),
                _ => builder.repeat(outer.trips, |builder| {
                    self.loops(builder, rest);
                    // The inner loop has moved the pointers; their next step counts from where it
                    // began.
                    let inner = rest[0];
                    self.advance(builder, -inner.a_step, -inner.b_step, inner.trips);
                    self.advance(builder, outer.a_step, outer.b_step, Trips::Const(1));
                }),
            },
        }
    }

    /// All steps of constant loops, without moving the pointers.
    fn flat(&self, builder: &mut Builder, loops: &[KLoop], a_offset: i64, b_offset: i64) {
        let [outer, rest @ ..] = loops else { return self.step(builder, a_offset, b_offset) };
        let Trips::Const(trips) = outer.trips else { return };
        for trip in 0..i64::from(trips) {
            self.flat(
                builder,
                rest,
                a_offset + trip * outer.a_step,
                b_offset + trip * outer.b_step,
            );
        }
    }

    fn innermost(&self, builder: &mut Builder, inner: KLoop) {
        let Trips::Const(trips) = inner.trips else {
            return builder.repeat(inner.trips, |builder| {
                self.step(builder, 0, 0);
                self.advance(builder, inner.a_step, inner.b_step, Trips::Const(1));
            });
        };
        let body = |builder: &mut Builder, steps: u32| {
            self.flat(builder, &[KLoop { trips: Trips::Const(steps), ..inner }], 0, 0);
            self.advance(builder, inner.a_step, inner.b_step, Trips::Const(steps));
        };
        builder.repeat(Trips::Const(trips / UNROLL), |builder| {
            if self.ahead != 0 {
                let offsets = self.rows.iter().map(|&row| row + self.ahead);
                for offset in offsets.filter(|&offset| offset < REACH) {
                    builder.prefetch(self.a.at(offset));
                }
            }
            body(builder, UNROLL);
        });
        body(builder, trips % UNROLL);
    }

    fn advance(&self, builder: &mut Builder, a_bytes: i64, b_bytes: i64, trips: Trips) {
        builder.step(self.a, a_bytes, trips);
        builder.step(self.b, b_bytes, trips);
    }

    fn step(&self, builder: &mut Builder, a_offset: i64, b_offset: i64) {
        if self.by_column {
            return self.step_by_column(builder, a_offset, b_offset);
        }
        let a: SmallVec<[_; 8]> = self.rows.iter().map(|&row| self.a.at(row + a_offset)).collect();
        let vectors = self.lanes.div_ceil(LANES);
        let last = self.lanes - (vectors - 1) * LANES;
        builder.rank1(self.acc, &a, self.b.at(b_offset), vectors, Extent::first(last));
    }

    fn step_by_column(&self, builder: &mut Builder, a_offset: i64, b_offset: i64) {
        let vectors = self.lanes.div_ceil(LANES);
        for vector in 0..vectors {
            let first = vector * LANES;
            let (extent, bytes) =
                (Extent::first((self.lanes - first).min(LANES)), 4 * first as i64);
            let b = builder.load_f32(self.b.at(b_offset + bytes), extent);
            for (row, offset) in self.rows.iter().enumerate() {
                let a = builder.load_f32(self.a.at(offset + a_offset + bytes), extent);
                let acc = self.acc[row * vectors + vector];
                let sum = builder.get(acc);
                let next = builder.fma(a, b, sum);
                builder.set(acc, next);
            }
        }
    }
}
