//! Changes of graphs: uses, replacement, removal, order, equality.

use std::collections::HashSet;
use std::sync::Arc;

use brolga_ir::ops::{Add, Exp, Kernel, KernelKind, Mul, Neg, ParameterKind, Relu};
use brolga_ir::{DType, Graph, NodeId, Origin, Role, Type, Value, verify};

use crate::sample::graph;

/// `%0 = relu %x`, `%1 = exp %x`, `%2 = add %0, %1`, `%3 = mul %2, %2`, returned.
fn diamond() -> Graph {
    graph(
        "graph diamond(%x: f32[2]) {
          %0: f32[2] = relu %x
          %1: f32[2] = exp %x
          %2: f32[2] = add %0, %1
          %3: f32[2] = mul %2, %2
          return %3
        }",
    )
}

/// The nodes in the order of the text, the input first.
fn nodes(graph: &Graph) -> Vec<NodeId> {
    graph.order()
}

#[test]
fn uses_are_listed_once_for_each_operand() {
    let graph = diamond();
    let [x, relu, exp, add, mul] = nodes(&graph)[..] else { panic!("five nodes") };
    assert_eq!(graph.uses(x), [(relu, 0), (exp, 0)]);
    assert_eq!(graph.uses(add), [(mul, 0), (mul, 1)]);
    assert_eq!(graph.uses_of(Value { node: add, port: 1 }), []);
    assert!(graph.is_output(mul.into()) && !graph.is_output(add.into()));
    assert_eq!(graph.operands(mul).as_slice(), [add.into(), add.into()]);
}

#[test]
fn replacing_a_value_reaches_operands_and_outputs() {
    let mut graph = diamond();
    let [x, relu, _, add, mul] = nodes(&graph)[..] else { panic!("five nodes") };
    graph.replace(add.into(), relu.into());
    graph.replace(mul.into(), x.into());
    assert_eq!(graph.operands(mul).as_slice(), [relu.into(), relu.into()]);
    assert!(graph.is_output(x.into()));
    assert_eq!(graph.remove_dead(), 4);
    insta::assert_snapshot!(graph, @"
    graph diamond(%x: f32[2]) {
      return %x
    }
    ");
}

#[test]
fn one_operand_is_exchanged() {
    let mut graph = diamond();
    let [x, .., mul] = nodes(&graph)[..] else { panic!("five nodes") };
    graph.set_operand(mul, 1, x.into());
    graph.set_operand(mul, 2, x.into());
    assert_eq!(verify(&graph), Ok(()));
    insta::assert_snapshot!(graph, @"
    graph diamond(%x: f32[2]) {
      %0: f32[2] = relu %x
      %1: f32[2] = exp %x
      %2: f32[2] = add %0, %1
      %3: f32[2] = mul %2, %x
      return %3
    }
    ");
}

#[test]
fn dead_nodes_go_and_inputs_stay() {
    let mut graph = diamond();
    let exp = nodes(&graph)[2];
    let unused = graph.add_input("unused", ParameterKind::State, Type::f32([2]), Origin::default());
    graph.set_outputs(vec![]);
    graph.add_output(exp.into());
    assert_eq!(graph.remove_dead(), 3);
    assert_eq!((graph.len(), graph.inputs().len()), (3, 2));
    assert!(graph.remove_input(unused.expect("a name").node));
    assert!(!graph.remove_input(graph.inputs()[0]), "it is used");
    assert_eq!(graph.inputs().len(), 1);
}

#[test]
fn inputs_are_not_removed_as_nodes() {
    let mut graph = diamond();
    let x = graph.inputs()[0];
    graph.remove(x);
    assert_eq!(verify(&graph), Ok(()));
}

#[test]
fn the_oldest_of_the_ready_nodes_comes_first() {
    let mut graph = diamond();
    let [x, relu, exp, add, mul] = nodes(&graph)[..] else { panic!("five nodes") };
    let neg = graph.add(Neg, &[x.into()], Origin::default()).expect("one operand");
    graph.set_operand(relu, 0, neg);
    assert_eq!(graph.order(), [x, exp, neg.node, relu, add, mul]);
}

#[test]
fn nodes_on_a_cycle_are_not_in_the_order() {
    let mut graph = diamond();
    let [x, relu, exp, add, mul] = nodes(&graph)[..] else { panic!("five nodes") };
    graph.set_operand(relu, 0, add.into());
    assert_eq!(graph.order(), [x, exp]);
    assert!(graph.get(mul).is_some());
}

#[test]
fn inputs_need_names_of_their_own() {
    let mut graph = diamond();
    let mut add = |name: &str| {
        let added = graph.add_input(name, ParameterKind::Data, Type::f32([2]), Origin::default());
        added.map_err(|mistake| mistake.to_string())
    };
    insta::assert_snapshot!(add("x").expect_err("the name is taken"), @"
    the input `%x` is declared twice
    ");
    insta::assert_snapshot!(add("0").expect_err("a number"), @"
    `0` is not a name for an input
      help: names consist of letters, digits and _ . / - and do not start with a digit
    ");
    for name in ["", "a b", "a//b", "é", "%x"] {
        assert!(add(name).is_err(), "{name}");
    }
    assert!(add("block1/conv2d.kernel-0").is_ok());
}

#[test]
fn nodes_must_fit_their_operands() {
    let mut graph = diamond();
    let x = graph.inputs()[0].into();
    let n =
        graph.add_input("n", ParameterKind::Data, Type::new(DType::I32, [2]), Origin::default());
    let mistake = graph.add(Add, &[x, n.expect("a name")], Origin::default());
    insta::assert_snapshot!(mistake.expect_err("two element types"), @"
    `add`: the operands have different element types, f32 and i32
      help: convert one of them with `cast`
    ");
    let nowhere = Value { node: graph.inputs()[0], port: 7 };
    let mistake = graph.add(Relu, &[nowhere], Origin::default());
    insta::assert_snapshot!(mistake.expect_err("there is no such result"), @"
    `relu`: an operand is not in the graph
    ");
}

#[test]
fn equality_is_about_meaning() {
    let original = diamond();
    let same = graph(
        "graph another(%y: f32[2] @layer) {
          %a: f32[2] = relu %y   @dense #backward
          %b: f32[2] = exp %y
          %c: f32[2] = add %a, %b
          %d: f32[2] = mul %c, %c
          return %d
        }",
    );
    assert_eq!(original, same);
    assert_eq!(HashSet::from([original.clone(), same]).len(), 1);
    let others = [
        ("relu %x", "neg %x"),
        ("add %0, %1", "add %1, %0"),
        ("return %3", "return %2"),
        ("return %3", "return %3, %3"),
        ("(%x", "(state %x"),
        ("[2]", "[3]"),
    ];
    for (old, new) in others {
        assert_ne!(original, graph(&original.to_string().replace(old, new)), "{new}");
    }
}

#[test]
fn equality_does_not_see_when_inputs_were_added() {
    let mut late = Graph::new("late");
    let x = late
        .add_input("x", ParameterKind::Data, Type::f32([2]), Origin::default())
        .expect("a name");
    let exp = late.add(Exp, &[x], Origin::default()).expect("one operand");
    let y = late
        .add_input("y", ParameterKind::Data, Type::f32([2]), Origin::default())
        .expect("a name");
    let product = late.add(Mul, &[exp, y], Origin::default()).expect("two operands");
    late.add_output(product);
    assert_eq!(late, graph(&late.to_string()));
}

#[test]
fn kernels_compare_by_their_bodies() {
    let kernel = |body: &str| Kernel {
        kind: KernelKind::Rows,
        body: Arc::new(graph(&format!(
            "graph body(%x: f32[2]) {{ %0: f32[2] = {body} %x return %0 }}"
        ))),
    };
    assert_eq!(kernel("relu"), kernel("relu"));
    assert_ne!(kernel("relu"), kernel("exp"));
}

#[test]
fn every_change_makes_a_new_revision() {
    type Change = fn(&mut Graph, [NodeId; 4]);
    let changes: [Change; 12] = [
        |graph, _| graph.set_name("g"),
        |graph, _| {
            graph
                .add_input("z", ParameterKind::Data, Type::f32([2]), Origin::default())
                .expect("a new name");
        },
        |graph, [_, unused, ..]| assert!(graph.remove_input(unused)),
        |graph, [x, ..]| {
            graph.add(Exp, &[x.into()], Origin::default()).expect("exp takes floats");
        },
        |graph, [x, ..]| graph.add_output(x.into()),
        |graph, [_, unused, exp, _]| graph.add_update(unused, exp.into()),
        |graph, _| graph.set_outputs(Vec::new()),
        |graph, [x, ..]| graph.origin_mut(x).role = Role::Backward,
        |graph, [x, _, exp, _]| graph.replace(exp.into(), x.into()),
        |graph, [_, unused, exp, _]| graph.set_operand(exp, 0, unused.into()),
        |graph, [.., dead]| graph.remove(dead),
        |graph, _| assert_eq!(graph.remove_dead(), 1),
    ];
    let graph = graph(
        "graph f(%x: f32[2], state %unused: f32[2]) {
          %0: f32[2] = exp %x
          %1: f32[2] = exp %0
          return %0
        }",
    );
    let nodes: [NodeId; 4] = graph.ids().collect::<Vec<_>>().try_into().expect("four nodes");
    for change in changes {
        let mut changed = graph.clone();
        assert_eq!(changed.revision(), graph.revision());
        change(&mut changed, nodes);
        assert_ne!(changed.revision(), graph.revision());
    }
    assert_ne!(Graph::new("f").revision(), Graph::new("f").revision());
    let mut same = graph.clone();
    assert!(!same.remove_input(nodes[0]), "it is used");
    assert_eq!(same.remove_unneeded([nodes[3]]), 0);
    assert_eq!(same.revision(), graph.revision());
}
