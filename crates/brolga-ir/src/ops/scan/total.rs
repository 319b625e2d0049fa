//! The sum over all steps of the gradient by a shared value.
//!
//! What a step adds is a sum of addends. Many of them are themselves sums of products, of elements
//! or of rows; such an addend of all steps is one larger sum behind the loop. What is linear, as a
//! `reshape` or the zeros of a `pad`, follows the sum.

use rustc_hash::FxHashMap;

use crate::graph::{Graph, Value};
use crate::op::Op;
use crate::ops::{Matmul, ReduceSum, ScatterAdd};
use crate::trace::Var;
use crate::types::{DType, Shape};

/// The sum over all steps of a value of the backward function.
#[derive(Debug)]
pub(super) struct Total {
    terms: Vec<Term>,
}

/// A part of the sum: linear ops, the first one last, of an addend.
#[derive(Debug)]
struct Term {
    ops: Vec<Op>,
    addend: Addend,
}

/// What a step adds.
#[derive(Debug)]
pub(super) enum Addend {
    /// `aᵀ · b`: one product of the rows of all steps.
    Product(Matmul, [Value; 2]),
    /// Sums along axes: along the steps too.
    Sum(ReduceSum, Value),
    /// Rows of a table: those of all steps go to one table.
    Rows(ScatterAdd, [Value; 2]),
    /// A value that a carry adds up.
    Each(Value),
}

impl Total {
    /// The sum of a value of the backward function.
    pub(super) fn of(graph: &Graph, value: Value, is_shared: &dyn Fn(Value) -> bool) -> Self {
        let mut terms = Vec::new();
        // The addends, the last one on top.
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match graph.node(value.node).op {
                Op::Add(_) => {
                    let operands = graph.operands(value.node);
                    if operands.iter().all(|&operand| graph.ty(operand) == graph.ty(value)) {
                        stack.extend(operands.iter().rev());
                        continue;
                    }
                    terms.push(Term::of(graph, value, is_shared));
                }
                _ => terms.push(Term::of(graph, value, is_shared)),
            }
        }
        Self { terms }
    }

    /// The values of the function that the sum needs.
    pub(super) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        self.stacked().chain(self.added_in_steps())
    }

    /// The values of all steps that it needs.
    pub(super) fn stacked(&self) -> impl Iterator<Item = Value> + '_ {
        self.terms
            .iter()
            .flat_map(|term| match &term.addend {
                Addend::Product(_, values) | Addend::Rows(_, values) => values.as_slice(),
                Addend::Sum(_, value) => std::slice::from_ref(value),
                Addend::Each(_) => &[],
            })
            .copied()
    }

    /// The values that are added up step after step.
    pub(super) fn added_in_steps(&self) -> impl Iterator<Item = Value> + '_ {
        self.terms.iter().filter_map(|term| match term.addend {
            Addend::Each(value) => Some(value),
            _ => None,
        })
    }

    /// The sum, of the values of all steps and the carries that add up.
    pub(super) fn build(
        &self,
        graph: &Graph,
        stacks: &FxHashMap<Value, Var>,
        in_steps: &mut dyn FnMut(DType) -> Var,
    ) -> Option<Var> {
        let terms = self.terms.iter().map(|term| term.build(graph, stacks, in_steps));
        terms.reduce(|sum, term| sum + term)
    }
}

impl Term {
    fn of(graph: &Graph, value: Value, is_shared: &dyn Fn(Value) -> bool) -> Self {
        let (mut ops, mut inner) = (Vec::new(), value);
        loop {
            let (node, operands) = (graph.node(inner.node), graph.operands(inner.node));
            let is_linear = matches!(
                node.op,
                Op::Reshape(_) | Op::Transpose(_) | Op::Reverse(_) | Op::Pad(_) | Op::Neg(_)
            );
            if is_linear {
                ops.push(node.op.clone());
                inner = operands[0];
                continue;
            }
            let free = |values: &[Value]| values.iter().all(|&value| !is_shared(value));
            let addend = match &node.op {
                Op::Matmul(product)
                    if is_row_sum(product)
                        && graph.ty(inner).shape.rank() == 2
                        && operands.iter().all(|&v| graph.ty(v).shape.rank() == 2)
                        && free(&operands) =>
                {
                    Addend::Product(*product, [operands[0], operands[1]])
                }
                Op::ReduceSum(sum) if free(&operands) => Addend::Sum(sum.clone(), operands[0]),
                Op::ScatterAdd(table) if free(&operands) => {
                    Addend::Rows(*table, [operands[0], operands[1]])
                }
                _ => Addend::Each(inner),
            };
            return Self { ops, addend };
        }
    }

    fn build(
        &self,
        graph: &Graph,
        stacks: &FxHashMap<Value, Var>,
        in_steps: &mut dyn FnMut(DType) -> Var,
    ) -> Var {
        let sum = match &self.addend {
            Addend::Product(product, values) => {
                let [a, b] = values.map(|value| rows(&stacks[&value]));
                a.tracer().apply(*product, &[&a, &b])
            }
            Addend::Sum(sum, value) => {
                let axes: Vec<usize> =
                    std::iter::once(0).chain(sum.axes.iter().map(|axis| axis + 1)).collect();
                let stack = &stacks[value];
                let total = stack.reduce_sum(&axes, false);
                let kept = |axis: &usize| !sum.axes.contains(axis);
                let own = &graph.ty(*value).shape;
                match sum.keepdims {
                    false => total,
                    true => total.reshape(
                        (0..own.rank())
                            .map(|axis| if kept(&axis) { own[axis] } else { 1 })
                            .collect::<Shape>(),
                    ),
                }
            }
            Addend::Rows(table, values) => {
                let [indices, updates] = values.map(|value| &stacks[&value]);
                indices.tracer().apply(*table, &[indices, updates])
            }
            Addend::Each(value) => in_steps(graph.ty(*value).dtype),
        };
        self.ops.iter().rev().fold(sum, |x, op| x.unary(op.clone()))
    }
}

/// Whether a product of matrices adds up the products of rows.
fn is_row_sum(product: &Matmul) -> bool {
    product.transpose_a && !product.transpose_b
}

/// The rows of all steps.
fn rows(stack: &Var) -> Var {
    let shape = stack.shape();
    stack.reshape([shape[0] * shape[1], shape[2]])
}
