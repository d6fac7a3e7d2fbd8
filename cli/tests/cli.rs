//! The command line as a user meets it: exit codes, one clear error, nothing but the result on stdout.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs `twofold` in an empty folder.
fn twofold(folder: &TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twofold"))
        .args(args)
        .current_dir(folder.path())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn bad_input_is_one_clear_error_with_the_right_exit_code() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &str| {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    write("broken/network.json", "{");
    write("future/network.json", r#"{"format":"twofold-network","format_version":99}"#);
    write("program/program.json", r#"{"format":"other","format_version":1}"#);
    write("report.json", r#"{"format_version":7}"#);
    write("file", "");
    fs::create_dir_all(folder.path().join("no-classes")).unwrap();
    fs::create_dir_all(folder.path().join("empty-classes/a")).unwrap();
    fs::create_dir_all(folder.path().join("empty-classes/b")).unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 2, "Usage: twofold"),
        (&["simulate"], 2, "unrecognized subcommand 'simulate'"),
        (&["sim", "--rows", "1"], 2, "1 is not in 2..=16"),
        (&["sim", "--cols", "33"], 2, "33 is not in 2..=32"),
        (&["sim", "--images", "0"], 2, "0 is not in 1.."),
        (&["sim", "--clock-mhz", "-3"], 2, "unexpected argument '-3'"),
        (&["sim", "--clock-mhz", "0"], 2, "not above"),
        (&["sim", "--format", "xml"], 2, "possible values: table, json"),
        (&["sim", "--case", "a", "--network", "b"], 2, "cannot be used with"),
        (&["sim", "--case", "a", "--data", "b"], 2, "cannot be used with"),
        (&["check", "a", "b"], 2, "unexpected argument 'b'"),
        (&["fuzz", "--n", "many"], 2, "invalid digit"),
        (&["sim", "--case", "no-such-case"], 1, "no-such-case"),
        (&["check", "nowhere"], 1, "cannot read nowhere: "),
        (&["check", "broken"], 1, "broken/network.json: 1 problem"),
        (&["check", "future"], 1, "99"),
        (&["compile", "--case", "tiny-uhp", "-o", "file/program"], 1, "cannot write file/program"),
        (&["verilog", "-o", "file"], 1, "cannot write file/accelerator.v"),
        (&["disassemble", "program"], 1, "program.json: \"other\" version 1 is not"),
        (&["report", "report.json"], 1, "report.json: report version 7 is not 3"),
        (&["report", "none.json"], 1, "none.json: No such file"),
        (&["sim", "--data", "nowhere"], 1, "nowhere"),
        (&["sim", "--data", "no-classes"], 1, "no-classes"),
        (&["sim", "--data", "empty-classes"], 1, "empty-classes"),
    ];
    for (args, code, message) in cases {
        let output = twofold(&folder, args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {stderr}");
        assert!(stderr.contains(message), "{args:?}: {message:?} is not in {stderr:?}");
        assert!(output.stdout.is_empty(), "{args:?} printed a result");
        if *code == 1 {
            assert!(stderr.starts_with("error: "), "{stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
        }
    }
    assert!(!folder.path().join("build").exists(), "something was written");
}

#[test]
fn networks_that_do_not_fit_are_explained_all_at_once() {
    let folder = TempDir::new().unwrap();
    let output =
        twofold(&folder, &["check", "--case", "resnet20-uhp", "--rows", "2", "--cols", "2"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stdout.contains("resnet20-uhp: does not fit the 2x2 array"), "{stdout}");
    for problem in [
        "weight memory: ",
        "tile memory: ",
        "activation memory: ",
        "at most 65536 can be addressed; help: --fit does not cure this",
        "--fit cures this, but not the other problems",
    ] {
        assert!(stdout.contains(problem), "{problem}: {stdout}");
    }
    assert!(stderr.starts_with("error: ") && stderr.contains("problems"), "{stderr}");
}

#[test]
fn a_case_runs_bit_exact_and_prints_the_promised_json() {
    let folder = TempDir::new().unwrap();
    let output = twofold(&folder, &["sim", "--case", "tiny-uhp", "--format", "json"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["format_version"], 3);
    assert_eq!(report["network"], "tiny-uhp");
    assert_eq!((&report["array"]["rows"], &report["array"]["cols"]), (&2.into(), &2.into()));
    assert_eq!(report["n_images"], 2);
    assert_eq!(report["bit_exact"], true);
    assert_eq!(report["same_cycles_for_all_images"], true);
    assert_eq!(report["accuracy_rtl"], serde_json::Value::Null);
    assert!(report["compute_speedup_vs_dense"].as_f64().unwrap() > 1.5);
    assert!(report["speedup_vs_dense"].as_f64().unwrap() >= 1.0);
    assert!(report["simulated_cycles_per_second"].as_f64().unwrap() > 0.0);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let lost = |value: &serde_json::Value| {
        value["lost_cycles"].as_object().unwrap().values().map(number).sum::<u64>()
    };
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(lost).sum::<u64>(), lost(&report));
    let cycles = layers.iter().map(|layer| number(&layer["n_cycles"])).sum::<u64>();
    assert_eq!(cycles, number(&report["schedule"]["n_compute_cycles_per_image"]));
    for layer in layers {
        let macs = number(&layer["n_useful_macs"]) as f64;
        let expected = macs / (4.0 * number(&layer["n_cycles"]) as f64);
        assert!((layer["utilization"].as_f64().unwrap() - expected).abs() < 1e-12);
        assert!(layer["name"].is_string());
    }
}

#[test]
fn export_writes_a_model_and_replaces_no_other() {
    let folder = TempDir::new().unwrap();
    let arguments = ["export", "--case", "tiny-uhp", "-o", "net.onnx"];
    let export = || twofold(&folder, &arguments);
    assert!(export().status.success() && export().status.success());
    let path = folder.path().join("net.onnx");
    assert!(fs::read(&path).unwrap().starts_with(b"\x08\x08\x12\x07twofold"));
    fs::write(&path, b"\x08\x08\x12\x07pytorch").unwrap();
    let refused = export();
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    assert!(error.contains("net.onnx: it is no ONNX model that Twofold wrote"), "{error}");
}

#[test]
fn what_compile_writes_disassemble_reads() {
    let folder = TempDir::new().unwrap();
    let compiled = twofold(&folder, &["compile", "--case", "tiny-uhp", "-o", "program"]);
    assert!(compiled.status.success(), "{}", text(&compiled.stderr));
    let written = twofold(&folder, &["disassemble", "program"]);
    let direct = twofold(&folder, &["disassemble", "--case", "tiny-uhp"]);
    assert_eq!(text(&written.stdout), text(&direct.stdout));
    assert!(text(&written.stdout).contains("LOAD"));

    let rom = folder.path().join("program/weight.hex");
    let rows = fs::read_to_string(&rom).unwrap();
    fs::write(&rom, rows.split_once('\n').unwrap().1).unwrap();
    let damaged = twofold(&folder, &["disassemble", "program"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(text(&damaged.stderr).contains("weight.hex: "), "{}", text(&damaged.stderr));
}
