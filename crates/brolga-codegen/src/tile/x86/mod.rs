//! Tile programs as 256-bit and 512-bit machine code of x86-64, assembled without Cranelift.
//!
//! 1. [`select`] writes machine instructions with virtual registers, two for a logical vector with
//!    AVX2, one with AVX-512.
//! 2. [`coalesce`] removes copies to and from variables.
//! 3. [`allocate`] assigns registers by live ranges over the structured program. A contraction
//!    whose accumulators do not fit is an error; other programs spill to the stack, which the
//!    assembly view shows.
//! 4. [`assemble`] encodes the instructions, with the constants after them.

mod allocate;
mod assemble;
mod coalesce;
mod codes;
mod frame;
mod inst;
mod select;

use std::sync::Arc;

use cranelift_module::FuncId;

use self::select::Order;
use super::program::{LANES, TileProgram};
use super::shape::step_cycles;
use super::target::{TileShape, TileTarget};
use crate::error::{Error, Result};
use crate::host::MachineCode;

/// An instruction set that is assembled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    /// AVX2 with FMA3 and F16C: 16 registers of 256 bits, masks in vector registers.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 32 registers of 512 bits, masks in registers of their own.
    Avx512,
}

impl Isa {
    /// Registers of one logical vector.
    pub(super) fn parts(self) -> usize {
        match self {
            Self::Avx2 => 2,
            Self::Avx512 => 1,
        }
    }

    /// Lanes of one register.
    pub(super) fn width(self) -> usize {
        LANES / self.parts()
    }

    /// Vector registers.
    pub(super) fn registers(self) -> usize {
        match self {
            Self::Avx2 => 16,
            Self::Avx512 => 32,
        }
    }

    /// A tile needs registers for its accumulators, the held factors and one loaded factor, unless
    /// multiply-adds read that from memory. In tiles of one row they can, but not for a part of a
    /// register's lanes: such tiles have to fit with a partial last register, as in the last tile
    /// of a row.
    fn fits(self, TileShape { rows, lanes }: TileShape) -> bool {
        let columns = lanes.div_ceil(self.width());
        let embedded = self == Self::Avx512 && columns == 1;
        let factors = rows.min(columns).saturating_add(usize::from(!embedded));
        rows.saturating_mul(columns).saturating_add(factors) <= self.registers()
    }

    fn compile(self, program: &TileProgram, text: bool) -> Result<MachineCode> {
        program.validate()?;
        let attempt = |order: Order, split: bool| {
            let mut listing = select::select(self, program, order, text);
            coalesce::coalesce(&mut listing, split);
            allocate::allocate(self, listing)
        };
        // Results of a contraction that stay in the registers of their accumulators need no copy,
        // but leave no room for a long epilogue.
        let mut allocated = attempt(Order::PartByPart, false)
            .or_else(|_| attempt(Order::PartByPart, true))
            .map_err(|problem| Error::Registers {
                program: program.name.clone(),
                problem: problem.to_owned(),
            })?;
        if allocated.slots > 0
            && self.parts() > 1
            && let Ok(other) = attempt(Order::StatementByStatement, false)
            && other.slots < allocated.slots
        {
            allocated = other;
        }
        assemble::assemble(self, program, &allocated, text)
    }
}

/// 256-bit vectors: [`TileTarget`] for x86-64 processors with AVX2, FMA3 and F16C.
#[derive(Debug, Clone, Copy, Default)]
pub struct Avx2;

/// 512-bit vectors: [`TileTarget`] for x86-64 processors with AVX-512 F, BW, DQ and VL.
#[derive(Debug, Clone, Copy, Default)]
pub struct Avx512;

impl Avx2 {
    /// Whether this machine has the instructions.
    #[must_use]
    pub fn is_supported() -> bool {
        std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("f16c")
    }
}

impl Avx512 {
    /// Whether this machine has the instructions.
    #[must_use]
    pub fn is_supported() -> bool {
        std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("bmi2")
    }
}

macro_rules! tile_target {
    ($name:ident, $isa:expr, $text:literal) => {
        impl TileTarget for $name {
            fn name(&self) -> &'static str {
                $text
            }

            fn known_as(&self) -> Option<&'static str> {
                Some($text)
            }

            fn register_lanes(&self) -> usize {
                $isa.width()
            }

            fn fits(&self, shape: TileShape) -> bool {
                $isa.fits(shape)
            }

            fn step_cycles(&self, shape: TileShape) -> f64 {
                step_cycles(shape.rows, shape.lanes.div_ceil($isa.width()))
            }

            fn compile(
                &self,
                program: &Arc<TileProgram>,
                _: FuncId,
                text: bool,
            ) -> Result<MachineCode> {
                $isa.compile(program, text)
            }
        }
    };
}

tile_target!(Avx2, Isa::Avx2, "avx2");
tile_target!(Avx512, Isa::Avx512, "avx512");

#[cfg(test)]
mod tests {
    use brolga_ir::lanes::Lanes;

    use super::*;
    use crate::tile::{Builder, Extent, Trips};

    /// `y = exp(x) · x + x`, in a loop and for the rest, with values of two nodes.
    fn program() -> TileProgram {
        let mut b = Builder::new("marked");
        let (x, y, n) = (b.pointer("x"), b.pointer("y"), b.count("n"));
        for (trips, extent) in
            [(Trips::Vectors(n), Extent::Full), (Trips::Tail(n), Extent::Rest(n))]
        {
            b.repeat(trips, |b| {
                let v = b.load_f32(x.at(0), extent);
                b.set_source(Some(7));
                let exp = b.exp(v);
                b.set_source(Some(8));
                let sum = b.fma(exp, v, v);
                b.set_source(None);
                b.store_f32(y.at(0), extent, sum);
                b.step(x, 64, Trips::Const(1));
                b.step(y, 64, Trips::Const(1));
            });
        }
        b.finish().expect("a right program")
    }

    #[test]
    fn marks_are_no_code() {
        for isa in [Isa::Avx2, Isa::Avx512] {
            let [plain, shown] =
                [false, true].map(|text| isa.compile(&program(), text).expect("it compiles"));
            assert_eq!(plain.bytes, shown.bytes, "{isa:?}");
            assert!(plain.text.is_none());
        }
    }

    #[test]
    fn instructions_have_their_statement_and_node() {
        for isa in [Isa::Avx2, Isa::Avx512] {
            let code = isa.compile(&program(), true).expect("it compiles");
            let listing = code.text.expect("it was asked for").listing;
            let of = |node: Option<usize>, word: &str| {
                let lines = listing.instructions.iter();
                lines.filter(|line| line.node == node && line.text.contains(word)).count()
            };
            assert!(of(Some(7), "mul") > 2, "{isa:?}: the terms of exp");
            let last = of(Some(8), "fmadd");
            assert_eq!(last, 2 * isa.parts(), "{isa:?}: in the loop and for the rest");
            assert_eq!(of(Some(7), "ret"), 0);
            for line in &listing.instructions {
                let statement = line.source.map(|index| &listing.sources[index]);
                assert_eq!(statement.and_then(|source| source.node), line.node);
            }
        }
    }
}
