//! Runs a slow tool that keeps its own log, and shows on stderr how far that log is.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use spec::files::{Limit, open_new_log, open_regular, read_regular};
use spec::process;

use super::error::FpgaError;

/// What a tool wrote on its way.
const LOG: Limit = Limit::new("a log", 1 << 30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// A tool that runs in a folder and writes a log of its own: Yosys stops printing to stdout once it has run ABC.
pub(super) struct Job<'a> {
    /// What it is called on stderr.
    pub(super) name: &'a str,
    /// What it does, for the error if it fails.
    pub(super) what: &'a str,
    /// Where it runs.
    pub(super) folder: &'a Path,
    /// Its log in that folder. What it prints goes beside it, to a file that ends in `.console`.
    pub(super) log_name: &'a str,
    /// Which lines of the log tell a person how far it is.
    pub(super) is_progress: fn(&str) -> bool,
}

impl Job<'_> {
    /// Runs `command` to its end. Every few seconds the newest line of the log that tells progress goes to stderr.
    ///
    /// # Errors
    /// If the tool cannot be started or fails; then with the errors of its log.
    pub(super) fn run(&self, mut command: Command) -> Result<(), FpgaError> {
        let console_path = self.folder.join(format!("{}.console", self.log_name));
        let log_path = self.folder.join(self.log_name);
        open_new_log(&log_path)?;
        let console = open_new_log(&console_path)?;
        let both = console
            .try_clone()
            .map_err(|reason| FpgaError::Log { path: console_path.clone(), reason })?;
        command.current_dir(self.folder);
        let start = |reason| FpgaError::Start { tool: self.name.to_owned(), reason };
        let wait = |reason| FpgaError::Wait { tool: self.name.to_owned(), reason };
        let mut running = process::spawn(&command, console.into(), both.into()).map_err(start)?;

        let began = Instant::now();
        let mut reported = began;
        let mut seen = 0;
        let status = loop {
            if let Some(status) = running.try_wait().map_err(wait)? {
                break status;
            }
            sleep(LOOK_EVERY);
            if reported.elapsed() >= REPORT_EVERY {
                if let Some(line) = self.newest_progress(&log_path, &mut seen) {
                    eprintln!("{}: {:4} s  {line}", self.name, began.elapsed().as_secs());
                }
                reported = Instant::now();
            }
        };
        eprintln!(
            "{}: {:4} s  {}",
            self.name,
            began.elapsed().as_secs(),
            if status.success() { "done" } else { "failed" }
        );
        if !status.success() {
            let text = [&log_path, &console_path]
                .map(|path| read_regular(path, LOG).unwrap_or_default())
                .concat();
            let errors = errors_of(&String::from_utf8_lossy(&text));
            return Err(FpgaError::Failed {
                what: self.what.to_owned(),
                status,
                errors,
                log: log_path,
            });
        }
        Ok(())
    }

    /// The last line after byte `seen` of the log that tells progress. A log that cannot be read tells none.
    fn newest_progress(&self, log_path: &Path, seen: &mut u64) -> Option<String> {
        let mut log = open_regular(log_path, LOG).ok()?;
        log.seek(SeekFrom::Start(*seen)).ok()?;
        let mut new = Vec::new();
        *seen += log.read_to_end(&mut new).ok()? as u64;
        let text = String::from_utf8_lossy(&new);
        text.lines().map(str::trim).rfind(|line| (self.is_progress)(line)).map(str::to_owned)
    }
}

/// The lines of a log that say `ERROR`, each once, or its last five lines if none does.
fn errors_of(log: &str) -> String {
    let mut errors: Vec<_> =
        log.lines().filter(|line| line.contains("ERROR: ")).map(str::trim).collect();
    if errors.is_empty() {
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        return lines[lines.len().saturating_sub(5)..].join("\n");
    }
    errors.sort_unstable();
    errors.dedup();
    errors.join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn run(script: &str) -> (TempDir, Result<(), FpgaError>) {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let job = Job {
            name: "sh",
            what: "the shell",
            folder: folder.path(),
            log_name: "sh.log",
            is_progress: |line| line.starts_with("step"),
        };
        let result = job.run(command);
        (folder, result)
    }

    #[test]
    fn a_failure_tells_the_errors_of_the_log_and_the_console() {
        let (folder, result) = run(
            "echo start >> sh.log; echo 'ERROR: no module x' >> sh.log; echo ERROR: no ROM >&2; exit 3",
        );
        let log = folder.path().join("sh.log");
        let expected = format!(
            "the shell failed (exit status: 3): ERROR: no ROM\nERROR: no module x; help: the whole log is {}",
            log.display()
        );
        assert_eq!(result.unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_success_leaves_log_and_console() {
        let (folder, result) = run("echo one; echo two >&2; echo three >> sh.log");
        result.unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("sh.log.console").as_str(), read("sh.log").as_str()),
            ("one\ntwo\n", "three\n")
        );
    }

    #[test]
    fn progress_is_told_once() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.log");
        let job = Job {
            name: "a",
            what: "a",
            folder: folder.path(),
            log_name: "a.log",
            is_progress: |l| l.starts_with("step"),
        };
        let mut seen = 0;
        fs::write(&path, "step 1\nstep 2\nnoise\n").unwrap();
        assert_eq!(job.newest_progress(&path, &mut seen).as_deref(), Some("step 2"));
        assert_eq!(job.newest_progress(&path, &mut seen), None);
        fs::write(&path, "step 1\nstep 2\nnoise\n  step 3\n").unwrap();
        assert_eq!(job.newest_progress(&path, &mut seen).as_deref(), Some("step 3"));
    }

    #[test]
    fn without_an_error_the_end_of_the_log_is_told() {
        assert_eq!(errors_of("1\n2\n\n3\n4\n5\n6\n"), "2\n3\n4\n5\n6");
        assert_eq!(errors_of(""), "");
    }
}
