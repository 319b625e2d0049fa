//! Relocatable code: compiled functions without addresses.
//!
//! An [`ObjectBuilder`] collects functions: kernels as CLIF, tiles as programs.
//! [`ObjectBuilder::finish`] compiles all of them, on all threads of the current rayon pool, to an
//! [`Object`]: bytes, and the offsets in them that wait for the address of a [`Symbol`].
//! [`link`](crate::jit::link) makes them run.

use std::fmt;
use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
pub use cranelift_codegen::ir::Function;
use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, LibCall, UserExternalName, UserFuncName,
};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetFrontendConfig};
use cranelift_codegen::{FinalizedMachReloc, FinalizedRelocTarget};
use cranelift_module::FuncId;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use crate::cache::{self, Kept, References};
use crate::error::{Error, Result};
use crate::host::{self, MachineCode, Optimization};
use crate::kernel::KernelFn;
use crate::tile::{TileProgram, TileTarget};

/// The target of a reference in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symbol {
    /// A function of the same object.
    Function(FuncId),
    /// A function of the C library, called on processors without the instruction.
    Library(LibCall),
    /// The interpreter of tile programs.
    Interpreter,
    /// The tile program that this function of the same object passes to the interpreter.
    Program(FuncId),
}

/// An offset in a function that waits for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relocation {
    /// Its offset from the start of the function, in bytes.
    pub offset: u32,
    /// The form in which the address is written.
    pub kind: Reloc,
    /// The symbol whose address is written.
    pub symbol: Symbol,
    /// The addend.
    pub addend: i64,
}

/// The namespaces of [`UserExternalName`] in which CLIF names symbols.
const FUNCTIONS: u32 = 0;
const INTERPRETER: u32 = 1;
const PROGRAMS: u32 = 2;

impl Symbol {
    /// The symbol as CLIF names it in a function.
    pub(crate) fn external_name(self, function: &mut Function) -> ExternalName {
        let (namespace, index) = match self {
            Self::Library(call) => return ExternalName::LibCall(call),
            Self::Function(id) => (FUNCTIONS, id.as_u32()),
            Self::Interpreter => (INTERPRETER, 0),
            Self::Program(id) => (PROGRAMS, id.as_u32()),
        };
        let name = UserExternalName { namespace, index };
        ExternalName::user(function.declare_imported_user_function(name))
    }

    /// The symbol with this name in CLIF.
    fn of_user_name(name: &UserExternalName) -> Option<Self> {
        let id = FuncId::from_u32(name.index);
        match name.namespace {
            FUNCTIONS => Some(Self::Function(id)),
            INTERPRETER => Some(Self::Interpreter),
            PROGRAMS => Some(Self::Program(id)),
            _ => None,
        }
    }
}

impl Relocation {
    /// The same of a function that refers to nothing but itself, under another id.
    fn moved(&self, id: FuncId) -> Self {
        let symbol = match self.symbol {
            Symbol::Function(_) => Symbol::Function(id),
            Symbol::Program(_) => Symbol::Program(id),
            symbol => symbol,
        };
        Self { symbol, ..*self }
    }

    /// The relocation that Cranelift asks for in a function; `None` if its target is no [`Symbol`].
    pub(crate) fn of(reloc: &FinalizedMachReloc, function: &Function, id: FuncId) -> Option<Self> {
        let (symbol, start) = match &reloc.target {
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
                (Symbol::of_user_name(&function.params.user_named_funcs()[*name])?, 0)
            }
            FinalizedRelocTarget::ExternalName(ExternalName::LibCall(call)) => {
                (Symbol::Library(*call), 0)
            }
            FinalizedRelocTarget::Func(offset) => (Symbol::Function(id), i64::from(*offset)),
            FinalizedRelocTarget::ExternalName(_) => return None,
        };
        let FinalizedMachReloc { offset, kind, addend, .. } = *reloc;
        Some(Self { offset, kind, symbol, addend: addend + start })
    }
}

/// One function of an [`Object`].
#[derive(Debug)]
pub struct ObjectFunction {
    /// The name it was declared with, which need not be unique.
    pub name: String,
    /// Its name within the object.
    pub symbol: String,
    /// The number of 64-bit integers that it takes.
    pub arity: usize,
    /// Its CLIF before Cranelift changes it, see [`ObjectBuilder::with_clif`]; tiles have none.
    pub clif: Option<Box<Function>>,
    /// Its machine code.
    pub code: MachineCode,
    /// Whether this process had compiled it before.
    pub reused: bool,
    /// The layers and roles of the kernels that it is for, such as `conv2d.backward`, if a
    /// [profiler](crate::perf) asks.
    pub places: Vec<String>,
}

/// Functions as machine code that holds no address of any process.
#[derive(Debug, Default)]
pub struct Object {
    pub(crate) functions: Vec<ObjectFunction>,
    pub(crate) absolute: Vec<(String, KernelFn)>,
    tiles: FxHashMap<Arc<TileProgram>, FuncId>,
}

impl Object {
    /// An object without machine code, whose symbols are functions of this process.
    pub fn of_functions(functions: impl IntoIterator<Item = (String, KernelFn)>) -> Self {
        Self { absolute: functions.into_iter().collect(), ..Self::default() }
    }

    /// The function of a tile program, if it is part of this object.
    #[must_use]
    pub fn tile(&self, program: &Arc<TileProgram>) -> Option<FuncId> {
        self.tiles.get(program).copied()
    }

    /// All functions, in the order of their declaration.
    #[must_use]
    pub fn functions(&self) -> &[ObjectFunction] {
        &self.functions
    }

    /// One function.
    #[must_use]
    pub fn function(&self, id: FuncId) -> &ObjectFunction {
        &self.functions[id.as_u32() as usize]
    }

    /// These functions and all that they call, each once: indices into [`functions`](Self::functions)
    /// in the order in which they are met.
    pub(crate) fn reached(&self, from: &[FuncId]) -> Vec<u32> {
        let mut reached: Vec<u32> = Vec::new();
        let mut next: Vec<FuncId> = from.iter().rev().copied().collect();
        while let Some(id) = next.pop() {
            if reached.contains(&id.as_u32()) {
                continue;
            }
            reached.push(id.as_u32());
            let called = self.function(id).code.relocations.iter().rev();
            next.extend(called.filter_map(|relocation| match relocation.symbol {
                Symbol::Function(id) => Some(id),
                _ => None,
            }));
        }
        reached
    }

    /// Bytes of machine code.
    #[must_use]
    pub fn size(&self) -> usize {
        self.functions.iter().map(|function| function.code.bytes.len()).sum()
    }
}

/// Collects the functions of one object.
pub struct ObjectBuilder {
    target: Arc<dyn TileTarget>,
    isas: Isas,
    tiles: FxHashMap<Arc<TileProgram>, FuncId>,
    declared: Vec<Declared>,
    text: bool,
    clif: bool,
}

struct Declared {
    name: String,
    arity: usize,
    source: Option<Source>,
    places: Vec<String>,
}

enum Source {
    Kernel(Box<Function>, Optimization),
    Tile(Arc<TileProgram>),
}

impl ObjectBuilder {
    /// A builder for this machine, with tiles compiled by `target`.
    ///
    /// # Errors
    /// [`Error::Host`] if Cranelift does not know this machine.
    pub fn new(target: Arc<dyn TileTarget>) -> Result<Self> {
        let isas = Isas {
            speed: host::isa(Optimization::Speed)?,
            scalar: host::isa(Optimization::Scalar)?,
            written: host::isa(Optimization::AsWritten)?,
        };
        let (tiles, declared) = (FxHashMap::default(), Vec::new());
        Ok(Self { target, isas, tiles, declared, text: false, clif: false })
    }

    /// Keeps the readable forms of all functions, see [`MachineCode::text`].
    #[must_use]
    pub fn with_text(mut self) -> Self {
        self.text = true;
        self
    }

    /// Keeps the CLIF of all functions but tiles, see [`ObjectFunction::clif`]: a copy, which takes
    /// less time than the texts of [`with_text`](Self::with_text).
    #[must_use]
    pub fn with_clif(mut self) -> Self {
        self.clif = true;
        self
    }

    /// Announces a function of `arity` 64-bit integers, to be defined by [`Self::define`]. The name
    /// is for readers, and need not be unique.
    pub fn declare(&mut self, name: &str, arity: usize) -> FuncId {
        self.add(name, arity, None)
    }

    fn add(&mut self, name: &str, arity: usize, source: Option<Source>) -> FuncId {
        self.declared.push(Declared { name: name.to_owned(), arity, source, places: Vec::new() });
        FuncId::from_u32(self.declared.len() as u32 - 1)
    }

    /// An empty CLIF function for a declared one.
    #[must_use]
    pub fn function(&self, id: FuncId) -> Function {
        let arity = self.declared[id.as_u32() as usize].arity;
        Function::with_name_signature(
            UserFuncName::user(FUNCTIONS, id.as_u32()),
            host::signature(arity),
        )
    }

    /// A declared function as a callee inside `caller`.
    pub fn import(&self, id: FuncId, caller: &mut Function) -> FuncRef {
        let arity = self.declared[id.as_u32() as usize].arity;
        import(Symbol::Function(id), arity, caller)
    }

    /// The properties of this machine that a function builder asks for.
    #[must_use]
    pub fn frontend_config(&self) -> TargetFrontendConfig {
        self.isas.speed.frontend_config()
    }

    /// The body of a declared function. It is compiled by [`Self::finish`].
    pub fn define(&mut self, id: FuncId, function: Function, optimization: Optimization) {
        let source = Source::Kernel(Box::new(function), optimization);
        self.declared[id.as_u32() as usize].source = Some(source);
    }

    /// Adds a layer and role to those that a function is for.
    pub(crate) fn add_place(&mut self, id: FuncId, place: &str) {
        let places = &mut self.declared[id.as_u32() as usize].places;
        if !places.iter().any(|known| known == place) {
            places.push(place.to_owned());
        }
    }

    /// The function of a tile program. Equal programs are one function.
    pub fn tile(&mut self, program: &Arc<TileProgram>) -> FuncId {
        if let Some(&id) = self.tiles.get(program) {
            return id;
        }
        let source = Source::Tile(Arc::clone(program));
        let id = self.add(&program.name, program.params.len(), Some(source));
        self.tiles.insert(Arc::clone(program), id);
        id
    }

    /// Compiles everything.
    ///
    /// # Errors
    /// [`Error::Compile`] for a function that Cranelift refuses, [`Error::Module`] if a declared
    /// function has no body.
    pub fn finish(self) -> Result<Object> {
        let Self { target, isas, tiles, declared, text, clif } = self;
        let compile = |(index, Declared { name, arity, source, places }): (u32, Declared)| {
            let id = FuncId::from_u32(index);
            let clif = match &source {
                Some(Source::Kernel(function, _)) if clif => {
                    let mut plain = function.clone();
                    // The nodes of instructions are no part of the text.
                    plain.srclocs.clear();
                    Some(plain)
                }
                _ => None,
            };
            let (code, reused) = match source {
                Some(Source::Kernel(function, optimization)) => {
                    let isa = &**isas.of(optimization);
                    match text {
                        true => (host::compile(isa, *function, id, true)?, false),
                        false => host::compile_once(isa, optimization, *function, id)?,
                    }
                }
                Some(Source::Tile(program)) => match target.known_as().filter(|_| !text) {
                    None => (target.compile(&program, id, text)?, false),
                    Some(name) => compile_tile_once((&*target, name), program, id)?,
                },
                None => {
                    let problem = format!("`{name}` was declared and never defined");
                    return Err(Error::Module(problem));
                }
            };
            let symbol = format!("{name}#{index}");
            Ok(ObjectFunction { name, symbol, arity, clif, code, reused, places })
        };
        let declared: Vec<(u32, Declared)> = (0..).zip(declared).collect();
        let functions: Vec<Result<ObjectFunction>> =
            declared.into_par_iter().map(compile).collect();
        let functions = functions.into_iter().collect::<Result<_>>()?;
        Ok(Object { functions, tiles, absolute: Vec::new() })
    }
}

/// Compiles a tile program, unless this process has done so before.
fn compile_tile_once(
    (target, name): (&dyn TileTarget, &'static str),
    program: Arc<TileProgram>,
    id: FuncId,
) -> Result<(MachineCode, bool)> {
    let source = cache::Source::Tile(name, Arc::clone(&program));
    if let Some(kept) = cache::find(&source)
        && let References::Own(references) = &kept.references
    {
        let Kept { bytes, alignment, program, .. } = &*kept;
        let relocations = references.iter().map(|reference| reference.moved(id)).collect();
        let (bytes, alignment, program) = (bytes.clone(), *alignment, program.clone());
        return Ok((MachineCode { bytes, alignment, relocations, text: None, program }, true));
    }
    let code = target.compile(&program, id, false)?;
    // A tile calls no other function, so that its references are the same in any object.
    let is_own = |reference: &Relocation| match reference.symbol {
        Symbol::Function(other) | Symbol::Program(other) => other == id,
        Symbol::Library(_) | Symbol::Interpreter => true,
    };
    if code.relocations.iter().all(is_own) {
        let (bytes, alignment, program) =
            (code.bytes.clone(), code.alignment, code.program.clone());
        let references = References::Own(code.relocations.clone());
        cache::keep(source, Kept { bytes, alignment, references, program });
    }
    Ok((code, false))
}

/// A symbol as a callee of `arity` 64-bit integers inside `caller`.
pub(crate) fn import(symbol: Symbol, arity: usize, caller: &mut Function) -> FuncRef {
    let signature = caller.import_signature(host::signature(arity));
    let name = symbol.external_name(caller);
    // A function of the same object is near enough for a relative call.
    let colocated = matches!(symbol, Symbol::Function(_));
    caller.import_function(ExtFuncData { name, signature, colocated, patchable: false })
}

/// Cranelift's descriptions of this machine.
struct Isas {
    speed: OwnedTargetIsa,
    scalar: OwnedTargetIsa,
    written: OwnedTargetIsa,
}

impl Isas {
    fn of(&self, optimization: Optimization) -> &OwnedTargetIsa {
        match optimization {
            Optimization::Speed => &self.speed,
            Optimization::Scalar => &self.scalar,
            Optimization::AsWritten => &self.written,
        }
    }
}

impl fmt::Debug for ObjectBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.declared.iter().map(|declared| &declared.name).collect();
        f.debug_struct("ObjectBuilder").field("functions", &names).finish_non_exhaustive()
    }
}
