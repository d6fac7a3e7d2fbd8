//! Networks on disk: a JSON file and its tensors.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use super::error::FileError;
use super::ours::Kind;
use super::read::{Limit, open_regular, read_regular, read_text};
use super::write::{Outputs, write_all};
use crate::network::{N_FIRST_BYTES, foreign, structure_errors, tensor_file_name};
use crate::{NetworkError, QuantNetwork};

/// The JSON file of a network.
const NETWORK: Limit = Limit::new("a network", 64 << 20);
/// The tensors of a network.
const TENSORS: Limit = Limit::new("a network's tensors", 1 << 30);

/// Reads and validates a network: `path` is its JSON file, or a folder that holds it as `network.json`.
///
/// # Errors
/// A file that cannot be read, or every problem of the network.
pub fn read_network(path: &Path) -> Result<QuantNetwork, FileError> {
    let path = if path.is_dir() { path.join("network.json") } else { path.to_owned() };
    let wrong = |errors| FileError::Network { path: path.clone(), errors };
    let read = |path: &Path, limit| {
        let error = |reason| FileError::Read { path: path.to_owned(), reason };
        read_regular(path, limit).map_err(error)
    };
    if let Some(foreign) = first_bytes(&path).and_then(|bytes| foreign(&bytes)) {
        return Err(wrong(vec![NetworkError::Foreign(foreign)]));
    }
    let json =
        String::from_utf8(read(&path, NETWORK)?).map_err(|error| wrong(vec![no_text(&error)]))?;
    let tensors = tensor_file_name(&json).map_err(wrong)?;
    match read(&path.with_file_name(tensors), TENSORS) {
        Ok(tensors) => QuantNetwork::from_parts(&json, &tensors).map_err(wrong),
        Err(unreadable) => {
            // What is wrong with the structure is not to be hidden by tensors that are not there.
            let mut errors = structure_errors(&json);
            if errors.is_empty() {
                return Err(unreadable);
            }
            errors.push(NetworkError::TensorFile { message: unreadable.to_string() });
            Err(wrong(errors))
        }
    }
}

/// The beginning of a regular file of any size, `None` if it cannot be read.
fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    let file = open_regular(path, Limit::new("any file", u64::MAX)).ok()?;
    let mut bytes = Vec::new();
    file.take(N_FIRST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn no_text(error: &FromUtf8Error) -> NetworkError {
    let bytes = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + bytes.iter().rev().take_while(|byte| **byte != b'\n').count();
    NetworkError::Json { message: format!("it is no UTF-8 text at line {line} column {column}") }
}

/// Writes a network: `path` is a JSON file, whose tensors go to the file of the same stem beside it, or a folder, which
/// gets `network.json` and `weights.safetensors`.
///
/// # Errors
/// A folder or file that cannot be written, or a file that somebody else wrote. The JSON file is renamed into place last,
/// and holds the tensors' digest.
pub fn write_network(network: &QuantNetwork, path: &Path) -> Result<(), FileError> {
    write_network_by(&Outputs::new(false), network, path)
}

/// [`write_network`] to a folder that is this program's own: half of a network that an interrupted writer left there is
/// replaced.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_own_network(network: &QuantNetwork, folder: &Path) -> Result<(), FileError> {
    write_network_by(&Outputs::new(true), network, folder)
}

/// [`write_network`] by the rules of a command.
///
/// # Errors
/// As [`write_network`], and an input of the command.
pub fn write_network_by(
    outputs: &Outputs,
    network: &QuantNetwork,
    path: &Path,
) -> Result<(), FileError> {
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let (json_path, tensors_path) = if is_json {
        (path.to_owned(), path.with_extension("safetensors"))
    } else {
        (path.join("network.json"), path.join("weights.safetensors"))
    };
    let name = tensors_path.file_name().expect("a name was just set").to_string_lossy();
    let (json, tensors) = network.to_named_parts(&name);
    let targets = [&tensors_path, &json_path].map(|path| outputs.target(path, Kind::Network));
    let targets = targets.into_iter().collect::<Result<Vec<_>, _>>()?;
    write_all(&targets, &[&tensors, json.as_bytes()])
}

/// The files that [`read_network`] reads: the JSON file, and its tensors if it can say which.
pub fn network_files(path: &Path) -> Vec<PathBuf> {
    let json = if path.is_dir() { path.join("network.json") } else { path.to_owned() };
    let text = read_text(&json, NETWORK).ok();
    let tensors = text.and_then(|text| tensor_file_name(&text).ok());
    let tensors = tensors.map(|name| json.with_file_name(name));
    [json].into_iter().chain(tensors).collect()
}
