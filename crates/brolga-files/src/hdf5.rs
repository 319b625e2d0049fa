//! HDF5 files: which groups, datasets and attributes are in them.
//!
//! Decoding is that of the crate `hdf5-reader`, encoding that of `hdf5-writer`; here is what is
//! allowed: hard links alone, each group and dataset at one place, no data outside of the file,
//! and no dataset is read before its shape is known to be wanted.

use std::collections::{BTreeMap, BTreeSet};

use brolga_ir::Mistake;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions};
use hdf5_writer::{AttributeBuilder, DatasetBuilder, Hdf5Builder, WriteOptions};

use crate::array::{Array, Element, Info};
use crate::error::{Content, damaged};

/// How deep groups may nest.
const DEEPEST: usize = 64;

/// The most groups and datasets of a file.
const MOST_OBJECTS: usize = 1 << 20;

/// What is in a file.
pub(crate) struct Hdf5 {
    groups: BTreeMap<String, hdf5_reader::group::Group>,
    datasets: BTreeMap<String, Dataset>,
}

fn failed(error: impl std::fmt::Display) -> Mistake {
    damaged(format!("it is no complete HDF5 file ({error})"))
}

impl Hdf5 {
    /// The groups and datasets of the file in these bytes.
    ///
    /// # Errors
    /// If the file is damaged, an object is linked twice, or groups nest too deep.
    pub(crate) fn new(bytes: Vec<u8>) -> Content<Self> {
        let length = bytes.len();
        // A dataset that is larger than all the file is one of fill values, or a bomb.
        let most = length.saturating_mul(1100).max(1 << 20);
        let options = OpenOptions::default()
            .with_max_read_bytes(most)
            .with_max_chunk_bytes(most)
            .with_max_object_header_bytes(length.max(1 << 12))
            .with_chunk_cache_bytes(0);
        let file = Hdf5File::from_vec_with_options(bytes, options).map_err(failed)?;
        let mut found = Self { groups: BTreeMap::new(), datasets: BTreeMap::new() };
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(String::new(), file.root_group().map_err(failed)?)];
        while let Some((path, group)) = waiting.pop() {
            if !seen.insert(group.address()) {
                return Err(damaged(format!("the group `{path}` is linked twice")));
            }
            let (groups, datasets) = group.members().map_err(failed)?;
            let inside = |name: &str| match path.as_str() {
                "" => name.to_owned(),
                _ => format!("{path}/{name}"),
            };
            for dataset in datasets {
                let path = inside(dataset.name());
                if !seen.insert(dataset.address()) {
                    return Err(damaged(format!("the dataset `{path}` is linked twice")));
                }
                found.datasets.insert(path, dataset);
            }
            for group in groups {
                let path = inside(group.name());
                if path.matches('/').count() >= DEEPEST {
                    return Err(damaged(format!("groups nest deeper than {DEEPEST}")));
                }
                waiting.push((path, group));
            }
            found.groups.insert(path, group);
            if seen.len() + waiting.len() > MOST_OBJECTS {
                return Err(damaged(format!("the file has more than {MOST_OBJECTS} objects")));
            }
        }
        Ok(found)
    }

    /// The paths of all datasets.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.datasets.keys().map(String::as_str)
    }

    /// The paths of all groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    pub(crate) fn has_group(&self, path: &str) -> bool {
        self.groups.contains_key(path)
    }

    /// Element type and shape of a dataset, if it is one of numbers.
    pub(crate) fn info(&self, name: &str) -> Content<Option<Info>> {
        let Some(dataset) = self.datasets.get(name) else { return Ok(None) };
        let Some(element) = element(dataset) else {
            let message = format!("the dataset `{name}` is of type {:?}", dataset.dtype());
            return Err(Mistake::new(message).help("datasets of numbers are read"));
        };
        let extents = dataset.shape().iter().map(|&extent| usize::try_from(extent));
        let shape = extents.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Some(Info { element, shape }))
    }

    /// The elements of a dataset.
    pub(crate) fn read(&self, name: &str) -> Content<Array> {
        let (Some(info), Some(dataset)) = (self.info(name)?, self.datasets.get(name)) else {
            return Err(damaged(format!("there is no dataset `{name}`")));
        };
        let needed = info.bytes()?;
        brolga_memory::check(needed.saturating_mul(2))
            .map_err(|error| damaged(format!("the dataset `{name}`: {error}")))?;
        let mut bytes = dataset
            .read_raw_bytes()
            .map_err(|error| damaged(format!("the dataset `{name}`: {error}")))?;
        let order = match dataset.dtype() {
            Datatype::FixedPoint { byte_order, .. }
            | Datatype::FloatingPoint { byte_order, .. } => *byte_order,
            _ => ByteOrder::LittleEndian,
        };
        if order == ByteOrder::BigEndian {
            bytes.chunks_exact_mut(info.element.size()).for_each(<[u8]>::reverse);
        }
        Array::new(info, bytes)
    }

    /// The text of an attribute.
    pub(crate) fn text(&self, group: &str, name: &str) -> Content<Option<String>> {
        Ok(self.texts(group, name)?.and_then(|texts| texts.into_iter().next()))
    }

    /// The texts of an attribute that is one of them or a list.
    pub(crate) fn texts(&self, group: &str, name: &str) -> Content<Option<Vec<String>>> {
        let Some(group) = self.groups.get(group) else { return Ok(None) };
        let attributes = group.attributes().map_err(failed)?;
        let Some(attribute) = attributes.into_iter().find(|attribute| attribute.name == name)
        else {
            return Ok(None);
        };
        if attribute.num_elements().map_err(failed)? == 0 {
            return Ok(Some(vec![]));
        }
        let texts = attribute.read_strings();
        texts.map(Some).map_err(|error| damaged(format!("the attribute `{name}`: {error}")))
    }

    /// The texts of an attribute that Keras cuts into `name0`, `name1` and so on where it is long.
    pub(crate) fn list(&self, group: &str, name: &str) -> Content<Vec<String>> {
        if let Some(texts) = self.texts(group, name)? {
            return Ok(texts);
        }
        let mut all = vec![];
        for part in 0.. {
            match self.texts(group, &format!("{name}{part}"))? {
                Some(texts) => all.extend(texts),
                None => break,
            }
        }
        Ok(all)
    }
}

/// The elements of a dataset, if they are numbers.
fn element(dataset: &Dataset) -> Option<Element> {
    Some(match dataset.dtype() {
        Datatype::FloatingPoint { size: 8, .. } => Element::F64,
        Datatype::FloatingPoint { size: 4, .. } => Element::F32,
        Datatype::FloatingPoint { size: 2, .. } => Element::F16,
        Datatype::FixedPoint { size, signed, .. } => match (size, signed) {
            (8, true) => Element::I64,
            (4, true) => Element::I32,
            (2, true) => Element::I16,
            (1, true) => Element::I8,
            (8, false) => Element::U64,
            (4, false) => Element::U32,
            (2, false) => Element::U16,
            (1, false) => Element::U8,
            _ => return None,
        },
        // h5py writes truth values as names of 0 and 1.
        Datatype::Enum { base, .. } if matches!(**base, Datatype::FixedPoint { size: 1, .. }) => {
            Element::Bool
        }
        // What Keras writes of `bfloat16`, with a name of the type beside it.
        Datatype::Opaque { size: 2, .. } => {
            let dtype = dataset.attribute("dtype").ok()?.read_string().ok()?;
            (dtype == "bfloat16").then_some(Element::BF16)?
        }
        _ => return None,
    })
}

/// A file that is being put together.
pub(crate) struct Writer {
    builder: Hdf5Builder,
}

fn unwritten(error: hdf5_writer::Error) -> Mistake {
    Mistake::new(error.to_string()).help("use the format .keras or .safetensors")
}

/// The most bytes of an attribute.
const LARGEST_ATTRIBUTE: usize = 64_512;

impl Writer {
    pub(crate) fn new() -> Self {
        Self { builder: Hdf5Builder::new() }
    }

    /// Adds a dataset at a path, whose groups are made.
    pub(crate) fn dataset(&mut self, path: &str, array: &Array) -> Content<()> {
        let shape: Vec<u64> = array.info().shape.iter().map(|&extent| extent as u64).collect();
        let order = ByteOrder::LittleEndian;
        let signed = |size| Datatype::FixedPoint { size, signed: true, byte_order: order };
        let unsigned = |size| Datatype::FixedPoint { size, signed: false, byte_order: order };
        let datatype = match array.info().element {
            Element::F64 => Datatype::FloatingPoint { size: 8, byte_order: order },
            Element::F32 => Datatype::FloatingPoint { size: 4, byte_order: order },
            Element::F16 => Datatype::FloatingPoint { size: 2, byte_order: order },
            Element::I64 => signed(8),
            Element::I32 => signed(4),
            Element::I16 => signed(2),
            Element::I8 => signed(1),
            Element::U64 => unsigned(8),
            Element::U32 => unsigned(4),
            Element::U16 => unsigned(2),
            Element::U8 | Element::Bool => unsigned(1),
            other @ (Element::BF16 | Element::F8E4M3 | Element::F8E5M2) => {
                let message = format!("HDF5 has no type for {other}");
                return Err(Mistake::new(message).help("use the format .safetensors"));
            }
        };
        let dataset = DatasetBuilder::new(path, datatype, shape).raw_data(array.bytes());
        self.builder = std::mem::take(&mut self.builder).dataset(dataset);
        Ok(())
    }

    fn attribute(&mut self, group: &str, attribute: AttributeBuilder) {
        let builder = std::mem::take(&mut self.builder);
        self.builder = match group {
            "" => builder.attribute(attribute),
            _ => builder.group_attribute(group, attribute),
        };
    }

    /// Adds a text to a group, which is made.
    pub(crate) fn text(&mut self, group: &str, name: &str, text: &str) -> Content<()> {
        if text.len() > LARGEST_ATTRIBUTE {
            let message = format!(
                "`{name}` has {} bytes; an attribute has at most {LARGEST_ATTRIBUTE}",
                text.len()
            );
            return Err(
                Mistake::new(message).help("use the format .keras, which has no such limit")
            );
        }
        self.attribute(group, AttributeBuilder::fixed_string(name, text));
        Ok(())
    }

    /// Adds a list of texts to a group, in parts where it is long, as Keras does.
    pub(crate) fn list(&mut self, group: &str, name: &str, texts: &[String]) -> Content<()> {
        if texts.is_empty() {
            let none = AttributeBuilder::vector::<f64>(name, &[]).map_err(unwritten)?;
            self.attribute(group, none);
            return Ok(());
        }
        let width = texts.iter().map(String::len).max().unwrap_or(0) + 1;
        let in_part = (LARGEST_ATTRIBUTE / width).max(1);
        let parts = texts.chunks(in_part);
        let several = parts.len() > 1;
        for (number, part) in parts.enumerate() {
            let name = if several { format!("{name}{number}") } else { name.to_owned() };
            let list = AttributeBuilder::fixed_string_vector(name, part).map_err(unwritten)?;
            self.attribute(group, list);
        }
        Ok(())
    }

    /// The bytes of the file.
    pub(crate) fn finish(self) -> Content<Vec<u8>> {
        let plan = self.builder.into_plan().map_err(unwritten)?;
        plan.encode(WriteOptions::default()).map_err(unwritten)
    }
}
