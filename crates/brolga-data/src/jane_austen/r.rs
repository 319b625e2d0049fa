//! A reader of the data of an R package: an index (`.rdx`) and the serialized objects (`.rdb`).
//!
//! Format: R Internals, "Serialization Formats",
//! <https://cran.r-project.org/doc/manuals/r-release/R-ints.html#Serialization-Formats>.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::{GzDecoder, ZlibDecoder};

use super::read;
use crate::error::{Error, Result};

/// An object of R. Of the many kinds there are those that texts and indices consist of.
#[derive(Debug)]
enum Object {
    Null,
    Texts(Vec<String>),
    Numbers(Vec<i32>),
    /// A list, and the names of its items.
    List(Vec<Object>, Vec<String>),
    /// Items with their names: attributes.
    Pairs(Vec<(String, Object)>),
}

/// A database of objects.
pub(super) struct Database {
    index: PathBuf,
    /// Where the objects lie in the other file, by their names.
    places: Vec<(String, [usize; 2])>,
    file: PathBuf,
    bytes: Vec<u8>,
}

/// What a file holds, at most.
const MOST: usize = 1 << 30;

impl Database {
    pub(super) fn open(dir: &Path) -> Result<Database> {
        let (index, file) = (dir.join("Rdata.rdx"), dir.join("Rdata.rdb"));
        let bytes = unpacked(GzDecoder::new(&read(&index)?[..]), &index)?;
        let wrong = || wrong(&index, "it has no list of variables", "an index of a package's data");
        let Object::List(items, names) = Parser::object(&bytes, &index)? else {
            return Err(wrong());
        };
        let variables = names.iter().position(|name| name == "variables");
        let variables = variables.and_then(|at| items.into_iter().nth(at));
        let Some(Object::List(items, names)) = variables else { return Err(wrong()) };
        let place = |(name, item): (String, Object)| match item {
            Object::Numbers(place) => {
                let [offset, length] = <[i32; 2]>::try_from(place).ok()?;
                Some((name, [usize::try_from(offset).ok()?, usize::try_from(length).ok()?]))
            }
            _ => None,
        };
        let places = names.into_iter().zip(items).map(place);
        let places = places.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let bytes = read(&file)?;
        Ok(Database { index, places, file, bytes })
    }

    /// The object of this name, which is a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some((_, [offset, length])) = self.places.iter().find(|(known, _)| known == name)
        else {
            return Err(wrong(
                &self.index,
                &format!("there is no {name}"),
                "the data of janeaustenr",
            ));
        };
        let end = offset.checked_add(*length);
        // The length of the object comes before it.
        let packed = end.and_then(|end| self.bytes.get(*offset..end)).and_then(|all| all.get(4..));
        let Some(packed) = packed else {
            let message = format!("{name} lies behind its end");
            return Err(wrong(&self.file, &message, "the objects that Rdata.rdx lists"));
        };
        let bytes = unpacked(ZlibDecoder::new(packed), &self.file)?;
        match Parser::object(&bytes, &self.file)? {
            Object::Texts(texts) => Ok(texts),
            _ => Err(wrong(&self.file, &format!("{name} is no list of texts"), "a list of texts")),
        }
    }
}

fn wrong(file: &Path, message: &str, expected: &'static str) -> Error {
    Error::R { file: file.display().to_string(), message: message.to_owned(), expected }
}

fn unpacked(stream: impl Read, file: &Path) -> Result<Vec<u8>> {
    brolga_memory::read_to_end(stream, MOST)
        .map_err(|error| wrong(file, &error.to_string(), "data compressed with zlib"))
}

/// Reads a serialized object: big-endian words, each object after a word of flags.
struct Parser<'a> {
    rest: &'a [u8],
    file: &'a Path,
    /// Names that later ones refer to.
    symbols: Vec<String>,
}

/// The deepest nesting of objects.
const DEPTH: usize = 32;

impl<'a> Parser<'a> {
    fn object(bytes: &'a [u8], file: &'a Path) -> Result<Object> {
        let mut parser = Parser { rest: bytes, file, symbols: vec![] };
        if parser.bytes(2)? != b"X\n" {
            return Err(parser.wrong("it is in another format"));
        }
        let version = parser.word()?;
        parser.bytes(8)?;
        if version == 3 {
            let length = parser.length()?;
            parser.bytes(length)?;
        }
        parser.item(DEPTH)
    }

    fn wrong(&self, message: &str) -> Error {
        wrong(self.file, message, "texts and lists in the XDR format, version 2 or 3")
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.wrong("it ends too early"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<i32> {
        let bytes = self.bytes(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length, of which the rest of the bytes can hold the items.
    fn length(&mut self) -> Result<usize> {
        let length = self.word()?;
        let length = usize::try_from(length).ok().filter(|&length| length <= self.rest.len());
        length.ok_or_else(|| self.wrong("a length is out of range"))
    }

    fn item(&mut self, depth: usize) -> Result<Object> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.wrong("objects are nested too deeply"));
        };
        let flags = self.word()?;
        let (kind, has_attributes, has_tag) =
            (flags & 0xff, flags & 0x200 != 0, flags & 0x400 != 0);
        let object = match kind {
            254 => return Ok(Object::Null),
            2 => return self.pair(has_attributes, has_tag, depth),
            // Truth values, whole numbers.
            10 | 13 => {
                let length = self.length()?;
                Object::Numbers((0..length).map(|_| self.word()).collect::<Result<_>>()?)
            }
            16 => {
                let length = self.length()?;
                Object::Texts((0..length).map(|_| self.text()).collect::<Result<_>>()?)
            }
            19 => {
                let length = self.length()?;
                let items = (0..length).map(|_| self.item(depth)).collect::<Result<_>>()?;
                Object::List(items, vec![])
            }
            other => return Err(self.wrong(&format!("it holds an object of kind {other}"))),
        };
        if !has_attributes {
            return Ok(object);
        }
        let attributes = self.item(depth)?;
        let Object::Pairs(attributes) = attributes else { return Ok(object) };
        let names = attributes.into_iter().find_map(|(name, value)| match value {
            Object::Texts(names) if name == "names" => Some(names),
            _ => None,
        });
        Ok(match object {
            Object::List(items, _) => Object::List(items, names.unwrap_or_default()),
            object => object,
        })
    }

    /// Pairs of names and objects, each of which is followed by the rest of them.
    fn pair(&mut self, has_attributes: bool, has_tag: bool, depth: usize) -> Result<Object> {
        if has_attributes {
            self.item(depth)?;
        }
        let name = if has_tag { self.symbol()? } else { String::new() };
        let value = self.item(depth)?;
        let mut pairs = vec![(name, value)];
        if let Object::Pairs(rest) = self.item(depth)? {
            pairs.extend(rest);
        }
        Ok(Object::Pairs(pairs))
    }

    /// A name, or the number of one that came before.
    fn symbol(&mut self) -> Result<String> {
        let flags = self.word()?;
        match flags & 0xff {
            1 => {
                let name = self.text()?;
                self.symbols.push(name.clone());
                Ok(name)
            }
            255 => {
                let number =
                    usize::try_from(flags >> 8).ok().and_then(|number| number.checked_sub(1));
                let known = number.and_then(|number| self.symbols.get(number)).cloned();
                known.ok_or_else(|| self.wrong("a name refers to none"))
            }
            _ => Err(self.wrong("an attribute has no name")),
        }
    }

    fn text(&mut self) -> Result<String> {
        if self.word()? & 0xff != 9 {
            return Err(self.wrong("a list of texts holds something else"));
        }
        // A text that is not available has the length −1.
        let length = match self.word()? {
            -1 => 0,
            length => {
                usize::try_from(length).map_err(|_| self.wrong("a length is out of range"))?
            }
        };
        let bytes = self.bytes(length)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        })
    }
}
