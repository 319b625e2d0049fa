//! Computes values that depend on constants alone.
//!
//! ```text
//! %0: f32[] = constant {value=32}
//! %1: f32[] = constant {value=1}          →   %0: f32[32] = constant {value=0.03125}
//! %2: f32[] = div %1, %0
//! %3: f32[32] = broadcast %2 {shape=[32]}
//! ```
//!
//! The interpreter computes the value, so the bits are those of the op. A constant whose elements
//! are all the same is stored as one element: elementwise ops, shape changes and repetitions of
//! such constants are folded at any size.
//!
//! Refused: all other ops whose operands or result have more than 1024 elements, which would make
//! the graph large and compilation slow; ops without operands (`iota` is cheaper than its table).

use brolga_ir::ops::Constant;
use brolga_ir::{Data, Graph, Mistake, NodeId, Op, Shape, Tensor, Type, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};
use crate::values::{add_splat, constant, elements, splat};

/// The most elements of a folded constant that is no splat.
pub(super) const MAX_ELEMENTS: usize = 1024;

const FOLD: Rule = Rule { name: "fold constants", reason: "the interpreter defines the bits" };

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct ConstantFolding;

impl Pass for ConstantFolding {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        super::sweep(graph, rewrites, fold)
    }
}

fn fold(graph: &mut Graph, id: NodeId, rewrites: &mut Rewrites) -> Result<Option<Value>, Mistake> {
    let operands = graph.operands(id);
    let node = graph.node(id);
    if operands.is_empty()
        || node.types.len() != 1
        || !node.op.bodies().is_empty()
        || operands.iter().any(|&value| constant(graph, value).is_none())
    {
        return Ok(None);
    }
    let (shape, origin) = (node.types[0].shape.clone(), node.origin.clone());
    let small = |value: Value| elements(graph, value) <= MAX_ELEMENTS;
    if let Some(element) = fold_splats(graph, id, &operands) {
        if !rewrites.allow(&FOLD, graph, id) {
            return Ok(None);
        }
        return add_splat(graph, &element, shape, origin).map(Some);
    }
    if !operands.iter().copied().chain([id.into()]).all(small) || !rewrites.allow(&FOLD, graph, id)
    {
        return Ok(None);
    }
    let tensors: Vec<Tensor> =
        operands.iter().filter_map(|&value| constant(graph, value)).map(Constant::tensor).collect();
    let node = graph.node(id);
    let result = evaluate(&node.op, &tensors, &node.types);
    graph.add(Constant::new(result), &[], origin).map(Some)
}

/// The element of the result if it is a splat: the operands are, and the op is elementwise or moves
/// elements.
fn fold_splats(graph: &Graph, id: NodeId, operands: &[Value]) -> Option<Data> {
    let splats = operands.iter().map(|&value| splat(graph, value).map(Constant::value));
    let splats: Vec<&Data> = splats.collect::<Option<_>>()?;
    let op = &graph.node(id).op;
    match op {
        Op::Reshape(_) | Op::Broadcast(_) | Op::Transpose(_) | Op::Reverse(_) | Op::Slice(_) => {
            Some(splats[0].clone())
        }
        op if op.is_elementwise() => {
            let scalars = splats.into_iter().map(|data| Tensor::new(Shape::scalar(), data.clone()));
            let scalars: Vec<Tensor> = scalars.collect::<Option<_>>()?;
            let result = Type::scalar(graph.ty(id.into()).dtype);
            Some(evaluate(op, &scalars, &[result]).into_data())
        }
        _ => None,
    }
}

fn evaluate(op: &Op, operands: &[Tensor], results: &[Type]) -> Tensor {
    let operands: Vec<&Tensor> = operands.iter().collect();
    op.definition().evaluate(&operands, results).swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::ConstantFolding;
    use crate::testing::{refuses, run};

    #[test]
    fn the_interpreter_computes() {
        let text = "graph f(%x: f32[3]) {
            %0: f32[3] = constant {value=[1,-0,nan]}
            %1: f32[3] = exp %0
            %2: f32[1,3] = reshape %1 {shape=[1,3]}
            %3: f32[1] = reduce_sum %2 {axes=[1], keepdims=false}
            return %1, %3
        }";
        insta::assert_snapshot!(run(ConstantFolding, text), @r"
        graph f(%x: f32[3]) {
          %0: f32[3] = constant {value=[2.7182817,1,nan]}
          %1: f32[1] = constant {value=nan}
          return %0, %1
        }
        ");
    }

    #[test]
    fn splats_are_folded_at_any_size() {
        let text = "graph f() {
            %0: f32[] = constant {value=32}
            %1: f32[] = constant {value=1}
            %2: f32[] = div %1, %0
            %3: f32[1000,1000] = broadcast %2 {shape=[1000,1000]}
            %4: f32[1000,1000] = neg %3
            %5: f32[0] = broadcast %2 {shape=[0]}
            %6: bool[1000,1000] = lt %4, %1
            return %4, %5, %6
        }";
        insta::assert_snapshot!(run(ConstantFolding, text), @r"
        graph f() {
          %0: f32[1000,1000] = constant {value=-0.03125}
          %1: f32[0] = constant {value=[]}
          %2: bool[1000,1000] = constant {value=true}
          return %0, %1, %2
        }
        ");
    }

    #[test]
    fn ops_without_operands_stay() {
        refuses(ConstantFolding, "graph f() { %0: f32[4] = iota {axis=0} return %0 }");
    }

    #[test]
    fn large_tables_stay() {
        let text = "graph f() {
            %0: f32[2000] = constant {value=2}
            %1: f32[] = reduce_sum %0 {axes=[0], keepdims=false}
            return %1
        }";
        refuses(ConstantFolding, text);
    }
}
