//! The contraction tile: acc[r][n] += Σₖ a[r][k] · b[k][n], in registers.

use brolga_ir::lanes::Lanes;
use smallvec::SmallVec;

use crate::tile::{Builder, Extent, F, LANES, Pointer, Trips, Variable};

/// Multiply-adds of one lane in the body of the innermost loop: enough to hide its overhead.
const UNROLL: u32 = 4;

/// A contraction of `rows.len()` × `lanes` results over nested loops.
///
/// Each result is a chain of fused multiply-adds in the order of the loops, the outermost being the slowest: the order that the IR
/// demands of a contraction. Dense layers, the three convolutions and matrix products differ in the loops alone.
#[derive(Debug, Clone)]
pub struct Contraction {
    /// Where each row's first factor is: bytes from the pointer `a`.
    pub rows: SmallVec<[i32; 8]>,
    /// Columns of the result: consecutive floats of `b`, at least 1.
    pub lanes: usize,
    /// The loops over k, the outermost first; without loops k has one value.
    pub loops: SmallVec<[KLoop; 4]>,
}

/// One loop over k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KLoop {
    /// How often.
    pub trips: Trips,
    /// Bytes from one factor in `a` to the next.
    pub a_step: i64,
    /// Bytes from one row of factors in `b` to the next.
    pub b_step: i64,
}

/// What the chains start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// +0.
    Zero,
    /// The floats at the pointer, rows so many bytes apart.
    Memory(Pointer, i32),
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
    pub fn strided(rows: usize, stride: i32, lanes: usize, loops: &[KLoop]) -> Self {
        let rows = (0i32..).map(|row| row.wrapping_mul(stride)).take(rows).collect();
        Self { rows, lanes, loops: SmallVec::from_slice(loops) }
    }

    /// Writes the contraction and gives the results, row by row. The pointers `a` and `b` end somewhere else.
    pub fn emit(&self, builder: &mut Builder, a: Pointer, b: Pointer, start: Start) -> Vec<Accumulator> {
        let places: Vec<(usize, usize, Extent)> = (0..self.rows.len())
            .flat_map(|row| {
                let extent = |column: usize| Extent::first((self.lanes - column).min(LANES));
                (0..self.lanes).step_by(LANES).map(move |column| (row, column, extent(column)))
            })
            .collect();
        let acc: Vec<Variable<F>> = places
            .iter()
            .map(|&(row, column, extent)| {
                let initial = match start {
                    Start::Zero => builder.float(0.0),
                    Start::Memory(pointer, stride) => {
                        let offset = offset(row as i64 * i64::from(stride) + 4 * column as i64);
                        builder.load_f32(pointer.at(offset), extent)
                    }
                };
                builder.variable(initial)
            })
            .collect();
        let tile = Emit { rows: &self.rows, lanes: self.lanes, acc: &acc, a, b };
        tile.loops(builder, &merged(&self.loops));
        (places.into_iter().zip(acc))
            .map(|((row, column, extent), acc)| Accumulator { row, column, extent, value: builder.get(acc) })
            .collect()
    }
}

/// Neighbouring loops that walk `a` and `b` like one are one.
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

struct Emit<'a> {
    rows: &'a [i32],
    lanes: usize,
    acc: &'a [Variable<F>],
    a: Pointer,
    b: Pointer,
}

impl Emit<'_> {
    fn loops(&self, builder: &mut Builder, loops: &[KLoop]) {
        match *loops {
            [] => self.step(builder, 0, 0),
            [inner] => self.innermost(builder, inner),
            [outer, ref rest @ ..] => builder.repeat(outer.trips, |builder| {
                self.loops(builder, rest);
                // The inner loop has moved the pointers; they go on from where it began.
                let inner = rest[0];
                self.advance(builder, outer.a_step, outer.b_step, inner);
            }),
        }
    }

    fn innermost(&self, builder: &mut Builder, inner: KLoop) {
        let unroll = match inner.trips {
            Trips::Const(trips) => UNROLL.min(trips),
            _ => 1,
        };
        let (trips, rest) = match inner.trips {
            Trips::Const(trips) if unroll > 0 => (Trips::Const(trips / unroll), trips % unroll),
            trips => (trips, 0),
        };
        let body = |builder: &mut Builder, steps: u32| {
            for step in 0..i64::from(steps) {
                self.step(builder, step * inner.a_step, step * inner.b_step);
            }
            builder.step(self.a, inner.a_step, Trips::Const(steps));
            builder.step(self.b, inner.b_step, Trips::Const(steps));
        };
        builder.repeat(trips, |builder| body(builder, unroll));
        body(builder, rest);
    }

    /// Moves the pointers by the steps of an outer loop, less what the inner one has moved them.
    fn advance(&self, builder: &mut Builder, a_step: i64, b_step: i64, inner: KLoop) {
        for (pointer, outer, inner_step) in [(self.a, a_step, inner.a_step), (self.b, b_step, inner.b_step)] {
            match inner.trips {
                Trips::Const(n) => builder.step(pointer, outer - i64::from(n) * inner_step, Trips::Const(1)),
                trips => {
                    builder.step(pointer, outer, Trips::Const(1));
                    builder.step(pointer, -inner_step, trips);
                }
            }
        }
    }

    fn step(&self, builder: &mut Builder, a_offset: i64, b_offset: i64) {
        let a: SmallVec<[_; 8]> =
            self.rows.iter().map(|&row| self.a.at(offset(i64::from(row) + a_offset))).collect();
        let vectors = self.lanes.div_ceil(LANES);
        let last = self.lanes - (vectors - 1) * LANES;
        builder.rank1(self.acc, &a, self.b.at(offset(b_offset)), vectors, Extent::first(last));
    }
}

/// Bytes from a pointer. Tensors whose rows are more than 2 GiB apart do not fit into any memory a kernel works on.
fn offset(bytes: i64) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
