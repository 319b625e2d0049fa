//! From a graph of kernels to machine code.

use std::collections::HashMap;
use std::sync::Arc;

use brolga_ir::op::Family;
use brolga_ir::ops::{Kernel, KernelKind};
use brolga_ir::text::Names;
use brolga_ir::{Graph, NodeId, Op, Value};
use cranelift_module::FuncId;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::general;
use crate::host::{CodeListing, Optimization};
use crate::isa::VectorIsa;
use crate::jit::KERNEL_ARITY;
use crate::kernel::{Compiled, CompiledKernel, Stage};
use crate::lower::{self, Lowered, Lowering, lower};
use crate::nest;
use crate::object::{Object, ObjectBuilder};
use crate::perf;
use crate::steps::{self, Part};
use crate::tile::{Stmt, TileProgram, TileTarget};

/// The options of a compilation.
#[derive(Debug, Clone, Default)]
pub struct CodegenOptions {
    /// The vector instruction set; without one [`VectorIsa::chosen`].
    pub isa: Option<VectorIsa>,
}

impl CodegenOptions {
    /// The instruction set of these options.
    ///
    /// # Errors
    /// As [`VectorIsa::chosen`].
    pub fn isa(&self) -> Result<VectorIsa> {
        self.isa.map_or_else(VectorIsa::chosen, Ok)
    }
}

/// The lowered kernels of a graph, each with its node. Equal kernels are lowered once.
type LoweredKernels<'a> = Vec<(NodeId, &'a Kernel, Arc<(Lowering, Lowered)>)>;

/// Compiles every kernel of a graph of kernels into one object of machine code.
///
/// # Errors
/// If a node that needs code is outside of a kernel, this machine cannot run the instruction set,
/// or a lowering is wrong.
pub fn compile<'g>(graph: &'g Graph, options: &CodegenOptions) -> Result<Compiled<'g>> {
    compile_for(graph, options.isa()?.checked()?.target()?)
}

/// As [`compile`], with tiles by any target that this machine can run.
///
/// # Errors
/// As [`compile`].
pub fn compile_for(graph: &Graph, target: Arc<dyn TileTarget>) -> Result<Compiled<'_>> {
    let lowered = lower_all(graph, &*target)?;
    let (object, stages) = assemble(target, &lowered, Forms::Code, Some(graph))?;
    Ok(compiled(graph, &lowered, object, &stages))
}

/// Kernels whose stages are these functions of an object.
fn compiled<'g>(
    graph: &'g Graph,
    lowered: &LoweredKernels<'g>,
    object: Object,
    stages: &StageFunctions,
) -> Compiled<'g> {
    let mut kernels = HashMap::new();
    for (id, kernel, lowered) in lowered {
        let entries = &stages[&Arc::as_ptr(lowered)];
        let lowered = &lowered.1;
        let altered = altered(&kernel.body);
        let stages = (lowered.stages.iter().zip(entries).enumerate())
            .map(|(number, (stage, &function))| Stage {
                name: stage.code.name().to_owned(),
                symbol: object.function(function).symbol.clone(),
                units: stage.units,
                reads: stage.reads.clone(),
                writes: stage.writes.clone(),
                flops: stage.flops,
                together: matches!(stage.code, lower::Code::Steps(_, Part::Loop)),
                copies: altered.filter(|_| number == 0),
            })
            .collect();
        let Lowered { workspace, scratch, ref in_place, .. } = *lowered;
        let in_place = in_place.iter().copied().chain(altered).collect();
        kernels.insert(*id, CompiledKernel { stages, workspace, scratch, in_place });
    }
    // SAFETY: the object's functions are these kernels, whose lowerings have been checked against
    // the types of the nodes.
    unsafe { Compiled::new(graph, kernels, object) }
}

/// Compiled kernels with what is worth knowing of them, for a record.
#[derive(Debug)]
pub struct Described<'g> {
    /// The kernels. Their functions have [CLIF](crate::object::ObjectFunction::clif).
    pub compiled: Compiled<'g>,
    /// The lowerings, those of equal kernels once.
    pub descriptions: Vec<Description>,
    /// For each kernel, in the graph's order, its node and the index of its lowering.
    pub lowerings: Vec<(NodeId, usize)>,
}

/// A lowering, whose readable forms are made when somebody asks for them.
#[derive(Debug, Clone)]
pub struct Description {
    lowered: Arc<(Lowering, Lowered)>,
    functions: Vec<u32>,
}

impl Description {
    /// Its name, and the reason if it is the general one.
    #[must_use]
    pub fn lowering(&self) -> String {
        self.lowered.0.to_string()
    }

    /// Its stages as loop nests.
    #[must_use]
    pub fn nests(&self) -> Vec<String> {
        self.lowered.1.stages.iter().map(|stage| stage.code.to_string()).collect()
    }

    /// The tile programs that the nests call, each once.
    #[must_use]
    pub fn tiles(&self) -> Vec<String> {
        tiles(&self.lowered.1).iter().map(ToString::to_string).collect()
    }

    /// The functions of its stages and those that they call: indices into [`Object::functions`].
    #[must_use]
    pub fn functions(&self) -> &[u32] {
        &self.functions
    }
}

/// As [`compile`], with descriptions. The code is the same.
///
/// # Errors
/// As [`compile`].
pub fn compile_described<'g>(graph: &'g Graph, options: &CodegenOptions) -> Result<Described<'g>> {
    let target = options.isa()?.checked()?.target()?;
    let lowered = lower_all(graph, &*target)?;
    let (object, stages) = assemble(target, &lowered, Forms::Clif, Some(graph))?;
    let (mut descriptions, mut lowerings) = (Vec::new(), Vec::new());
    let mut known: FxHashMap<*const (Lowering, Lowered), usize> = FxHashMap::default();
    for (node, _, lowered) in &lowered {
        let index = *known.entry(Arc::as_ptr(lowered)).or_insert_with(|| {
            let functions = object.reached(&stages[&Arc::as_ptr(lowered)]);
            descriptions.push(Description { lowered: Arc::clone(lowered), functions });
            descriptions.len() - 1
        });
        lowerings.push((*node, index));
    }
    let compiled = compiled(graph, &lowered, object, &stages);
    Ok(Described { compiled, descriptions, lowerings })
}

/// The tile programs that a kernel's stages call, each once.
fn tiles(lowered: &Lowered) -> Vec<Arc<TileProgram>> {
    let mut tiles: Vec<Arc<TileProgram>> = Vec::new();
    for tile in lowered.stages.iter().flat_map(|stage| stage.code.tiles()) {
        if !tiles.contains(&tile) {
            tiles.push(tile);
        }
    }
    tiles
}

/// The result of a kernel that is an operand but for some elements, and that operand, if the kernel
/// is one such op alone, which reads the operand in no other way, and there are elements.
fn altered(body: &Graph) -> Option<(usize, usize)> {
    let id = general::updating(body)?;
    let operand = body.operands(id)[body.node(id).op.definition().updated()?];
    let slot = body.inputs().iter().position(|&input| Value::from(input) == operand)?;
    let once = body.uses(operand.node).len() == 1;
    (once && body.ty(operand).shape.elements() > 0).then_some((0, slot))
}

/// Lowers all kernels, on all threads of the current rayon pool.
fn lower_all<'a>(graph: &'a Graph, target: &dyn TileTarget) -> Result<LoweredKernels<'a>> {
    let mut distinct: FxHashMap<&Kernel, usize> = FxHashMap::default();
    let mut first: Vec<(NodeId, &Kernel)> = Vec::new();
    let mut nodes: Vec<(NodeId, &Kernel, usize)> = Vec::new();
    for id in graph.order() {
        match &graph.node(id).op {
            Op::Kernel(kernel) => {
                let next = first.len();
                let index = *distinct.entry(kernel).or_insert(next);
                if index == next {
                    first.push((id, kernel));
                }
                nodes.push((id, kernel, index));
            }
            Op::Parameter(_) | Op::Constant(_) | Op::Reshape(_) => {}
            op => {
                return Err(Error::Kernel {
                    kernel: format!("`{}`", graph.name()),
                    problem: format!(
                        "`{}` is outside of a kernel; optimize the graph first",
                        op.name()
                    ),
                });
            }
        }
    }
    let lowered: Vec<Arc<(Lowering, Lowered)>> = first
        .par_iter()
        .map(|(id, kernel)| {
            let lowered = lower(kernel, target).and_then(|lowered| {
                lowered.1.check(&kernel.body)?;
                Ok(Arc::new(lowered))
            });
            lowered.map_err(|error| named(error, graph, *id, kernel))
        })
        .collect::<Result<_>>()?;
    Ok(nodes.into_iter().map(|(id, kernel, i)| (id, kernel, Arc::clone(&lowered[i]))).collect())
}

/// An error of a kernel with the kernel's node and layer.
fn named(error: Error, graph: &Graph, id: NodeId, kernel: &Kernel) -> Error {
    let (name, layer) = (kernel.body.name(), graph.node(id).origin.of_layer());
    match error {
        Error::OutOfBounds { nest, problem, step, .. } => {
            let kernel = format!("`{name}`, {}{layer}", Names::new(graph).of(id));
            Error::OutOfBounds { kernel, nest, problem, step }
        }
        error => {
            let problem = match error {
                Error::Kernel { problem, .. } => problem,
                other => other.to_string(),
            };
            Error::Kernel { kernel: format!("`{name}`{layer}"), problem }
        }
    }
}

/// The functions of the stages of each lowered kernel.
type StageFunctions = FxHashMap<*const (Lowering, Lowered), Vec<FuncId>>;

/// Which forms of functions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forms {
    /// Machine code alone.
    Code,
    /// CLIF too.
    Clif,
    /// All readable forms.
    Text,
}

fn assemble(
    target: Arc<dyn TileTarget>,
    lowered: &LoweredKernels<'_>,
    forms: Forms,
    graph: Option<&Graph>,
) -> Result<(Object, StageFunctions)> {
    let mut builder = ObjectBuilder::new(target)?;
    match forms {
        Forms::Code => {}
        Forms::Clif => builder = builder.with_clif(),
        Forms::Text => builder = builder.with_text(),
    }
    let mut stages = StageFunctions::default();
    let mut called = Called::default();
    for (_, kernel, lowered) in lowered {
        if stages.contains_key(&Arc::as_ptr(lowered)) {
            continue;
        }
        let of_stage = |stage: &lower::Stage| {
            let name = format!("{}/{}", kernel.body.name(), stage.code.name());
            define(&mut builder, &name, &stage.code, &mut called)
        };
        let functions = lowered.1.stages.iter().map(of_stage).collect();
        stages.insert(Arc::as_ptr(lowered), functions);
    }
    if let Some(graph) = graph.filter(|_| perf::is_wanted()) {
        for (id, _, lowered) in lowered {
            let origin = &graph.node(*id).origin;
            let layer = origin.layer.as_deref().unwrap_or(graph.name());
            let place = format!("{layer}.{}", origin.role.name());
            for (stage, &function) in lowered.1.stages.iter().zip(&stages[&Arc::as_ptr(lowered)]) {
                builder.add_place(function, &place);
                for tile in stage.code.tiles() {
                    let tile = builder.tile(&tile);
                    builder.add_place(tile, &place);
                }
            }
        }
    }
    Ok((builder.finish()?, stages))
}

/// The functions of stages that loops call, by their kernel and their index: loops whose steps have
/// equal kernels call the same functions.
type Called = FxHashMap<(Arc<Lowered>, usize), FuncId>;

/// Defines the function of a stage, and those of the stages that it calls. The recursion is as deep
/// as loops nest.
fn define(
    builder: &mut ObjectBuilder,
    name: &str,
    code: &lower::Code,
    called: &mut Called,
) -> FuncId {
    let id = builder.declare(name, KERNEL_ARITY);
    let mut function = builder.function(id);
    let config = builder.frontend_config();
    let optimization = match code {
        lower::Code::Nest(nest) => {
            let mut imported = FxHashMap::default();
            nest::emit(nest, &mut function, config, |function, tile| {
                *imported.entry(Arc::as_ptr(tile)).or_insert_with(|| {
                    let id = builder.tile(tile);
                    builder.import(id, function)
                })
            });
            Optimization::Speed
        }
        lower::Code::Loops(addressed, stage) => {
            general::emit(addressed, *stage, &mut function, config);
            Optimization::Scalar
        }
        lower::Code::Steps(looped, part) => {
            let mut imported = FxHashMap::default();
            steps::emit(looped, *part, &mut function, config, &mut |function, lowered, stage| {
                let key = (Arc::clone(lowered), stage);
                *imported.entry(key.clone()).or_insert_with(|| {
                    let id = match called.get(&key) {
                        Some(&id) => id,
                        None => {
                            let code = &lowered.stages[stage].code;
                            let id =
                                define(builder, &format!("{name}/{}", code.name()), code, called);
                            called.insert(key, id);
                            id
                        }
                    };
                    builder.import(id, function)
                })
            });
            Optimization::Speed
        }
    };
    builder.define(id, function, optimization);
    id
}

/// A kernel's readable forms.
#[derive(Debug, Clone)]
pub struct KernelText {
    /// The node.
    pub node: NodeId,
    /// Its lowering, and the reason if it is the general one.
    pub lowering: String,
    /// Bytes that its stages read and write, if all of them are scalar loops, as those of
    /// [`VectorIsa::Scalar`] are; a loop whose bounds are not constant counts once.
    pub moved: Option<u64>,
    /// Its stages as loop nests.
    pub nests: Vec<String>,
    /// The tile programs that the nests call, each once.
    pub tiles: Vec<String>,
    /// CLIF of the stages.
    pub clif: Vec<String>,
    /// Machine code of the stages and of the tiles they call.
    pub assembly: Vec<String>,
}

/// All kernels of a graph in readable form, in the graph's order. The instruction set may be one
/// that this machine cannot run.
///
/// # Errors
/// As [`compile`].
pub fn dump(graph: &Graph, options: &CodegenOptions) -> Result<Vec<KernelText>> {
    let target = options.isa()?.target()?;
    let lowered = lower_all(graph, &*target)?;
    let (object, stages) = assemble(target, &lowered, Forms::Text, None)?;
    let mut texts = Vec::new();
    for (node, _, lowered) in &lowered {
        let mut text = KernelText {
            node: *node,
            lowering: lowered.0.to_string(),
            moved: lowered.1.stages.iter().map(|stage| stage.code.moved()).sum(),
            nests: lowered.1.stages.iter().map(|stage| stage.code.to_string()).collect(),
            tiles: Vec::new(),
            clif: Vec::new(),
            assembly: Vec::new(),
        };
        let tiles = tiles(&lowered.1);
        text.tiles.extend(tiles.iter().map(ToString::to_string));
        let of_tiles = tiles.iter().filter_map(|tile| object.tile(tile));
        for id in stages[&Arc::as_ptr(lowered)].iter().copied() {
            if let Some(forms) = &object.function(id).code.text {
                text.clif.push(forms.source.clone());
                text.assembly.push(forms.assembly.clone());
            }
        }
        for id in of_tiles {
            let function = object.function(id);
            if let Some(forms) = &function.code.text {
                text.assembly.push(format!("{}:\n{}", function.name, forms.assembly));
            }
        }
        texts.push(text);
    }
    Ok(texts)
}

/// A function of a kernel: its source beside its instructions, each with the node of the kernel's
/// body that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionListing {
    /// The name: that of a stage or of a tile.
    pub name: String,
    /// Whether it is a tile, which stages call, and not a stage.
    pub is_tile: bool,
    /// The lines.
    pub listing: CodeListing,
}

/// The functions of one kernel of a graph: its stages, then the tiles that they call. Nodes are
/// those of the kernel's body, by [`NodeId::index`]. The instruction set may be one that this
/// machine cannot run.
///
/// # Errors
/// As [`compile`].
pub fn listings(
    graph: &Graph,
    node: NodeId,
    options: &CodegenOptions,
) -> Result<Vec<FunctionListing>> {
    let target = options.isa()?.target()?;
    let kernel = match graph.get(node).map(|node| &node.op) {
        Some(Op::Kernel(kernel)) => kernel,
        _ => {
            let kernel = format!("a node of `{}`", graph.name());
            return Err(Error::Kernel { kernel, problem: "it is no kernel".to_owned() });
        }
    };
    // By itself, so that the nodes are those of its own body, and not of an equal one.
    let lowered = lower(kernel, &*target).and_then(|lowered| {
        lowered.1.check(&kernel.body)?;
        Ok(Arc::new(lowered))
    });
    let lowered = lowered.map_err(|error| named(error, graph, node, kernel))?;
    let kernels: LoweredKernels<'_> = vec![(node, kernel, Arc::clone(&lowered))];
    let (object, _) = assemble(target, &kernels, Forms::Text, None)?;
    let tiles = tiles(&lowered.1);
    let contraction = contraction(&kernel.body);
    let (mut stages, mut of_tiles) = (Vec::new(), Vec::new());
    for function in object.functions() {
        let Some(text) = &function.code.text else { continue };
        let (name, mut listing) = (function.name.clone(), text.listing.clone());
        let tile = tiles.iter().find(|tile| {
            object.tile(tile).is_some_and(|id| object.function(id).symbol == function.symbol)
        });
        if kernel.kind == KernelKind::Loop {
            // Its kernels are inside of bodies of their own.
            listing.sources.iter_mut().for_each(|line| line.node = None);
            listing.instructions.iter_mut().for_each(|line| line.node = None);
        }
        match tile {
            Some(tile) => {
                own_steps(tile, contraction, &mut listing);
                of_tiles.push(FunctionListing { name, is_tile: true, listing });
            }
            None => stages.push(FunctionListing { name, is_tile: false, listing }),
        }
    }
    stages.extend(of_tiles);
    Ok(stages)
}

/// The only contraction of a body.
fn contraction(body: &Graph) -> Option<usize> {
    let is_contraction =
        |id: &NodeId| matches!(body.node(*id).op.family(), Family::Contraction { .. });
    let mut found = body.ids().filter(is_contraction);
    let first = found.next()?;
    found.next().is_none().then(|| first.index())
}

/// Steps of a contraction belong to it. They are statements of a tile; in CLIF they are no lines.
fn own_steps(tile: &TileProgram, contraction: Option<usize>, listing: &mut CodeListing) {
    let is_step = |stmt: &Stmt| matches!(stmt, Stmt::Rank1(_));
    if tile.statements().count() != listing.sources.len() {
        return;
    }
    for (index, _) in tile.statements().enumerate().filter(|(_, stmt)| is_step(stmt)) {
        listing.sources[index].node = contraction;
        let made_of = listing.instructions.iter_mut().filter(|line| line.source == Some(index));
        made_of.for_each(|line| line.node = contraction);
    }
}
