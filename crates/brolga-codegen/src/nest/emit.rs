//! A nest as a Cranelift function.

use std::sync::Arc;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, FuncRef, Function, InstBuilder, MemFlagsData, Value, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use rustc_hash::FxHashMap;

use super::{Affine, Arg, Base, Index, Nest, Step};
use crate::tile::{Element, TileProgram};

/// Writes the function `(operands, scratch, begin, end)` of a nest: its body for every unit of
/// `begin..end`.
///
/// `function` has that signature; `tile` declares a tile in it.
pub fn emit(
    nest: &Nest,
    function: &mut Function,
    config: TargetFrontendConfig,
    mut tile: impl FnMut(&mut Function, &Arc<TileProgram>) -> FuncRef,
) {
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let params = builder.block_params(entry).to_vec();
    let mut slots = Vec::new();
    collect_slots(&nest.body, &mut slots);
    slots.sort_unstable();
    slots.dedup();
    let pointers = slots
        .iter()
        .map(|&slot| {
            let offset = i32::try_from(slot * 8).expect("a kernel has few operands");
            (slot, builder.ins().load(types::I64, MemFlagsData::trusted(), params[0], offset))
        })
        .collect();
    let mut emitter = Emitter {
        builder,
        pointers,
        scratch: params[1],
        indices: vec![None; nest.indices as usize],
        tile: &mut tile,
    };
    emitter.repeat(Nest::UNIT, params[2], params[3], &nest.body);
    emitter.builder.ins().return_(&[]);
    emitter.builder.seal_all_blocks();
    emitter.builder.finalize(config);
}

fn collect_slots(steps: &[Step], slots: &mut Vec<usize>) {
    fn add(slots: &mut Vec<usize>, affine: &Affine) {
        if let Some(Base::Slot(slot)) = affine.base {
            slots.push(slot);
        }
    }
    for step in steps {
        match step {
            Step::Loop { body, .. } => collect_slots(body, slots),
            Step::Divide { .. } => {}
            Step::Read { address, .. } => add(slots, address),
            Step::When { then, otherwise, .. } => {
                collect_slots(then, slots);
                collect_slots(otherwise, slots);
            }
            Step::Call { args, .. } => {
                for arg in args {
                    let (Arg::Affine(affine) | Arg::Min(affine, _)) = arg;
                    add(slots, affine);
                }
            }
        }
    }
}

struct Emitter<'a, F> {
    builder: FunctionBuilder<'a>,
    pointers: FxHashMap<usize, Value>,
    scratch: Value,
    indices: Vec<Option<Value>>,
    tile: &'a mut F,
}

impl<F: FnMut(&mut Function, &Arc<TileProgram>) -> FuncRef> Emitter<'_, F> {
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Loop { index, from, to, body } => {
                    let (from, to) = (self.affine(from), self.affine(to));
                    self.repeat(*index, from, to, body);
                }
                Step::Divide { index, number, divisor } => {
                    let number = self.affine(number);
                    let quotient = self.builder.ins().udiv_imm_s(number, *divisor);
                    self.define(*index, quotient);
                }
                Step::Read { index, address, element } => {
                    let address = self.affine(address);
                    let flags = MemFlagsData::trusted();
                    let value = match element {
                        Element::U8 => self.builder.ins().uload8(types::I64, flags, address, 0),
                        Element::BF16 | Element::F16 => {
                            self.builder.ins().uload16(types::I64, flags, address, 0)
                        }
                        Element::I32 | Element::F32 => {
                            self.builder.ins().sload32(flags, address, 0)
                        }
                    };
                    self.define(*index, value);
                }
                Step::When { number, from, to, then, otherwise } => {
                    let number = self.affine(number);
                    let shifted = self.builder.ins().iadd_imm_s(number, -from);
                    // Below `from` the difference wraps to a large number.
                    let inside =
                        self.builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, shifted, to - from);
                    let blocks: [Block; 3] = std::array::from_fn(|_| self.builder.create_block());
                    let [yes, no, join] = blocks;
                    self.builder.ins().brif(inside, yes, &[], no, &[]);
                    for (block, steps) in [(yes, then), (no, otherwise)] {
                        self.builder.switch_to_block(block);
                        self.steps(steps);
                        self.builder.ins().jump(join, &[]);
                    }
                    self.builder.switch_to_block(join);
                }
                Step::Call { tile, args } => {
                    let callee = (self.tile)(self.builder.func, tile);
                    let args: Vec<Value> = args.iter().map(|arg| self.arg(arg)).collect();
                    self.builder.ins().call(callee, &args);
                }
            }
        }
    }

    fn repeat(&mut self, index: Index, from: Value, to: Value, steps: &[Step]) {
        let [head, body, exit] = std::array::from_fn(|_| self.builder.create_block());
        let count = self.builder.append_block_param(head, types::I64);
        self.builder.ins().jump(head, &[from.into()]);
        self.builder.switch_to_block(head);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, count, to);
        self.builder.ins().brif(more, body, &[], exit, &[]);
        self.builder.switch_to_block(body);
        self.define(index, count);
        self.steps(steps);
        let next = self.builder.ins().iadd_imm_s(count, 1);
        self.builder.ins().jump(head, &[next.into()]);
        self.builder.switch_to_block(exit);
    }

    fn define(&mut self, index: Index, value: Value) {
        self.indices[index.0 as usize] = Some(value);
    }

    fn arg(&mut self, arg: &Arg) -> Value {
        match arg {
            Arg::Affine(affine) => self.affine(affine),
            Arg::Min(affine, limit) => {
                let value = self.affine(affine);
                let limit = self.builder.ins().iconst(types::I64, *limit);
                self.builder.ins().smin(value, limit)
            }
        }
    }

    fn affine(&mut self, affine: &Affine) -> Value {
        let mut sum = match affine.base {
            None => None,
            Some(Base::Scratch) => Some(self.scratch),
            Some(Base::Slot(slot)) => self.pointers.get(&slot).copied(),
        };
        for &(index, factor) in &affine.terms {
            let value =
                self.indices[index.0 as usize].expect("an index is defined before it is used");
            let term =
                if factor == 1 { value } else { self.builder.ins().imul_imm_s(value, factor) };
            sum = Some(match sum {
                Some(sum) => self.builder.ins().iadd(sum, term),
                None => term,
            });
        }
        match sum {
            None => self.builder.ins().iconst(types::I64, affine.offset),
            Some(sum) if affine.offset == 0 => sum,
            Some(sum) => self.builder.ins().iadd_imm_s(sum, affine.offset),
        }
    }
}
