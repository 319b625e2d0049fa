//! From a kernel of kind `loop` to calls.

use std::sync::Arc;

use brolga_ir::ops::{Constant, Kernel, KernelKind, ParameterKind, StopGradient};
use brolga_ir::{Graph, NodeId, Op, Type, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::in_place::{InPlace, in_place, root};
use super::{Base, Call, Callee, Carry, Condition, Next, Part, Place, Steps};
use crate::error::{Error, Result};
use crate::general::lower_in_place;
use crate::kernel::{Access, Touch};
use crate::lower::{Code, Lowered, Stage, lower_in_loop};
use crate::tile::TileTarget;

/// The alignment of tensors in the workspace.
const ALIGNMENT: usize = 64;

fn refused<T>(problem: impl Into<String>) -> Result<T> {
    Err(Error::Refused(problem.into()))
}

/// Lowers a loop to calls of the kernels in its body.
///
/// # Errors
/// [`Error::Refused`] if there is no step, or something in the body is no kernel.
pub(crate) fn lower(kernel: &Graph, target: &dyn TileTarget) -> Result<Lowered> {
    let mut nodes = kernel.ids().filter(|&id| kernel.parameter(id).is_none());
    let (Some(node), None) = (nodes.next(), nodes.next()) else {
        return refused("a kernel of a loop holds one loop");
    };
    let Some(form) = Form::of(&kernel.node(node).op) else {
        return refused("there is no loop");
    };
    if form.length == 0 {
        return refused("a loop without steps");
    }
    let mut builder = Builder::new(kernel, node, form)?;
    builder.outputs()?;
    builder.kernels(target)?;
    builder.condition(target)?;
    builder.finish()
}

/// What loops have in common.
#[derive(Debug, Clone, Copy)]
struct Form<'a> {
    body: &'a Graph,
    /// What is evaluated before each step.
    condition: Option<&'a Graph>,
    /// The number of steps, or the most of them.
    length: usize,
    reverse: bool,
    carries: usize,
    sequences: usize,
}

impl<'a> Form<'a> {
    fn of(op: &'a Op) -> Option<Self> {
        match op {
            Op::Scan(scan) => Some(Self {
                body: &scan.body,
                condition: None,
                length: scan.length,
                reverse: scan.reverse,
                carries: scan.carries,
                sequences: scan.sequences,
            }),
            Op::WhileLoop(looped) => Some(Self {
                body: looped.body(),
                condition: Some(looped.condition()),
                length: looped.limit,
                reverse: false,
                carries: looped.carries,
                sequences: 0,
            }),
            _ => None,
        }
    }
}

/// The memory of a value of the body. Views have that of their operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Memory {
    /// The part of the workspace that begins here.
    Workspace(usize),
    /// A slot of the kernel, the same in each step.
    Slot(usize),
    /// A sequence or a stack.
    Slices(usize),
    /// A carry, before and after the step.
    Carry(usize),
}

struct Builder<'a> {
    form: Form<'a>,
    /// The graph that is lowered: the body or the condition.
    body: &'a Graph,
    /// The slot of each operand of the loop.
    operands: Vec<usize>,
    /// The slot of each result of the loop that the kernel returns.
    results: Vec<Option<usize>>,
    workspace_slot: usize,
    workspace: usize,
    scratch: usize,
    /// The places of the values that kernels of the body write.
    places: FxHashMap<Value, Place>,
    carries: Vec<Carry>,
    kernels: Vec<Callee>,
    in_place: InPlace,
    /// The kernels that copy first values of carries that stay where they are.
    begin: Vec<usize>,
    /// Copies to outputs at the end of each step.
    copies: Vec<(Value, Place)>,
    condition: Option<Condition>,
}

impl<'a> Builder<'a> {
    fn new(kernel: &'a Graph, node: NodeId, form: Form<'a>) -> Result<Self> {
        let slot = |value: &Value| kernel.inputs().iter().position(|&id| id == value.node);
        let operands = kernel.operands(node);
        let Some(operands) = operands.iter().map(slot).collect::<Option<Vec<_>>>() else {
            return refused("the loop reads more than operands");
        };
        let inputs = kernel.inputs().len();
        let mut results = vec![None; kernel.node(node).types.len()];
        for (index, output) in kernel.outputs().iter().enumerate() {
            match output.value.node == node && results[output.value.port as usize].is_none() {
                true => results[output.value.port as usize] = Some(inputs + index),
                false => return refused("a result is returned twice"),
            }
        }
        Ok(Self {
            form,
            body: form.body,
            operands,
            results,
            workspace_slot: inputs + kernel.outputs().len(),
            workspace: 0,
            scratch: 0,
            places: FxHashMap::default(),
            carries: Vec::new(),
            kernels: Vec::new(),
            in_place: in_place(form.body, form.carries),
            begin: Vec::new(),
            copies: Vec::new(),
            condition: None,
        })
    }

    fn allocate(&mut self, bytes: usize) -> Base {
        let base = Base { slot: self.workspace_slot, offset: self.workspace };
        self.workspace += bytes.next_multiple_of(ALIGNMENT);
        base
    }

    fn is_computed(&self, root: Value) -> bool {
        matches!(self.body.node(root.node).op, Op::Kernel(_))
    }

    /// Gives carries and stacks their memory, and computed values that are returned their places.
    fn outputs(&mut self) -> Result<()> {
        let Form { carries, length, .. } = self.form;
        let roots: Vec<Value> =
            self.body.outputs().iter().map(|output| root(self.body, output.value)).collect();
        let bytes = |value: Value| self.body.ty(value).bytes();
        let bytes: Vec<usize> = self.body.outputs().iter().map(|o| bytes(o.value)).collect();
        for index in carries..roots.len() {
            let base = match self.results[index] {
                Some(slot) => Base { slot, offset: 0 },
                None => self.allocate(bytes[index] * length),
            };
            self.write(roots[index], Place::Slice(base, bytes[index]));
        }
        for index in 0..carries {
            let first = Base { slot: self.operands[index], offset: 0 };
            let chain = self.in_place.chains[index].clone();
            let next = match self.places.get(&roots[index]) {
                _ if !chain.is_empty() => {
                    let base = match self.results[index] {
                        Some(slot) => Base { slot, offset: 0 },
                        None => self.allocate(bytes[index]),
                    };
                    let changed =
                        chain.into_iter().map(|kernel| (kernel.into(), Place::Next(index)));
                    self.places.extend(changed);
                    Next::InPlace(base)
                }
                Some(&Place::Slice(base, stride)) => Next::Slice(base, stride),
                _ => {
                    let last = match self.results[index] {
                        // Which step is the last one is not known if there is a condition.
                        Some(slot) if self.form.condition.is_none() => Base { slot, offset: 0 },
                        _ => self.allocate(bytes[index]),
                    };
                    Next::Turns([last, self.allocate(bytes[index])])
                }
            };
            self.carries.push(Carry { first, next, bytes: bytes[index] });
            if matches!(next, Next::Turns(_)) {
                self.write(roots[index], Place::Next(index));
            }
        }
        Ok(())
    }

    /// Lets a value that is returned be written to a place, by its kernel or by a copy.
    fn write(&mut self, root: Value, place: Place) {
        if self.is_computed(root) && !self.places.contains_key(&root) {
            self.places.insert(root, place);
        } else {
            self.copies.push((root, place));
        }
    }

    /// The place of a value that a kernel reads.
    fn place(&mut self, value: Value) -> Result<Place> {
        let root = root(self.body, value);
        if let Some(&place) = self.places.get(&root) {
            return Ok(place);
        }
        let Some(input) = self.body.inputs().iter().position(|&id| id == root.node) else {
            return refused("a step reads what is not computed");
        };
        let base = Base { slot: self.operands[input], offset: 0 };
        Ok(match input {
            _ if input < self.form.carries => Place::Carry(input),
            _ if input < self.form.carries + self.form.sequences => {
                Place::Slice(base, self.body.ty(root).bytes())
            }
            _ => Place::Fixed(base),
        })
    }

    /// Lowers the kernels of the body, and the copies before the loop and after each step.
    fn kernels(&mut self, target: &dyn TileTarget) -> Result<()> {
        for (index, Carry { first, next, .. }) in self.carries.clone().into_iter().enumerate() {
            let Next::InPlace(base) = next else { continue };
            let copy = copy(self.body.ty(self.body.inputs()[index].into()))?;
            self.begin.push(self.kernels.len());
            self.kernel(&copy, vec![Place::Fixed(first), Place::Fixed(base)], target)?;
        }
        let order = std::mem::take(&mut self.in_place.order);
        self.graph(order, target)?;
        for (value, place) in std::mem::take(&mut self.copies) {
            let from = self.place(value)?;
            let copy = copy(self.body.ty(value))?;
            self.kernel(&copy, vec![from, place], target)?;
        }
        Ok(())
    }

    /// Lowers the kernels of a graph.
    fn graph(&mut self, order: Vec<NodeId>, target: &dyn TileTarget) -> Result<()> {
        for id in order {
            match &self.body.node(id).op {
                Op::Parameter(_) | Op::Reshape(_) => {}
                Op::Constant(constant) => self.constant(id, constant)?,
                Op::Kernel(kernel) => {
                    let operands: Vec<Place> = (self.body.operands(id).iter())
                        .map(|&value| self.place(value))
                        .collect::<Result<_>>()?;
                    let types = self.body.node(id).types.clone();
                    let mut table = operands;
                    for (port, ty) in (0..).zip(&types) {
                        let value = Value { node: id, port };
                        let place = match self.places.get(&value) {
                            Some(&place) => place,
                            None => {
                                let place = Place::Fixed(self.allocate(ty.bytes()));
                                self.places.insert(value, place);
                                place
                            }
                        };
                        table.push(place);
                    }
                    match self.in_place.changes(id).then(|| lower_in_place(&kernel.body)) {
                        Some(Some(lowered)) => self.callee(kernel, lowered, table),
                        Some(None) => return refused("a carry that stays is changed elsewhere"),
                        None => self.kernel(kernel, table, target)?,
                    }
                }
                op => return refused(format!("`{}` in the body is no kernel", op.name())),
            }
        }
        Ok(())
    }

    /// Lowers the kernels of the condition, which are called apart from those of the body.
    fn condition(&mut self, target: &dyn TileTarget) -> Result<()> {
        let Some(graph) = self.form.condition else { return Ok(()) };
        let places = std::mem::take(&mut self.places);
        let first = self.kernels.len();
        self.body = graph;
        self.in_place = InPlace::default();
        self.graph(graph.order(), target)?;
        let holds = self.place(graph.outputs()[0].value)?;
        (self.body, self.places) = (self.form.body, places);
        let count = match self.results.last().copied().flatten() {
            Some(slot) => Base { slot, offset: 0 },
            None => self.allocate(size_of::<i32>()),
        };
        let mut calls: Vec<Call> =
            self.calls().into_iter().filter(|call| call.kernel >= first).collect();
        for call in &mut calls {
            call.units = self.kernels[call.kernel].lowered.stages[call.stage].units;
        }
        self.condition = Some(Condition { calls, holds, count });
        Ok(())
    }

    fn kernel(
        &mut self,
        kernel: &Kernel,
        table: Vec<Place>,
        target: &dyn TileTarget,
    ) -> Result<()> {
        let (_, lowered) = lower_in_loop(kernel, target)?;
        self.callee(kernel, lowered, table);
        Ok(())
    }

    /// Lowers a constant that kernels read from memory: it is written there before the loop.
    fn constant(&mut self, id: NodeId, constant: &Constant) -> Result<()> {
        let mut body = Graph::new("constant");
        match body.add(constant.clone(), &[], Default::default()) {
            Ok(value) => body.add_output(value),
            Err(mistake) => return refused(mistake.message),
        }
        let place = Place::Fixed(self.allocate(body.ty(body.outputs()[0].value).bytes()));
        self.places.insert(id.into(), place);
        let lowered = crate::general::lower(&body);
        let kernel = Kernel { kind: KernelKind::Move, body: Arc::new(body) };
        self.callee(&kernel, lowered, vec![place]);
        Ok(())
    }

    fn callee(&mut self, kernel: &Kernel, lowered: Lowered, mut table: Vec<Place>) {
        table.push(Place::Fixed(self.allocate(lowered.workspace)));
        self.scratch = self.scratch.max(lowered.scratch);
        let (body, lowered) = (Arc::clone(&kernel.body), Arc::new(lowered));
        self.kernels.push(Callee { body, lowered, table });
    }

    fn memory(&self, place: Place) -> Memory {
        match place {
            Place::Fixed(base) if base.slot == self.workspace_slot => {
                Memory::Workspace(base.offset)
            }
            Place::Fixed(base) => Memory::Slot(base.slot),
            Place::Slice(base, _) if base.slot == self.workspace_slot => {
                Memory::Workspace(base.offset)
            }
            Place::Slice(base, _) => Memory::Slices(base.slot),
            Place::Carry(index) | Place::Next(index) => match self.carries[index].next {
                Next::Turns(_) | Next::InPlace(_) => Memory::Carry(index),
                Next::Slice(base, _) if base.slot == self.workspace_slot => {
                    Memory::Workspace(base.offset)
                }
                Next::Slice(base, _) => Memory::Slices(base.slot),
            },
        }
    }

    fn touched(&self, callee: &Callee, touch: &Touch) -> Memory {
        self.memory(callee.table[touch.slot])
    }

    /// The calls of stages that have units, in order.
    fn calls(&self) -> Vec<Call> {
        let stages = |(kernel, callee): (usize, &Callee)| {
            let stages = callee.lowered.stages.iter().enumerate();
            let stages = stages.filter(|(_, stage)| stage.units > 0);
            stages.map(|(stage, _)| Call { kernel, stage, units: 1 }).collect::<Vec<_>>()
        };
        self.kernels.iter().enumerate().flat_map(stages).collect()
    }

    /// The calls that give the same in each step: those that read only what no step writes. What
    /// they write, no other call writes.
    fn invariant(&self, calls: &[Call]) -> Vec<bool> {
        let mut invariant = vec![true; calls.len()];
        loop {
            let mut written = FxHashSet::default();
            for (call, _) in calls.iter().zip(&invariant).filter(|(_, invariant)| !**invariant) {
                let callee = &self.kernels[call.kernel];
                let stage = &callee.lowered.stages[call.stage];
                written.extend(stage.writes.iter().map(|touch| self.touched(callee, touch)));
            }
            let before = invariant.clone();
            for (call, is) in calls.iter().zip(&mut invariant) {
                let callee = &self.kernels[call.kernel];
                let stage = &callee.lowered.stages[call.stage];
                let fixed = |touch: &Touch| {
                    matches!(callee.table[touch.slot], Place::Fixed(_))
                        && !written.contains(&self.touched(callee, touch))
                };
                *is &= stage.reads.iter().chain(&stage.writes).all(fixed);
            }
            if before == invariant {
                return invariant;
            }
        }
    }

    /// The number of units into which the calls of a step can be cut: as many as divide the units
    /// of each of them, if each touches equal parts of what the loop writes.
    fn units(&self, calls: &[Call]) -> usize {
        let stages = || {
            calls.iter().map(|call| {
                let callee = &self.kernels[call.kernel];
                (callee, &callee.lowered.stages[call.stage])
            })
        };
        let written: FxHashSet<Memory> = stages()
            .flat_map(|(callee, stage)| stage.writes.iter().map(|t| self.touched(callee, t)))
            .collect();
        let is_parted = stages().all(|(callee, stage)| {
            let own = |touch: &&Touch| written.contains(&self.touched(callee, touch));
            let mut touches = stage.reads.iter().chain(&stage.writes).filter(own);
            touches.all(|touch| touch.access == Access::Units)
        });
        let divisor = stages().map(|(_, stage)| stage.units).reduce(greatest_common_divisor);
        if is_parted { divisor.unwrap_or(1) } else { 1 }
    }

    fn finish(mut self) -> Result<Lowered> {
        let of_condition = self.condition.iter().flat_map(|condition| &condition.calls);
        let of_condition: FxHashSet<usize> = of_condition.map(|call| call.kernel).collect();
        let calls = self.calls().into_iter();
        let calls = calls.filter(|call| !of_condition.contains(&call.kernel));
        let (begin, calls): (Vec<Call>, Vec<Call>) =
            calls.partition(|call| self.begin.contains(&call.kernel));
        let invariant = self.invariant(&calls);
        let split = |wanted: bool| {
            let calls = calls.iter().zip(&invariant).filter(move |(_, is)| **is == wanted);
            calls.map(|(call, _)| *call).collect::<Vec<Call>>()
        };
        let (before, mut calls) = ([begin, split(true)].concat(), split(false));
        let units = if self.condition.is_some() { 1 } else { self.units(&calls) };
        for call in &mut calls {
            let callee = &self.kernels[call.kernel];
            call.units = callee.lowered.stages[call.stage].units / units;
        }
        let after = self.after(units)?;
        let Form { length, reverse, .. } = self.form;
        let of_condition = self.condition.iter().flat_map(|condition| &condition.calls);
        // Of a loop that may end early those of one step: the number of steps is not known.
        let counted = if self.condition.is_some() { 1 } else { length as u64 };
        let flops = of_condition.chain(&calls).map(|call| {
            self.kernels[call.kernel].lowered.stages[call.stage].flops.saturating_mul(counted)
        });
        let flops = flops.fold(0, u64::saturating_add);
        let steps = Arc::new(Steps {
            name: self.form.body.name().to_owned(),
            length,
            reverse,
            kernels: std::mem::take(&mut self.kernels),
            carries: self.carries.clone(),
            before,
            condition: self.condition.take(),
            calls,
            after,
            units,
        });
        let mut stages: Vec<Stage> = (0..steps.before.len())
            .map(|index| {
                let Call { kernel, stage, .. } = steps.before[index];
                let callee = &steps.kernels[kernel];
                let stage = &callee.lowered.stages[stage];
                let part = Part::Before(index);
                let touches = |touches: &[Touch]| {
                    let slots = touches.iter().filter_map(|touch| match callee.table[touch.slot] {
                        Place::Fixed(base) => Some(base.slot),
                        _ => None,
                    });
                    whole(slots)
                };
                Stage {
                    code: Code::Steps(Arc::clone(&steps), part),
                    units: stage.units,
                    reads: touches(&stage.reads),
                    writes: touches(&stage.writes),
                    flops: stage.flops,
                }
            })
            .collect();
        let own = self.results.iter().flatten().copied();
        stages.push(Stage {
            code: Code::Steps(Arc::clone(&steps), Part::Loop),
            units,
            reads: whole(
                (0..self.operands.len()).map(|i| self.operands[i]).chain([self.workspace_slot]),
            ),
            writes: whole(own.chain([self.workspace_slot])),
            flops,
        });
        let (workspace, scratch) = (self.workspace, self.scratch);
        Ok(Lowered { stages, workspace, scratch, in_place: Vec::new() })
    }

    /// The copies of carries that end elsewhere to their results: in a stack, or where the number of
    /// steps is not known.
    fn after(&mut self, units: usize) -> Result<Vec<Call>> {
        let mut after = Vec::new();
        for (index, carry) in self.carries.clone().into_iter().enumerate() {
            let Some(slot) = self.results[index] else { continue };
            let from = match carry.next {
                Next::Slice(base, stride) => {
                    let last = if self.form.reverse { 0 } else { self.form.length - 1 };
                    Place::Fixed(Base { offset: base.offset + last * stride, ..base })
                }
                Next::Turns(_) if self.condition.is_some() => Place::Carry(index),
                Next::Turns(_) | Next::InPlace(_) => continue,
            };
            let ty = self.form.body.ty(self.form.body.outputs()[index].value).clone();
            let copy = copy(&ty)?;
            let lowered = crate::general::lower(&copy.body);
            let table = vec![
                from,
                Place::Fixed(Base { slot, offset: 0 }),
                Place::Fixed(Base { slot: self.workspace_slot, offset: 0 }),
            ];
            let kernel = self.kernels.len();
            let stages = lowered.stages.iter().enumerate();
            for (stage, code) in stages.filter(|(_, stage)| stage.units > 0) {
                if code.units % units != 0 {
                    return refused("a carry has fewer elements than the loop has units");
                }
                after.push(Call { kernel, stage, units: code.units / units });
            }
            self.kernels.push(Callee { body: copy.body, lowered: Arc::new(lowered), table });
        }
        Ok(after)
    }
}

/// Touches of any byte of these slots.
fn whole(slots: impl Iterator<Item = usize>) -> Vec<Touch> {
    let mut slots: Vec<usize> = slots.collect();
    slots.sort_unstable();
    slots.dedup();
    slots.into_iter().map(|slot| Touch { slot, access: Access::Whole }).collect()
}

/// A kernel that copies a tensor of this type.
fn copy(ty: &Type) -> Result<Kernel> {
    let mut body = Graph::new("copy");
    let made = body
        .add_input("x", ParameterKind::Data, ty.clone(), Default::default())
        .and_then(|x| body.add(StopGradient, &[x], Default::default()));
    match made {
        Ok(y) => body.add_output(y),
        Err(mistake) => return refused(mistake.message),
    }
    Ok(Kernel { kind: KernelKind::Rows, body: Arc::new(body) })
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
