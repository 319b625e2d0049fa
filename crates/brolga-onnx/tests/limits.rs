//! Files that ask for more than they are: each is an error, quickly, and takes no more memory than the
//! file and 64 MiB.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use brolga_onnx::{Bindings, OnnxError, OnnxModel};

/// The system's allocator, which counts.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all work is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = TAKEN.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(taken, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: the count is of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// A field of a message that is a message, a text or bytes.
fn field(tag: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(u64::from(tag << 3 | 2));
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

/// A field of a message that is a number.
fn number(tag: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(tag << 3)), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], rest: &[u8]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| field(1, name.as_bytes()));
    let outputs = outputs.iter().flat_map(|name| field(2, name.as_bytes()));
    [inputs.chain(outputs).collect(), field(4, op.as_bytes()), rest.to_vec()].concat()
}

/// An attribute that is a graph.
fn body(name: &str, graph: &[u8]) -> Vec<u8> {
    field(5, &[field(1, name.as_bytes()), field(6, graph), number(20, 5)].concat())
}

/// A tensor of 64-bit integers.
fn integers(name: &str, dims: &[u64], values: &[u64]) -> Vec<u8> {
    let dims = dims.iter().flat_map(|&extent| number(1, extent));
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [dims.collect(), number(2, 7), field(8, name.as_bytes()), field(9, &raw)].concat()
}

fn output(name: &str) -> Vec<u8> {
    field(12, &field(1, name.as_bytes()))
}

/// A model with this graph, and other fields.
fn model(graph: &[u8], rest: &[u8]) -> Vec<u8> {
    let opset = field(8, &number(2, 21));
    [number(1, 10), opset, field(7, graph), rest.to_vec()].concat()
}

/// The message with which a file is refused, when it is read or made a graph.
fn refused(bytes: Vec<u8>) -> String {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let size = bytes.len();
    let before = TAKEN.load(Ordering::Relaxed) - size;
    MOST.store(before, Ordering::Relaxed);
    let begin = Instant::now();
    let read = OnnxModel::from_bytes(bytes, "model.onnx");
    let error = match read.and_then(|model| model.graph(&Bindings::new())) {
        Ok(_) => panic!("the file is read"),
        Err(error) => error,
    };
    let (time, most) = (begin.elapsed(), MOST.load(Ordering::Relaxed) - before);
    assert!(most <= size + (64 << 20), "{most} bytes for a file of {size}: {error}");
    // Other processes may have the cores; without optimization everything takes ten times as long.
    assert!(time < Duration::from_secs(20), "{time:?}: {error}");
    message(&error)
}

fn message(error: &OnnxError) -> String {
    error.to_string()
}

#[test]
fn a_million_nodes() {
    let nodes = field(1, &[]).repeat(1_000_000);
    insta::assert_snapshot!(refused(model(&nodes, &[])), @"
    model.onnx: its 2000010 bytes describe nodes, attributes and numbers of more than 49 MiB
      help: the file is damaged; elements of tensors stand in `raw_data`
    ");
}

#[test]
fn a_million_attributes() {
    let nodes = field(1, &field(5, &[]).repeat(1_000_000));
    insta::assert_snapshot!(refused(model(&nodes, &[])), @"
    model.onnx: its 2000014 bytes describe nodes, attributes and numbers of more than 49 MiB
      help: the file is damaged; elements of tensors stand in `raw_data`
    ");
}

#[test]
fn a_million_names() {
    let nodes = field(1, &field(1, &[]).repeat(4_000_000));
    insta::assert_snapshot!(refused(model(&nodes, &[])), @"
    model.onnx: its 8000016 bytes describe nodes, attributes and numbers of more than 55 MiB
      help: the file is damaged; elements of tensors stand in `raw_data`
    ");
}

#[test]
fn a_million_extents() {
    let tensor = field(5, &field(1, &vec![1; 20_000_000]));
    insta::assert_snapshot!(refused(model(&tensor, &[])), @"
    model.onnx: its 20000021 bytes describe nodes, attributes and numbers of more than 67 MiB
      help: the file is damaged; elements of tensors stand in `raw_data`
    ");
}

#[test]
fn numbers_that_are_small_in_the_file() {
    // Eight million integers of one byte each, for a tensor of two elements.
    let list = field(7, &vec![1; 8_000_000]);
    let tensor = [number(1, 2), number(2, 7), field(8, b"w"), list].concat();
    insta::assert_snapshot!(refused(model(&field(5, &tensor), &[])), @"
    model.onnx: its 8000028 bytes describe nodes, attributes and numbers of more than 55 MiB
      help: the file is damaged; elements of tensors stand in `raw_data`
    ");
}

#[test]
fn functions_that_double() {
    // Each of forty functions calls the one before twice.
    let mut functions = Vec::new();
    for level in 1..40 {
        let callee = format!("F{}", level - 1);
        let call = |from: &str, to: &str| {
            field(7, &[node(&callee, &[from], &[to], &[]), field(7, b"own")].concat())
        };
        let content = [
            field(1, format!("F{level}").as_bytes()),
            field(4, b"x"),
            field(5, b"z"),
            call("x", "y"),
            call("y", "z"),
            field(9, &[field(1, b"own"), number(2, 1)].concat()),
            field(10, b"own"),
        ]
        .concat();
        functions.extend(field(25, &content));
    }
    let relu = field(7, &node("Relu", &["x"], &["z"], &[]));
    let opset = field(9, &number(2, 21));
    let first =
        [field(1, b"F0"), field(4, b"x"), field(5, b"z"), relu, opset, field(10, b"own")].concat();
    functions.extend(field(25, &first));
    let start = field(5, &float("x"));
    let call = field(1, &[node("F39", &["x"], &["y"], &[]), field(7, b"own")].concat());
    insta::assert_snapshot!(refused(model(&[start, call, output("y")].concat(), &functions)), @"
    model.onnx: with functions written out and loops unrolled the model has more than 131072 nodes
      help: export a smaller model
    ");
}

/// A tensor of two floats.
fn float(name: &str) -> Vec<u8> {
    [number(1, 2), number(2, 1), field(8, name.as_bytes()), field(9, &[0; 8])].concat()
}

#[test]
fn loops_that_do_not_end() {
    // The condition depends on a counter, so that each step needs the counter's value.
    let count = field(1, &node("Add", &["k", "one"], &["l"], &[]));
    let again = field(1, &node("Less", &["l", "n"], &["on"], &[]));
    let step = field(1, &node("Relu", &["s"], &["t"], &[]));
    let inputs = ["i", "go", "k", "s"].map(|name| field(11, &field(1, name.as_bytes()))).concat();
    let inner = [inputs, count, again, step, output("on"), output("l"), output("t")].concat();
    let numbers = [("n", 1 << 40), ("one", 1), ("zero", 0)];
    let numbers = numbers.map(|(name, value)| field(5, &integers(name, &[], &[value]))).concat();
    let attribute = body("body", &inner);
    let node = field(1, &node("Loop", &["n", "", "zero", "x"], &["last", "y"], &attribute));
    let graph = [numbers, field(5, &float("x")), node, output("y")].concat();
    insta::assert_snapshot!(refused(model(&graph, &[])), @"
    model.onnx: with functions written out and loops unrolled the model has more than 131072 nodes
      help: export a smaller model
    ");
}

#[test]
fn loops_in_loops() {
    // Twenty loops, each around the next, of a million steps each.
    let mut inner = [field(1, &node("Relu", &["s0"], &["t0"], &[]))].concat();
    let mut result = "t0".to_owned();
    for level in 0..20 {
        let state = format!("s{level}");
        let inputs = [format!("i{level}"), format!("g{level}"), state.clone()];
        let inputs = inputs.map(|name| field(11, &field(1, name.as_bytes()))).concat();
        let graph = [inputs, inner, output(&format!("g{level}")), output(&result)].concat();
        let outer = format!("s{}", level + 1);
        let given = if level == 19 { "x".to_owned() } else { outer };
        result = format!("r{level}");
        let node = node("Loop", &["n", "", &given], &[&result], &body("body", &graph));
        inner = field(1, &node);
    }
    let trip = field(5, &integers("n", &[], &[1 << 20]));
    let graph = [trip, field(5, &float("x")), inner, output(&result)].concat();
    insta::assert_snapshot!(refused(model(&graph, &[])), @"model.onnx: node `r1` (Loop, opset 21): `scan` has more than 16777216 steps");
}

#[test]
fn shapes_that_are_too_large() {
    let shape = field(5, &integers("n", &[4], &[1 << 20; 4]));
    let fill = field(1, &node("ConstantOfShape", &["n"], &["y"], &[]));
    insta::assert_snapshot!(refused(model(&[shape, fill, output("y")].concat(), &[])), @"model.onnx: node `y` (ConstantOfShape, opset 21): `broadcast`: a tensor of type f32[1048576,1048576,1048576,1048576] is larger than the limit of 64 TiB");
    let shape = field(5, &integers("n", &[2], &[u64::MAX, 1 << 62]));
    let expand = field(1, &node("Expand", &["x", "n"], &["y"], &[]));
    let graph = [shape, field(5, &float("x")), expand, output("y")].concat();
    insta::assert_snapshot!(refused(model(&graph, &[])), @"
    model.onnx: node `y` (Expand, opset 21): an extent is -1
      help: it is a number from 0 on
    ");
}

#[test]
fn a_tensor_without_its_elements() {
    let tensor = [integers("w", &[1 << 40], &[1]), number(14, 0)].concat();
    insta::assert_snapshot!(refused(model(&field(5, &tensor), &[])), @"
    model.onnx: tensor `w`: its type and shape need 8796093022208 bytes, the file has 8
      help: the file is damaged; export the model again
    ");
    let nul = field(5, &integers("w\0\0\0", &[2], &[1]));
    assert!(refused(model(&nul, &[])).contains("need 16 bytes, the file has 8"));
}

/// Constants that are computed while a model is imported have a limit in all.
#[test]
fn computing_constants_ends() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let shape = field(5, &integers("n", &[1], &[1 << 20]));
    let mut nodes = field(1, &node("ConstantOfShape", &["n"], &["y0"], &[]));
    for level in 0..500 {
        let (from, to) = (format!("y{level}"), format!("y{}", level + 1));
        nodes.extend(field(1, &node("Exp", &[&from], &[&to], &[])));
    }
    let begin = Instant::now();
    let bytes = model(&[shape, nodes, output("y500")].concat(), &[]);
    let imported =
        OnnxModel::from_bytes(bytes, "model.onnx").and_then(|m| m.graph(&Bindings::new()));
    assert!(imported.is_ok());
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
