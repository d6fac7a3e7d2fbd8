//! What a model says of its images: the normalization in TFLite metadata, a flatbuffer of its own in one of the buffers
//! (`tensorflow_lite_support/metadata/metadata_schema.fbs`).

use super::buffer::Table;
use super::model::Model;
use crate::error::Error;
use crate::graph::Normalization;

/// The name of the entry that holds it.
const NAME: &str = "TFLITE_METADATA";
/// The number of a normalization among process units.
const NORMALIZATION: u8 = 1;
/// Most entries that are looked at.
const MAX_ENTRIES: usize = 64;
/// Most channels that numbers are given for.
const MAX_CHANNELS: usize = 1 << 12;

/// The normalization of the first input; `None` where the model says nothing.
pub(super) fn normalization(model: &Model) -> Result<Option<Normalization>, Error> {
    let entries = &model.metadata;
    for index in 0..entries.len().min(MAX_ENTRIES) {
        let entry = entries.get(index)?;
        if entry.text(0)? == NAME {
            return of_metadata(model.buffer(entry.number(1, 0u32)?)?);
        }
    }
    Ok(None)
}

fn of_metadata(bytes: &[u8]) -> Result<Option<Normalization>, Error> {
    let metadata = Table::root(bytes, "metadata")?;
    let subgraphs = metadata.tables(3, "metadata of a subgraph")?;
    if subgraphs.len() == 0 {
        return Ok(None);
    }
    let inputs = subgraphs.get(0)?.tables(2, "metadata of an input")?;
    if inputs.len() == 0 {
        return Ok(None);
    }
    let units = inputs.get(0)?.tables(4, "process unit")?;
    for index in 0..units.len().min(MAX_ENTRIES) {
        let unit = units.get(index)?;
        if unit.number(0, 0u8)? != NORMALIZATION {
            continue;
        }
        let Some(options) = unit.table(1, "normalization")? else { continue };
        let mean = options.numbers(0, MAX_CHANNELS)?;
        let std = options.numbers(1, MAX_CHANNELS)?;
        return Ok(Some(Normalization { mean, std }));
    }
    Ok(None)
}
