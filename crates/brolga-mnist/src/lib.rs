//! The MNIST data set of handwritten digits, losslessly compressed and part of the program.
//!
//! The four files of the original data set, in its IDX format, are compiled into this crate as
//! `.xz` streams of 9.4 MB in all, so that nothing has to be fetched at run time. [`Part`] names
//! them. Each stream holds the SHA-256 of its content, which is checked whenever it is read to its
//! end.
//!
//! Most programs want arrays, not bytes: `brolga_data::mnist::load_data()` returns them.
//!
//! ```
//! use brolga_mnist::Part;
//!
//! let labels = Part::TestLabels.bytes()?;
//! assert_eq!(labels[..8], [0, 0, 8, 1, 0, 0, 0x27, 0x10]); // u8, one dimension, 10,000
//! assert_eq!(labels[8..12], [7, 2, 1, 0]); // the first four digits of the test set
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The data set's origin and licence, and how the compressed files are made, are in the crate's
//! `README.md`.

use std::io::{self, Read};

use lzma_rust2::XzReader;

/// One of the four files of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// 60,000 images of 28 × 28 pixels.
    TrainImages,
    /// 60,000 labels, 0 to 9.
    TrainLabels,
    /// 10,000 images of 28 × 28 pixels.
    TestImages,
    /// 10,000 labels, 0 to 9.
    TestLabels,
}

impl Part {
    /// All four parts.
    pub const ALL: [Part; 4] =
        [Part::TrainImages, Part::TrainLabels, Part::TestImages, Part::TestLabels];

    /// The name that the file has in the original data set.
    pub fn file_name(self) -> &'static str {
        match self {
            Part::TrainImages => "train-images-idx3-ubyte",
            Part::TrainLabels => "train-labels-idx1-ubyte",
            Part::TestImages => "t10k-images-idx3-ubyte",
            Part::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }

    /// The number of bytes of the uncompressed file: its header, then one byte for each pixel or
    /// label.
    pub fn size(self) -> usize {
        match self {
            Part::TrainImages => 16 + 60_000 * 28 * 28,
            Part::TrainLabels => 8 + 60_000,
            Part::TestImages => 16 + 10_000 * 28 * 28,
            Part::TestLabels => 8 + 10_000,
        }
    }

    /// The compressed file, an `.xz` stream.
    pub fn compressed(self) -> &'static [u8] {
        match self {
            Part::TrainImages => include_bytes!("../data/train-images-idx3-ubyte.xz"),
            Part::TrainLabels => include_bytes!("../data/train-labels-idx1-ubyte.xz"),
            Part::TestImages => include_bytes!("../data/t10k-images-idx3-ubyte.xz"),
            Part::TestLabels => include_bytes!("../data/t10k-labels-idx1-ubyte.xz"),
        }
    }

    /// The uncompressed file as a stream of [`size`](Part::size) bytes. It needs about 8 MB of
    /// memory while it is open.
    ///
    /// Reading fails with [`io::ErrorKind::InvalidData`] where the program's own copy of the data
    /// is damaged.
    pub fn reader(self) -> impl Read {
        XzReader::new(self.compressed(), false)
    }

    /// The uncompressed file as a whole, in a buffer of exactly its [`size`](Part::size).
    ///
    /// # Errors
    ///
    /// As for [`reader`](Part::reader).
    pub fn bytes(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size());
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
