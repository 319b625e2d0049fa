//! Copies, as a kernel.

use brolga_codegen::kernel::{Access, CompiledKernel, KernelFn, Stage, Touch};

/// The symbol of the copy kernel's stage, which the runtime itself defines.
pub(crate) const SYMBOL: &str = "brolga_copy";
/// The code of the stage.
pub(crate) const CODE: KernelFn = copy;

/// A kernel that copies `bytes` bytes from its operand to its result; each byte is a unit.
pub(crate) fn copy_kernel(bytes: usize) -> CompiledKernel {
    let touch = |slot| vec![Touch { slot, access: Access::Units }];
    let stage = Stage {
        name: "copy".to_owned(),
        symbol: SYMBOL.to_owned(),
        units: bytes,
        reads: touch(0),
        writes: touch(1),
        flops: 0,
        together: false,
        copies: None,
    };
    CompiledKernel { stages: vec![stage], ..CompiledKernel::default() }
}

unsafe extern "C" fn copy(operands: *const *mut u8, _: *mut u8, begin: u64, end: u64) {
    let (begin, end) = (begin as usize, end as usize);
    // SAFETY: the table holds operand and result, of `units` bytes each, and `begin..end` lies
    // within; the two are distinct buffers, since the kernel allows nothing in place.
    unsafe {
        let (from, to) = (*operands, *operands.add(1));
        std::ptr::copy_nonoverlapping(from.add(begin), to.add(begin), end - begin);
    }
}
