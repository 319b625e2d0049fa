//! Tile programs as 128-bit CLIF: four `F32X4` or `I32X4` for one logical vector.
//!
//! Works on every host Cranelift knows; on 64-bit Arm it is the full width. Without the CPU's multiply-add (x86-64 before FMA3)
//! `fma` becomes a call of the C library's `fmaf` for each lane: the same bits, at a hundredth of the speed.

mod demand;
mod emit;
mod memory;
mod parts;

use std::sync::Arc;

use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::FuncId;

pub use emit::emit;

use super::program::{LANES, TileProgram};
use super::target::{TileShape, TileTarget};
use crate::error::Result;
use crate::host::{self, MachineCode, Optimization};

/// Lanes of one register.
const WIDTH: usize = 4;
/// Registers of one logical vector.
const PARTS: usize = LANES / WIDTH;

/// The 128-bit instruction set, compiled with Cranelift.
#[derive(Clone)]
pub struct Cranelift {
    isa: OwnedTargetIsa,
}

impl Cranelift {
    /// For this machine.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host) if Cranelift does not know this machine.
    pub fn host() -> Result<Self> {
        Ok(Self { isa: host::isa(Optimization::AsWritten)? })
    }

    /// For another description of this machine.
    #[cfg(test)]
    pub(crate) fn with_isa(isa: OwnedTargetIsa) -> Self {
        Self { isa }
    }
}

impl TileTarget for Cranelift {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    /// Sixteen registers, and a multiply-add that overwrites a factor instead of the accumulator. So each factor that is used twice
    /// needs a copy first, and a tile of one register by eleven rows does best: it holds one column factor, and each row
    /// factor is loaded where it is used up.
    fn contraction_shape(&self, rows: usize, lanes: usize) -> TileShape {
        let (max_rows, registers) = match rows {
            0 | 1 => (1, 8),
            2 => (2, 4),
            3 => (3, 3),
            4..=6 => (rows, 2),
            7..=12 => (rows, 1),
            _ => (rows.div_ceil(rows.div_ceil(11)), 1),
        };
        TileShape { rows: max_rows, lanes: lanes.min(registers * WIDTH).max(1) }
    }

    fn compile(&self, program: &Arc<TileProgram>, id: FuncId, text: bool) -> Result<MachineCode> {
        let name = UserFuncName::user(0, id.as_u32());
        let mut function = Function::with_name_signature(name, host::signature(program.params.len()));
        let mut context = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut function, &mut context);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let args = builder.block_params(entry).to_vec();
        emit(program, &mut builder, &args);
        cranelift_codegen::ir::InstBuilder::return_(builder.ins(), &[]);
        builder.finalize(self.isa.frontend_config());
        host::compile(&*self.isa, function, id, text)
    }
}
