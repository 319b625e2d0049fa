//! Passes that are wrong on purpose: each is caught, found and shrunk.
//!
//! They stand in the pipeline only here. Each is of another kind: wrong arithmetic, rules about NaN
//! and signs, ties, strides, axes, dropped uses and outputs, graphs that are not valid, passes that
//! do not end.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;
use std::time::Duration;

use brolga_ir::ops::{self, Constant, Kernel, ParameterKind};
use brolga_ir::{DType, Graph, Mistake, NodeId, Op, Origin, Output, Tensor, Type, Value};
use brolga_passes::{
    Changed, Pass, PassError, PassManager, Rewrites, Rule, bisect, pipeline, same_bits, shrink,
};
use serde_json::{Value as Json, json};

/// The most nodes that a shrunk graph has.
const SMALL: usize = 6;

/// A rewrite of the values that a node computes: `None` leaves it, an error is one of its own.
type Wrong = fn(&mut Graph, NodeId) -> Result<Option<Value>, Mistake>;

/// A wrong pass.
#[derive(Clone, Copy)]
struct Planted {
    name: &'static str,
    /// Where it stands in the pipeline.
    place: Place,
    wrong: Wrong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After calls were inlined.
    First,
    /// After all others.
    Last,
}

const RULE: Rule = Rule { name: "a mistake", reason: "none" };

impl Pass for Planted {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        for id in graph.order() {
            // What the rule would do is tried on a copy, so that it asks only if it does something.
            if (self.wrong)(&mut graph.clone(), id).is_ok_and(|new| new.is_none()) {
                continue;
            }
            if !rewrites.allow(&RULE, graph, id) {
                break;
            }
            if let Some(new) = (self.wrong)(graph, id)? {
                graph.replace(id.into(), new);
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The op of a name with these attributes.
fn op(name: &str, attributes: Json) -> Op {
    let mut fields = attributes;
    fields["op"] = name.into();
    serde_json::from_value(fields).unwrap()
}

/// Replaces a node by one of another op on the same operands.
fn with_op(graph: &mut Graph, id: NodeId, op: Op) -> Result<Option<Value>, Mistake> {
    let operands = graph.operands(id);
    graph.add(op, &operands, Origin::default()).map(Some)
}

/// Replaces a node of this op by one with other attributes, if they are these.
fn altered(
    graph: &mut Graph,
    id: NodeId,
    name: &str,
    change: impl Fn(&mut Json) -> bool,
) -> Result<Option<Value>, Mistake> {
    let op = &graph.node(id).op;
    if op.name() != name {
        return Ok(None);
    }
    let mut fields = serde_json::to_value(op).unwrap();
    if !change(&mut fields) {
        return Ok(None);
    }
    let Ok(op) = serde_json::from_value::<Op>(fields) else { return Ok(None) };
    let operands = graph.operands(id);
    let types: Vec<&Type> = operands.iter().map(|&value| graph.ty(value)).collect();
    // Shapes stay, or else nobody would need the interpreter to see it.
    match op.infer(&types).is_ok_and(|types| types == graph.node(id).types) {
        true => with_op(graph, id, op),
        false => Ok(None),
    }
}

fn is(graph: &Graph, id: NodeId, name: &str) -> bool {
    graph.node(id).op.name() == name
}

/// The only result of an operand's node, if that is of this op.
fn operand_of(graph: &Graph, id: NodeId, slot: usize, name: &str) -> Option<NodeId> {
    let value = *graph.operands(id).get(slot)?;
    is(graph, value.node, name).then_some(value.node)
}

/// A constant of the type of a node's result.
fn constant_like(graph: &mut Graph, id: NodeId, number: f64) -> Result<Value, Mistake> {
    let ty = graph.ty(id.into()).clone();
    graph.add(Constant::new(Tensor::full(&ty, number)), &[], Origin::default())
}

fn is_constant(graph: &Graph, value: Value, number: f64) -> bool {
    match &graph.node(value.node).op {
        Op::Constant(constant) => constant.splat() == Some(number),
        _ => false,
    }
}

fn node(graph: &mut Graph, op: impl Into<Op>, operands: &[Value]) -> Result<Value, Mistake> {
    graph.add(op, operands, Origin::default())
}

fn swapped(graph: &mut Graph, id: NodeId, name: &str) -> Result<Option<Value>, Mistake> {
    if !is(graph, id, name) {
        return Ok(None);
    }
    let mut operands = graph.operands(id);
    operands.swap(0, 1);
    let same = graph.ty(operands[0]) == graph.ty(operands[1]);
    let op = graph.node(id).op.clone();
    if !same { Ok(None) } else { graph.add(op, &operands, Origin::default()).map(Some) }
}

/// The mistakes. Their order is that of their kinds.
const PLANTED: &[Planted] = &[
    // Arithmetic.
    planted("swapped_difference", |g, id| swapped(g, id, "sub")),
    planted("reciprocal", |g, id| {
        if !is(g, id, "div") {
            return Ok(None);
        }
        let (x, y) = (g.operands(id)[0], g.operands(id)[1]);
        let one =
            g.add(Constant::new(Tensor::full(&g.ty(y).clone(), 1.0)), &[], Origin::default())?;
        let inverse = node(g, ops::Div, &[one, y])?;
        node(g, ops::Mul, &[x, inverse]).map(Some)
    }),
    planted("reassociated_sum", |g, id| {
        let Some(inner) = operand_of(g, id, 0, "add").filter(|_| is(g, id, "add")) else {
            return Ok(None);
        };
        let (a, b, c) = (g.operands(inner)[0], g.operands(inner)[1], g.operands(id)[1]);
        let right = node(g, ops::Add, &[b, c])?;
        node(g, ops::Add, &[a, right]).map(Some)
    }),
    planted("distributed_product", |g, id| {
        let Some(sum) = operand_of(g, id, 0, "add").filter(|_| is(g, id, "mul")) else {
            return Ok(None);
        };
        let (a, b, c) = (g.operands(sum)[0], g.operands(sum)[1], g.operands(id)[1]);
        let (left, right) = (node(g, ops::Mul, &[a, c])?, node(g, ops::Mul, &[b, c])?);
        node(g, ops::Add, &[left, right]).map(Some)
    }),
    planted("mean_of_sums", |g, id| {
        let Op::ReduceMean(mean) = g.node(id).op.clone() else { return Ok(None) };
        let x = g.operands(id)[0];
        let count = g.ty(x).shape.elements() / g.ty(id.into()).shape.elements().max(1);
        let fields = json!({ "axes": mean.axes, "keepdims": mean.keepdims });
        let sum = node(g, op("reduce_sum", fields), &[x])?;
        let factor = constant_like(g, id, 1.0 / count as f64)?;
        node(g, ops::Mul, &[sum, factor]).map(Some)
    }),
    planted("exp_of_log", |g, id| {
        let inner = operand_of(g, id, 0, "log").filter(|_| is(g, id, "exp"));
        Ok(inner.map(|inner| g.operands(inner)[0]))
    }),
    planted("lost_rounding", |g, id| {
        let Some(inner) = operand_of(g, id, 0, "cast").filter(|_| is(g, id, "cast")) else {
            return Ok(None);
        };
        let x = g.operands(inner)[0];
        Ok((g.ty(x) == g.ty(id.into())).then_some(x))
    }),
    // NaN, infinities, signs of zeros.
    planted("zero_times", |g, id| {
        let zero = is(g, id, "mul") && is_constant(g, g.operands(id)[1], 0.0);
        if zero { constant_like(g, id, 0.0).map(Some) } else { Ok(None) }
    }),
    planted("plus_zero", |g, id| {
        let zero = is(g, id, "add") && is_constant(g, g.operands(id)[1], 0.0);
        Ok((zero && g.ty(g.operands(id)[0]) == g.ty(id.into())).then(|| g.operands(id)[0]))
    }),
    planted("difference_of_equals", |g, id| {
        let same = is(g, id, "sub") && g.operands(id)[0] == g.operands(id)[1];
        if same { constant_like(g, id, 0.0).map(Some) } else { Ok(None) }
    }),
    planted("maximum_by_comparison", |g, id| {
        if !is(g, id, "max") {
            return Ok(None);
        }
        let (x, y) = (g.operands(id)[0], g.operands(id)[1]);
        let mask = node(g, ops::Gt, &[x, y])?;
        node(g, ops::Select, &[mask, x, y]).map(Some)
    }),
    planted("negated_comparison", |g, id| {
        // Not `x < y` is `x ≥ y`, unless one is a NaN.
        let Some(inner) = operand_of(g, id, 0, "lt").filter(|_| is(g, id, "not")) else {
            return Ok(None);
        };
        let operands = g.operands(inner);
        node(g, ops::Ge, &operands).map(Some)
    }),
    // Ties and order.
    planted("last_of_equals", |g, id| {
        let Op::Argmax(argmax) = g.node(id).op.clone() else { return Ok(None) };
        let x = g.operands(id)[0];
        if operand_of(g, id, 0, "reverse").is_some() {
            return Ok(None);
        }
        let extent = g.ty(x).shape[argmax.axis];
        let reversed = node(g, op("reverse", json!({ "axes": [argmax.axis] })), &[x])?;
        let place = node(g, argmax, &[reversed])?;
        let last = constant_like(g, id, extent as f64 - 1.0)?;
        node(g, ops::Sub, &[last, place]).map(Some)
    }),
    planted("descending_sort", |g, id| {
        altered(g, id, "cumsum", |f| {
            let reverse = f["reverse"].as_bool().unwrap_or(false);
            f["reverse"] = (!reverse).into();
            !reverse
        })
    }),
    // Shapes, axes, strides.
    planted("wrong_stride", |g, id| {
        altered(g, id, "slice", |f| {
            let wide = f["strides"] == json!([3]);
            f["strides"] = json!([2]);
            f["limits"] = json!([8]);
            wide
        })
    }),
    planted("off_by_one", |g, id| {
        altered(g, id, "slice", |f| {
            let first = f["strides"] == json!([1]) && f["starts"] == json!([0]);
            f["starts"] = json!([1]);
            f["limits"] =
                (f["limits"][0].as_u64().map_or(json!([]), |limit| json!([limit + 1]))).clone();
            first
        })
    }),
    planted("transposed_by_reshape", |g, id| {
        if !is(g, id, "transpose") {
            return Ok(None);
        }
        let shape = g.ty(id.into()).shape.clone();
        let x = g.operands(id)[0];
        node(g, ops::Reshape { shape }, &[x]).map(Some)
    }),
    planted("other_axis", |g, id| {
        altered(g, id, "reduce_sum", |f| {
            let rows = f["axes"] == json!([0]) && f["keepdims"] == json!(false);
            f["axes"] = json!([1]);
            rows
        })
    }),
    planted("lost_transpose", |g, id| {
        altered(g, id, "matmul", |f| {
            let transposed = f["transpose_b"] == json!(true);
            f["transpose_b"] = json!(false);
            transposed
        })
    }),
    planted("padding_of_the_other_side", |g, id| {
        altered(g, id, "pad", |f| {
            let (low, high) = (f["low"].clone(), f["high"].clone());
            f["low"] = high.clone();
            f["high"] = low.clone();
            low != high
        })
    }),
    planted("concatenated_the_other_way", |g, id| swapped(g, id, "concat")),
    planted("padding_counts", |g, id| {
        altered(g, id, "avg_pool", |f| {
            let counts = f["count_include_pad"].as_bool().unwrap_or(false);
            f["count_include_pad"] = (!counts).into();
            !counts
        })
    }),
    // Uses.
    planted("dropped_use", |g, id| {
        let dropped = is(g, id, "add") && g.ty(g.operands(id)[0]) == g.ty(id.into());
        Ok(dropped.then(|| g.operands(id)[0]))
    }),
    planted("equal_but_for_attributes", |g, id| {
        let same = |g: &Graph, other: NodeId| {
            other != id
                && is(g, other, g.node(id).op.name())
                && !g.operands(id).is_empty()
                && g.operands(other) == g.operands(id)
                && g.node(other).types == g.node(id).types
                && g.node(other).op != g.node(id).op
        };
        Ok(g.order()
            .into_iter()
            .take_while(|&other| other != id)
            .find(|&o| same(g, o))
            .map(Value::from))
    }),
    planted("swapped_arms", |g, id| {
        if !is(g, id, "select") {
            return Ok(None);
        }
        let (mask, a, b) = (g.operands(id)[0], g.operands(id)[1], g.operands(id)[2]);
        if a == b { Ok(None) } else { node(g, ops::Select, &[mask, b, a]).map(Some) }
    }),
    // States and outputs.
    planted("update_of_another_state", |g, id| {
        let outputs = g.outputs().to_vec();
        let updates: Vec<usize> =
            (0..outputs.len()).filter(|&n| outputs[n].replaces.is_some()).collect();
        let &[a, b] = &updates[..] else { return Ok(None) };
        let ours = outputs[a].value.node == id && outputs[a].value != outputs[b].value;
        if !ours || g.ty(outputs[a].value) != g.ty(outputs[b].value) {
            return Ok(None);
        }
        let mut swapped = outputs.clone();
        (swapped[a].replaces, swapped[b].replaces) = (outputs[b].replaces, outputs[a].replaces);
        g.set_outputs(swapped);
        Ok(Some(id.into()))
    }),
    planted("lost_output", |g, id| {
        let outputs = g.outputs().to_vec();
        let lost = outputs.len() > 1 && outputs[0].value.node == id;
        if lost {
            g.set_outputs(outputs[1..].to_vec());
        }
        Ok(lost.then(|| id.into()))
    }),
    planted("other_type", |g, id| {
        let ty = g.ty(id.into()).clone();
        let returned = g.is_output(id.into()) && g.users(id).next().is_none();
        if !returned || ty.dtype != DType::F32 || g.node(id).types.len() != 1 {
            return Ok(None);
        }
        let replaces = g.outputs().iter().any(|o| o.value.node == id && o.replaces.is_some());
        if replaces {
            return Ok(None);
        }
        node(g, ops::Cast { dtype: DType::F64 }, &[id.into()]).map(Some)
    }),
    // Graphs that are not valid, nodes that are not, passes without an end.
    planted("removed_in_use", |g, id| {
        let used = is(g, id, "tanh") && g.users(id).next().is_some();
        if used {
            g.remove(id);
        }
        Ok(used.then(|| id.into()))
    }),
    planted("wrong_node", |g, id| match is(g, id, "tanh") {
        true => g.add(ops::Add, &[id.into()], Origin::default()).map(Some),
        false => Ok(None),
    }),
    // Kernels.
    Planted {
        name: "lost_epilogue",
        place: Place::Last,
        wrong: |g, id| {
            let Op::Kernel(kernel) = g.node(id).op.clone() else { return Ok(None) };
            let mut body = (*kernel.body).clone();
            let relu = body.order().into_iter().find(|&inner| is(&body, inner, "relu"));
            let Some(relu) = relu else { return Ok(None) };
            let x = body.operands(relu)[0];
            if body.is_input(x.node) {
                return Ok(None);
            }
            body.replace(relu.into(), x);
            body.remove_dead();
            let kernel = Kernel { kind: kernel.kind, body: Arc::new(body) };
            let operands = g.operands(id);
            let new = g.add_node(kernel, &operands, Origin::default())?;
            for port in 1..g.node(id).types.len() as u32 {
                g.replace(Value { node: id, port }, Value { node: new, port });
            }
            Ok(Some(new.into()))
        },
    },
];

const fn planted(name: &'static str, wrong: Wrong) -> Planted {
    Planted { name, place: Place::First, wrong }
}

/// The pipeline with a wrong pass in it.
fn with(planted: Planted) -> Vec<Box<dyn Pass>> {
    let mut passes = pipeline();
    let place = match planted.place {
        Place::First => passes.iter().position(|pass| pass.name() == "constant_folding").unwrap(),
        Place::Last => passes.len(),
    };
    passes.insert(place, Box::new(planted));
    passes
}

/// A graph in which each mistake finds something to do, and much else.
fn graph() -> Graph {
    let mut g = Graph::new("step");
    let input = |g: &mut Graph, name: &str, kind, ty: &str| {
        g.add_input(name, kind, ty.parse().unwrap(), Origin::default()).unwrap()
    };
    let data = ParameterKind::Data;
    let x = input(&mut g, "x", data, "f32[16,16]");
    let y = input(&mut g, "y", data, "f32[16,16]");
    let long = input(&mut g, "long", data, "f32[12]");
    let bytes = input(&mut g, "bytes", data, "u8[64]");
    let images = input(&mut g, "images", data, "f32[1,4,4,2]");
    let w = input(&mut g, "w", ParameterKind::State, "f32[16,16]");
    let v = input(&mut g, "v", ParameterKind::State, "f32[16,16]");
    let zero = {
        let ty: Type = "f32[16,16]".parse().unwrap();
        g.add(Constant::new(Tensor::full(&ty, 0.0)), &[], Origin::default()).unwrap()
    };
    let mut returned = vec![];
    let mut n = |g: &mut Graph, op: Op, operands: &[Value]| {
        let value = g.add(op, operands, Origin::default()).unwrap();
        returned.push(value);
        value
    };
    let none = || json!({});
    let product =
        n(&mut g, op("matmul", json!({ "transpose_a": false, "transpose_b": true })), &[x, w]);
    let biased = n(&mut g, op("add", none()), &[product, y]);
    let active = n(&mut g, op("relu", none()), &[biased]);
    let summed = n(&mut g, op("add", none()), &[biased, active]);
    let scaled = n(&mut g, op("mul", none()), &[summed, y]);
    let ratio = n(&mut g, op("div", none()), &[scaled, x]);
    let thirds = n(&mut g, op("add", none()), &[ratio, y]);
    n(&mut g, op("add", none()), &[thirds, x]);
    let difference = n(&mut g, op("sub", none()), &[ratio, y]);
    n(&mut g, op("sub", none()), &[x, x]);
    n(&mut g, op("mul", none()), &[y, zero]);
    n(&mut g, op("add", none()), &[x, zero]);
    let logarithm = n(&mut g, op("log", none()), &[x]);
    n(&mut g, op("exp", none()), &[logarithm]);
    let bounded = n(&mut g, op("tanh", none()), &[difference]);
    n(&mut g, op("max", none()), &[bounded, y]);
    let less = n(&mut g, op("lt", none()), &[x, y]);
    let not = n(&mut g, op("not", none()), &[less]);
    n(&mut g, op("select", none()), &[not, x, y]);
    let narrow = n(&mut g, op("cast", json!({ "dtype": "bf16" })), &[x]);
    n(&mut g, op("cast", json!({ "dtype": "f32" })), &[narrow]);
    n(&mut g, op("argmax", json!({ "axis": 0, "keepdims": false })), &[bytes]);
    let forwards = json!({ "axis": 1, "exclusive": false, "reverse": false });
    n(&mut g, op("cumsum", forwards), &[x]);
    let exclusive = json!({ "axis": 1, "exclusive": true, "reverse": false });
    n(&mut g, op("cumsum", exclusive), &[x]);
    n(&mut g, op("slice", json!({ "starts": [0], "limits": [10], "strides": [3] })), &[long]);
    n(&mut g, op("slice", json!({ "starts": [0], "limits": [6], "strides": [1] })), &[long]);
    n(&mut g, op("transpose", json!({ "permutation": [1, 0] })), &[x]);
    n(&mut g, op("reduce_sum", json!({ "axes": [0], "keepdims": false })), &[y]);
    let parts = n(
        &mut g,
        op("slice", json!({ "starts": [0, 0], "limits": [16, 11], "strides": [1, 1] })),
        &[ratio],
    );
    n(&mut g, op("reduce_mean", json!({ "axes": [1], "keepdims": false })), &[parts]);
    n(&mut g, op("concat", json!({ "axis": 0 })), &[x, y]);
    n(&mut g, op("pad", json!({ "low": [1], "high": [2] })), &[long]);
    let pool = json!({
        "window": [2, 2], "strides": [2, 2], "padding": [[1, 1], [1, 1]],
        "count_include_pad": false,
    });
    n(&mut g, op("avg_pool", pool), &[images]);
    let step_w = n(&mut g, op("sub", none()), &[w, difference]);
    let step_v = n(&mut g, op("mul", none()), &[v, y]);
    returned.retain(|value| ![step_w, step_v].contains(value));
    let mut outputs: Vec<Output> =
        returned.into_iter().map(|value| Output { value, replaces: None }).collect();
    outputs.push(Output { value: step_w, replaces: Some(w.node) });
    outputs.push(Output { value: step_v, replaces: Some(v.node) });
    g.set_outputs(outputs);
    g
}

/// The error of the pipeline, with the bits compared after each pass.
fn failure(graph: &Graph, planted: Planted) -> Option<PassError> {
    PassManager::new(with(planted)).check_each_pass(true).run(&mut graph.clone()).err()
}

fn blames(error: &PassError, name: &str) -> bool {
    error.to_string().contains(&format!("`{name}`"))
}

#[test]
fn the_pipeline_without_mistakes_is_right() {
    let graph = graph();
    assert!(graph.len() >= 40, "{}", graph.len());
    PassManager::new(pipeline()).check_each_pass(true).run(&mut graph.clone()).unwrap();
    let check = |before: &Graph, after: &Graph| same_bits("all passes", before, after);
    assert!(bisect(&graph, pipeline, check).unwrap().is_none());
}

#[test]
fn planted_mistakes_are_caught_found_and_shrunk() {
    assert!(PLANTED.len() >= 20, "{}", PLANTED.len());
    let graph = graph();
    let mut wrong = vec![];
    for &planted in PLANTED {
        let name = planted.name;
        let Some(error) = failure(&graph, planted) else {
            wrong.push(format!("{name}: not caught"));
            continue;
        };
        if !blames(&error, name) {
            wrong.push(format!("{name}: caught as {error}"));
        }
        let check = |before: &Graph, after: &Graph| same_bits("all passes", before, after);
        match bisect(&graph, || with(planted), check).unwrap() {
            Some(culprit) if culprit.pass == name && culprit.rewrite.is_some() => {}
            other => wrong.push(format!("{name}: bisected to {other:?}")),
        }
        // The pass is known now: no other need run.
        let failure = |graph: &Graph| match planted.place {
            Place::Last => failure(graph, planted),
            Place::First => {
                let mut manager = PassManager::new(vec![Box::new(planted)]).check_each_pass(true);
                manager.run(&mut graph.clone()).err()
            }
        };
        let alike = |graph: &Graph| failure(graph).is_some_and(|error| blames(&error, name));
        let small = shrink(&graph, Duration::from_secs(30), alike);
        if small.len() > SMALL {
            wrong.push(format!("{name}: shrunk to {} nodes\n{small}", small.len()));
        }
        if !alike(&small) {
            wrong.push(format!("{name}: the small graph does not fail\n{small}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A pass without an end is stopped, named, and shrunk too.
#[test]
fn a_pass_without_an_end_is_found() {
    #[derive(Clone, Copy)]
    struct ThereAndBack;
    impl Pass for ThereAndBack {
        fn is_required(&self) -> bool {
            false
        }

        fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
            let found = graph.order().into_iter().find(|&id| is(graph, id, "tanh"));
            while found.is_some_and(|id| rewrites.allow(&RULE, graph, id)) {}
            Ok(rewrites.changed())
        }
    }
    let passes = || -> Vec<Box<dyn Pass>> { vec![Box::new(ThereAndBack)] };
    let fails = |graph: &Graph| {
        let error = PassManager::new(passes()).run(&mut graph.clone()).err();
        matches!(error, Some(PassError::Endless { pass, .. }) if pass == "there_and_back")
    };
    let graph = graph();
    assert!(fails(&graph));
    let small = shrink(&graph, Duration::from_secs(30), fails);
    insta::assert_snapshot!(small, @"
    graph step(%v0: f32[0,0]) {
      %0: f32[0,0] = tanh %v0
      return %0
    }
    ");
}
