//! Where the bytes of an IDX file come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// How many bytes one byte of a gzip stream can become: DEFLATE's densest code is a match of 258
/// bytes in 2 bits.
const GZIP_MAX_RATIO: u64 = 1032;

/// The uncompressed bytes of a file.
pub(crate) struct Source<'a> {
    /// What error messages call the file.
    pub(crate) name: String,
    /// The number of bytes that the file can hold, as far as it is known: as much as this may be
    /// allocated before the bytes have arrived.
    pub(crate) at_most: u64,
    reader: Box<dyn Read + 'a>,
}

impl Source<'static> {
    /// Opens a file, plain or compressed with gzip.
    pub(crate) fn open(path: &Path) -> Result<Source<'static>> {
        let io = |error| Error::io(path.display(), error);
        let file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        Source::new(path.display().to_string(), len, file)
    }
}

impl<'a> Source<'a> {
    /// A stream, plain or compressed with gzip, that is known to hold `at_most` bytes as it is.
    pub(crate) fn new(name: String, at_most: u64, reader: impl Read + 'a) -> Result<Source<'a>> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let start = reader.fill_buf().map_err(|error| Error::io(&name, error))?;
        Ok(if start.starts_with(&[0x1f, 0x8b]) {
            let at_most = at_most.saturating_mul(GZIP_MAX_RATIO);
            Source { name, at_most, reader: Box::new(MultiGzDecoder::new(reader)) }
        } else {
            Source { name, at_most, reader: Box::new(reader) }
        })
    }

    /// Fills the buffer, or as much of it as there are bytes, and returns how many these are.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(filled)
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => Error::Truncated {
                file: self.name.clone(),
                expected: "a whole compressed stream".to_owned(),
                given: "one that breaks off".to_owned(),
            },
            _ => Error::io(&self.name, error),
        }
    }
}
