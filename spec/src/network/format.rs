//! The two files of a network: JSON for the structure, safetensors for the tensors. See docs/network.md.

use super::draft::Draft;
use super::error::NetworkError;
use super::layers::QuantNetwork;
use super::rules::check;
use super::tensors::attach;
use crate::digest::hex_digest;

impl QuantNetwork {
    /// Reads a network from the text of its JSON file and the bytes of its tensor file, and validates it.
    ///
    /// # Errors
    /// Every problem at once. Only what cannot be understood hides what is behind it: text that is no JSON, another
    /// format, and a tensor file that is damaged or of another export, whose tensors are then left out.
    pub fn from_parts(json: &str, tensors: &[u8]) -> Result<Self, Vec<NetworkError>> {
        let (mut draft, mut errors) = Draft::read(json).map_err(|error| vec![error])?;
        let found = hex_digest(tensors);
        match draft.tensors_sha256.clone() {
            Some(expected) if found != expected => {
                errors.push(NetworkError::Checksum { expected, found });
            }
            _ => errors.extend(attach(&mut draft, tensors)),
        }
        errors.extend(check(&draft.view()));
        match draft.into_network() {
            Some(network) if errors.is_empty() => Ok(network),
            // Each part that is not known was reported.
            _ => Err(errors),
        }
    }
}

/// The name of the tensor file in the text of a JSON file.
///
/// # Errors
/// Every problem that can be seen without the tensors, if there is no name of a file beside it.
pub(crate) fn tensor_file_name(json: &str) -> Result<String, Vec<NetworkError>> {
    let (draft, mut errors) = Draft::read(json).map_err(|error| vec![error])?;
    if let Some(name) = &draft.tensors {
        let plain = !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(['/', '\\', ':', '\0']);
        if plain {
            return Ok(name.clone());
        }
        errors.push(NetworkError::TensorFileName { found: name.clone() });
    }
    errors.extend(check(&draft.view()));
    Err(errors)
}

/// Every problem of a JSON file that can be seen without its tensors.
pub(crate) fn structure_errors(json: &str) -> Vec<NetworkError> {
    match Draft::read(json) {
        Ok((draft, mut errors)) => {
            errors.extend(check(&draft.view()));
            errors
        }
        Err(error) => vec![error],
    }
}
