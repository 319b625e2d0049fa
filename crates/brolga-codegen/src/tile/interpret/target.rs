//! The interpreter as an instruction set: kernels call it like compiled tiles.

use std::sync::Arc;

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    Function, GlobalValueData, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind,
    UserFuncName,
};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::FuncId;

use super::execute::Machine;
use super::memory::Process;
use crate::error::Result;
use crate::host::{self, MachineCode, Optimization};
use crate::object::{self, Symbol};
use crate::tile::program::{LANES, TileProgram};
use crate::tile::target::{TileShape, TileTarget};

/// Tiles that are interpreted when a kernel calls them: for tests, and to tell whether a wrong
/// result comes from a kernel or from an instruction set.
#[derive(Clone)]
pub struct Interpret {
    isa: OwnedTargetIsa,
}

impl Interpret {
    /// The target for kernels of this machine.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host) if Cranelift does not know this machine.
    pub fn host() -> Result<Self> {
        Ok(Self { isa: host::isa(Optimization::AsWritten)? })
    }
}

impl TileTarget for Interpret {
    fn name(&self) -> &'static str {
        "interpret"
    }

    fn register_lanes(&self) -> usize {
        LANES
    }

    fn fits(&self, _: TileShape) -> bool {
        true
    }

    fn step_cycles(&self, shape: TileShape) -> f64 {
        shape.rows as f64 * shape.lanes as f64
    }

    fn contraction_shape(&self, rows: usize, lanes: usize) -> TileShape {
        TileShape { rows: rows.clamp(1, 8), lanes: lanes.clamp(1, 64) }
    }

    /// A function that puts its arguments into an array and calls the interpreter.
    fn compile(&self, program: &Arc<TileProgram>, id: FuncId, text: bool) -> Result<MachineCode> {
        program.validate()?;
        let arity = program.params.len();
        let mut function = Function::with_name_signature(
            UserFuncName::user(0, id.as_u32()),
            host::signature(arity),
        );
        let mut context = FunctionBuilderContext::new();
        let mut b = FunctionBuilder::new(&mut function, &mut context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let bytes = u32::try_from(8 * arity.max(1)).unwrap_or(u32::MAX);
        let slot =
            b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3));
        let args = b.ins().stack_addr(I64, slot, 0);
        for (index, arg) in b.block_params(entry).to_vec().into_iter().enumerate() {
            let offset = i32::try_from(8 * index).unwrap_or(i32::MAX);
            b.ins().store(MemFlagsData::trusted(), arg, args, offset);
        }
        let name = Symbol::Program(id).external_name(b.func);
        let program_data =
            GlobalValueData::Symbol { name, offset: 0.into(), colocated: false, tls: false };
        let program_data = b.create_global_value(program_data);
        let program_address = b.ins().symbol_value(I64, program_data);
        let callee = object::import(Symbol::Interpreter, 2, b.func);
        b.ins().call(callee, &[program_address, args]);
        b.ins().return_(&[]);
        b.finalize(self.isa.frontend_config());
        let code = host::compile(&*self.isa, function, id, text)?;
        Ok(MachineCode { program: Some(Arc::clone(program)), ..code })
    }
}

/// The address of the function that the functions of [`Interpret`] call.
pub(crate) fn interpreter() -> *const u8 {
    run as *const u8
}

extern "C" fn run(program: *const TileProgram, args: *const u64) {
    // SAFETY: the linker keeps the program with the code (`MachineCode::program`), and it never
    // changes.
    let program = unsafe { &*program };
    // SAFETY: the caller's array has one argument for each parameter.
    let args = unsafe { std::slice::from_raw_parts(args, program.params.len()) };
    // SAFETY: the kernel that calls the tile passes addresses that are valid for what the program
    // does.
    let memory = unsafe { Process::new() };
    let done = Machine::new(program, memory, args.to_vec()).run();
    debug_assert_eq!(done, Ok(()), "the memory of the process refuses no access");
}
