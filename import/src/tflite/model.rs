//! The parts of a model: subgraph, operators with their codes, tensors, buffers. The numbers of fields are those of the schema.

use super::IDENTIFIER;
use super::buffer::{Table, Vector};
use super::ops;
use crate::error::Error;

/// Most operators, and most tensors.
const MAX_LIST: usize = 1 << 14;
/// Most tensors that an operator, or the model itself, reads or writes.
const MAX_OPERANDS: usize = 1 << 10;
/// The schema version that all known files have.
const VERSION: u32 = 3;

/// A model with one subgraph.
pub(super) struct Model<'a> {
    bytes: &'a [u8],
    codes: Vector<'a>,
    buffers: Vector<'a>,
    pub(super) metadata: Vector<'a>,
    pub(super) tensors: Vector<'a>,
    pub(super) operators: Vector<'a>,
    /// Indices of tensors.
    pub(super) inputs: Vec<i32>,
    /// Indices of tensors.
    pub(super) outputs: Vec<i32>,
}

/// One operator.
pub(super) struct Operator<'a> {
    /// Its name as the schema writes it, of a custom operation the file's behind it.
    pub(super) kind: String,
    /// Indices of tensors, -1 for one that is left out.
    pub(super) inputs: Vec<i32>,
    /// Indices of tensors.
    pub(super) outputs: Vec<i32>,
    /// The table of options, whichever it is.
    pub(super) options: Option<Table<'a>>,
}

impl<'a> Model<'a> {
    /// Finds the parts.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.get(4..8) != Some(IDENTIFIER) {
            return Err(Error::damaged("file", "it does not hold \"TFL3\" at byte 4"));
        }
        let model = Table::root(bytes, "model")?;
        let version = model.number(0, 0u32)?;
        if version != VERSION {
            return Err(Error::refused(
                format!("the model has schema version {version}, not {VERSION}"),
                "convert it again with a converter of TensorFlow 2 or LiteRT",
            ));
        }
        let subgraphs = model.tables(2, "subgraph")?;
        if subgraphs.len() == 0 {
            return Err(Error::damaged("model", "it has no subgraph"));
        }
        // Others are bodies of control flow or further signatures; what calls them is not supported and says so.
        let subgraph = subgraphs.get(0)?;
        let operators = subgraph.tables(3, "operator")?;
        let tensors = subgraph.tables(0, "tensor")?;
        for (what, len) in [("operators", operators.len()), ("tensors", tensors.len())] {
            if len > MAX_LIST {
                return Err(Error::damaged(
                    "subgraph",
                    format!("{len} {what}, of at most {MAX_LIST}"),
                ));
            }
        }
        Ok(Self {
            bytes,
            codes: model.tables(1, "operator code")?,
            buffers: model.tables(4, "buffer")?,
            metadata: model.tables(6, "metadata")?,
            tensors,
            operators,
            inputs: subgraph.numbers(1, MAX_OPERANDS)?,
            outputs: subgraph.numbers(2, MAX_OPERANDS)?,
        })
    }

    /// The operator with this index.
    pub(super) fn operator(&self, index: usize) -> Result<Operator<'a>, Error> {
        let operator = self.operators.get(index)?;
        let code_index = operator.number(0, 0u32)?;
        let code_table = self.codes.get(code_index as usize)?;
        // Files of before 2020 have the number in a byte alone.
        let code = i32::from(code_table.number(0, 0i8)?).max(code_table.number(3, 0i32)?);
        let kind = match ops::name(code) {
            Some(ops::CUSTOM) => format!("{} {}", ops::CUSTOM, code_table.text(1)?),
            Some(name) => name.to_owned(),
            None => format!("operation {code}"),
        };
        Ok(Operator {
            kind,
            inputs: operator.numbers(1, MAX_OPERANDS)?,
            outputs: operator.numbers(2, MAX_OPERANDS)?,
            options: operator.table(4, "options")?,
        })
    }

    /// The bytes of a buffer, in the flatbuffer or behind it.
    pub(super) fn buffer(&self, index: u32) -> Result<&'a [u8], Error> {
        let buffer = self.buffers.get(index as usize)?;
        let (offset, size) = (buffer.number(1, 0u64)?, buffer.number(2, 0u64)?);
        if offset <= 1 {
            return buffer.bytes(0);
        }
        let range = || {
            let start = usize::try_from(offset).ok()?;
            self.bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
        };
        range().ok_or_else(|| Error::damaged("buffer", "its data lie beyond the end of the file"))
    }

    /// Bytes of the file.
    pub(super) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }
}
