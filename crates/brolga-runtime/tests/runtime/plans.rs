//! Plans as data: saved, checked without code, and linked with the code of their kernels.

use brolga_codegen::jit::{Code, link};
use brolga_codegen::object::Object;
use brolga_runtime::{Executable, Options, Plan, Planned, RuntimeError, State, StateLayout};
use insta::assert_snapshot;
use serde_json::Value;

use crate::kernels::{Builder, compiled, kernels_of, numbers};

/// A step with a workspace, an update in place, scratch memory and a copied state.
fn builder() -> Builder {
    let mut b = Builder::new(64);
    let (x, w, v) = (b.data("x"), b.state("dense/kernel"), b.state("dense/old"));
    let reversed = b.call("reverse", &[x]);
    let next = b.call("add", &[w, reversed]);
    let sum = b.call("sum", &[next]);
    b.update(w, next);
    b.update(v, w);
    b.graph.add_output(sum);
    b.graph.add_output(reversed);
    b
}

fn options() -> Options {
    Options { threads: 2, oversubscribe: true, ..Options::default() }
}

fn plan(b: &Builder) -> Plan {
    let layout = StateLayout::of_graphs([&b.graph]).unwrap();
    Planned::native(compiled(&b.graph), &layout, &options()).unwrap().plan().clone()
}

fn code(b: &Builder) -> Code {
    link(kernels_of(&b.graph).1).unwrap()
}

fn read(document: Value) -> Plan {
    serde_json::from_value(document).unwrap()
}

fn error<T>(result: Result<T, RuntimeError>) -> String {
    result.err().expect("this is a mistake").to_string()
}

#[test]
fn a_plan_is_read_back_as_it_was_saved() {
    let plan = plan(&builder());
    let text = serde_json::to_string(&plan).unwrap();
    let saved: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(saved, plan);
    assert_eq!(saved.to_string(), plan.to_string());
    saved.check().unwrap();
}

#[test]
fn a_saved_plan_runs() {
    let b = builder();
    let saved = read(serde_json::to_value(plan(&b)).unwrap());
    // SAFETY: the code is that of the kernels that the plan was made of.
    let mut linked = unsafe { Executable::link(saved, code(&b), &options()) }.unwrap();
    let (mut direct, mut state) = b.native(2);
    let mut other = State::zeros(state.layout()).unwrap();
    other.copy_from(&state).unwrap();
    for (executable, state) in [(&mut linked, &mut other), (&mut direct, &mut state)] {
        executable.write_input("x", &numbers(64, 3)).unwrap();
        executable.run(state).unwrap();
        executable.run(state).unwrap();
    }
    assert_eq!(linked.output_tensor(0).unwrap(), direct.output_tensor(0).unwrap());
    assert_eq!(linked.output_tensor(1).unwrap(), direct.output_tensor(1).unwrap());
    for name in ["dense/kernel", "dense/old"] {
        assert_eq!(other.get(name).unwrap(), state.get(name).unwrap(), "{name}");
    }
}

#[test]
fn live_values_that_overlap_are_refused() {
    let b = builder();
    let right = serde_json::to_value(plan(&b)).unwrap();
    let place = |name: &str| {
        let calls = right["calls"].as_array().unwrap();
        let call = calls.iter().find(|call| call["name"] == name).unwrap();
        call["results"][0].as_u64().unwrap() as usize
    };
    let (sum, reversed) = (place("sum"), place("reverse"));
    let mut wrong = right.clone();
    // The sum, which is computed last, overlaps the first bytes of the other output.
    let start = right["layout"]["buffers"][reversed]["span"]["offset"].clone();
    wrong["layout"]["buffers"][sum]["span"]["offset"] = start.clone();
    wrong["layout"]["outputs"][0]["offset"] = start;
    let wrong = read(wrong);
    assert_snapshot!(error(wrong.check()), @"the plan of graph `step` is wrong: an output (buffer 3) is overwritten by `sum`, call 3");
    // SAFETY: nothing is linked.
    let linked = unsafe { Executable::link(wrong, code(&b), &options()) };
    assert!(matches!(linked, Err(RuntimeError::Plan { .. })));
}

#[test]
fn symbols_that_code_does_not_define_are_errors() {
    let b = builder();
    let nothing = link(Object::default()).unwrap();
    // SAFETY: the code defines nothing.
    let linked = unsafe { Executable::link(plan(&b), nothing, &options()) };
    assert_snapshot!(error(linked), @"
    kernel `reverse`: the code does not define the symbol `reverse_of_64`
      help: link the plan with the code of the kernels that it was made of
    ");
}

/// A saved plan in which any number is changed is read or rejected, and checked without a panic.
#[test]
fn broken_plans_are_errors_and_not_panics() {
    let right = serde_json::to_value(plan(&builder())).unwrap();
    let mut paths = vec![];
    numbers_of(&right, String::new(), &mut paths);
    let mut refused = 0;
    for path in &paths {
        for value in [0_u64, 1, 7, 63, 1 << 40, u64::MAX] {
            let mut wrong = right.clone();
            *wrong.pointer_mut(path).unwrap() = value.into();
            let checked = serde_json::from_value::<Plan>(wrong).map(|plan| plan.check());
            refused += usize::from(!matches!(checked, Ok(Ok(()))));
        }
    }
    assert!(refused > 2 * paths.len(), "{refused} of {} numbers", paths.len());
}

fn numbers_of(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Number(_) => paths.push(path),
        Value::Array(values) => (0..)
            .zip(values)
            .for_each(|(i, value): (usize, _)| numbers_of(value, format!("{path}/{i}"), paths)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            numbers_of(value, format!("{path}/{name}"), paths);
        }),
        _ => {}
    }
}
