//! How much memory the machine grants this process, and allocations that can fail.
//!
//! Whatever has a size that a user, a file or a text determines asks here before it allocates.
//! `docs/memory.md` tells who asks when.
//!
//! ```
//! let zeros = brolga_memory::filled(0.0_f32, 3)?;
//! assert_eq!(zeros, [0.0; 3]);
//! assert!(brolga_memory::filled(0.0_f32, usize::MAX).is_err());
//! # Ok::<(), brolga_memory::NotGranted>(())
//! ```

mod granted;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Requests up to this size are not compared with what the machine grants, which costs some reads
/// of small files.
const SMALL: usize = 1 << 22;

/// The most bytes that may be taken, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The bytes.
    pub bytes: usize,
    /// Who says so.
    pub set_by: SetBy,
}

/// Who sets a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// The caller, by an argument.
    Caller,
    /// The control group of the process, or one around it: a container's.
    ControlGroup,
    /// The system, by what it has available.
    Machine,
    /// The limit of the address space of the process, or of its data: `ulimit -v`, `ulimit -d`.
    AddressSpace,
}

impl Limit {
    /// A limit that the caller sets.
    pub fn of_caller(bytes: usize) -> Self {
        Self { bytes, set_by: SetBy::Caller }
    }

    /// What the machine grants this process beyond what it has, where the system tells. A sixteenth
    /// is left for code, stacks and all that is small.
    pub fn granted() -> Option<Self> {
        granted::granted("/".as_ref())
    }

    /// The limit of all for somebody who has so many bytes already.
    #[must_use]
    pub fn beyond(self, held: usize) -> Self {
        Self { bytes: self.bytes.saturating_add(held), ..self }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = bytes(self.bytes);
        match self.set_by {
            SetBy::Caller => write!(f, "{amount} are allowed"),
            SetBy::ControlGroup => write!(f, "the control group grants {amount}"),
            SetBy::Machine => write!(f, "the machine grants {amount}"),
            SetBy::AddressSpace => write!(f, "the limit of the address space grants {amount}"),
        }
    }
}

/// Memory that is not granted. Nothing has been allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} of memory are needed, {}", bytes(*needed), granted_text(.limit))]
pub struct NotGranted {
    /// The bytes asked for.
    pub needed: usize,
    /// The limit that they exceed; `None` if the allocation itself failed.
    pub limit: Option<Limit>,
}

impl From<NotGranted> for io::Error {
    fn from(error: NotGranted) -> Self {
        Self::new(io::ErrorKind::OutOfMemory, error)
    }
}

fn granted_text(limit: &Option<Limit>) -> String {
    limit.map_or_else(|| "which the system does not give".to_owned(), |limit| limit.to_string())
}

/// Fails if the machine does not grant so many bytes more.
///
/// # Errors
/// [`NotGranted`], with the limit that is exceeded.
pub fn check(needed: usize) -> Result<(), NotGranted> {
    if needed <= SMALL {
        return Ok(());
    }
    match Limit::granted() {
        Some(limit) if needed > limit.bytes => Err(NotGranted { needed, limit: Some(limit) }),
        _ => Ok(()),
    }
}

/// An empty vector with room for so many elements.
///
/// # Errors
/// [`NotGranted`], if there is not as much memory.
pub fn with_capacity<T>(count: usize) -> Result<Vec<T>, NotGranted> {
    let needed = count.saturating_mul(size_of::<T>());
    check(needed)?;
    let mut elements = Vec::new();
    match elements.try_reserve_exact(count) {
        Ok(()) => Ok(elements),
        Err(_) => Err(NotGranted { needed, limit: None }),
    }
}

/// Makes room for so many elements more, and for as many again where the vector must grow.
///
/// # Errors
/// As [`with_capacity`].
pub fn reserve<T>(elements: &mut Vec<T>, additional: usize) -> Result<(), NotGranted> {
    if additional <= elements.capacity() - elements.len() {
        return Ok(());
    }
    let count =
        elements.len().saturating_add(additional).max(elements.capacity().saturating_mul(2));
    let needed = count.saturating_mul(size_of::<T>());
    check(needed)?;
    elements.try_reserve(additional).map_err(|_| NotGranted { needed, limit: None })
}

/// A vector of so many times the same element.
///
/// # Errors
/// As [`with_capacity`].
pub fn filled<T: Clone>(element: T, count: usize) -> Result<Vec<T>, NotGranted> {
    let mut elements = with_capacity(count)?;
    elements.resize(count, element);
    Ok(elements)
}

/// The elements of an iterator that knows how many there are.
///
/// # Errors
/// As [`with_capacity`].
pub fn collected<T>(elements: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>, NotGranted> {
    let mut collected = with_capacity(elements.len())?;
    collected.extend(elements);
    Ok(collected)
}

/// All bytes of a file, as [`read_to_end`] reads them.
///
/// # Errors
/// Those of the system, and of the kind `OutOfMemory` if there is not as much memory.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    append(file, with_capacity(size)?, size.max(growing()))
}

/// All bytes of a stream, if they are not more than `most`, nor more than a half of what the
/// machine grants: a buffer that grows needs room for another one.
///
/// # Errors
/// Those of the system, and of the kind `OutOfMemory` if the stream has more.
pub fn read_to_end(stream: impl Read, most: usize) -> io::Result<Vec<u8>> {
    append(stream, vec![], most.min(growing()))
}

/// The most bytes that a buffer can grow to.
fn growing() -> usize {
    Limit::granted().map_or(usize::MAX, |limit| limit.bytes / 2)
}

fn append(stream: impl Read, mut bytes: Vec<u8>, most: usize) -> io::Result<Vec<u8>> {
    stream.take((most as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() <= most {
        return Ok(bytes);
    }
    let message = format!("it has more than {most} bytes, for which there is no memory");
    Err(io::Error::new(io::ErrorKind::OutOfMemory, message))
}

/// Bytes in the unit that suits them: `832 B`, `1.5 KiB`, `24.0 MiB`.
#[must_use]
pub fn bytes(count: usize) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64 / 1024.0;
    if size < 1.0 {
        return format!("{count} B");
    }
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        let text = [0, 1023, 1024, 1536, 1 << 20, 3 << 30, usize::MAX].map(bytes);
        assert_eq!(text[..6], ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "3.0 GiB"]);
        assert_eq!(text[6], "16777216.0 TiB");
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        assert_eq!(check(SMALL), Ok(()));
        let error = with_capacity::<u64>(usize::MAX).err().map(|error| error.needed);
        assert_eq!(error, Some(usize::MAX));
        assert!(filled(1_u8, 1 << 46).is_err());
        assert!(collected((0..1 << 46).map(|x: usize| x).take(1 << 46)).is_err());
        assert_eq!(collected(0..3_u8), Ok(vec![0, 1, 2]));
        let mut grown = vec![1_u8];
        assert_eq!(reserve(&mut grown, 9), Ok(()));
        assert!(grown.capacity() >= 10 && reserve(&mut grown, usize::MAX).is_err());
    }

    #[test]
    fn streams_end_at_their_limit() {
        let read = |most| read_to_end([1, 2, 3].as_slice(), most);
        assert_eq!(read(3).expect("they fit"), [1, 2, 3]);
        let error = read(2).expect_err("one more");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        insta::assert_snapshot!(error, @"it has more than 2 bytes, for which there is no memory");
        assert!(read_to_end(io::repeat(0), 1 << 20).is_err());
    }

    #[test]
    fn messages_name_who_limits() {
        let by = |set_by| {
            let limit = Some(Limit { bytes: 3 << 30, set_by });
            NotGranted { needed: 4 << 40, limit }.to_string()
        };
        insta::assert_snapshot!(by(SetBy::Caller), @"4.0 TiB of memory are needed, 3.0 GiB are allowed");
        insta::assert_snapshot!(by(SetBy::ControlGroup), @"4.0 TiB of memory are needed, the control group grants 3.0 GiB");
        insta::assert_snapshot!(by(SetBy::Machine), @"4.0 TiB of memory are needed, the machine grants 3.0 GiB");
        insta::assert_snapshot!(by(SetBy::AddressSpace), @"4.0 TiB of memory are needed, the limit of the address space grants 3.0 GiB");
        let failed = NotGranted { needed: 1 << 20, limit: None };
        insta::assert_snapshot!(failed, @"1.0 MiB of memory are needed, which the system does not give");
    }
}
