//! The machine that code is made for, and the compilation of one function with Cranelift.

use std::fmt;
use std::sync::Arc;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, Signature, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, FinalizedMachReloc};
use cranelift_module::FuncId;

use crate::cache::{self, Kept, References, Source};
use crate::error::{Error, Result};
use crate::object::Relocation;
use crate::tile::TileProgram;

/// The extent to which Cranelift changes a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Optimization {
    /// Common subexpressions, loop-invariant code and dead code are found; pure instructions move
    /// to their use. For kernels.
    Speed,
    /// As [`Speed`](Self::Speed), with better register allocation. For scalar loops.
    Scalar,
    /// Instructions stay in the order in which they were written. For tiles: their order decides
    /// what stays in registers.
    AsWritten,
}

/// Cranelift's description of this machine.
///
/// # Errors
/// [`Error::Host`] if Cranelift does not know this machine, or it is an x86-64 processor without
/// SSE4.1.
pub fn isa(optimization: Optimization) -> Result<OwnedTargetIsa> {
    #[cfg(target_arch = "x86_64")]
    if !std::is_x86_feature_detected!("sse4.1") {
        return Err(Error::Host("an x86-64 processor has to have SSE4.1".to_owned()));
    }
    let builder = cranelift_native::builder().map_err(|message| Error::Host(message.to_owned()))?;
    finish_isa(builder, optimization)
}

pub(crate) fn finish_isa(
    builder: cranelift_codegen::isa::Builder,
    optimization: Optimization,
) -> Result<OwnedTargetIsa> {
    // Kernels need few registers: they are loops around calls, whose cost hides that of moves.
    let (opt_level, allocation) = match optimization {
        Optimization::Speed => ("speed", "single_pass"),
        Optimization::Scalar => ("speed", "backtracking"),
        Optimization::AsWritten => ("none", "backtracking"),
    };
    let verify = if cfg!(debug_assertions) { "true" } else { "false" };
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", opt_level),
        ("regalloc_algorithm", allocation),
        ("is_pic", "false"),
        ("enable_verifier", verify),
        ("log2_min_function_alignment", "6"),
        ("unwind_info", "false"),
    ] {
        flags
            .set(name, value)
            .map_err(|error| Error::Host(format!("Cranelift's setting `{name}`: {error}")))?;
    }
    builder.finish(settings::Flags::new(flags)).map_err(|error| Error::Host(error.to_string()))
}

/// The signature of every tile and kernel: `arity` 64-bit integers, no result.
#[must_use]
pub fn signature(arity: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = vec![AbiParam::new(types::I64); arity];
    signature
}

/// A function's readable forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeText {
    /// The tile program or the CLIF function.
    pub source: String,
    /// The machine code.
    pub assembly: String,
}

/// One compiled function, not yet placed in memory.
pub struct MachineCode {
    /// The instructions, with the constants that they refer to.
    pub bytes: Vec<u8>,
    /// Its alignment in bytes.
    pub alignment: u64,
    /// The references to be filled in once all addresses are known.
    pub relocations: Vec<Relocation>,
    /// The readable forms, if they were asked for.
    pub text: Option<CodeText>,
    /// The program that the function passes to the interpreter, if it does, which has to live as
    /// long as the code.
    pub program: Option<Arc<TileProgram>>,
}

impl fmt::Debug for MachineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.len();
        f.debug_struct("MachineCode")
            .field("bytes", &bytes)
            .field("relocations", &self.relocations)
            .finish_non_exhaustive()
    }
}

/// Compiles one function, unless this process has compiled it before: then it is told so, and gives
/// its code.
///
/// # Errors
/// [`Error::Compile`] if Cranelift refuses the function.
pub(crate) fn compile_once(
    isa: &dyn TargetIsa,
    optimization: Optimization,
    function: Function,
    id: FuncId,
) -> Result<(MachineCode, bool)> {
    let source = Source::Clif(optimization, Box::new(function.stencil.clone()));
    if let Some(kept) = cache::find(&source)
        && let References::Imported(references) = &kept.references
    {
        let name = function.name.to_string();
        let code = machine_code(&kept.bytes, kept.alignment, references, (&function, &name, id))?;
        return Ok((code, true));
    }
    let (code, references) = compile_with(isa, function, id, false)?;
    let (bytes, alignment) = (code.bytes.clone(), code.alignment);
    let references = References::Imported(references);
    cache::keep(source, Kept { bytes, alignment, references, program: None });
    Ok((code, false))
}

/// Compiles one function.
///
/// # Errors
/// [`Error::Compile`] if Cranelift refuses the function.
pub fn compile(
    isa: &dyn TargetIsa,
    function: Function,
    id: FuncId,
    text: bool,
) -> Result<MachineCode> {
    Ok(compile_with(isa, function, id, text)?.0)
}

/// The code of a function, and its references as Cranelift gives them.
fn compile_with(
    isa: &dyn TargetIsa,
    function: Function,
    id: FuncId,
    text: bool,
) -> Result<(MachineCode, Vec<FinalizedMachReloc>)> {
    let name = function.name.to_string();
    let source = text.then(|| function.display().to_string());
    let mut context = Context::for_function(function);
    context.set_disasm(text);
    let failed = |message: String| Error::Compile { function: name.clone(), message };
    context
        .compile(isa, &mut ControlPlane::default())
        .map_err(|error| failed(format!("{:?}", error.inner)))?;
    let code = context.compiled_code().ok_or_else(|| failed("no code".to_owned()))?;
    let references = code.buffer.relocs().to_vec();
    let alignment = u64::from(code.buffer.alignment);
    let of = (&context.func, &*name, id);
    let mut machine = machine_code(code.code_buffer(), alignment, &references, of)?;
    machine.text =
        source.map(|source| CodeText { source, assembly: code.vcode.clone().unwrap_or_default() });
    Ok((machine, references))
}

/// The code of a function whose references name what the function has imported.
fn machine_code(
    bytes: &[u8],
    alignment: u64,
    references: &[FinalizedMachReloc],
    (function, name, id): (&Function, &str, FuncId),
) -> Result<MachineCode> {
    let relocation = |reference: &FinalizedMachReloc| {
        Relocation::of(reference, function, id).ok_or_else(|| {
            let message = format!("it refers to {:?}", reference.target);
            Error::Compile { function: name.to_owned(), message }
        })
    };
    let relocations = references.iter().map(relocation).collect::<Result<_>>()?;
    Ok(MachineCode { bytes: bytes.to_vec(), alignment, relocations, text: None, program: None })
}
