//! From functions to callable code.
//!
//! A [`Jit`] collects functions: kernels as CLIF, tiles as programs. [`Jit::finish`] compiles all of them, on all threads of the
//! current rayon pool, links them in the order of their declaration and hands out [`Code`], the owner of the
//! memory. Code pages are writable until then and executable from then on, never both.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use cranelift_codegen::ir::{FuncRef, Function, Signature, UserFuncName};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetFrontendConfig};
use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError, default_libcall_names};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::host::{self, CodeText, MachineCode, Optimization};
use crate::tile::{TileProgram, TileTarget};

/// Address space set aside for one [`Code`]. Reserved, not used: pages cost memory once code is in them.
const ARENA_BYTES: usize = 64 << 20;

/// Collects the functions of one executable.
pub struct Jit {
    module: JITModule,
    target: Arc<dyn TileTarget>,
    tiles: FxHashMap<Arc<TileProgram>, FuncId>,
    names: Vec<String>,
    pending: Vec<Pending>,
    text: bool,
}

/// The functions of the C library that Cranelift calls on processors without the instructions. They are ours, so that nothing
/// depends on which libraries a program happens to be linked with.
fn library() -> [(&'static str, *const u8); 6] {
    macro_rules! functions {
        ($float:ty, $fma:literal, $floor:literal, $round:literal) => {{
            extern "C" fn fma(a: $float, b: $float, c: $float) -> $float {
                a.mul_add(b, c)
            }
            extern "C" fn floor(a: $float) -> $float {
                a.floor()
            }
            extern "C" fn round(a: $float) -> $float {
                a.round_ties_even()
            }
            [($fma, fma as *const u8), ($floor, floor as *const u8), ($round, round as *const u8)]
        }};
    }
    let [a, b, c] = functions!(f32, "fmaf", "floorf", "nearbyintf");
    let [d, e, f] = functions!(f64, "fma", "floor", "nearbyint");
    [a, b, c, d, e, f]
}

/// A function that waits for [`Jit::finish`].
struct Pending {
    id: FuncId,
    source: Source,
}

enum Source {
    Kernel(Box<Function>, Optimization),
    Tile(Arc<TileProgram>),
}

impl Jit {
    /// For this machine, with tiles compiled by `target`.
    ///
    /// # Errors
    /// [`Error::Host`] if Cranelift does not know this machine, [`Error::Module`] if there is no address space left.
    pub fn new(target: Arc<dyn TileTarget>) -> Result<Self> {
        let arena = ArenaMemoryProvider::new_with_size(ARENA_BYTES).map_err(|error| {
            Error::Module(format!("no address space for {ARENA_BYTES} bytes: {error}"))
        })?;
        let mut builder =
            JITBuilder::with_isa(host::isa(Optimization::Speed)?, default_libcall_names());
        builder.memory_provider(Box::new(arena));
        for (name, address) in library() {
            builder.symbol(name, address);
        }
        Ok(Self {
            module: JITModule::new(builder),
            target,
            tiles: FxHashMap::default(),
            names: Vec::new(),
            pending: Vec::new(),
            text: false,
        })
    }

    /// Keeps the readable forms of all functions, see [`Code::functions`].
    #[must_use]
    pub fn with_text(mut self) -> Self {
        self.text = true;
        self
    }

    /// The instruction set of the tiles.
    #[must_use]
    pub fn target(&self) -> &dyn TileTarget {
        &*self.target
    }

    /// Announces a function of `arity` 64-bit integers, to be defined by [`Self::define`]. The name is for people, and need not be the only one of its kind.
    ///
    /// # Errors
    /// [`Error::Module`] if Cranelift refuses the declaration.
    pub fn declare(&mut self, name: &str, arity: usize) -> Result<FuncId> {
        let symbol = format!("{name}#{}", self.names.len());
        let id = self
            .module
            .declare_function(&symbol, Linkage::Local, &host::signature(arity))
            .map_err(module_error)?;
        self.names.push(name.to_owned());
        Ok(id)
    }

    /// An empty CLIF function for a declared one.
    #[must_use]
    pub fn function(&self, id: FuncId) -> Function {
        Function::with_name_signature(UserFuncName::user(0, id.as_u32()), self.signature(id))
    }

    fn signature(&self, id: FuncId) -> Signature {
        self.module.declarations().get_function_decl(id).signature.clone()
    }

    /// A declared function as a callee inside `caller`.
    pub fn import(&mut self, id: FuncId, caller: &mut Function) -> FuncRef {
        self.module.declare_func_in_func(id, caller)
    }

    /// What a function builder has to know of this machine.
    #[must_use]
    pub fn frontend_config(&self) -> TargetFrontendConfig {
        self.module.target_config()
    }

    /// The body of a declared function. It is compiled by [`Self::finish`].
    pub fn define(&mut self, id: FuncId, function: Function, optimization: Optimization) {
        self.pending.push(Pending { id, source: Source::Kernel(Box::new(function), optimization) });
    }

    /// The function of a tile program. Equal programs are one function.
    ///
    /// # Errors
    /// [`Error::Module`] if Cranelift refuses the declaration.
    pub fn tile(&mut self, program: &Arc<TileProgram>) -> Result<FuncId> {
        if let Some(&id) = self.tiles.get(program) {
            return Ok(id);
        }
        let id = self.declare(&program.name, program.params.len())?;
        self.tiles.insert(Arc::clone(program), id);
        self.pending.push(Pending { id, source: Source::Tile(Arc::clone(program)) });
        Ok(id)
    }

    /// Compiles and links everything.
    ///
    /// # Errors
    /// [`Error::Compile`] for a function that Cranelift refuses, [`Error::Module`] if a declared function has no body or there is
    /// no memory.
    pub fn finish(mut self) -> Result<Code> {
        let pending = std::mem::take(&mut self.pending);
        let kernels = Kernels {
            fast: host::isa(Optimization::Speed)?,
            scalar: host::isa(Optimization::Scalar)?,
            written: host::isa(Optimization::AsWritten)?,
        };
        let (target, text) = (&self.target, self.text);
        let compiled: Vec<(FuncId, Result<MachineCode>)> = pending
            .into_par_iter()
            .map(|Pending { id, source }| {
                let code = match source {
                    Source::Kernel(function, optimization) => {
                        host::compile(&**kernels.isa(optimization), *function, id, text)
                    }
                    Source::Tile(program) => target.compile(&program, id, text),
                };
                (id, code)
            })
            .collect();

        let mut functions: Vec<_> = self
            .names
            .iter()
            .map(|name| CompiledFunction { name: name.clone(), size: 0, text: None })
            .collect();
        let mut owned = Vec::new();
        for (id, code) in compiled {
            let code = code?;
            self.module
                .define_function_bytes(id, code.alignment, &code.bytes, &code.relocations)
                .map_err(module_error)?;
            let entry = &mut functions[id.as_u32() as usize];
            (entry.size, entry.text) = (code.bytes.len(), code.text);
            owned.extend(code.owned);
        }
        if let Some(missing) = functions.iter().find(|function| function.size == 0) {
            return Err(Error::Module(format!(
                "`{}` was declared and never defined",
                missing.name
            )));
        }
        self.module.finalize_definitions().map_err(module_error)?;
        let module = ManuallyDrop::new(self.module);
        Ok(Code { module, functions, tiles: self.tiles, _owned: owned })
    }
}

fn module_error(error: ModuleError) -> Error {
    Error::Module(error.to_string())
}

struct Kernels {
    fast: OwnedTargetIsa,
    scalar: OwnedTargetIsa,
    written: OwnedTargetIsa,
}

impl Kernels {
    fn isa(&self, optimization: Optimization) -> &OwnedTargetIsa {
        match optimization {
            Optimization::Speed => &self.fast,
            Optimization::Scalar => &self.scalar,
            Optimization::AsWritten => &self.written,
        }
    }
}

/// What is known of a compiled function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledFunction {
    /// The name it was declared with.
    pub name: String,
    /// Bytes of machine code.
    pub size: usize,
    /// Its readable forms, if they were asked for.
    pub text: Option<CodeText>,
}

/// CompiledFunction functions in executable memory. The memory goes back to the system when the owner is dropped.
pub struct Code {
    module: ManuallyDrop<JITModule>,
    functions: Vec<CompiledFunction>,
    tiles: FxHashMap<Arc<TileProgram>, FuncId>,
    _owned: Vec<Arc<dyn Any + Send + Sync>>,
}

// SAFETY: the module's memory is written only before `finish` returns. Afterwards a `Code` is only read, and the
// tables inside the module that could change behind a shared reference (the cache of symbol look-ups) are not reachable through it.
unsafe impl Sync for Code {}
// SAFETY: nothing in a module belongs to the thread that made it.
unsafe impl Send for Code {}

impl Code {
    /// Where a function starts, valid as long as the `Code` lives.
    ///
    /// It takes as many 64-bit integers as it was declared with, by the C calling convention of System V, and returns nothing.
    #[must_use]
    pub fn address(&self, id: FuncId) -> *const u8 {
        self.module.get_finalized_function(id)
    }

    /// The function of a tile program, if it is part of this code.
    #[must_use]
    pub fn tile(&self, program: &Arc<TileProgram>) -> Option<FuncId> {
        self.tiles.get(program).copied()
    }

    /// All functions, in the order of their declaration.
    #[must_use]
    pub fn functions(&self) -> &[CompiledFunction] {
        &self.functions
    }

    /// What is known of one function.
    #[must_use]
    pub fn function(&self, id: FuncId) -> &CompiledFunction {
        &self.functions[id.as_u32() as usize]
    }

    /// Bytes of machine code.
    #[must_use]
    pub fn size(&self) -> usize {
        self.functions.iter().map(|function| function.size).sum()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, here, and not used again.
        let module = unsafe { ManuallyDrop::take(&mut self.module) };
        // SAFETY: `address` says that its results die with the `Code`; whoever calls them keeps it alive.
        unsafe { module.free_memory() };
    }
}
