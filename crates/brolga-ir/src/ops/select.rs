//! Choice between two values.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, same};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a where mask else b`. The mask has no gradient; the cotangent goes to the chosen operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Select;

impl Elementwise for Select {
    const ARITY: usize = 3;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        let name = Self::NAME;
        if operands[0] != DType::Bool {
            let given = operands[0];
            return Err(Mistake::new(format!("`{name}` takes a mask of bool first, not {given}")));
        }
        same(Self::NAME, &operands[1..])
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1], args[2]) {
            (Lane::M(mask), Lane::F(a), Lane::F(b)) => Lane::F(l.select(mask, a, b)),
            (Lane::M(mask), Lane::I(a), Lane::I(b)) => Lane::I(l.iselect(mask, a, b)),
            (Lane::M(mask), Lane::M(a), Lane::M(b)) => {
                let unmasked = l.not(mask);
                let (a, b) = (l.and(mask, a), l.and(unmasked, b));
                Lane::M(l.or(a, b))
            }
            _ => unreachable!("the type rule admits a mask and two operands of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (mask, dy) = (&node.operands[0], node.cotangent());
        let zero = dy.constant_like(0.0);
        let da = node.wants(1).then(|| mask.select(dy, &zero));
        let db = node.wants(2).then(|| mask.select(&zero, dy));
        Ok(vec![None, da, db])
    }
}

impl Var {
    /// `a` where this mask is true, `b` elsewhere; see [`Select`].
    #[track_caller]
    #[must_use]
    pub fn select(&self, a: &Var, b: &Var) -> Var {
        self.tracer().apply(Select, &[self, a, b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector, vjp};

    #[test]
    fn chooses_by_the_mask() {
        let mask = vector([true, false]);
        let y = run(Select, &[&mask, &vector([-0.0, f32::NAN]), &vector([f32::NAN, 1.0])]);
        assert_eq!(y, vector([-0.0_f32, 1.0]));
        assert_eq!(
            run(Select, &[&mask, &vector([1_i64, 2]), &vector([3_i64, 4])]),
            vector([1_i64, 4])
        );
        for (a, b) in [(false, true), (true, false)] {
            let y = run(Select, &[&mask, &vector([a, a]), &vector([b, b])]);
            assert_eq!(y, vector([a, b]));
        }
    }

    #[test]
    fn gradient_goes_to_the_chosen_operand() {
        let (mask, a, b) = (vector([true, false]), vector([0.0_f32; 2]), tensor([], [0.0_f32]));
        let grads = vjp(Select, &[&mask, &a, &b], &vector([3.0_f32, 5.0]));
        assert_eq!(grads, [None, Some(vector([3.0_f32, 0.0])), Some(tensor([], [5.0_f32]))]);
    }

    #[test]
    fn wrong_element_types_are_mistakes() {
        insta::assert_snapshot!(
            mistake(Select, &["u8[]", "f32[]", "f32[]"]),
            @"`select` takes a mask of bool first, not u8"
        );
        insta::assert_snapshot!(mistake(Select, &["bool[]", "f32[]", "f64[]"]), @r"
        `select`: the operands have different element types, f32 and f64
          help: convert one of them with `cast`
        ");
    }
}
