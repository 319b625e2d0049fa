//! Multiplication.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = a · b`; integers wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mul;

impl Elementwise for Mul {
    const NAME: &'static str = "mul";
    const ARITY: usize = 2;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::F(l.mul(a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::I(l.imul(a, b)),
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let dy = node.cotangent();
        let (a, b) = (&node.operands[0], &node.operands[1]);
        Ok(vec![Some(dy * b), Some(dy * a)])
    }
}
