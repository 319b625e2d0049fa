//! Safetensors: files of tensors by name, also several of them under an index.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use brolga_ir::Mistake;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorView};
use serde_json::Value;

use crate::array::{Array, Element, Info};
use crate::error::{Content, damaged};
use crate::weights::Source;

/// The largest header: what the library allows.
const LARGEST_HEADER: u64 = 100_000_000;

/// Files of tensors. Elements are read when they are asked for, without a copy of the file.
#[derive(Debug)]
pub(crate) struct Files {
    files: Vec<Opened>,
    tensors: BTreeMap<String, Found>,
}

/// The index of the file that has a tensor, its elements' type, its shape, and where its bytes begin
/// and end.
type Found = (usize, Dtype, Vec<usize>, (usize, usize));

#[derive(Debug)]
struct Opened {
    file: File,
    /// Where the elements begin.
    start: u64,
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F8_E4M3 => Element::F8E4M3,
        Dtype::F8_E5M2 => Element::F8E5M2,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U64 => Element::U64,
        Dtype::U32 => Element::U32,
        Dtype::U16 => Element::U16,
        Dtype::U8 => Element::U8,
        Dtype::BOOL => Element::Bool,
        _ => return None,
    })
}

fn dtype(element: Element) -> Dtype {
    match element {
        Element::F64 => Dtype::F64,
        Element::F32 => Dtype::F32,
        Element::F16 => Dtype::F16,
        Element::BF16 => Dtype::BF16,
        Element::F8E4M3 => Dtype::F8_E4M3,
        Element::F8E5M2 => Dtype::F8_E5M2,
        Element::I64 => Dtype::I64,
        Element::I32 => Dtype::I32,
        Element::I16 => Dtype::I16,
        Element::I8 => Dtype::I8,
        Element::U64 => Dtype::U64,
        Element::U32 => Dtype::U32,
        Element::U16 => Dtype::U16,
        Element::U8 => Dtype::U8,
        Element::Bool => Dtype::BOOL,
    }
}

/// A mistake of the content, or one of the system.
pub(crate) enum Unopened {
    Mistake(Mistake),
    Io(io::Error),
}

impl From<Mistake> for Unopened {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the header of a file, and where the elements begin.
fn header(file: &File) -> Result<(Metadata, u64), Unopened> {
    let length = file.metadata()?.len();
    let mut prefix = [0; 8];
    let mut reader = file;
    if reader.read_exact(&mut prefix).is_err() {
        return Err(damaged("the file is cut off in its header").into());
    }
    let size = u64::from_le_bytes(prefix);
    let fits = size <= LARGEST_HEADER && size.checked_add(8).is_some_and(|end| end <= length);
    if !fits {
        let message = format!("its header has {size} bytes, the file has {length}");
        return Err(damaged(message).into());
    }
    let mut bytes =
        brolga_memory::with_capacity(size as usize).map_err(|error| damaged(error.to_string()))?;
    let read = reader.take(size).read_to_end(&mut bytes)?;
    if read as u64 != size {
        return Err(damaged("the file is cut off in its header").into());
    }
    let metadata: Metadata = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(format!("its header is no table of tensors ({error})")))?;
    check(&metadata, length - size - 8)?;
    Ok((metadata, size + 8))
}

/// Fails unless the tensors lie one after the other, each of the size that its type and shape take, and
/// fill all bytes after the header.
fn check(metadata: &Metadata, length: u64) -> Content<()> {
    let mut start = 0;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (begin, end) = info.data_offsets;
        let count = info.shape.iter().copied().try_fold(1_usize, usize::checked_mul);
        let bits = count.and_then(|count| count.checked_mul(info.dtype.bitsize()));
        if begin != start || end < begin {
            let message =
                format!("the tensor `{name}` is at {begin} to {end}, where it begins at {start}");
            return Err(damaged(message));
        }
        if bits.is_none_or(|bits| bits % 8 != 0 || bits / 8 != end - begin) {
            let shape = crate::array::shape_text(&info.shape);
            let message = format!("the tensor `{name}` of shape {shape} has {} bytes", end - begin);
            return Err(damaged(message));
        }
        start = end;
    }
    if start as u64 != length {
        let message =
            format!("its tensors take {start} bytes, after the header there are {length}");
        return Err(damaged(message));
    }
    Ok(())
}

impl Files {
    /// The tensors of one file.
    pub(crate) fn open(path: &Path) -> Result<Self, Unopened> {
        let mut files = Self { files: vec![], tensors: BTreeMap::new() };
        files.add(path, None)?;
        Ok(files)
    }

    /// The tensors of the files that an index such as `model.safetensors.index.json` names.
    pub(crate) fn of_index(path: &Path, index: &Value) -> Result<Self, Unopened> {
        let map = index.get("weight_map").and_then(Value::as_object);
        let map = map.ok_or_else(|| damaged("the index has no table `weight_map`"))?;
        let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, file) in map {
            let file =
                file.as_str().ok_or_else(|| damaged(format!("`{name}` is in the file {file}")))?;
            by_file.entry(file).or_default().push(name);
        }
        let mut files = Self { files: vec![], tensors: BTreeMap::new() };
        for (file, names) in by_file {
            files.add(&beside(path, file)?, Some(&names))?;
        }
        if let Some(missing) = map.keys().find(|name| !files.tensors.contains_key(*name)) {
            let message =
                format!("the index names the tensor `{missing}`, which its file does not have");
            return Err(damaged(message).into());
        }
        Ok(files)
    }

    fn add(&mut self, path: &Path, names: Option<&[&str]>) -> Result<(), Unopened> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(damaged(format!("`{}` is no file", path.display())).into());
        }
        let (metadata, start) = header(&file)?;
        let number = self.files.len();
        for (name, info) in metadata.tensors() {
            if names.is_some_and(|names| !names.contains(&name.as_str())) {
                continue;
            }
            let found = (number, info.dtype, info.shape.clone(), info.data_offsets);
            self.tensors.insert(name, found);
        }
        self.files.push(Opened { file, start });
        Ok(())
    }
}

/// The path of a file in the same folder as another one.
///
/// # Errors
/// If the name is that of a file elsewhere, a link, or no file.
pub(crate) fn beside(path: &Path, name: &str) -> Result<PathBuf, Unopened> {
    let mut components = Path::new(name).components();
    let plain =
        matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    if !plain || name.contains(['/', '\\', '\0', ':']) {
        let message = format!("the index names the file `{}`", name.escape_debug());
        return Err(Mistake::new(message).help("files of an index are in its folder").into());
    }
    let file = path.with_file_name(name);
    let found = std::fs::symlink_metadata(&file);
    match found {
        Ok(found) if found.is_file() => Ok(file),
        Ok(_) => {
            let message =
                format!("the index names `{name}`, which is a link, a folder or a device");
            Err(Mistake::new(message).help("files of an index are files in its folder").into())
        }
        Err(error) => {
            let message =
                format!("the index names the file `{name}`, which cannot be read: {error}");
            Err(Mistake::new(message).help("keep all parts of the weights in one folder").into())
        }
    }
}

impl Source for Files {
    fn all(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn about(&self, name: &str) -> Content<Option<Info>> {
        let Some((_, dtype, shape, _)) = self.tensors.get(name) else { return Ok(None) };
        let element = element(*dtype).ok_or_else(|| {
            Mistake::new(format!("the tensor `{name}` has elements of type {dtype:?}"))
                .help("floats of 8 to 64 bits, integers and truth values are read")
        })?;
        Ok(Some(Info { element, shape: shape.clone() }))
    }

    fn array(&self, name: &str) -> Content<Array> {
        let (Some(info), Some((number, .., (begin, end)))) =
            (self.about(name)?, self.tensors.get(name))
        else {
            return Err(damaged(format!("there is no tensor `{name}`")));
        };
        let Opened { file, start } = &self.files[*number];
        let cannot =
            |error: io::Error| damaged(format!("the tensor `{name}` cannot be read: {error}"));
        let mut bytes = brolga_memory::filled(0_u8, end.saturating_sub(*begin))
            .map_err(|error| damaged(format!("the tensor `{name}`: {error}")))?;
        let mut reader = file;
        reader.seek(SeekFrom::Start(start + *begin as u64)).map_err(cannot)?;
        reader.read_exact(&mut bytes).map_err(cannot)?;
        Array::new(info, bytes)
    }
}

/// The bytes of a file of these tensors.
pub(crate) fn write(arrays: &[(String, Array)]) -> Content<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Mistake::new(error.to_string());
    let views = arrays.iter().map(|(name, array)| {
        let view =
            TensorView::new(dtype(array.info().element), array.info().shape.clone(), array.bytes());
        view.map(|view| (name.as_str(), view)).map_err(failed)
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    safetensors::serialize(views, None).map_err(failed)
}
