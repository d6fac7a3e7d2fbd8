//! Runs as child processes, several at a time: what is done is skipped, what was cut off goes on, what fails is told.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flow::progress::Progress;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::interruption::{INTERRUPTED, STOPS_WITH_STDIN};
use crate::limits::{self, JSON};
use crate::run::folder;
use crate::table::{hardware, result};
use crate::training::outcome;

/// What a run was started with, in its folder: the sign that the folder is the table's own.
const RECORD: &str = "table-run.json";
const LOG: &str = "log.txt";
/// How often children are looked at.
const PAUSE: Duration = Duration::from_millis(50);
const N_TAIL_LINES: usize = 12;
const N_TAIL_BYTES: u64 = 8192;

/// One training to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// How messages name it.
    pub name: String,
    /// Its run folder.
    pub folder: PathBuf,
    /// Arguments of the program, `--resume` left out.
    pub arguments: Vec<String>,
    /// All that the result follows from; a finished run of the same record is not repeated.
    pub record: Value,
    /// Index of an earlier job that has to be done first.
    pub needs: Option<usize>,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was done before.
    Skipped,
    /// It is done now.
    Finished,
    /// It failed, for a reason.
    Failed(String),
    /// It was not started, or was stopped by Ctrl-C.
    Left,
}

#[derive(Debug, PartialEq)]
enum Start {
    Skip,
    Resume,
    Anew,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Waiting,
    Running,
    Done(Outcome),
}

/// Runs `executable` for each job, at most `n_parallel` at once, each after the one that it needs; stops the children
/// when [`INTERRUPTED`] is set. Outcomes are in the order of the jobs.
pub fn run_all(jobs: &[Job], executable: &Path, n_parallel: usize) -> Vec<Outcome> {
    let initial = |job| if is_done(job) { State::Done(Outcome::Skipped) } else { State::Waiting };
    let states: Vec<_> = jobs.iter().map(initial).collect();
    let progress = Progress::new("table", jobs.len() as u64, "runs");
    progress.start_at(states.iter().filter(|state| **state != State::Waiting).count() as u64);
    let states = Mutex::new(states);
    let changed = Condvar::new();
    let set = |idx: usize, state: State| {
        states.lock().expect("no thread panics while it holds the lock")[idx] = state;
        changed.notify_all();
    };
    let work = || {
        while let Some(idx) = next_job(jobs, &states, &changed) {
            let job = &jobs[idx];
            let started = Instant::now();
            let outcome = run_job(job, executable)
                .unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
            tell(&progress, job, &outcome, started.elapsed());
            set(idx, State::Done(outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..n_parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(work);
        }
    });
    progress.clear();
    let states = states.into_inner().expect("no thread panics while it holds the lock");
    let outcome = |state| match state {
        State::Done(outcome) => outcome,
        State::Waiting | State::Running => Outcome::Left,
    };
    states.into_iter().map(outcome).collect()
}

/// Takes the first job that can start, waiting for one; `None` when no more will.
fn next_job(jobs: &[Job], states: &Mutex<Vec<State>>, changed: &Condvar) -> Option<usize> {
    let mut states = states.lock().expect("no thread panics while it holds the lock");
    loop {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return None;
        }
        let mut n_blocked = 0;
        for idx in 0..jobs.len() {
            if states[idx] != State::Waiting {
                continue;
            }
            match jobs[idx].needs.map(|needed| &states[needed]) {
                None | Some(State::Done(Outcome::Skipped | Outcome::Finished)) => {
                    states[idx] = State::Running;
                    return Some(idx);
                }
                Some(State::Done(_)) => {
                    let needed = &jobs[jobs[idx].needs.expect("it was just looked at")].name;
                    states[idx] = State::Done(Outcome::Failed(format!(
                        "{needed}, which it needs, is not done"
                    )));
                }
                Some(State::Waiting | State::Running) => n_blocked += 1,
            }
        }
        if n_blocked == 0 {
            return None;
        }
        // Jobs that others run may free some; a timeout, because Ctrl-C notifies nobody.
        states = changed
            .wait_timeout(states, PAUSE)
            .expect("no thread panics while it holds the lock")
            .0;
    }
}

/// Whether a finished run of the job lies in its folder.
pub fn is_done(job: &Job) -> bool {
    read_result(job).is_ok_and(|result| result.is_some())
}

/// The result in the job's folder; `None` where there is none yet, or one of another record.
///
/// # Errors
/// A record or result that cannot be read; the message names it.
pub fn read_result(job: &Job) -> Result<Option<outcome::Outcome>> {
    if read_record(&job.folder)?.as_ref() == Some(&job.record) {
        result::read(&job.folder)
    } else {
        Ok(None)
    }
}

fn run_job(job: &Job, executable: &Path) -> Result<Outcome> {
    let shown = job.folder.display();
    spec::files::make_folder(&job.folder)?;
    let log = open_log(&job.folder)?;
    let start = prepare(job, &log)?;
    let mut command = Command::new(executable);
    command.args(&job.arguments);
    match start {
        Start::Skip => return Ok(Outcome::Skipped),
        Start::Resume => _ = command.arg("--resume"),
        Start::Anew => {}
    }
    let stderr = log.try_clone().with_context(|| format!("{shown}: the log cannot be shared"))?;
    let mut child = command
        // Open as long as this process lives.
        .stdin(Stdio::piped())
        .env(STOPS_WITH_STDIN, "1")
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("{}: cannot be started", executable.display()))?;
    let status = wait(&mut child)?;
    if result::read(&job.folder)?.is_some() && status.success() {
        return Ok(Outcome::Finished);
    }
    if INTERRUPTED.load(Ordering::Relaxed) {
        return Ok(Outcome::Left);
    }
    let what = if status.success() {
        format!("it ended without {}", outcome::FILE)
    } else {
        status.to_string()
    };
    let path = job.folder.join(LOG);
    bail!("{what}; the end of {}:\n{}", path.display(), tail(&path))
}

/// Waits for the child; passes Ctrl-C on, once.
fn wait(child: &mut Child) -> Result<std::process::ExitStatus> {
    let mut is_told = false;
    loop {
        if let Some(status) = child.try_wait().context("a run cannot be waited for")? {
            return Ok(status);
        }
        if INTERRUPTED.load(Ordering::Relaxed) && !is_told {
            let id = i32::try_from(child.id()).context("a process number above 31 bits")?;
            // It may have ended meanwhile, which the next look sees.
            let _ = kill(Pid::from_raw(id), Signal::SIGINT);
            is_told = true;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Opens and locks the log. The child inherits the lock, so that nobody starts a second run in a folder, even when the
/// program that started the first one is gone.
fn open_log(folder: &Path) -> Result<File> {
    let path = folder.join(LOG);
    let log = spec::files::open_append(&path)?;
    match log.try_lock() {
        Ok(()) => Ok(log),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "{}: another process trains in this folder; wait for it, or stop it",
                folder.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{}: cannot be locked", path.display()))
        }
    }
}

/// Looks at what lies in the folder; makes it ready.
fn prepare(job: &Job, log: &File) -> Result<Start> {
    let folder = &job.folder;
    let shown = folder.display();
    let mut others = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("{shown}: cannot be read"))?;
    for entry in entries {
        let path = entry.with_context(|| format!("{shown}: cannot be read"))?.path();
        if !path.ends_with(LOG) && !path.ends_with(RECORD) {
            others.push(path);
        }
    }
    match read_record(folder)? {
        Some(record) if record == job.record => {
            if is_done(job) {
                return Ok(Start::Skip);
            }
            return Ok(if others.is_empty() { Start::Anew } else { Start::Resume });
        }
        Some(_) => {
            // The files of the run that lies there, and nothing that somebody else put beside them.
            for path in folder::ours(folder)?.into_iter().chain([folder.join(hardware::FILE_NAME)])
            {
                spec::files::remove(&path)?;
            }
            log.set_len(0).with_context(|| format!("{shown}: the log cannot be emptied"))?;
        }
        None if !others.is_empty() => {
            bail!(
                "{shown}: holds something that is no run of a table; move it, or give another --output"
            )
        }
        None => {}
    }
    let record = serde_json::to_string_pretty(&job.record)? + "\n";
    spec::files::write_atomically(&folder.join(RECORD), record.as_bytes())?;
    Ok(Start::Anew)
}

/// What the run in a folder was started with; `None` where there is none.
///
/// # Errors
/// A record that cannot be read; the message names it.
pub(crate) fn read_record(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join(RECORD);
    match spec::files::read_text(&path, JSON) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        text => {
            let text = text.with_context(|| format!("{}: cannot be read", path.display()))?;
            let value = serde_json::from_str(&text);
            Ok(Some(
                value.with_context(|| format!("{}: damaged; remove its folder", path.display()))?,
            ))
        }
    }
}

fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = spec::files::open_regular(path, limits::LOG)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(N_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_else(|error| format!("(unreadable: {error})"));
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(N_TAIL_LINES)..].join("\n")
}

fn tell(progress: &Progress, job: &Job, outcome: &Outcome, elapsed: Duration) {
    let what = match outcome {
        Outcome::Skipped => format!("{}: was done by another process", job.name),
        Outcome::Finished => {
            format!("{}: done in {}", job.name, flow::progress::duration(elapsed.as_secs_f64()))
        }
        Outcome::Failed(reason) => format!("{}: failed: {reason}", job.name),
        Outcome::Left => format!("{}: stopped", job.name),
    };
    progress.say(&what);
    progress.inc(1);
}
