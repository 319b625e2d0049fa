//! Inputs of a graph.

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The kind of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// Given anew for each call.
    Data,
    /// Kept between calls: weights, optimizer slots, counters.
    State,
}

/// An input of the graph. In the text its node is in the signature, not in the body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The name in the signature, without `%`.
    pub name: String,
    /// Data or state.
    pub kind: ParameterKind,
    /// Element type and shape.
    #[serde(rename = "type")]
    pub ty: Type,
}

impl Operation for Parameter {
    fn family(&self) -> Family<'_> {
        Family::Source
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [] = expect_operands(Self::NAME, operands)?;
        Ok(Types::from_elem(self.ty.clone(), 1))
    }

    /// The interpreter sets inputs itself; evaluated alone, a parameter is zero.
    fn evaluate(&self, _: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        vec![Tensor::zeros(&results[0])]
    }

    /// Zeros, as the reference evaluation.
    fn loops(&self, w: &mut Writer, _: &[Buffer], results: &[Buffer]) {
        w.each(&[w.shape(results[0]).elements()], |w, at| {
            let zero = w.zero(self.ty.dtype);
            w.store(results[0], at[0].clone(), zero);
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![])
    }
}

impl Draw for Parameter {
    /// A pen adds inputs as operands of other ops.
    fn draw(_: &mut Pen) -> Option<(Self, Vec<Var>)> {
        None
    }
}
