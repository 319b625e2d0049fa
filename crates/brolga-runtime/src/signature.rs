//! The signature of a program: its inputs, outputs and states.

use std::collections::HashMap;
use std::fmt;

use brolga_ir::ops::ParameterKind;
use brolga_ir::verify::verify;
use brolga_ir::{Graph, NodeId, Type};
use serde::{Deserialize, Serialize};

use crate::element::Element;
use crate::error::RuntimeError;
use crate::memory::Span;
use crate::state::StateLayout;
use crate::tasks::Home;

/// A data input, by its index among the data inputs or by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputRef<'a> {
    /// Its index among the data inputs, from 0.
    Index(usize),
    /// Its name, without `%`.
    Name(&'a str),
}

impl From<usize> for InputRef<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl<'a> From<&'a str> for InputRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl fmt::Display for InputRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => write!(f, "`%{name}`"),
        }
    }
}

/// A data input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

/// A state and its span in [`State`](crate::State).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateInput {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// The inputs and outputs of a graph, checked against a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    pub(crate) graph: String,
    pub(crate) inputs: Vec<Input>,
    pub(crate) states: Vec<StateInput>,
    /// The types of the outputs that replace no state.
    pub(crate) outputs: Vec<Type>,
}

/// The home of each input of a graph.
pub(crate) fn homes(graph: &Graph) -> HashMap<NodeId, Home> {
    let (mut data, mut states) = (0.., 0..);
    let home = |&node: &NodeId| {
        let home = match graph.parameter(node)?.kind {
            ParameterKind::Data => Home::Input(data.next()?),
            ParameterKind::State => Home::OldState(states.next()?),
        };
        Some((node, home))
    };
    graph.inputs().iter().filter_map(home).collect()
}

impl Signature {
    /// The signature of a graph that is valid and whose states are in the layout.
    pub(crate) fn new(graph: &Graph, layout: &StateLayout) -> Result<Self, RuntimeError> {
        verify(graph)?;
        let mut signature = Self {
            graph: graph.name().to_owned(),
            inputs: vec![],
            states: vec![],
            outputs: vec![],
        };
        for &node in graph.inputs() {
            let Some(parameter) = graph.parameter(node) else { continue };
            let (name, ty) = (parameter.name.clone(), parameter.ty.clone());
            match parameter.kind {
                ParameterKind::Data => signature.inputs.push(Input { name, ty }),
                ParameterKind::State => {
                    let span = signature.locate(layout, &name, ty)?;
                    signature.states.push(StateInput { name, span });
                }
            }
        }
        let returned = graph.outputs().iter().filter(|output| output.replaces.is_none());
        signature.outputs = returned.map(|output| graph.ty(output.value).clone()).collect();
        Ok(signature)
    }

    fn locate(
        &self,
        layout: &StateLayout,
        name: &str,
        expected: Type,
    ) -> Result<Span, RuntimeError> {
        let (graph, name) = (self.graph.clone(), name.to_owned());
        match (layout.span(&name), layout.ty(&name)) {
            (Some(span), Some(ty)) if *ty == expected => Ok(span),
            (_, Some(given)) => {
                let (expected, given) = (Box::new(expected), Box::new(given.clone()));
                Err(RuntimeError::StateType { graph, name, expected, given })
            }
            _ => Err(RuntimeError::StateMissing { graph, name, expected, known: layout.known() }),
        }
    }

    /// The index of a data input.
    pub(crate) fn input(&self, which: InputRef<'_>) -> Result<usize, RuntimeError> {
        let index = match which {
            InputRef::Index(index) => (index < self.inputs.len()).then_some(index),
            InputRef::Name(name) => self.inputs.iter().position(|input| input.name == name),
        };
        index.ok_or_else(|| {
            let names: Vec<_> =
                self.inputs.iter().map(|i| format!("`%{}`: {}", i.name, i.ty)).collect();
            let known = match names.as_slice() {
                [] => "it has none".to_owned(),
                _ => format!("it has {}", names.join(", ")),
            };
            RuntimeError::UnknownInput {
                graph: self.graph.clone(),
                given: which.to_string(),
                known,
            }
        })
    }

    /// The type of an output.
    pub(crate) fn output(&self, index: usize) -> Result<&Type, RuntimeError> {
        self.outputs.get(index).ok_or_else(|| RuntimeError::UnknownOutput {
            graph: self.graph.clone(),
            given: index,
            count: self.outputs.len(),
        })
    }

    pub(crate) fn describe_input(&self, index: usize) -> String {
        format!("graph `{}`: input `%{}`", self.graph, self.inputs[index].name)
    }

    pub(crate) fn describe_output(&self, index: usize) -> String {
        format!("graph `{}`: output {index}", self.graph)
    }
}

/// Checks that elements of a type can be accessed as `T`.
pub(crate) fn check_elements<T: Element>(
    ty: &Type,
    what: impl FnOnce() -> String,
) -> Result<(), RuntimeError> {
    if ty.dtype == T::DTYPE {
        return Ok(());
    }
    Err(RuntimeError::ElementType { what: what(), expected: ty.clone(), given: T::DTYPE })
}
