//! What a file would take in memory, told from its bytes before they are decoded.
//!
//! An empty message takes two bytes of a file and hundreds in memory. A file that claims more of
//! them than its size tells is refused, before anything is allocated.

use std::mem::size_of;

use brolga_ir::Mistake;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::proto::{
    AttributeProto, Dimension, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto,
    SparseTensorProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};

/// The bytes that messages may take beyond those of their file.
const BEYOND: usize = 48 << 20;

/// How deep messages are looked at; decoding ends before.
const DEPTH: usize = 100;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A model.
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Function,
    Info,
    Type,
    Shape,
    /// A message without messages inside.
    Plain,
}

/// What a field holds.
enum Field {
    /// A message, and the room that it takes where it stands in a list.
    Message(Kind, usize),
    /// A text or bytes.
    Text,
    /// Numbers: the room of each, and the bytes in a file, if they are always as many.
    Numbers(usize, Option<usize>),
    /// Nothing that is kept.
    Other,
}

fn message<T>(kind: Kind) -> Field {
    Field::Message(kind, size_of::<T>())
}

/// The field of a message, by its tag.
fn field(kind: Kind, tag: u32) -> Field {
    match (kind, tag) {
        (Kind::Model, 7) => message::<GraphProto>(Kind::Graph),
        (Kind::Model, 8) => message::<OperatorSetIdProto>(Kind::Plain),
        (Kind::Model, 14) => message::<StringStringEntryProto>(Kind::Plain),
        (Kind::Model, 25) => message::<FunctionProto>(Kind::Function),
        (Kind::Graph, 1) | (Kind::Function, 7) => message::<NodeProto>(Kind::Node),
        (Kind::Graph, 5) | (Kind::Attribute, 5) | (Kind::Sparse, 1 | 2) => {
            message::<TensorProto>(Kind::Tensor)
        }
        (Kind::Graph, 11 | 12) => message::<ValueInfoProto>(Kind::Info),
        (Kind::Graph, 15) => message::<SparseTensorProto>(Kind::Sparse),
        (Kind::Node, 1 | 2) | (Kind::Function, 4 | 5) | (Kind::Tensor, 6) => Field::Text,
        (Kind::Attribute, 9) => Field::Text,
        (Kind::Node, 5) | (Kind::Function, 11) => message::<AttributeProto>(Kind::Attribute),
        (Kind::Function, 9) => message::<OperatorSetIdProto>(Kind::Plain),
        (Kind::Attribute, 6) => message::<GraphProto>(Kind::Graph),
        (Kind::Attribute, 14) | (Kind::Info, 2) => Field::Message(Kind::Type, 0),
        (Kind::Attribute, 7) => Field::Numbers(4, Some(4)),
        (Kind::Attribute, 8) | (Kind::Tensor, 1 | 7 | 11) | (Kind::Sparse, 3) => {
            Field::Numbers(8, None)
        }
        (Kind::Tensor, 4) => Field::Numbers(4, Some(4)),
        (Kind::Tensor, 5) => Field::Numbers(4, None),
        (Kind::Tensor, 10) => Field::Numbers(8, Some(8)),
        (Kind::Tensor, 13) => message::<StringStringEntryProto>(Kind::Plain),
        (Kind::Type, 1 | 4 | 8 | 9) => Field::Message(Kind::Type, 64),
        (Kind::Type, 2) => Field::Message(Kind::Shape, 0),
        (Kind::Shape, 1) => message::<Dimension>(Kind::Plain),
        _ => Field::Other,
    }
}

/// Fails if a message in these bytes would take much more memory than they do. What is no message is
/// left to the decoder.
pub(crate) fn check(bytes: &[u8], kind: Kind) -> Result<(), Mistake> {
    let limit = bytes.len().saturating_add(BEYOND);
    let mut taken = 0_usize;
    // A list that grows has room for twice its elements, and while it moves for as many again.
    walk(bytes, kind, &mut |size| {
        taken = taken.saturating_add(size.saturating_mul(2));
        taken <= limit
    });
    if taken <= limit {
        return Ok(());
    }
    let (size, most) = (bytes.len(), limit >> 20);
    Err(Mistake::new(format!(
        "its {size} bytes describe nodes, attributes and numbers of more than {most} MiB"
    ))
    .help("the file is damaged; elements of tensors stand in `raw_data`"))
}

/// Tells the room of everything in a message, until `take` says that it is enough.
fn walk(bytes: &[u8], kind: Kind, take: &mut impl FnMut(usize) -> bool) {
    let mut pending = vec![(bytes, kind, 0)];
    while let Some((mut bytes, kind, depth)) = pending.pop() {
        while !bytes.is_empty() {
            let Ok((tag, wire)) = decode_key(&mut bytes) else { return };
            let length = match wire {
                WireType::Varint => {
                    let Ok(_) = decode_varint(&mut bytes) else { return };
                    0
                }
                WireType::SixtyFourBit => 8,
                WireType::ThirtyTwoBit => 4,
                WireType::LengthDelimited => match decode_varint(&mut bytes) {
                    Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
                    Err(_) => return,
                },
                // Groups are of no message that is read.
                WireType::StartGroup | WireType::EndGroup => continue,
            };
            let Some((content, rest)) = bytes.split_at_checked(length) else { return };
            bytes = rest;
            let room = match field(kind, tag) {
                Field::Message(inner, size) => {
                    if wire == WireType::LengthDelimited && depth < DEPTH {
                        pending.push((content, inner, depth + 1));
                    }
                    size
                }
                // Short texts take as much as an allocation does.
                Field::Text => size_of::<String>() + if content.is_empty() { 0 } else { 16 },
                Field::Numbers(size, width) => match (wire, width) {
                    (WireType::LengthDelimited, Some(width)) => content.len() / width * size,
                    (WireType::LengthDelimited, None) => {
                        content.iter().filter(|byte| **byte < 0x80).count() * size
                    }
                    _ => size,
                },
                Field::Other => 0,
            };
            if !take(room) {
                return;
            }
        }
    }
}
