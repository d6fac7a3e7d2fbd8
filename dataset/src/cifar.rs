//! CIFAR-100 and CIFAR-10 in their binary version: a folder of record files, or the official `.tar.gz` of it.
//!
//! A record is its labels, one byte each (CIFAR-100: coarse, then fine; CIFAR-10: one), and 3072 bytes: 32x32
//! red samples, row-major, then green, then blue. How many records a file holds does not matter. Classes are
//! the fine ones, named by the text file that comes along, one name a line; a byte-order mark and line ends of Windows do
//! not matter.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rayon::prelude::*;
use spec::files::{Limit, open_regular};

use crate::foreign::is_python_cifar;
use crate::{
    Chip, DatasetError, DatasetKind, Foreign, ImageSet, RecordsError, Result, Sample, Samples,
    Split, SplitOptions,
};

/// Rows and columns of an image.
pub const SIDE: usize = 32;

/// Most records that a file may hold; CIFAR's own hold 50,000 at most.
pub const MAX_RECORDS: usize = 250_000;

const PLANE: usize = SIDE * SIDE;

/// Longest file of class names.
const NAMES: Limit = Limit::new("a list of class names", 1 << 16);

/// Largest file of records.
const RECORDS: Limit =
    Limit::new("a file of CIFAR records", (MAX_RECORDS * (2 + 3 * PLANE)) as u64);

/// Largest archive.
const ARCHIVE: Limit = Limit::new("a CIFAR archive", 1 << 32);

/// Members of an archive that are looked at to tell what it holds.
const MOST_MEMBERS: usize = 10_000;

/// Files and records of one of the data sets.
struct Layout {
    kind: DatasetKind,
    /// Folder that the official archive unpacks to.
    folder: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    /// What each label byte is, and how many values it has; the last one is the class.
    labels: &'static [(&'static str, usize)],
}

const CIFAR_100: Layout = Layout {
    kind: DatasetKind::Cifar100,
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    labels: &[("coarse label", 20), ("fine label", 100)],
};

const CIFAR_10: Layout = Layout {
    kind: DatasetKind::Cifar10,
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    labels: &[("label", 10)],
};

impl Layout {
    fn of(kind: DatasetKind) -> &'static Self {
        if kind == DatasetKind::Cifar10 { &CIFAR_10 } else { &CIFAR_100 }
    }

    fn n_classes(&self) -> usize {
        self.labels.last().map_or(0, |&(_, n)| n)
    }

    /// Bytes of a record.
    fn record(&self) -> usize {
        self.labels.len() + 3 * PLANE
    }

    fn has_records(&self, name: &str) -> bool {
        self.train.contains(&name) || self.test == name
    }

    /// The folder with the record files: `path` itself, or the official one below it.
    fn folder(&self, path: &Path) -> Option<PathBuf> {
        let has_any = |folder: &PathBuf| {
            self.train.iter().chain([&self.test]).any(|name| folder.join(name).is_file())
        };
        [path.to_owned(), path.join(self.folder)].into_iter().find(has_any)
    }
}

/// Whether a path is an archive by its name: it ends in `.tar.gz` or `.tgz`.
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    (name.ends_with(".tar.gz") || name.ends_with(".tgz")) && !path.is_dir()
}

/// Which CIFAR a folder or archive holds, by the names of its files; of an archive, no more is read than that takes.
pub fn detect(path: &Path) -> Option<DatasetKind> {
    let layouts = [&CIFAR_100, &CIFAR_10];
    if !is_archive(path) {
        return layouts.into_iter().find(|layout| layout.folder(path).is_some()).map(|l| l.kind);
    }
    let mut archive = open_archive(path).ok()?;
    archive.entries().ok()?.map_while(io::Result::ok).find_map(|entry| {
        let name = member_name(&entry)?;
        layouts.into_iter().find(|layout| layout.has_records(&name)).map(|layout| layout.kind)
    })
}

fn open_archive(path: &Path) -> io::Result<tar::Archive<impl Read>> {
    let reader = BufReader::with_capacity(1 << 18, open_regular(path, ARCHIVE)?);
    Ok(tar::Archive::new(MultiGzDecoder::new(reader)))
}

/// What an archive without any record file holds instead, by the names of its members, or `None`.
fn foreign_archive(path: &Path) -> Option<Foreign> {
    let mut archive = open_archive(path).ok()?;
    let members = archive.entries().ok()?.map_while(io::Result::ok).take(MOST_MEMBERS);
    let files = members.filter(|entry| entry.header().entry_type().is_file());
    let paths: Vec<PathBuf> =
        files.filter_map(|entry| Some(entry.path().ok()?.into_owned())).collect();
    let mut names = paths.iter().filter_map(|path| path.file_name()?.to_str());
    if names.clone().any(|name| CIFAR_10.has_records(name) || CIFAR_100.has_records(name)) {
        return None;
    }
    if names.any(is_python_cifar) {
        return Some(Foreign::PythonCifar);
    }
    paths.iter().any(|path| path.components().count() > 1).then_some(Foreign::Tar)
}

/// Reads one split of `kind`, which is one of the CIFARs.
///
/// Test images are those of the test file; validation images are a part of every class of the training files.
/// Samples are named by file group and position: `train/00017`.
///
/// # Errors
/// A file is missing, damaged, ends within a record, has a label out of range, or a class has too few records.
pub fn load(
    path: &Path,
    kind: DatasetKind,
    split: Split,
    options: &SplitOptions,
) -> Result<ImageSet> {
    options.check()?;
    let layout = Layout::of(kind);
    let files = if split == Split::Test { &[layout.test][..] } else { layout.train };
    let (classes, records) = if is_archive(path) {
        if let Some(format) = foreign_archive(path) {
            return Err(DatasetError::Foreign { path: path.to_owned(), format });
        }
        from_archive(layout, path, files)?
    } else {
        from_folder(layout, path, files)?
    };
    let picked = match split {
        Split::Test => (0..records.len()).collect(),
        _ => divide(path, &classes, &records, split, options)?,
    };
    let group = if split == Split::Test { "test" } else { "train" };
    let sample = |idx: usize| Sample {
        name: format!("{group}/{idx:05}"),
        label: records[idx].label,
        chip: records[idx].chip(),
    };
    let samples = picked.into_par_iter().map(sample).collect();
    let folder = layout.folder(path).filter(|_| !is_archive(path));
    let notes = folder.map_or(Ok(None), |folder| crate::layout::skipped_in(&folder))?;
    Ok(ImageSet { classes, samples, notes: notes.into_iter().collect() })
}

/// Positions of the records of a split, in the order of the file.
fn divide(
    path: &Path,
    classes: &[String],
    records: &[Record],
    split: Split,
    options: &SplitOptions,
) -> Result<Vec<usize>> {
    let mut by_class = vec![Vec::new(); classes.len()];
    for (idx, record) in records.iter().enumerate() {
        by_class[record.label].push(idx);
    }
    let mut picked = Vec::with_capacity(records.len());
    for (label, images) in by_class.into_iter().enumerate() {
        let n_images = images.len();
        let part = options.divide_records(images, label, split).map_err(|min| {
            let class = classes[label].clone();
            DatasetError::records(path, RecordsError::TooFewRecords { class, n_images, min })
        })?;
        picked.extend(part);
    }
    picked.sort_unstable();
    Ok(picked)
}

/// One record: its class, and its samples plane by plane.
struct Record {
    label: usize,
    planes: Box<[u8]>,
}

impl Record {
    fn chip(&self) -> Chip {
        let (red, rest) = self.planes.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        let mut samples = vec![0; 3 * PLANE];
        for (pixel, ((r, g), b)) in samples.chunks_exact_mut(3).zip(red.iter().zip(green).zip(blue))
        {
            pixel.copy_from_slice(&[*r, *g, *b]);
        }
        Chip::new(SIDE, SIDE, 3, Samples::Eight(samples))
    }
}

fn from_folder(layout: &Layout, path: &Path, files: &[&str]) -> Result<(Vec<String>, Vec<Record>)> {
    let folder = layout.folder(path).unwrap_or_else(|| path.to_owned());
    let open = |name: &str, limit: Limit| {
        let file = folder.join(name);
        match open_regular(&file, limit) {
            Ok(open) => Ok((file, open)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(missing(layout, path, name))
            }
            Err(reason) => Err(DatasetError::Io { path: file, reason }),
        }
    };
    let (file, mut open_names) = open(layout.names, NAMES)?;
    let io = |path: &Path, reason| DatasetError::Io { path: path.to_owned(), reason };
    let names = read_names(layout, &file, &mut open_names).map_err(|fault| fault.at(&file, io))?;
    let mut records = Vec::new();
    for name in files {
        let (file, open) = open(name, RECORDS)?;
        let reader = BufReader::with_capacity(1 << 18, open);
        records.extend(read_records(layout, &file, reader).map_err(|fault| fault.at(&file, io))?);
    }
    Ok((names, records))
}

/// Reads the archive to its end, so that its checksum is verified whatever split is wanted.
fn from_archive(
    layout: &Layout,
    path: &Path,
    files: &[&str],
) -> Result<(Vec<String>, Vec<Record>)> {
    let damaged = |_: &Path, error: io::Error| {
        // The reason may quote the damaged bytes, which are not for terminals.
        let reason = error.to_string();
        let is_text = reason.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        let reason = if is_text { reason } else { "its structure is broken".to_owned() };
        DatasetError::records(path, RecordsError::Archive { reason })
    };
    let io = |reason| DatasetError::Io { path: path.to_owned(), reason };
    let mut archive = open_archive(path).map_err(io)?;
    let mut names = None;
    let mut records: HashMap<String, Vec<Record>> = HashMap::new();
    for entry in archive.entries().map_err(|error| damaged(path, error))? {
        let mut entry = entry.map_err(|error| damaged(path, error))?;
        let Some(name) = member_name(&entry) else { continue };
        let member = path.join(entry.path().map_err(|error| damaged(path, error))?);
        if name == layout.names {
            let read = read_names(layout, &member, &mut entry);
            names = Some(read.map_err(|fault| fault.at(&member, damaged))?);
        } else if files.contains(&name.as_str()) {
            let read = read_records(layout, &member, &mut entry);
            records.insert(name, read.map_err(|fault| fault.at(&member, damaged))?);
        }
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| damaged(path, error))?;
    let names = names.ok_or_else(|| missing(layout, path, layout.names))?;
    let mut all = Vec::new();
    for name in files {
        all.append(&mut records.remove(*name).ok_or_else(|| missing(layout, path, name))?);
    }
    Ok((names, all))
}

/// File name of a plain file in an archive, at the top or one folder below.
fn member_name<R: Read>(entry: &tar::Entry<'_, R>) -> Option<String> {
    let path = entry.path().ok()?;
    let is_member = entry.header().entry_type().is_file() && path.components().count() <= 3;
    is_member.then(|| path.file_name().map(|name| name.to_string_lossy().into_owned()))?
}

fn missing(layout: &Layout, path: &Path, name: &str) -> DatasetError {
    let Layout { kind, folder, .. } = *layout;
    DatasetError::records(
        path,
        RecordsError::MissingMember { member: name.to_owned(), kind, folder },
    )
}

/// What went wrong in a file: its content, or reading it, which means another thing in an archive.
enum Fault {
    Content(DatasetError),
    Read(io::Error),
}

impl Fault {
    fn at(self, path: &Path, read: impl Fn(&Path, io::Error) -> DatasetError) -> DatasetError {
        match self {
            Self::Content(error) => error,
            Self::Read(error) => read(path, error),
        }
    }
}

fn read_names(layout: &Layout, path: &Path, reader: impl Read) -> Result<Vec<String>, Fault> {
    let fault = |problem| Err(Fault::Content(DatasetError::records(path, problem)));
    let mut bytes = Vec::new();
    reader.take(NAMES.bytes()).read_to_end(&mut bytes).map_err(Fault::Read)?;
    let text = text_of(&bytes);
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let n_classes = layout.n_classes();
    if names.len() != n_classes {
        let (n_names, kind) = (names.len(), layout.kind);
        return fault(RecordsError::ClassNames { n_names, kind, n_classes });
    }
    let repeated = (1..names.len()).find(|&idx| names[..idx].contains(&names[idx]));
    if let Some(idx) = repeated {
        return fault(RecordsError::RepeatedName { class: names[idx].clone() });
    }
    Ok(names)
}

fn read_records(layout: &Layout, path: &Path, mut reader: impl Read) -> Result<Vec<Record>, Fault> {
    let fault = |problem| Err(Fault::Content(DatasetError::records(path, problem)));
    let n_labels = layout.labels.len();
    let mut records = Vec::new();
    let mut bytes = vec![0; layout.record()];
    loop {
        let idx = records.len();
        let offset = idx as u64 * bytes.len() as u64;
        match read_full(&mut reader, &mut bytes).map_err(Fault::Read)? {
            0 if idx == 0 => {
                return fault(RecordsError::NoRecords { record: bytes.len() });
            }
            0 => return Ok(records),
            n_bytes if n_bytes < bytes.len() => {
                let expected = bytes.len();
                return fault(RecordsError::TruncatedRecord { idx, offset, n_bytes, expected });
            }
            _ if idx == MAX_RECORDS => {
                return fault(RecordsError::TooManyRecords { max: MAX_RECORDS });
            }
            _ => {}
        }
        for (&label, &(what, n_labels)) in bytes.iter().zip(layout.labels) {
            if usize::from(label) >= n_labels {
                let max = n_labels - 1;
                return fault(RecordsError::LabelRange { idx, offset, what, label, max });
            }
        }
        let label = usize::from(bytes[n_labels - 1]);
        records.push(Record { label, planes: bytes[n_labels..].into() });
    }
}

/// Text of UTF-8, or of what a byte-order mark says, as editors of Windows write it.
fn text_of(bytes: &[u8]) -> String {
    let words = |bytes: &[u8], word: fn([u8; 2]) -> u16| {
        let words: Vec<u16> = bytes.as_chunks().0.iter().map(|&bytes| word(bytes)).collect();
        String::from_utf16_lossy(&words)
    };
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text).into_owned(),
        [0xff, 0xfe, text @ ..] => words(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => words(text, u16::from_be_bytes),
        text => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Reads until the buffer is full or the file ends; returns the number of bytes read.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_read = 0;
    while n_read < buffer.len() {
        match reader.read(&mut buffer[n_read..]) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_read)
}
