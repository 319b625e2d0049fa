//! One step of a contraction.

use super::Select;
use crate::tile::demand::{extent_of, lanes_of};
use crate::tile::program::{Address, Element, Extent, LANES, Rank1, Stmt};
use crate::tile::x86::Isa;
use crate::tile::x86::codes;
use crate::tile::x86::inst::{First, Mem, Operand, V};

/// A register's worth of columns: a vector and a part of it.
type Column = (usize, usize);

impl Select<'_> {
    pub(super) fn mark_accumulators(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Rank1(rank1) => {
                    for &var in &rank1.acc {
                        for part in 0..self.isa.parts() {
                            let v = self.var(var, part);
                            self.listing.registers[v.index()].accumulator = true;
                        }
                    }
                }
                Stmt::Loop { body, .. } => self.mark_accumulators(body),
                _ => {}
            }
        }
    }

    /// The factors of the side with fewer registers are held; those of the other are loaded one at
    /// a time, or read from memory by the multiply-add if only one uses them.
    pub(super) fn rank1(&mut self, rank1: &Rank1) {
        let columns: Vec<Column> = (0..rank1.vectors)
            .flat_map(|vector| (0..self.isa.parts()).map(move |part| (vector, part)))
            .filter(|&(vector, part)| self.lanes(rank1, (vector, part)) > 0)
            .collect();
        let rows = rank1.a.len();
        if columns.len() <= rows {
            let held: Vec<V> =
                columns.iter().map(|&column| self.column_factor(rank1, column)).collect();
            let embedded = self.isa == Isa::Avx512 && columns.len() == 1;
            for row in 0..rows {
                let mem = self.mem(rank1.a[row]);
                let factor = if embedded {
                    Operand::Mem(Mem { broadcast: true, ..mem })
                } else {
                    Operand::Reg(self.broadcast_word(mem), self.full())
                };
                for (&column, &held) in columns.iter().zip(&held) {
                    self.multiply_add(rank1, row, column, held, factor);
                }
            }
        } else {
            let held: Vec<V> = (0..rows)
                .map(|row| {
                    let mem = self.mem(rank1.a[row]);
                    self.broadcast_word(mem)
                })
                .collect();
            for &column in &columns {
                let whole = self.lanes(rank1, column) == self.isa.width();
                let factor = if whole && rows == 1 {
                    Operand::Mem(self.column_mem(rank1, column))
                } else {
                    Operand::Reg(self.column_factor(rank1, column), self.full())
                };
                for (row, &held) in held.iter().enumerate() {
                    self.multiply_add(rank1, row, column, held, factor);
                }
            }
        }
    }

    fn lanes(&self, rank1: &Rank1, (vector, part): Column) -> usize {
        lanes_of(extent_of(rank1, vector), part, self.isa.parts())
    }

    fn column_address(&self, rank1: &Rank1, vector: usize) -> Address {
        rank1.b.plus((4 * LANES * vector) as i64)
    }

    fn column_mem(&self, rank1: &Rank1, (vector, part): Column) -> Mem {
        self.part_mem(Element::F32, self.column_address(rank1, vector), part)
    }

    fn column_factor(&mut self, rank1: &Rank1, (vector, part): Column) -> V {
        let extent: Extent = extent_of(rank1, vector);
        self.load(Element::F32, self.column_address(rank1, vector), extent, part)
    }

    fn multiply_add(
        &mut self,
        rank1: &Rank1,
        row: usize,
        (vector, part): Column,
        held: V,
        factor: Operand,
    ) {
        let full = self.full();
        let acc = self.var(rank1.acc[row * rank1.vectors + vector], part);
        let operands = [Operand::Reg(acc, full), Operand::Reg(held, full), factor];
        self.push(codes::fma(self.isa, 231), First::Changed, &operands);
    }
}
