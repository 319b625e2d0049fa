//! Tracing: formulas become graphs, and the first mistake is kept with its location.

use std::sync::Arc;

use brolga_ir::ops::{Kernel, KernelKind, Relu};
use brolga_ir::{DType, Location, Mistake, Origin, Role, Tensor, Tracer, Type, Var, verify};

use crate::sample::graph;

/// The layer, the role and the line of each node.
fn origins(tracer: &Tracer) -> Vec<(Option<String>, Role, Option<u32>)> {
    tracer.with_graph(|graph| {
        let origin = |id| graph.node(id).origin.clone();
        let parts =
            |o: Origin| (o.layer.map(|l| l.to_string()), o.role, o.location.map(|l| l.line));
        graph.ids().map(|id| parts(origin(id))).collect()
    })
}

#[test]
fn formulas_become_graphs() {
    let tracer = Tracer::new("formula");
    let x = tracer.input("x", Type::f32([2, 3]));
    let w = tracer.state("w", Type::f32([3]));
    let y = 1.0 - (&x * &w + 2.0) / -&x;
    tracer.output(&y.reduce_sum(&[1], false));
    tracer.update(&w, &(&w - 0.5));
    let graph = tracer.finish().expect("no mistake");
    assert_eq!(verify(&graph), Ok(()));
    insta::assert_snapshot!(graph, @"
    graph formula(%x: f32[2,3], state %w: f32[3]) {
      %0: f32[2,3] = mul %x, %w
      %1: f32[] = constant {value=2}
      %2: f32[2,3] = add %0, %1
      %3: f32[2,3] = neg %x
      %4: f32[2,3] = div %2, %3
      %5: f32[] = constant {value=1}
      %6: f32[2,3] = sub %5, %4
      %7: f32[2] = reduce_sum %6 {axes=[1], keepdims=false}
      %8: f32[] = constant {value=0.5}
      %9: f32[3] = sub %w, %8
      return %7, %9 => %w
    }
    ");
}

#[test]
fn nodes_know_the_line_that_made_them() {
    let tracer = Tracer::new("lines");
    let line = line!();
    let x = tracer.input("x", Type::f32([2]));
    let y = (&x + &x).relu();
    let z = y.constant_like(1.0);
    tracer.output(&z);
    let lines: Vec<u32> = origins(&tracer).into_iter().filter_map(|(_, _, line)| line).collect();
    assert_eq!(lines, [line + 1, line + 2, line + 2, line + 3]);
    let file = tracer.with_graph(|g| g.node(g.inputs()[0]).origin.location.clone().map(|l| l.file));
    assert!(file.is_some_and(|file| file.ends_with("trace.rs")));
}

#[test]
fn layers_nest_and_end_with_their_guard() {
    let tracer = Tracer::new("layers");
    let x = tracer.input("x", Type::f32([2]));
    {
        let _block = tracer.enter("block1");
        {
            let _conv = tracer.enter("conv2d");
            let _backward = tracer.role(Role::Backward);
            let _ = x.relu();
        }
        let _ = x.relu();
    }
    let _ = x.relu();
    let origins: Vec<_> = origins(&tracer).into_iter().map(|(l, r, _)| (l, r)).collect();
    let layer = |name: &str| Some(name.to_owned());
    assert_eq!(
        origins,
        [
            (None, Role::Forward),
            (layer("block1/conv2d"), Role::Backward),
            (layer("block1"), Role::Forward),
            (None, Role::Forward),
        ]
    );
}

#[test]
fn an_origin_replaces_all_there_was() {
    let tracer = Tracer::new("origins");
    let x = tracer.input("x", Type::f32([2]));
    let _outer = tracer.enter("outer");
    let location = Some(Location { file: "model.rs".into(), line: 3 });
    let origin = Origin { layer: Some("dense".into()), role: Role::Update, location };
    {
        let _scope = tracer.origin_scope(origin.clone());
        let _ = x.relu();
    }
    let node = tracer.with_graph(|g| g.node(g.order()[1]).origin.clone());
    assert_eq!(node, origin);
}

#[test]
fn what_is_derived_has_a_location_only_if_its_source_has_one() {
    let tracer = Tracer::new("origins");
    let x = tracer.input("x", Type::f32([2]));
    {
        let _scope = tracer.derived_scope(Origin::layer("dense", Role::Backward));
        let _ = x.relu();
    }
    let _ = x.relu();
    let origins = origins(&tracer);
    assert_eq!(origins[1], (Some("dense".to_owned()), Role::Backward, None));
    assert_eq!((&origins[2].0, origins[2].1), (&None, Role::Forward));
    assert!(origins[2].2.is_some(), "the guard has ended");
}

#[test]
fn the_first_mistake_is_kept_with_its_origin() {
    let tracer = Tracer::new("mistakes");
    let x = tracer.input("x", Type::f32([2, 3]));
    let y = tracer.input("y", Type::f32([4]));
    let sum = {
        let _dense = tracer.enter("dense");
        &x + &y
    };
    let after = sum.relu().reduce_sum(&[9], false) * 2.0;
    assert!(sum.value().is_none() && after.value().is_none());
    tracer.output(&after);
    let error = tracer.error().expect("a mistake");
    let location = error.origin.location.clone().expect("a location");
    assert!(location.file.ends_with("trace.rs"));
    let text =
        error.to_string().replace(&format!("{}:{}", location.file, location.line), "FILE:LINE");
    insta::assert_snapshot!(text, @"
    layer `dense`: `add`: f32[2,3] and f32[4] do not broadcast
      at FILE:LINE
      help: aligned at the last axis, two extents must be equal or one of them 1
    ");
    assert_eq!(tracer.finish().err(), Some(error));
}

#[test]
fn a_mistake_of_the_caller_counts_as_one() {
    let tracer = Tracer::new("mistakes");
    let x = tracer.fail(Mistake::new("the layer has no inputs").help("call `add` first"));
    assert!(x.relu().value().is_none());
    let error = tracer.finish().expect_err("a mistake").mistake;
    insta::assert_snapshot!(error, @"
    the layer has no inputs
      help: call `add` first
    ");
}

#[test]
fn a_state_keeps_its_type() {
    let tracer = Tracer::new("mistakes");
    let (x, w) = (tracer.input("x", Type::f32([2])), tracer.state("w", Type::f32([3])));
    tracer.update(&w, &x);
    insta::assert_snapshot!(tracer.finish().expect_err("another type").mistake, @"
    a state of type f32[3] cannot become f32[2]
    ");
}

#[test]
fn values_of_two_graphs_do_not_mix() {
    let (a, b) = (Tracer::new("a"), Tracer::new("b"));
    let (x, y) = (a.input("x", Type::f32([2])), b.input("y", Type::f32([2])));
    assert!((&x + &y).value().is_none());
    insta::assert_snapshot!(a.finish().expect_err("two graphs").mistake, @"
    `add`: an operand f32[2] is of another graph
    ");
    assert!(b.finish().is_ok());
}

#[test]
fn an_input_may_be_declared_once() {
    let tracer = Tracer::new("mistakes");
    tracer.input("x", Type::f32([2]));
    assert!(tracer.state("x", Type::f32([2])).value().is_none());
    insta::assert_snapshot!(tracer.finish().expect_err("the name is taken").mistake, @"
    the input `%x` is declared twice
    ");
}

#[test]
fn a_type_beyond_the_limits() {
    let tracer = Tracer::new("mistakes");
    tracer.input("x", Type::f32([usize::MAX, usize::MAX]));
    let error = tracer.finish().expect_err("the type is too large").mistake.to_string();
    assert!(error.contains("larger than the limit of 64 TiB"), "{error}");
}

#[test]
fn all_results_of_a_kernel_are_values() {
    let text = "graph two(%x: f32[2]) {
      %0: f32[2] = relu %x
      %1: f32[] = reduce_sum %0 {axes=[0]}
      return %0, %1
    }";
    let kernel = Kernel { kind: KernelKind::Rows, body: Arc::new(graph(text)) };
    let tracer = Tracer::new("kernel");
    let x = tracer.input("x", Type::f32([2]));
    let results = tracer.apply_all(kernel, &[&x]);
    let types: Vec<String> = results.iter().map(|result| result.ty().to_string()).collect();
    assert_eq!(types, ["f32[2]", "f32[]"]);
    tracer.output(&results[1]);
    insta::assert_snapshot!(tracer.finish().expect("no mistake"), @r#"
    graph kernel(%x: f32[2]) {
      %0: f32[2], %1: f32[] = kernel %x {kind="rows"} two(%x: f32[2]) {
        %0: f32[2] = relu %x
        %1: f32[] = reduce_sum %0 {axes=[0], keepdims=false}
        return %0, %1
      }
      return %1
    }
    "#);
}

#[test]
fn a_graph_can_be_continued() {
    let tracer = Tracer::resume(graph("graph f(%x: f32[2]) { %0: f32[2] = relu %x return %0 }"));
    let last = tracer.with_graph(|graph| graph.outputs()[0].value);
    let y = tracer.apply(Relu, &[&tracer.at(last)]);
    tracer.output(&y);
    insta::assert_snapshot!(tracer.finish().expect("no mistake"), @"
    graph f(%x: f32[2]) {
      %0: f32[2] = relu %x
      %1: f32[2] = relu %0
      return %0, %1
    }
    ");
}

#[test]
fn unbroadcasting_sums_what_was_repeated() {
    let tracer = Tracer::new("unbroadcast");
    let x = tracer.constant(Tensor::scalar(DType::F32, 1.0)).broadcast([4, 2, 3]);
    for shape in [&[4, 2, 3][..], &[2, 3], &[2, 1], &[1, 1, 1], &[3], &[]] {
        tracer.output(&x.unbroadcast(&shape.into()));
    }
    let graph = tracer.finish().expect("no mistake");
    let outputs = brolga_ir::interpret(&graph, &[]).expect("no inputs");
    let sums: Vec<_> = outputs
        .iter()
        .map(|o| (o.ty().to_string(), o.splat().map(|s| s.data().to_f64()[0])))
        .collect();
    let expected = [
        ("f32[4,2,3]", 1.0),
        ("f32[2,3]", 4.0),
        ("f32[2,1]", 12.0),
        ("f32[1,1,1]", 24.0),
        ("f32[3]", 8.0),
        ("f32[]", 24.0),
    ];
    assert_eq!(sums, expected.map(|(ty, sum)| (ty.to_owned(), Some(sum))));
}

#[test]
fn unbroadcasting_to_more_axes_is_a_reshape_or_a_mistake() {
    let tracer = Tracer::new("unbroadcast");
    let x = tracer.input("x", Type::f32([3]));
    assert_eq!(x.unbroadcast(&[1, 3].into()).ty(), &Type::f32([1, 3]));
    assert_eq!(x.unbroadcast(&[2, 3].into()).value(), None);
    insta::assert_snapshot!(tracer.error().expect("six elements").mistake, @"`reshape`: [3] has 3 elements, [2,3] has 6");
}

#[test]
fn variables_belong_to_one_graph() {
    let [one, other] = ["one", "other"].map(Tracer::new);
    let x = one.input("x", Type::f32([2]));
    assert!(one.owns(&x) && one.clone().owns(&x));
    assert!(!other.owns(&x));
    let void = one.fail(Mistake::new("no"));
    assert!(!one.owns(&void));
}

#[test]
fn what_neither_outputs_nor_the_caller_need_can_go() {
    let tracer = Tracer::new("unneeded");
    let x = tracer.input("x", Type::f32([2]));
    let (output, kept, _) = (x.relu(), x.exp().abs(), x.tanh());
    tracer.output(&output);
    tracer.remove_unneeded(kept.node());
    let left = tracer
        .with_graph(|graph| graph.ids().map(|id| graph.node(id).op.name()).collect::<Vec<_>>());
    assert_eq!(left, ["parameter", "relu", "exp", "abs"]);
}

#[test]
fn a_function_is_called_with_values() {
    let tracer = Tracer::new("calls");
    let x = tracer.input("x", Type::f32([2]));
    let inputs = [("a", Type::f32([2])), ("b", Type::f32([2]))];
    let both = tracer.function("both", inputs, |f| {
        let _layer = f[0].tracer().enter("inner");
        vec![&f[0] + &f[1], &f[0] - &f[1]]
    });
    let _block = tracer.enter("block");
    let results = both.apply_all(&[&x, &x]);
    let last = both.apply(&[&results[0], &results[1]]);
    tracer.output(&last);
    insta::assert_snapshot!(tracer.finish().expect("no mistake"), @"
    func both(%a: f32[2], %b: f32[2]) {
      %0: f32[2] = add %a, %b   @inner
      %1: f32[2] = sub %a, %b   @inner
      return %0, %1
    }

    graph calls(%x: f32[2]) {
      %0: f32[2], %1: f32[2] = call both %x, %x   @block
      %2: f32[2], %3: f32[2] = call both %0, %1   @block
      return %2
    }
    ");
}

/// The first mistake of a graph with this function of one vector.
fn mistake_of(body: impl FnOnce(&Tracer, &[Var]) -> Vec<Var>) -> String {
    let tracer = Tracer::new("mistakes");
    let x = tracer.input("x", Type::f32([2]));
    let _block = tracer.enter("block");
    let f = tracer.function("f", [("a", Type::f32([2]))], |f| body(&tracer, f));
    let [_, _] = f.apply_all(&[&x])[..] else { panic!("as many results as the function has") };
    let error = tracer.error().expect("a mistake");
    assert_eq!(error.origin.layer.as_deref(), Some("block"));
    error.mistake.to_string()
}

#[test]
fn mistakes_in_functions_are_those_of_the_graph() {
    let wrong = mistake_of(|_, f| vec![f[0].matmul(&f[0]), f[0].clone()]);
    insta::assert_snapshot!(wrong, @"
    `matmul`: f32[2] and f32[2] are no batches of matrices
      help: both need the same rank, at least 2, and equal extents before the last two axes
    ");
    let state = mistake_of(|_, f| {
        let w = f[0].tracer().state("w", Type::f32([2]));
        vec![&f[0] * w, f[0].clone()]
    });
    insta::assert_snapshot!(state, @"the body of a call takes a state; it must take data alone");
    let foreign = mistake_of(|outer, f| vec![f[0].clone(), outer.scalar(DType::F32, 1.0)]);
    insta::assert_snapshot!(foreign, @"
    the function `f` returns f32[], a value of another graph
      help: it can use only the values that it is given
    ");
    let mixed = mistake_of(|outer, f| vec![&f[0] + outer.scalar(DType::F32, 1.0), f[0].clone()]);
    insta::assert_snapshot!(mixed, @"`add`: an operand f32[] is of another graph");

    let tracer = Tracer::new("mistakes");
    let none = tracer.function("none", [], |_| Vec::new());
    assert!(none.apply_all(&[]).is_empty());
    insta::assert_snapshot!(tracer.finish().expect_err("no results").mistake, @"the body of a call returns nothing");
}
