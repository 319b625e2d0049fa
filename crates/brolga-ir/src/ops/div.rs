//! Division.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a / b` for floats, correctly rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Div;

impl Elementwise for Div {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::F(l.div(a, b)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, b) = (node.cotangent(), &node.operands[1]);
        let da = dy / b;
        let db = node.wants(1).then(|| -(&da * &node.results[0]));
        Ok(vec![Some(da), db])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, vector, vjp};

    #[test]
    fn divides_with_gradients() {
        let (a, b) = (vector([6.0_f32, 1.0, 0.0]), vector([2.0_f32, -0.0, 0.0]));
        assert_eq!(run(Div, &[&a, &b]), vector([3.0, f32::NEG_INFINITY, f32::NAN]));
        let (a, b, dy) = (vector([6.0_f32]), vector([2.0_f32]), vector([4.0_f32]));
        let (da, db) = (vector([2.0_f32]), vector([-6.0_f32]));
        assert_eq!(vjp(Div, &[&a, &b], &dy), [Some(da), Some(db)]);
    }

    #[test]
    fn integers_are_a_mistake() {
        insta::assert_snapshot!(mistake(Div, &["i32[2]", "i32[2]"]), @r"
        `div` takes floats, not i32
          help: convert the operand with `cast`
        ");
    }
}
