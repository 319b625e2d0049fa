//! Scalar loops: their text, and the check of accesses.

use brolga_ir::loops::{Buffer, Index, Loops, Step, Writer, write_body};
use brolga_ir::{DType, Type, parse_graph};
use insta::assert_snapshot;

fn loops_of(text: &str) -> Loops {
    let graph = parse_graph(text, "test").unwrap_or_else(|errors| panic!("{errors}"));
    let inputs = graph.inputs().iter().map(|&id| graph.ty(id.into()).clone());
    let outputs = graph.outputs().iter().map(|output| graph.ty(output.value).clone());
    let given = graph.inputs().len() as u32;
    let results = graph.outputs().len() as u32;
    let mut writer = Writer::new(inputs.chain(outputs));
    let operands: Vec<Buffer> = (0..given).map(Buffer).collect();
    let results: Vec<Buffer> = (given..given + results).map(Buffer).collect();
    write_body(&mut writer, &graph, &operands, &results);
    writer.finish()
}

/// The check's message for the first stage that it refuses.
fn refused(loops: &Loops) -> String {
    let breach = loops.stages.iter().find_map(|stage| loops.check(stage).err());
    let breach = breach.expect("it is wrong");
    format!("{}\n  at: {}", breach.problem, breach.step)
}

#[test]
fn neighbours_of_one_shape_share_a_loop() {
    let loops = loops_of(
        "graph f(%x: f32[2,3], %b: f16[3]) {
            %0: f32[3] = cast %b {dtype=\"f32\"}
            %1: f32[2,3] = add %x, %0
            %2: f32[2,3] = relu %1
            %3: f32[6] = reshape %2 {shape=[6]}
            %4: f32[] = reduce_max %3 {axes=[0], keepdims=false}
            return %2, %4
        }",
    );
    let text = loops.to_string();
    let (elementwise, _) = text.split_once("reduce_max").expect("the stages in order");
    assert_snapshot!(elementwise, @r"
    cast: for each i0 of 0..3 {
      %0 = b1[i0]
      %1 = convert %0 to f32
      b4[i0] = %1
    }
    add_relu: for each i1 of 0..2 {
      for i2 in 0..3 {
        %2 = b0[3*i1 + i2]
        %3 = b4[i2]
        %4 = add %2, %3
        %5 = 0x0
        %6 = lt %4, %5
        %7 = select %6, %5, %4
        b2[3*i1 + i2] = %7
      }
    }
    ");
    for stage in &loops.stages {
        assert_eq!(loops.check(stage), Ok(()));
    }
}

#[test]
fn a_loop_that_is_too_long_is_found() {
    let mut loops = loops_of(
        "graph f(%x: i64[3,4]) {
            %0: i32[3] = argmax %x {axis=1, keepdims=false}
            return %0
        }",
    );
    let stage = &mut loops.stages[0];
    let last = stage.body.iter_mut().find_map(|step| match step {
        Step::Loop { to, .. } => Some(to),
        _ => None,
    });
    *last.expect("it searches the row") = Index::number(5);
    assert_snapshot!(refused(&loops), @r"
    reads elements 1 to 12 of buffer b0, which has 12
      at: %2 = b0[4*i0 + i1]
    ");
}

#[test]
fn a_unit_too_many_is_found() {
    let mut loops = loops_of("graph f(%x: u8[7]) { %0: u8[7] = neg %x return %0 }");
    loops.stages[0].units = 8;
    assert_snapshot!(refused(&loops), @r"
    reads elements 0 to 7 of buffer b0, which has 7
      at: %0 = b0[i0]
    ");
}

#[test]
fn an_index_from_memory_has_to_be_tested() {
    let types =
        [Type::new(DType::F64, [5]), Type::new(DType::I32, [2]), Type::new(DType::F64, [2])];
    let [table, indices, result] = [0, 1, 2].map(Buffer);
    for tested in [true, false] {
        let mut w = Writer::new(types.clone());
        w.each(&[2], |w, at| {
            let row = w.load(indices, at[0].clone());
            let row = w.index(row);
            let copy = |w: &mut Writer, row: Index| {
                let element = w.load(table, row);
                w.store(result, at[0].clone(), element);
            };
            if tested { w.inside(row, 5, copy, |_| {}) } else { copy(w, row) }
        });
        let loops = w.finish();
        if tested {
            assert_eq!(loops.check(&loops.stages[0]), Ok(()));
        } else {
            assert_snapshot!(refused(&loops), @r"
    reads elements -2147483648 to 2147483647 of buffer b0, which has 5
      at: %1 = b0[i1]
    ");
        }
    }
}

#[test]
fn a_quotient_of_what_may_be_negative_is_found() {
    let result = Buffer(0);
    let mut w = Writer::new([Type::f32([6])]);
    w.each(&[6], |w, at| {
        let (index, _) = w.divide(&(at[0].clone() - 1), 2);
        let zero = w.zero(DType::F32);
        w.store(result, index, zero);
    });
    assert_snapshot!(refused(&w.finish()), @r"
    divides an index that may be -1
      at: i1 = (i0 - 1) / 2
    ");
}
