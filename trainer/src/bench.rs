//! Images a second of training, beside the same network in Python PyTorch.
//!
//! Both train on random int8 images that lie in memory, with the same batch and number of threads, turn by turn: one epoch
//! here, one epoch there, so that what else the machine does meets both; with one thread, seconds are of processor time, to
//! which the load of the machine adds little. Here an epoch is what [`crate::training::fit`] runs; there it
//! is `scripts/bench_training.py`, which builds the network from the same definition.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use dataset::Random;
use flow::progress::Progress;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spec::{Preprocess, Shape};
use tch::{Device, Tensor};

use crate::interruption::INTERRUPTED;
use crate::memory;
use crate::network::architecture::Architecture;
use crate::network::data::Labeled;
use crate::network::forward::Mode;
use crate::network::model::Model;
use crate::run::config;
use crate::table;
use crate::training::checkpoint::State;
use crate::training::fit::{Epoch, one_epoch};
use crate::training::options::FitOptions;

const IMAGE: Shape = Shape { height: 64, width: 64, channels: 1 };
const N_CLASSES: usize = 10;
const SEED: u64 = 1;
/// Batches before the clock runs.
const N_WARM_UP: usize = 4;
/// So many epochs are never reached: the learning rate stays in its warm-up, and with it every number finite.
const N_EPOCHS: usize = 1_000_000;

/// Options of `trainer bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchOptions {
    /// Networks to train
    #[arg(long, value_delimiter = ',', default_value = "s2d,s2d_s,a-convnet")]
    pub networks: Vec<String>,
    /// Images of a batch
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..))]
    pub batch: u16,
    /// Batches of an epoch
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub batches: u16,
    /// Epochs of each side
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Processor threads of each side
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// A Python that has PyTorch
    #[arg(long, default_value = ".tools/pytorch/bin/python")]
    pub python: PathBuf,
    /// The program that it runs
    #[arg(long, default_value = "scripts/bench_training.py")]
    pub script: PathBuf,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: table::Format,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Layout of this object.
    pub format_version: u32,
    /// Images of a batch.
    pub batch: usize,
    /// Images of an epoch.
    pub n_images: usize,
    /// Epochs of each side.
    pub n_rounds: usize,
    /// Processor threads of each side.
    pub n_threads: usize,
    /// Version that Python brought.
    pub pytorch_version: String,
    /// One line each.
    pub networks: Vec<NetworkReport>,
}

/// One network on all sides; medians over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkReport {
    /// Its name.
    pub network: String,
    /// Here.
    pub images_per_second: f64,
    /// PyTorch as it comes.
    pub pytorch_images_per_second: f64,
    /// Ours over PyTorch's, in turn.
    pub ratio: f64,
    /// PyTorch told to lay maps out as we do (channels innermost), with our allocator settings.
    pub tuned_images_per_second: f64,
    /// Ours over that, in turn.
    pub ratio_to_tuned: f64,
}

/// A Python process that trains an epoch whenever it is asked to.
struct Python {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    said: Hello,
}

/// What the Python process says first.
#[derive(Debug, Deserialize)]
struct Hello {
    torch: String,
    n_parameters: usize,
}

/// A network and its images on our side.
struct Ours {
    model: Model,
    options: FitOptions,
    images: Epoch,
    state: State,
    n_threads: u16,
}

/// Measures each network in turn.
///
/// # Errors
/// A Python without PyTorch, a network that it builds otherwise than we do, or Ctrl-C.
pub fn run(options: &BenchOptions) -> Result<BenchReport> {
    ensure!(
        options.python.exists() || options.python.components().count() == 1,
        "{}: no Python there; `make bench` sets one up with PyTorch, or name one that has it with --python",
        options.python.display()
    );
    tch::set_num_threads(i32::from(options.threads));
    let n_rounds = options.networks.len() * usize::from(options.rounds);
    let progress = Progress::new("bench", n_rounds as u64, "rounds");
    let mut versions = Vec::new();
    let mut networks = Vec::new();
    for name in &options.networks {
        let architecture = Architecture::named(name)?;
        let mut plain = Python::start(options, &architecture, false)?;
        let mut tuned = Python::start(options, &architecture, true)?;
        let mut ours = Ours::new(architecture, options)?;
        plain.check(name, ours.model.n_parameters())?;
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            if INTERRUPTED.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            rounds.push([ours.epoch()?, plain.epoch()?, tuned.epoch()?]);
            progress.step(name);
        }
        versions.push(plain.said.torch.clone());
        networks.push(report(name, &rounds, n_images(options)));
    }
    progress.clear();
    versions.dedup();
    Ok(BenchReport {
        format_version: 1,
        batch: usize::from(options.batch),
        n_images: n_images(options),
        n_rounds: usize::from(options.rounds),
        n_threads: usize::from(options.threads),
        pytorch_version: versions.join(", "),
        networks,
    })
}

fn n_images(options: &BenchOptions) -> usize {
    usize::from(options.batch) * usize::from(options.batches)
}

/// Medians of rounds of seconds: ours, PyTorch's, tuned PyTorch's.
fn report(network: &str, rounds: &[[f64; 3]], n_images: usize) -> NetworkReport {
    let over_rounds = |value: &dyn Fn(&[f64; 3]) -> f64| median(rounds.iter().map(value).collect());
    let n = n_images as f64;
    NetworkReport {
        network: network.to_owned(),
        images_per_second: over_rounds(&|round| n / round[0]),
        pytorch_images_per_second: over_rounds(&|round| n / round[1]),
        ratio: over_rounds(&|round| round[1] / round[0]),
        tuned_images_per_second: over_rounds(&|round| n / round[2]),
        ratio_to_tuned: over_rounds(&|round| round[2] / round[0]),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The report as a Markdown table, or as JSON.
///
/// # Errors
/// None that a report can cause.
pub fn render(report: &BenchReport, format: table::Format) -> Result<String> {
    if format == table::Format::Json {
        return Ok(serde_json::to_string_pretty(report)?);
    }
    let mut text = format!(
        "training, batch {}, {} thread{}, PyTorch {}; medians of {} rounds of {} images{}\n\n",
        report.batch,
        report.n_threads,
        if report.n_threads == 1 { "" } else { "s" },
        report.pytorch_version,
        report.n_rounds,
        report.n_images,
        if report.n_threads == 1 { ", a second of processor time" } else { "" }
    );
    text += "| network | images / s | PyTorch | ratio | PyTorch, tuned as we are | ratio |\n";
    text += "|---|---:|---:|---:|---:|---:|\n";
    for row in &report.networks {
        text += &format!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.2} |\n",
            row.network,
            row.images_per_second,
            row.pytorch_images_per_second,
            row.ratio,
            row.tuned_images_per_second,
            row.ratio_to_tuned
        );
    }
    Ok(text)
}

impl Ours {
    fn new(architecture: Architecture, options: &BenchOptions) -> Result<Self> {
        let step = Preprocess::sar(IMAGE.height).step();
        let model = Model::new(architecture, IMAGE, step, N_CLASSES, SEED, Device::Cpu)?;
        let fit = FitOptions {
            n_epochs: N_EPOCHS,
            batch: usize::from(options.batch),
            ..config::defaults().student_options().fit
        };
        let images = |n: usize| Epoch { labeled: random_images(n), teacher: None };
        let mut ours = Self {
            n_threads: options.threads,
            model,
            options: fit,
            images: images(n_images(options)),
            state: State::default(),
        };
        let warm_up = images(N_WARM_UP * usize::from(options.batch));
        one_epoch(
            &ours.model,
            &ours.options,
            &warm_up,
            Mode::Training,
            &mut ours.state,
            Path::new("bench"),
        )?;
        Ok(ours)
    }

    /// Seconds of one epoch.
    fn epoch(&mut self) -> Result<f64> {
        let Self { model, options, images, state, n_threads } = self;
        let started = clock(*n_threads)?;
        one_epoch(model, options, images, Mode::Training, state, Path::new("bench"))?;
        Ok((clock(*n_threads)? - started).as_secs_f64())
    }
}

/// Processor time of this process, which is what one thread took; the time of day for several.
fn clock(n_threads: u16) -> Result<Duration> {
    let clock = match n_threads {
        1 => ClockId::CLOCK_PROCESS_CPUTIME_ID,
        _ => ClockId::CLOCK_MONOTONIC,
    };
    Ok(clock_gettime(clock).context("the clock cannot be read")?.into())
}

fn random_images(n: usize) -> Labeled {
    let mut random = Random::new(&[SEED, n as u64]);
    let n_pixels = IMAGE.n_pixels() * IMAGE.channels;
    let bytes: Vec<i8> = (0..n * n_pixels).map(|_| random.bits() as i8).collect();
    let labels: Vec<i64> = (0..n).map(|_| (random.bits() % N_CLASSES as u64) as i64).collect();
    let sizes = [n, IMAGE.height, IMAGE.width, IMAGE.channels].map(|size| size as i64);
    Labeled { images: Tensor::from_slice(&bytes).view(sizes), labels: Tensor::from_slice(&labels) }
}

impl Python {
    /// Starts a process that builds the network and warms up.
    fn start(options: &BenchOptions, architecture: &Architecture, tuned: bool) -> Result<Self> {
        let definition: toml::Table = toml::from_str(&architecture.definition)
            .with_context(|| format!("network `{}`", architecture.name))?;
        let defaults = config::defaults();
        let task = json!({
            "network": definition,
            "image": { "height": IMAGE.height, "width": IMAGE.width, "channels": IMAGE.channels },
            "input_step": Preprocess::sar(IMAGE.height).step(),
            "n_classes": N_CLASSES,
            "batch": options.batch,
            "n_images": n_images(options),
            "n_warm_up": N_WARM_UP,
            "n_threads": options.threads,
            "weight_decay": defaults.weight_decay,
            "channels_last": tuned,
        });
        let mut command = Command::new(&options.python);
        command.arg(&options.script).stdin(Stdio::piped()).stdout(Stdio::piped());
        if !tuned {
            memory::SETTINGS.iter().for_each(|(name, _)| _ = command.env_remove(name));
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("{}: cannot be started", options.python.display()))?;
        let stdin = child.stdin.take().expect("it was asked for");
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let said = Hello { torch: String::new(), n_parameters: 0 };
        let mut python = Self { child, stdin, stdout, said };
        python.said = serde_json::from_value(python.ask(&task)?)
            .context("the Python side says neither its version nor its parameters")?;
        Ok(python)
    }

    fn check(&self, network: &str, n_parameters: usize) -> Result<()> {
        ensure!(
            self.said.n_parameters == n_parameters,
            "network `{network}` has {} parameters in Python and {n_parameters} here: they are not the same",
            self.said.n_parameters
        );
        Ok(())
    }

    /// Seconds of one epoch.
    fn epoch(&mut self) -> Result<f64> {
        let said = self.ask(&json!("epoch"))?;
        said["seconds"].as_f64().context("the Python side gives no seconds")
    }

    /// One line there, one line back.
    fn ask(&mut self, line: &Value) -> Result<Value> {
        let asked = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush());
        let mut answer = String::new();
        if asked.is_err() || self.stdout.read_line(&mut answer)? == 0 {
            bail!("the Python side ended: {}; what it said is above", self.child.wait()?);
        }
        serde_json::from_str(&answer).with_context(|| format!("the Python side said {answer:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    /// Stands in for Python: says what its first argument, the "script", holds, and notes what it is told.
    fn options(folder: &Path, answers: &str) -> BenchOptions {
        let (python, script) = (folder.join("python"), folder.join("script"));
        let program = "#!/bin/sh\nread task\n. \"$1\"\n";
        std::fs::write(&python, program).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&python, executable).unwrap();
        std::fs::write(&script, answers).unwrap();
        let command = BenchOptions::augment_args(clap::Command::new("bench"));
        let flags =
            ["bench", "--networks", "s2d_s", "--batch", "4", "--batches", "1", "--rounds", "3"];
        let matches = command.get_matches_from(flags);
        BenchOptions { python, script, ..BenchOptions::from_arg_matches(&matches).unwrap() }
    }

    #[test]
    fn ratios_are_medians_over_rounds() {
        let rounds = [[1.0, 1.5, 1.25], [2.0, 2.0, 1.0], [1.0, 1.25, 2.0]];
        let report = report("x", &rounds, 100);
        assert_eq!(
            (report.images_per_second, report.pytorch_images_per_second),
            (100.0, 100.0 / 1.5)
        );
        assert_eq!((report.ratio, report.ratio_to_tuned), (1.25, 1.25));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn both_sides_train_turn_by_turn() {
        let folder = tempfile::tempdir().unwrap();
        let image = Ours::new(Architecture::named("s2d_s").unwrap(), &options(folder.path(), ""));
        let n_parameters = image.unwrap().model.n_parameters();
        let answers = format!(
            "echo '{{\"torch\": \"2.11.0\", \"n_parameters\": {n_parameters}}}'\n\
             while read line; do echo \"$line\" >> {}; echo '{{\"seconds\": 0.5}}'; done\n",
            folder.path().join("asked").display()
        );
        let report = run(&options(folder.path(), &answers)).unwrap();
        assert_eq!(report.networks[0].pytorch_images_per_second, 8.0);
        assert!(report.networks[0].images_per_second > 0.0);
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked, "\"epoch\"\n".repeat(6), "three rounds, as it comes and tuned");
        let text = render(&report, table::Format::Markdown).unwrap();
        assert!(text.contains("batch 4, 1 thread, PyTorch 2.11.0; medians of 3 rounds"), "{text}");
        assert!(text.contains("| s2d_s | "), "{text}");
    }

    #[test]
    fn a_python_side_that_is_another_network_or_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            |answers: &str| format!("{:#}", run(&options(folder.path(), answers)).unwrap_err());
        let other = error("echo '{\"torch\": \"2.11.0\", \"n_parameters\": 7}'; read line");
        assert!(other.contains("`s2d_s` has 7 parameters in Python"), "{other}");
        let ended = error("exit 3");
        assert!(ended.contains("the Python side ended: exit status: 3"), "{ended}");
        let missing =
            BenchOptions { python: "no/such/python".into(), ..options(folder.path(), "") };
        let missing = run(&missing).unwrap_err().to_string();
        assert!(
            missing.contains("no/such/python: no Python there; `make bench` sets one up"),
            "{missing}"
        );
    }
}
