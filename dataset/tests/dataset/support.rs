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

/// Lines of the header of an MSTAR original as the public distribution has them, from the first on. `LENGTH`, `SIZE`,
/// `ROWS` and `COLUMNS` stand for numbers.
const HEADER: [&str; 65] = [
    "PhoenixHeaderLength= LENGTH",
    "PhoenixSigSize= SIZE",
    "PhoenixSigNum= 0001",
    "PhoenixHeaderCallingSequence= ",
    "HeaderVersionNumber= 2CM",
    "native_header_length= 0",
    "Filename= hb00000.0000",
    "Chip_MD5_CheckSum= 00000000000000000000000000000000",
    "ParentScene= hb00000",
    "Site= nowhere",
    "NumberOfColumns= COLUMNS",
    "NumberOfRows= ROWS",
    "TargetType= test_tank",
    "TargetSerNum= 0000",
    "TargetAz= 346.000000",
    "TargetRoll= 0.250000",
    "TargetPitch= 358.000000",
    "TargetYaw= 35.750000",
    "DesiredDepression= 17",
    "DesiredGroundPlaneSquint= -90",
    "DesiredSlantPlaneSquint= -90",
    "DesiredRange= 4500",
    "DesiredAimpointLatitude= 0.000000",
    "DesiredAimpointLongitude= 0.000000",
    "DesiredAimpointElevation= 0",
    "DesiredAimpointLatitudeReference= N",
    "DesiredAimpointLongitudeReference= W",
    "MeasuredDepression= 17.000000",
    "MeasuredGroundPlaneSquint= -91.500000",
    "MeasuredSlantPlaneSquint= -91.500000",
    "MeasuredRange= 4475",
    "MeasuredAimpointLatitude= 0.000000",
    "MeasuredAimpointLongitude= 0.000000",
    "MeasuredAimpointElevation= 0.000000",
    "MeasuredAimpointLatitudeReference= N",
    "MeasuredAimpointLongitudeReference= E",
    "MeasuredAntennaLatitude= 0.000000",
    "MeasuredAntennaLongitude= 0.000000",
    "MeasuredAircraftHeading= 41.500000",
    "MeasuredAircraftAltitude= 1480.750000",
    "RadarMode= mode 5 - spot light",
    "SensorCalibrationFactor= 42.995998",
    "RadarPosition= bottom",
    "Range3dBWidth= 0.300000",
    "CrossRange3dBWidth= 0.320000",
    "SceneCenterReferenceLine= 40",
    "X_Velocity= 39.500000",
    "DataCollectors= nobody",
    "CollectionDate= 19700101",
    "CollectionTime= 000000",
    "CollectionName= hb",
    "SensorName= none",
    "Classification= UNCLASSIFIED",
    "MultiplicativeNoise= -10 dB",
    "AdditiveNoise= -32 to -34 dB",
    "CenterFrequency= 9.60 GHz",
    "CrossRangeWeighting= -35dB_Taylor",
    "RangeWeighting= -35dB_Taylor",
    "DynamicRange= 64 dB",
    "Bandwidth=  0.591 GHz",
    "RangeResolution= 0.304700",
    "CrossRangeResolution= 0.304700",
    "RangePixelSpacing= 0.202148",
    "CrossRangePixelSpacing= 0.203125",
    "Polarization= HH",
];

/// An MSTAR original: the header's lines between its marks, magnitudes, phases.
pub(crate) struct Phoenix {
    /// White space before the header.
    pub(crate) space: &'static str,
    pub(crate) lines: Vec<String>,
    /// Bytes between the text header and the magnitudes.
    pub(crate) native: Vec<u8>,
    pub(crate) magnitudes: Vec<f32>,
    pub(crate) phases: Vec<f32>,
    /// Magnitudes and phases as unsigned 16 bits.
    pub(crate) is_sixteen: bool,
}

impl Phoenix {
    /// `rows` x `columns` of magnitude `1 + index`, with phases, as in the public distribution.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let line = |line: &&str| {
            line.replace("ROWS", &rows.to_string()).replace("COLUMNS", &columns.to_string())
        };
        Self {
            space: "\n",
            lines: HEADER.iter().map(line).collect(),
            native: Vec::new(),
            magnitudes: (0..rows * columns).map(|idx| 1.0 + idx as f32).collect(),
            phases: (0..rows * columns).map(|idx| -0.01 * idx as f32).collect(),
            is_sixteen: false,
        }
    }

    /// The same with nothing before the header, and no more lines than are needed.
    pub(crate) fn short(rows: usize, columns: usize) -> Self {
        let mut file = Self::new(rows, columns);
        let needed =
            ["PhoenixHeaderLength", "native_header_length", "NumberOfColumns", "NumberOfRows"];
        file.lines.retain(|line| needed.iter().any(|key| line.starts_with(&format!("{key}="))));
        file.space = "";
        file
    }

    /// Replaces the line of a key; without a value, the line goes.
    pub(crate) fn with(mut self, key: &str, value: Option<&str>) -> Self {
        let start = format!("{key}=");
        let idx = self.lines.iter().position(|line| line.starts_with(&start)).unwrap();
        match value {
            Some(value) => self.lines[idx] = format!("{key}= {value}"),
            None => drop(self.lines.remove(idx)),
        }
        self
    }

    /// Length of the header, which counts from the first byte of the file.
    pub(crate) fn n_header(&self) -> usize {
        self.text().len() + self.native.len()
    }

    fn text(&self) -> String {
        let Self { space, lines, .. } = self;
        let lines = lines.join("\n");
        let text = format!("{space}[PhoenixHeaderVer01.04]\n{lines}\n[EndofPhoenixHeader]\n");
        // The numbers that stand for lengths have five and eight digits.
        let text = text.replace("= LENGTH", "= LLLLL").replace("= SIZE", "= SSSSSSSS");
        let n_bytes = if self.is_sixteen { 2 } else { 4 };
        let n_data = 2 * n_bytes * self.magnitudes.len();
        let n_all = text.len() + self.native.len() + n_data;
        text.replace("LLLLL", &format!("{:05}", text.len()))
            .replace("SSSSSSSS", &format!("{n_all:08}"))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.text().into_bytes();
        bytes.extend(&self.native);
        let values = self.magnitudes.iter().chain(&self.phases);
        if self.is_sixteen {
            bytes.extend(values.flat_map(|value| (*value as u16).to_be_bytes()));
        } else {
            bytes.extend(values.flat_map(|value| value.to_bits().to_be_bytes()));
        }
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
    let photometric = if channels == 1 { 1 } else { 2 };
    let gray = Tiff::gray(width, height, depth, samples);
    tiff_file(&[Tiff { n_samples: channels, photometric, ..gray }])
}

/// An image of a TIFF file, uncompressed.
#[derive(Clone)]
pub(crate) struct Tiff {
    pub(crate) is_little: bool,
    /// Whether positions have 64 bits.
    pub(crate) is_big: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bits: u16,
    /// `SampleFormat`: 1 unsigned, 2 signed, 3 floating-point, 6 complex.
    pub(crate) format: u16,
    pub(crate) n_samples: u16,
    pub(crate) photometric: u16,
    /// `ExtraSamples`, if any.
    pub(crate) extra: Vec<u16>,
    /// Whether each sample has a plane, and a strip, of its own.
    pub(crate) is_planar: bool,
    /// `ColorMap`, if any.
    pub(crate) map: Vec<u16>,
    pub(crate) subfile: u32,
    /// Whether sizes are short, and the number of rows in a strip is left out, as MATLAB does.
    pub(crate) is_matlab: bool,
    pub(crate) samples: Vec<u8>,
}

impl Tiff {
    /// One unsigned sample a pixel.
    pub(crate) fn gray(width: u32, height: u32, bits: u16, samples: &[u8]) -> Self {
        Self {
            is_little: true,
            is_big: false,
            width,
            height,
            bits,
            format: 1,
            n_samples: 1,
            photometric: 1,
            extra: Vec::new(),
            is_planar: false,
            map: Vec::new(),
            subfile: 0,
            is_matlab: false,
            samples: samples.to_vec(),
        }
    }

    /// Tag, type (3 short, 4 long) and values of each entry; the samples start at `data`.
    fn entries(&self, data: u32) -> Vec<(u16, u16, Vec<u32>)> {
        let n_strips = if self.is_planar { u32::from(self.n_samples) } else { 1 };
        let n_strip = self.samples.len() as u32 / n_strips;
        let words = |words: &[u16]| words.iter().map(|word| u32::from(*word)).collect::<Vec<_>>();
        let of_samples = |value: u16| vec![u32::from(value); self.n_samples.into()];
        let side = if self.is_matlab { 3 } else { 4 };
        let entries = vec![
            (254, 4, vec![self.subfile]),
            (256, side, vec![self.width]),
            (257, side, vec![self.height]),
            (258, 3, of_samples(self.bits)),
            (259, 3, vec![1]),
            (262, 3, vec![self.photometric.into()]),
            (273, 4, (0..n_strips).map(|strip| data + strip * n_strip).collect()),
            (277, 3, vec![self.n_samples.into()]),
            (278, 4, vec![self.height]),
            (279, 4, vec![n_strip; n_strips as usize]),
            (284, 3, vec![1 + u32::from(self.is_planar)]),
            (320, 3, words(&self.map)),
            (338, 3, words(&self.extra)),
            (339, 3, of_samples(self.format)),
        ];
        let is_there = |(tag, _, values): &(u16, u16, Vec<u32>)| {
            let is_left_out = self.is_matlab && [254, 278].contains(tag);
            !values.is_empty() && !is_left_out
        };
        entries.into_iter().filter(is_there).collect()
    }
}

/// A TIFF file: of each image the samples, then its directory, then what does not fit into that.
pub(crate) fn tiff_file(images: &[Tiff]) -> Vec<u8> {
    let Tiff { is_little, is_big, .. } = images[0];
    let ordered = |mut bytes: Vec<u8>| {
        if !is_little {
            bytes.reverse();
        }
        bytes
    };
    let word = |value: u16| ordered(value.to_le_bytes().to_vec());
    let long = |value: u32| ordered(value.to_le_bytes().to_vec());
    // A number of values or a position, which BigTIFF gives eight bytes.
    let size = |value: usize| {
        if is_big { ordered((value as u64).to_le_bytes().to_vec()) } else { long(value as u32) }
    };
    let n_size = size(0).len();
    let mut bytes = if is_little { b"II".to_vec() } else { b"MM".to_vec() };
    bytes.extend(word(if is_big { 43 } else { 42 }));
    if is_big {
        bytes.extend([word(8), word(0)].concat());
    }
    // Where the position of the next directory is to be written.
    let mut link = bytes.len();
    bytes.extend(size(0));
    for image in images {
        let data = bytes.len() as u32;
        bytes.extend(&image.samples);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let start = bytes.len();
        bytes[link..link + n_size].copy_from_slice(&size(start));
        let entries = image.entries(data);
        bytes.extend(if is_big { size(entries.len()) } else { word(entries.len() as u16) });
        let mut behind = bytes.len() + (4 + 2 * n_size) * entries.len() + n_size;
        let mut outside = Vec::new();
        for (tag, kind, values) in entries {
            bytes.extend([word(tag), word(kind), size(values.len())].concat());
            let values: Vec<u8> = if kind == 3 {
                values.iter().flat_map(|value| word(*value as u16)).collect()
            } else {
                values.iter().flat_map(|value| long(*value)).collect()
            };
            if values.len() <= n_size {
                bytes.extend(&values);
                bytes.resize(bytes.len() + n_size - values.len(), 0);
            } else {
                bytes.extend(size(behind));
                behind += values.len();
                outside.extend(values);
            }
        }
        link = bytes.len();
        bytes.extend(size(0));
        bytes.extend(outside);
    }
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
