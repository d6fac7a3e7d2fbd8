//! Which format a file has.

use std::path::Path;

use spec::Foreign;

use crate::error::Error;
use crate::graph::Graph;
use crate::{onnx, tflite};

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TensorFlow Lite.
    TfLite,
    /// ONNX.
    Onnx,
}

impl Format {
    /// The format of a file that begins with `bytes`; 512 are enough.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match Foreign::of(bytes)?.kind {
            Foreign::TFLITE => Some(Self::TfLite),
            Foreign::ONNX => Some(Self::Onnx),
            _ => None,
        }
    }
}

/// Reads the bytes of a model, which was found at `path`: the graph is named after it, and files that an ONNX model names are looked
/// for beside it.
///
/// # Errors
/// Bytes of none of the formats, or as their readers.
pub fn read(bytes: &[u8], path: &Path) -> Result<Graph, Error> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    match Format::of(bytes) {
        Some(Format::TfLite) => tflite::read(bytes, &name),
        Some(Format::Onnx) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            Ok(Graph { name: name.into_owned(), ..onnx::read(bytes, Some(folder))? })
        }
        None => {
            let kind = Foreign::of(bytes).map_or("no model", |foreign| foreign.kind);
            Err(Error::refused(format!("this is {kind}"), "give a .tflite or .onnx file"))
        }
    }
}
