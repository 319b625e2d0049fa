//! Identities of nodes, and the record of changes.

use brolga_ir::ops::{Exp, Neg, ParameterKind, Sqrt};
use brolga_ir::{Change, DType, Graph, Origin, TextOptions, Type, Value, parse_graph};

fn input(graph: &mut Graph, name: &str) -> Value {
    let ty = Type::new(DType::F32, [2]);
    graph.add_input(name, ParameterKind::Data, ty, Origin::default()).expect("the name is free")
}

fn with_ids(graph: &Graph) -> String {
    graph.to_text(&TextOptions { ids: true, ..TextOptions::default() })
}

#[test]
fn identities_are_never_used_again() {
    let mut graph = Graph::new("f");
    let x = input(&mut graph, "x");
    let first = graph.add_node(Exp, &[x], Origin::default()).expect("a node");
    let first_uid = graph.uid(first);
    graph.remove(first);
    let second = graph.add_node(Neg, &[x], Origin::default()).expect("a node");
    assert_eq!(first, second, "the handle is used again");
    assert_ne!(first_uid, graph.uid(second));
}

#[test]
fn copies_in_a_body_keep_their_identity() {
    let mut graph = Graph::new("f");
    let x = input(&mut graph, "x");
    let exp = graph.add_node(Exp, &[x], Origin::default()).expect("a node");
    let mut body = Graph::nested("body", &graph);
    let inside = input(&mut body, "x");
    let copy = body.add_copy(graph.node(exp), &[inside]).expect("a copy");
    let new = body.add_node(Neg, &[copy.into()], Origin::default()).expect("a node");
    assert_eq!(body.uid(copy), graph.uid(exp));
    let outer: Vec<_> = graph.ids().map(|id| graph.uid(id)).collect();
    assert!(!outer.contains(&body.uid(new)) && !outer.contains(&body.uid(inside.node)));
}

#[test]
fn the_journal_has_every_change_since_it_was_started() {
    let mut graph = Graph::new("f");
    let x = input(&mut graph, "x");
    let exp = graph.add(Exp, &[x], Origin::default()).expect("a node");
    let neg = graph.add(Neg, &[exp], Origin::default()).expect("a node");
    graph.add_output(neg);
    assert_eq!(graph.journal(), [], "nothing is recorded unless it is asked for");
    let uid = |graph: &Graph, value: Value| graph.uid(value.node);
    let [x_uid, exp_uid, neg_uid] = [x, exp, neg].map(|value| uid(&graph, value));

    graph.start_journal();
    let sqrt = graph.add(Sqrt, &[x], Origin::default()).expect("a node");
    graph.set_operand(neg.node, 0, x);
    graph.replace(neg, sqrt);
    graph.remove(neg.node);
    graph.remove_dead();
    let sqrt_uid = uid(&graph, sqrt);
    let expected = [
        Change::Added(sqrt_uid),
        Change::Rewired { node: neg_uid, operand: 0, to: (x_uid, 0) },
        Change::Replaced((neg_uid, 0), (sqrt_uid, 0)),
        Change::Removed(neg_uid),
        Change::Dead(exp_uid),
    ];
    assert_eq!(graph.journal(), expected);
    assert_eq!(graph.take_journal(), expected);
    assert_eq!(graph.journal(), []);
}

#[test]
fn texts_with_identities_name_a_node_alike_before_and_after_a_change() {
    let text = "graph f(%x: f32[2], %n4: f32[2]) {
        %a: f32[2] = exp %x
        %b: f32[2], %c: i32[2] = sort %a {axis=0, descending=false}
        %d: f32[2] = add %b, %n4
        return %d, %c
    }";
    let mut graph = parse_graph(text, "f.ir").expect("the text is right");
    let before = with_ids(&graph);
    insta::assert_snapshot!(before, @"
    graph f(%x: f32[2], %n4: f32[2]) {
      %_n2: f32[2] = exp %x
      %_n3: f32[2], %_n3.1: i32[2] = sort %_n2 {axis=0, descending=false}
      %_n4: f32[2] = add %_n3, %n4
      return %_n4, %_n3.1
    }
    ");
    assert_eq!(parse_graph(&before, "f.ir").expect("the names are right"), graph);
    let exp = graph.order().into_iter().find(|&id| graph.node(id).op.name() == "exp");
    let x = graph.inputs()[0].into();
    graph.replace(exp.expect("it is there").into(), x);
    graph.remove_dead();
    insta::assert_snapshot!(with_ids(&graph), @"
    graph f(%x: f32[2], %n4: f32[2]) {
      %_n3: f32[2], %_n3.1: i32[2] = sort %x {axis=0, descending=false}
      %_n4: f32[2] = add %_n3, %n4
      return %_n4, %_n3.1
    }
    ");
}
