//! The form of each op, for operands and attributes drawn at random.

use std::collections::BTreeSet;

use brolga_ir::draw::{Pen, Rng};
use brolga_ir::ops::ParameterKind;
use brolga_ir::{DType, Data, Graph, Op, Tensor, Type};
use prost::Message;

use super::{difference, read_again, results};
use crate::ExportError;
use crate::export::written_graph;

/// Ops that have no form; and `attention`, whose form is its formula, with other bits: the cases of
/// layers have it.
const WITHOUT: [&str; 15] = [
    "attention",
    "attention_grad",
    "run_sums",
    "update_rows",
    "while_loop",
    "conv_grad_filter",
    "max_pool_index",
    "max_unpool",
    "max_pool_gather",
    "avg_pool_grad",
    "random_bits",
    "random_uniform",
    "random_bernoulli",
    "kernel",
    "parameter",
];

/// Numbers from −4 to 4, whole ones for integers; indices fit into small tables, most of them.
fn numbers(ty: &Type, seed: usize) -> Tensor {
    let count = ty.shape.elements();
    let value = |at: usize| {
        let wave = (((at + 17 * seed) as f64 * 12.9898).sin() * 43758.5453).fract() * 4.0;
        match ty.dtype {
            DType::Bool => f64::from(wave > 0.0),
            DType::U8 => wave.abs().floor(),
            dtype if dtype.is_int() => wave.floor(),
            _ => wave,
        }
    };
    let values: Vec<f64> = (0..count).map(value).collect();
    Tensor::new(ty.shape.clone(), Data::from_f64(ty.dtype, &values)).expect("as many elements")
}

/// What differs where a graph is written and read again; `None` if nothing does.
fn fails(graph: &Graph, seed: usize) -> Option<String> {
    let parameters = || graph.inputs().iter().filter_map(|&id| graph.parameter(id));
    let of = |kind: ParameterKind| {
        let own = parameters().enumerate().filter(move |(_, p)| p.kind == kind);
        own.map(|(at, p)| (p.name.clone(), numbers(&p.ty, seed + at)))
    };
    let data: Vec<(String, Tensor)> = of(ParameterKind::Data).collect();
    let states: Vec<(String, Tensor)> = of(ParameterKind::State).collect();
    let inputs: Vec<Tensor> = data.iter().map(|(_, tensor)| tensor.clone()).collect();
    let state = |name: &str| {
        let found = states.iter().find(|(own, _)| own == name).expect("a state");
        found.1.clone()
    };
    let expected = results(graph, &inputs, state);
    let names: Vec<String> = data.iter().map(|(name, _)| name.clone()).collect();
    let model = match written_graph(graph, names, states.clone()) {
        Ok(model) => model,
        // Of a function or a loop that was drawn with such an op in it.
        Err(ExportError::Ops(ops)) if ops.iter().all(|form| WITHOUT.contains(&&*form.op)) => {
            return None;
        }
        Err(error) => return Some(error.to_string()),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model.encode_to_vec()).expect("a file");
    match read_again(&path, &inputs) {
        Ok(given) => difference(&expected, &given),
        Err(error) => Some(error.to_string().replace(&path.display().to_string(), "")),
    }
}

#[test]
fn every_op_is_read_again_with_the_same_bits() {
    let (mut failed, mut done) = (Vec::new(), BTreeSet::new());
    for (number, name) in Op::NAMES.iter().enumerate() {
        if WITHOUT.contains(name) {
            continue;
        }
        for dtype in [
            DType::F32,
            DType::F64,
            DType::F16,
            DType::BF16,
            DType::I32,
            DType::I64,
            DType::U8,
            DType::Bool,
        ] {
            for case in 0..4 {
                let rng = Rng::new(number as u64, case);
                let mut pen = Pen::new("drawn", rng, 512);
                pen.set_dtype(dtype);
                let Ok(Some(result)) = pen.op(name) else { continue };
                pen.tracer().output(&result);
                drop(result);
                let Ok(graph) = pen.finish() else { continue };
                done.insert(*name);
                if let Some(reason) = fails(&graph, case as usize) {
                    failed.push(format!("{name} {dtype} {case}: {reason}\n{graph}"));
                }
            }
        }
    }
    let missing = Op::NAMES.iter().filter(|name| !done.contains(*name) && !WITHOUT.contains(name));
    let missing: Vec<_> = missing.collect();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(missing.is_empty(), "{missing:?} were not drawn");
}
