//! The registers of each logical vector that a program needs.
//!
//! A contraction tile of eight lanes uses two of the four 128-bit registers of its vectors; nothing
//! is emitted for the others.

use super::program::{Extent, LANES, Op, Rank1, Stmt, TileProgram};

/// A set of parts, bit p for part p.
pub(super) type PartSet = u8;

/// All of `parts` parts.
fn all(parts: usize) -> PartSet {
    PartSet::MAX >> (PartSet::BITS as usize - parts)
}

/// The parts that an extent touches, when a vector has `parts` of them.
pub(super) fn parts_of(extent: Extent, parts: usize) -> PartSet {
    match extent {
        Extent::Full | Extent::Rest(_) => all(parts),
        Extent::First(lanes) => all(usize::from(lanes).div_ceil(LANES / parts)),
    }
}

/// The number of lanes of one part in a constant extent.
pub(super) fn lanes_of(extent: Extent, part: usize, parts: usize) -> usize {
    let lanes = match extent {
        Extent::Full | Extent::Rest(_) => LANES,
        Extent::First(lanes) => lanes.into(),
    };
    let width = LANES / parts;
    lanes.saturating_sub(part * width).min(width)
}

/// The extent of vector `vector` in a row of a contraction step.
pub(super) fn extent_of(rank1: &Rank1, vector: usize) -> Extent {
    if vector + 1 == rank1.vectors { rank1.extent } else { Extent::Full }
}

/// The parts that are used of each value and each variable.
pub(super) struct Demand {
    pub(super) values: Vec<PartSet>,
    pub(super) vars: Vec<PartSet>,
    parts: usize,
    changed: bool,
}

impl Demand {
    /// The demand of a program if a vector has `parts` parts.
    pub(super) fn of(program: &TileProgram, parts: usize) -> Self {
        let mut demand = Self {
            values: vec![0; program.values.len()],
            vars: vec![0; program.vars.len()],
            parts,
            changed: true,
        };
        // A variable carries demand backwards around a loop, so one walk may find what an earlier
        // statement of the loop needs.
        while demand.changed {
            demand.changed = false;
            demand.block(&program.body);
        }
        demand
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block.iter().rev() {
            match stmt {
                Stmt::Let(value, op) => {
                    let parts = self.values[value.0 as usize];
                    let parts = if matches!(op, Op::Reduce(..)) && parts != 0 {
                        all(self.parts)
                    } else {
                        parts
                    };
                    for operand in op.operands() {
                        self.values[operand.0 as usize] |= parts;
                    }
                    if let Op::Get(var) = op {
                        self.var(var.0, parts);
                    }
                }
                Stmt::Set(var, value) => self.values[value.0 as usize] |= self.vars[var.0 as usize],
                Stmt::Store { extent, value, .. } => {
                    self.values[value.0 as usize] |= parts_of(*extent, self.parts)
                }
                Stmt::StoreTransposed { values, .. } => {
                    for value in values {
                        self.values[value.0 as usize] |= all(self.parts);
                    }
                }
                Stmt::Rank1(rank1) => {
                    for (i, acc) in rank1.acc.iter().enumerate() {
                        self.var(acc.0, parts_of(extent_of(rank1, i % rank1.vectors), self.parts));
                    }
                }
                Stmt::Step { .. } | Stmt::Prefetch(_) => {}
                Stmt::Loop { body, .. } => self.block(body),
            }
        }
    }

    fn var(&mut self, var: u32, parts: PartSet) {
        let known = &mut self.vars[var as usize];
        self.changed |= *known | parts != *known;
        *known |= parts;
    }
}
