//! The whole accelerator in rust-hdl's simulator: every byte of every layer, as the integer reference has it.

use flow::cases::{Size, random_image, random_network};
use hw::accelerator::TooManyRows;
use hw::native::{Native, NativeError, NativeImage, NativeOptions, NativeOutput};
use spec::{ArrayConfig, LayerOutput, Memories, Op, Program, QuantNetwork, run_reference, status};
use std::time::Instant;
use twofold_tests::differential::compare;

/// Small maps, so that a run takes some thousand cycles.
const SMALL: Size = Size { n_layers: 3, side: 6, channels: 9 };

fn array(rows: usize, cols: usize) -> ArrayConfig {
    ArrayConfig::new(rows, cols, Memories::default()).expect("the sizes are within the limits")
}

fn compiled(seed: u64, array: &ArrayConfig) -> (QuantNetwork, Program) {
    let network = random_network(seed, SMALL, array);
    let program = codegen::compile(&network, array, &codegen::Options::default())
        .expect("random networks fit");
    (network, program)
}

/// Compares every layer of every image with the reference, and looks where the cycles went.
fn check(network: &QuantNetwork, program: &Program, images: &[Vec<i8>], output: &NativeOutput) {
    assert_eq!(output.images.len(), images.len());
    for (image, result) in images.iter().zip(&output.images) {
        let expected = run_reference(network, image).expect("the image has the size");
        assert_eq!(result.logits, expected.logits);
        for (info, layer) in program.layers.iter().zip(&result.layers) {
            let at = |address: usize| u64::from(layer.registers[address]);
            let lost: u64 = status::LOST.iter().map(|address| at(*address)).sum();
            assert_eq!(at(status::CYCLES), at(status::USEFUL) + lost, "{}", info.name);
            assert_eq!(layer.maps.is_empty(), info.output.is_none(), "{}", info.name);
            let Some(LayerOutput::Map(map)) = info.network_layer.map(|at| &expected.layers[at])
            else {
                continue;
            };
            assert!(layer.written_at > 0 && !layer.maps.is_empty());
            for (bank, bytes) in &layer.maps {
                assert!(map.iter().eq(bytes), "{} in bank {bank}", info.name);
            }
        }
    }
    assert_eq!(output.registers[status::IMAGES] as usize, images.len());
}

#[test]
fn it_computes_what_the_reference_computes_however_the_ports_stall() {
    for (seed, (rows, cols)) in [(1, (2, 2)), (2, (3, 5)), (3, (2, 4))] {
        let (network, program) = compiled(seed, &array(rows, cols));
        let images: Vec<Vec<i8>> = (0..2).map(|i| random_image(&network, seed + i)).collect();
        let borrowed: Vec<&[i8]> = images.iter().map(Vec::as_slice).collect();
        let mut native = Native::new(&program).unwrap();
        let start = Instant::now();
        let output = native.run(&borrowed, &NativeOptions::default()).unwrap();
        let rate = output.n_cycles as f64 / start.elapsed().as_secs_f64();
        eprintln!("{rows}x{cols}: {} cycles, {rate:.0} a second", output.n_cycles);
        check(&network, &program, &images, &output);
        let options =
            NativeOptions { back_to_back: false, stall_seed: 7, ..NativeOptions::default() };
        let stalled = native.run(&borrowed, &options).unwrap();
        check(&network, &program, &images, &stalled);
        assert!(stalled.n_cycles > output.n_cycles);
        // The cycles of computing depend on no port but for one: logits wait until those of the image before are sent.
        let fetch = status::REGISTERS.iter().position(|register| register.name == "fetch").unwrap();
        let cycles = |output: &NativeOutput| {
            let registers = |image: &NativeImage| {
                let mut registers = image.layers.last().unwrap().registers;
                registers[status::CYCLES] -= registers[fetch];
                registers[fetch] = 0;
                registers[2..=10].to_vec()
            };
            output.images.iter().map(registers).collect()
        };
        let [all, again]: [Vec<Vec<u32>>; 2] = [cycles(&output), cycles(&stalled)];
        assert_eq!(all, again);
        let first = |output: &NativeOutput| output.images[0].layers.last().unwrap().registers[2];
        assert_eq!(first(&output), first(&stalled));
        assert_eq!(all[0], all[1]);
    }
}

/// Of an image that no weight reads nothing is packed: its words are zeros.
#[test]
fn a_first_layer_of_zeros_computes_its_biases() {
    let array = array(2, 4);
    for seed in 1..=4 {
        let mut network = random_network(seed, SMALL, &array);
        match &mut network.layers[0].op {
            Op::Conv(conv) => conv.weight.fill(0),
            Op::FullyConnected(fully_connected) => fully_connected.weight.fill(0),
            _ => continue,
        }
        let image = random_image(&network, seed);
        let options = codegen::Options::default();
        compare(&network, &array, &options, &image).unwrap();
        let program = codegen::compile(&network, &array, &options).unwrap();
        let output =
            Native::new(&program).unwrap().run(&[&image], &NativeOptions::default()).unwrap();
        check(&network, &program, &[image], &output);
    }
}

#[test]
fn what_cannot_run_says_why() {
    let (network, program) = compiled(1, &array(2, 2));
    let image = random_image(&network, 1);
    let mut native = Native::new(&program).unwrap();
    let options = NativeOptions::default();
    let found = image.len() - 1;
    let expected = image.len();
    assert_eq!(
        native.run(&[&image, &image[1..]], &options),
        Err(NativeError::ImageSize { image: 1, expected, found })
    );
    let options = NativeOptions { cycle_limit: 20, ..options };
    assert_eq!(
        native.run(&[&image], &options),
        Err(NativeError::Timeout { image: 0, cycle_limit: 20, instruction: 0 })
    );

    let mut damaged = program.clone();
    damaged.instructions[1][0] |= 0xf;
    let error = Native::new(&damaged).unwrap().run(&[&image], &NativeOptions::default());
    assert_eq!(error, Err(NativeError::Hardware { image: 0, instruction: 1 }));

    let mut other = program.clone();
    other.outputs[0].channels += 1;
    let error = Native::new(&other).unwrap().run(&[&image], &NativeOptions::default());
    let n_values = |program: &Program| program.outputs[0].channels;
    let (expected, found) = (n_values(&other), n_values(&program));
    assert_eq!(error, Err(NativeError::Protocol { image: 0, expected, found }));

    let memories = Memories { tile: 2, ..Memories::default() };
    let small = ArrayConfig::new(2, 2, memories).unwrap();
    let rows = program.tiles.len();
    let error = Native::new(&Program { config: small, ..program }).err();
    assert_eq!(
        error,
        Some(NativeError::from(TooManyRows { memory: "tile_memory", rows, depth: 2 }))
    );
}

#[test]
fn its_messages_say_what_to_do() {
    let (image, expected, found) = (2, 10, 9);
    let errors = [
        NativeError::from(TooManyRows { memory: "tile_memory", rows: 5, depth: 2 }),
        NativeError::ImageSize { image, expected, found },
        NativeError::Timeout { image, cycle_limit: 1000, instruction: 7 },
        NativeError::Hardware { image, instruction: 7 },
        NativeError::Protocol { image, expected, found },
    ];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"));
}
