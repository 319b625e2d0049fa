use super::*;
use crate::ops::checks::{mistake, tensor, vector};
use crate::text::parse_graph;

fn graph(text: &str) -> Arc<Graph> {
    Arc::new(parse_graph(text, "body").expect("a graph"))
}

/// Doubles c and counts, as long as c is below the bound.
fn doubling(limit: usize) -> WhileLoop {
    let condition = "graph below(%c: f32[], %n: i32[], %bound: f32[]) {
        %0: bool[] = lt %c, %bound
        return %0
    }";
    let body = "graph double(%c: f32[], %n: i32[], %bound: f32[]) {
        %0: f32[] = add %c, %c
        %1: i32[] = constant {value=1}
        %2: i32[] = add %n, %1
        return %0, %2
    }";
    WhileLoop::new(limit, 2, graph(condition), graph(body))
}

const TYPES: [&str; 3] = ["f32[]", "i32[]", "f32[]"];

fn run(limit: usize, first: f32, bound: f32) -> (f32, i64, i64) {
    let (c, n, bound) = (tensor([], [first]), tensor([], [10_i32]), tensor([], [bound]));
    let types: Vec<Type> = TYPES.iter().map(|ty| ty.parse().expect("a type")).collect();
    let results = doubling(limit).infer(&types.iter().collect::<Vec<_>>()).expect("they fit");
    let given = doubling(limit).evaluate(&[&c, &n, &bound], &results);
    assert_eq!(given.iter().map(Tensor::ty).collect::<Vec<_>>(), results.to_vec());
    let number = |tensor: &Tensor| tensor.to_i64().expect("integers")[0];
    (given[0].as_f32().expect("floats")[0], number(&given[1]), number(&given[2]))
}

#[test]
fn it_runs_as_long_as_the_condition_holds_and_to_the_limit_at_most() {
    assert_eq!(run(10, 1.0, 20.0), (32.0, 15, 5));
    assert_eq!(run(5, 1.0, 20.0), (32.0, 15, 5));
    assert_eq!(run(4, 1.0, 20.0), (16.0, 14, 4));
    assert_eq!(run(10, 20.0, 20.0), (20.0, 10, 0));
    assert_eq!(run(0, 1.0, 20.0), (1.0, 10, 0));
    assert_eq!(run(10, f32::INFINITY, f32::NAN).2, 0, "a comparison with NaN is false");
    assert_eq!(run(1000, 0.0, 1.0), (0.0, 1010, 1000));
}

#[test]
fn refused_operands_and_bodies() {
    insta::assert_snapshot!(mistake(doubling(3), &TYPES[..1]), @"`while_loop` takes 2 operands or more, not 1: its carries");
    insta::assert_snapshot!(mistake(doubling(3), &TYPES[..2]), @"`while_loop below` takes 3 operands, not 2");
    insta::assert_snapshot!(mistake(doubling(3), &["f32[]", "i32[]", "f32[1]"]), @"`while_loop below`: an operand is f32[1], its body takes f32[]");
    let with = |condition: &str, body: &str| {
        mistake(WhileLoop::new(3, 1, graph(condition), graph(body)), &["f32[2]"])
    };
    let (holds, body) = (
        "graph always(%c: f32[2]) { %0: bool[] = constant {value=true} return %0 }",
        "graph same(%c: f32[2]) { return %c }",
    );
    insta::assert_snapshot!(with(holds, body), @"no mistake: [Type { dtype: F32, shape: Shape([2]) }, Type { dtype: I32, shape: Shape([]) }]");
    insta::assert_snapshot!(with("graph each(%c: f32[2]) { %0: bool[2] = lt %c, %c return %0 }", body), @"
    `while_loop each`: the condition returns bool[2], not bool[]
      help: compare numbers that are reduced to one
    ");
    insta::assert_snapshot!(with(&holds.replace("return %0", "return %0, %0"), body), @"
    `while_loop always`: the condition returns bool[], bool[], not bool[]
      help: compare numbers that are reduced to one
    ");
    insta::assert_snapshot!(with(holds, &body.replace("return %c", "return %c, %c")), @"
    `while_loop same`: its body returns 2 values for 1 carries
      help: the number of steps is not known, so that nothing can be stacked
    ");
    let wide = "graph wide(%c: f32[2]) { %0: f32[1,2] = reshape %c {shape=[1,2]} return %0 }";
    insta::assert_snapshot!(with(holds, wide), @"
    `while_loop wide`: a carry is f32[2], its next value f32[1,2]
      help: a carry has one type in all steps
    ");
    insta::assert_snapshot!(mistake(doubling(1 << 25), &TYPES), @"`while_loop` has more than 16777216 steps");
}

/// Steps are counted in calls too, each function once however often it is shared.
#[test]
fn steps_of_loops_in_calls_are_counted() {
    let functions = String::from(
        "func step(%c: f32[]) { %0: f32[] = neg %c return %0 }
         func f0(%c: f32[]) {
            %0: f32[] = scan step %c {carries=1, length=4096, reverse=false, sequences=0}
            return %0
         }",
    );
    let calls = |depth: usize| {
        let mut text = functions.clone();
        for level in 1..=depth {
            let inner = level - 1;
            text += &format!(
                "func f{level}(%c: f32[]) {{
                    %0: f32[] = call f{inner} %c
                    %1: f32[] = call f{inner} %0
                    return %1
                }}"
            );
        }
        text + &format!(
            "graph main(%c: f32[]) {{
                %0: f32[] = scan f{depth} %c {{carries=1, length=1, reverse=false, sequences=0}}
                return %0
            }}"
        )
    };
    assert!(parse_graph(&calls(10), "calls").is_ok());
    let errors = parse_graph(&calls(13), "calls").expect_err("2²⁵ steps").to_string();
    assert!(errors.contains("`scan` has more than 16777216 steps"), "{errors}");
}

#[test]
fn tracing_and_text() {
    let t = Tracer::new("halve");
    let (x, by) = (t.input("x", Type::f32([2])), t.input("by", Type::f32([])));
    let (last, steps) = t.while_loop("step", 9).carries(&[&x]).shared(&[&by]).run(
        |turn| turn.carries[0].reduce_max(&[0], false).gt(&turn.shared[0]),
        |turn| vec![&turn.carries[0] * 0.5],
    );
    t.output(&last[0]);
    t.output(&steps);
    drop((x, by, last, steps));
    let graph = t.finish().expect("a graph");
    insta::assert_snapshot!(graph, @"
    func step.condition(%c0: f32[2], %s0: f32[]) {
      %0: f32[] = reduce_max %c0 {axes=[0], keepdims=false}
      %1: bool[] = gt %0, %s0
      return %1
    }

    func step(%c0: f32[2], %s0: f32[]) {
      %0: f32[] = constant {value=0.5}
      %1: f32[2] = mul %c0, %0
      return %1
    }

    graph halve(%x: f32[2], %by: f32[]) {
      %0: f32[2], %1: i32[] = while_loop step.condition, step %x, %by {carries=1, limit=9}
      return %0, %1
    }
    ");
    let again = parse_graph(&graph.to_string(), "again").expect("what is printed is read");
    assert_eq!(again.to_string(), graph.to_string());
    let x = vector([3.0_f32, -8.0]);
    let results = crate::interpret(&graph, &[x, tensor([], [1.0_f32])]).expect("they fit");
    assert_eq!(results, [vector([0.75_f32, -2.0]), tensor([], [2_i32])]);
}

#[test]
fn mistakes_in_tracing() {
    let t = Tracer::new("f");
    let x = t.input("x", Type::f32([2]));
    let (last, steps) = t
        .while_loop("step", 9)
        .carries(&[&x])
        .run(|turn| turn.carries[0].gt(&turn.carries[0]), |turn| turn.carries.to_vec());
    assert_eq!((last.len(), steps.ty()), (1, &Type::scalar(DType::I32)));
    insta::assert_snapshot!(t.error().expect("no scalar").mistake, @"
    `while_loop step.condition`: the condition returns bool[2], not bool[]
      help: compare numbers that are reduced to one
    ");
}
