//! Results that cannot be written, and runs that are interrupted.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::{FAILURE, Refusals, files};
use crate::support::{Checkout, array, machine, twofold};

const SIGTERM: i32 = 15;

#[test]
fn an_output_that_cannot_be_written() {
    let mut refusals = Refusals::of(Checkout::new());
    // The model is in the cache before the limits apply.
    let report = refusals.checkout.run(&["sim", "--case", "tiny-uhp", "--images", "1"]);
    let compile = |out| ["compile", "--case", "toy-uhp", "-o", out];
    fs::write(refusals.path("file"), "mine").unwrap();
    refusals.refuses("output folder is a file", FAILURE, &compile("file"));
    refusals.refuses(
        "output folder below a file",
        FAILURE,
        &["verilog", "--rows", "2", "--cols", "2", "-o", "file/below"],
    );
    fs::create_dir_all(refusals.path("taken/accelerator.v")).unwrap();
    refusals.refuses(
        "output file is a folder",
        FAILURE,
        &["verilog", "--rows", "2", "--cols", "2", "-o", "taken"],
    );
    // Nobody may make a folder there, not even a privileged user.
    refusals.refuses("read-only output", FAILURE, &compile("/proc/twofold"));

    // A full disk: no file may become larger than a few blocks.
    fs::create_dir(refusals.path("program")).unwrap();
    for (what, args) in [
        ("disk full, program", &compile("program")[..]),
        ("disk full, Verilog", &["verilog", "--rows", "2", "--cols", "2", "-o", "program"]),
    ] {
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
            .arg(twofold())
            .args(args);
        command.current_dir(refusals.path("")).env("TWOFOLD_ROOT", refusals.path(""));
        refusals.refuses_command(what, FAILURE, args, command);
    }
    let args = ["check", "--case", "tiny-uhp"];
    let mut command = refusals.checkout.command(&args);
    command.stdout(File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    refusals.refuses_command("disk full, stdout", FAILURE, &args, command);
    assert_eq!(refusals.checkout.run(&["report"]), report, "the last report is still whole");
    assert_eq!(refusals.n, 7);
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn a_result_that_cannot_be_saved_is_printed() {
    let checkout = Checkout::new();
    let args = ["sim", "--case", "tiny-uhp", "--images", "1", "--format", "json"];
    let report = checkout.run(&args);
    // The model is in the cache, and no file may become larger than a block.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).arg(twofold()).args(args);
    command.current_dir(checkout.path("")).env("TWOFOLD_ROOT", checkout.path(""));
    let output = command.output().unwrap();
    let steady = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("per_second")).map(str::to_owned).collect()
    };
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(steady(&printed), steady(&report));
    let message = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<_> = message.lines().filter(|line| line.starts_with("error")).collect();
    assert!(
        errors.len() == 1 && errors[0].contains("build/report.json: File too large"),
        "{message}"
    );
    assert_eq!(output.status.code(), Some(FAILURE));

    // Where that is known before, it is told before.
    fs::remove_file(checkout.path("build/report.json")).unwrap();
    fs::remove_file(checkout.path("build/model")).unwrap();
    fs::remove_dir(checkout.path("build")).unwrap();
    std::os::unix::fs::symlink("/proc/self/task", checkout.path("build")).unwrap();
    let output = checkout.command(&args).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("warning: cannot write "), "{message}");
    assert!(message.contains("; the result will be printed and not saved\n"), "{message}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let checkout = Checkout::without_tools();
    let mut command = checkout.command(&["disassemble", "--case", "resnet20-dense"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn an_interrupted_run_leaves_the_last_report_and_nothing_else() {
    let checkout = Checkout::new();
    // The model is in the cache, so that it is the run that is interrupted.
    drop(machine(&array(8, 16)));
    checkout.run(&["sim", "--case", "toy-uhp", "--images", "1"]);
    let before = files(&checkout.path(""));
    let mut command =
        checkout.command(&["sim", "--case", "resnet20-dense", "--images", "500", "--jobs", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // How far it came is told in plain lines, since nobody sees a bar in a pipe.
    let mut log = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut log).unwrap();
    assert!(log.starts_with("sim: ") && log.contains(" of 500 images, "), "{log:?}");
    assert!(log.trim_end().chars().all(|c| !c.is_control()), "{log:?}");
    assert_eq!(child.try_wait().unwrap(), None, "500 images take longer");
    let kill =
        Command::new("sh").args(["-c", "kill -TERM $0", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGTERM), "{log}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(before == files(&checkout.path("")), "the run left something behind");
}
