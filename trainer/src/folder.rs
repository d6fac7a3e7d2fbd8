//! The folder of a run: made or resumed, locked, and never emptied of what somebody else put there.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::architecture::Architecture;
use crate::config;
use crate::fit::RunFolder;
use crate::options::TrainOptions;
use crate::report::{self, DataReport};
use crate::run::Images;
use crate::{student, teacher};

/// The options that a run folder was made with.
const CONFIG: &str = "config.toml";
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
    let config = describe(options, &images.data)?;
    let mut files = vec![(config_path.clone(), config)];
    for (phase, network) in networks {
        files.push((path.join(format!("{phase}.toml")), network.definition.clone()));
    }
    if config_path.exists() {
        for (path, text) in &files {
            let stored = std::fs::read_to_string(path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            ensure!(
                stored == *text,
                "{shown}: holds a run with another {}, so other options, images or networks; give the same ones, or \
                 another --output, or remove the folder",
                path.file_name().unwrap_or_default().display()
            );
        }
    }
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

/// The options, and the images by their digests.
fn describe(options: &TrainOptions, data: &DataReport) -> Result<String> {
    let mut text = String::new();
    for (part, digest) in [
        ("training", &data.sha256_train),
        ("validation", &data.sha256_validation),
        ("test", &data.sha256_test),
    ] {
        text += &format!("# SHA-256 of the {part} images: {digest}\n");
    }
    Ok(text + &config::to_toml(options)?)
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
