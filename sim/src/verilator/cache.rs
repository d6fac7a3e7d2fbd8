//! The folder of compiled models: what lies there, whether it is whole, and who builds.
//!
//! `KEY-COMPILER.so` is a model. KEY stands for everything that its bits and its processor depend on, and COMPILER for who
//! compiled it, which only its speed depends on; neither needs a tool to run. The record beside it, `KEY-COMPILER.json`,
//! holds the library's digest: a library that was cut off would end this process when it is called.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spec::files::{self, Limit};
use spec::hex_digest;

use crate::SimError;

/// A model's library, or an object that becomes part of it.
const LIBRARY: Limit = Limit::new("a compiled model", 1 << 30);
const RECORD: Limit = Limit::new("the record of a compiled model", 1 << 20);
/// The record of a folder of objects.
const OBJECTS: &str = "objects.json";

/// Digests of files by name, as the file beside them holds them.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Record {
    format: String,
    format_version: u32,
    sha256: BTreeMap<String, String>,
}

impl Record {
    /// Of files as they are now.
    fn of(paths: &[PathBuf]) -> Result<Self, SimError> {
        let digest = |path: &PathBuf| {
            let bytes = files::read_regular(path, LIBRARY).map_err(cache_error(path))?;
            Ok((name(path), hex_digest(&bytes)))
        };
        let sha256 = paths.iter().map(digest).collect::<Result<_, SimError>>()?;
        Ok(Self { format: "twofold-model".to_owned(), format_version: 1, sha256 })
    }

    /// Whether the record at `path` is that of these files.
    fn is_at(path: &Path, of: &[PathBuf]) -> bool {
        let text = files::read_text(path, RECORD).ok();
        let record = text.and_then(|text| serde_json::from_str::<Self>(&text).ok());
        record.is_some_and(|record| Self::of(of).is_ok_and(|now| now == record))
    }

    fn write(&self, path: &Path) -> Result<(), SimError> {
        let json = serde_json::to_string_pretty(self).expect("keys are strings") + "\n";
        Ok(files::write_atomically(path, json.as_bytes())?)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The model of a key: that of this compiler, or of any where there is no compiler.
pub(super) fn find(cache: &Path, key: &str, compiler: Option<&str>) -> Option<PathBuf> {
    if let Some(compiler) = compiler {
        return Some(library(cache, key, compiler)).filter(|path| is_usable(path));
    }
    let entries = fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path());
    let is_of_key = |path: &PathBuf| {
        let name = name(path);
        name.starts_with(&format!("{key}-")) && name.ends_with(".so")
    };
    let mut models: Vec<_> = entries.filter(is_of_key).collect();
    models.sort();
    models.into_iter().find(|path| is_usable(path))
}

/// Where the model of a key and a compiler lies.
pub(super) fn library(cache: &Path, key: &str, compiler: &str) -> PathBuf {
    cache.join(format!("{key}-{compiler}.so"))
}

/// Whether a model is there and has the digest of its record.
pub(super) fn is_whole(path: &Path) -> bool {
    Record::is_at(&path.with_extension("json"), &[path.to_owned()])
}

/// The same; says so if it is there and has not.
fn is_usable(path: &Path) -> bool {
    let is_whole = is_whole(path);
    if !is_whole && path.exists() {
        eprintln!(
            "note: the compiled model {} is not the one that was built, or was cut off; it is built again",
            path.display()
        );
    }
    is_whole
}

/// Puts a built library into the cache, its record first: a library without a record is not used.
pub(super) fn add(built: &Path, path: &Path) -> Result<(), SimError> {
    let Record { format, format_version, sha256 } = Record::of(&[built.to_owned()])?;
    let sha256 = sha256.into_values().map(|digest| (name(path), digest)).collect();
    Record { format, format_version, sha256 }.write(&path.with_extension("json"))?;
    fs::rename(built, path).map_err(cache_error(path))
}

/// Whether the objects of a folder have the digests of their record.
pub(super) fn has_objects(folder: &Path, objects: &[PathBuf]) -> bool {
    Record::is_at(&folder.join(OBJECTS), objects)
}

/// Records the objects of a folder.
pub(super) fn record_objects(folder: &Path, objects: &[PathBuf]) -> Result<(), SimError> {
    Record::of(objects)?.write(&folder.join(OBJECTS))
}

/// Makes the cache's folder and holds one of its locks until the file is dropped.
pub(super) fn lock(cache: &Path, key: &str) -> Result<File, SimError> {
    files::make_folder(cache)?;
    let path = cache.join(format!(".lock-{}", &key[..1]));
    let file = files::open_append(&path)?;
    file.lock().map_err(cache_error(&path))?;
    Ok(file)
}

pub(super) fn cache_error(path: &Path) -> impl Fn(std::io::Error) -> SimError + use<> {
    let path = path.to_owned();
    move |source| SimError::Cache { path: path.clone(), source }
}
