//! A block under Icarus, its registers and memories unknown at first.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use rust_hdl_core::prelude::*;
use twofold_hw::tech::MULT18X18D_MODEL;
use twofold_hw::verilog::{Module, Verilog, emit};

/// A value of a port, or `None` if all of its bits (of an input) or any of them (of an output) are unknown.
pub(super) type Value = Option<u64>;

pub(super) const X: Value = None;

pub(super) fn k(value: u64) -> Value {
    Some(value)
}

/// Whether this machine has Icarus. Where `TWOFOLD_REQUIRE_ICARUS` is set, as in continuous integration, it must.
pub(super) fn has_icarus() -> bool {
    let found = Command::new("iverilog").arg("-V").output().is_ok();
    let required = std::env::var_os("TWOFOLD_REQUIRE_ICARUS").is_some_and(|value| value != "0");
    assert!(
        found || !required,
        "iverilog is not on PATH: install it (Debian/Ubuntu: apt install iverilog)"
    );
    if !found {
        // Not `eprintln`, which the test harness hides where a test passes.
        let _ = writeln!(
            std::io::stderr(),
            "LEFT OUT: a test of unknown values, iverilog is not on PATH"
        );
    }
    found
}

/// A port of the block: whether it is an input, its range, its name.
type Port = (bool, String, String);

fn ports(design: &Verilog) -> Vec<Port> {
    let list = design.top().text.split_once("(\n").unwrap().1.split_once("\n);").unwrap().0;
    let port = |line: &str| {
        let words: Vec<&str> = line.trim().trim_end_matches(',').split(' ').collect();
        let range = words.iter().find(|word| word.starts_with('[')).copied().unwrap_or_default();
        (words[0] == "input", range.to_string(), words.last().unwrap().to_string())
    };
    let lines = list.lines().map(|line| line.split("//").next().unwrap().trim());
    lines.filter(|line| !line.is_empty()).map(port).collect()
}

/// The text of a design without its `initial` statements.
fn without_initial(text: &str) -> String {
    let mut out = String::new();
    let mut in_block = false;
    for line in text.lines() {
        let start = line.trim_start();
        in_block |= start == "initial begin";
        if !in_block && !start.starts_with("initial ") {
            writeln!(out, "{line}").unwrap();
        }
        in_block &= line != "    end";
    }
    out
}

/// Outputs after each row of inputs, in port order without the clock; one cycle a row where there is a clock. Registers
/// and memories are unknown at first.
pub(super) fn simulate<B: Block>(mut block: B, rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut design = emit(&mut block, "dut", "").unwrap();
    let ports = ports(&design);
    if design.text().contains("MULT18X18D") {
        let text = MULT18X18D_MODEL.to_string();
        design.modules.insert(0, Module { name: "MULT18X18D".into(), text });
    }
    let mut text = without_initial(&design.text());
    text += "module bench;\n";
    for (input, range, name) in &ports {
        writeln!(text, "    {} {range} {name};", if *input { "reg" } else { "wire" }).unwrap();
    }
    let connections: Vec<String> =
        ports.iter().map(|(_, _, name)| format!(".{name}({name})")).collect();
    let of = |wanted: bool| {
        let ports =
            ports.iter().filter(move |(input, _, name)| *input == wanted && name != "clock");
        ports.map(|(_, _, name)| name.as_str()).collect::<Vec<_>>()
    };
    let (inputs, outputs) = (of(true), of(false));
    let clocked = ports.iter().any(|(_, _, name)| name == "clock");
    writeln!(text, "    dut dut ({});\n    initial begin", connections.join(", ")).unwrap();
    for row in rows {
        assert_eq!(row.len(), inputs.len(), "{inputs:?}");
        for (name, value) in inputs.iter().zip(row) {
            let value = value.map_or("64'bx".to_string(), |value| format!("64'h{value:x}"));
            writeln!(text, "        {name} = {value};").unwrap();
        }
        text += if clocked { "        clock = 0; #1 clock = 1; #1;\n" } else { "        #1;\n" };
        let format = vec!["%b"; outputs.len()].join(" ");
        writeln!(text, "        $display(\"{format}\", {});", outputs.join(", ")).unwrap();
    }
    text += "        $finish(0);\n    end\nendmodule\n";
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dut.v"), text).unwrap();
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).current_dir(dir.path()).args(args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{program}: {text}");
        text
    };
    run("iverilog", &["-g2012", "-s", "bench", "-o", "dut.vvp", "dut.v"]);
    let text = run("vvp", &["-n", "dut.vvp"]);
    let value = |bits: &str| u64::from_str_radix(bits, 2).ok();
    let lines: Vec<Vec<Value>> =
        text.lines().map(|line| line.split(' ').map(value).collect()).collect();
    assert_eq!(lines.len(), rows.len(), "{text}");
    lines
}

/// The first output in every row.
pub(super) fn first<B: Block>(block: B, rows: &[Vec<Value>]) -> Vec<Value> {
    simulate(block, rows).into_iter().map(|row| row[0]).collect()
}
