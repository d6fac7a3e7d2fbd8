//! The simulator against a toy accelerator whose results are a line of Rust: build, cache, FFI, counters, errors.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

use std::fs;
use std::path::Path;

use ndarray::{Array1, Array3};
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, SimError, Tally, TraceMode, first_divergence};
use spec::isa::{Block, Drain, Stream};
use spec::{
    ArrayConfig, Inference, InputSpec, Layer, LayerInfo, LayerOutput, Logits, Memories, Op,
    Parameter, Program, QuantNetwork, Region, Requantize, TensorRef,
};
use twofold_sim as sim;

const VERILOG: &str = include_str!("fixtures/toy.v");
const N_BYTES: usize = 32;
const ADD: [i8; 3] = [3, -7, 100];
const BIAS: i32 = 1000;
/// Fetch and stream of a layer: two cycles, then one a word.
const LAYER_CYCLES: u64 = 2 + N_BYTES as u64 / 4;
const LOGIT_CYCLES: u64 = 2 + 4;
const N_LOAD_CYCLES: u64 = N_BYTES as u64 + 8 - 1;

fn tools() -> Tools {
    Tools::find().unwrap()
}

fn config() -> ArrayConfig {
    let memories = Memories {
        program: 16,
        tile: 16,
        weight: 32,
        parameter: 4,
        lane: 8,
        input: 64,
        activation: 64,
        ..Memories::default()
    };
    ArrayConfig::new(2, 2, memories).unwrap()
}

fn program() -> Program {
    let layer = |index: usize| {
        let region =
            Region { banks: 2 << (index % 3), address: 0, height: 2, width: 4, channels: 4 };
        LayerInfo {
            name: format!("add{index}"),
            network_layer: Some(index),
            output: (index < ADD.len()).then_some(region),
            n_useful_macs: 0,
            n_dense_macs: 0,
            n_tiles: 1,
            n_blocks: 1,
        }
    };
    let block =
        |out_address| Block { width_minus_1: 3, out_address, ..Block::default() }.encode().unwrap();
    let mut instructions = vec![[(N_BYTES | ADD.len() << 16) as u32, 0, 0, 0], [0; 4]];
    for index in 0..ADD.len() {
        let stream = Stream { layer: index, tile_base: 2, ..Stream::default() };
        let drain = Drain { out_pixel_step: 1, out_row_step: 4, ..Drain::default() };
        instructions.extend([stream.encode().unwrap(), drain.encode().unwrap()]);
        instructions.extend([block(0), block(4)]);
    }
    Program {
        config: config(),
        network: "toy".to_owned(),
        classes: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        n_input_bytes: N_BYTES,
        instructions,
        // Register 10, idle PE-cycles, is the sum of a tile's and the lane table's lowest bits.
        tiles: vec![[1, 0], [2, 0], [3, 0], [5, 0], [0, 0], [0, 1 << 12]],
        weights: ADD.iter().map(|add| vec![*add, 55]).collect(),
        parameters: vec![vec![Parameter { bias: BIAS, ..Parameter::default() }; 2]],
        lanes: vec![1],
        layers: (0..=ADD.len()).map(layer).collect(),
    }
}

/// The toy adds, so that its layers have no MACs.
fn network() -> QuantNetwork {
    let none = || Array1::zeros(0);
    let layer = |index: usize| Layer {
        name: format!("add{index}"),
        input: TensorRef::Input,
        op: Op::GlobalAveragePool,
        requantize: Requantize { bias: none(), multiplier: none(), shift: none() },
        relu: false,
        scale: 1.0,
    };
    let input = InputSpec {
        height: 2,
        width: 4,
        channels: 4,
        space_to_depth: 1,
        scale: 1.0,
        preprocess: None,
    };
    QuantNetwork {
        name: "toy".to_owned(),
        input,
        classes: program().classes,
        layers: (0..=ADD.len()).map(layer).collect(),
        provenance: serde_json::Value::Null,
    }
}

fn image(seed: u8) -> Vec<i8> {
    (0..N_BYTES as u8).map(|index| index.wrapping_mul(37).wrapping_add(seed) as i8).collect()
}

fn expected(image: &[i8]) -> Inference {
    let mut map = Array3::from_shape_vec((2, 4, 4), image.to_vec()).unwrap();
    let mut layers = Vec::new();
    for add in ADD {
        map.mapv_inplace(|value| value.wrapping_add(add));
        layers.push(LayerOutput::Map(map.clone()));
    }
    let logits = Logits::new(
        map.iter().step_by(5).take(4).map(|value| (i32::from(*value) + BIAS) as i16).collect(),
    );
    layers.push(LayerOutput::Logits(logits.clone()));
    Inference { layers, logits }
}

fn machine(program: &Program) -> Machine {
    let model = Model::build(&tools(), VERILOG, TraceMode::Off).unwrap();
    let mut machine = Machine::new(&model, &config()).unwrap();
    machine.load(program).unwrap();
    machine
}

fn with_fault(fault: u32) -> Program {
    let mut program = program();
    program.instructions[0][1] = fault;
    program
}

fn alone() -> RunOptions {
    RunOptions { back_to_back: false, ..RunOptions::default() }
}

#[test]
fn bits_and_counters_are_those_of_the_verilog() {
    let mut machine = machine(&program());
    let image = image(9);
    let output = machine.run(&[&image], &alone()).unwrap();
    let [result] = &output.images[..] else { panic!("one image") };
    assert_eq!(first_divergence(&mut machine, &image, result, &expected(&image)).unwrap(), None);

    assert_eq!(result.counters.n_cycles, 3 * LAYER_CYCLES + LOGIT_CYCLES);
    assert_eq!(result.counters.sum(), result.counters.n_cycles);
    assert_eq!(result.counters.lost.fetch, 4 * 2);
    // Register 10 is then 5 for the last layer and 1 for the lane table; an array has four PEs.
    assert_eq!(result.counters.n_useful_macs, 4 * (3 * 8 + 4) - 6);
    assert_eq!(result.n_load_cycles, N_LOAD_CYCLES);
    for (index, layer) in result.layers.iter().enumerate() {
        let own = if index < 3 { LAYER_CYCLES } else { LOGIT_CYCLES };
        assert_eq!(layer.counters.n_cycles, own);
        assert_eq!(layer.written_at, index as u64 * LAYER_CYCLES + own);
    }
}

#[test]
fn images_back_to_back_give_the_same_as_alone_in_fewer_cycles() {
    let mut machine = machine(&program());
    let images: Vec<_> = (0..5).map(image).collect();
    let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
    let mut single = Vec::new();
    for image in &images {
        single.extend(machine.run(&[image], &alone()).unwrap().images);
    }
    let one_by_one = machine.run(&images, &alone()).unwrap();
    let streamed = machine.run(&images, &RunOptions::default()).unwrap();
    assert!(
        streamed.n_cycles < one_by_one.n_cycles,
        "{} {}",
        streamed.n_cycles,
        one_by_one.n_cycles
    );
    for stall_seed in [0, 1, 77] {
        let output =
            machine.run(&images, &RunOptions { stall_seed, ..RunOptions::default() }).unwrap();
        for (single, result) in single.iter().zip(&output.images) {
            assert_eq!((&single.logits, &single.layers), (&result.logits, &result.layers));
        }
    }
}

#[test]
fn the_first_divergence_has_its_unit_and_its_cycle() {
    let mut machine = machine(&program());
    let image = image(1);
    let output = machine.run(&[&image], &alone()).unwrap();
    let mut reference = expected(&image);
    let LayerOutput::Map(map) = &mut reference.layers[1] else { panic!("a map") };
    let seen = map[[1, 2, 3]];
    map[[1, 2, 3]] = seen.wrapping_add(1);
    map[[1, 3, 0]] = map[[1, 3, 0]].wrapping_add(1);
    let divergence =
        first_divergence(&mut machine, &image, &output.images[0], &reference).unwrap().unwrap();
    // Word 6 of the second layer, in the second half: block 1. It is stored in the cycle after its read.
    let cycle = LAYER_CYCLES + 2 + 6 + 1;
    let text = format!(
        "layer \"add1\", channel 3, pixel (1, 2), bank 2, block 1, group 1, tiles 6 to 6, cycle {cycle}: expected {}, seen {seen}",
        seen.wrapping_add(1)
    );
    // Channel 3 is in group 1 (two channels a group), whose tiles do not exist: only one group was encoded.
    assert_eq!(divergence.to_string(), text.replace(", block 1, group 1, tiles 6 to 6", ""));

    map_of(&mut reference, 1)[[1, 2, 3]] = seen;
    let divergence =
        first_divergence(&mut machine, &image, &output.images[0], &reference).unwrap().unwrap();
    assert!(
        divergence.to_string().starts_with(
            "layer \"add1\", channel 0, pixel (1, 3), bank 2, block 1, group 0, tiles 2 to 5,"
        ),
        "{divergence}"
    );
}

fn map_of(reference: &mut Inference, layer: usize) -> &mut Array3<i8> {
    let LayerOutput::Map(map) = &mut reference.layers[layer] else { panic!("a map") };
    map
}

#[test]
fn a_tally_makes_a_report_that_survives_json() {
    let program = program();
    let mut machine = machine(&program);
    let images: Vec<_> = (0..4).map(image).collect();
    let mut tallies = Vec::new();
    for (half, images) in images.chunks(2).enumerate() {
        let mut tally = Tally::default();
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        let run = machine.run(&images, &RunOptions::default()).unwrap();
        tally.add_run(&run);
        for (index, (image, result)) in images.iter().zip(&run.images).enumerate() {
            let class = expected(image).logits.class;
            let divergence =
                first_divergence(&mut machine, image, result, &expected(image)).unwrap();
            let label = if half == 0 { class } else { class + 1 };
            tally.add_image(2 * half + index, result, class, Some(label), divergence);
        }
        tallies.push(tally);
    }
    let tally = tallies.pop().unwrap().merge(tallies.pop().unwrap());
    let network = network();
    let input = sim::ReportInput {
        network: &network,
        program: &program,
        data: "toys".to_owned(),
        n_trained_images: Some(1),
        clock_mhz: 50.0,
        dense: None,
    };
    let report = tally.report(&input).unwrap();
    assert!(report.bit_exact && report.same_cycles_for_all_images);
    assert_eq!(
        (report.n_images, report.accuracy_rtl, report.accuracy_reference),
        (4, Some(0.5), Some(0.5))
    );
    let lost: u64 = report.lost_cycles.by_cause().iter().map(|(_, n_cycles)| n_cycles).sum();
    assert_eq!(lost, 8);
    assert_eq!(
        report.layers.iter().map(|layer| layer.n_cycles).sum::<u64>(),
        report.schedule.n_compute_cycles_per_image
    );
    let schedule = report.schedule;
    assert_eq!(schedule.n_compute_cycles_per_image, 3 * LAYER_CYCLES + LOGIT_CYCLES);
    assert_eq!(schedule.n_load_cycles_per_image, N_LOAD_CYCLES);
    let between = schedule.n_cycles_between_images.unwrap();
    assert_eq!(report.images_per_second, Some(50e6 / between as f64));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, report.to_json()).unwrap();
    assert_eq!(sim::Report::read(&path).unwrap(), report);
    fs::write(&path, report.to_json().replace("\"format_version\": 2", "\"format_version\": 1"))
        .unwrap();
    let error = sim::Report::read(&path).unwrap_err().to_string();
    assert!(error.ends_with("report version 1 is not 2; help: run `twofold sim` again"), "{error}");
}

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
    five.classes.push("e".to_owned());
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
    long.weights = vec![vec![0, 0]; 33];
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

#[test]
fn a_model_is_built_once_and_again_if_its_file_is_damaged() {
    let cache = tempfile::tempdir().unwrap();
    let build = || Model::build_in(&tools(), cache.path(), VERILOG, TraceMode::Off).unwrap();
    let library = || {
        let mut libraries = Vec::new();
        for entry in fs::read_dir(cache.path()).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with(".partial"), "{name} is left over");
            if name.ends_with(".so") {
                libraries.push((entry.path(), entry.metadata().unwrap().modified().unwrap()));
            }
        }
        assert_eq!(libraries.len(), 1);
        libraries.remove(0)
    };
    std::thread::scope(|scope| {
        scope.spawn(build);
        scope.spawn(build);
    });
    let first = library();
    build();
    assert_eq!(library(), first);
    let whole = fs::read(&first.0).unwrap();
    // What was cut off or changed would end this process by a signal when it is called.
    for damaged in [b"not a library".as_slice(), &whole[..whole.len() / 2], &[]] {
        // Another file, for the old one is loaded in this process.
        fs::remove_file(&first.0).unwrap();
        fs::write(&first.0, damaged).unwrap();
        let mut machine = Machine::new(&build(), &config()).unwrap();
        machine.load(&program()).unwrap();
        let output = machine.run(&[&image(1)], &alone()).unwrap();
        assert_eq!(output.images[0].logits, expected(&image(1)).logits);
        assert_eq!(fs::metadata(&first.0).unwrap().len(), whole.len() as u64);
    }
    // So do the objects that every model shares, and a library without its record.
    fs::remove_file(first.0.with_extension("json")).unwrap();
    let mut n_objects = 0;
    for folder in fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()) {
        for object in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path())
        {
            if object.extension().is_some_and(|extension| extension == "o") {
                let half = fs::metadata(&object).unwrap().len() / 2;
                fs::File::options().write(true).open(&object).unwrap().set_len(half).unwrap();
                n_objects += 1;
            }
        }
    }
    assert!(n_objects >= 2, "{n_objects}");
    build();
    assert_eq!(fs::metadata(&first.0).unwrap().len(), whole.len() as u64);

    // Neither Verilator nor a compiler is needed for what is there; for anything else they are.
    let nothing = Tools::at(cache.path(), "", None);
    let model = Model::build_in(&nothing, cache.path(), VERILOG, TraceMode::Off).unwrap();
    Machine::new(&model, &config()).unwrap();
    let changed = format!("{VERILOG}\n");
    let error = Model::build_in(&nothing, cache.path(), &changed, TraceMode::Off).err().unwrap();
    assert!(error.to_string().starts_with("Verilator is not set up in "), "{error}");
}

/// A checkout whose Verilator is a script.
fn with_verilator(script: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join(".tools/venv/lib/python3/site-packages/verilator");
    fs::create_dir_all(package.join("bin")).unwrap();
    fs::write(root.path().join(".tools/venv/verilator.stamp"), "").unwrap();
    executable(&package.join("bin/verilator_bin"), script);
    std::os::unix::fs::symlink(tools().verilator().unwrap().include_dir(), package.join("include"))
        .unwrap();
    root
}

fn executable(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk_is_named_at_every_step() {
    let real = tools().verilator().unwrap();
    let (root, binary) = (real.root.display(), real.binary.display());
    // Verilator does not notice that its files were cut off, and ends as if all were well.
    for (file, size) in
        [("Vmodel___024root.h", 1500), ("Vmodel___024root__0.cpp", 4096), ("Vmodel__ver.d", 0)]
    {
        let script = format!(
            "export VERILATOR_ROOT='{root}'; '{binary}' \"$@\" || exit; \
             while [ \"$1\" != --Mdir ]; do shift; done; truncate -s {size} \"$2/{file}\""
        );
        let checkout = with_verilator(&script);
        let tools = Tools::at(checkout.path(), std::env::var_os("PATH").unwrap(), None);
        let error =
            Model::build_in(&tools, &checkout.path().join("cache"), VERILOG, TraceMode::Off);
        let error = error.err().unwrap().to_string();
        assert!(
            error
                .contains(&format!("{file} was cut off when Verilator wrote it; help: free space")),
            "{error}"
        );
    }
    // Compilers do notice.
    let folder = tempfile::tempdir().unwrap();
    let compiler = folder.path().join("full++");
    executable(
        &compiler,
        "echo 'ld: final link failed: No space left on device' >&2; echo 'error: 1' >&2; exit 1",
    );
    let tools = Tools::at(tools().root(), "", Some(compiler.display().to_string()));
    let error = Model::build_in(&tools, &folder.path().join("cache"), VERILOG, TraceMode::Off);
    let error = error.err().unwrap().to_string();
    let expected = format!(
        "{} has no room for the model: ld: final link failed: No space left on device; help: free space",
        compiler.display()
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_trace_holds_the_signals_under_their_names() {
    let model = Model::build(&tools(), VERILOG, TraceMode::Fst).unwrap();
    let mut machine = Machine::new(&model, &config()).unwrap();
    machine.load(&program()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.fst");
    let output = machine.trace(&image(3), &path, &alone()).unwrap();
    assert_eq!(output.images[0].logits, expected(&image(3)).logits);

    let mut reader =
        fst_reader::FstReader::open(std::io::BufReader::new(fs::File::open(&path).unwrap()))
            .unwrap();
    let mut scope = Vec::new();
    let mut names = Vec::new();
    reader
        .read_hierarchy(|entry| match entry {
            fst_reader::FstHierarchyEntry::Scope { name, .. } => scope.push(name),
            fst_reader::FstHierarchyEntry::UpScope => drop(scope.pop()),
            fst_reader::FstHierarchyEntry::Var { name, handle, .. } => {
                names.push((format!("{}.{name}", scope.join(".")), handle.get_index()));
            }
            _ => {}
        })
        .unwrap();
    let find = |end: &str| {
        let found = names.iter().find(|(name, _)| name.ends_with(end));
        found.unwrap_or_else(|| panic!("no {end} in {names:?}")).1
    };
    let drained = find("accelerator.drained_layers [7:0]");
    find("bank1.write");
    let mut values = Vec::new();
    reader
        .read_signals(
            &fst_reader::FstFilter::filter_signals(vec![fst_reader::FstSignalHandle::from_index(
                drained,
            )]),
            |_, _, value| {
                if let fst_reader::FstSignalValue::String(bits) = value {
                    values.push(String::from_utf8(bits.to_vec()).unwrap());
                }
                Ok::<(), std::convert::Infallible>(())
            },
        )
        .unwrap();
    let last = values.last().unwrap();
    assert_eq!(u8::from_str_radix(last, 2).unwrap(), 4, "{values:?}");

    let error = machine
        .trace(&image(3), &folder.path().join("none/x.fst"), &alone())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot write the trace "), "{error}");
}
