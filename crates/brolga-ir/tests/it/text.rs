//! The text form: printing and parsing gives the same graph, which is printed to the same bytes.

use std::sync::Arc;

use brolga_ir::ops::Constant;
use brolga_ir::{
    Graph, Location, Module, Origin, Role, Tensor, TextOptions, Tracer, Type, parse_graph,
    parse_module,
};

use crate::sample::{extremes, graph, train_step};

/// Prints, parses and prints a graph; returns the text.
pub(crate) fn round_trip(graph: &Graph) -> String {
    for locations in [true, false] {
        let options = TextOptions { locations, ..TextOptions::default() };
        let text = graph.to_text(&options);
        let parsed =
            parse_graph(&text, "<input>").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        assert_eq!(parsed.to_text(&options), text);
        assert!(parsed == *graph, "the graph read back is another one:\n{text}");
    }
    graph.to_string()
}

#[test]
fn every_form_of_syntax() {
    insta::assert_snapshot!(round_trip(&train_step()), @r#"
    graph train_step(
      %x: f32[2,6,6,1],
      state %conv2d/kernel: f32[3,3,1,2] @conv2d,
      state %conv2d/bias: f32[2] @conv2d
    ) {
      %0: f32[2,2,2,2], %1: u8[2,2,2,2] = kernel %x, %conv2d/kernel, %conv2d/bias {kind="contraction"} conv_relu_pool(
        %x: f32[2,6,6,1],
        %w: f32[3,3,1,2],
        %b: f32[2]
      ) {
        %0: f32[2,4,4,2] = conv %x, %w {dilation=[1,1], groups=1, padding=[[0,0],[0,0]], strides=[1,1]}
        %1: f32[2,4,4,2] = add %0, %b
        %2: f32[2,4,4,2] = relu %1
        %3: f32[2,2,2,2] = max_pool %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}
        %4: u8[2,2,2,2] = max_pool_index %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}
        return %3, %4
      }   @conv2d
      %2: f32[2] = constant {value=[1.5,-0]}
      %3: f32[2,2,2,2] = mul %0, %2
      %4: f32[] = constant {value=0.001}   #update
      %5: f32[2] = sub %conv2d/bias, %4   #update
      return %3, %5 => %conv2d/bias, %1
    }
    "#);
}

#[test]
fn many_inputs_stand_on_lines_of_their_own() {
    let mut graph = Graph::new("wide");
    for layer in 0..6 {
        let origin = Origin::layer("dense", Role::Forward);
        let kind = brolga_ir::ops::ParameterKind::State;
        let input =
            graph.add_input(&format!("dense_{layer}/kernel"), kind, Type::f32([784, 128]), origin);
        graph.add_output(input.expect("a name"));
    }
    insta::assert_snapshot!(round_trip(&graph), @"
    graph wide(
      state %dense_0/kernel: f32[784,128] @dense,
      state %dense_1/kernel: f32[784,128] @dense,
      state %dense_2/kernel: f32[784,128] @dense,
      state %dense_3/kernel: f32[784,128] @dense,
      state %dense_4/kernel: f32[784,128] @dense,
      state %dense_5/kernel: f32[784,128] @dense
    ) {
      return %dense_0/kernel, %dense_1/kernel, %dense_2/kernel, %dense_3/kernel, %dense_4/kernel, %dense_5/kernel
    }
    ");
}

#[test]
fn locations_are_comments_that_are_read_back() {
    let mut graph = graph("graph f(%x: f32[2]) { %0: f32[2] = relu %x return %0 }");
    let files = ["src/main.rs", "my file.rs", "line\nbreak \"quoted\".rs"];
    for (id, file) in graph.ids().collect::<Vec<_>>().into_iter().zip(files) {
        graph.origin_mut(id).location = Some(Location { file: file.into(), line: 7 });
    }
    let text = graph.to_text(&TextOptions { locations: true, ..TextOptions::default() });
    insta::assert_snapshot!(text, @r#"
    graph f(
      %x: f32[2]   // src/main.rs:7
    ) {
      %0: f32[2] = relu %x   // "my file.rs":7
      return %0
    }
    "#);
    let parsed = parse_graph(&text, "<input>").expect("the text has no mistake");
    let locations = |graph: &Graph| {
        graph.ids().map(|id| graph.node(id).origin.location.clone()).collect::<Vec<_>>()
    };
    assert_eq!(locations(&parsed), locations(&graph));
    assert_eq!(
        graph.to_string(),
        "graph f(%x: f32[2]) {\n  %0: f32[2] = relu %x\n  return %0\n}\n"
    );
}

#[test]
fn names_that_are_none_stand_in_quotes() {
    let mut graph = graph("graph f(%x: f32[2]) { %0: f32[2] = relu %x @l #backward return %0 }");
    graph.set_name("9 lives \"\\\n\u{7f}é");
    for id in graph.ids().collect::<Vec<_>>() {
        graph.origin_mut(id).layer = Some("a // b".into());
    }
    insta::assert_snapshot!(round_trip(&graph), @r#"
    graph "9 lives \"\\\n\u{7f}é"(%x: f32[2] @"a // b") {
      %0: f32[2] = relu %x   @"a // b" #backward
      return %0
    }
    "#);
}

#[test]
fn constants_of_all_types_keep_their_bits() {
    let mut graph = Graph::new("constants");
    for data in extremes() {
        let flat = Tensor::new([data.len()], data.clone()).expect("a vector");
        let column = Tensor::new([data.len(), 1], data).expect("a column");
        for tensor in [flat, column] {
            let value = graph.add(Constant::new(tensor), &[], Origin::default());
            graph.add_output(value.expect("a constant has no operands"));
        }
    }
    insta::assert_snapshot!(round_trip(&graph), @"
    graph constants() {
      %0: f32[8] = constant {value=[0,-0,0.1,1e-45,3.4028235e38,1.1754944e-38,nan,inf]}
      %1: f32[8,1] = constant {value=[[0],[-0],[0.1],[1e-45],[3.4028235e38],[1.1754944e-38],[nan],[inf]]}
      %2: f64[5] = constant {value=[0.1,-1e-320,1.7976931348623157e308,-inf,0.3333333333333333]}
      %3: f64[5,1] = constant {value=[[0.1],[-1e-320],[1.7976931348623157e308],[-inf],[0.3333333333333333]]}
      %4: bf16[5] = constant {value=[0.1,-0,3e38,9e-41,nan]}
      %5: bf16[5,1] = constant {value=[[0.1],[-0],[3e38],[9e-41],[nan]]}
      %6: f16[4] = constant {value=[0.1,65500,6e-8,inf]}
      %7: f16[4,1] = constant {value=[[0.1],[65500],[6e-8],[inf]]}
      %8: i64[3] = constant {value=[-9223372036854775808,-1,9223372036854775807]}
      %9: i64[3,1] = constant {value=[[-9223372036854775808],[-1],[9223372036854775807]]}
      %10: i32[3] = constant {value=[-2147483648,7,2147483647]}
      %11: i32[3,1] = constant {value=[[-2147483648],[7],[2147483647]]}
      %12: u8[2] = constant {value=[0,255]}
      %13: u8[2,1] = constant {value=[[0],[255]]}
      %14: bool[2] = constant {value=[true,false]}
      %15: bool[2,1] = constant {value=[[true],[false]]}
      return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15
    }
    ");
}

#[test]
fn constants_without_elements_and_scalars() {
    let text = "graph f() {
  %0: f32[0] = constant {value=[]}
  %1: f32[0,3] = constant {value=[]}
  %2: f32[2,0] = constant {value=[]}
  %3: i32[] = constant {value=-3}
  %4: bool[2,2] = constant {value=true}
  %5: f32[2,1,2] = constant {value=[[[1,2]],[[3,4]]]}
  return %0, %1, %2, %3, %4, %5
}
";
    assert_eq!(round_trip(&graph(text)), text);
}

#[test]
fn the_other_spellings_of_a_constant_mean_the_same() {
    let constant = |ty: &str, value: &str| {
        graph(&format!("graph f() {{ %0: {ty} = constant {{value={value}}} return %0 }}"))
    };
    assert_eq!(constant("f32[2,2]", "[1,2,3,4]"), constant("f32[2,2]", "[[1,2.0],[3e0,0.4E+1]]"));
    assert_eq!(constant("f32[2]", "[5,5]"), constant("f32[2]", "5"));
    assert_eq!(constant("f32[0]", "[]"), constant("f32[0]", "5"));
    assert_ne!(constant("f32[]", "0"), constant("f32[]", "-0"));
}

#[test]
fn graphs_follow_one_another() {
    let text = "graph train_step(%x: f32[2]) {
  %0: f32[2] = relu %x
  return %0
}

graph predict() {
  return
}
";
    let module = parse_module(text, "<input>").expect("the text has no mistake");
    assert_eq!(module.to_string(), text);
    assert_eq!(module.graph("predict").map(Graph::len), Some(0));
    assert_eq!(Module::default().to_string(), "");
}

#[test]
fn what_is_written_by_hand_may_look_otherwise() {
    let free = graph(
        "graph f ( %x:f32[ 2 , 3 ] ,state%w:f32[2,3] ) // a comment
         {%sum:f32[2,3]=add %x,%w@dense#update// another: 12x
          %1: f32[2] = reduce_sum
            %sum {keepdims = false, axes = [ 1 ]}
          return %1,%sum=>%w}",
    );
    insta::assert_snapshot!(round_trip(&free), @"
    graph f(%x: f32[2,3], state %w: f32[2,3]) {
      %0: f32[2,3] = add %x, %w   @dense #update
      %1: f32[2] = reduce_sum %0 {axes=[1], keepdims=false}
      return %1, %0 => %w
    }
    ");
}

#[test]
fn attributes_with_defaults_may_be_left_out() {
    let text = |attributes: &str| {
        format!(
            "graph f(%x: f32[1,4,4,1], %w: f32[3,3,1,1]) {{
               %0: f32[1,2,2,1] = conv %x, %w {attributes}
               return %0
             }}"
        )
    };
    let full = text("{dilation=[1,1], groups=1, padding=[[0,0],[0,0]], strides=[1,1]}");
    assert_eq!(graph(&text("{strides=[1,1]}")), graph(&full));
}

#[test]
fn the_order_of_printing_is_topological_and_keeps_dead_nodes() {
    let mut graph = graph("graph f(%x: f32[2]) { %0: f32[2] = relu %x return %0 }");
    let x = graph.inputs()[0].into();
    let relu = graph.outputs()[0].value;
    graph.add(brolga_ir::ops::Neg, &[x], Origin::default()).expect("one operand");
    let exp = graph.add(brolga_ir::ops::Exp, &[x], Origin::default()).expect("one operand");
    graph.set_operand(relu.node, 0, exp);
    insta::assert_snapshot!(round_trip(&graph), @"
    graph f(%x: f32[2]) {
      %0: f32[2] = neg %x
      %1: f32[2] = exp %x
      %2: f32[2] = relu %1
      return %2
    }
    ");
}

/// Functions of one name, functions that call functions, and one that two graphs call.
const FUNCTIONS: &str = "func act(%x: f32[2]) {
  %0: f32[2] = tanh %x   @act
  return %0
}

func pair(%x: f32[2], %y: f32[2]) {
  %0: f32[2] = call act %x   @left
  %1: f32[2] = call act %y   @right
  return %1, %0
}

graph f(%x: f32[2]) {
  %0: f32[2], %1: f32[2] = call pair %x, %x   @block #backward
  %2: f32[2] = call act %0
  return %2, %1
}

graph g(%x: f32[2]) {
  %0: f32[2] = call act %x
  return %0
}
";

#[test]
fn functions_stand_once_before_what_calls_them() {
    let module = parse_module(FUNCTIONS, "<input>").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(module.to_string(), FUNCTIONS);
    for graph in &module.graphs {
        round_trip(graph);
    }
    let [f, g] = &module.graphs[..] else { panic!("two graphs") };
    assert_eq!(f.bodies().len(), 2);
    assert!(Arc::ptr_eq(f.bodies()[0], g.bodies()[0]), "the graphs share the function");
    let json = serde_json::to_string(f).expect("a valid graph");
    let back: Graph = serde_json::from_str(&json).expect("the form it was written in");
    assert_eq!(back.to_string(), f.to_string());
    assert_eq!(back.bodies().len(), 2);
}

#[test]
fn functions_of_one_name_get_numbers() {
    let tracer = Tracer::new("names");
    let x = tracer.input("x", Type::f32([2]));
    let mut last = x;
    for name in ["f", "f", "f.1", "my f"] {
        let f = tracer.function(name, [("x", last.ty().clone())], |x| vec![x[0].tanh()]);
        last = f.apply(&[&last]);
    }
    tracer.output(&last);
    insta::assert_snapshot!(round_trip(&tracer.finish().expect("no mistake")), @r#"
    func f(%x: f32[2]) {
      %0: f32[2] = tanh %x
      return %0
    }

    func f.1(%x: f32[2]) {
      %0: f32[2] = tanh %x
      return %0
    }

    func f.1.1(%x: f32[2]) {
      %0: f32[2] = tanh %x
      return %0
    }

    func "my f"(%x: f32[2]) {
      %0: f32[2] = tanh %x
      return %0
    }

    graph names(%x: f32[2]) {
      %0: f32[2] = call f %x
      %1: f32[2] = call f.1 %0
      %2: f32[2] = call f.1.1 %1
      %3: f32[2] = call "my f" %2
      return %3
    }
    "#);
}

#[test]
fn either_form_of_a_body_is_read() {
    let text = "func f(%x: f32[2]) { return %x }
        graph g(%x: f32[2]) {
            %0: f32[2] = kernel f %x {kind=\"rows\"}
            %1: f32[2] = call %0 h(%x: f32[2]) { return %x }
            return %1
        }
        func unused(%x: f32[2]) { return %x }";
    insta::assert_snapshot!(graph(text), @r#"
    func h(%x: f32[2]) {
      return %x
    }

    graph g(%x: f32[2]) {
      %0: f32[2] = kernel %x {kind="rows"} f(%x: f32[2]) {
        return %x
      }
      %1: f32[2] = call h %0
      return %1
    }
    "#);
}

#[test]
fn functions_that_double_are_read_in_linear_time() {
    let mut text = "func f0(%x: f32[]) { %0: f32[] = neg %x return %0 }\n".to_owned();
    for level in 1..=64 {
        let before = level - 1;
        text += &format!(
            "func f{level}(%x: f32[]) {{ %0: f32[] = call f{before} %x %1: f32[] = call f{before} %0 return %1 }}\n"
        );
    }
    text += "graph g(%x: f32[]) { %0: f32[] = call f64 %x return %0 }";
    let errors = parse_graph(&text, "<input>").expect_err("too many nodes");
    assert_eq!(errors.errors()[0].message, "with its bodies the graph has more than 4194304 nodes");
}

#[test]
fn a_constant_without_elements_is_short_whatever_its_extents() {
    let text = "graph f() {\n  %0: f64[2147483647,0,4] = constant {value=[]}\n  return %0\n}\n";
    assert_eq!(round_trip(&graph(text)), text);
}
