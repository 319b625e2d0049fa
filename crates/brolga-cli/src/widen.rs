//! Graphs in double precision: what rounding and gradients are compared with.

use std::sync::Arc;

use brolga_ir::ops::{Cast, Constant, Iota, OneHot, Parameter};
use brolga_ir::{DType, Data, Graph, Mistake, Op, Tensor, Type, Value};
use rustc_hash::FxHashMap;

/// The element type in which a widened graph has elements of this one.
fn wide(dtype: DType) -> DType {
    if dtype.is_float() { DType::F64 } else { dtype }
}

/// The type of a value in a widened graph.
fn wide_type(ty: &Type) -> Type {
    Type { dtype: wide(ty.dtype), shape: ty.shape.clone() }
}

/// The tensor with its floats as `f64`, which is exact.
pub(crate) fn widen_tensor(tensor: &Tensor) -> Tensor {
    if !tensor.dtype().is_float() {
        return tensor.clone();
    }
    Tensor::new(tensor.shape().clone(), Data::F64(tensor.data().to_f64()))
        .expect("there are as many elements as before")
}

/// The same graph with every float as `f64`. Nodes keep their identities.
///
/// # Errors
/// If an op does not take `f64`.
pub(crate) fn widened(graph: &Graph) -> Result<Graph, Mistake> {
    let mut wide_graph = Graph::nested(graph.name(), graph);
    let mut values: FxHashMap<Value, Value> = FxHashMap::default();
    for &id in graph.inputs() {
        if let Some(Parameter { name, kind, ty }) = graph.parameter(id) {
            let origin = graph.node(id).origin.clone();
            let value = wide_graph.add_input(name, *kind, wide_type(ty), origin)?;
            values.insert(id.into(), value);
        }
    }
    for id in graph.order().into_iter().filter(|&id| !graph.is_input(id)) {
        let mut node = graph.node(id).clone();
        node.op = widened_op(node.op)?;
        let operands: Vec<Value> = graph.operands(id).iter().map(|value| values[value]).collect();
        let copy = wide_graph.add_copy(&node, &operands)?;
        for port in 0..node.types.len() as u32 {
            let mut value = Value { node: copy, port };
            // What gives f32 whatever its operands are is converted behind it.
            if wide_graph.ty(value).dtype != wide(node.types[port as usize].dtype) {
                let cast = Cast { dtype: DType::F64 };
                value = wide_graph.add(cast, &[value], node.origin.clone())?;
            }
            values.insert(Value { node: id, port }, value);
        }
    }
    for output in graph.outputs() {
        match output.replaces {
            None => wide_graph.add_output(values[&output.value]),
            Some(state) => {
                wide_graph.add_update(values[&Value::from(state)].node, values[&output.value]);
            }
        }
    }
    Ok(wide_graph)
}

fn widened_op(mut op: Op) -> Result<Op, Mistake> {
    Ok(match op {
        Op::Constant(constant) => Constant::new(widen_tensor(&constant.tensor())).into(),
        Op::Cast(Cast { dtype }) => Cast { dtype: wide(dtype) }.into(),
        Op::OneHot(OneHot { dtype, depth }) => OneHot { dtype: wide(dtype), depth }.into(),
        Op::Iota(iota) => Iota { ty: wide_type(&iota.ty), axis: iota.axis }.into(),
        _ => {
            for body in op.bodies_mut() {
                *body = Arc::new(widened(body)?);
            }
            op
        }
    })
}
