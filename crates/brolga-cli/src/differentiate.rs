//! The gradient of a text's graph.

use brolga_autodiff::grad;
use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, Value};
use clap::Args;

use crate::error::CliError;

/// The arguments that say what is differentiated by what.
#[derive(Debug, Default, Args)]
pub(crate) struct Differentiate {
    /// Of a file: the index of the output to differentiate [default: 0, where --wrt is given]
    #[arg(long, value_name = "N")]
    loss: Option<usize>,
    /// Of a file: the inputs to differentiate by, separated by commas [default: the states that are
    /// floats, where --loss is given]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    wrt: Vec<String>,
}

impl Differentiate {
    /// Whether a gradient is asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.loss.is_some() || !self.wrt.is_empty()
    }

    /// Appends the gradients as outputs, in the order of the inputs.
    pub(crate) fn apply(&self, graph: &mut Graph) -> Result<(), CliError> {
        let loss = self.loss.unwrap_or(0);
        let Some(output) = graph.outputs().get(loss).copied() else {
            let message = format!("graph `{}` has no output {loss}", graph.name());
            let help = format!("it has {}, counted from 0", graph.outputs().len());
            return Err(CliError::argument(message, help));
        };
        let wrt = self.inputs(graph)?;
        for gradient in grad(graph, output.value, &wrt)? {
            graph.add_output(gradient);
        }
        Ok(())
    }

    fn inputs(&self, graph: &Graph) -> Result<Vec<Value>, CliError> {
        let names = || {
            let parameters = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
            parameters.map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        if !self.wrt.is_empty() {
            let input = |name: &String| {
                graph.input(name.trim_start_matches('%')).map(Value::from).ok_or_else(|| {
                    let message = format!("graph `{}` has no input `{name}`", graph.name());
                    CliError::argument(message, format!("its inputs are {}", names()))
                })
            };
            return self.wrt.iter().map(input).collect();
        }
        let is_float_state = |&&id: &&_| {
            let state = |p: &brolga_ir::ops::Parameter| {
                p.kind == ParameterKind::State && p.ty.dtype.is_float()
            };
            graph.parameter(id).is_some_and(state)
        };
        let states: Vec<Value> =
            graph.inputs().iter().filter(is_float_state).map(|&id| id.into()).collect();
        if states.is_empty() {
            let message = format!("graph `{}` has no states to differentiate by", graph.name());
            let help = format!("name inputs: --wrt A,B; there are {}", names());
            return Err(CliError::argument(message, help));
        }
        Ok(states)
    }
}
