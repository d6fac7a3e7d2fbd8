//! Programs that end when this one does, however it ends: compilers and synthesis run for minutes, and nobody else would
//! stop them.
//!
//! The program runs in a process group of its own below a shell that holds the reading end of a pipe. Only this process
//! holds the writing end. When that closes, because a [`Running`] is dropped or this process is killed, by SIGKILL too,
//! the shell kills the group with everything in it.

use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};

/// `$@` is the program. Its standard input is empty, and that of the reader is the pipe.
const SCRIPT: &str = r#"exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$program"
status=$?
kill "$reader"
exit "$status""#;

/// A program that is killed with all that it has started when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    alive: Option<ChildStdin>,
}

/// Starts a program with the arguments, the environment and the folder of `command`, and with an empty standard input.
///
/// # Errors
/// A program or a shell that cannot be started.
pub fn spawn(command: &Command, stdout: Stdio, stderr: Stdio) -> io::Result<Running> {
    let program = Path::new(command.get_program());
    if program.is_absolute() {
        // Which the shell would tell in its own words.
        std::fs::metadata(program)?;
    }
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT, "sh"]).arg(program).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut child = shell.stdin(Stdio::piped()).stdout(stdout).stderr(stderr).spawn()?;
    let alive = child.stdin.take();
    Ok(Running { child, alive })
}

/// Runs a program to its end, as [`spawn`] starts it, and takes what it prints.
///
/// # Errors
/// As [`spawn`].
pub fn output(command: &Command) -> io::Result<Output> {
    let Running { child, alive } = &mut spawn(command, Stdio::piped(), Stdio::piped())?;
    let output = collect(child);
    drop(alive.take());
    output
}

fn collect(child: &mut Child) -> io::Result<Output> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let read = |pipe: Option<&mut dyn io::Read>, bytes: &mut Vec<u8>| match pipe {
        Some(pipe) => pipe.read_to_end(bytes).map(drop),
        None => Ok(()),
    };
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let errors = scope.spawn(|| read(err.as_mut().map(|pipe| pipe as _), &mut stderr));
        read(out.as_mut().map(|pipe| pipe as _), &mut stdout)?;
        errors.join().expect("reading a pipe does not panic")
    })?;
    Ok(Output { status: child.wait()?, stdout, stderr })
}

impl Running {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.alive.take());
        // It is over or is being killed; who does not wait leaves a zombie.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::time::{Duration, Instant};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_has_its_arguments_environment_and_folder_and_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let mut command =
            shell("cat; printf '%s|' \"$0\" \"$1\" \"$GIVEN\" \"$PWD\"; echo wrong >&2; exit 7");
        command.args(["a b", "$c"]).env("GIVEN", "x  y").current_dir(folder.path());
        let Output { status, stdout, stderr } = output(&command).unwrap();
        let expected = format!("a b|$c|x  y|{}|", folder.path().canonicalize().unwrap().display());
        assert_eq!(String::from_utf8(stdout).unwrap(), expected);
        assert_eq!(String::from_utf8(stderr).unwrap(), "wrong\n");
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn more_than_a_pipe_holds_is_taken_from_both() {
        let both = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2";
        let Output { status, stdout, stderr } = output(&shell(both)).unwrap();
        assert_eq!((status.success(), stdout.len(), stderr.len()), (true, 300_000, 300_000));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = output(&Command::new(folder.path().join("absent"))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_a_dropped_program_has_started_is_killed_too() {
        let script = "trap '' TERM HUP INT; sleep 1000 & echo $!; wait";
        let mut running = spawn(&shell(script), Stdio::piped(), Stdio::inherit()).unwrap();
        let mut line = String::new();
        BufReader::new(running.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let grandchild = format!("/proc/{}/cmdline", line.trim());
        let began = Instant::now();
        // Until the shell's child has become another program, it has the shell's command line or none.
        while !std::fs::read(&grandchild).unwrap().starts_with(b"sleep") {
            assert!(began.elapsed() < Duration::from_secs(10), "it does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(running.try_wait().unwrap(), None);
        drop(running);
        let began = Instant::now();
        // A zombie, until it is waited for, has an empty command line.
        while std::fs::read(&grandchild).is_ok_and(|name| !name.is_empty()) {
            assert!(began.elapsed() < Duration::from_secs(10), "it lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
