//! Which files this program wrote, told by what they hold.
//!
//! | file | recognized by |
//! |---|---|
//! | JSON | its first key: `"format": "twofold-..."`, or `"format_version": N` followed by `"network"` |
//! | Verilog | its first comment, `// Twofold accelerator, ` |
//! | wave | the writer in its FST header, see [`finish_wave`] |
//! | ROM | a `program.json` of a Twofold program beside it |
//! | tensors | the JSON file of a Twofold network beside it, of the same stem or `network.json` |

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::read::{Limit, open_regular};

const VERILOG: &[u8] = b"// Twofold accelerator, ";
/// Where an FST header names its writer, after the block's kind and length, five counts, two times, a test of the byte
/// order and the timescale.
const WAVE_WRITER: usize = 74;
const WAVE_WRITER_LEN: usize = 128;
const WAVE: &[u8] = b"Twofold";
/// Enough for every mark.
const HEAD: u64 = 512;
/// Only the head is read.
const ANY: Limit = Limit::new("a file", u64::MAX);

/// Whether a regular file is one that this program wrote.
pub(super) fn is_ours(path: &Path) -> io::Result<bool> {
    let head = head(path)?;
    if head.starts_with(VERILOG)
        || is_json(&head, None)
        || head.first() == Some(&0)
            && head.get(WAVE_WRITER..).is_some_and(|at| at.starts_with(WAVE))
    {
        return Ok(true);
    }
    let beside = |name: &Path, format| {
        head_of(&path.with_file_name(name)).is_some_and(|head| is_json(&head, Some(format)))
    };
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("hex") => beside(Path::new("program.json"), "program"),
        Some("safetensors") => {
            let same = path.with_extension("json");
            let names =
                [Path::new("network.json"), Path::new(same.file_name().unwrap_or_default())];
            names.iter().any(|name| beside(name, "network"))
        }
        _ => false,
    })
}

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

fn head_of(path: &Path) -> Option<Vec<u8>> {
    head(path).ok()
}

/// Whether a file begins as a JSON object of ours; of one format, where one is asked for.
fn is_json(head: &[u8], format: Option<&str>) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut parts = Tokens { text: &text };
    if !parts.skip("{") {
        return false;
    }
    let mut versioned = parts;
    if parts.skip("\"format\"") && parts.skip(":") && parts.skip("\"twofold-") {
        return format.is_none_or(|format| parts.text.starts_with(&format!("{format}\"")));
    }
    format.is_none()
        && versioned.skip("\"format_version\"")
        && versioned.skip(":")
        && versioned.skip_number()
        && versioned.skip(",")
        && versioned.skip("\"network\"")
}

/// What is left of a text.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    text: &'a str,
}

impl Tokens<'_> {
    fn skip(&mut self, token: &str) -> bool {
        let rest = self.text.trim_start().strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn skip_number(&mut self) -> bool {
        let text = self.text.trim_start();
        self.text = text.trim_start_matches(|c: char| c.is_ascii_digit());
        self.text.len() < text.len()
    }
}
