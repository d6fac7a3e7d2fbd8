//! Which files this program wrote, told by what they hold.
//!
//! | kind | recognized by |
//! |---|---|
//! | logits, `network.json`, `program.json` | the first key, `"format": "twofold-..."` |
//! | Verilog | the first comment but for its license, `// Twofold accelerator, ` |
//! | wave | the writer that its FST header names, see [`finish_wave`] |
//! | ONNX model | the producer that its second field names |
//! | report | the keys that every report has |
//! | ROM | its digest in the `program.json` beside it |
//! | tensors | their digest in the JSON file of a network beside them, of the same stem or `network.json` |

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::Value;

use super::read::{Limit, open_regular, read_regular, read_text};
use crate::digest::hex_digest;

/// What a command writes to a file that the user names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Class and logits of each image.
    Logits,
    /// What a run came to.
    Report,
    /// The accelerator.
    Verilog,
    /// Every signal of a run.
    Wave,
    /// The manifest of a program, or one of its ROMs.
    Program,
    /// A network, or its tensors.
    Network,
    /// A network as an ONNX model.
    Onnx,
}

impl Kind {
    /// What it is called, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "file of logits",
            Self::Report => "report",
            Self::Verilog => "Verilog",
            Self::Wave => "wave",
            Self::Program => "program",
            Self::Network => "network",
            Self::Onnx => "ONNX model",
        }
    }

    /// What to do with a file of somebody else in its place.
    pub(super) fn instead(self) -> &'static str {
        match self {
            // The user does not name it.
            Self::Report => "move it",
            _ => "name another file",
        }
    }

    /// Whether a regular file is one of this kind that this program wrote.
    pub(super) fn is_of(self, path: &Path) -> io::Result<bool> {
        let head = head(path)?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        Ok(match self {
            Self::Logits => is_json(&head, "twofold-logits"),
            Self::Report => is_report(path),
            Self::Verilog => head.strip_prefix(LICENSE).unwrap_or(&head).starts_with(VERILOG),
            Self::Wave => {
                head.first() == Some(&0)
                    && head.get(WAVE_WRITER..).is_some_and(|at| at.starts_with(WAVE))
            }
            Self::Program if extension == Some("hex") => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let manifest = path.with_file_name("program.json");
                is_vouched(path, &manifest, "twofold-program", &["sha256", &name])
            }
            Self::Program => is_json(&head, "twofold-program"),
            Self::Network if extension == Some("safetensors") => {
                let names = [path.with_file_name("network.json"), path.with_extension("json")];
                let digest = ["tensors_sha256"];
                names.iter().any(|json| is_vouched(path, json, "twofold-network", &digest))
            }
            Self::Network => is_json(&head, "twofold-network"),
            Self::Onnx => {
                head.first() == Some(&0x08) && head.get(2..).is_some_and(|at| at.starts_with(ONNX))
            }
        })
    }
}

/// The line above it, which files had not from the beginning.
const LICENSE: &[u8] = b"// SPDX-License-Identifier: MIT OR Apache-2.0\n";
const VERILOG: &[u8] = b"// Twofold accelerator, ";
/// The second field of an ONNX model, behind its version of one byte: this program as who made it.
const ONNX: &[u8] = b"\x12\x07twofold";
/// Where an FST header names its writer, after the block's kind and length, two times, a test of the byte order, five counts
/// and the timescale.
const WAVE_WRITER: usize = 74;
const WAVE_WRITER_LEN: usize = 128;
const WAVE: &[u8] = b"Twofold ";
/// Enough for every mark.
const HEAD: u64 = 256;
/// Of a file whose head alone is read.
const ANY: Limit = Limit::new("a file", u64::MAX);
/// Of a file that is read whole: none of ours is larger.
const WHOLE: Limit = Limit::new("a file that Twofold wrote", 1 << 30);
/// Keys of a report, whatever its version.
const REPORT: [&str; 6] =
    ["format_version", "network", "array", "schedule", "n_simulated_cycles", "layers"];

/// Checks that an FST file which Verilator's library has closed is whole, and names this program as its writer.
///
/// The library does not tell when the disk is full: a whole file is a header and blocks that end where the file does.
///
/// # Errors
/// A file that is no whole FST file, or cannot be written.
pub fn finish_wave(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let (len, mut at, mut first) = (file.metadata()?.len(), 0, None);
    while at < len {
        let mut start = [0; 9];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut start)?;
        let [kind, section @ ..] = start;
        first = first.or(Some(kind));
        at = at.saturating_add(1).saturating_add(u64::from_be_bytes(section));
    }
    if first != Some(0) || at != len {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the wave was cut off"));
    }
    let mut writer = [0; WAVE_WRITER_LEN];
    let text = concat!("Twofold ", env!("CARGO_PKG_VERSION"), ", by VerilatedFst");
    writer[..text.len()].copy_from_slice(text.as_bytes());
    file.seek(SeekFrom::Start(WAVE_WRITER as u64))?;
    file.write_all(&writer)
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    open_regular(path, ANY)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether a JSON file of this format holds, below these keys, the digest of the file at `path`.
fn is_vouched(path: &Path, json: &Path, format: &str, keys: &[&str]) -> bool {
    let text = read_text(json, WHOLE).ok().filter(|text| is_json(text.as_bytes(), format));
    let value: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let digest = keys.iter().try_fold(value.as_ref(), |value, key| Some(value?.get(key)));
    let Some(expected) = digest.flatten().and_then(Value::as_str) else { return false };
    read_regular(path, WHOLE).is_ok_and(|bytes| hex_digest(&bytes) == expected)
}

fn is_report(path: &Path) -> bool {
    let text = read_text(path, WHOLE).ok();
    let value: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    value.is_some_and(|value| REPORT.iter().all(|key| value.get(key).is_some()))
}

/// Whether a file begins as a JSON object whose first key is `format`, of this value.
fn is_json(head: &[u8], format: &str) -> bool {
    let mut rest = String::from_utf8_lossy(head).into_owned();
    let tokens = ["{", "\"format\"", ":", &format!("\"{format}\"")];
    tokens.iter().all(|token| match rest.trim_start().strip_prefix(token) {
        Some(after) => {
            rest = after.to_owned();
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_key_tells_a_format() {
        let is_logits = |text: &str| is_json(text.as_bytes(), "twofold-logits");
        assert!(
            is_logits("{\n  \"format\": \"twofold-logits\",\n")
                && is_logits("{\"format\":\"twofold-logits\"}")
        );
        assert!(
            !is_logits("{\"format\":\"twofold-logits-of-mine\"}")
                && !is_logits("[\"format\"]")
                && !is_logits("")
        );
        assert!(!is_logits("{\"name\": \"a\", \"format\": \"twofold-logits\"}"));
    }

    #[test]
    fn a_wave_that_was_cut_off_is_not_signed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fst");
        let section = |kind: u8, len: u64| {
            [&[kind][..], &len.to_be_bytes(), &vec![0; len as usize - 8]].concat()
        };
        let whole = [section(0, 329), section(4, 100)].concat();
        std::fs::write(&path, &whole).unwrap();
        assert!(!Kind::Wave.is_of(&path).unwrap());
        finish_wave(&path).unwrap();
        assert!(Kind::Wave.is_of(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole.len() as u64);
        for damaged in [&whole[..whole.len() - 1], &whole[..40], &[], &[4; 400]] {
            std::fs::write(&path, damaged).unwrap();
            assert!(finish_wave(&path).is_err());
        }
    }
}
