//! Tile programs as 128-bit CLIF: four `F32X4` or `I32X4` for one logical vector.
//!
//! Works on every host Cranelift knows; on 64-bit Arm it is the full width. On x86-64 processors
//! without FMA3 a multiply-add becomes a call of `f32::mul_add` for each lane: the same bits, at a
//! small part of the speed. SSE4.1 is required there.

mod emit;
mod halves;
mod memory;
mod parts;

use std::sync::Arc;

use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::FuncId;

pub use emit::emit;

use super::program::{LANES, TileProgram};
use super::shape::step_cycles;
use super::target::{TileShape, TileTarget};
use crate::error::Result;
use crate::host::{self, MachineCode, Optimization};

/// Lanes of one register.
const WIDTH: usize = 4;
/// The cycles that the spill of an accumulator adds to a step.
const SPILL: f64 = 0.9;
/// Registers of one logical vector.
const PARTS: usize = LANES / WIDTH;

/// The 128-bit instruction set, compiled with Cranelift.
#[derive(Clone)]
pub struct Cranelift {
    isa: OwnedTargetIsa,
    /// Whether it is this machine's own description.
    is_host: bool,
}

impl Cranelift {
    /// For this machine.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host) if Cranelift does not know this machine.
    pub fn host() -> Result<Self> {
        Ok(Self { isa: host::isa(Optimization::AsWritten)?, is_host: true })
    }

    /// The same for another description of this machine.
    #[cfg(test)]
    pub(crate) fn with_isa(isa: OwnedTargetIsa) -> Self {
        Self { isa, is_host: false }
    }
}

impl TileTarget for Cranelift {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn known_as(&self) -> Option<&'static str> {
        self.is_host.then_some("cranelift")
    }

    fn register_lanes(&self) -> usize {
        WIDTH
    }

    fn fits(&self, shape: TileShape) -> bool {
        shape.rows.saturating_mul(shape.lanes.div_ceil(WIDTH)) <= 12
    }

    /// A multiply-add overwrites a factor instead of the accumulator, so each factor that is used
    /// twice needs a copy first. If both are, registers are left for eight accumulators, and the
    /// others are spilled in each step.
    fn step_cycles(&self, shape: TileShape) -> f64 {
        let TileShape { rows, lanes } = shape;
        let registers = lanes.div_ceil(WIDTH);
        let kept = if rows.min(registers) > 1 { 8 } else { 12 };
        step_cycles(rows, registers)
            + SPILL * rows.saturating_mul(registers).saturating_sub(kept) as f64
    }

    fn compile(&self, program: &Arc<TileProgram>, id: FuncId, text: bool) -> Result<MachineCode> {
        let name = UserFuncName::user(0, id.as_u32());
        let mut function =
            Function::with_name_signature(name, host::signature(program.params.len()));
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

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use brolga_ir::lanes::{Lanes, ScalarF32};
    use cranelift_codegen::binemit::Reloc;
    use cranelift_codegen::ir::LibCall;
    use cranelift_codegen::settings::Configurable;

    use super::*;
    use crate::jit::{library, link, link_with};
    use crate::object::{Object, ObjectBuilder, Relocation, Symbol};
    use crate::tile::{Builder, Extent};

    /// A program with multiply-adds as machine code for x86-64 without AVX and FMA.
    fn old_code() -> (Object, FuncId) {
        let mut old = cranelift_native::builder_with_options(false).expect("x86-64 is known");
        for feature in ["has_sse3", "has_ssse3", "has_sse41"] {
            old.enable(feature).expect("a setting of x86-64");
        }
        let isa = host::finish_isa(old, Optimization::AsWritten).expect("right settings");
        let mut b = Builder::new("old");
        let (x, y) = (b.pointer("x"), b.pointer("y"));
        let v = b.load_f32(x.at(4), Extent::First(13));
        let exp = b.exp(v);
        let w = b.broadcast_f32(x.at(0));
        let sum = b.fma(exp, w, v);
        b.store_f32(y.at(4), Extent::First(13), sum);
        let program = Arc::new(b.finish().expect("a right program"));

        let target = Arc::new(Cranelift::with_isa(isa));
        let mut builder = ObjectBuilder::new(target).expect("this machine is known");
        let id = builder.tile(&program);
        (builder.finish().expect("it compiles"), id)
    }

    #[test]
    fn without_multiply_add_instructions_the_bits_are_the_same() {
        let (object, id) = old_code();
        let code = link(object).expect("nothing is missing");
        // SAFETY: the program has two pointers.
        let function: extern "C" fn(*const f32, *mut f32) =
            unsafe { std::mem::transmute(code.address(id)) };
        // Four bytes off the alignment of aligned instructions.
        let x: Vec<f32> = (0..14u8).map(|i| f32::from(i) * 0.37 - 2.0).collect();
        let mut y = [0.0f32; 14];
        function(x.as_ptr(), y.as_mut_ptr());
        for (x_i, y_i) in x.iter().zip(y).skip(1) {
            let s = &mut ScalarF32;
            let exp = s.exp(*x_i);
            assert_eq!(y_i.to_bits(), s.fma(exp, x[0], *x_i).to_bits());
        }
    }

    #[test]
    fn multiply_adds_of_the_library_are_symbols() {
        let (object, id) = old_code();
        let MachineCode { bytes, relocations, .. } = &object.function(id).code;
        assert!(relocations.iter().any(|to| to.symbol == Symbol::Library(LibCall::FmaF32)));
        for Relocation { offset, kind, symbol, .. } in relocations {
            assert_eq!(*kind, Reloc::Abs8, "{symbol:?}");
            let at = *offset as usize;
            assert_eq!(bytes[at..at + 8], [0; 8], "{symbol:?}: the linker writes the address");
        }
        // No other bytes are an address: code does not depend on where the process has its
        // functions.
        let words = bytes.windows(8).map(|word| u64::from_le_bytes(word.try_into().expect("8")));
        let addresses: Vec<_> =
            library().iter().map(|(_, address)| address.addr() as u64).collect();
        assert_eq!(words.filter(|word| addresses.contains(word)).count(), 0);
    }

    #[test]
    fn what_nothing_defines_is_an_error() {
        let error = link_with(old_code().0, &[]).expect_err("there is no library");
        insta::assert_snapshot!(error, @"`old#0` refers to the symbol `fmaf`, which nothing defines");
    }
}
