//! The machine that code is made for, and the compilation of one function with Cranelift.

use std::fmt;
use std::sync::Arc;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, Signature, SourceLoc, types};
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
    /// Both, line by line.
    pub listing: CodeListing,
}

/// The source of a function and its instructions, with what belongs together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeListing {
    /// The lines of CLIF, or the statements of the tile program, in order.
    pub sources: Vec<SourceLine>,
    /// The instructions in the order of their addresses.
    pub instructions: Vec<MachineLine>,
}

/// A line of CLIF or a statement of a tile program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its text.
    pub text: String,
    /// The index of the node of the kernel's body that it computes a part of; none for loops,
    /// addresses and whatever belongs to the kernel as a whole.
    pub node: Option<usize>,
}

/// A machine instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineLine {
    /// Its offset from the start of the function, in bytes.
    pub offset: usize,
    /// Its text.
    pub text: String,
    /// The index of the source line that it was made of; none for what the compiler adds.
    pub source: Option<usize>,
    /// The index of the node that it computes a part of.
    pub node: Option<usize>,
}

/// The offset and the text.
impl fmt::Display for MachineLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6x}  {}", self.offset, self.text)
    }
}

/// The instructions in Intel's notation.
#[cfg(target_arch = "x86_64")]
pub(crate) fn disassemble(bytes: &[u8]) -> Vec<MachineLine> {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_first_operand_char_index(12);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_space_after_operand_separator(true);
    let line = |instruction: iced_x86::Instruction| {
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        MachineLine { offset: instruction.ip() as usize, text, source: None, node: None }
    };
    Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE).iter().map(line).collect()
}

/// The location in which CLIF carries the index of a node.
pub(crate) fn location(node: Option<usize>) -> SourceLoc {
    let index = node.and_then(|node| u32::try_from(node).ok());
    index.map_or_else(SourceLoc::default, SourceLoc::new)
}

/// The lines of CLIF. The locations of instructions, which are those of nodes, become the indices
/// of their lines.
fn number_lines(function: &mut Function) -> Vec<SourceLine> {
    let mut lines = Vec::new();
    let blocks: Vec<_> = function.layout.blocks().collect();
    for block in blocks {
        let params = function.dfg.block_params(block).iter();
        let params: Vec<String> =
            params.map(|&param| format!("{param}: {}", function.dfg.value_type(param))).collect();
        let params =
            if params.is_empty() { String::new() } else { format!("({})", params.join(", ")) };
        lines.push(SourceLine { text: format!("{block}{params}:"), node: None });
        let instructions: Vec<_> = function.layout.block_insts(block).collect();
        for instruction in instructions {
            let old = function.srcloc(instruction);
            let node = (!old.is_default()).then(|| old.bits() as usize);
            let text = format!("  {}", function.dfg.display_inst(instruction));
            function.set_srcloc(instruction, location(Some(lines.len())));
            lines.push(SourceLine { text, node });
        }
    }
    lines
}

/// The machine code beside the lines of CLIF, where instructions can be told apart.
fn listing(
    sources: Vec<SourceLine>,
    code: &cranelift_codegen::CompiledCode,
    assembly: &str,
) -> CodeListing {
    #[cfg(target_arch = "x86_64")]
    let lines = {
        let _ = assembly;
        disassemble(code.code_buffer())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let lines: Vec<MachineLine> = (assembly.lines())
        .map(|text| MachineLine { offset: 0, text: text.to_owned(), source: None, node: None })
        .collect();
    let ranges = code.buffer.get_srclocs_sorted();
    let instruction = |line: MachineLine| {
        if cfg!(not(target_arch = "x86_64")) {
            return line;
        }
        let holds = |range: &&cranelift_codegen::MachSrcLoc<cranelift_codegen::Final>| {
            (range.start as usize..range.end as usize).contains(&line.offset)
        };
        let found = ranges.iter().find(holds).filter(|range| !range.loc.is_default());
        let source = found.map(|range| range.loc.bits() as usize);
        let node = source.and_then(|index| sources.get(index)?.node);
        MachineLine { source, node, ..line }
    };
    let instructions = lines.into_iter().map(instruction).collect();
    CodeListing { sources, instructions }
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
    mut function: Function,
    id: FuncId,
    text: bool,
) -> Result<(MachineCode, Vec<FinalizedMachReloc>)> {
    let name = function.name.to_string();
    // Without locations it has the form in which CLIF is usually shown.
    let lines = text.then(|| number_lines(&mut function));
    let source = text.then(|| {
        let mut plain = function.clone();
        plain.srclocs.clear();
        plain.display().to_string()
    });
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
    machine.text = source.zip(lines).map(|(source, lines)| {
        let assembly = code.vcode.clone().unwrap_or_default();
        let listing = listing(lines, code, &assembly);
        CodeText { source, assembly, listing }
    });
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
