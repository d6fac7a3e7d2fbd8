//! Data folders, and files of each format built byte by byte from what the formats say.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, Crc};
use image::{GrayImage, Luma};
use twofold_dataset::{
    Chip, DatasetError, ImageSet, ReadOptions, Source, Split, SplitOptions, folder,
};

/// A data folder that is removed at the end.
pub(crate) struct Data(pub(crate) tempfile::TempDir);

impl Data {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Path of a file whose folder is there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let path = self.0.path();
        let path = if name.is_empty() { path.to_owned() } else { path.join(name) };
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// Makes a pipe that nobody writes to.
    pub(crate) fn pipe(&self, name: &str) {
        let status = std::process::Command::new("mkfifo").arg(self.path(name)).status();
        assert!(status.unwrap().success());
    }

    /// Writes gray images of the given brightness.
    pub(crate) fn gray(&self, names: &[(&str, u8)]) -> &Self {
        for (name, value) in names {
            gray(*value).save(self.path(name)).unwrap();
        }
        self
    }

    pub(crate) fn load(&self, split: Split) -> Result<ImageSet, DatasetError> {
        self.load_at("", split)
    }

    pub(crate) fn load_at(&self, name: &str, split: Split) -> Result<ImageSet, DatasetError> {
        Source::parse(&self.text(name)).load(split, &SplitOptions::default())
    }

    /// The message of an error, with the folder's path taken out.
    pub(crate) fn error(&self, split: Split) -> String {
        self.shown(&self.load(split).unwrap_err())
    }

    pub(crate) fn shown(&self, error: &DatasetError) -> String {
        error.to_string().replace(self.0.path().to_str().unwrap(), "DATA")
    }
}

/// Reads a file without any option.
pub(crate) fn read_image(path: &Path) -> Result<Chip, DatasetError> {
    folder::read_image(path, ReadOptions::default())
}

/// 4 columns and 3 rows.
pub(crate) fn gray(value: u8) -> GrayImage {
    GrayImage::from_fn(4, 3, |x, y| Luma([value + x as u8 + 10 * y as u8]))
}

pub(crate) fn expected(value: u8) -> Vec<u8> {
    (0..3).flat_map(|y| (0..4).map(move |x| value + x + 10 * y)).collect()
}

/// A CIFAR record: the labels, then red, green and blue planes that tell where they are.
pub(crate) fn record(labels: &[u8], seed: u8) -> Vec<u8> {
    let plane = |channel: u8| {
        (0..1024)
            .map(move |idx: u32| (idx as u8) ^ (idx >> 8) as u8 ^ seed.wrapping_mul(7) ^ channel)
    };
    labels.iter().copied().chain([0, 0x40, 0x80].into_iter().flat_map(plane)).collect()
}

/// Class names `prefix0`, `prefix1`, ...
pub(crate) fn names(prefix: &str, n: usize) -> String {
    (0..n).map(|idx| format!("{prefix}{idx}\n")).collect()
}

/// A small CIFAR-100: `per_class` training records and one test record a class, classes in turn.
pub(crate) fn cifar100(per_class: usize) -> Vec<(String, Vec<u8>)> {
    let records = |n: usize| {
        (0..n).flat_map(|idx| record(&[(idx % 20) as u8, (idx % 100) as u8], idx as u8)).collect()
    };
    vec![
        ("cifar-100-binary/train.bin".into(), records(100 * per_class)),
        ("cifar-100-binary/test.bin".into(), records(100)),
        ("cifar-100-binary/fine_label_names.txt".into(), names("fine", 100).into_bytes()),
        ("cifar-100-binary/coarse_label_names.txt".into(), names("coarse", 20).into_bytes()),
    ]
}

/// A small CIFAR-10: 8 records a batch. As in the official files, the names end with an empty line.
pub(crate) fn cifar10() -> Vec<(String, Vec<u8>)> {
    let records = |from: usize, n: usize| {
        (from..from + n).flat_map(|idx| record(&[(idx % 10) as u8], idx as u8)).collect()
    };
    let batch = |idx: usize| {
        (format!("cifar-10-batches-bin/data_batch_{idx}.bin"), records((idx - 1) * 8, 8))
    };
    let mut files: Vec<_> = (1..=5).map(batch).collect();
    files.push(("cifar-10-batches-bin/test_batch.bin".into(), records(3, 10)));
    let names = format!("{}\n", names("class", 10));
    files.push(("cifar-10-batches-bin/batches.meta.txt".into(), names.into_bytes()));
    files
}

/// A tar archive with the folders' own entries.
pub(crate) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut folders = Vec::new();
    for (name, bytes) in files {
        let folder = name.split('/').next().unwrap_or_default().to_owned();
        if !folders.contains(&folder) {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(0o755);
            builder.append_data(&mut header, format!("{folder}/"), &[][..]).unwrap();
            folders.push(folder);
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An MSTAR original: the header's lines between its marks, magnitudes, phases.
pub(crate) struct Phoenix {
    pub(crate) lines: Vec<String>,
    /// Bytes between the text header and the magnitudes.
    pub(crate) native: Vec<u8>,
    pub(crate) magnitudes: Vec<f32>,
    pub(crate) phases: Vec<f32>,
}

impl Phoenix {
    /// `rows` x `columns` of magnitude `1 + index`, with phases.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let lines = [
            "PhoenixHeaderLength= LENGTH".to_owned(),
            "PhoenixSigNum= 0001".to_owned(),
            "native_header_length= 0".to_owned(),
            format!("NumberOfColumns= {columns}"),
            format!("NumberOfRows= {rows}"),
            "TargetType= t72_tank".to_owned(),
        ];
        Self {
            lines: lines.to_vec(),
            native: Vec::new(),
            magnitudes: (0..rows * columns).map(|idx| 1.0 + idx as f32).collect(),
            phases: (0..rows * columns).map(|idx| -0.01 * idx as f32).collect(),
        }
    }

    /// Replaces the line of a key; without a value, the line goes.
    pub(crate) fn with(mut self, key: &str, value: Option<&str>) -> Self {
        self.lines.retain(|line| !line.starts_with(&format!("{key}=")));
        self.lines.extend(value.map(|value| format!("{key}= {value}")));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text =
            format!("[PhoenixHeaderVer01.04]\n{}\n[EndofPhoenixHeader]\n", self.lines.join("\n"));
        // The length is five digits and stands for itself.
        let length = text.len() - if text.contains("LENGTH\n") { 1 } else { 0 };
        let mut bytes = text.replace("LENGTH\n", &format!("{length:05}\n")).into_bytes();
        bytes.extend(&self.native);
        let floats = self.magnitudes.iter().chain(&self.phases);
        bytes.extend(floats.flat_map(|value| value.to_bits().to_be_bytes()));
        bytes
    }
}

/// A PNG: `depth` of 8 or 16, color type 0 (gray) or 2 (RGB), rows without a filter.
pub(crate) fn png(width: u32, height: u32, depth: u8, color: u8, samples: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let body = [&name[..], data].concat();
        let mut crc = Crc::new();
        crc.update(&body);
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
    };
    let header =
        [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat();
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::fast());
    let n_row = samples.len() / height.min(16) as usize;
    for row in samples.chunks(n_row.max(1)) {
        rows.write_all(&[0]).unwrap();
        rows.write_all(row).unwrap();
    }
    let rows = rows.finish().unwrap();
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", &rows),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A little-endian TIFF of one uncompressed gray or RGB strip; 16-bit samples are little-endian in `samples`.
pub(crate) fn tiff(width: u32, height: u32, depth: u16, channels: u16, samples: &[u8]) -> Vec<u8> {
    let data = 8_u32;
    let entries = [
        (256_u16, 4_u16, width),
        (257, 4, height),
        (258, 3, depth.into()),
        (259, 3, 1),
        (262, 3, if channels == 1 { 1 } else { 2 }),
        (273, 4, data),
        (277, 3, channels.into()),
        (278, 4, height),
        (279, 4, samples.len() as u32),
    ];
    let mut bytes = b"II*\0".to_vec();
    bytes.extend((data + samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes.extend((entries.len() as u16).to_le_bytes());
    let depths_at = bytes.len() as u32 + 12 * entries.len() as u32 + 4;
    for (tag, kind, value) in entries {
        bytes.extend([tag, kind].iter().flat_map(|word| word.to_le_bytes()));
        // The depths of three channels do not fit into the entry.
        let (count, value) =
            if tag == 258 && channels == 3 { (3_u32, depths_at) } else { (1, value) };
        bytes.extend([count, value].iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes.extend([0; 4]);
    bytes.extend([depth; 3].iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// An 8-bit gray BMP; rows are stored bottom up, each filled to four bytes.
pub(crate) fn bmp(width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
    let offset = 54 + 1024;
    let mut bytes = b"BM".to_vec();
    let n_row = width.next_multiple_of(4);
    let header =
        [offset + n_row * height, 0, offset, 40, width, height, 8 << 16 | 1, 0, 0, 0, 0, 256, 0];
    bytes.extend(header.iter().flat_map(|value: &u32| value.to_le_bytes()));
    bytes.extend((0..=255_u8).flat_map(|gray| [gray, gray, gray, 0]));
    for row in samples.chunks(width as usize).rev() {
        bytes.extend(row);
        bytes.extend(std::iter::repeat_n(0, n_row as usize - row.len()));
    }
    bytes
}

/// A JPEG of one 8x8 block, all samples 28: one Huffman code each for the mean (7 bits) and for the block's end.
pub(crate) fn jpeg() -> Vec<u8> {
    let table =
        |class: u8, symbol: u8| [&[0xff, 0xc4, 0, 20, class, 1][..], &[0; 15], &[symbol]].concat();
    [
        &[0xff, 0xd8][..],
        &[0xff, 0xdb, 0, 67, 0],
        &[8; 64],
        &[0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0],
        &table(0x00, 7),
        &table(0x10, 0),
        &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0],
        // Code 0, then 27 in 7 bits, which is -100; code 0; filled with ones. 128 - 100 * 8 / 8 = 28.
        &[0b0001_1011, 0b0111_1111],
        &[0xff, 0xd9],
    ]
    .concat()
}
