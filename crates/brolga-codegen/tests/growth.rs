//! Code memory is freed. These tests have a process of their own, since they measure the memory of
//! the whole process.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use brolga_codegen::VectorIsa;
use brolga_codegen::generators::{Contraction, KLoop, Start};
use brolga_codegen::jit::{Code, link};
use brolga_codegen::object::ObjectBuilder;
use brolga_codegen::tile::{Builder, TileProgram, TileTarget, Trips};
use cranelift_module::FuncId;

/// Only one test at a time measures the memory of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// A program as linked code.
fn compiled(target: Arc<dyn TileTarget>, program: &Arc<TileProgram>) -> (Code, FuncId) {
    let mut builder = ObjectBuilder::new(target).expect("this machine is known");
    let id = builder.tile(program);
    (link(builder.finish().expect("a tile compiles")).expect("nothing is missing"), id)
}

fn contraction(rows: usize, lanes: usize) -> Arc<TileProgram> {
    let loops = [KLoop { trips: Trips::Const(96), a_step: 4, b_step: 256 }];
    let mut b = Builder::new("contraction");
    let [x, w, y] = ["x", "w", "y"].map(|name| b.pointer(name));
    for acc in Contraction::strided(rows, 128, lanes, &loops).emit(&mut b, x, w, Start::Zero) {
        b.store_f32(y.at(256 * acc.row as i32 + 4 * acc.column as i32), acc.extent, acc.value);
    }
    Arc::new(b.finish().expect("a right program"))
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_programs_leave_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let pages = || -> [u64; 2] {
        let text = fs::read_to_string("/proc/self/statm").expect("Linux has it");
        let numbers: Vec<u64> =
            text.split(' ').take(2).map(|n| n.parse().expect("numbers")).collect();
        [numbers[0], numbers[1]]
    };
    let targets: Vec<_> =
        VectorIsa::supported().map(|isa| isa.target().expect("this machine is known")).collect();
    let cycle = |i: usize| {
        let target = Arc::clone(&targets[i % targets.len()]);
        drop(compiled(target, &contraction(1, 4)));
    };
    (0..100).for_each(cycle);
    let before = pages();
    (0..10_000).for_each(cycle);
    let [total, resident] = pages();
    // A leak of a page of code each time would be 40 MiB.
    assert!(
        total < before[0] + (20 << 20) / 4096,
        "address space grew from {} to {total} pages",
        before[0]
    );
    assert!(resident < before[1] + 512, "memory grew from {} to {resident} pages", before[1]);
}

/// The permissions of the page at an address.
#[cfg(target_os = "linux")]
fn permissions(address: *const u8) -> String {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let line = maps.lines().find(|line| {
        let (range, _) = line.split_once(' ').expect("a range first");
        let (from, to) = range.split_once('-').expect("two addresses");
        let number = |text| usize::from_str_radix(text, 16).expect("hexadecimal");
        (number(from)..number(to)).contains(&address.addr())
    });
    line.and_then(|line| line.split(' ').nth(1)).unwrap_or("unmapped").to_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn code_is_executable_and_not_writable_and_gone_with_its_owner() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for isa in VectorIsa::supported() {
        let target = isa.target().expect("this machine is known");
        let (code, id) = compiled(target, &contraction(2, 4));
        let address = code.address(id);
        assert_eq!(permissions(address), "r-xp", "{isa}");
        drop(code);
        assert_ne!(permissions(address), "r-xp", "{isa}");
    }
    // No code in this process can be written.
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let both = |line: &&str| line.split(' ').nth(1).is_some_and(|p| p.starts_with("rwx"));
    assert_eq!(maps.lines().find(both), None);
}
