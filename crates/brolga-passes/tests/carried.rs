//! Loops that carry a table, and loops that read one, take time and memory in proportion to their
//! steps: a step touches the rows that it names and nothing else of the table. The bytes that the
//! interpreter allocates are counted, not seconds. One test, since the count is of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use brolga_autodiff::gradients;
use brolga_ir::{DType, Data, Graph, Tensor, Tracer, Type, Var, interpret};
use brolga_passes::optimize;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Counting;

static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: all work is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WIDTH: usize = 64;

/// A loop over a table, a sequence and the number of the first step.
type Step = fn(&Tracer, [&Var; 3]) -> Vec<Var>;

/// A loop and its gradient: of the table, and of the sequence.
fn graph(length: usize, step: Step) -> Result<Graph> {
    let t = Tracer::new("carried");
    let table = t.input("table", Type::f32([length + 1, WIDTH]));
    let x = t.input("x", Type::f32([length, WIDTH]));
    let first = t.input("first", Type::new(DType::I32, []));
    let results = step(&t, [&table, &x, &first]);
    let total = |result: &Var| {
        let axes: Vec<usize> = (0..result.shape().rank()).collect();
        (result * result).reduce_sum(&axes, false)
    };
    let loss = results.iter().map(total).reduce(|a, b| a + b).ok_or("there is a result")?;
    let gradients = gradients(&t, &loss, &[table.clone(), x.clone()])?;
    results.iter().chain([&loss]).chain(&gradients).for_each(|result| t.output(result));
    drop((table, x, first, results, loss, gradients));
    Ok(t.finish()?)
}

/// Each step writes a row that depends on the row before it.
fn written(t: &Tracer, [table, x, first]: [&Var; 3]) -> Vec<Var> {
    let (last, _) = t.scan("write").carries(&[table, first]).over(&[x], 0).run(|step| {
        let [table, place] = step.carries else { return (vec![], vec![]) };
        let row = (table.gather(&(place - 1.0)) * 0.5 + &step.slices[0]).tanh();
        (vec![table.set_rows(place, &row), place + 1.0], vec![])
    });
    last[..1].to_vec()
}

/// Each step adds to a row, and stacks another one.
fn added(t: &Tracer, [table, x, first]: [&Var; 3]) -> Vec<Var> {
    let (last, all) = t.scan("add").carries(&[table, first]).over(&[x], 0).run(|step| {
        let [table, place] = step.carries else { return (vec![], vec![]) };
        let before = table.gather(&(place - 1.0)).tanh();
        (vec![table.add_rows(place, &(&before * &step.slices[0])), place + 1.0], vec![before])
    });
    vec![last[0].clone(), all[0].clone()]
}

/// Each step reads a row of a table that all steps share.
fn read(t: &Tracer, [table, x, first]: [&Var; 3]) -> Vec<Var> {
    let zero = t.full(&Type::f32([WIDTH]), 0.0);
    let (carries, sequences, shared) = ([&zero, first], [x], [table]);
    let loops = t.scan("read").carries(&carries).over(&sequences, 0).shared(&shared);
    let (last, _) = loops.run(|step| {
        let [h, place] = step.carries else { return (vec![], vec![]) };
        let next = (h * step.shared[0].gather(place) + &step.slices[0]).tanh();
        (vec![next, place + 1.0], vec![])
    });
    last[..1].to_vec()
}

fn inputs(length: usize) -> Result<[Tensor; 3]> {
    let numbers = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
    let of =
        |rows: usize| Tensor::f32([rows, WIDTH], numbers(rows * WIDTH)).ok_or("the shape fits");
    Ok([of(length + 1)?, of(length)?, Tensor::new([], Data::I32(vec![1])).ok_or("one element")?])
}

/// Bytes that the interpreter allocates, of the graph as it is and of its kernels.
fn counted(length: usize, step: Step) -> Result<[u64; 2]> {
    let traced = graph(length, step)?;
    let mut kernels = traced.clone();
    optimize(&mut kernels)?;
    let given = inputs(length)?;
    let allocated = |graph: &Graph| -> Result<(u64, Vec<Tensor>)> {
        let before = BYTES.load(Ordering::Relaxed);
        let results = interpret(graph, &given)?;
        Ok((BYTES.load(Ordering::Relaxed) - before, results))
    };
    let ((own, expected), (fused, results)) = (allocated(&traced)?, allocated(&kernels)?);
    assert_eq!(results, expected, "{length} steps");
    Ok([own, fused])
}

#[test]
fn ten_times_the_steps_take_ten_times_the_bytes() -> Result {
    let steps: [(&str, Step); 3] = [("written", written), ("added", added), ("read", read)];
    for (name, step) in steps {
        let (short, long) = (counted(100, step)?, counted(1000, step)?);
        for (what, (short, long)) in ["traced", "kernels"].iter().zip(short.iter().zip(long)) {
            let times = long as f64 / *short as f64;
            // What is the same for any length counts for little.
            assert!((8.0..12.0).contains(&times), "{name}, {what}: {short} and {long} bytes");
        }
    }
    Ok(())
}
