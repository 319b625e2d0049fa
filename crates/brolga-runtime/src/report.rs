//! Reports on the memory of a program.

use std::fmt;

use brolga_ir::{Role, Uid};
use serde::{Deserialize, Serialize};

use crate::table::{bytes, write_table};

/// The memory of a layer in one part of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerMemory {
    /// The layer's path; empty for what belongs to no layer.
    pub layer: String,
    /// The part of the step.
    pub role: Role,
    /// Bytes of the states that the layer uses.
    pub states: usize,
    /// Bytes of all values of the layer, including workspaces, if each had memory of its own.
    pub values: usize,
    /// Bytes of the values that are live at the peak of memory.
    pub peak: usize,
}

/// The memory of results of a kernel, or of its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueMemory {
    /// The kernel's node; a copy of a state is none.
    pub node: Option<Uid>,
    /// Whether it is the workspace of the kernel, and not a result.
    #[serde(default)]
    pub workspace: bool,
    /// The offset in the arena.
    #[serde(default)]
    pub offset: usize,
    /// The number of bytes.
    pub bytes: usize,
    /// The index, in the order of the step, of the first kernel that needs them.
    pub first: usize,
    /// The index of the last kernel that needs them; the number of kernels for what is returned.
    pub last: usize,
}

/// The memory of a program, known before any is allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// The graph's name.
    pub graph: String,
    /// States and values by layer and role, in the order of the graph.
    pub layers: Vec<LayerMemory>,
    /// The values in the planned part of the arena, with their lives.
    #[serde(default)]
    pub values: Vec<ValueMemory>,
    /// Bytes of all states of the layout, including those that the graph does not use.
    pub states: usize,
    /// Bytes of constants.
    pub constants: usize,
    /// Bytes of data inputs.
    pub inputs: usize,
    /// Bytes of results, outputs and workspaces, after planning.
    pub planned: usize,
    /// Bytes of scratch memory of all workers.
    pub scratch: usize,
    /// Bytes of outputs that replace no state; most of them are in the planned part.
    pub outputs: usize,
    /// Bytes of the arena: constants, inputs, planned and scratch.
    pub arena: usize,
    /// The least bytes of an arena for this order of kernels.
    pub lower_bound: usize,
    /// Bytes of arena and states.
    pub total: usize,
    /// The planner that found the smallest plan.
    pub planner: String,
}

impl MemoryReport {
    /// The least bytes of results, outputs and workspaces for this order of kernels: the most that
    /// are live at once.
    pub fn planned_at_least(&self) -> usize {
        self.lower_bound.saturating_sub(self.arena.saturating_sub(self.planned))
    }

    /// The size of the plan as a multiple of its lower bound: 1 if no plan is smaller.
    pub fn planned_ratio(&self) -> f64 {
        match self.planned_at_least() {
            0 => 1.0,
            least => self.planned as f64 / least as f64,
        }
    }
}

impl MemoryReport {
    /// The table of the layers.
    pub(crate) fn write_layers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |layer: &str| if layer.is_empty() { "-".to_owned() } else { layer.to_owned() };
        let rows: Vec<_> = self
            .layers
            .iter()
            .map(|row| {
                let role = row.role.name().to_owned();
                let [states, values, peak] = [row.states, row.values, row.peak].map(bytes);
                [name(&row.layer), role, states, values, peak]
            })
            .collect();
        write_table(f, 2, &["layer", "role", "states", "values", "at the peak"], &rows)
    }
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_layers(f)?;
        writeln!(f)?;
        let parts = [
            ("constants", self.constants),
            ("inputs", self.inputs),
            ("results, outputs, workspaces", self.planned),
            ("scratch of the workers", self.scratch),
            ("arena", self.arena),
            ("arena, at least", self.lower_bound),
            ("states", self.states),
            ("total", self.total),
        ];
        let rows = parts.map(|(part, size)| [part.to_owned(), bytes(size)]);
        write_table(f, 1, &["part", "memory"], &rows)?;
        let (ratio, planner) = (self.planned_ratio(), &self.planner);
        writeln!(f, "\nplan: {ratio:.3} times its lower bound ({planner})")
    }
}
