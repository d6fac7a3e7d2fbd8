//! What `.ci/run` asks of the machine: Icarus, from the system's packages where it may install them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::root;

/// Programs of the machine that the script itself needs.
const OWN: [&str; 3] = ["sh", "dirname", "cat"];

fn script(folder: &Path, name: &str, body: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("the folder is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

/// Runs `.ci/run` with stand-ins for `make`, `id` and `apt-get`, and gives what they noted.
fn ci(user: u32, icarus: bool) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let log = folder.path().join("log");
    for name in OWN {
        let folders = std::env::var_os("PATH").expect("tests run with a PATH");
        let found =
            std::env::split_paths(&folders).map(|dir| dir.join(name)).find(|path| path.is_file());
        symlink(found.expect("a shell's programs are there"), folder.path().join(name))
            .expect("new");
    }
    let note = |text: &str| format!("echo \"{text}\" >> {}", log.display());
    script(folder.path(), "make", &note("make $* $TWOFOLD_REQUIRE_ICARUS"));
    script(folder.path(), "apt-get", &note("apt-get $*"));
    script(folder.path(), "id", &format!("echo {user}"));
    if icarus {
        script(folder.path(), "iverilog", "");
    }
    let mut run = Command::new(folder.path().join("sh"));
    run.arg(root().join(".ci/run")).env_clear().env("PATH", folder.path());
    let output = run.output().expect("the shell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(log).expect("make was run")
}

#[test]
fn continuous_integration_installs_icarus_where_it_can_and_demands_it() {
    let made = "make check 1\nmake --keep-going test 1\n";
    let installed = "apt-get update\napt-get install -y --no-install-recommends iverilog\n";
    assert_eq!(ci(0, false), format!("{installed}{made}"));
    assert_eq!(ci(0, true), made);
    assert_eq!(ci(1000, false), made);
}
