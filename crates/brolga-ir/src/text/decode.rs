//! The decoder of attributes, a serde format whose mistakes have positions.

use std::fmt::Display;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::cursor::{Cursor, Fault};
use super::literal::{Entry, Literal, LiteralKind};
use super::number;
use crate::tensor::Data;
use crate::types::{DType, Type};

/// Reads a value. A field `type` of the structure is `ty`, which the text has at the binder.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    literal: &'a Literal<'a>,
    ty: Option<&'a Type>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(literal: &'a Literal<'a>, ty: Option<&'a Type>) -> Self {
        Self { literal, ty }
    }

    fn number(&self) -> Option<&'a str> {
        match self.literal.kind {
            LiteralKind::Number(text) | LiteralKind::Word(text @ ("nan" | "inf")) => Some(text),
            _ => None,
        }
    }

    /// The number as a float of this type.
    fn float(&self, dtype: DType) -> Option<Result<f64, Fault>> {
        let read = |text| match dtype {
            DType::F32 => number::parse_float(text, dtype, f32::is_infinite).map(f64::from),
            _ => number::parse_float(text, dtype, f64::is_infinite),
        };
        Some(read(self.number()?).map_err(Fault::new))
    }

    fn entries(self) -> Entries<'a> {
        let entries: &[Entry<'_>] = match &self.literal.kind {
            LiteralKind::Map(entries) => entries,
            _ => &[],
        };
        Entries { entries: entries.iter(), value: None, ty: self.ty }
    }
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.literal.kind {
            LiteralKind::Word("none") => visitor.visit_none(),
            LiteralKind::Word(word @ ("true" | "false")) => visitor.visit_bool(*word == "true"),
            LiteralKind::Word(_) => self.deserialize_f64(visitor),
            LiteralKind::Number(text) => match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) if number != 0 => visitor.visit_i64(number),
                _ => self.deserialize_f64(visitor),
            },
            LiteralKind::Quoted(text) => visitor.visit_str(text),
            LiteralKind::List(items) => {
                let mut list = Items { items: items.iter() };
                let value = visitor.visit_seq(&mut list)?;
                match list.items.len() {
                    0 => Ok(value),
                    more => Err(too_long(items.len(), more)),
                }
            }
            LiteralKind::Map(_) => visitor.visit_map(self.entries()),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.float(DType::F32) {
            Some(number) => visitor.visit_f32(number? as f32),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.float(DType::F64) {
            Some(number) => visitor.visit_f64(number?),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.literal.kind {
            LiteralKind::Word("none") => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// A structure without fields has no attributes.
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.entries().entries.next() {
            Some(entry) => Err(Fault::new(format!("there is no attribute `{}`", entry.key))
                .help("this op has no attributes")
                .at(&entry.key_span)),
            None => visitor.visit_unit(),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let ty = self.ty.filter(|_| fields.contains(&"type"));
        match &self.literal.kind {
            LiteralKind::Map(entries) => {
                if let Some(entry) = entries.iter().find(|e| e.key == "type" && ty.is_some()) {
                    return Err(
                        Fault::new("the type is given before `=`, not here").at(&entry.key_span)
                    );
                }
                visitor.visit_map(Decoder { literal: self.literal, ty }.entries())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.literal.kind {
            LiteralKind::Quoted(variant) => visitor.visit_enum(Variant(variant)),
            LiteralKind::Map(_) => visitor.visit_enum(MapAccessDeserializer::new(self.entries())),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn too_long(items: usize, more: usize) -> Fault {
    Fault::new(format!("expected a list of {}, this one has {items}", items - more))
}

struct Items<'a> {
    items: std::slice::Iter<'a, Literal<'a>>,
}

impl<'de> SeqAccess<'de> for &mut Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let read = |item| seed.deserialize(Decoder::new(item, None)).map_err(|f| f.at(&item.span));
        self.items.next().map(read).transpose()
    }
}

/// The entries of a structure; the type comes last.
struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry<'a>>,
    value: Option<&'a Literal<'a>>,
    ty: Option<&'a Type>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let key = match self.entries.next() {
            Some(entry) => {
                self.value = Some(&entry.value);
                let key = seed.deserialize(entry.key.into_deserializer());
                key.map_err(|fault: Fault| fault.at(&entry.key_span))
            }
            None if self.ty.is_some() => seed.deserialize("type".into_deserializer()),
            None => return Ok(None),
        };
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match (self.value.take(), self.ty) {
            (Some(value), _) => {
                seed.deserialize(Decoder::new(value, None)).map_err(|f| f.at(&value.span))
            }
            (None, Some(ty)) => {
                self.ty = None;
                seed.deserialize(ty.to_string().into_deserializer())
            }
            (None, None) => Err(Fault::new("a value is missing")),
        }
    }
}

/// A variant without fields, by its name.
struct Variant<'a>(&'a str);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = UnitVariant;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, UnitVariant), Fault> {
        let variant = seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(self.0))?;
        Ok((variant, UnitVariant))
    }
}

struct UnitVariant;

impl<'de> de::VariantAccess<'de> for UnitVariant {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Fault> {
        Err(Fault::new("this variant needs a value, as in {name=value}"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("this variant needs a value, as in {name=value}"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fault> {
        Err(Fault::new("this variant needs a value, as in {name=value}"))
    }
}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {given}", plain(expected)))
    }

    fn invalid_value(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(given, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, this one has {length}", plain(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let fault = Self::new(format!("`{variant}` is not a choice here"));
        listed(fault, variant, "choices", expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let fault = Self::new(format!("there is no attribute `{field}`"));
        listed(fault, field, "attributes", expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("the attribute `{field}` is missing"))
    }
}

/// serde's expectation, in terms of the text form.
fn plain(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "u8" | "u32" | "u64" | "usize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => other.replace("an array of length", "a list of"),
    }
}

fn listed(fault: Fault, name: &str, what: &str, valid: &[&str]) -> Fault {
    let valid: Vec<&str> = valid.iter().copied().filter(|&name| name != "type").collect();
    match fault.did_you_mean("", name, valid.iter().copied()) {
        fault if fault.help.is_some() => fault,
        fault if valid.is_empty() => fault.help("this op has no attributes"),
        fault => fault.help(format!("the {what} are {}", valid.join(", "))),
    }
}

/// The elements of a constant of this type: one for all, a flat list, or a list nested like the
/// shape.
pub(super) fn data(literal: &Literal<'_>, ty: &Type) -> Result<Data, Fault> {
    let mut atoms = Vec::new();
    match &literal.kind {
        LiteralKind::List(items) if ty.shape.rank() > 0 => {
            let flat = !items.iter().any(|item| matches!(item.kind, LiteralKind::List(_)));
            let elements: &[usize] = &[ty.shape.elements()];
            let shape = if flat { elements } else { &*ty.shape };
            flatten(literal, shape, ty, &mut atoms)?;
        }
        _ => flatten(literal, &[], ty, &mut atoms)?,
    }
    let texts: Vec<&str> = atoms.iter().map(|(text, _)| *text).collect();
    number::parse_elements(ty.dtype, &texts)
        .map_err(|(index, reason)| Fault::new(reason).at(&atoms[index].1.span))
}

fn flatten<'a>(
    literal: &'a Literal<'a>,
    shape: &[usize],
    ty: &Type,
    atoms: &mut Vec<(&'a str, &'a Literal<'a>)>,
) -> Result<(), Fault> {
    let fault = match (&literal.kind, shape) {
        (LiteralKind::List(items), [extent, inner @ ..]) if items.len() == *extent => {
            return items.iter().try_for_each(|item| flatten(item, inner, ty, atoms));
        }
        (LiteralKind::Number(text) | LiteralKind::Word(text), []) => {
            atoms.push((*text, literal));
            return Ok(());
        }
        (LiteralKind::List(items), [extent, ..]) => {
            format!("expected a list of {extent} for {ty}, this one has {}", items.len())
        }
        (_, [extent, ..]) => format!("expected a list of {extent} for {ty}"),
        (_, []) => format!("expected a number for {ty}"),
    };
    Err(Fault::new(fault).at(&literal.span))
}

/// As [`data`], from text alone.
pub(crate) fn data_from_text(text: &str, ty: &Type) -> Result<Data, String> {
    let mut cursor = Cursor::new(text, "");
    let literal = cursor.literal().map_err(|fault| fault.message)?;
    match cursor.at_end() {
        true => data(&literal, ty).map_err(|fault| fault.message),
        false => Err(cursor.unexpected("the end of the value").message),
    }
}
