//! Files of other formats, known by their first bytes.

/// As many bytes as [`foreign`] looks at.
pub(crate) const N_FIRST_BYTES: u64 = 512;

/// A format that is not that of a network file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What such a file is, with its article.
    pub kind: &'static str,
    /// What to do with it.
    pub remedy: &'static str,
}

impl Foreign {
    /// What a TensorFlow Lite model is.
    pub const TFLITE: &str = "a TensorFlow Lite model";
    /// What an ONNX model is.
    pub const ONNX: &str = "an ONNX model";

    /// The format of a file that begins with `bytes`, if it is one of those that are mistaken for a network file. 512 bytes are
    /// enough to know it.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        foreign(bytes)
    }
}

const IMPORT: &str = "make a network of it with `twofold import`";
const MODEL: &str = "this format is not read yet: train a student with `trainer train`, or write the network as docs/network.md says";
const WEIGHTS: &str = "weights alone are no network: write its structure beside int8 tensors as docs/network.md says, or train a student with `trainer train`";
const TENSORS: &str = "give the network.json beside it, or their folder";
const ARCHIVE: &str = "unpack it, then give the folder that holds network.json";
const IMAGE: &str = "give images with --data, and a network's folder here";
const NOT_ONE: &str = "give a network's folder, or its network.json";

/// The format of a file that begins with `bytes`, if it is one of those that are mistaken for a network file.
pub(crate) fn foreign(bytes: &[u8]) -> Option<Foreign> {
    let of = |kind, remedy| Some(Foreign { kind, remedy });
    let has = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    for (at, magic, kind, remedy) in MAGIC {
        if has(*at, magic) {
            return of(kind, remedy);
        }
    }
    if has(0, b"PK\x03\x04") {
        return Some(archive(bytes));
    }
    if has(0, b"\x80") && bytes.get(1).is_some_and(|version| (2..=5).contains(version)) {
        return of("a Python pickle, as older PyTorch writes", MODEL);
    }
    if is_safetensors(bytes) {
        return of("a safetensors file", TENSORS);
    }
    protobuf(bytes)
}

/// Where, which bytes, what it is, what to do.
const MAGIC: &[(usize, &[u8], &str, &str)] = &[
    (4, b"TFL3", Foreign::TFLITE, IMPORT),
    (4, b"ET12", "an ExecuTorch program", MODEL),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and MATLAB write", MODEL),
    (0, b"GGUF", "a GGUF file", MODEL),
    (0, b"\x93NUMPY", "a NumPy array", WEIGHTS),
    (0, b"MATLAB 5.0", "a MATLAB file", WEIGHTS),
    (0, b"<?xml", "an XML file", MODEL),
    (0, b"<!DOCTYPE html", "a web page", NOT_ONE),
    (0, b"<!doctype html", "a web page", NOT_ONE),
    (0, b"<html", "a web page", NOT_ONE),
    (
        0,
        b"version https://git-lfs.github.com",
        "a Git LFS pointer instead of the file",
        "run `git lfs pull` in its repository",
    ),
    (0, b"\xff\xfe", "text in UTF-16", "save it in UTF-8"),
    (0, b"\xfe\xff", "text in UTF-16", "save it in UTF-8"),
    (0, b"\x1f\x8b", "a gzip archive", ARCHIVE),
    (0, b"BZh", "a bzip2 archive", ARCHIVE),
    (0, b"\xfd7zXZ\0", "an xz archive", ARCHIVE),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", ARCHIVE),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", ARCHIVE),
    (0, b"Rar!\x1a\x07", "a RAR archive", ARCHIVE),
    (257, b"ustar", "a tar archive", ARCHIVE),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image", IMAGE),
    (0, b"\xff\xd8\xff", "a JPEG image", IMAGE),
    (0, b"GIF8", "a GIF image", IMAGE),
    (0, b"II*\0", "a TIFF image", IMAGE),
    (0, b"MM\0*", "a TIFF image", IMAGE),
    (0, b"BM", "a BMP image", IMAGE),
    (8, b"WEBP", "a WebP image", IMAGE),
    (0, b"[PhoenixHeaderVer", "an MSTAR original", IMAGE),
    (1, b"[PhoenixHeaderVer", "an MSTAR original", IMAGE),
    (0, b"%PDF", "a PDF document", NOT_ONE),
    (0, b"\x7fELF", "a program", NOT_ONE),
    (0, b"MZ", "a Windows program", NOT_ONE),
    (0, b"\xcf\xfa\xed\xfe", "a macOS program", NOT_ONE),
    (0, b"SQLite format 3", "an SQLite database", NOT_ONE),
];

/// By the name of its first member.
fn archive(bytes: &[u8]) -> Foreign {
    let length = bytes.get(26..28).map_or(0, |n| usize::from(u16::from_le_bytes([n[0], n[1]])));
    let name = bytes.get(30..30 + length).unwrap_or_default();
    if name.ends_with(b".npy") {
        Foreign { kind: "a NumPy archive (.npz)", remedy: WEIGHTS }
    } else if name.ends_with(b"data.pkl") || name.ends_with(b"/version") || name.ends_with(b".pkl")
    {
        Foreign { kind: "a PyTorch file (.pt)", remedy: MODEL }
    } else if matches!(name, b"metadata.json" | b"config.json") {
        Foreign { kind: "a Keras model (.keras)", remedy: MODEL }
    } else {
        Foreign { kind: "a zip archive", remedy: ARCHIVE }
    }
}

/// Eight bytes of length, then a JSON object of it.
fn is_safetensors(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    (2..100_000_000).contains(&length) && bytes.get(8) == Some(&b'{')
}

/// ONNX and TensorFlow's saved models are protocol buffers, which have no magic bytes: their first field is a small version
/// number, and what follows tells them apart.
fn protobuf(bytes: &[u8]) -> Option<Foreign> {
    let &[0x08, version @ 1..=20, tag, length, ..] = bytes else { return None };
    let text = bytes.get(4..4 + usize::from(length)).unwrap_or_default();
    let is_producer = !text.is_empty() && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    match tag {
        0x12 if is_producer => Some(Foreign { kind: Foreign::ONNX, remedy: IMPORT }),
        0x12 if version == 1 => Some(Foreign { kind: "a TensorFlow saved model", remedy: MODEL }),
        // Producer version, domain, model version, documentation, graph, operator sets.
        0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 => {
            Some(Foreign { kind: Foreign::ONNX, remedy: IMPORT })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> &'static str {
        foreign(bytes).map_or("", |foreign| foreign.kind)
    }

    fn zip(name: &str) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(26, 0);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name.as_bytes());
        bytes
    }

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        assert_eq!(kind(b"\x1c\0\0\0TFL3\x14\0"), "a TensorFlow Lite model");
        assert_eq!(kind(b"\x89HDF\r\n\x1a\n\0"), "an HDF5 file, as Keras and MATLAB write");
        assert_eq!(kind(&zip("archive/data.pkl")), "a PyTorch file (.pt)");
        assert_eq!(kind(&zip("arr_0.npy")), "a NumPy archive (.npz)");
        assert_eq!(kind(&zip("metadata.json")), "a Keras model (.keras)");
        assert_eq!(kind(&zip("network.json")), "a zip archive");
        assert_eq!(kind(b"\x80\x02\x8a\nl\xfc"), "a Python pickle, as older PyTorch writes");
        assert_eq!(kind(b"\x40\0\0\0\0\0\0\0{\"a.weight\""), "a safetensors file");
        assert_eq!(kind(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:"), "an ONNX model");
        assert_eq!(kind(b"\x08\x07\x3a\x90\x02\n\x10"), "an ONNX model");
        assert_eq!(kind(b"\x08\x01\x12\x90\x02\n\x10\x12"), "a TensorFlow saved model");
        assert_eq!(kind(b"GGUF\x03\0\0\0"), "a GGUF file");
        assert_eq!(kind(b"\x7fELF\x02\x01"), "a program");
        assert_eq!(kind(b"\n[PhoenixHeaderVer01.04]"), "an MSTAR original");
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(kind(&tar), "a tar archive");
    }

    #[test]
    fn text_and_short_files_are_not_foreign() {
        for bytes in [
            &b""[..],
            b"{",
            b"{\"format\": \"twofold-network\"",
            b"\n\n{\n",
            b" [1]",
            b"\x08",
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(foreign(bytes), None, "{bytes:?}");
        }
    }
}
