//! Cells, one file each: what a recurrent layer does in one step.
//!
//! A new cell is a new file and one line in the list below.

mod arguments;

use std::fmt;
use std::sync::Arc;

use brolga_ir::{Mistake, Shape, Type, Var};

use crate::layers::WeightSpec;
use crate::registry::{Choice, Object, classes, snake_case};
use crate::trace::Call;

pub(crate) use arguments::forward_cell_setters;
pub(crate) use lstm_cell::UnitForgetBias;

use arguments::{Projection, Unit, named_cell, tanh, unit_setters};

classes! {
    "cell" Cell(snake_case) of "keras.layers" {
        gru_cell: GRUCell,
        lstm_cell: LSTMCell,
        simple_rnn_cell: SimpleRNNCell,
        stacked_rnn_cells: StackedRNNCells,
    }
}

/// What a recurrent layer does in one step: from the input of the step and the states before it to
/// an output and the states after it.
///
/// ```
/// use brolga_ir::{Mistake, Type, Var};
/// use brolga_nn::cells::{Cell, CellStep};
/// use brolga_nn::initializers::GlorotUniform;
/// use brolga_nn::layers::WeightSpec;
/// use serde::{Deserialize, Serialize};
///
/// /// `h = tanh(x·kernel + h·recurrent_kernel)`.
/// #[derive(Debug, Serialize, Deserialize)]
/// struct MinimalRNNCell {
///     units: usize,
/// }
///
/// brolga_nn::object!(MinimalRNNCell { units: Count });
///
/// impl Cell for MinimalRNNCell {
///     fn state_sizes(&self) -> Vec<usize> {
///         vec![self.units]
///     }
///
///     fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
///         let first = GlorotUniform::default().into();
///         let kernel = [input.shape[1], self.units];
///         Ok(vec![
///             WeightSpec::trainable("kernel", kernel, &first),
///             WeightSpec::trainable("recurrent_kernel", [self.units, self.units], &first),
///         ])
///     }
///
///     fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>) {
///         let x = step.inputs[0].matmul(&step.shared("kernel"));
///         let h = (x + step.states[0].matmul(&step.shared("recurrent_kernel"))).tanh();
///         (h.clone(), vec![h])
///     }
/// }
/// ```
///
/// Keras: <https://keras.io/api/layers/recurrent_layers/rnn/>
pub trait Cell: Object {
    /// The features of each state.
    fn state_sizes(&self) -> Vec<usize>;

    /// The shape of each state without the batch, for the input of a step.
    ///
    /// # Errors
    /// If the arguments do not fit the input.
    fn state_shapes(&self, input: &Type) -> Result<Vec<Vec<usize>>, Mistake> {
        let _ = input;
        Ok(self.state_sizes().into_iter().map(|size| vec![size]).collect())
    }

    /// The features of the output; those of the first state by default.
    fn output_size(&self) -> usize {
        self.state_sizes().first().copied().unwrap_or(0)
    }

    /// The weights for the input of a step, `[batch, features]`.
    ///
    /// # Errors
    /// If the arguments do not fit the input.
    fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        let _ = input;
        Ok(vec![])
    }

    /// Computes what does not depend on the states, for all steps at once: `x` is `[time, batch,
    /// features]`. By default the steps get `x` and all weights.
    fn begin(&self, call: &mut Call<'_>, x: &Var) -> Beginning {
        let batch = x.shape().get(1..).unwrap_or_default();
        let shared = match self.build(&Type::new(x.dtype(), batch)) {
            Ok(weights) => {
                let weights = weights.into_iter();
                weights.map(|spec| (spec.name.clone(), call.weight(&spec.name))).collect()
            }
            Err(mistake) => {
                call.tracer().fail(mistake);
                vec![]
            }
        };
        Beginning { sequences: vec![x.clone()], shared }
    }

    /// Computes the output of a step, and the states after it.
    fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>);

    /// The cells that it consists of, with the names of their weights, if these run one after the
    /// other: a layer asks them in its place for everything but the weights.
    fn parts(&self) -> Option<Vec<Named>> {
        None
    }

    /// Whether the output is the first state, as of most cells.
    fn returns_first_state(&self) -> bool {
        false
    }
}

/// A cell, and what the names of its weights begin with.
pub type Named = (String, Arc<dyn Cell>);

/// What is known before the first step.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    /// Sequences `[time, batch, ..]`, of which each step gets its slices.
    pub sequences: Vec<Var>,
    /// Values that all steps read, by name.
    pub shared: Vec<(String, Var)>,
}

/// One step of a cell.
pub struct CellStep<'a> {
    /// The slices of [`Beginning::sequences`], `[batch, ..]`: by default of the input alone.
    pub inputs: &'a [Var],
    /// The states before the step.
    pub states: &'a [Var],
    pub(crate) shared: &'a dyn Fn(&str) -> Option<Var>,
}

impl fmt::Debug for CellStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inputs, states) = (&self.inputs, &self.states);
        f.debug_struct("CellStep")
            .field("inputs", inputs)
            .field("states", states)
            .finish_non_exhaustive()
    }
}

impl CellStep<'_> {
    /// A value that all steps read: a weight, unless [`Cell::begin`] says otherwise.
    ///
    /// A mistake if there is none of this name.
    #[track_caller]
    pub fn shared(&self, name: &str) -> Var {
        let tracer = || self.states.first().or(self.inputs.first()).map(Var::tracer);
        (self.shared)(name).unwrap_or_else(|| match tracer() {
            Some(tracer) => {
                let message = format!("the cell has no shared value `{name}`");
                let help = "`Cell::begin` names them; by default they are the weights of `build`";
                tracer.fail(Mistake::new(message).help(help))
            }
            None => unreachable!("a step has an input or a state"),
        })
    }
}

impl<T: Cell + 'static> From<T> for Choice<dyn Cell> {
    fn from(cell: T) -> Self {
        Self::Object(Arc::new(cell))
    }
}

/// Cells one after the other are one cell.
impl<T: Into<Choice<dyn Cell>>> From<Vec<T>> for Choice<dyn Cell> {
    fn from(cells: Vec<T>) -> Self {
        StackedRNNCells::new(cells).into()
    }
}

/// Zeros as the first states of so many samples.
pub(crate) fn zero_states(x: &Var, batch: usize, shapes: &[Vec<usize>]) -> Vec<Var> {
    let zeros = |shape: &Vec<usize>| {
        x.tracer().full(&Type::new(x.dtype(), [&[batch], &shape[..]].concat()), 0.0)
    };
    shapes.iter().map(zeros).collect()
}

/// The features of the input of a step.
fn features(class: &str, input: &Type) -> Result<usize, Mistake> {
    match input.shape[..] {
        [_, features] => Ok(features),
        _ => {
            let shape: Shape = input.shape.get(1..).unwrap_or_default().into();
            let message = format!("{class} takes a vector in each step, given {shape}");
            Err(Mistake::new(message))
        }
    }
}
