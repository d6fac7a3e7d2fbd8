//! Models of other formats become networks.

use std::io::Read;
use std::path::{Path, PathBuf};

use import::{Format, Imported, Preset};
use serde_json::json;
use spec::files::{FileError, Limit, open_regular, read_regular, read_text};
use spec::{QuantNetwork, hex_digest};

use crate::error::FlowError;
use crate::report::ImportReport;

/// A model of another format.
const MODEL: Limit = Limit::new("a model", 1 << 30);
/// Class names.
const CLASSES: Limit = Limit::new("a list of classes", 1 << 20);
/// Bytes by which a format is known.
const N_FIRST_BYTES: u64 = 512;

/// What is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The file.
    pub model: PathBuf,
    /// The network's name; that of the file by default.
    pub name: Option<String>,
    /// A text file with a class name a line, in the order of the logits.
    pub classes: Option<PathBuf>,
    /// How images become the input.
    pub preprocess: Option<Preset>,
}

/// A network that was imported, and what was found on the way.
#[derive(Clone, Debug)]
pub struct ImportResult {
    /// The network.
    pub network: QuantNetwork,
    /// What was found.
    pub report: ImportReport,
}

/// Makes a network of a model.
///
/// # Errors
/// A file that cannot be read, or every part of it that is not supported.
pub fn import_model(options: &ImportOptions) -> Result<ImportResult, FlowError> {
    let classes = options.classes.as_deref().map(read_classes).transpose()?;
    let lowering = import::Options {
        name: options.name.clone(),
        classes: classes.unwrap_or_default(),
        preprocess: options.preprocess,
    };
    let imported = read(&options.model, &lowering)?;
    let report = ImportReport::new(&imported);
    Ok(ImportResult { network: imported.network, report })
}

/// Whether the file is of a format that is imported.
pub(crate) fn is_model(path: &Path) -> bool {
    let first = || {
        let file = open_regular(path, MODEL).ok()?;
        let mut bytes = Vec::new();
        file.take(N_FIRST_BYTES).read_to_end(&mut bytes).ok()?;
        Format::of(&bytes)
    };
    first().is_some()
}

/// Reads and lowers a model.
pub(crate) fn read(path: &Path, options: &import::Options) -> Result<Imported, FlowError> {
    let bytes = read_regular(path, MODEL)
        .map_err(|reason| FileError::Read { path: path.to_owned(), reason })?;
    let refused = |reason| FlowError::Import { path: path.to_owned(), reason };
    let graph = import::read(&bytes, path).map_err(refused)?;
    let mut imported = import::lower(graph, options).map_err(refused)?;
    // The network's own provenance says whose arithmetic it is; only here is known where it came from.
    let provenance = &mut imported.network.provenance["imported"];
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    provenance["file"] = json!(file);
    provenance["sha256"] = json!(hex_digest(&bytes));
    Ok(imported)
}

fn read_classes(path: &Path) -> Result<Vec<String>, FlowError> {
    let text = read_text(path, CLASSES)
        .map_err(|reason| FileError::Read { path: path.to_owned(), reason })?;
    let classes: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if classes.is_empty() || classes.iter().any(String::is_empty) {
        return Err(FlowError::EmptyClass { path: path.to_owned() });
    }
    Ok(classes)
}
