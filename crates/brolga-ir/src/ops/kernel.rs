//! A fused region: a graph inside a node.

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::evaluate_body;
use crate::loops::{Buffer, Writer, write_body};
use crate::op::{Family, Operation, Types, Vjp, wrong_count};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// Which generator compiles a kernel. It follows from the body, and is written out so that a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelKind {
    /// One matrix product or convolution, or a gradient of one, with what is fused in front of it and behind it.
    Contraction,
    /// Elementwise chains over rows, with reductions along the last axes and their results broadcast back.
    Rows,
    /// Elementwise chains with reductions over leading axes.
    Columns,
    /// A pooling window or its gradient.
    Window,
    /// Elements moved to other places: transpose, slice, pad, concat, reverse, gather, scatter.
    Move,
    /// Random bits.
    Random,
    /// The same elementwise chain over several groups of tensors: all parameter updates.
    Update,
}

impl KernelKind {
    /// The word in the text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contraction => "contraction",
            Self::Rows => "rows",
            Self::Columns => "columns",
            Self::Window => "window",
            Self::Move => "move",
            Self::Random => "random",
            Self::Update => "update",
        }
    }
}

/// A fused region that becomes one native kernel. Its meaning is that of its body, evaluated node by node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Which generator compiles it.
    pub kind: KernelKind,
    /// The region as a function of data inputs; the operands in order. Its serde form is its text.
    #[serde(with = "as_text")]
    pub body: Box<Graph>,
}

mod as_text {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use crate::graph::Graph;
    use crate::text::{TextOptions, parse_graph};
    use crate::verify::verify;

    pub(super) fn serialize<S: Serializer>(body: &Graph, serializer: S) -> Result<S::Ok, S::Error> {
        verify(body).map_err(ser::Error::custom)?;
        body.to_text(&TextOptions { locations: true, ..TextOptions::default() })
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<Graph>, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        parse_graph(&text, "body").map(Box::new).map_err(de::Error::custom)
    }
}

impl Operation for Kernel {
    fn family(&self) -> Family<'_> {
        Family::Call
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let inputs = self.body.inputs();
        if inputs.len() != operands.len() {
            let name = format!("kernel {}", self.body.name());
            return Err(wrong_count(&name, inputs.len(), operands.len()));
        }
        for (&input, given) in inputs.iter().zip(operands) {
            let expected = self.body.ty(input.into());
            if expected != *given {
                return Err(Mistake::new(format!(
                    "`kernel {}`: an operand is {given}, its body takes {expected}",
                    self.body.name()
                )));
            }
        }
        Ok(self.body.outputs().iter().map(|o| self.body.ty(o.value).clone()).collect())
    }

    fn evaluate(&self, operands: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        evaluate_body(&self.body, operands)
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        write_body(w, &self.body, operands, results);
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Err(Mistake::new(format!("kernel `{}` cannot be differentiated", self.body.name()))
            .help("differentiate first, fuse afterwards"))
    }
}

impl Draw for Kernel {
    /// Kernels are what passes make of other ops.
    fn draw(_: &mut Pen) -> Option<(Self, Vec<Var>)> {
        None
    }
}
