//! The memory that an interpreted program works on.

/// Memory by address.
pub(super) trait Memory {
    /// The bytes at `address`, or `None` if they do not all exist.
    fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]>;
    /// Writes bytes at `address`; `None` if they do not all exist.
    fn write<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Option<()>;
}

/// An argument of an interpreted program.
#[derive(Debug)]
pub enum Buffer<'a> {
    /// For a pointer: the bytes it may reach, and its offset in them.
    Bytes(&'a mut [u8], usize),
    /// For a count.
    Count(i64),
}

/// Buffers at artificial addresses, 2³² bytes apart, so that an access outside of a buffer hits no
/// other.
pub(super) struct Buffers<'a, 'b>(pub(super) &'a mut [Buffer<'b>]);

const SHIFT: u32 = 32;

impl Buffers<'_, '_> {
    /// The arguments as numbers.
    pub(super) fn args(&self) -> Vec<u64> {
        let address = |(index, buffer): (usize, &Buffer<'_>)| match *buffer {
            Buffer::Bytes(_, start) => ((index as u64 + 1) << SHIFT) + start as u64,
            Buffer::Count(count) => count.cast_unsigned(),
        };
        self.0.iter().enumerate().map(address).collect()
    }

    fn locate(address: u64) -> Option<(usize, usize)> {
        let buffer = usize::try_from(address >> SHIFT).ok()?.checked_sub(1)?;
        let start = usize::try_from(address & ((1 << SHIFT) - 1)).ok()?;
        Some((buffer, start))
    }
}

impl Memory for Buffers<'_, '_> {
    fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let (buffer, start) = Self::locate(address)?;
        match self.0.get(buffer)? {
            Buffer::Bytes(bytes, _) => bytes.get(start..start.checked_add(N)?)?.try_into().ok(),
            Buffer::Count(_) => None,
        }
    }

    fn write<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Option<()> {
        let (buffer, start) = Self::locate(address)?;
        match self.0.get_mut(buffer)? {
            Buffer::Bytes(memory, _) => {
                memory.get_mut(start..start.checked_add(N)?)?.copy_from_slice(&bytes);
                Some(())
            }
            Buffer::Count(_) => None,
        }
    }
}

/// The memory of this process.
pub(super) struct Process(());

impl Process {
    /// # Safety
    /// Every address that is read or written through the result must be valid for that.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

impl Memory for Process {
    fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let pointer = std::ptr::with_exposed_provenance::<[u8; N]>(usize::try_from(address).ok()?);
        // SAFETY: `new` demands that the address is valid; an array of bytes has alignment 1.
        Some(unsafe { pointer.read() })
    }

    fn write<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Option<()> {
        let pointer =
            std::ptr::with_exposed_provenance_mut::<[u8; N]>(usize::try_from(address).ok()?);
        // SAFETY: `new` demands that the address is valid; an array of bytes has alignment 1.
        unsafe { pointer.write(bytes) };
        Some(())
    }
}
