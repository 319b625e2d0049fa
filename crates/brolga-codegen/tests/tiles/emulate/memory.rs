//! The memory: buffers, stack and code, far from each other.

use brolga_codegen::tile::Buffer;

use super::Outcome;

/// The address of the code.
pub(super) const CODE: u64 = 1 << 44;

/// The end of the stack, after which are the arguments. At the entry of a function the stack
/// pointer is 8 less.
pub(super) const STACK: u64 = 1 << 45;

/// The return address.
pub(super) const RETURN: u64 = (1 << 46) + 0x2e7;

/// Bytes of the stack.
const STACK_SIZE: usize = 1 << 16;

/// Bytes below the stack pointer that a function may use.
const RED_ZONE: u64 = 128;

/// Buffers lie 2³² bytes apart, from here on.
const SHIFT: u32 = 32;

/// A part of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    Argument(usize),
    Stack,
    Code,
}

/// The memory of a machine.
pub(super) struct Memory<'a, 'b> {
    buffers: &'a mut [Buffer<'b>],
    code: &'a [u8],
    /// The stack and the arguments after it, upwards; `None` for bytes that were not written.
    stack: Vec<Option<u8>>,
    /// The lowest address of the stack that may be used now.
    lowest: u64,
}

/// The arguments of the buffers as numbers.
pub(super) fn arguments(buffers: &[Buffer<'_>]) -> Vec<u64> {
    let argument = |(index, buffer): (usize, &Buffer<'_>)| match *buffer {
        Buffer::Bytes(_, start) => ((index as u64 + 1) << SHIFT) + start as u64,
        Buffer::Count(count) => count.cast_unsigned(),
    };
    buffers.iter().enumerate().map(argument).collect()
}

impl<'a, 'b> Memory<'a, 'b> {
    /// The memory at the entry of a function with these arguments on the stack.
    pub(super) fn new(code: &'a [u8], buffers: &'a mut [Buffer<'b>], on_stack: &[u64]) -> Self {
        let mut stack = vec![None; STACK_SIZE - 8];
        for word in std::iter::once(&RETURN).chain(on_stack) {
            stack.extend(word.to_le_bytes().map(Some));
        }
        Self { buffers, code, stack, lowest: 0 }
    }

    /// Sets the stack pointer.
    pub(super) fn set_stack_pointer(&mut self, rsp: u64) {
        self.lowest = rsp.wrapping_sub(RED_ZONE);
    }

    pub(super) fn read(&self, address: u64, into: &mut [u8]) -> Outcome {
        let (region, offset) = self.locate(address, into.len(), "reads")?;
        let range = offset..offset + into.len();
        match region {
            Region::Code => into.copy_from_slice(&self.code[range]),
            Region::Argument(index) => {
                if let Buffer::Bytes(bytes, _) = &self.buffers[index] {
                    into.copy_from_slice(&bytes[range]);
                }
            }
            Region::Stack => {
                for (to, from) in into.iter_mut().zip(&self.stack[range]) {
                    *to = from.ok_or_else(|| {
                        let distance = STACK.wrapping_sub(address);
                        format!("reads bytes of the stack that were not written, {distance} below its end")
                    })?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, address: u64, bytes: &[u8]) -> Outcome {
        let (region, offset) = self.locate(address, bytes.len(), "writes")?;
        let range = offset..offset + bytes.len();
        match region {
            Region::Code => return Err("writes to the code".to_owned()),
            Region::Argument(index) => {
                if let Buffer::Bytes(memory, _) = &mut self.buffers[index] {
                    memory[range].copy_from_slice(bytes);
                }
            }
            Region::Stack => {
                for (to, from) in self.stack[range].iter_mut().zip(bytes) {
                    *to = Some(*from);
                }
            }
        }
        Ok(())
    }

    /// Whether all these bytes exist, so that a read or a write does not fault.
    pub(super) fn check(&self, address: u64, len: usize) -> Outcome {
        self.locate(address, len, "touches").map(|_| ())
    }

    /// The region of all the bytes, and their offset in it.
    fn locate(&self, address: u64, len: usize, verb: &str) -> Outcome<(Region, usize)> {
        let size = |region| match region {
            Region::Code => self.code.len(),
            Region::Stack => self.stack.len(),
            Region::Argument(index) => match &self.buffers[index] {
                Buffer::Bytes(bytes, _) => bytes.len(),
                Buffer::Count(_) => 0,
            },
        };
        // The region whose start is nearest: for the message, bytes shortly before a region belong
        // to it.
        let nearest = (address.wrapping_add(1 << (SHIFT - 1)) >> SHIFT) << SHIFT;
        let bottom = STACK - STACK_SIZE as u64;
        let (region, start) = match usize::try_from(nearest >> SHIFT) {
            Ok(index) if (1..=self.buffers.len()).contains(&index) => {
                (Region::Argument(index - 1), nearest)
            }
            _ if nearest == CODE => (Region::Code, CODE),
            _ if nearest == STACK => (Region::Stack, bottom),
            _ => return Err(format!("{verb} {len} bytes at {address:#x}, outside of all memory")),
        };
        let offset = address.wrapping_sub(start).cast_signed();
        if region == Region::Stack && address < self.lowest {
            let distance = self.lowest.wrapping_add(RED_ZONE).wrapping_sub(address);
            return Err(format!("{verb} {len} bytes of the stack {distance} below rsp"));
        }
        usize::try_from(offset)
            .ok()
            .filter(|at| at.checked_add(len).is_some_and(|end| end <= size(region)))
            .map(|at| (region, at))
            .ok_or_else(|| {
                let name = match region {
                    Region::Argument(index) => format!("argument {index}"),
                    other => format!("the {other:?}").to_lowercase(),
                };
                format!("{verb} {len} bytes at {offset} of {name}, which has {}", size(region))
            })
    }
}
