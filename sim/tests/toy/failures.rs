//! What cannot run, and how it is told.

use std::fs;
use std::path::Path;

use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, SimError, TraceMode};
use spec::{ArrayConfig, Memories, OutputInfo, Program};
use twofold_sim as sim;

use crate::support::{VERILOG, alone, config, image, machine, program, tools, with_fault};

#[test]
fn every_failure_of_a_run_is_one_clear_error() {
    let image = image(0);
    let error = |program: &Program, image: &[i8]| {
        let options = RunOptions { cycle_limit: Some(500), ..alone() };
        machine(program).run(&[image], &options).unwrap_err().to_string()
    };
    assert_eq!(
        error(&with_fault(1), &image),
        "image 0: the accelerator reports an error at instruction 0, in layer 0; help: `twofold disassemble` shows the program"
    );
    assert!(
        error(&with_fault(2), &image)
            .starts_with("image 0: no result within 500 cycles, in layer 0 with 0 layers")
    );
    assert!(
        error(&with_fault(4), &image)
            .starts_with("image 0, layer add3: 36 cycles, but 37 by cause;")
    );
    assert!(error(&program(), &image[1..]).starts_with("image 0: 31 bytes, the network takes 32;"));
    let mut five = program();
    five.outputs = vec![OutputInfo::of_one_pixel("logits", 5)];
    let error = error(&five, &image);
    assert!(
        error.starts_with("image 0: the output port did not send 5 logits and a class;"),
        "{error}"
    );
}

#[test]
fn programs_that_do_not_fit_are_refused() {
    let model = Model::build(&tools(), VERILOG, TraceMode::Off).unwrap();
    let mut machine = Machine::new(&model, &config()).unwrap();
    let run = |machine: &mut Machine| machine.run(&[&image(0)], &alone()).unwrap_err().to_string();
    assert!(run(&mut machine).starts_with("no program is loaded;"));

    let mut long = program();
    long.weights = vec![vec![0, 0].into(); 33];
    let error = machine.load(&long).unwrap_err().to_string();
    assert!(
        error.starts_with("weight_memory: 33 rows of 2 bytes do not fit a memory of 32 rows"),
        "{error}"
    );

    let other = Program {
        config: ArrayConfig::new(4, 2, config().memories().clone()).unwrap(),
        ..program()
    };
    let error = machine.load(&other).unwrap_err().to_string();
    assert!(error.starts_with("the program is for 4x2"), "{error}");

    let large = ArrayConfig::new(2, 2, Memories::default()).unwrap();
    let error = Machine::new(&model, &large).err().unwrap().to_string();
    assert!(
        error.starts_with("bank0: 2048 rows of 4 bytes do not fit a memory of 64 rows of 4 bytes;"),
        "{error}"
    );
}

#[test]
fn verilog_that_is_no_accelerator_is_refused() {
    let error = |verilog: &str| Model::build(&tools(), verilog, TraceMode::Off).err().unwrap();
    assert!(matches!(error("module accelerator (;"), SimError::Verilate { .. }));
    let error = error(&VERILOG.replace(" bank2 (", " bank7 ("));
    assert!(matches!(error, SimError::Memory { name: "bank2", n: 0 }), "{error}");
}

#[test]
fn missing_tools_and_a_cache_that_cannot_be_written_are_named() {
    let nowhere = tempfile::tempdir().unwrap();
    let build = |tools: &Tools, cache: &Path| {
        Model::build_in(tools, cache, VERILOG, TraceMode::Off).err().unwrap()
    };
    let error = build(&Tools::at(nowhere.path(), "", None), nowhere.path()).to_string();
    assert!(error.starts_with("Verilator is not set up in "), "{error}");

    let file = nowhere.path().join("file");
    fs::write(&file, "").unwrap();
    let error = build(&tools(), &file.join("cache")).to_string();
    assert!(
        error.starts_with("cannot write ") && error.contains("help: a part of the path is a file"),
        "{error}"
    );
}
