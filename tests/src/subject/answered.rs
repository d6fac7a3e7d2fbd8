//! Cases whose answers come from outside: `tests/cases/answered/NAME` holds a network, images, and what an executor that shares
//! no code with this repository, written from docs/network.md alone, computes of them.

use std::path::Path;

use codegen::Options;
use serde::Deserialize;
use spec::files::{Limit, read_network, read_regular, read_text};
use spec::{ArrayConfig, Memories};

use super::{LIMIT, Subject, SubjectError, failed, folder};

/// The folder of these cases below that of all cases.
pub(super) const ANSWERED: &str = "answered";
const IMAGES: Limit = Limit::new("the images of a case", 1 << 20);

/// `case.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnsweredCase {
    /// What the case shows.
    description: String,
    rows: usize,
    cols: usize,
    lanes: usize,
    port_bytes: usize,
    /// For each image the values of the outputs, one output after the other, `[height, width, channels]` each.
    values: Vec<Vec<i16>>,
}

/// The names of these cases, sorted.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn names() -> Result<Vec<String>, SubjectError> {
    let entries =
        std::fs::read_dir(folder().join(ANSWERED)).map_err(|error| failed(ANSWERED, error))?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.map_err(|error| failed(ANSWERED, error))?.file_name();
        Ok(format!("{ANSWERED}/{}", name.to_string_lossy()))
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

/// The case of this name, with the answers from outside.
///
/// # Errors
/// A case that cannot be read, is not valid, does not fit its array, or has not one answer an image.
pub(super) fn read(name: &str) -> Result<Subject, SubjectError> {
    let case_folder = folder().join(name);
    let text = read_text(&case_folder.join("case.json"), LIMIT).map_err(|e| failed(name, e))?;
    let case: AnsweredCase = serde_json::from_str(&text).map_err(|error| failed(name, error))?;
    if case.description.is_empty() {
        return Err(failed(name, "it does not say what it shows"));
    }
    let network = read_network(&case_folder).map_err(|error| failed(name, error))?;
    let config = ArrayConfig::new(case.rows, case.cols, Memories::default())
        .and_then(|config| config.with_lanes(case.lanes))
        .and_then(|config| config.with_port_bytes(case.port_bytes))
        .map_err(|error| failed(name, error))?;
    let images = images(&case_folder, network.input.n_bytes()).map_err(|e| failed(name, e))?;
    if images.len() != case.values.len() {
        let (n_images, n_answers) = (images.len(), case.values.len());
        return Err(failed(name, format!("{n_answers} answers to {n_images} images")));
    }
    let mut subject = Subject::new(name, network, &config, &Options::default(), images)?;
    subject.values = Some(case.values);
    Ok(subject)
}

/// `images.int8`: one image after another.
fn images(case_folder: &Path, n_bytes: usize) -> std::io::Result<Vec<Vec<i8>>> {
    let bytes = read_regular(&case_folder.join("images.int8"), IMAGES)?;
    let image = |bytes: &[u8]| bytes.iter().map(|byte| *byte as i8).collect();
    Ok(bytes.chunks(n_bytes).map(image).collect())
}
