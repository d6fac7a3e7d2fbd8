//! Results that would replace something of the user's, and inputs that are no files.
//!
//! Checkouts without tools: a refusal that came after the work had begun would be another one.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;

use flow::cases::{Shortcut, Topology};
use spec::Pattern;
use spec::files::write_network;

use super::{FAILURE, Refusals};
use crate::support::{Checkout, twofold};

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo starts").success());
}

impl Refusals {
    /// The same, for who might wait for ever.
    fn refuses_soon(&mut self, what: &str, args: &[&str]) {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60"]).arg(twofold()).args(args);
        command.current_dir(self.path("")).env("TWOFOLD_ROOT", self.path(""));
        self.refuses_command(what, FAILURE, args, command);
    }
}

#[test]
fn a_result_that_would_replace_something_of_the_users() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    let network = Topology::Toy.network(Pattern::UhpShared, 16, Shortcut::Conv, 1);
    write_network(&network, &refusals.path("net")).unwrap();
    let path = |name: &str| refusals.checkout.path(name);
    fifo(&path("fifo"));
    symlink("/dev/null", path("device")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    fs::write(path("images.bin"), [0; 1 << 12]).unwrap();
    fs::hard_link(path("images.bin"), path("hard.bin")).unwrap();
    symlink("images.bin", path("soft.bin")).unwrap();
    fs::write(path("notes.txt"), "mine").unwrap();
    fs::create_dir_all(path("mine")).unwrap();
    for name in ["program.json", "weight.hex", "accelerator.v", "wave.fst"] {
        fs::write(path("mine").join(name), "mine").unwrap();
    }

    let logits = |to| ["sim", "--network", "net", "--int8", "images.bin", "--logits", to];
    refusals.refuses_soon("logits to a FIFO", &logits("fifo"));
    refusals.refuses_soon("logits to a link to a device", &logits("device"));
    refusals.refuses_soon("logits to a link that leads nowhere", &logits("dangling"));
    refusals.refuses_soon("logits to a folder", &logits("net"));
    refusals.refuses_soon("logits over the images", &logits("images.bin"));
    refusals.refuses_soon("logits over the images by a hard link", &logits("hard.bin"));
    refusals.refuses_soon("logits over the images by a link", &logits("soft.bin"));
    let forced = [&logits("images.bin")[..], &["--force"]].concat();
    refusals.refuses_soon("logits over the images by force", &forced);
    refusals.refuses_soon("logits over the network", &logits("net/network.json"));
    refusals.refuses_soon("logits over notes", &logits("notes.txt"));
    let among = ["sim", "--network", "net", "--data", "mine", "--logits", "mine/logits.json"];
    refusals.refuses_soon("logits among the images", &among);
    refusals.refuses_soon("logits where no folder can be", &logits("notes.txt/logits.json"));
    let small = ["--rows", "2", "--cols", "2"];
    refusals.refuses_soon("another program", &["compile", "net", "-o", "mine"]);
    fs::remove_file(refusals.path("mine/program.json")).unwrap();
    refusals.refuses_soon("a ROM without its program", &["compile", "net", "-o", "mine"]);
    refusals.checkout.run(&["compile", "net", "-o", "ours"]);
    fs::write(refusals.path("ours/weight.hex"), "mine").unwrap();
    refusals.refuses_soon("a ROM in the place of ours", &["compile", "net", "-o", "ours"]);
    let verilog = [&["verilog", "-o", "mine"][..], &small].concat();
    refusals.refuses_soon("another accelerator", &verilog);
    let wave = ["wave", "--network", "net", "--out", "mine/wave.fst"];
    refusals.refuses_soon("another wave", &wave);
    let sim = ["sim", "--network", "net", "--int8", "images.bin"];
    let report = refusals.path("build/report.json");
    fs::create_dir_all(refusals.path("build")).unwrap();
    fs::write(refusals.path("mine.json"), "{\"mine\": 1}").unwrap();
    symlink("../mine.json", &report).unwrap();
    refusals.refuses_soon("a report over a file of the user by a link", &sim);
    fs::remove_file(&report).unwrap();
    fs::write(&report, "mine").unwrap();
    refusals.refuses_soon("a report over notes", &sim);
    let kind = |name: &str| fs::symlink_metadata(refusals.path(name)).unwrap().file_type();
    assert!(kind("fifo").is_fifo() && kind("device").is_symlink() && kind("dangling").is_symlink());
    assert_eq!(refusals.n, 19);

    // By force, and what Twofold wrote without it; nothing else in the folder is touched.
    let compile = ["compile", "net", "-o", "mine"];
    refusals.checkout.run(&[&compile[..], &["--force"]].concat());
    refusals.checkout.run(&compile);
    refusals.checkout.run(&[&verilog[..], &["--force"]].concat());
    refusals.checkout.run(&verilog);
    assert_eq!(fs::read_to_string(refusals.path("mine/wave.fst")).unwrap(), "mine");
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn an_input_that_is_no_regular_file() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    let network = Topology::Toy.network(Pattern::UhpShared, 16, Shortcut::Conv, 1);
    for name in ["net", "waits", "endless"] {
        write_network(&network, &refusals.path(name)).unwrap();
    }
    refusals.checkout.run(&["compile", "net", "-o", "program"]);
    let path = |name: &str| refusals.checkout.path(name);
    for name in ["waits/network.json", "endless/weights.safetensors", "program/tile.hex"] {
        fs::remove_file(path(name)).unwrap();
    }
    fifo(&path("waits/network.json"));
    fifo(&path("program/tile.hex"));
    fifo(&path("fifo.json"));
    symlink("/dev/zero", path("endless/weights.safetensors")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for (name, size) in [("large.json", 1 << 30), ("large.bin", 1 << 40)] {
        // Elsewhere, for who looks what a refusal has changed reads every file.
        fs::File::create(elsewhere.path().join(name)).unwrap().set_len(size).unwrap();
        symlink(elsewhere.path().join(name), path(name)).unwrap();
    }
    fs::remove_file(path("tests/cases")).unwrap();
    fs::create_dir(path("tests/cases")).unwrap();
    fifo(&path("tests/cases/waits.json"));

    let int8 = |images| ["sim", "--network", "net", "--int8", images];
    refusals.refuses_soon("images without end", &int8("/dev/zero"));
    refusals.refuses_soon("images that nobody writes", &int8("fifo.json"));
    refusals.refuses_soon("images in a folder", &int8("net"));
    refusals.refuses_soon("images beyond any memory", &int8("large.bin"));
    refusals.refuses_soon("a network that nobody writes", &["check", "waits"]);
    refusals.refuses_soon("tensors without end", &["check", "endless"]);
    refusals.refuses_soon("a network beyond any size", &["check", "large.json"]);
    refusals.refuses_soon("a device as a network", &["check", "/dev/zero"]);
    refusals.refuses_soon("a ROM that nobody writes", &["disassemble", "program"]);
    refusals.refuses_soon("a case that nobody writes", &["check", "--case", "waits"]);
    refusals.refuses_soon("a report that nobody writes", &["report", "fifo.json"]);
    refusals.refuses_soon("a report beyond any size", &["report", "large.json"]);
    assert_eq!(refusals.n, 12);
    insta::assert_snapshot!(refusals.text);
}
