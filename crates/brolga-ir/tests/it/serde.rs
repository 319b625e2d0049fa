//! The serde form of graphs: JSON in both directions, and the errors of damaged forms.

use std::sync::Arc;

use brolga_ir::ops::{Constant, Kernel, KernelKind};
use brolga_ir::{Graph, Module, Op, Origin, Tensor, TextOptions, Value};

use crate::sample::{extremes, graph, train_step};

fn small() -> Graph {
    graph(
        "graph f(%x: f32[2], state %s: f32[2]) {
          %0: f32[2] = constant {value=[nan,-0]}
          %1: f32[2] = add %x, %0 @dense #update
          return %1, %1 => %s
        }",
    )
}

fn json(graph: &Graph) -> String {
    serde_json::to_string_pretty(graph).expect("a valid graph")
}

/// The error of the JSON of [`small`] after a change.
fn error(old: &str, new: &str) -> String {
    let text = serde_json::to_string(&small()).expect("a valid graph");
    assert!(text.contains(old), "{text}");
    serde_json::from_str::<Graph>(&text.replacen(old, new, 1)).expect_err("a mistake").to_string()
}

#[test]
fn the_form() {
    insta::assert_snapshot!(json(&small()), @r#"
    {
      "name": "f",
      "nodes": [
        {
          "op": "parameter",
          "name": "x",
          "kind": "data",
          "type": "f32[2]",
          "types": [
            "f32[2]"
          ],
          "origin": {
            "role": "forward"
          }
        },
        {
          "op": "parameter",
          "name": "s",
          "kind": "state",
          "type": "f32[2]",
          "types": [
            "f32[2]"
          ],
          "origin": {
            "role": "forward"
          }
        },
        {
          "op": "constant",
          "type": "f32[2]",
          "value": "[nan,-0]",
          "types": [
            "f32[2]"
          ],
          "origin": {
            "role": "forward"
          }
        },
        {
          "op": "add",
          "operands": [
            [
              0,
              0
            ],
            [
              2,
              0
            ]
          ],
          "types": [
            "f32[2]"
          ],
          "origin": {
            "layer": "dense",
            "role": "update"
          }
        }
      ],
      "outputs": [
        {
          "value": [
            3,
            0
          ]
        },
        {
          "value": [
            3,
            0
          ],
          "replaces": 1
        }
      ]
    }
    "#);
}

#[test]
fn there_and_back() {
    for graph in [small(), train_step(), Graph::default()] {
        let back: Graph = serde_json::from_str(&json(&graph)).expect("the form it was written in");
        assert_eq!(back, graph);
        assert_eq!(back.to_string(), graph.to_string());
    }
    let module = Module { graphs: vec![small(), train_step()] };
    let text = serde_json::to_string(&module).expect("valid graphs");
    assert_eq!(serde_json::from_str::<Module>(&text).ok(), Some(module));
}

#[test]
fn inputs_come_first_whenever_they_were_added() {
    let mut graph = small();
    let ty = graph.ty(graph.inputs()[0].into()).clone();
    let kind = brolga_ir::ops::ParameterKind::Data;
    let late = graph.add_input("late", kind, ty, Origin::default()).expect("a name");
    graph.add_output(late);
    let back: Graph = serde_json::from_str(&json(&graph)).expect("the form it was written in");
    assert_eq!(back, graph);
}

#[test]
fn constants_keep_their_bits() {
    for data in extremes() {
        let tensor = Tensor::new([data.len()], data).expect("a vector");
        let op = Op::from(Constant::new(tensor));
        let text = serde_json::to_string(&op).expect("text");
        assert_eq!(serde_json::from_str::<Op>(&text).expect("the same form"), op);
    }
}

/// A graph whose only node is a kernel that doubles and was written at a line of a file.
fn fused() -> Graph {
    graph(
        "graph f(%x: f32[2]) {
          %0: f32[2] = kernel %x {kind=\"rows\"} double(%a: f32[2]) {
            %0: f32[2] = add %a, %a   @dense #backward   // src/model.rs:7
            return %0
          }
          return %0
        }",
    )
}

#[test]
fn bodies_stand_in_one_list() {
    let text = serde_json::to_value(fused()).expect("a valid graph");
    assert_eq!(text["nodes"][1]["bodies"], serde_json::json!([0]));
    insta::assert_snapshot!(text["bodies"][0]["nodes"][1], @r#"{"op":"add","operands":[[0,0],[0,0]],"origin":{"layer":"dense","location":{"file":"src/model.rs","line":7},"role":"backward"},"types":["f32[2]"]}"#);
    let back: Graph = serde_json::from_value(text.clone()).expect("the form it was written in");
    let locations = TextOptions { locations: true, ..TextOptions::default() };
    assert_eq!(back.to_text(&locations), fused().to_text(&locations));

    let error = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut damaged = text.clone();
        change(&mut damaged);
        serde_json::from_value::<Graph>(damaged).expect_err("a mistake").to_string()
    };
    insta::assert_snapshot!(error(&|text| text["bodies"][0]["nodes"][1]["operands"] = serde_json::json!([[0, 0]])), @"body 0: node 1: `add` takes 2 operands, not 1");
    insta::assert_snapshot!(error(&|text| text["nodes"][1]["bodies"] = serde_json::json!([1])), @"node 1 has body 1, which comes later");
    insta::assert_snapshot!(error(&|text| text["nodes"][1]["bodies"] = serde_json::json!([])), @"node 1 has bodies: 0, its op takes 1");
    insta::assert_snapshot!(error(&|text| text["bodies"][0]["outputs"] = serde_json::json!([])), @"node 1: its types are not its op's");
}

#[test]
fn a_body_that_is_shared_is_written_once_and_stays_shared() {
    let kernel = fused().ids().find_map(|id| match &fused().node(id).op {
        Op::Kernel(kernel) => Some(kernel.clone()),
        _ => None,
    });
    let kernel = kernel.expect("a kernel");
    let mut graph = Graph::new("twice");
    let (kind, ty) = (brolga_ir::ops::ParameterKind::Data, brolga_ir::Type::f32([2]));
    let x = graph.add_input("x", kind, ty, Origin::default()).expect("a name");
    let y = graph.add(kernel.clone(), &[x], Origin::default()).expect("the types fit");
    let z = graph.add(kernel, &[y], Origin::default()).expect("the types fit");
    graph.add_output(z);
    let text = serde_json::to_value(&graph).expect("a valid graph");
    assert_eq!(text["bodies"].as_array().map(Vec::len), Some(1));
    let back: Graph = serde_json::from_value(text).expect("the form it was written in");
    assert_eq!(back, graph);
    assert_eq!(back.bodies().len(), 1);
}

#[test]
fn a_result_that_does_not_exist_is_not_written() {
    let mut body = graph("graph k(%a: f32[2]) { return %a }");
    body.add_output(Value { node: fused().outputs()[0].value.node, port: 3 });
    let error = serde_json::to_string(&body).expect_err("a result that does not exist");
    insta::assert_snapshot!(error, @"the graph is not valid; `verify` tells why");

    let mut outer = graph("graph f(%a: f32[2]) { return %a }");
    let a = outer.inputs()[0].into();
    let kernel = Kernel { kind: KernelKind::Rows, body: Arc::new(body) };
    let mistake = outer.add_node(kernel, &[a], Origin::default()).expect_err("a wrong body");
    insta::assert_snapshot!(mistake, @"`kernel k`: its body returns a value that does not exist");
}

#[test]
fn names_of_ops_are_those_of_the_text() {
    for name in Op::NAMES {
        let text = format!("{{\"op\":\"{name}\"}}");
        let problem = serde_json::from_str::<Op>(&text).map_err(|error| error.to_string());
        if let Err(problem) = problem {
            assert!(problem.contains("missing field"), "{name}: {problem}");
        }
    }
}

#[test]
fn an_unknown_op() {
    let error = error("\"op\":\"add\"", "\"op\":\"ad\"");
    assert!(error.starts_with("unknown variant `ad`"), "{error}");
}

#[test]
fn an_unknown_attribute() {
    insta::assert_snapshot!(error("\"value\"", "\"values\""), @"
    unknown field `values`, expected `type` or `value` at line 1 column 336
    ");
}

#[test]
fn a_constant_that_is_none() {
    insta::assert_snapshot!(error("[nan,-0]", "[nan]"), @"
    expected a list of 2 for f32[2], this one has 1 at line 1 column 332
    ");
    insta::assert_snapshot!(error("[nan,-0]", "[nan,-0"), @"
    expected `,` or `]`, but the text ends at line 1 column 334
    ");
    insta::assert_snapshot!(error("[nan,-0]", "[nan,-0] 3"), @"
    expected the end of the value, found `3` at line 1 column 337
    ");
    insta::assert_snapshot!(error("[nan,-0]", "[nan,zero]"), @"
    `zero` is not a value at line 1 column 337
    ");
}

#[test]
fn an_operand_that_comes_later() {
    insta::assert_snapshot!(error("[[0,0],[2,0]]", "[[0,0],[3,0]]"), @"
    node 3 has node 3 as operand, which comes later
    ");
}

#[test]
fn operands_that_do_not_fit() {
    insta::assert_snapshot!(error("[[0,0],[2,0]]", "[[0,0]]"), @"
    node 3: `add` takes 2 operands, not 1
    ");
}

#[test]
fn a_result_that_does_not_exist() {
    insta::assert_snapshot!(error("{\"value\":[3,0]}", "{\"value\":[3,1]}"), @"
    node 3 has no such result
    ");
    insta::assert_snapshot!(error("{\"value\":[3,0]}", "{\"value\":[9,0]}"), @"
    there is no node 9
    ");
}

#[test]
fn types_that_do_not_follow() {
    let text = serde_json::to_string(&small()).expect("a valid graph");
    let offset = text.find("\"op\":\"add\"").expect("the graph has an addition");
    let (before, after) = text.split_at(offset);
    let damaged = format!("{before}{}", after.replacen("f32[2]", "f32[3]", 1));
    let error = serde_json::from_str::<Graph>(&damaged).expect_err("another type");
    insta::assert_snapshot!(error, @"
    node 3: its types are not its op's
    ");
}

#[test]
fn an_update_of_data() {
    insta::assert_snapshot!(error("\"replaces\":1", "\"replaces\":0"), @"
    graph `f`: error: %1 replaces %x, which is data and not state
      | return %1, %1 => %x
      |            ^~~~~~~~
    ");
}
