//! Cells one after the other.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Cell, CellStep, Named};
use crate::error::NnError;
use crate::layers::WeightSpec;
use crate::registry::{Choice, snake_case};

/// Cells of which each takes the output of the one before; the states are those of all of them.
///
/// Weights have the name of their cell in front: `lstm_cell/kernel`, `lstm_cell_1/kernel`.
///
/// Keras: `keras.layers.StackedRNNCells`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackedRNNCells {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trainable: Option<bool>,
    cells: Vec<Choice<dyn Cell>>,
}

crate::registry::object!(StackedRNNCells);

impl StackedRNNCells {
    /// These cells, the first one taking the input.
    pub fn new<T: Into<Choice<dyn Cell>>>(cells: impl IntoIterator<Item = T>) -> Self {
        let cells = cells.into_iter().map(Into::into).collect();
        Self { name: None, trainable: None, cells }
    }

    /// The cells with the names of their weights.
    fn named(&self) -> Result<Vec<Named>, NnError> {
        let mut named: Vec<Named> = Vec::new();
        for cell in &self.cells {
            let cell = cell.resolve()?;
            let class = snake_case(cell.class_name());
            let same = named.iter().filter(|(_, other)| other.class_name() == cell.class_name());
            let name = match same.count() {
                0 => class,
                number => format!("{class}_{number}"),
            };
            named.push((name, cell));
        }
        Ok(named)
    }

    /// The cells; none of them if a name is not one of a cell, which `build` reports.
    fn cells(&self) -> Vec<Named> {
        self.named().unwrap_or_default()
    }
}

impl Cell for StackedRNNCells {
    fn state_sizes(&self) -> Vec<usize> {
        self.cells().iter().flat_map(|(_, cell)| cell.state_sizes()).collect()
    }

    fn output_size(&self) -> usize {
        self.cells().last().map_or(0, |(_, cell)| cell.output_size())
    }

    fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        let cells = self.named().map_err(NnError::into_mistake)?;
        if cells.is_empty() {
            return Err(Mistake::new("StackedRNNCells has no cell"));
        }
        let (mut weights, mut input) = (Vec::new(), input.clone());
        for (name, cell) in cells {
            weights.extend(cell.build(&input)?.into_iter().map(|mut spec| {
                spec.name = format!("{name}/{}", spec.name);
                spec
            }));
            let batch = input.shape.first().copied().unwrap_or(1);
            input = Type::new(input.dtype, [batch, cell.output_size()]);
        }
        Ok(weights)
    }

    fn parts(&self) -> Option<Vec<Named>> {
        Some(self.cells())
    }

    fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>) {
        let mistake = Mistake::new("a step of stacked cells is one of each of its parts");
        (step.inputs[0].tracer().fail(mistake), step.states.to_vec())
    }
}
