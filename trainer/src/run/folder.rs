//! The folder of a run: made, resumed or replaced, locked, and never emptied of what somebody else put there.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dataset::TrainedImages;

use crate::limits::TOML;
use crate::network::architecture::Architecture;
use crate::run::options::TrainOptions;
use crate::run::{config, difference};
use crate::training::checkpoint;
use crate::training::outcome::{self, DataReport};
use crate::training::phase::Phase;
use crate::training::run_folder::RunFolder;
use crate::training::teacher::Teacher;

/// The options that a run folder was made with.
const CONFIG: &str = "config.toml";
/// How a line of it starts that is a comment for who repeats the run.
const DIGEST: &str = "# SHA-256 of the ";
/// What a run writes, beside its checkpoints and `lessons-*.safetensors`.
const OURS: [&str; 11] = [
    CONFIG,
    outcome::FILE,
    "metrics.jsonl",
    "network.json",
    "weights.safetensors",
    TrainedImages::FILE,
    "teacher.toml",
    "student.toml",
    "curves.svg",
    "confusion.svg",
    "per_class.svg",
];

/// What lies in a run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// No run.
    Nothing,
    /// Files that a run would write, without the options that they were made with: the first of them.
    Files(String),
    /// A run that differs, and in what.
    Other(String),
    /// The same run, with this many epochs done.
    Unfinished { n_epochs: usize },
    /// The same run, with its result.
    Finished,
}

/// Makes the run folder, or resumes what lies in it. Unasked, nothing that a run left is replaced.
///
/// | in the folder | no flag | `--resume` | `--replace` |
/// |---|---|---|---|
/// | no run | starts | starts, and says so | starts |
/// | the same run, unfinished | refused | goes on | starts over |
/// | the same run, finished | refused | nothing is trained again | starts over |
/// | another run, or files of one | refused | refused | starts over |
///
/// The folder is this process's own as long as the file lives that comes with it.
///
/// # Errors
/// A run that is refused or goes on elsewhere, or a folder that cannot be written; nothing in it has changed then.
pub(crate) fn open(
    options: &TrainOptions,
    data: &DataReport,
    networks: &[(Phase, &Architecture)],
    teacher: Option<&Teacher>,
) -> Result<(RunFolder, File)> {
    let path = options.output.clone().unwrap_or_else(|| default(options, &data.name));
    let shown = path.display();
    ensure!(
        !is_same(&path, Path::new(&options.teacher)),
        "{shown}: is the folder of the teacher; give another --output"
    );
    let config_path = path.join(CONFIG);
    if !options.resume {
        check_inputs(options, &path)?;
    }
    spec::files::make_folder(&path)?;
    let lock = lock(&path)?;
    let config = describe(options, data, teacher)?;
    let mut files: Vec<_> = networks
        .iter()
        .map(|(phase, network)| (path.join(format!("{phase}.toml")), network.definition.clone()))
        .collect();
    let found = if options.replace { Found::Nothing } else { find(&path, &config, &files)? };
    let resume = options.resume
        && match &found {
            Found::Unfinished { .. } | Found::Finished => true,
            Found::Nothing => {
                flow::progress::say(&format!("{shown}: holds no run to resume; starting one"));
                false
            }
            Found::Files(_) | Found::Other(_) => false,
        };
    if !resume {
        refuse(&found, shown)?;
        files.push((config_path, config));
        remove_old(&path)?;
        for (path, text) in &files {
            spec::files::write_atomically(path, text.as_bytes())?;
        }
    }
    Ok((RunFolder { path, resume }, lock))
}

/// Refuses a folder in which the run would write over what it reads, or among its images.
fn check_inputs(options: &TrainOptions, path: &Path) -> Result<()> {
    let texts = [&options.teacher, &options.student].map(PathBuf::from);
    let texts = texts.into_iter().filter(|path| path.is_file());
    let expected = options.expect.iter().flat_map(|path| spec::files::network_files(path));
    let data = Path::new(&options.data);
    let inputs = texts.chain(expected).chain(options.config.clone()).chain([data.to_owned()]);
    let outputs = spec::files::Outputs::new(false).reading(inputs);
    for name in OURS {
        outputs.own(&path.join(name)).context("give another --output")?;
    }
    Ok(())
}

/// Tells what to do with a run that nobody said anything about.
fn refuse(found: &Found, shown: std::path::Display) -> Result<()> {
    match found {
        Found::Nothing => Ok(()),
        Found::Files(name) => bail!(
            "{shown}: holds {name}, which a run would replace and no run here made; give another --output, or --replace"
        ),
        Found::Other(what) => bail!(
            "{shown}: holds another run: {what}; give the same, or another --output, or --replace to remove it and start over"
        ),
        Found::Unfinished { n_epochs } => bail!(
            "{shown}: holds this run, unfinished after {n_epochs} epochs; give --resume to go on, or --replace to start over"
        ),
        Found::Finished => bail!(
            "{shown}: holds this run, finished; give --resume to see its result again, or --replace to start over, or \
             another --output"
        ),
    }
}

/// Looks at what lies in a folder; `files` are what the run to come would write there beside its options.
fn find(path: &Path, config: &str, files: &[(PathBuf, String)]) -> Result<Found> {
    let config_path = path.join(CONFIG);
    if !config_path.exists() {
        // A start that was cut off leaves the networks' definitions, as they would be written now.
        let is_same = |name: &Path| {
            files.iter().any(|(path, text)| {
                path == name && spec::files::read_text(path, TOML).is_ok_and(|there| there == *text)
            })
        };
        let mut ours = ours(path)?;
        ours.retain(|path| !is_same(path));
        let name = |path: PathBuf| path.file_name().unwrap_or_default().display().to_string();
        return Ok(ours.into_iter().next().map_or(Found::Nothing, |path| Found::Files(name(path))));
    }
    if let Some(different) = different(&config_path, config, files)? {
        return Ok(Found::Other(different));
    }
    if path.join(outcome::FILE).exists() {
        return Ok(Found::Finished);
    }
    let n_epochs = Phase::ALL.map(|phase| {
        // One that is damaged is told when it is read.
        checkpoint::n_epochs(&path.join(format!("{phase}.safetensors"))).unwrap_or(0)
    });
    Ok(Found::Unfinished { n_epochs: n_epochs.iter().sum() })
}

/// Removes the result of a finished run, which goes on because some of its epochs are missing.
pub(crate) fn forget_result(folder: &RunFolder) -> Result<()> {
    Ok(spec::files::remove(&folder.path.join(outcome::FILE))?)
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
    for file in ours(path)? {
        spec::files::remove(&file)
            .with_context(|| format!("{}: an old run cannot be removed", path.display()))?;
    }
    Ok(())
}

/// Files in the folder that are named as a run names its own. The options come last: a removal that is cut off leaves them.
pub(crate) fn ours(path: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("{}: cannot be read", path.display());
    let phases = Phase::ALL.map(Phase::name);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_tensors = |stem: &str| stem.starts_with("lessons-") || phases.contains(&stem);
        if OURS.contains(&name.as_str())
            || name.strip_suffix(".safetensors").is_some_and(is_tensors)
        {
            files.push(path);
        }
    }
    files.sort_by_key(|path| (path.ends_with(CONFIG), path.clone()));
    Ok(files)
}
