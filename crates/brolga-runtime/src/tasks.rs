//! The graph as tasks that read and write buffers.

use std::collections::HashMap;

use brolga_codegen::kernel::CompiledKernel;
use brolga_ir::{Graph, NodeId, Op, Origin, Role, Uid, Value};
use serde::{Deserialize, Serialize};

use crate::copy::copy_kernel;
use crate::error::RuntimeError;
use crate::memory::ALIGNMENT;
use crate::signature::homes;

pub(crate) type BufferId = usize;
pub(crate) type TaskId = usize;

/// The memory of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Home {
    /// In the arena: the constant of this index.
    Constant(usize),
    /// In the arena: the data input of this index.
    Input(usize),
    /// In the state: the value, before the step, of the state input of this index.
    OldState(usize),
    /// In the state: the value, after the step, of the state input of this index.
    NewState(usize),
    /// In the planned part of the arena.
    Planned,
}

/// A value that needs memory. Views of it are not buffers of their own.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) home: Home,
    pub(crate) bytes: usize,
    /// The task that writes it; inputs and constants have none.
    pub(crate) producer: Option<TaskId>,
    /// Whether it is returned, so that it outlives the step.
    pub(crate) output: bool,
    /// The tasks that read it, in ascending order.
    pub(crate) readers: Vec<TaskId>,
}

/// A kernel, and the buffers that it computes from buffers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The node that it computes; a copy of a state is none.
    pub(crate) node: Option<Uid>,
    pub(crate) origin: Origin,
    pub(crate) operands: Vec<BufferId>,
    pub(crate) results: Vec<BufferId>,
    pub(crate) kernel: CompiledKernel,
}

impl Call {
    /// The layer's path; empty for what belongs to no layer.
    pub(crate) fn layer(&self) -> &str {
        self.origin.layer.as_deref().unwrap_or_default()
    }

    /// Checks that the kernel names only operands and results of the node; the error says what is
    /// wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { operands, results, kernel, .. } = self;
        let (operands, results) = (operands.len(), results.len());
        // The table has a slot for the workspace even if the workspace has no bytes.
        let slots = operands + results + 1;
        let touches =
            kernel.stages.iter().flat_map(|stage| stage.reads.iter().chain(&stage.writes));
        let outside = touches.map(|touch| touch.slot).find(|&slot| slot >= slots);
        let copies = kernel.stages.iter().filter_map(|stage| stage.copies.as_ref());
        let mut pairs = kernel.in_place.iter().chain(copies);
        let pair = pairs.find(|(r, o)| *r >= results || *o >= operands);
        match (outside, pair) {
            (Some(slot), _) => {
                Err(format!("a stage touches slot {slot} of an operand table of {slots}"))
            }
            (_, Some((result, operand))) => Err(format!(
                "result {result} of {results} may overwrite operand {operand} of {operands}"
            )),
            _ => Ok(()),
        }
    }
}

/// The name of a node that computes, in profiles and messages.
pub(crate) fn kernel_name(op: &Op) -> String {
    op.bodies().first().map_or(op.name(), |body| body.name()).to_owned()
}

/// A call and the tasks that it has to come after.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) call: Call,
    /// The operands whose memory each result may take.
    pub(crate) in_place: Vec<Vec<usize>>,
    /// Tasks that have to come before, besides the producers of the operands.
    after: Vec<TaskId>,
    /// The inverse of `after`.
    followers: Vec<TaskId>,
}

/// The tasks of a step, operands before their uses.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) tasks: Vec<Task>,
    /// The nodes of the constants.
    pub(crate) constants: Vec<NodeId>,
    /// The buffers of the outputs that replace no state.
    pub(crate) outputs: Vec<BufferId>,
    /// State inputs and the buffers that replace them.
    pub(crate) updates: Vec<(usize, BufferId)>,
}

impl Tasks {
    /// The tasks of a graph. `kernel` gives the compiled kernel of each node that is no parameter,
    /// constant or view.
    pub(crate) fn new(
        graph: &Graph,
        mut kernel: impl FnMut(NodeId) -> Result<CompiledKernel, RuntimeError>,
    ) -> Result<Self, RuntimeError> {
        let mut tasks = Self::default();
        let homes = homes(graph);
        let mut buffer_of: HashMap<Value, BufferId> = HashMap::new();
        for id in graph.order() {
            let node = graph.node(id);
            let leaf = |tasks: &mut Self, home| tasks.buffer(home, node.types[0].bytes(), None);
            let operands = graph.operands(id);
            let buffer = match &node.op {
                Op::Parameter(_) => leaf(&mut tasks, homes[&id]),
                Op::Constant(_) => {
                    tasks.constants.push(id);
                    let home = Home::Constant(tasks.constants.len() - 1);
                    leaf(&mut tasks, home)
                }
                Op::Reshape(_) => buffer_of[&operands[0]],
                op => {
                    let task = tasks.tasks.len();
                    let operands: Vec<_> = operands.iter().map(|v| buffer_of[v]).collect();
                    let mut results = vec![];
                    for (port, ty) in (0..).zip(&node.types) {
                        let result = tasks.buffer(Home::Planned, ty.bytes(), Some(task));
                        buffer_of.insert(Value { node: id, port }, result);
                        results.push(result);
                    }
                    let name = kernel_name(op);
                    let (origin, kernel) = (node.origin.clone(), kernel(id)?);
                    let uid = Some(node.uid);
                    let call = Call { name, node: uid, origin, operands, results, kernel };
                    call.check().map_err(|problem| {
                        let kernel = call.name.clone();
                        RuntimeError::Kernel { kernel, problem }
                    })?;
                    tasks.push(call);
                    continue;
                }
            };
            buffer_of.insert(id.into(), buffer);
        }
        for output in graph.outputs() {
            let buffer = buffer_of[&output.value];
            match output.replaces.map(|id| homes[&id]) {
                Some(Home::OldState(state)) => tasks.updates.push((state, buffer)),
                _ => tasks.outputs.push(buffer),
            }
        }
        Ok(tasks)
    }

    fn buffer(&mut self, home: Home, bytes: usize, producer: Option<TaskId>) -> BufferId {
        self.buffers.push(Buffer { home, bytes, producer, output: false, readers: vec![] });
        self.buffers.len() - 1
    }

    /// Adds a task whose buffers exist.
    fn push(&mut self, call: Call) {
        let task = self.tasks.len();
        for &operand in &call.operands {
            let readers = &mut self.buffers[operand].readers;
            if readers.last() != Some(&task) {
                readers.push(task);
            }
        }
        let mut in_place = vec![vec![]; call.results.len()];
        call.kernel.in_place.iter().for_each(|&(result, operand)| in_place[result].push(operand));
        let (after, followers) = (vec![], vec![]);
        self.tasks.push(Task { call, in_place, after, followers });
    }

    /// Makes a task come after others.
    pub(crate) fn put_after(&mut self, task: TaskId, others: impl IntoIterator<Item = TaskId>) {
        for other in others {
            self.tasks[task].after.push(other);
            self.tasks[other].followers.push(task);
        }
    }

    /// Adds a task that copies a buffer; returns the buffer of the copy.
    pub(crate) fn copy(&mut self, from: BufferId, home: Home, name: String) -> BufferId {
        let (task, bytes) = (self.tasks.len(), self.buffers[from].bytes);
        let copy = self.buffer(home, bytes, Some(task));
        let origin = Origin { role: Role::Update, ..Origin::default() };
        let (operands, results, kernel) = (vec![from], vec![copy], copy_kernel(bytes));
        self.push(Call { name, node: None, origin, operands, results, kernel });
        copy
    }

    /// The tasks that have to come before a task.
    pub(crate) fn before(&self, task: TaskId) -> impl Iterator<Item = TaskId> {
        let Task { call, after, .. } = &self.tasks[task];
        let producers = call.operands.iter().filter_map(|&buffer| self.buffers[buffer].producer);
        producers.chain(after.iter().copied())
    }

    /// The tasks that have to come after a task.
    pub(crate) fn after(&self, task: TaskId) -> impl Iterator<Item = TaskId> {
        let Task { call, followers, .. } = &self.tasks[task];
        let readers = call.results.iter().flat_map(|&buffer| self.buffers[buffer].readers.iter());
        readers.chain(followers).copied()
    }

    /// The bytes of all buffers, workspaces and scratch memories without any sharing: no plan takes
    /// more.
    pub(crate) fn bytes(&self, threads: usize) -> usize {
        let size = |bytes: usize| bytes.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX);
        let kernels = self.tasks.iter().map(|task| &task.call.kernel);
        let buffers = self.buffers.iter().map(|buffer| size(buffer.bytes));
        let workspaces = kernels.clone().map(|kernel| size(kernel.workspace));
        let scratch = kernels.map(|kernel| size(kernel.scratch).saturating_mul(threads));
        buffers.chain(workspaces).chain(scratch).fold(0, usize::saturating_add)
    }
}
