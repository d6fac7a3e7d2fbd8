//! The folder of a run: made or resumed, locked, and never emptied of what somebody else put there.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::architecture::Architecture;
use crate::config;
use crate::difference;
use crate::fit::RunFolder;
use crate::limits::TOML;
use crate::options::TrainOptions;
use crate::report::{self, DataReport};
use crate::run::Images;
use crate::student;
use crate::teacher::{self, Teacher};

/// The options that a run folder was made with.
const CONFIG: &str = "config.toml";
/// How a line of it starts that is a comment for who repeats the run.
const DIGEST: &str = "# SHA-256 of the ";
/// What a run writes, beside its checkpoints and `lessons-*.safetensors`.
const OURS: [&str; 10] = [
    CONFIG,
    report::FILE,
    "metrics.jsonl",
    "network.json",
    "weights.safetensors",
    "teacher.toml",
    "student.toml",
    "curves.svg",
    "confusion.svg",
    "per_class.svg",
];

/// Makes the run folder, or checks that the one to resume had the same options, networks and images.
///
/// The folder is this process's own as long as the file lives that comes with it.
///
/// # Errors
/// A folder in which another run lies or goes on, or that cannot be written; nothing in it has changed then.
pub(crate) fn open(
    options: &TrainOptions,
    images: &Images,
    networks: &[(&str, &Architecture)],
    teacher: Option<&Teacher>,
) -> Result<(RunFolder, File)> {
    let path = options.output.clone().unwrap_or_else(|| default(options, &images.data.name));
    let shown = path.display();
    ensure!(
        !is_same(&path, Path::new(&options.teacher)),
        "{shown}: is the folder of the teacher; give another --output"
    );
    let config_path = path.join(CONFIG);
    if options.resume {
        ensure!(
            config_path.exists(),
            "{shown}: holds no run to resume; leave --resume out to start one"
        );
    }
    std::fs::create_dir_all(&path)
        .with_context(|| format!("{shown}: the run folder cannot be made"))?;
    let lock = lock(&path)?;
    let config = describe(options, &images.data, teacher)?;
    let mut files: Vec<_> = networks
        .iter()
        .map(|(phase, network)| (path.join(format!("{phase}.toml")), network.definition.clone()))
        .collect();
    if config_path.exists() {
        let different = different(&config_path, &config, &files)?;
        ensure!(
            different.is_none(),
            "{shown}: holds another run: {}; give the same, or another --output, or remove the folder",
            different.unwrap_or_default()
        );
    }
    files.push((config_path, config));
    if !options.resume {
        remove_old(&path)?;
        for (path, text) in &files {
            spec::files::write_atomically(path, text.as_bytes())?;
        }
    }
    Ok((RunFolder { path, resume: options.resume }, lock))
}

/// Removes the result of a finished run, which goes on because some of its epochs are missing.
pub(crate) fn forget_result(folder: &RunFolder) -> Result<()> {
    let path = folder.path.join(report::FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("{}: cannot be removed", path.display())),
    }
}

/// Where a run goes that was not told.
fn default(options: &TrainOptions, data: &str) -> PathBuf {
    let stem =
        |name: &str| Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (name, sparsity) = match options.student.as_str() {
        "none" => (stem(&options.teacher), "teacher".to_owned()),
        student => (stem(student), options.sparsity_name()),
    };
    Path::new("runs").join(format!("{}-{name}-{sparsity}", stem(data)))
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn lock(path: &Path) -> Result<File> {
    let shown = path.display();
    let folder = File::open(path).with_context(|| format!("{shown}: cannot be opened"))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "{shown}: another process trains in this folder; wait for it, or give another --output"
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{shown}: cannot be locked"))
        }
    }
}

/// The options; the images, and a teacher from elsewhere, by their digests.
fn describe(
    options: &TrainOptions,
    data: &DataReport,
    teacher: Option<&Teacher>,
) -> Result<String> {
    let mut text = String::new();
    let digests = [
        ("training images", Some(data.sha256_train.clone())),
        ("validation images", Some(data.sha256_validation.clone())),
        ("test images", Some(data.sha256_test.clone())),
        ("teacher's checkpoint", teacher.map(Teacher::digest).transpose()?),
    ];
    for (what, digest) in digests {
        if let Some(digest) = digest {
            text += &format!("{DIGEST}{what}: {digest}\n");
        }
    }
    Ok(text + &config::to_toml(options)?)
}

/// What the run in a folder differs in from the one that `config` and `files` describe. Where the data lies is no
/// difference.
fn different(
    config_path: &Path,
    config: &str,
    files: &[(PathBuf, String)],
) -> Result<Option<String>> {
    let read = |path: &Path| {
        spec::files::read_text(path, TOML)
            .with_context(|| format!("{}: cannot be read", path.display()))
    };
    let stored = read(config_path)?;
    let options = |text: &str| -> Result<serde_json::Value> {
        let mut table: toml::Table =
            text.parse().with_context(|| format!("{}: damaged", config_path.display()))?;
        table.remove("data");
        Ok(serde_json::to_value(table)?)
    };
    let option = difference::first(&options(&stored)?, &options(config)?);
    if option.is_some() {
        return Ok(option);
    }
    let digests = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(DIGEST)?.split_once(": "));
        lines.map(|(what, digest)| (what.to_owned(), digest.to_owned())).collect()
    };
    let (there, here) = (digests(&stored), digests(config));
    if let Some(what) = here.keys().find(|what| there.get(*what) != here.get(*what)) {
        return Ok(Some(format!("it has another SHA-256 of the {what}")));
    }
    for (path, text) in files {
        if read(path)? != *text {
            let name = path.file_name().unwrap_or_default().display();
            return Ok(Some(format!("its {name} says another network")));
        }
    }
    Ok(None)
}

/// Removes what an earlier run left in the folder.
fn remove_old(path: &Path) -> Result<()> {
    let shown = path.display();
    let context = || format!("{shown}: an old run cannot be removed");
    let phases = [teacher::PHASE, student::PHASE, student::QAT_PHASE];
    for entry in std::fs::read_dir(path).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_tensors = |stem: &str| stem.starts_with("lessons-") || phases.contains(&stem);
        if OURS.contains(&name.as_str())
            || name.strip_suffix(".safetensors").is_some_and(is_tensors)
        {
            std::fs::remove_file(&path).with_context(context)?;
        }
    }
    Ok(())
}
