//! Files: models, and the files beside them that hold the elements of large tensors.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use brolga_ir::Mistake;
use prost::Message;
use prost::bytes::Bytes;

use crate::error::OnnxError;
use crate::precheck::{self, Kind};
use crate::proto::{StringStringEntryProto, TensorProto};

/// The message in a file.
///
/// # Errors
/// If the file is not read, or holds no such message.
pub(crate) fn read<M: Message + Default>(path: &Path, kind: Kind) -> Result<M, OnnxError> {
    message(path, bytes(path)?, kind)
}

/// The bytes of a file.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, OnnxError> {
    let failed = |source| OnnxError::Io { file: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let message = "this is a folder, a device or a pipe, not a file";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, message)));
    }
    brolga_memory::read(path).map_err(failed)
}

/// The message in the bytes of a file.
pub(crate) fn message<M: Message + Default>(
    path: &Path,
    bytes: Vec<u8>,
    kind: Kind,
) -> Result<M, OnnxError> {
    let at = |mistake| OnnxError::Model { file: path.to_owned(), mistake };
    precheck::check(&bytes, kind).map_err(at)?;
    let decoded = M::decode(Bytes::from(bytes));
    decoded.map_err(|error| OnnxError::Decode { file: path.to_owned(), reason: error.to_string() })
}

/// The folder of a model, in which the files with its external data are.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// Where the elements of a tensor are.
struct Location<'a> {
    file: &'a str,
    offset: u64,
    length: Option<u64>,
}

impl Folder {
    /// The folder in which this model is.
    pub(crate) fn of(model: &Path) -> Self {
        let folder = model.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self(folder.unwrap_or(Path::new(".")).to_owned())
    }

    /// The place of a tensor whose elements are in a file of their own: the file's name, and which
    /// bytes of it; `expected` is how many there must be.
    pub(crate) fn place<'t>(
        &self,
        tensor: &'t TensorProto,
        expected: usize,
    ) -> Result<(&'t str, Range<u64>), Mistake> {
        let Location { file, offset, length } = Location::of(&tensor.external_data)?;
        if length.is_some_and(|length| length != expected as u64) {
            let given = length.unwrap_or_default();
            return Err(Mistake::new(format!(
                "its type and shape need {expected} bytes, the file `{file}` holds {given} for it"
            ))
            .help("the file and the model do not belong together; export them again"));
        }
        let found = fs::symlink_metadata(self.0.join(file));
        let found = found.map_err(|error| unread(file, &error))?;
        if !found.is_file() {
            return Err(Mistake::new(format!(
                "its elements are in `{file}`, which is a link, a folder or a device"
            ))
            .help("external data must be a file in the folder of the model"));
        }
        let end = offset.checked_add(expected as u64).filter(|end| *end <= found.len());
        end.map(|end| (file, offset..end)).ok_or_else(|| {
            Mistake::new(format!(
                "its elements are {expected} bytes of `{file}` from {offset} on, but the file has {}",
                found.len()
            ))
            .help("the file was not copied completely, or belongs to another model")
        })
    }

    /// The bytes of a tensor whose elements are in a file of their own.
    ///
    /// # Errors
    /// As [`Folder::place`], and if the system does not give them.
    pub(crate) fn bytes(&self, tensor: &TensorProto, expected: usize) -> Result<Bytes, Mistake> {
        let (file, range) = self.place(tensor, expected)?;
        let (path, offset) = (self.0.join(file), range.start);
        let cannot = |error: io::Error| unread(file, &error);
        let mut bytes = brolga_memory::filled(0_u8, expected)
            .map_err(|reason| Mistake::new(reason.to_string()))?;
        let mut stream = File::open(&path).map_err(cannot)?;
        stream.seek(SeekFrom::Start(offset)).map_err(cannot)?;
        stream.read_exact(&mut bytes).map_err(cannot)?;
        Ok(bytes.into())
    }
}

fn unread(file: &str, error: &io::Error) -> Mistake {
    Mistake::new(format!("its elements are in `{file}`, which cannot be read: {error}"))
        .help("keep the files that belong to a model in its folder")
}

impl<'a> Location<'a> {
    fn of(entries: &'a [StringStringEntryProto]) -> Result<Self, Mistake> {
        let mut keys = HashMap::new();
        for entry in entries {
            if !["location", "offset", "length", "checksum"].contains(&entry.key.as_str()) {
                return Err(Mistake::new(format!("external data has the key `{}`", entry.key))
                    .help("known are location, offset, length and checksum"));
            }
            if keys.insert(entry.key.as_str(), entry.value.as_str()).is_some() {
                let message = format!("external data has the key `{}` twice", entry.key);
                return Err(Mistake::new(message).help("each key may stand once"));
            }
        }
        let number = |key: &str| {
            let parse = |text: &&str| {
                text.parse::<u64>().map_err(|_| {
                    Mistake::new(format!("external data has {key} `{text}`, which is no number"))
                        .help("it is a number of bytes")
                })
            };
            keys.get(key).map(parse).transpose()
        };
        let Some(file) = keys.get("location").copied() else {
            return Err(Mistake::new("external data has no location")
                .help("it is the name of a file in the folder of the model"));
        };
        let mut components = Path::new(file).components();
        let is_name = matches!(
            (components.next(), components.next()),
            (Some(Component::Normal(name)), None) if name == file
        );
        if !is_name || file.contains(['/', '\\', '\0']) {
            return Err(Mistake::new(format!("external data is at `{file}`"))
                .help("only the name of a file in the folder of the model is followed"));
        }
        Ok(Self { file, offset: number("offset")?.unwrap_or(0), length: number("length")? })
    }
}
