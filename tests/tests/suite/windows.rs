//! Pooling windows of every size and stride: the RTL against the interpreter of docs/isa.md.

use codegen::{Options, compile};
use flow::cases::{Builder, ConvSpec, random_image};
use sim::RunOptions;
use spec::isa::{Block, Drain, Instruction, Stream};
use spec::{Program, Sparsity, TensorRef};
use twofold_tests::interpreter::interpret;

use crate::support::{array, machine};

const SIDES: (usize, usize) = (7, 8);

/// A side of a window, its stride, and how many of them there are.
type Side = (usize, usize, usize);

/// The program with one block in its first layer, which pools, and a second layer that reads the pooled map.
fn pooled(program: &Program, (wh, sy, oh): Side, (ww, sx, ow): Side) -> Program {
    let mut program = program.clone();
    let mut layer = None;
    let mut n_blocks = [0; 3];
    let instructions = program.instructions.iter().filter_map(|words| {
        let instruction = Instruction::decode(words).expect("the compiler writes instructions");
        let words_a_pixel =
            program.layers[0].output?.channels.div_ceil(program.config.word_channels());
        Some(match (instruction, layer) {
            (Instruction::Stream(stream), _) => {
                layer = Some(stream.layer);
                match stream.layer {
                    1 => Instruction::Stream(Stream {
                        in_width: ow,
                        in_height: oh,
                        row_step: ow * words_a_pixel,
                        ..stream
                    }),
                    _ => instruction,
                }
            }
            (Instruction::Drain(drain), Some(0)) => {
                Instruction::Drain(Drain { out_row_step: ow * words_a_pixel, ..drain })
            }
            (Instruction::Block(block), Some(at)) => {
                n_blocks[at] += 1;
                let pooled = Block {
                    height_minus_1: wh + sy * (oh - 1) - 1,
                    width_minus_1: ww + sx * (ow - 1) - 1,
                    window_height_minus_1: wh - 1,
                    window_width_minus_1: ww - 1,
                    pool_stride_y_minus_1: sy - 1,
                    pool_stride_x_minus_1: sx - 1,
                    layer_end: true,
                    release_input: true,
                    ..block
                };
                let reader = Block {
                    height_minus_1: oh - 1,
                    width_minus_1: ow - 1,
                    wait_all: true,
                    ..block
                };
                match (at, n_blocks[at]) {
                    (0, 1) => Instruction::Block(pooled),
                    (0, _) => return None,
                    (1, _) => Instruction::Block(reader),
                    _ => instruction,
                }
            }
            _ => instruction,
        })
    });
    let instructions: Vec<Instruction> = instructions.collect();
    program.instructions =
        instructions.iter().map(|i| i.encode().expect("the fields hold small blocks")).collect();
    program.layers[0].n_blocks = 1;
    if let Some(region) = &mut program.layers[0].output {
        (region.height, region.width) = (oh, ow);
    }
    program
}

#[test]
fn windows_of_every_size_and_stride_give_their_largest_values() {
    for (rows, cols, lanes, channels) in [(2, 4, 4, 4), (3, 8, 6, 7)] {
        let config = array(rows, cols).with_lanes(lanes).expect("the array can have these lanes");
        let mut builder = Builder::new([SIDES.0, SIDES.1, channels], 1, 1);
        let map = builder.conv(
            "conv",
            TensorRef::Input,
            &ConvSpec::same(channels, 1, Sparsity::default()),
        );
        let pool = builder.global_average_pool("pool", map);
        builder.fully_connected("classes", pool, 5, Sparsity::default(), false);
        let network = builder.finish("windows");
        let program = compile(&network, &config, &Options::default()).expect("the network fits");
        let image = random_image(&network, 1);
        let mut machine = machine(&config);
        let sides = |side: usize| {
            let windows = (1..=3).flat_map(|window| (1..=3).map(move |stride| (window, stride)));
            windows.map(move |(window, stride)| (window, stride, (side - window) / stride + 1))
        };
        for (y, x) in sides(SIDES.0).flat_map(|y| sides(SIDES.1).map(move |x| (y, x))) {
            let program = pooled(&program, y, x);
            let expected = interpret(&program, &image).expect("the program keeps the rules");
            machine.load(&program).expect("the program fits");
            let run = machine.run(&[&image, &image], &RunOptions::default()).expect("it runs");
            for seen in &run.images {
                assert_eq!(seen.logits.values, expected.logits, "{y:?}, {x:?}");
                assert!(!seen.layers[0].maps.is_empty());
                for (bank, map) in &seen.layers[0].maps {
                    let bytes: Vec<i8> = map.iter().copied().collect();
                    assert_eq!(Some(bytes), expected.layers[0].output, "{y:?}, {x:?}, bank {bank}");
                }
            }
        }
    }
}
