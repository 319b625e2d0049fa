//! A stage of scalar loops as a Cranelift function.

use brolga_ir::DType;
use brolga_ir::loops::{Atom, Buffer, Index, Number, Rule, Step, Value, Variable as LoopVariable};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64};
use cranelift_codegen::ir::{Block, Function, InstBuilder, MemFlagsData, Type, Value as ClifValue};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

use super::AddressedLoops;
use super::convert::{Converted, convert, narrow_half, widen_half};
use super::numbers::{binary, constant, register, shift, unary};
use crate::host::location;

/// Writes the function `(operands, scratch, begin, end)` of a stage: its body for every unit of
/// `begin..end`.
pub(crate) fn emit(
    addressed: &AddressedLoops,
    stage: usize,
    function: &mut Function,
    config: TargetFrontendConfig,
) {
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(function, &mut context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let params = b.block_params(entry).to_vec();
    let counts = addressed.loops.counts;
    let mut emitter = Emitter {
        addressed,
        operands: params[0],
        pointers: vec![None; addressed.loops.buffers.len()],
        atoms: vec![None; counts.atoms as usize],
        numbers: vec![None; counts.numbers as usize],
        halves: vec![None; counts.numbers as usize],
        variables: vec![None; counts.variables as usize],
        b,
    };
    let stage = addressed.stage(stage);
    emitter.find_pointers(&stage.body);
    emitter.repeat(stage.unit, params[2], params[3], &stage.body);
    emitter.b.ins().return_(&[]);
    emitter.b.seal_all_blocks();
    emitter.b.finalize(config);
}

struct Emitter<'a> {
    addressed: &'a AddressedLoops,
    b: FunctionBuilder<'a>,
    operands: ClifValue,
    /// The addresses of the buffers in use.
    pointers: Vec<Option<ClifValue>>,
    atoms: Vec<Option<ClifValue>>,
    numbers: Vec<Option<ClifValue>>,
    /// The bits of numbers that were rounded to a half.
    halves: Vec<Option<(DType, ClifValue)>>,
    variables: Vec<Option<Variable>>,
}

impl Emitter<'_> {
    fn find_pointers(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Loop { body, .. } => self.find_pointers(body),
                Step::While { condition, body, .. } => {
                    self.find_pointers(condition);
                    self.find_pointers(body);
                }
                Step::When { then, otherwise, .. } => {
                    self.find_pointers(then);
                    self.find_pointers(otherwise);
                }
                Step::Let(_, Value::Load(buffer, _)) | Step::Store(buffer, ..) => {
                    self.find_pointer(*buffer);
                }
                Step::Atom(..) | Step::Let(..) | Step::Set(..) => {}
            }
        }
    }

    fn find_pointer(&mut self, buffer: Buffer) {
        let index = buffer.0 as usize;
        if self.pointers[index].is_none() {
            let (slot, offset) = self.addressed.buffers[index];
            let entry = i32::try_from(slot * 8).expect("a kernel has few operands");
            let flags = MemFlagsData::trusted();
            let pointer = self.b.ins().load(I64, flags, self.operands, entry);
            self.pointers[index] = Some(self.b.ins().iadd_imm_s(pointer, offset as i64));
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Loop { index, from, to, body } => {
                    let (from, to) = (self.index(from), self.index(to));
                    self.repeat(*index, from, to, body);
                }
                Step::While { index, limit, condition, holds, body } => {
                    self.repeat_while(*index, *limit, (condition, *holds), body);
                }
                Step::Atom(atom, rule) => {
                    let value = self.rule(rule);
                    self.atoms[atom.0 as usize] = Some(value);
                }
                Step::When { index, from, to, then, otherwise } => {
                    self.when(index, *from, *to, then, otherwise);
                }
                Step::Let(number, value) => {
                    self.locate(*number);
                    let defined = self.value(*number, value);
                    self.numbers[number.id as usize] = Some(defined);
                }
                Step::Set(variable, number) => {
                    let (variable, number) = (self.variable(*variable), self.number(*number));
                    self.b.def_var(variable, number);
                }
                Step::Store(buffer, index, number) => {
                    self.locate(*number);
                    self.store(*buffer, index, *number);
                }
            }
        }
    }

    /// The following instructions are of the node of this number.
    fn locate(&mut self, number: Number) {
        self.b.set_srcloc(location(self.addressed.loops.sources.of(number.id)));
    }

    /// A loop that is tested once before it and then at its end.
    fn repeat(&mut self, index: Atom, from: ClifValue, to: ClifValue, steps: &[Step]) {
        self.b.set_srcloc(location(None));
        let [body, exit]: [Block; 2] = std::array::from_fn(|_| self.b.create_block());
        let count = self.b.append_block_param(body, I64);
        let any = self.b.ins().icmp(IntCC::SignedLessThan, from, to);
        self.b.ins().brif(any, body, &[from.into()], exit, &[]);
        self.b.switch_to_block(body);
        self.atoms[index.0 as usize] = Some(count);
        self.steps(steps);
        self.b.set_srcloc(location(None));
        let next = self.b.ins().iadd_imm_s(count, 1);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, to);
        self.b.ins().brif(more, body, &[next.into()], exit, &[]);
        self.b.switch_to_block(exit);
    }

    /// A loop that is tested before each run of its body.
    fn repeat_while(
        &mut self,
        index: Atom,
        limit: i64,
        (condition, holds): (&[Step], Number),
        steps: &[Step],
    ) {
        let [head, test, body, exit]: [Block; 4] = std::array::from_fn(|_| self.b.create_block());
        let count = self.b.append_block_param(head, I64);
        let zero = self.b.ins().iconst(I64, 0);
        self.b.ins().jump(head, &[zero.into()]);
        self.b.switch_to_block(head);
        let more = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, count, limit);
        self.b.ins().brif(more, test, &[], exit, &[]);
        self.b.switch_to_block(test);
        self.atoms[index.0 as usize] = Some(count);
        self.steps(condition);
        let holds = self.number(holds);
        self.b.ins().brif(holds, body, &[], exit, &[]);
        self.b.switch_to_block(body);
        self.steps(steps);
        let next = self.b.ins().iadd_imm_s(count, 1);
        self.b.ins().jump(head, &[next.into()]);
        self.b.switch_to_block(exit);
    }

    fn when(&mut self, index: &Index, from: i64, to: i64, then: &[Step], otherwise: &[Step]) {
        let index = self.index(index);
        let shifted = self.b.ins().iadd_imm_s(index, -from);
        // Below `from` the difference wraps to a large number.
        let inside = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThan, shifted, to - from);
        let [yes, no, join]: [Block; 3] = std::array::from_fn(|_| self.b.create_block());
        self.b.ins().brif(inside, yes, &[], no, &[]);
        for (block, steps) in [(yes, then), (no, otherwise)] {
            self.b.switch_to_block(block);
            self.steps(steps);
            self.b.ins().jump(join, &[]);
        }
        self.b.switch_to_block(join);
    }

    fn rule(&mut self, rule: &Rule) -> ClifValue {
        match rule {
            Rule::Quotient(index, divisor) => {
                let index = self.index(index);
                self.b.ins().udiv_imm_s(index, *divisor)
            }
            Rule::Remainder(index, divisor) => {
                let index = self.index(index);
                self.b.ins().urem_imm_s(index, *divisor)
            }
            Rule::Min(x, y) => {
                let (x, y) = (self.index(x), self.index(y));
                self.b.ins().smin(x, y)
            }
            Rule::Max(x, y) => {
                let (x, y) = (self.index(x), self.index(y));
                self.b.ins().smax(x, y)
            }
            Rule::Number(number) => {
                let number = self.number(*number);
                match self.b.func.dfg.value_type(number) {
                    I32 => self.b.ins().sextend(I64, number),
                    _ => number,
                }
            }
            Rule::Same(index) => self.index(index),
        }
    }

    fn value(&mut self, number: Number, value: &Value) -> ClifValue {
        match value {
            Value::Constant(bits) => constant(&mut self.b, number.scalar, *bits),
            Value::Load(buffer, index) => self.load(*buffer, index),
            Value::Get(variable) => {
                let variable = self.variable(*variable);
                self.b.use_var(variable)
            }
            Value::Index(index) => {
                let index = self.index(index);
                match register(number.scalar) {
                    I64 => index,
                    narrow => self.b.ins().ireduce(narrow, index),
                }
            }
            Value::Unary(op, a) => {
                let a = self.number(*a);
                unary(&mut self.b, *op, a, number.scalar)
            }
            Value::Binary(op, x, y) => {
                let (x, y) = (self.number(*x), self.number(*y));
                binary(&mut self.b, *op, x, y)
            }
            Value::Shift(op, a, bits) => {
                let a = self.number(*a);
                shift(&mut self.b, *op, a, *bits)
            }
            Value::Fma(x, y, z) => {
                let (x, y, z) = (self.number(*x), self.number(*y), self.number(*z));
                self.b.ins().fma(x, y, z)
            }
            Value::Select(mask, x, y) => {
                let (mask, x, y) = (self.number(*mask), self.number(*x), self.number(*y));
                self.b.ins().select(mask, x, y)
            }
            Value::Convert(a, dtype) => {
                let a = self.number(*a);
                match convert(&mut self.b, a, *dtype) {
                    Converted::Register(value) => value,
                    Converted::Half(bits) => {
                        self.halves[number.id as usize] = Some((*dtype, bits));
                        widen_half(&mut self.b, bits, *dtype)
                    }
                }
            }
        }
    }

    fn load(&mut self, buffer: Buffer, index: &Index) -> ClifValue {
        let dtype = self.addressed.loops.ty(buffer).dtype;
        let address = self.address(buffer, index);
        let flags = MemFlagsData::trusted();
        match dtype {
            DType::BF16 | DType::F16 => {
                let bits = self.b.ins().uload16(I32, flags, address, 0);
                widen_half(&mut self.b, bits, dtype)
            }
            DType::U8 => self.b.ins().uload8(I32, flags, address, 0),
            DType::Bool => {
                let byte = self.b.ins().load(I8, flags, address, 0);
                self.b.ins().icmp_imm_s(IntCC::NotEqual, byte, 0)
            }
            _ => self.b.ins().load(element(dtype), flags, address, 0),
        }
    }

    fn store(&mut self, buffer: Buffer, index: &Index, number: Number) {
        let dtype = self.addressed.loops.ty(buffer).dtype;
        let value = self.number(number);
        let address = self.address(buffer, index);
        let flags = MemFlagsData::trusted();
        match dtype {
            DType::BF16 | DType::F16 => {
                let bits = match self.halves[number.id as usize] {
                    Some((rounded, bits)) if rounded == dtype => bits,
                    _ => narrow_half(&mut self.b, value, dtype),
                };
                let bits = self.b.ins().ireduce(I16, bits);
                self.b.ins().store(flags, bits, address, 0);
            }
            DType::U8 => {
                self.b.ins().istore8(flags, value, address, 0);
            }
            _ => {
                self.b.ins().store(flags, value, address, 0);
            }
        }
    }

    /// The address of an element. Terms of outer loops are added first, so that inner loops find
    /// them in a register.
    fn address(&mut self, buffer: Buffer, index: &Index) -> ClifValue {
        let size = self.addressed.loops.ty(buffer).dtype.size() as i64;
        let pointer = self.pointers[buffer.0 as usize].expect("pointers are found before");
        let start = self.b.ins().iadd_imm_s(pointer, index.offset.wrapping_mul(size));
        self.sum(Some(start), index, size)
    }

    fn index(&mut self, index: &Index) -> ClifValue {
        let start = (index.offset != 0 || index.terms.is_empty())
            .then(|| self.b.ins().iconst(I64, index.offset));
        self.sum(start, index, 1)
    }

    fn sum(&mut self, start: Option<ClifValue>, index: &Index, size: i64) -> ClifValue {
        let mut sum = start;
        for &(atom, factor) in &index.terms {
            let value = self.atoms[atom.0 as usize].expect("an atom is defined before its use");
            let factor = factor.wrapping_mul(size);
            let term = match factor {
                1 => value,
                power if power > 0 && power.count_ones() == 1 => {
                    self.b.ins().ishl_imm_u(value, i64::from(power.trailing_zeros()))
                }
                factor => self.b.ins().imul_imm_s(value, factor),
            };
            sum = Some(match sum {
                Some(sum) => self.b.ins().iadd(sum, term),
                None => term,
            });
        }
        sum.expect("an index without terms has a constant")
    }

    fn number(&self, number: Number) -> ClifValue {
        self.numbers[number.id as usize].expect("a number is defined before its use")
    }

    fn variable(&mut self, variable: LoopVariable) -> Variable {
        let entry = &mut self.variables[variable.id as usize];
        *entry.get_or_insert_with(|| self.b.declare_var(register(variable.scalar)))
    }
}

/// The format in memory of an element as wide as its register.
fn element(dtype: DType) -> Type {
    match dtype {
        DType::F64 => F64,
        DType::I64 => I64,
        DType::I32 => I32,
        _ => F32,
    }
}
