//! Constants.

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::text;
use crate::trace::Var;
use crate::types::Type;

/// A tensor that is part of the graph. If all elements are the same bits, only one is stored.
///
/// Its serde form has the elements as in the text, where all of them are exact, NaN and infinities
/// included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "ConstantText", try_from = "ConstantText")]
pub struct Constant {
    /// Element type and shape.
    ty: Type,
    /// All elements in row-major order, or the one that all of them are.
    value: Data,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConstantText {
    #[serde(rename = "type")]
    ty: Type,
    value: String,
}

impl From<Constant> for ConstantText {
    fn from(constant: Constant) -> Self {
        let value = text::data_to_text(&constant.value, &constant.ty.shape);
        Self { ty: constant.ty, value }
    }
}

impl TryFrom<ConstantText> for Constant {
    type Error = Mistake;

    fn try_from(constant: ConstantText) -> Result<Self, Mistake> {
        let value = text::data_from_text(&constant.value, &constant.ty)?;
        Self::of(constant.ty, value)
    }
}

impl Constant {
    /// This tensor as an op.
    pub fn new(tensor: Tensor) -> Self {
        let ty = tensor.ty();
        let value = tensor.splat().unwrap_or(tensor).into_data();
        Self { ty, value }
    }

    /// A constant of this type with these elements, or with all elements equal to the only one.
    ///
    /// # Errors
    /// If their number or their element type is wrong.
    pub fn of(ty: Type, value: Data) -> Result<Self, Mistake> {
        let whole = value.len() == ty.shape.elements();
        let constant = Self { ty, value };
        constant.check()?;
        Ok(if whole || constant.ty.shape.elements() == 0 {
            Self::new(constant.tensor())
        } else {
            constant
        })
    }

    fn check(&self) -> Result<(), Mistake> {
        let name = Self::NAME;
        let (given, expected) = (self.value.len(), self.ty.shape.elements());
        if self.value.dtype() == self.ty.dtype && (given == expected || given == 1) {
            return Ok(());
        }
        let (ty, dtype) = (&self.ty, self.value.dtype());
        Err(Mistake::new(format!(
            "`{name}` of type {ty} has {given} values of type {dtype}, expected {expected} or one for all"
        )))
    }

    /// Element type and shape.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// All elements in row-major order, or the one that all of them are.
    pub fn value(&self) -> &Data {
        &self.value
    }

    /// The tensor.
    pub fn tensor(&self) -> Tensor {
        let count = self.ty.shape.elements();
        let value = match self.value.len() {
            1 => self.value.repeat(count),
            _ => self.value.clone(),
        };
        Tensor::of(self.ty.shape.clone(), value)
    }

    /// The element as `f64`, if all are the same.
    pub fn splat(&self) -> Option<f64> {
        (self.value.len() == 1).then(|| self.value.to_f64()[0])
    }
}

impl Operation for Constant {
    fn family(&self) -> Family<'_> {
        Family::Source
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [] = expect_operands(Self::NAME, operands)?;
        self.check()?;
        Ok(Types::from_elem(self.ty.clone(), 1))
    }

    fn evaluate(&self, _: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        vec![self.tensor()]
    }

    fn loops(&self, w: &mut Writer, _: &[Buffer], results: &[Buffer]) {
        if self.value.len() == 1 {
            return w.each(&[self.ty.shape.elements()], |w, at| {
                let value = w.first(&self.value);
                w.store(results[0], at[0].clone(), value);
            });
        }
        w.stage(1, |w, _| {
            for index in 0..self.value.len() {
                let value = w.first(&self.value.pick(&[index]));
                w.store(results[0], index.into(), value);
            }
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![])
    }
}

impl Draw for Constant {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let ty = Type { dtype: pen.dtype(), shape: pen.any_shape() };
        Some((Self::new(pen.numbers(&ty)), vec![]))
    }
}
