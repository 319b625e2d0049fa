//! Kernels and their machine code.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brolga_codegen::kernel::{CompiledKernel, Stage};
use brolga_codegen::object::{Function, Object, Symbol};
use brolga_codegen::{Described, Description};
use brolga_ir::{Graph, Op, Role, Uid};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::Program;

/// A kernel of the optimized graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelRecord {
    /// Its node.
    pub node: Uid,
    /// Its name, such as `conv_add_relu`.
    pub name: String,
    /// Its kind, such as `contraction`.
    pub kind: String,
    /// Its layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Its role.
    pub role: Role,
    /// How it was lowered: an index into [`Program::lowerings`]. Equal kernels share it.
    pub lowering: u32,
}

/// How kernels of one body are computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoweringRecord {
    /// The name of the lowering, and the reason if it is the general one.
    pub lowering: String,
    /// The stages as loop nests.
    pub nests: Vec<String>,
    /// The tile programs that the nests call, each once.
    pub tiles: Vec<String>,
    /// The stages as the runtime sees them.
    pub stages: Vec<Stage>,
    /// Bytes of workspace.
    pub workspace: usize,
    /// Bytes of scratch memory of each worker.
    pub scratch: usize,
    /// The functions of the stages and those that they call: indices into [`Program::functions`].
    pub functions: Vec<u32>,
}

/// One function of machine code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// Its name within the program, which the stages use.
    pub symbol: String,
    /// Its CLIF; that of a tile is not kept, see [`LoweringRecord::tiles`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clif: Option<String>,
    /// The instructions, with the constants that they refer to.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub code: Vec<u8>,
    /// Its alignment in bytes.
    pub alignment: u64,
    /// The references to other symbols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relocations: Vec<RelocationRecord>,
    /// Which nodes its instructions compute, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<CodeRange>,
}

/// An offset in a function that waits for the address of a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelocationRecord {
    /// Its offset from the start of the function, in bytes.
    pub offset: u32,
    /// The function of the program, or the name of a function outside of it.
    pub symbol: String,
}

/// Instructions that compute nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRange {
    /// The offset of the first byte.
    pub start: u32,
    /// The offset after the last one.
    pub end: u32,
    /// The nodes of kernels, or of their bodies.
    pub nodes: Vec<Uid>,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// Kernels and code as they were compiled, before anything is written as text.
#[derive(Debug)]
pub(crate) struct Code {
    descriptions: Vec<Description>,
    /// The compiled kernel of each lowering.
    compiled: Vec<CompiledKernel>,
    kernels: Vec<KernelRecord>,
    functions: Vec<(FunctionRecord, Option<Box<Function>>)>,
}

impl Code {
    pub(crate) fn new(graph: &Graph, described: &Described<'_>) -> Self {
        let Described { compiled, descriptions, lowerings } = described;
        let object = compiled.object();
        let mut nodes: FxHashMap<u32, Vec<Uid>> = FxHashMap::default();
        let mut kernels = Vec::with_capacity(lowerings.len());
        let mut of_lowering = vec![CompiledKernel::default(); descriptions.len()];
        for &(id, lowering) in lowerings {
            let node = graph.node(id);
            let Op::Kernel(kernel) = &node.op else { continue };
            for &function in descriptions[lowering].functions() {
                nodes.entry(function).or_default().push(node.uid);
            }
            if let Some(compiled) = compiled.kernels().get(&id) {
                of_lowering[lowering].clone_from(compiled);
            }
            kernels.push(KernelRecord {
                node: node.uid,
                name: kernel.body.name().to_owned(),
                kind: kernel.kind.name().to_owned(),
                layer: node.origin.layer.as_deref().map(str::to_owned),
                role: node.origin.role,
                lowering: lowering as u32,
            });
        }
        let functions = (0..).zip(object.functions()).map(|(index, function)| {
            let record = FunctionRecord {
                symbol: function.symbol.clone(),
                clif: None,
                code: function.code.bytes.clone(),
                alignment: function.code.alignment,
                relocations: relocations(object, function),
                map: vec![CodeRange {
                    start: 0,
                    end: function.code.bytes.len() as u32,
                    nodes: nodes.remove(&index).unwrap_or_default(),
                }],
            };
            (record, function.clif.clone())
        });
        let functions = functions.collect();
        Self { descriptions: descriptions.clone(), compiled: of_lowering, kernels, functions }
    }

    /// Writes all of it into a program.
    pub(crate) fn write(self, program: &mut Program) {
        program.kernels = self.kernels;
        let lowerings = self.descriptions.iter().zip(self.compiled);
        let lowering = |(description, compiled): (&Description, CompiledKernel)| LoweringRecord {
            lowering: description.lowering(),
            nests: description.nests(),
            tiles: description.tiles(),
            stages: compiled.stages,
            workspace: compiled.workspace,
            scratch: compiled.scratch,
            functions: description.functions().to_vec(),
        };
        program.lowerings = lowerings.map(lowering).collect();
        let function = |(record, clif): (FunctionRecord, Option<Box<Function>>)| FunctionRecord {
            clif: clif.map(|function| function.display().to_string()),
            ..record
        };
        program.functions = self.functions.into_iter().map(function).collect();
    }
}

fn relocations(
    object: &Object,
    function: &brolga_codegen::object::ObjectFunction,
) -> Vec<RelocationRecord> {
    let name = |symbol: Symbol| match symbol {
        Symbol::Function(id) => object.function(id).symbol.clone(),
        Symbol::Library(call) => call.to_string(),
        Symbol::Interpreter => "interpreter of tile programs".to_owned(),
        Symbol::Program(id) => format!("program of {}", object.function(id).symbol),
    };
    let relocations = function.code.relocations.iter();
    relocations.map(|r| RelocationRecord { offset: r.offset, symbol: name(r.symbol) }).collect()
}
