//! The picture of a graph.

use brolga_ir::to_dot;

use crate::sample::{graph, train_step};

#[test]
fn layers_and_kernels_are_boxes() {
    insta::assert_snapshot!(to_dot(&train_step()), @r#"
    digraph "train_step" {
      label="train_step"
      labelloc=t
      fontname=Helvetica
      node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica, fontsize=11]
      edge [fontname=Helvetica, fontsize=9, color=gray35, fontcolor=gray35]
      i0 [label="%x\nf32[2,6,6,1]", shape=ellipse, fillcolor=white]
      i1 [label="%conv2d/kernel\nf32[3,3,1,2]", shape=ellipse, fillcolor=gray88]
      i2 [label="%conv2d/bias\nf32[2]", shape=ellipse, fillcolor=gray88]
      n1 [label="constant\nvalue=[1.5,-0]", fillcolor=lightskyblue1]
      n2 [label="mul", fillcolor=lightskyblue1]
      n3 [label="constant\nvalue=0.001", fillcolor=darkseagreen1]
      n4 [label="sub", fillcolor=darkseagreen1]
      subgraph cluster_2 {
        label="conv2d"
        style=rounded
        subgraph cluster_1 {
          label="conv_relu_pool {kind=\"contraction\"}"
          style=dashed
          n0_0 [label="conv\ndilation=[1,1]\ngroups=1\npadding=[[0,0],[0,0]]\nstrides=[1,1]", fillcolor=lightskyblue1]
          n0_1 [label="add", fillcolor=lightskyblue1]
          n0_2 [label="relu", fillcolor=lightskyblue1]
          n0_3 [label="max_pool\npadding=[[0,0],[0,0]]\nstrides=[2,2]\nwindow=[2,2]", fillcolor=lightskyblue1]
          n0_4 [label="max_pool_index\npadding=[[0,0],[0,0]]\nstrides=[2,2]\nwindow=[2,2]", fillcolor=lightskyblue1]
        }
      }
      o0 [label="return 0", shape=ellipse]
      o2 [label="return 2", shape=ellipse]
      i0 -> n0_0 [label="f32[2,6,6,1]"]
      i1 -> n0_0 [label="f32[3,3,1,2]"]
      n0_0 -> n0_1 [label="f32[2,4,4,2]"]
      i2 -> n0_1 [label="f32[2]"]
      n0_1 -> n0_2 [label="f32[2,4,4,2]"]
      n0_2 -> n0_3 [label="f32[2,4,4,2]"]
      n0_2 -> n0_4 [label="f32[2,4,4,2]"]
      n0_3 -> n2 [label="f32[2,2,2,2]"]
      n1 -> n2 [label="f32[2]"]
      i2 -> n4 [label="f32[2]"]
      n3 -> n4 [label="f32[]"]
      n2 -> o0 [label="f32[2,2,2,2]"]
      n4 -> i2 [label="f32[2]", style=dashed, constraint=false]
      n0_4 -> o2 [label="u8[2,2,2,2]"]
    }
    "#);
}

#[test]
fn names_cannot_leave_their_quotes() {
    let text = "graph f(%x: f32[2]) { %0: f32[2] = relu %x @\"a\\\"b/c\\\\\" return %0 }";
    let mut graph = graph(text);
    graph.set_name("a \"graph\"\n]");
    insta::assert_snapshot!(to_dot(&graph), @r#"
    digraph "a \"graph\"\n]" {
      label="a \"graph\"\n]"
      labelloc=t
      fontname=Helvetica
      node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica, fontsize=11]
      edge [fontname=Helvetica, fontsize=9, color=gray35, fontcolor=gray35]
      i0 [label="%x\nf32[2]", shape=ellipse, fillcolor=white]
      subgraph cluster_1 {
        label="a\"b"
        style=rounded
        subgraph cluster_2 {
          label="c\\"
          style=rounded
          n0 [label="relu", fillcolor=lightskyblue1]
        }
      }
      o0 [label="return 0", shape=ellipse]
      i0 -> n0 [label="f32[2]"]
      n0 -> o0 [label="f32[2]"]
    }
    "#);
}
