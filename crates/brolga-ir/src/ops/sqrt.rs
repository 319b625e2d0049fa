//! The square root.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = √x`, correctly rounded. `√−0 = −0`, NaN for `x < 0`.
///
/// The gradient is `½·dy / y`, infinite at `x = 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sqrt;

impl Elementwise for Sqrt {
    const NAME: &'static str = "sqrt";
    const ARITY: usize = 1;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.sqrt(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent() * 0.5 / &node.results[0])])
    }
}

impl Var {
    /// See [`Sqrt`].
    #[track_caller]
    #[must_use]
    pub fn sqrt(&self) -> Var {
        self.unary(Sqrt)
    }
}
