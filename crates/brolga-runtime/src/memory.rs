//! Raw memory: one allocation, read and written as slices of elements.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use brolga_ir::{Data, Tensor, Type, for_each_dtype};
use half::{bf16, f16};

use crate::element::Element;
use crate::error::RuntimeError;

/// Every value starts at a multiple of this: a cache line, and the widest vector.
pub(crate) const ALIGNMENT: usize = 64;

/// The size of the pages that spare address translation in large allocations.
const HUGE_PAGE: usize = 2 << 20;

/// `bytes` rounded up to whole cache lines. Sizes of tensors and sums of sizes are checked to stay far below the overflow.
pub(crate) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

/// A part of a [`Memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Span {
    /// Where it starts, a multiple of [`ALIGNMENT`].
    pub(crate) offset: usize,
    /// How many bytes it has.
    pub(crate) bytes: usize,
}

impl Span {
    pub(crate) fn end(self) -> usize {
        self.offset + self.bytes
    }
}

/// An allocation that starts as zeros. It is freed on drop.
///
/// Whoever writes through [`Memory::address`] keeps the bytes of each value valid for its element type.
#[derive(Debug)]
pub(crate) struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory belongs to this object alone, and shared references give nothing but reads (writes go through `&mut`, or
// through `address`, whose users answer for it).
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// So many bytes, all zero.
    pub(crate) fn zeroed(bytes: usize) -> Result<Self, RuntimeError> {
        let failed = || RuntimeError::Allocation { bytes };
        let alignment = if bytes >= HUGE_PAGE { HUGE_PAGE } else { ALIGNMENT };
        let layout =
            Layout::from_size_align(bytes.max(ALIGNMENT), alignment).map_err(|_| failed())?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { alloc(layout) }).ok_or_else(failed)?;
        let memory = Self { start, layout };
        // Pages are chosen when they are touched first, which is by the zeros.
        memory.advise_huge_pages();
        // SAFETY: the range is that of the allocation.
        unsafe { start.write_bytes(0, layout.size()) };
        Ok(memory)
    }

    /// As [`Memory::zeroed`]; ends the process, as the standard library does, if there is not as much memory.
    pub(crate) fn zeroed_or_abort(bytes: usize) -> Self {
        Self::zeroed(bytes).unwrap_or_else(|_| {
            let layout = Layout::from_size_align(bytes, ALIGNMENT).unwrap_or(Layout::new::<u8>());
            handle_alloc_error(layout)
        })
    }

    /// Asks the system for huge pages; it may not have any, and nothing depends on it.
    fn advise_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        if self.layout.align() == HUGE_PAGE {
            // SAFETY: the range is that of a live allocation, and the advice does not change its content.
            unsafe {
                libc::madvise(self.start.as_ptr().cast(), self.layout.size(), libc::MADV_HUGEPAGE)
            };
        }
    }

    /// The address of the byte at an offset.
    pub(crate) fn address(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.layout.size());
        self.start.as_ptr().wrapping_add(offset)
    }

    fn check<T>(&self, span: Span) -> usize {
        assert!(span.offset.is_multiple_of(ALIGNMENT), "values start at cache lines");
        assert!(
            span.offset.checked_add(span.bytes).is_some_and(|end| end <= self.layout.size()),
            "values lie within their memory"
        );
        span.bytes / size_of::<T>()
    }

    /// A part as elements.
    pub(crate) fn slice<T: Element>(&self, span: Span) -> &[T] {
        let count = self.check::<T>(span);
        // SAFETY: the part lies within the allocation and is aligned beyond any element; zeros, typed writes and kernels leave
        // valid elements in it; `&self` keeps writers away.
        unsafe { std::slice::from_raw_parts(self.address(span.offset).cast(), count) }
    }

    /// A part as elements, to be written.
    pub(crate) fn slice_mut<T: Element>(&mut self, span: Span) -> &mut [T] {
        let count = self.check::<T>(span);
        // SAFETY: as in `slice`; `&mut self` keeps everybody else away.
        unsafe { std::slice::from_raw_parts_mut(self.address(span.offset).cast(), count) }
    }

    /// A part as a tensor.
    pub(crate) fn tensor(&self, span: Span, ty: &Type) -> Tensor {
        use brolga_ir::DType::*;
        let data = match ty.dtype {
            F32 => Data::F32(self.slice::<f32>(span).to_vec()),
            F64 => Data::F64(self.slice::<f64>(span).to_vec()),
            BF16 => Data::BF16(self.slice::<bf16>(span).to_vec()),
            F16 => Data::F16(self.slice::<f16>(span).to_vec()),
            I64 => Data::I64(self.slice::<i64>(span).to_vec()),
            I32 => Data::I32(self.slice::<i32>(span).to_vec()),
            U8 => Data::U8(self.slice::<u8>(span).to_vec()),
            Bool => Data::Bool(self.slice::<bool>(span).to_vec()),
        };
        Tensor::new(ty.shape.clone(), data).expect("the part has the bytes of the type")
    }

    /// Writes a tensor into a part of as many bytes.
    pub(crate) fn write(&mut self, span: Span, tensor: &Tensor) {
        for_each_dtype!(tensor.data(), values => self.slice_mut(span).copy_from_slice(values));
    }

    /// Copies all bytes of a memory of the same size.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let bytes = self.layout.size();
        assert_eq!(bytes, other.layout.size(), "copies have the size of the original");
        let whole = Span { offset: 0, bytes };
        self.slice_mut::<u8>(whole).copy_from_slice(other.slice(whole));
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, and freed nowhere else.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
