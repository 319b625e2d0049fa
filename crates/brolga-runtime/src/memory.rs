//! Raw memory: one allocation, read and written as slices of elements.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use brolga_ir::{Data, Tensor, Type, for_each_dtype};
use brolga_memory::NotGranted;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::element::Element;
use crate::error::RuntimeError;
use crate::parallel::for_each_chunk;

/// The alignment of all values: that of a cache line, and of the widest vector.
pub(crate) const ALIGNMENT: usize = 64;

/// The size of huge pages, which make address translation cheaper in large allocations.
const HUGE_PAGE: usize = 2 << 20;

/// `bytes` rounded up to whole cache lines. Sizes of tensors and sums of sizes are checked, so that
/// this does not overflow.
pub(crate) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

/// A part of a [`Memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    /// The offset of its first byte, a multiple of [`ALIGNMENT`].
    pub(crate) offset: usize,
    /// Its size.
    pub(crate) bytes: usize,
}

impl Span {
    pub(crate) fn end(self) -> usize {
        self.offset + self.bytes
    }
}

/// The bytes that a thread copies at a time.
const CHUNK: usize = 16 << 20;

/// An allocation that starts as zeros. It is freed on drop.
///
/// Writers through [`Memory::address`] keep the bytes of each value valid for its element type.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The first byte that is used, aligned; the allocation may begin before it.
    start: NonNull<u8>,
    bytes: usize,
    allocation: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory belongs to this object alone, and shared references give nothing but reads
// (writes go through `&mut`, or through `address`, whose users answer for it).
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory of `bytes` bytes, all zero.
    ///
    /// Large memory comes from the system, which allocates and zeroes a page when a thread touches
    /// it first.
    pub(crate) fn zeroed(bytes: usize) -> Result<Self, RuntimeError> {
        brolga_memory::check(bytes)?;
        let failed = || NotGranted { needed: bytes, limit: None };
        let alignment = if bytes >= HUGE_PAGE { HUGE_PAGE } else { ALIGNMENT };
        let bytes = bytes.max(ALIGNMENT);
        // The system gives zeroed memory only with an ordinary alignment, so it is aligned here.
        let size = bytes.checked_add(alignment).ok_or_else(failed)?;
        let layout = Layout::from_size_align(size, 1).map_err(|_| failed())?;
        // SAFETY: the layout's size is not zero.
        let allocation = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(failed)?;
        let skipped = allocation.as_ptr().align_offset(alignment);
        // SAFETY: less than `alignment` bytes are skipped, and the allocation has as many more than
        // `bytes`.
        let start = unsafe { allocation.add(skipped) };
        let memory = Self { start, bytes, allocation, layout };
        memory.advise_huge_pages();
        Ok(memory)
    }

    /// Asks the system for huge pages, which are an optimisation.
    fn advise_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        if self.bytes >= HUGE_PAGE {
            // SAFETY: the range is that of a live allocation, and the advice does not change its
            // content.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_HUGEPAGE) };
        }
    }

    /// The address of the byte at an offset.
    pub(crate) fn address(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.bytes);
        self.start.as_ptr().wrapping_add(offset)
    }

    fn check<T>(&self, span: Span) -> usize {
        assert!(span.offset.is_multiple_of(ALIGNMENT), "values start at cache lines");
        assert!(
            span.offset.checked_add(span.bytes).is_some_and(|end| end <= self.bytes),
            "values lie within their memory"
        );
        span.bytes / size_of::<T>()
    }

    /// The elements of a span.
    pub(crate) fn slice<T: Element>(&self, span: Span) -> &[T] {
        let count = self.check::<T>(span);
        // SAFETY: the part lies within the allocation and is aligned beyond any element; zeros,
        // typed writes and kernels leave valid elements in it; `&self` excludes writers.
        unsafe { std::slice::from_raw_parts(self.address(span.offset).cast(), count) }
    }

    /// The elements of a span, for writing.
    pub(crate) fn slice_mut<T: Element>(&mut self, span: Span) -> &mut [T] {
        let count = self.check::<T>(span);
        // SAFETY: as in `slice`; `&mut self` excludes all other accesses.
        unsafe { std::slice::from_raw_parts_mut(self.address(span.offset).cast(), count) }
    }

    /// A tensor with the elements of a span.
    pub(crate) fn tensor(&self, span: Span, ty: &Type) -> Result<Tensor, NotGranted> {
        use brolga_ir::DType::*;
        fn copy<T: Element>(memory: &Memory, span: Span) -> Result<Vec<T>, NotGranted> {
            brolga_memory::collected(memory.slice::<T>(span).iter().copied())
        }
        let data = match ty.dtype {
            F32 => Data::F32(copy(self, span)?),
            F64 => Data::F64(copy(self, span)?),
            BF16 => Data::BF16(copy::<bf16>(self, span)?),
            F16 => Data::F16(copy::<f16>(self, span)?),
            I64 => Data::I64(copy(self, span)?),
            I32 => Data::I32(copy(self, span)?),
            U8 => Data::U8(copy(self, span)?),
            Bool => Data::Bool(copy(self, span)?),
        };
        Ok(Tensor::new(ty.shape.clone(), data).expect("the part has the bytes of the type"))
    }

    /// Writes elements into a span: one for each, or one for all.
    pub(crate) fn write(&mut self, span: Span, data: &Data) {
        for_each_dtype!(data, values => match (self.slice_mut(span), values.as_slice()) {
            (part, [value]) => part.fill(*value),
            (part, values) => part.copy_from_slice(values),
        });
    }

    /// Copies all bytes of another memory of the same size, on as many threads as the process may
    /// use.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        assert_eq!(self.bytes, other.bytes, "copies have the size of the original");
        let whole = Span { offset: 0, bytes: self.bytes };
        let from = other.slice::<u8>(whole);
        for_each_chunk(self.slice_mut::<u8>(whole), CHUNK, |start, chunk| {
            chunk.copy_from_slice(&from[start..start + chunk.len()]);
        });
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, and freed nowhere else.
        unsafe { dealloc(self.allocation.as_ptr(), self.layout) };
    }
}
