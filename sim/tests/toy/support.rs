//! The toy: its program, its network, its images and what it makes of them.

use ndarray::Array3;
use sim::tools::Tools;
use sim::{Machine, Model, RunOptions, TraceMode};
use spec::isa::{Block, Drain, INSTRUCTION_WORDS, Stream};
use spec::{
    ArrayConfig, Bounds, Inference, InputSpec, Layer, LayerInfo, LayerOutput, Logits, Memories, Op,
    OutputInfo, Parameter, Program, QuantNetwork, Region, Requantize, TensorRef,
};
use twofold_sim as sim;

pub(crate) const VERILOG: &str = include_str!("../fixtures/toy.v");
pub(crate) const N_BYTES: usize = 32;
pub(crate) const ADD: [i8; 3] = [3, -7, 100];
pub(crate) const BIAS: i32 = 1000;
/// Fetch and stream of a layer: two cycles, then one a word.
pub(crate) const LAYER_CYCLES: u64 = 2 + N_BYTES as u64 / 4;
pub(crate) const LOGIT_CYCLES: u64 = 2 + 4;
pub(crate) const N_LOAD_CYCLES: u64 = N_BYTES as u64 + 8 - 1;

pub(crate) fn tools() -> Tools {
    Tools::find().unwrap()
}

pub(crate) fn config() -> ArrayConfig {
    let memories = Memories {
        program: 16,
        tile: 16,
        weight: 32,
        parameter: 4,
        lane: 8,
        input: 64,
        ..Memories::default()
    }
    .with_banks([64; 3]);
    ArrayConfig::new(2, 2, memories).unwrap().with_port_bytes(1).unwrap()
}

pub(crate) fn program() -> Program {
    let layer = |index: usize| {
        let region = Region::new(2 << (index % 3), 0, [2, 4, 4]);
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
    let mut instructions =
        vec![[(N_BYTES | ADD.len() << 16) as u32, 0, 0, 0, 0], [0; INSTRUCTION_WORDS]];
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
        outputs: vec![OutputInfo::of_one_pixel("logits", 4)],
        n_input_bytes: N_BYTES,
        instructions,
        // Register 10, idle PE-cycles, is the sum of a tile's and the lane table's lowest bits.
        tiles: vec![[1, 0], [2, 0], [3, 0], [5, 0], [0, 0], [0, 1 << 12]],
        weights: ADD.iter().map(|add| vec![*add, 55].into()).collect(),
        parameters: vec![vec![Parameter { bias: BIAS, ..Parameter::default() }; 2]],
        lanes: vec![[1, 0]],
        layers: (0..=ADD.len()).map(layer).collect(),
    }
}

/// The toy adds, so that its layers have no MACs.
pub(crate) fn network() -> QuantNetwork {
    let layer = |index: usize| Layer {
        name: format!("add{index}"),
        input: TensorRef::Input,
        op: Op::GlobalAveragePool,
        requantize: Requantize::none(),
        bounds: Bounds::INT8,
        zero_point: 0,
        scale: 1.0,
    };
    let input = InputSpec {
        height: 2,
        width: 4,
        channels: 4,
        space_to_depth: 1,
        scale: 1.0,
        zero_point: 0,
        preprocess: None,
    };
    QuantNetwork {
        name: "toy".to_owned(),
        input,
        classes: program().classes,
        layers: (0..=ADD.len()).map(layer).collect(),
        outputs: vec![ADD.len()],
        provenance: serde_json::Value::Null,
    }
}

pub(crate) fn image(seed: u8) -> Vec<i8> {
    (0..N_BYTES as u8).map(|index| index.wrapping_mul(37).wrapping_add(seed) as i8).collect()
}

pub(crate) fn expected(image: &[i8]) -> Inference {
    let mut map = Array3::from_shape_vec((2, 4, 4), image.to_vec()).unwrap();
    let mut layers = Vec::new();
    for add in ADD {
        map.mapv_inplace(|value| value.wrapping_add(add));
        layers.push(LayerOutput::Map(map.clone()));
    }
    let logits = Logits::new(
        map.iter().step_by(5).take(4).map(|value| (i32::from(*value) + BIAS) as i16).collect(),
    );
    let output = Array3::from_shape_vec((1, 1, 4), logits.values.clone()).unwrap();
    layers.push(LayerOutput::Output(output));
    Inference { layers, logits }
}

pub(crate) fn machine(program: &Program) -> Machine {
    let model = Model::build(&tools(), VERILOG, TraceMode::Off).unwrap();
    let mut machine = Machine::new(&model, &config()).unwrap();
    machine.load(program).unwrap();
    machine
}

pub(crate) fn with_fault(fault: u32) -> Program {
    let mut program = program();
    program.instructions[0][1] = fault;
    program
}

pub(crate) fn alone() -> RunOptions {
    RunOptions { back_to_back: false, ..RunOptions::default() }
}
