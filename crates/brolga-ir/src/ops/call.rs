//! A call of a function.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::body::infer_body;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::{Bodies, evaluate_body};
use crate::loops::{Buffer, Writer, write_body};
use crate::op::{Backward, Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The results of the function for the operands: as many as it has outputs, of their types.
///
/// The operands have exactly the types of the function's inputs; nothing is broadcast. The function
/// takes data alone. Nodes that share one graph call one function: the text and the serde form hold
/// it once, and it is differentiated once. The call means the function's nodes, bit for bit; before
/// fusion they replace it, and equal kernels are compiled once.
///
/// The gradient is a call too, of the function's backward function: it takes the operands and the
/// cotangents, and recomputes the values of the function that it needs. Once both are inlined,
/// equal nodes are shared, so that nothing is computed twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The function.
    #[serde(skip)]
    pub function: Arc<Graph>,
}

/// Equal functions have as many nodes. A hash of the nodes would visit those of functions called by
/// functions again and again.
impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.len().hash(state);
    }
}

impl Operation for Call {
    fn family(&self) -> Family<'_> {
        Family::Call
    }

    fn bodies(&self) -> &[Arc<Graph>] {
        std::slice::from_ref(&self.function)
    }

    fn bodies_mut(&mut self) -> &mut [Arc<Graph>] {
        std::slice::from_mut(&mut self.function)
    }

    fn names_bodies(&self) -> bool {
        true
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        infer_body(Self::NAME, &self.function, operands)
    }

    fn evaluate(&self, operands: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        evaluate_body(&self.function, operands)
    }

    fn evaluate_owned(
        &self,
        operands: Vec<Cow<'_, Tensor>>,
        _: &[Type],
        bodies: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        bodies.evaluate((0, &self.function), None, operands)
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        write_body(w, &self.function, operands, results);
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let Backward { function, gradients } = node.backward(&self.function)?;
        if gradients.iter().all(Option::is_none) {
            return Ok(vec![None; gradients.len()]);
        }
        let operands: Vec<&Var> =
            node.operands.iter().chain(node.cotangents.iter().flatten()).collect();
        let results = operands[0].tracer().apply_all(Self { function }, &operands);
        let gradient = |result: Option<usize>| results.get(result?).cloned();
        Ok(gradients.into_iter().map(gradient).collect())
    }
}

impl Draw for Call {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        pen.function().map(|(function, operands)| (Self { function: Arc::new(function) }, operands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Origin, Output};
    use crate::ops::checks::{mistake, run};
    use crate::text::parse_graph;

    fn call(text: &str) -> Call {
        Call { function: Arc::new(parse_graph(text, "function").expect("a graph")) }
    }

    const SCALED: &str = "func half(%x: f32[2]) {
            %0: f32[] = constant {value=0.5}
            %1: f32[2] = mul %x, %0
            return %1
        }
        graph scaled(%x: f32[2], %y: f32[2]) {
            %0: f32[2] = call half %x
            %1: f32[2] = add %0, %y
            return %1
        }";

    #[test]
    fn the_function_is_evaluated() {
        let vector = |a, b| Tensor::f32([2], vec![a, b]).expect("two elements");
        let result = run(call(SCALED), &[&vector(2.0, f32::NAN), &vector(-0.0, 1.0)]);
        let elements = result.as_f32().expect("floats");
        assert_eq!(elements[0].to_bits(), 1.0_f32.to_bits());
        assert!(elements[1].is_nan());
        let same = call("graph same(%x: i64[0]) { return %x }");
        let empty = Tensor::new([0], crate::tensor::Data::I64(vec![])).expect("no elements");
        assert_eq!(run(same, &[&empty]), empty);
    }

    #[test]
    fn operands_are_what_the_function_takes() {
        insta::assert_snapshot!(mistake(call(SCALED), &["f32[2]"]), @"`call scaled` takes 2 operands, not 1");
        insta::assert_snapshot!(mistake(call(SCALED), &["f32[2]", "f32[1]"]), @"`call scaled`: an operand is f32[1], its body takes f32[2]");
        let mut broken = parse_graph(SCALED, "function").expect("a graph");
        let call = broken.ids().last().expect("a node");
        let foreign = crate::graph::Value { node: call, port: 7 };
        broken.set_outputs(vec![Output { value: foreign, replaces: None }]);
        let broken = Call { function: Arc::new(broken) };
        insta::assert_snapshot!(mistake(broken, &["f32[2]", "f32[2]"]), @"`call scaled`: its body returns a value that does not exist");
    }

    #[test]
    fn functions_compare_by_their_nodes() {
        let hash = |call: &Call| {
            let mut hasher = std::hash::DefaultHasher::new();
            call.hash(&mut hasher);
            hasher.finish()
        };
        let (one, other) = (call(SCALED), call(&SCALED.replace("half", "other")));
        assert_eq!((&one, hash(&one)), (&other, hash(&other)));
        assert_ne!(one, call(&SCALED.replace("0.5", "0.25")));
        let mut origins = (*one.function).clone();
        let ids: Vec<_> = origins.ids().collect();
        ids.into_iter().for_each(|id| *origins.origin_mut(id) = Origin::default());
        assert_eq!(one, Call { function: Arc::new(origins) });
    }
}
