//! A step allocates nothing, and dropped programs free their memory. One test, since the count is
//! that of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use brolga_codegen::compile;
use brolga_ir::text::parse_graph;
use brolga_runtime::{Array, Executable, Feed, Options, State, StateLayout};

struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: all work is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PROGRAM: &str = r#"graph step(%x: f32[100,16], state %w: f32[100,16]) {
  %0: f32[100,16] = kernel %x, %w {kind="rows"} add(%a: f32[100,16], %b: f32[100,16]) {
    %0: f32[100,16] = add %a, %b
    return %0
  }
  %1: f32[16] = kernel %0 {kind="columns"} sum(%a: f32[100,16]) {
    %0: f32[16] = reduce_sum %a {axes=[0], keepdims=false}
    return %0
  }
  return %1, %0 => %w
}"#;

fn program(threads: usize) -> (Executable, State) {
    let graph = parse_graph(PROGRAM, "<test>").expect("the text is right");
    let layout = StateLayout::of_graphs([&graph]).expect("it has one state");
    let options = Options { threads, oversubscribe: true, ..Options::default() };
    let executable = Executable::new(&graph, &layout, &options, compile).expect("it compiles");
    (executable, State::zeros(&layout).expect("there is memory"))
}

#[test]
fn steps_allocate_nothing_and_drops_give_everything_back() {
    let (array, rows) = ([1; 32], [1; 100]);
    for threads in [1, 2, 3] {
        let (mut executable, mut state) = program(threads);
        executable.run(&mut state).expect("the state fits");
        let before = CALLS.load(Ordering::Relaxed);
        for _ in 0..100 {
            executable.input_mut::<f32>("x").expect("it is f32").fill(1.0);
            executable.run(&mut state).expect("the state fits");
            let feed = Feed { input: "x".into(), array: Array::U8(&array), rows: &rows };
            executable.run_fed(&[feed], &mut state).expect("the rows fit");
            assert!(executable.output::<f32>(0).expect("it is f32")[0].is_finite());
        }
        assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0, "{threads} threads");
    }
    let cycles = |count| (0..count).for_each(|_| drop(program(2)));
    cycles(10);
    let (live, mapped) = (LIVE.load(Ordering::Relaxed), mappings());
    cycles(1000);
    // Threads free their memory when they end, and rayon some of it later; an arena has 13 KiB.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let growth = LIVE.load(Ordering::Relaxed) - live;
    assert!(growth < 1 << 20, "{growth} bytes more after 1000 programs");
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    assert!(threads < 20, "{threads} threads are left");
    let growth = mappings() - mapped;
    assert!(growth < 50, "{growth} mappings of memory more after 1000 programs");
}

/// The number of memory mappings of the process, including code pages; 0 on systems that do not
/// tell.
fn mappings() -> i64 {
    std::fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count() as i64)
}
