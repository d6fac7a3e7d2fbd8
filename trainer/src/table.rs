//! Many trainings as one table: every row over several seeds, several runs at once, resumable; then means, spreads, costs
//! on the accelerator, and a plain statement of who wins.
//!
//! In: a [`definition`] and data. Out: a run folder for each row and seed, `table.md` and `table.json` beside them. Each run
//! is a child process of this program, which knows it by its command line, its `result.json` and a record of all that the
//! result follows from ([`schedule`], [`result`]); what lies there with another record is neither printed nor replaced unasked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::interruption::INTERRUPTED;
use crate::limits;
use crate::printing::Printed;
use crate::run::config;
use crate::run::difference;
use crate::run::options::TrainOptions;

pub mod definition;
pub mod hardware;
pub mod render;
pub mod result;
pub mod schedule;
pub mod statistics;
pub mod summary;

use definition::{Row, Table};
use schedule::{Job, Outcome};
use summary::{Summary, run_folder};

/// How a table is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people and READMEs.
    #[default]
    Markdown,
    /// One JSON object.
    Json,
}

/// Options of `trainer table`.
#[derive(Debug, Clone, Args)]
pub struct TableOptions {
    /// `mstar`, `cifar100`, `sar-sim`, or a .toml file
    #[arg(value_name = "NAME|FILE.toml")]
    pub table: String,
    /// Data of every run, as `trainer train` takes it [default: what the table says]
    #[arg(long)]
    pub data: Option<String>,
    /// Folder of the runs [default: runs/table-NAME]
    #[arg(long)]
    pub output: Option<PathBuf>,
    /// Runs at once [default: one a core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Seeds 1 to this of every row
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub seeds: u16,
    /// Only these rows, by name, group or run folder, and their teachers
    #[arg(long, value_delimiter = ',', value_name = "ROWS")]
    pub rows: Vec<String>,
    /// Change an option of `trainer train` in every row; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub changes: Vec<String>,
    /// Train again, and remove, what lies there of other options, networks or images
    #[arg(long, conflicts_with = "no_train")]
    pub replace: bool,
    /// Train nothing: print what is done
    #[arg(long)]
    pub no_train: bool,
    /// Leave out ROM bytes and cycles, for which the RTL is simulated
    #[arg(long)]
    pub no_hardware: bool,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Program that is started for each run instead of this one
    #[arg(long, hide = true)]
    pub trainer: Option<PathBuf>,
}

/// The files of the table, beside its runs.
const MARKDOWN: &str = "table.md";
const JSON: &str = "table.json";

/// Runs what is missing, then gathers and writes the table.
///
/// # Errors
/// A table that breaks a rule, missing data or programs, results that do not belong together, or Ctrl-C. Runs that fail
/// are no error here: the others go on, and [`Printed::failure`] says which.
pub fn run(options: &TableOptions) -> Result<Printed> {
    let mut table = Table::named(&options.table, &options.changes)?;
    if !options.rows.is_empty() {
        table.select(&options.rows)?;
    }
    let teachers = table.needed_teachers(&options.rows);
    let data = options.data.clone().or_else(|| table.data.clone());
    let data = data.with_context(|| format!("table {} names no data; give --data", table.name))?;
    let n_seeds = usize::from(options.seeds);
    let output =
        options.output.clone().unwrap_or_else(|| format!("runs/table-{}", table.name).into());
    let trainer = match &options.trainer {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("this program does not find itself")?,
    };

    let jobs = jobs(&table, &teachers, &data, &output, n_seeds, images_described_once())?;
    check_output(&output)?;
    let mut failed = Vec::new();
    if !options.no_train {
        if !options.replace {
            refuse_others(&jobs)?;
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let n_parallel = options.jobs.map_or(cores, usize::from);
        let outcomes = schedule::run_all(&jobs, &trainer, n_parallel);
        if INTERRUPTED.load(Ordering::Relaxed) {
            let is_done =
                |outcome: &&Outcome| matches!(outcome, Outcome::Skipped | Outcome::Finished);
            bail!(
                "interrupted; {} of {} runs are done, the others keep their checkpoints in {}, and the same command goes \
                 on from there",
                outcomes.iter().filter(is_done).count(),
                jobs.len(),
                output.display()
            );
        }
        let all = jobs.iter().zip(outcomes);
        failed.extend(all.filter_map(|(job, outcome)| {
            matches!(outcome, Outcome::Failed(_)).then(|| job.name.clone())
        }));
    }

    let command = command(options, &table, &data);
    let date = time::OffsetDateTime::now_utc().date().to_string();
    let context =
        summary::Context { output: &output, jobs: &jobs, n_seeds, date: &date, command: &command };
    let mut unmeasured = Vec::new();
    let measure = |folder: &Path| {
        let measured = (!options.no_hardware).then(|| hardware::measure(folder))?;
        measured.map_err(|error| unmeasured.push(format!("{}: {error:#}", folder.display()))).ok()
    };
    let summary = summary::gather(&table, &teachers, context, measure)?;
    let nothing = summary.teachers.is_empty() && summary.groups.iter().all(|g| g.rows.is_empty());
    ensure!(
        !(nothing && failed.is_empty()),
        "{}: no run is done with these options on this data; leave --no-train out to train",
        output.display()
    );
    let mut failures = Vec::new();
    if !failed.is_empty() {
        failures.push(format!(
            "{} of the runs failed: {}; the same command tries them again",
            failed.len(),
            failed.join(", ")
        ));
    }
    if let Some(first) = unmeasured.first() {
        failures.push(format!(
            "ROM bytes and cycles of {} rows cannot be had, first {first}",
            unmeasured.len()
        ));
    }
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    let (markdown, json) = (render::markdown(&summary), to_json(&summary));
    spec::files::write_atomically(&output.join(MARKDOWN), markdown.as_bytes())?;
    spec::files::write_atomically(&output.join(JSON), json.as_bytes())?;
    let text = match options.format {
        Format::Markdown => markdown,
        Format::Json => json,
    };
    Ok(Printed { text, failure })
}

/// Refuses to write the table over files of its name that no table wrote: the JSON file tells.
fn check_output(output: &Path) -> Result<()> {
    let json = output.join(JSON);
    let text = spec::files::read_text(&json, limits::JSON).unwrap_or_default();
    let stored: Value = serde_json::from_str(&text).unwrap_or_default();
    let is_table = ["format_version", "table", "command", "teachers", "groups"]
        .iter()
        .all(|key| stored.get(key).is_some());
    for path in [output.join(MARKDOWN), json] {
        spec::files::Outputs::new(false).own(&path)?;
        ensure!(
            is_table || !path.exists(),
            "{}: is there, and no table that this program wrote; move it, or give another --output",
            path.display()
        );
    }
    Ok(())
}

/// Refuses to train where runs of other options, networks or images lie.
fn refuse_others(jobs: &[Job]) -> Result<()> {
    let mut others = Vec::new();
    for job in jobs {
        let stored = schedule::read_record(&job.folder)?;
        if let Some(what) = stored.and_then(|stored| difference::first(&stored, &job.record)) {
            others.push((job, what));
        }
    }
    if let Some((job, what)) = others.first() {
        bail!(
            "{} of the table's runs lie there as others, such as {} ({what}); give another --output, or --replace to \
             train them again and lose what is there",
            others.len(),
            job.folder.display()
        );
    }
    Ok(())
}

/// Digests of the images of a run, which are read once for all runs that divide them alike.
fn images_described_once() -> impl FnMut(&TrainOptions) -> Result<Value> {
    let mut known = std::collections::BTreeMap::new();
    move |options| {
        let key = json!([
            options.data,
            options.dataset,
            options.split_seed,
            options.validation,
            options.train_images
        ])
        .to_string();
        if let Some(images) = known.get(&key) {
            return Ok(Value::clone(images));
        }
        let data = options.data_options()?.describe()?;
        let images = json!({
            "sha256_train": data.sha256_train,
            "sha256_validation": data.sha256_validation,
            "sha256_test": data.sha256_test,
        });
        known.insert(key, images.clone());
        Ok(images)
    }
}

fn to_json(summary: &Summary) -> String {
    let json = serde_json::to_string_pretty(summary);
    json.expect("a summary has no maps with keys that are not text") + "\n"
}

/// All runs: teachers first, then seed by seed, so that an interrupted table has whole seeds. `images` tells the images
/// of a run apart from others.
///
/// # Errors
/// Data that cannot be read, or options that do not go with it.
pub fn jobs(
    table: &Table,
    teachers: &[usize],
    data: &str,
    output: &Path,
    n_seeds: usize,
    mut images: impl FnMut(&TrainOptions) -> Result<Value>,
) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let mut teacher_jobs = std::collections::BTreeMap::new();
    for seed in 1..=if table.one_teacher { 1 } else { n_seeds } {
        for &idx in teachers {
            teacher_jobs.insert((idx, seed), jobs.len());
            jobs.push(new_job(&table.teachers[idx], seed, data, output, None, &mut images)?);
        }
    }
    for seed in 1..=n_seeds {
        for row in table.groups.iter().flat_map(|group| &group.rows) {
            let teacher_seed = if table.one_teacher { 1 } else { seed };
            let needs = row.teacher.map(|idx| teacher_jobs[&(idx, teacher_seed)]);
            let teacher = needs.map(|idx| (idx, &jobs[idx]));
            let job = new_job(row, seed, data, output, teacher, &mut images)?;
            jobs.push(job);
        }
    }
    Ok(jobs)
}

fn new_job(
    row: &Row,
    seed: usize,
    data: &str,
    output: &Path,
    teacher: Option<(usize, &Job)>,
    images: &mut impl FnMut(&TrainOptions) -> Result<Value>,
) -> Result<Job> {
    let folder = run_folder(output, row, seed);
    let mut arguments = vec!["train".to_owned(), "--data".to_owned(), data.to_owned()];
    arguments.extend(row.flags.iter().cloned());
    if let Some((_, teacher)) = teacher {
        arguments.extend(["--teacher".to_owned(), teacher.folder.display().to_string()]);
    }
    arguments.extend(["--seed".to_owned(), seed.to_string()]);
    arguments.extend(["--output".to_owned(), folder.display().to_string()]);
    let name = format!("{} seed {seed}", row.id);
    let flags: Vec<OsString> = arguments[1..].iter().map(Into::into).collect();
    let context = || format!("{name}: trainer train refuses it");
    let options = config::parse(flags.iter().cloned()).with_context(context)?;
    let options = config::complete(&options, &flags).with_context(context)?;
    let images = images(&options)?;
    let mut options = options.to_json(&data_name(data))?;
    if let Some((_, teacher)) = teacher {
        // Not by its folder, which may be moved with the table's.
        options.insert("teacher".to_owned(), json!(teacher.name));
    }
    let record = json!({
        "options": options,
        "images": images,
        "network": row.network,
        "teacher": teacher.map(|(_, teacher)| &teacher.record),
    });
    Ok(Job { name, folder, arguments, record, needs: teacher.map(|(idx, _)| idx) })
}

/// Data by name: where it lies changes nothing.
fn data_name(data: &str) -> String {
    let name = Path::new(data).file_name();
    name.map_or_else(|| data.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The command that repeats the table, with a name in place of the data's path.
fn command(options: &TableOptions, table: &Table, data: &str) -> String {
    let shown =
        |name: &str| if name.ends_with(".toml") { data_name(name) } else { name.to_owned() };
    let mut command = format!("trainer table {}", shown(&options.table));
    if table.data.as_deref() != Some(data) {
        command += &format!(" --data {}", data_name(data));
    }
    command += &format!(" --seeds {}", options.seeds);
    if !options.rows.is_empty() {
        command += &format!(" --rows {}", options.rows.join(","));
    }
    for change in &options.changes {
        command += &format!(" --set {change}");
    }
    command
}
