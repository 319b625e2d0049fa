//! A loop over steps as Cranelift functions.

use std::sync::Arc;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    FuncRef, Function, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Value,
    types,
};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use rustc_hash::FxHashMap;

use super::{Base, Call, Callee, Condition, Next, Part, Place, Steps};
use crate::lower::Lowered;

/// Declares the stages that a loop calls in its function.
type Stages<'a> = dyn FnMut(&mut Function, &Arc<Lowered>, usize) -> FuncRef + 'a;

/// Writes the function `(operands, scratch, begin, end)` of a part of the loop.
pub(crate) fn emit(
    steps: &Steps,
    part: Part,
    function: &mut Function,
    config: TargetFrontendConfig,
    stages: &mut Stages<'_>,
) {
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let [operands, scratch, begin, end] = builder.block_params(entry)[..] else {
        unreachable!("a stage has four parameters")
    };
    let mut emitter = Emitter {
        builder,
        steps,
        operands,
        scratch,
        units: [begin, end],
        pointers: FxHashMap::default(),
        carries: Vec::new(),
        tables: FxHashMap::default(),
        stages,
    };
    match part {
        Part::Before(index) => emitter.calls(&steps.before[index..=index], None),
        Part::Loop => emitter.run(),
    }
    emitter.builder.ins().return_(&[]);
    emitter.builder.seal_all_blocks();
    emitter.builder.finalize(config);
}

/// The addresses of a carry: where it is read, and where it is written in turns.
#[derive(Clone, Copy)]
struct Addresses {
    current: Variable,
    turns: Option<[Variable; 2]>,
}

struct Emitter<'a, 'b> {
    builder: FunctionBuilder<'a>,
    steps: &'a Steps,
    operands: Value,
    scratch: Value,
    units: [Value; 2],
    /// The addresses of the slots that have been loaded, in the entry block.
    pointers: FxHashMap<usize, Value>,
    carries: Vec<Addresses>,
    /// The operand tables of the kernels, in which the fixed addresses stand.
    tables: FxHashMap<usize, StackSlot>,
    stages: &'a mut Stages<'b>,
}

impl Emitter<'_, '_> {
    fn base(&mut self, base: Base) -> Value {
        let Self { builder, operands, .. } = self;
        let pointer = *self.pointers.entry(base.slot).or_insert_with(|| {
            let offset = i32::try_from(base.slot * 8).expect("a kernel has few operands");
            builder.ins().load(types::I64, MemFlagsData::trusted(), *operands, offset)
        });
        self.builder.ins().iadd_imm_s(pointer, base.offset as i64)
    }

    /// The table of a kernel with its fixed addresses.
    fn table(&mut self, kernel: usize) {
        if self.tables.contains_key(&kernel) {
            return;
        }
        let Callee { table, .. } = &self.steps.kernels[kernel];
        let size = u32::try_from(table.len() * 8).expect("a kernel has few operands");
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, 3);
        let slot = self.builder.create_sized_stack_slot(data);
        for (index, place) in table.iter().enumerate() {
            if let Place::Fixed(base) = place {
                let address = self.base(*base);
                self.builder.ins().stack_store(types::I64, address, slot, (index * 8) as i32);
            }
        }
        self.tables.insert(kernel, slot);
    }

    /// Calls stages; in a step, whose index is given, with the addresses of that step, and after the
    /// loop with those of the last carries.
    fn calls(&mut self, calls: &[Call], step: Option<Value>) {
        let mut filled = None;
        for call in calls {
            self.table(call.kernel);
            if filled != Some(call.kernel) {
                self.fill(call.kernel, step);
                filled = Some(call.kernel);
            }
            let table = self.tables[&call.kernel];
            let lowered = &self.steps.kernels[call.kernel].lowered;
            let callee = (self.stages)(self.builder.func, lowered, call.stage);
            let table = self.builder.ins().stack_addr(types::I64, table, 0);
            let units = self.units;
            let [begin, end] =
                units.map(|unit| self.builder.ins().imul_imm_s(unit, call.units as i64));
            self.builder.ins().call(callee, &[table, self.scratch, begin, end]);
        }
    }

    /// Writes the addresses that are not fixed to a kernel's table.
    fn fill(&mut self, kernel: usize, step: Option<Value>) {
        let slot = self.tables[&kernel];
        for (index, &place) in self.steps.kernels[kernel].table.iter().enumerate() {
            if !matches!(place, Place::Fixed(_))
                && let Some(address) = self.address(place, step)
            {
                self.builder.ins().stack_store(types::I64, address, slot, (index * 8) as i32);
            }
        }
    }

    /// The address of a place; `None` for one that only a step has.
    fn address(&mut self, place: Place, step: Option<Value>) -> Option<Value> {
        match place {
            Place::Fixed(base) => Some(self.base(base)),
            Place::Carry(carry) => {
                let carry = self.carries.get(carry)?;
                Some(self.builder.use_var(carry.current))
            }
            Place::Slice(base, stride) => step.map(|step| self.slice(base, stride, step)),
            Place::Next(carry) => step.map(|step| self.next(carry, step)),
        }
    }

    fn slice(&mut self, base: Base, stride: usize, step: Value) -> Value {
        let start = self.base(base);
        let offset = self.builder.ins().imul_imm_s(step, stride as i64);
        self.builder.ins().iadd(start, offset)
    }

    /// The address to which this step writes a carry.
    fn next(&mut self, carry: usize, step: Value) -> Value {
        match (self.steps.carries[carry].next, self.carries[carry].turns) {
            (_, Some([next, _])) => self.builder.use_var(next),
            (Next::Slice(base, stride), None) => self.slice(base, stride, step),
            (Next::Turns([base, _]) | Next::InPlace(base), None) => self.base(base),
        }
    }

    fn variable(&mut self, value: Value) -> Variable {
        let variable = self.builder.declare_var(types::I64);
        self.builder.def_var(variable, value);
        variable
    }

    fn run(&mut self) {
        let steps = self.steps;
        for carry in &steps.carries {
            let first = match carry.next {
                Next::InPlace(base) => base,
                _ => carry.first,
            };
            let first = self.base(first);
            let current = self.variable(first);
            let turns = match carry.next {
                Next::Turns([last, other]) => {
                    // The last step writes to the first place.
                    let order = if steps.length % 2 == 1 { [last, other] } else { [other, last] };
                    let turns = order.map(|base| self.base(base));
                    Some(turns.map(|address| self.variable(address)))
                }
                Next::Slice(base, _) | Next::InPlace(base) => {
                    self.base(base);
                    None
                }
            };
            self.carries.push(Addresses { current, turns });
        }
        // All tables and slots are ready before the loop.
        for call in steps.called_in_loop() {
            self.table(call.kernel);
            for place in &steps.kernels[call.kernel].table {
                if let Place::Slice(base, _) | Place::Fixed(base) = place {
                    self.base(*base);
                }
            }
        }
        if let Some(Condition { holds, count, .. }) = &steps.condition {
            self.base(*count);
            if let Place::Slice(base, _) | Place::Fixed(base) = holds {
                self.base(*base);
            }
        }
        let zero = self.builder.ins().iconst(types::I64, 0);
        let count = self.variable(zero);
        let [head, body, exit] = std::array::from_fn(|_| self.builder.create_block());
        self.builder.ins().jump(head, &[]);
        self.builder.switch_to_block(head);
        let place = self.builder.use_var(count);
        let length = steps.length as i64;
        let more = self.builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, place, length);
        match &steps.condition {
            None => drop(self.builder.ins().brif(more, body, &[], exit, &[])),
            Some(Condition { calls, holds, .. }) => {
                let test = self.builder.create_block();
                self.builder.ins().brif(more, test, &[], exit, &[]);
                self.builder.switch_to_block(test);
                self.calls(calls, Some(place));
                let holds = self.address(*holds, Some(place)).expect("a step has all addresses");
                let holds = self.builder.ins().load(types::I8, MemFlagsData::trusted(), holds, 0);
                self.builder.ins().brif(holds, body, &[], exit, &[]);
            }
        }
        self.builder.switch_to_block(body);
        let step = match steps.reverse {
            true => {
                let last = self.builder.ins().iconst(types::I64, length - 1);
                self.builder.ins().isub(last, place)
            }
            false => place,
        };
        self.calls(&steps.calls, Some(step));
        for carry in 0..steps.carries.len() {
            let next = self.next(carry, step);
            let Addresses { current, turns } = self.carries[carry];
            self.builder.def_var(current, next);
            if let Some([first, second]) = turns {
                let other = self.builder.use_var(second);
                self.builder.def_var(first, other);
                self.builder.def_var(second, next);
            }
        }
        let after = self.builder.ins().iadd_imm_s(place, 1);
        self.builder.def_var(count, after);
        self.builder.ins().jump(head, &[]);
        self.builder.switch_to_block(exit);
        if let Some(Condition { count: base, .. }) = &steps.condition {
            let (taken, address) = (self.builder.use_var(count), self.base(*base));
            self.builder.ins().istore32(MemFlagsData::trusted(), taken, address, 0);
        }
        self.calls(&steps.after, None);
    }
}
