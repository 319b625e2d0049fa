//! Lowerings broken on purpose, and their messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brolga_codegen::host::MachineCode;
use brolga_codegen::kernel::Access;
use brolga_codegen::lower::Lowered;
use brolga_codegen::nest::{Affine, Arg, Base, Index, Step};
use brolga_codegen::tile::{Stmt, TileProgram, TileShape, TileTarget, Trips};
use brolga_codegen::{Result, VectorIsa, compile_for};
use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Window;
use brolga_ir::ops::{Kernel, KernelKind};
use brolga_ir::{DType, Origin, Type};
use cranelift_module::FuncId;

use crate::graph::kernel_graph;
use crate::kernels::{kernel, lowered, nest_mut};

/// The message for a kernel's lowering after `change`.
fn refused(kernel: &Kernel, change: impl FnOnce(&mut Lowered)) -> String {
    let mut lowered = lowered(kernel);
    lowered.check(&kernel.body).expect("it is right as yet");
    change(&mut lowered);
    lowered.check(&kernel.body).expect_err("it is wrong now").to_string()
}

/// Calls `visit` with every step of a stage.
fn steps(own: &mut Vec<Step>, visit: &mut dyn FnMut(&mut Step)) {
    for step in own {
        visit(step);
        match step {
            Step::Loop { body, .. } => steps(body, visit),
            Step::When { then, otherwise, .. } => {
                steps(then, visit);
                steps(otherwise, visit);
            }
            Step::Divide { .. } | Step::Read { .. } | Step::Call { .. } => {}
        }
    }
}

/// Changes all calls of a stage.
fn calls(lowered: &mut Lowered, stage: usize, change: impl Fn(&mut TileProgram, &mut Vec<Arg>)) {
    steps(&mut nest_mut(&mut lowered.stages[stage]).body, &mut |step| {
        if let Step::Call { tile, args } = step {
            change(Arc::make_mut(tile), args);
        }
    });
}

fn address(arg: &mut Arg) -> &mut Affine {
    let (Arg::Affine(affine) | Arg::Min(affine, _)) = arg;
    affine
}

/// The first loop of a tile.
fn tile_loop(tile: &mut TileProgram) -> &mut Trips {
    let found = tile.body.iter_mut().find_map(|stmt| match stmt {
        Stmt::Loop { trips, .. } => Some(trips),
        _ => None,
    });
    found.expect("the tile has a loop")
}

fn matmul(dtype: DType, m: usize) -> Kernel {
    let ty = |shape| Type::new(dtype, shape);
    kernel(KernelKind::Contraction, &[ty([m, 20]), ty([20, 16])], |_, x| vec![x[0].matmul(&x[1])])
}

#[test]
fn products_of_other_operands() {
    let floats = lowered(&matmul(DType::F32, 8));
    let told = |other: Kernel| floats.check(&other.body).expect_err("other operands").to_string();
    insta::assert_snapshot!(told(matmul(DType::U8, 8)), @"
    kernel `kernel`: the nest `matmul_8x20x16` reads f32 of operand 0, which holds u8
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    insta::assert_snapshot!(told(matmul(DType::I32, 8)), @"
    kernel `kernel`: the nest `matmul_8x20x16` reads f32 of operand 0, which holds i32
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    insta::assert_snapshot!(told(matmul(DType::F32, 7)), @"
    kernel `kernel`: the nest `matmul_8x20x16` reads bytes 0..640 of operand 0, which has 560
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn products() {
    let product = matmul(DType::F32, 8);
    let shifted =
        refused(&product, |own| calls(own, 0, |_, args| address(&mut args[1]).offset += 4));
    insta::assert_snapshot!(shifted, @"
    kernel `kernel`: the nest `matmul_8x20x16` reads bytes 4..1284 of operand 1, which has 1280
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280 + 4, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let negative =
        refused(&product, |own| calls(own, 0, |_, args| address(&mut args[0]).offset -= 1));
    insta::assert_snapshot!(negative, @"
    kernel `kernel`: the nest `matmul_8x20x16` reads bytes -1..639 of operand 0, which has 640
      at: contraction_2x16($0 + i0*640 + i1*160 + -1, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let trips = refused(&product, |own| {
        calls(own, 0, |tile, _| {
            let trips = tile_loop(tile);
            let Trips::Const(count) = *trips else { panic!("a loop over k counts a constant") };
            *trips = Trips::Const(count + 1);
        });
    });
    insta::assert_snapshot!(trips, @"
    kernel `kernel`: the nest `matmul_8x20x16` reads bytes 0..672 of operand 0, which has 640
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let slot = refused(&product, |own| {
        calls(own, 0, |_, args| address(&mut args[2]).base = Some(Base::Slot(1)));
    });
    insta::assert_snapshot!(slot, @"
    kernel `kernel`: the nest `matmul_8x20x16` writes operand 1, which its stage does not list
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $1 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let none = refused(&product, |own| {
        calls(own, 0, |_, args| address(&mut args[2]).base = Some(Base::Slot(9)));
    });
    insta::assert_snapshot!(none, @"
    kernel `kernel`: the nest `matmul_8x20x16` touches slot 9 of an operand table of 4
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $9 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let units = refused(&product, |own| own.stages[0].units += 1);
    insta::assert_snapshot!(units, @"
    kernel `kernel`: the nest `matmul_8x20x16` reads bytes 0..1280 of operand 0, which has 640
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let unlisted = refused(&product, |own| own.stages[0].reads.retain(|touch| touch.slot != 1));
    insta::assert_snapshot!(unlisted, @"
    kernel `kernel`: the nest `matmul_8x20x16` reads operand 1, which its stage does not list
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn products_with_panels() {
    let types = [Type::f32([200, 65]), Type::f32([40, 65])];
    let product =
        kernel(KernelKind::Contraction, &types, |_, x| vec![x[0].matmul_with(&x[1], false, true)]);
    let workspace = refused(&product, |own| own.workspace -= 1);
    insta::assert_snapshot!(workspace, @"
    kernel `kernel`: the nest `pack` writes bytes 0..10400 of the workspace, which has 10399
      at: transpose_8x65($1 + i0*2080, $3 + i0*2080)
      help: the lowering is wrong, not the graph: please report it
    ");
    // One panel more than there are.
    let panels = refused(&product, |own| {
        own.stages[0].units += 1;
        steps(&mut nest_mut(&mut own.stages[0]).body, &mut |step| match step {
            Step::Divide { divisor, .. } => *divisor += 1,
            Step::When { to, .. } => *to += 1,
            Step::Loop { .. } | Step::Read { .. } | Step::Call { .. } => {}
        });
    });
    insta::assert_snapshot!(panels, @"
    kernel `kernel`: the nest `pack` reads bytes 0..12480 of operand 1, which has 10400
      at: transpose_8x65($1 + i0*2080, $3 + i0*2080)
      help: the lowering is wrong, not the graph: please report it
    ");
}

fn convolution() -> Kernel {
    let types = [Type::f32([9, 8, 7, 3]), Type::f32([3, 3, 3, 17])];
    kernel(KernelKind::Contraction, &types, |_, x| {
        let y = x[0].conv(&x[1], Window::plain(2), 1).relu();
        vec![y.max_pool(Pooling::new([2, 2], [2, 2], [[0; 2]; 2]))]
    })
}

#[test]
fn convolutions() {
    let convolution = convolution();
    let scratch = refused(&convolution, |own| own.scratch -= 4);
    insta::assert_snapshot!(scratch, @"
    kernel `kernel`: the nest `conv` writes bytes 576..640 of the scratch memory, which has 636
      at: contraction_1x16($0 + i0*672 + i1*168 + 132, $1, $scratch + 576)
      help: the lowering is wrong, not the graph: please report it
    ");
    let bound = refused(&convolution, |own| {
        steps(&mut nest_mut(&mut own.stages[0]).body, &mut |step| {
            if let Step::Loop { to, .. } = step {
                to.offset += 1;
            }
        });
    });
    insta::assert_snapshot!(bound, @"
    kernel `kernel`: the nest `conv` reads bytes 0..768 of a unit's part of operand 0, which has 672
      at: contraction_2x16($0 + i0*672 + i1*168 + i2*24, $1, $scratch + i2*128)
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn rows() {
    let x = Type::f32([5, 100]);
    let softmax = kernel(KernelKind::Rows, &[x], |_, x| {
        let e = x[0].exp();
        vec![&e / &e.reduce_sum(&[1], true)]
    });
    // Rows that start one element late stay inside the result, except for the last.
    let part = refused(&softmax, |own| calls(own, 0, |_, args| address(&mut args[1]).offset += 4));
    insta::assert_snapshot!(part, @"
    kernel `kernel`: the nest `rows` writes bytes 4..404 of a unit's part of result 0, which has 400
      at: kernel($0 + i0*400, $1 + i0*400 + 4)
      help: the lowering is wrong, not the graph: please report it
    ");
    let whole = refused(&softmax, |own| {
        own.stages[0].writes[0].access = Access::Whole;
        calls(own, 0, |_, args| address(&mut args[1]).offset += 4);
    });
    insta::assert_snapshot!(whole, @"
    kernel `kernel`: the nest `rows` writes bytes 4..2004 of result 0, which has 2000
      at: kernel($0 + i0*400, $1 + i0*400 + 4)
      help: the lowering is wrong, not the graph: please report it
    ");
    let parts = refused(&softmax, |own| own.stages[0].units = 3);
    insta::assert_snapshot!(parts, @"
    kernel `kernel`: the nest `rows` reads operand 0, whose 2000 bytes are not equal parts of 3 units
      at: kernel($0 + i0*400, $1 + i0*400)
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn columns() {
    let x = Type::f32([3, 50, 19]);
    let columns = kernel(KernelKind::Columns, &[x], |_, x| vec![x[0].reduce_sum(&[1], false)]);
    let divisor = refused(&columns, |own| {
        steps(&mut nest_mut(&mut own.stages[0]).body, &mut |step| {
            if let Step::Divide { divisor, .. } = step {
                *divisor -= 1;
            }
        });
    });
    insta::assert_snapshot!(divisor, @"
    kernel `kernel`: the nest `reduce_pieces` divides a number from -150 on by 7
      at: i2 = (i0*50 + i1*-400) / 7
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn pooling() {
    let x = Type::f32([2, 9, 8, 5]);
    let pool = kernel(KernelKind::Window, &[x], |_, x| {
        vec![x[0].max_pool(Pooling::new([3, 2], [2, 2], [[1, 1], [0, 0]]))]
    });
    let larger = refused(&pool, |own| {
        calls(own, 0, |tile, _| {
            if let Trips::Const(trips) = tile_loop(tile) {
                *trips += 1;
            }
        });
    });
    insta::assert_snapshot!(larger, @"
    kernel `kernel`: the nest `window` reads bytes 1120..1480 of a unit's part of operand 0, which has 1440
      at: window_2x2($0 + i0*1440 + 1120, $1 + i0*400 + 320)
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn tables() {
    let types = [Type::f32([6, 19]), Type::new(DType::I32, [4, 3])];
    let gather = kernel(KernelKind::Move, &types, |_, x| vec![x[0].gather(&x[1])]);
    let without = refused(&gather, |own| {
        let body = &mut nest_mut(&mut own.stages[0]).body;
        let then = body.iter_mut().find_map(|step| match step {
            Step::When { then, .. } => Some(std::mem::take(then)),
            _ => None,
        });
        body.retain(|step| !matches!(step, Step::When { .. }));
        body.extend(then.expect("rows are read inside of a range"));
    });
    insta::assert_snapshot!(without, @"
    kernel `kernel`: the nest `gather` reads bytes -163208757248..163208757248 of operand 0, which has 456
      at: copy_19_by_1($0 + i1*76, $2 + i0*76)
      help: the lowering is wrong, not the graph: please report it
    ");
    let wide = refused(&gather, |own| {
        steps(&mut nest_mut(&mut own.stages[0]).body, &mut |step| {
            if let Step::When { to, .. } = step {
                *to += 1;
            }
        });
    });
    insta::assert_snapshot!(wide, @"
    kernel `kernel`: the nest `gather` reads bytes 0..532 of operand 0, which has 456
      at: copy_19_by_1($0 + i1*76, $2 + i0*76)
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn updates() {
    let types = [Type::f32([4100]), Type::f32([4100]), Type::f32([])];
    let update = kernel(KernelKind::Update, &types, |_, x| vec![&x[0] - &x[1] * &x[2]]);
    let limit = |change: fn(&mut Arg)| {
        refused(&update, |own| {
            calls(own, 0, |_, args| change(args.last_mut().expect("the count")));
        })
    };
    let all = limit(|arg| *arg = Arg::Affine(Affine::number(2048)));
    insta::assert_snapshot!(all, @"
    kernel `kernel`: the nest `update` reads bytes 0..24576 of operand 0, which has 16400
      at: update_1($2, $0 + i0*8192, $1 + i0*8192, $3 + i0*8192, 2048)
      help: the lowering is wrong, not the graph: please report it
    ");
    let more = limit(|arg| address(arg).offset += 1);
    insta::assert_snapshot!(more, @"
    kernel `kernel`: the nest `update` reads bytes 16384..16404 of operand 0, which has 16400
      at: update_1($2, $0 + i0*8192, $1 + i0*8192, $3 + i0*8192, min(i0*-2048 + 4101, 2048))
      help: the lowering is wrong, not the graph: please report it
    ");
    let negative = limit(|arg| address(arg).offset = 2000);
    insta::assert_snapshot!(negative, @"
    kernel `kernel`: the nest `update` may pass a negative number for %count
      at: update_1($2, $0 + i0*8192, $1 + i0*8192, $3 + i0*8192, min(i0*-2048 + 2000, 2048))
      help: the lowering is wrong, not the graph: please report it
    ");
}

#[test]
fn steps_without_meaning() {
    let product = matmul(DType::F32, 8);
    let broken = |step: Step| {
        refused(&product, |own| {
            nest_mut(&mut own.stages[0]).indices += 2;
            nest_mut(&mut own.stages[0]).body.insert(0, step);
        })
    };
    let unit = Affine::from(Index(0));
    let number = unit.clone().plus(-1);
    insta::assert_snapshot!(broken(Step::Divide { index: Index(9), number, divisor: 2 }), @"
    kernel `kernel`: the nest `matmul_8x20x16` divides a number from -1 on by 2
      at: i9 = (i0 + -1) / 2
      help: the lowering is wrong, not the graph: please report it
    ");
    let number = unit.clone();
    insta::assert_snapshot!(broken(Step::Divide { index: Index(9), number, divisor: 0 }), @"
    kernel `kernel`: the nest `matmul_8x20x16` divides a number from 0 on by 0
      at: i9 = (i0) / 0
      help: the lowering is wrong, not the graph: please report it
    ");
    let (then, otherwise) = (Vec::new(), Vec::new());
    let number = Affine::from(Index(9));
    insta::assert_snapshot!(broken(Step::When { number, from: 0, to: 2, then, otherwise }), @"
    kernel `kernel`: the nest `matmul_8x20x16` uses i9, which is not defined here
      at: when i9 in 0..2 {
      help: the lowering is wrong, not the graph: please report it
    ");
    let (then, otherwise) = (Vec::new(), Vec::new());
    insta::assert_snapshot!(broken(Step::When { number: unit, from: 2, to: 0, then, otherwise }), @"
    kernel `kernel`: the nest `matmul_8x20x16` tests for a range whose end is before its start
      at: when i0 in 2..0 {
      help: the lowering is wrong, not the graph: please report it
    ");
    let numbers =
        refused(&product, |own| calls(own, 0, |_, args| address(&mut args[0]).base = None));
    insta::assert_snapshot!(numbers, @"
    kernel `kernel`: the nest `matmul_8x20x16` passes a number for the pointer %a
      at: contraction_2x16(i0*640 + i1*160, $1 + i0*1280, $2 + i0*512 + i1*128)
      help: the lowering is wrong, not the graph: please report it
    ");
    let fewer = refused(&product, |own| calls(own, 0, |_, args| drop(args.pop())));
    insta::assert_snapshot!(fewer, @"
    kernel `kernel`: the nest `matmul_8x20x16` passes 2 arguments to a tile with 3 parameters
      at: contraction_2x16($0 + i0*640 + i1*160, $1 + i0*1280)
      help: the lowering is wrong, not the graph: please report it
    ");
}

/// A target that answers with wider tiles, or narrower ones, at each call, so that two answers do
/// not fit together.
struct Fickle {
    tiles: Arc<dyn TileTarget>,
    asked: AtomicUsize,
    wider: bool,
}

impl TileTarget for Fickle {
    fn name(&self) -> &'static str {
        self.tiles.name()
    }

    fn register_lanes(&self) -> usize {
        self.tiles.register_lanes()
    }

    fn fits(&self, shape: TileShape) -> bool {
        self.tiles.fits(shape)
    }

    fn step_cycles(&self, shape: TileShape) -> f64 {
        self.tiles.step_cycles(shape)
    }

    fn contraction_shape(&self, _: usize, _: usize) -> TileShape {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let vectors = if self.wider { 1 + asked } else { 5usize.saturating_sub(asked).max(1) };
        TileShape { rows: 1, lanes: 16 * vectors }
    }

    fn compile(&self, program: &Arc<TileProgram>, id: FuncId, text: bool) -> Result<MachineCode> {
        self.tiles.compile(program, id, text)
    }
}

#[test]
fn compiling_names_the_node_and_its_layer() {
    let types = [Type::f32([9, 8, 7, 3]), Type::f32([3, 3, 3, 40])];
    let mut graph = kernel_graph(KernelKind::Contraction, &types, |_, x| {
        let y = x[0].conv(&x[1], Window::plain(2), 1).relu();
        vec![y.max_pool(Pooling::new([2, 2], [2, 2], [[0; 2]; 2]))]
    });
    let node = graph.outputs()[0].value.node;
    *graph.origin_mut(node) = Origin { layer: Some("conv".into()), ..Origin::default() };
    // The scratch memory is too small if the tiles that write it are wider than the one it was made
    // for. Which of the two targets causes that depends on the order of the lowering's calls.
    let compiled = [true, false].map(|wider| {
        let tiles = VectorIsa::V128.target().expect("this machine is known");
        compile_for(&graph, Arc::new(Fickle { tiles, asked: AtomicUsize::new(0), wider }))
    });
    let error = compiled.into_iter().find_map(Result::err);
    let error = error.expect("for one of them the scratch memory is too small");
    insta::assert_snapshot!(error, @"
    kernel `kernel`, %0 of layer `conv`: the nest `conv` writes bytes 640..1280 of the scratch memory, which has 640
      at: contraction_1x32($0 + i0*672 + i1*168 + i3*12 + 84, $1, $scratch + i3*128 + 640)
      help: the lowering is wrong, not the graph: please report it
    ");
}
