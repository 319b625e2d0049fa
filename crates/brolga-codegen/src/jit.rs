//! The linker for this process: from relocatable code to callable code.
//!
//! [`link`] puts the functions of an [`Object`] in the order of their declaration in memory of
//! exactly their size, and fills in what they refer to. Pages are writable until then and
//! executable from then on, never both. [`Code`] owns the memory.

use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::LibCall;
use cranelift_jit::{
    ArenaMemoryProvider, BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule,
};
use cranelift_module::{
    FuncId, Linkage, Module, ModuleError, ModuleReloc, ModuleRelocTarget, ModuleResult,
    default_libcall_names,
};
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::host::{self, Optimization};
use crate::kernel::KernelFn;
use crate::object::{Object, ObjectFunction, Relocation, Symbol};
use crate::perf;
use crate::tile::{TileProgram, interpreter};

/// A symbol that this process defines, with its address.
pub(crate) type Definition = (LibCall, *const u8);

/// The functions of the C library that Cranelift calls on processors without the instructions. They
/// are Rust's, so that nothing depends on the libraries that a program is linked with.
pub(crate) fn library() -> [Definition; 6] {
    macro_rules! functions {
        ($float:ty, $fma:ident, $floor:ident, $round:ident) => {{
            extern "C" fn fma(a: $float, b: $float, c: $float) -> $float {
                a.mul_add(b, c)
            }
            extern "C" fn floor(a: $float) -> $float {
                a.floor()
            }
            extern "C" fn round(a: $float) -> $float {
                a.round_ties_even()
            }
            [
                (LibCall::$fma, fma as *const u8),
                (LibCall::$floor, floor as *const u8),
                (LibCall::$round, round as *const u8),
            ]
        }};
    }
    let [a, b, c] = functions!(f32, FmaF32, FloorF32, NearestF32);
    let [d, e, f] = functions!(f64, FmaF64, FloorF64, NearestF64);
    [a, b, c, d, e, f]
}

/// Makes the functions of an object callable in this process.
///
/// # Errors
/// [`Error::MissingSymbol`] if a function refers to a symbol that is not defined, [`Error::Module`]
/// if there is no memory.
pub fn link(object: Object) -> Result<Code> {
    link_with(object, &library())
}

pub(crate) fn link_with(object: Object, library: &[Definition]) -> Result<Code> {
    let Object { functions, absolute, .. } = object;
    check(&functions, library)?;
    let isa = host::isa(Optimization::Speed)?;
    let least = u64::from(isa.function_alignment().minimum).max(isa.symbol_alignment());
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    builder.memory_provider(Box::new(Block::new(extent(&functions, least))?));
    for &(call, address) in library {
        builder.symbol(name_of(call), address);
    }
    builder.symbol(INTERPRETER, interpreter());
    for (index, function) in functions.iter().enumerate() {
        if let Some(program) = &function.code.program {
            builder.symbol(program_name(index as u32), Arc::as_ptr(program).cast());
        }
    }
    let mut module = JITModule::new(builder);
    copy(&mut module, &functions)?;

    if perf::is_wanted() {
        let address = |index| module.get_finalized_function(FuncId::from_u32(index)).addr();
        let symbols = (0..).zip(&functions).map(|(index, function)| (address(index), function));
        perf::write_map(symbols)?;
    }
    let mut symbols: FxHashMap<String, KernelFn> = absolute.into_iter().collect();
    let mut programs = Vec::new();
    for (index, function) in (0..).zip(functions) {
        programs.extend(function.code.program);
        if function.arity == KERNEL_ARITY {
            let address = module.get_finalized_function(FuncId::from_u32(index));
            // SAFETY: the function takes four 64-bit integers and gives no result, by the calling
            // convention of System V, which is that of `KernelFn` on the hosts that Cranelift's
            // back end accepts. It lives as long as the module, which `Code` owns.
            let entry = unsafe { std::mem::transmute::<*const u8, KernelFn>(address) };
            symbols.insert(function.symbol, entry);
        }
    }
    Ok(Code { module: ManuallyDrop::new(module), symbols, _programs: programs })
}

/// The parameters of a [`KernelFn`].
pub(crate) const KERNEL_ARITY: usize = 4;

/// The symbol of the interpreter of tile programs.
const INTERPRETER: &str = "brolga_interpret";

/// The symbol of a tile program that a function passes to the interpreter.
fn program_name(function: u32) -> String {
    format!("brolga_program#{function}")
}

fn name_of(call: LibCall) -> String {
    default_libcall_names()(call)
}

/// Checks that all symbols that functions refer to are defined.
fn check(functions: &[ObjectFunction], library: &[Definition]) -> Result<()> {
    for function in functions {
        for Relocation { symbol, .. } in &function.code.relocations {
            let defined_as = |id: FuncId| functions.get(id.as_u32() as usize);
            let (defined, name) = match *symbol {
                Symbol::Function(id) => (defined_as(id).is_some(), format!("function {id}")),
                Symbol::Library(call) => {
                    (library.iter().any(|(defined, _)| *defined == call), name_of(call))
                }
                Symbol::Interpreter => continue,
                Symbol::Program(id) => (
                    defined_as(id).is_some_and(|function| function.code.program.is_some()),
                    program_name(id.as_u32()),
                ),
            };
            if !defined {
                let function = function.symbol.clone();
                return Err(Error::MissingSymbol { function, symbol: name });
            }
        }
    }
    Ok(())
}

/// Copies the functions to their addresses and fills in what they refer to.
fn copy(module: &mut JITModule, functions: &[ObjectFunction]) -> Result<()> {
    let failed = |error: ModuleError| Error::Module(error.to_string());
    for function in functions {
        let signature = host::signature(function.arity);
        module.declare_function(&function.symbol, Linkage::Local, &signature).map_err(failed)?;
    }
    let interpreter = module
        .declare_function(INTERPRETER, Linkage::Import, &host::signature(2))
        .map_err(failed)?;
    for (index, function) in (0..).zip(functions) {
        let mut relocations = Vec::with_capacity(function.code.relocations.len());
        for &Relocation { offset, kind, symbol, addend } in &function.code.relocations {
            let name: ModuleRelocTarget = match symbol {
                Symbol::Function(id) => id.into(),
                Symbol::Library(call) => ModuleRelocTarget::LibCall(call),
                Symbol::Interpreter => interpreter.into(),
                Symbol::Program(id) => {
                    let name = program_name(id.as_u32());
                    module
                        .declare_data(&name, Linkage::Import, false, false)
                        .map_err(failed)?
                        .into()
                }
            };
            relocations.push(ModuleReloc { offset, kind, name, addend });
        }
        let (id, code) = (FuncId::from_u32(index), &function.code);
        module
            .define_function_bytes(id, code.alignment, &code.bytes, &relocations)
            .map_err(failed)?;
    }
    module.finalize_definitions().map_err(failed)
}

/// The bytes reserved after a function for each of its calls on 64-bit Arm, in case the callee is
/// out of reach.
const VENEER: usize = 24;

/// The bytes that functions take one after the other, each at a multiple of its alignment and of
/// the `least` one.
fn extent(functions: &[ObjectFunction], least: u64) -> usize {
    functions.iter().fold(0, |end: usize, ObjectFunction { code, .. }| {
        let calls = code.relocations.iter().filter(|to| to.kind == Reloc::Arm64Call).count();
        let start = end.next_multiple_of(code.alignment.max(least) as usize);
        start + code.bytes.len() + calls * VENEER
    })
}

/// The reach of a call; on 64-bit Arm, a callee that is farther away has a veneer.
const REACH: usize = i32::MAX as usize;

/// One block of memory, allocated from its start to its end.
struct Block {
    arena: ArenaMemoryProvider,
    start: *mut u8,
    bytes: usize,
    used: usize,
}

// SAFETY: the block has no other owner, and is not bound to the thread that made it.
unsafe impl Send for Block {}

impl Block {
    fn new(bytes: usize) -> Result<Self> {
        let bytes = bytes.max(1);
        if bytes > REACH {
            let problem = format!("{bytes} bytes of code are more than calls reach, {REACH}");
            return Err(Error::Module(problem));
        }
        let failed = |error: &dyn std::fmt::Display| {
            Error::Module(format!("there is no memory for {bytes} bytes of code: {error}"))
        };
        let mut arena =
            ArenaMemoryProvider::new_with_size(bytes).map_err(|error| failed(&error))?;
        let start =
            arena.allocate(bytes, 1, JITMemoryKind::Executable).map_err(|error| failed(&error))?;
        Ok(Self { arena, start, bytes, used: 0 })
    }
}

impl JITMemoryProvider for Block {
    fn allocate(&mut self, size: usize, align: u64, _: JITMemoryKind) -> io::Result<*mut u8> {
        // The block starts at a page, and so at a multiple of any alignment of functions.
        let start = self.used.next_multiple_of(align as usize);
        let end = start + size;
        if end > self.bytes {
            let message = format!("{end} bytes of code, {} were counted", self.bytes);
            return Err(io::Error::other(message));
        }
        self.used = end;
        Ok(self.start.wrapping_add(start))
    }

    unsafe fn free_memory(&mut self) {
        // SAFETY: the caller promises the same: the memory is not used any more.
        unsafe { self.arena.free_memory() };
    }

    fn finalize(&mut self, branch_protection: BranchProtection) -> ModuleResult<()> {
        JITMemoryProvider::finalize(&mut self.arena, branch_protection)
    }
}

/// Functions in executable memory, which is freed when the owner is dropped.
pub struct Code {
    module: ManuallyDrop<JITModule>,
    symbols: FxHashMap<String, KernelFn>,
    _programs: Vec<Arc<TileProgram>>,
}

// SAFETY: the module's memory is written only before `link` returns. Afterwards a `Code` is only
// read, and the tables inside the module that could change through a shared reference (the cache of
// symbol look-ups) are not reachable through it.
unsafe impl Sync for Code {}

impl Code {
    /// The address of a function, valid as long as the `Code` lives.
    ///
    /// It takes as many 64-bit integers as it was declared with, by the C calling convention of
    /// System V, and returns nothing.
    #[must_use]
    pub fn address(&self, id: FuncId) -> *const u8 {
        self.module.get_finalized_function(id)
    }

    /// The stage of a kernel that has this symbol, valid as long as the `Code` lives.
    #[must_use]
    pub fn kernel(&self, symbol: &str) -> Option<KernelFn> {
        self.symbols.get(symbol).copied()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").field("kernels", &self.symbols.len()).finish_non_exhaustive()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, here, and not used again.
        let module = unsafe { ManuallyDrop::take(&mut self.module) };
        // SAFETY: `address` and `kernel` say that their results die with the `Code`; the caller
        // keeps it alive.
        unsafe { module.free_memory() };
    }
}
