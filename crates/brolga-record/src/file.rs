//! The file of a record: a header, and sections that are compressed each by itself, so that one can
//! be appended. `docs/record.md` describes it.

use std::io::{Read, Write};

use brolga_memory::NotGranted;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::RecordError;
use crate::record::{Machine, Program, Record};

/// The version of the format that is written and read. It changes with whatever a reader has to
/// know, be it a field of a [`Program`] or of what it holds.
pub const VERSION: u32 = 1;

/// The first bytes. The first is no ASCII and the last is a line end, so that a transfer as text
/// shows.
const MAGIC: [u8; 8] = *b"\x89BROLGA\n";
const MACHINE: [u8; 4] = *b"MACH";
const PROGRAM: [u8; 4] = *b"PROG";

/// Bytes before the content of a section: its kind, and the lengths compressed and not.
const HEAD: usize = 4 + 8 + 8;

/// The most that deflate makes of a byte.
const EXPANSION: u64 = 1032;

/// Bytes that parsing takes for each byte of JSON, at most.
const PARSED: usize = 8;

/// The bytes of a whole record.
pub(crate) fn write(record: &Record) -> Result<Vec<u8>, RecordError> {
    let mut bytes = header(&record.machine)?;
    for program in &record.programs {
        bytes.extend(section_of_program(program)?);
    }
    Ok(bytes)
}

/// What stands before the programs.
///
/// # Errors
/// As [`section_of`].
pub fn header(machine: &Machine) -> Result<Vec<u8>, RecordError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(section(MACHINE, machine)?);
    Ok(bytes)
}

/// A program, to be appended.
pub(crate) fn section_of_program(program: &Program) -> Result<Vec<u8>, RecordError> {
    section(PROGRAM, program)
}

fn section(kind: [u8; 4], content: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    let json = serde_json::to_vec(content).map_err(|error| unwritable(&error))?;
    section_of(kind, &json)
}

fn unwritable(error: &dyn std::fmt::Display) -> RecordError {
    RecordError::Damaged { file: "new".to_owned(), problem: error.to_string() }
}

/// A section of a file with any content, for those who make records by other means.
///
/// # Errors
/// If the content cannot be compressed.
pub fn section_of(kind: [u8; 4], json: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(json.len() / 8), Compression::fast());
    let compressed = encoder.write_all(json).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|error| unwritable(&error))?;
    let mut bytes = Vec::with_capacity(HEAD + compressed.len());
    bytes.extend(kind);
    bytes.extend((compressed.len() as u64).to_le_bytes());
    bytes.extend((json.len() as u64).to_le_bytes());
    bytes.extend(compressed);
    Ok(bytes)
}

/// Reads a record whose file has this name.
pub(crate) fn read(bytes: &[u8], file: &str) -> Result<Record, RecordError> {
    let damaged = |problem: String| RecordError::Damaged { file: file.to_owned(), problem };
    let Some(rest) = bytes.strip_prefix(&MAGIC) else {
        return Err(match MAGIC.starts_with(bytes) && !bytes.is_empty() {
            true => damaged("it is cut off in its header".to_owned()),
            false => RecordError::Foreign { file: file.to_owned() },
        });
    };
    let Some((version, mut rest)) = rest.split_first_chunk() else {
        return Err(damaged("it is cut off in its header".to_owned()));
    };
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(RecordError::Version { file: file.to_owned(), version, known: VERSION });
    }
    let (mut machine, mut programs) = (None, Vec::new());
    while !rest.is_empty() {
        let offset = bytes.len() - rest.len();
        let (section, after) = Section::split(rest)
            .ok_or_else(|| damaged(format!("it is cut off in the section at byte {offset}")))?;
        let content = |kind: &str| format!("the section `{kind}` at byte {offset}");
        match section.kind {
            MACHINE => machine = Some(section.parse(file, &content("MACH"))?),
            PROGRAM => {
                let program: Program = section.parse(file, &content("PROG"))?;
                let checked = program.check();
                checked.map_err(|problem| damaged(format!("{}: {problem}", content("PROG"))))?;
                programs.push(program);
            }
            // A later version may add kinds that this one can do without.
            _ => {}
        }
        rest = after;
    }
    let machine = machine.ok_or_else(|| damaged("it has no section `MACH`".to_owned()))?;
    Ok(Record { machine, programs })
}

struct Section<'a> {
    kind: [u8; 4],
    /// The length of the content before it was compressed.
    length: u64,
    compressed: &'a [u8],
}

impl<'a> Section<'a> {
    /// The first section, and what comes after it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (kind, rest) = bytes.split_first_chunk()?;
        let (compressed, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let compressed = usize::try_from(u64::from_le_bytes(*compressed)).ok()?;
        let (compressed, rest) = rest.split_at_checked(compressed)?;
        Some((Self { kind: *kind, length: u64::from_le_bytes(*length), compressed }, rest))
    }

    fn parse<T: DeserializeOwned>(&self, file: &str, what: &str) -> Result<T, RecordError> {
        let damaged = |problem: String| RecordError::Damaged { file: file.to_owned(), problem };
        if self.length > (self.compressed.len() as u64).saturating_mul(EXPANSION) {
            return Err(damaged(format!("{what} cannot become {} bytes", self.length)));
        }
        let memory = |reason: NotGranted| RecordError::Memory { file: file.to_owned(), reason };
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        brolga_memory::check(length.saturating_mul(PARSED)).map_err(memory)?;
        let mut json = brolga_memory::with_capacity(length).map_err(memory)?;
        let limited = ZlibDecoder::new(self.compressed).take(self.length.saturating_add(1));
        { limited }.read_to_end(&mut json).map_err(|error| damaged(format!("{what}: {error}")))?;
        if json.len() != length {
            return Err(damaged(format!("{what} has not the length that it says")));
        }
        serde_json::from_slice(&json).map_err(|error| damaged(format!("{what}: {error}")))
    }
}
