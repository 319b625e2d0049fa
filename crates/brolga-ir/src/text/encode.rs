//! The encoder of attributes: an op's serde fields, sorted.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use super::number;
use crate::op::Op;
use crate::tensor::Data;
use crate::types::Shape;

/// The attributes of an op, `{axes=[1], keepdims=false}`; empty if it has none.
///
/// The type is not among them, because the text has it elsewhere.
pub(crate) fn attributes(op: &Op) -> String {
    let attributes = match op {
        Op::Constant(constant) => {
            format!("{{value={}}}", data_to_text(constant.value(), &constant.ty().shape))
        }
        op => op
            .attributes(Encoder { hidden: &["type"] })
            .expect("attributes are numbers, texts, and lists and structures of them"),
    };
    if attributes == "{}" { String::new() } else { attributes }
}

/// The elements of a tensor: one if all are the same, or else a list nested like the shape.
pub(crate) fn data_to_text(data: &Data, shape: &Shape) -> String {
    let elements = number::elements(data);
    match elements.as_slice() {
        [one] => one.clone(),
        // An extent before one of 0 may be of any size.
        [] => list(&[]),
        _ => nested(&elements, shape),
    }
}

fn nested(elements: &[String], shape: &[usize]) -> String {
    match shape {
        [] | [_] => list(elements),
        [extent, inner @ ..] => {
            let size = elements.len() / (*extent).max(1);
            let part = |i| nested(&elements[i * size..(i + 1) * size], inner);
            list(&(0..*extent).map(part).collect::<Vec<_>>())
        }
    }
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// A name in quotes, with escapes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// Writes a value as text. Structures become `{key=value, ..}` without the hidden keys.
struct Encoder {
    hidden: &'static [&'static str],
}

/// A value inside another one hides nothing.
const INNER: Encoder = Encoder { hidden: &[] };

struct Items {
    items: Vec<String>,
}

struct Entries {
    hidden: &'static [&'static str],
    entries: Vec<(String, String)>,
    key: String,
}

impl Entries {
    fn push(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), fmt::Error> {
        if !self.hidden.contains(&key) {
            self.entries.push((key.to_owned(), value.serialize(INNER)?));
        }
        Ok(())
    }

    fn finish(mut self) -> String {
        self.entries.sort();
        let entries: Vec<String> = self.entries.iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("{{{}}}", entries.join(", "))
    }
}

macro_rules! by_display {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<String, fmt::Error> {
            Ok(value.to_string())
        })*
    };
}

impl Serializer for Encoder {
    type Ok = String;
    type Error = fmt::Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Impossible<String, fmt::Error>;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Impossible<String, fmt::Error>;

    by_display! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
    }

    fn serialize_f32(self, value: f32) -> Result<String, fmt::Error> {
        Ok(number::f32_to_text(value))
    }

    fn serialize_f64(self, value: f64) -> Result<String, fmt::Error> {
        Ok(number::f64_to_text(value))
    }

    fn serialize_char(self, value: char) -> Result<String, fmt::Error> {
        Ok(quoted(&value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<String, fmt::Error> {
        Ok(quoted(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<String, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<String, fmt::Error> {
        Ok("none".to_owned())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, fmt::Error> {
        Ok("{}".to_owned())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, fmt::Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<String, fmt::Error> {
        Ok(quoted(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<String, fmt::Error> {
        Ok(format!("{{{variant}={}}}", value.serialize(INNER)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, fmt::Error> {
        Ok(Items { items: Vec::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, fmt::Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, fmt::Error> {
        self.serialize_seq(None)
    }

    /// Attributes are no variants with several fields.
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, fmt::Error> {
        Ok(Entries { hidden: self.hidden, entries: Vec::new(), key: String::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, fmt::Error> {
        self.serialize_map(None)
    }

    /// Attributes are no variants with several fields.
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, fmt::Error> {
        Err(fmt::Error)
    }
}

macro_rules! items {
    ($($trait:ident, $method:ident;)*) => {
        $(impl ser::$trait for Items {
            type Ok = String;
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
                self.items.push(value.serialize(INNER)?);
                Ok(())
            }

            fn end(self) -> Result<String, fmt::Error> {
                Ok(list(&self.items))
            }
        })*
    };
}

items! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
}

impl ser::SerializeStruct for Entries {
    type Ok = String;
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        self.push(key, value)
    }

    fn end(self) -> Result<String, fmt::Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeMap for Entries {
    type Ok = String;
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), fmt::Error> {
        self.key = key.serialize(INNER)?.trim_matches('"').to_owned();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
        let key = std::mem::take(&mut self.key);
        self.push(&key, value)
    }

    fn end(self) -> Result<String, fmt::Error> {
        Ok(self.finish())
    }
}
