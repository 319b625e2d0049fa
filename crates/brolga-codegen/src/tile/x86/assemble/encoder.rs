//! The encoder: instructions, labels, and the constants after the code.

use iced_x86::{Code, Encoder, Instruction, OpKind, Register};

/// An offset in the code that a jump goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Memory operand of an instruction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Memory {
    /// At an offset from a register.
    At(Register, i32),
    /// The same plus `scale` times another register.
    Indexed(Register, Register, u32, i32),
    /// The constant of this index; with `true`, one word for all lanes.
    Constant(usize, bool),
}

/// An operand of an instruction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Register(Register),
    Memory(Memory, bool),
    Byte(u8),
    Int(i32),
}

impl From<Register> for Op {
    fn from(register: Register) -> Self {
        Self::Register(register)
    }
}

impl From<Memory> for Op {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory, matches!(memory, Memory::Constant(_, true)))
    }
}

/// Writes machine code.
pub(super) struct Bytes {
    encoder: Encoder,
    len: usize,
    labels: Vec<Option<usize>>,
    /// The position of each jump's distance, and its label.
    jumps: Vec<(usize, Label)>,
    constants: Vec<Vec<u8>>,
    /// For each reference, the position of the distance to a constant, the end of the instruction,
    /// and the constant.
    references: Vec<(usize, usize, usize)>,
    failed: Option<String>,
}

impl Bytes {
    pub(super) fn new() -> Self {
        Self {
            encoder: Encoder::new(64),
            len: 0,
            labels: Vec::new(),
            jumps: Vec::new(),
            constants: Vec::new(),
            references: Vec::new(),
            failed: None,
        }
    }

    /// The bytes so far.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.len);
    }

    /// Adds a constant, unless an equal one exists; returns its index.
    pub(super) fn constant(&mut self, bytes: Vec<u8>) -> usize {
        self.constants.iter().position(|other| *other == bytes).unwrap_or_else(|| {
            self.constants.push(bytes);
            self.constants.len() - 1
        })
    }

    /// Aligns the code to a multiple of `bytes` with no-ops.
    pub(super) fn align(&mut self, bytes: usize) {
        let mut missing = self.len.next_multiple_of(bytes) - self.len;
        while missing > 0 {
            let size = missing.min(9);
            // The recommended forms of each length.
            let nop: &[u8] = match size {
                1 => &[0x90],
                2 => &[0x66, 0x90],
                3 => &[0x0f, 0x1f, 0x00],
                4 => &[0x0f, 0x1f, 0x40, 0x00],
                5 => &[0x0f, 0x1f, 0x44, 0x00, 0x00],
                6 => &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
                7 => &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
                8 => &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
                _ => &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
            };
            nop.iter().for_each(|&byte| self.encoder.write_u8(byte));
            self.len += size;
            missing -= size;
        }
    }

    pub(super) fn jump(&mut self, code: Code, to: Label) {
        match Instruction::with_branch(code, 0) {
            Ok(instruction) => {
                self.encode(&instruction);
                self.jumps.push((self.len - 4, to));
            }
            Err(error) => self.fail(code, &error.to_string()),
        }
    }

    /// `register = number`.
    pub(super) fn wide(&mut self, register: Register, number: i64) {
        if let Ok(number) = i32::try_from(number) {
            return self.emit(Code::Mov_rm64_imm32, &[register.into(), Op::Int(number)]);
        }
        match Instruction::with2(Code::Mov_r64_imm64, register, number) {
            Ok(instruction) => self.encode(&instruction),
            Err(error) => self.fail(Code::Mov_r64_imm64, &error.to_string()),
        }
    }

    pub(super) fn emit(&mut self, code: Code, operands: &[Op]) {
        self.emit_masked(code, operands, None);
    }

    /// Emits an instruction with a mask register; `zero` tells whether lanes outside become zero.
    pub(super) fn emit_masked(
        &mut self,
        code: Code,
        operands: &[Op],
        mask: Option<(Register, bool)>,
    ) {
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        let mut constant = None;
        for (index, operand) in (0..).zip(operands) {
            match *operand {
                Op::Register(register) => {
                    set_kind(&mut instruction, index, OpKind::Register);
                    set_register(&mut instruction, index, register);
                }
                Op::Memory(memory, broadcast) => {
                    set_kind(&mut instruction, index, OpKind::Memory);
                    instruction.set_is_broadcast(broadcast);
                    instruction.set_memory_index_scale(1);
                    match memory {
                        Memory::At(base, offset) => address(&mut instruction, base, offset),
                        Memory::Indexed(base, index, scale, offset) => {
                            address(&mut instruction, base, offset);
                            instruction.set_memory_index(index);
                            instruction.set_memory_index_scale(scale);
                        }
                        Memory::Constant(number, _) => {
                            instruction.set_memory_base(Register::RIP);
                            instruction.set_memory_displ_size(8);
                            constant = Some(number);
                        }
                    }
                }
                Op::Byte(byte) => {
                    set_kind(&mut instruction, index, OpKind::Immediate8);
                    instruction.set_immediate8(byte);
                }
                Op::Int(int) => {
                    let kind = immediate_kind(code);
                    set_kind(&mut instruction, index, kind);
                    match kind {
                        OpKind::Immediate8to64 => instruction.set_immediate8to64(int.into()),
                        OpKind::Immediate32to64 => instruction.set_immediate32to64(int.into()),
                        OpKind::Immediate8 => instruction.set_immediate8(int as u8),
                        _ => instruction.set_immediate32(int.cast_unsigned()),
                    }
                }
            }
        }
        if let Some((register, zeroing)) = mask {
            instruction.set_op_mask(register);
            instruction.set_zeroing_masking(zeroing);
        }
        let start = self.len;
        self.encode(&instruction);
        if let Some(constant) = constant {
            let offset = self.encoder.get_constant_offsets().displacement_offset();
            self.references.push((start + offset, self.len, constant));
        }
    }

    fn encode(&mut self, instruction: &Instruction) {
        match self.encoder.encode(instruction, self.len as u64) {
            Ok(len) => self.len += len,
            Err(error) => self.fail(instruction.code(), &error.to_string()),
        }
    }

    fn fail(&mut self, code: Code, problem: &str) {
        self.failed.get_or_insert_with(|| format!("{code:?}: {problem}"));
    }

    /// The code with its constants, and the size of the code alone.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, usize), String> {
        if let Some(problem) = self.failed {
            return Err(problem);
        }
        let mut bytes = self.encoder.take_buffer();
        for (offset, label) in self.jumps {
            let target = self.labels[label.0].ok_or("a jump goes nowhere")?;
            patch(&mut bytes, offset, target, offset + 4)?;
        }
        let code = bytes.len();
        let mut starts = Vec::new();
        for constant in &self.constants {
            // Whole vectors do not cross a cache line.
            bytes.resize(
                bytes.len().next_multiple_of(constant.len().next_power_of_two().min(64)),
                0,
            );
            starts.push(bytes.len());
            bytes.extend(constant);
        }
        for (offset, end, constant) in self.references {
            patch(&mut bytes, offset, starts[constant], end)?;
        }
        Ok((bytes, code))
    }
}

/// Writes the distance from `from` to `target`.
fn patch(bytes: &mut [u8], offset: usize, target: usize, from: usize) -> Result<(), String> {
    let distance = i32::try_from(target as i64 - from as i64).map_err(|error| error.to_string())?;
    bytes[offset..offset + 4].copy_from_slice(&distance.to_le_bytes());
    Ok(())
}

fn address(instruction: &mut Instruction, base: Register, offset: i32) {
    instruction.set_memory_base(base);
    instruction.set_memory_displacement64(i64::from(offset).cast_unsigned());
    instruction.set_memory_displ_size(u32::from(offset != 0));
}

fn immediate_kind(code: Code) -> OpKind {
    match code {
        Code::Add_rm64_imm32
        | Code::Sub_rm64_imm32
        | Code::Imul_r64_rm64_imm32
        | Code::Mov_rm64_imm32
        | Code::And_rm64_imm32 => OpKind::Immediate32to64,
        Code::Add_rm64_imm8 | Code::Sub_rm64_imm8 | Code::And_rm64_imm8 => OpKind::Immediate8to64,
        Code::Sar_rm64_imm8 | Code::Shr_rm64_imm8 => OpKind::Immediate8,
        _ => OpKind::Immediate32,
    }
}

fn set_kind(instruction: &mut Instruction, index: u32, kind: OpKind) {
    match index {
        0 => instruction.set_op0_kind(kind),
        1 => instruction.set_op1_kind(kind),
        2 => instruction.set_op2_kind(kind),
        _ => instruction.set_op3_kind(kind),
    }
}

fn set_register(instruction: &mut Instruction, index: u32, register: Register) {
    match index {
        0 => instruction.set_op0_register(register),
        1 => instruction.set_op1_register(register),
        2 => instruction.set_op2_register(register),
        _ => instruction.set_op3_register(register),
    }
}
