//! A training step of the first model allocates nothing, with any number of threads. One test,
//! since the count is of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use brolga::codegen::compile;
use brolga::nn::{Kind, builtin};
use brolga::passes::optimize;
use brolga::runtime::{Executable, Options};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all work is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
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

#[test]
fn a_step_of_the_first_model_allocates_nothing() -> Result {
    let mut model = builtin::mnist_cnn()?;
    let mut graph = model.trace(Kind::Train, 32)?;
    optimize(&mut graph)?;
    let start = model.session()?.snapshot()?;
    for threads in [1, 2, 3, 8] {
        let options = Options { threads, oversubscribe: true, ..Options::default() };
        let mut step = Executable::new(&graph, start.layout(), &options, compile)?;
        let mut state = start.try_clone()?;
        step.run(&mut state)?;
        let before = CALLS.load(Ordering::Relaxed);
        for number in 1..4 {
            step.input_mut::<f32>("x")?.fill(0.1 * number as f32);
            step.input_mut::<i32>("y")?.fill(number);
            step.run(&mut state)?;
            assert!(step.output::<f32>(0)?[0].is_finite());
        }
        assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0, "{threads} threads");
    }
    Ok(())
}
