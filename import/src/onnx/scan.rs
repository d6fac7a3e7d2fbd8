//! What decoding a file would cost, found before it is decoded.
//!
//! A message of two bytes becomes one of hundreds in memory, so that the length of a file says little of what it takes. The
//! walk looks at tags and lengths alone and keeps nothing.

use crate::Error;

use super::proto;

/// The most memory that the messages of a file may take.
const MOST_MEMORY: u64 = 1 << 30;

/// Walks over a model's messages.
///
/// # Errors
/// Lengths beyond the file or its messages, tags that no protocol buffer has, messages that take more than a gibibyte.
pub(super) fn scan(bytes: &[u8]) -> Result<(), Error> {
    let mut memory = 0;
    walk(bytes, Kind::Model, &mut memory)
}

/// The messages of [`proto`].
#[derive(Clone, Copy)]
enum Kind {
    Model,
    OperatorSet,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    Entry,
    ValueInfo,
    Type,
    TensorType,
    TensorShape,
    Dimension,
}

/// What a field becomes.
enum Field {
    Message(Kind),
    /// Text or bytes.
    Bytes,
    /// Numbers of this many bytes in memory, of at least so many in the file.
    Numbers(u64, u64),
    /// Nothing: it is skipped.
    Skipped,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "the model",
            Self::OperatorSet => "a version of operators",
            Self::Function => "a function",
            Self::Graph => "the graph",
            Self::Node => "a node",
            Self::Attribute => "an attribute",
            Self::Tensor => "a tensor",
            Self::Entry => "a key and value",
            Self::ValueInfo => "an input or output",
            Self::Type | Self::TensorType => "a type",
            Self::TensorShape | Self::Dimension => "a shape",
        }
    }

    /// Bytes of the message in memory without what it points to.
    fn size(self) -> u64 {
        let size = match self {
            Self::Model => size_of::<proto::Model>(),
            Self::OperatorSet => size_of::<proto::OperatorSet>(),
            Self::Function => size_of::<proto::Function>(),
            Self::Graph => size_of::<proto::Graph>(),
            Self::Node => size_of::<proto::Node>(),
            Self::Attribute => size_of::<proto::Attribute>(),
            Self::Tensor => size_of::<proto::Tensor>(),
            Self::Entry => size_of::<proto::Entry>(),
            Self::ValueInfo => size_of::<proto::ValueInfo>(),
            Self::Type => size_of::<proto::Type>(),
            Self::TensorType => size_of::<proto::TensorType>(),
            Self::TensorShape => size_of::<proto::TensorShape>(),
            Self::Dimension => size_of::<proto::Dimension>(),
        };
        size as u64
    }

    fn field(self, number: u64) -> Field {
        use Field::{Bytes, Message, Numbers, Skipped};
        match (self, number) {
            (Self::Model, 7) => Message(Self::Graph),
            (Self::Model, 8) => Message(Self::OperatorSet),
            (Self::Model, 14) | (Self::Tensor, 13) => Message(Self::Entry),
            (Self::Model, 25) => Message(Self::Function),
            (Self::Graph, 1) => Message(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5) => Message(Self::Tensor),
            (Self::Graph, 11 | 12) => Message(Self::ValueInfo),
            (Self::Node, 5) => Message(Self::Attribute),
            (Self::ValueInfo, 2) => Message(Self::Type),
            (Self::Type, 1) => Message(Self::TensorType),
            (Self::TensorType, 2) => Message(Self::TensorShape),
            (Self::TensorShape, 1) => Message(Self::Dimension),
            (Self::Tensor, 1 | 7) | (Self::Attribute, 8) => Numbers(8, 1),
            (Self::Tensor, 5) => Numbers(4, 1),
            (Self::Tensor, 4) | (Self::Attribute, 7) => Numbers(4, 4),
            (Self::Tensor, 10) => Numbers(8, 8),
            (Self::Model, 2 | 3)
            | (Self::OperatorSet | Self::Graph | Self::Dimension, 2)
            | (Self::OperatorSet | Self::Function | Self::Attribute | Self::ValueInfo, 1)
            | (Self::Function, 10)
            | (Self::Node, 1..=4 | 7)
            | (Self::Attribute, 4)
            | (Self::Tensor, 8 | 9)
            | (Self::Entry, 1 | 2) => Bytes,
            _ => Skipped,
        }
    }
}

/// Calls itself as deep as the messages are nested, which have no cycle.
fn walk(mut bytes: &[u8], kind: Kind, memory: &mut u64) -> Result<(), Error> {
    let damaged = |fault: &str| Error::damaged(kind.name(), fault);
    let take = |memory: &mut u64, n: u64| {
        *memory = memory.saturating_add(n);
        if *memory <= MOST_MEMORY { Ok(()) } else { Err(too_large()) }
    };
    // A list grows by doubling.
    take(memory, 2 * kind.size())?;
    while !bytes.is_empty() {
        let tag = varint(&mut bytes).ok_or_else(|| damaged("it ends within a tag"))?;
        let field = kind.field(tag >> 3);
        match tag & 7 {
            0 => {
                varint(&mut bytes).ok_or_else(|| damaged("it ends within a number"))?;
                if let Field::Numbers(size, _) = field {
                    take(memory, 2 * size)?;
                }
            }
            wire @ (1 | 5) => {
                let size = if wire == 1 { 8 } else { 4 };
                bytes = bytes.get(size..).ok_or_else(|| damaged("it ends within a number"))?;
                if let Field::Numbers(size, _) = field {
                    take(memory, 2 * size)?;
                }
            }
            2 => {
                let length =
                    varint(&mut bytes).ok_or_else(|| damaged("it ends within a length"))?;
                let length = usize::try_from(length).ok().filter(|n| *n <= bytes.len());
                let length = length.ok_or_else(|| damaged("a length goes beyond its end"))?;
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                let n_bytes = length as u64;
                match field {
                    Field::Message(kind) => walk(content, kind, memory)?,
                    Field::Bytes => take(memory, n_bytes + 2 * size_of::<String>() as u64)?,
                    Field::Numbers(size, least) => {
                        take(memory, (n_bytes / least).saturating_mul(2 * size))?;
                    }
                    Field::Skipped => {}
                }
            }
            _ => return Err(damaged("a tag is of no kind that is known")),
        }
    }
    Ok(())
}

fn too_large() -> Error {
    Error::refused(
        "the model takes more than a gibibyte of memory",
        "it is larger than any network that fits the accelerator; quantize a smaller one to int8",
    )
}

/// Base 128, the least significant digit first; at most ten bytes.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for index in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
