//! A program put together by hand, its results worked out by hand, and every rule broken once.

use spec::isa::{Block, Drain, End, INSTRUCTION_WORDS, Instruction, Lane, Load, Stream, Tile};
use spec::{ArrayConfig, LayerInfo, Memories, OutputInfo, Parameter, Program, Region, WeightRow};

use super::{Problem, interpret};

const IMAGE: [i8; 8] = [1, 2, 3, -4, 5, 6, -7, 8];

fn instruction(instruction: impl Into<Instruction>) -> [u32; INSTRUCTION_WORDS] {
    instruction.into().encode().unwrap()
}

fn tile(tile: Tile) -> [u32; 2] {
    tile.encode().unwrap()
}

fn lane(lane: Lane) -> [u32; 2] {
    lane.encode().unwrap()
}

fn weights(rows: [[i8; 2]; 2]) -> Vec<WeightRow> {
    [rows[0], rows[1], [0; 2], [0; 2]].map(|row| row.to_vec().into()).into()
}

/// On a 2x2 array, whose words hold 4 channels: a 1x1 convolution of 2x2 pixels from channels `(a, b)` to `(a, b, a + b, a - b)`, then
/// the logits `sum(ch0 + ch2) / 2` and `sum(ch1 - ch3) / 2`.
fn program() -> Program {
    let scaled = |shift| vec![Parameter { multiplier: 1, shift, ..Parameter::default() }; 2];
    let stream = Stream {
        stride_x: 1,
        stride_y: 1,
        pixel_step: 1,
        row_step: 2,
        in_width: 2,
        in_height: 2,
        ..Stream::default()
    };
    let info = |name: &str, output| LayerInfo {
        name: name.into(),
        network_layer: None,
        output,
        n_useful_macs: 0,
        n_dense_macs: 0,
        n_tiles: 2,
        n_blocks: 1,
    };
    let block = Block { height_minus_1: 1, width_minus_1: 1, layer_end: true, ..Block::default() };
    let bounds = Drain { low: -128, high: 127, ..Drain::default() };
    Program {
        config: ArrayConfig::new(
            2,
            2,
            Memories { accumulator: 4, ..Memories::default() }.with_banks([8; 3]),
        )
        .unwrap(),
        network: "by hand".into(),
        classes: vec!["a".into(), "b".into()],
        outputs: vec![OutputInfo::of_one_pixel("pool", 2)],
        n_input_bytes: 8,
        instructions: vec![
            instruction(Load {
                block: 1,
                bytes_minus_1: 7,
                grid_width_minus_1: 1,
                grid_height_minus_1: 1,
                pixel_step: 2,
                row_step: 4,
                row_bytes: 4,
                image_height: 2,
                fill: 0,
                reach: 3,
            }),
            instruction(Stream { groups_minus_1: 1, ..stream }),
            instruction(Drain { out_banks: 0b0110, out_pixel_step: 1, out_row_step: 2, ..bounds }),
            instruction(Block { release_input: true, out_address: 3, ..block }),
            instruction(Stream {
                in_bank: 1,
                sum: true,
                layer: 1,
                tile_base: 4,
                weight_base: 16,
                ..stream
            }),
            instruction(Drain { logits: true, wide: true, parameter_base: 2, ..bounds }),
            instruction(Block { wait_late: true, in_address: 3, ..block }),
            instruction(End { logits_minus_1: 1 }),
        ],
        tiles: vec![
            tile(Tile { active: 2, ..Tile::default() }),
            tile(Tile { active: 2, mask: 3, last: true, ..Tile::default() }),
            tile(Tile { active: 1, ..Tile::default() }),
            tile(Tile { active: 2, mask: 3, last: true, ..Tile::default() }),
            tile(Tile { after: 1, ..Tile::default() }),
            tile(Tile { after: 1, mask: 3, last: true, ..Tile::default() }),
        ],
        weights: [
            weights([[1, 0], [0, 0]]),
            weights([[0, 1], [0, 0]]),
            weights([[1, 1], [0, 0]]),
            weights([[1, -1], [0, 0]]),
            weights([[1, 0], [1, 0]]),
            weights([[0, 1], [0, -1]]),
        ]
        .concat(),
        parameters: vec![scaled(0), scaled(0), scaled(1)],
        lanes: vec![
            lane(Lane { last_lane: 0, ..Lane::default() }),
            lane(Lane {
                offset: 1,
                column: 1,
                first_lane: 1,
                last_lane: 1,
                word_end: true,
                pixel_end: true,
                ..Lane::default()
            }),
        ],
        layers: vec![info("conv", Some(Region::new(0b0110, 3, [2, 2, 4]))), info("pool", None)],
    }
}

/// Sets a field of an instruction.
macro_rules! set {
    ($program:expr, $index:literal, $Record:ident.$field:ident, $value:expr) => {{
        let words = &mut $program.instructions[$index];
        let mut record = $Record::decode(words);
        record.$field = $value;
        *words = record.encode().unwrap();
    }};
}

fn remove(program: &mut Program, instruction: usize) {
    program.instructions.remove(instruction);
}

fn problem(change: impl Fn(&mut Program)) -> Problem {
    let mut program = program();
    change(&mut program);
    interpret(&program, &IMAGE).expect_err("a rule is broken").problem
}

#[test]
fn computes_what_was_worked_out_by_hand() {
    let execution = interpret(&program(), &IMAGE).unwrap();
    let pixels = [[1, 2, 3, -1], [3, -4, -1, 7], [5, 6, 11, -1], [-7, 8, 1, -15]];
    assert_eq!(execution.layers[0].output, Some(pixels.concat()));
    assert_eq!(execution.layers[0].n_useful_macs, 4 * (2 + 2 + 1 + 2));
    assert_eq!((execution.layers[0].n_units, execution.layers[1].n_units), (2, 1));
    assert_eq!(execution.layers[1].output, None);
    assert_eq!((execution.logits, execution.class), (vec![8, 11], 1));
}

#[test]
fn diagonal_tiles_share_a_weight_row() {
    // The first group copies both channels of a pixel, so its two tiles may store one row of ones.
    let mut program = program();
    let copy = Tile { active: 2, diagonal: true, ..Tile::default() };
    program.tiles[0] = tile(Tile { keep_row: true, ..copy });
    program.tiles[1] = tile(Tile { mask: 3, last: true, ..copy });
    program.weights.splice(..8, [vec![1, 1].into()]);
    set!(program, 4, Stream.weight_base, 9);
    let by_hand = interpret(&self::program(), &IMAGE).unwrap();
    assert_eq!(interpret(&program, &IMAGE).unwrap(), by_hand);
    // One column further down, row 1 takes the third channel to column 0, and none is taken to column 1.
    let moved = Tile { diagonal_column: -1, ..copy };
    program.tiles[0] = tile(Tile { keep_row: true, ..moved });
    program.tiles[1] = tile(Tile { mask: 1, last: true, ..moved });
    program.lanes = [0, 1, 1, 1]
        .into_iter()
        .enumerate()
        .map(|(index, offset)| {
            let end = index == 3;
            let (first_lane, last_lane, column) = (index, index, offset);
            let ends = Lane { word_end: end, pixel_end: end, ..Lane::default() };
            lane(Lane { offset, column, first_lane, last_lane, ..ends })
        })
        .collect();
    let execution = interpret(&program, &IMAGE).unwrap();
    let pixels = execution.layers[0].output.clone().unwrap();
    let first: Vec<&[i8]> = pixels.chunks(4).map(|pixel| &pixel[..2]).collect();
    // Both passes add the second image channel.
    assert_eq!(first, [[4, 0], [-8, 0], [12, 0], [16, 0]]);
}

#[test]
fn a_crossing_has_the_sections_behind_it_take_the_other_channel() {
    let mut program = program();
    program.config = program.config.with_mask_columns(1).unwrap();
    // Column 0 takes channel a and column 1 channel b, so that the first group takes one tile and not two; then the second
    // group's `a - b` and `a + b` are made of (a, b) and (b, a).
    let crossed = |row: [i8; 2]| {
        let mut rows = weights([row, [0, 0]]);
        rows[0].crossings = 1;
        rows
    };
    program.tiles.remove(0);
    program.tiles[0] = tile(Tile { active: 2, last: true, ..Tile::default() });
    let rows = [crossed([1, 1]), crossed([1, -1]), crossed([1, 1])].concat();
    program.weights.splice(..16, rows);
    set!(program, 4, Stream.tile_base, 3);
    set!(program, 4, Stream.weight_base, 12);
    let by_hand = interpret(&self::program(), &IMAGE).unwrap();
    let execution = interpret(&program, &IMAGE).unwrap();
    assert_eq!((&execution.logits, execution.class), (&by_hand.logits, by_hand.class));
    assert_eq!(execution.layers[0].output, by_hand.layers[0].output);
    // The mask says which weight of a diagonal tile is kept, and the crossing which channel it meets: a for both columns.
    let copy = Tile { active: 2, diagonal: true, ..Tile::default() };
    program.tiles[0] = tile(Tile { keep_row: true, ..copy });
    program.tiles.insert(1, tile(Tile { mask: 3, last: true, ..copy }));
    program.weights.splice(..4, [WeightRow { weights: vec![1, 1], crossings: 1 }]);
    set!(program, 4, Stream.tile_base, 4);
    set!(program, 4, Stream.weight_base, 9);
    let execution = interpret(&program, &IMAGE).unwrap();
    let pixels = execution.layers[0].output.clone().unwrap();
    let first: Vec<&[i8]> = pixels.chunks(4).map(|pixel| &pixel[..2]).collect();
    assert_eq!(first, [[1, 1], [3, 3], [5, 5], [-7, -7]]);
}

#[test]
fn pads_strides_pools_and_adds_a_residual() {
    // The first layer again, over a block one pixel up and to the left, pooled, and its result halved to even.
    let mut program = program();
    set!(program, 2, Drain.residual, 1);
    set!(program, 3, Block.window_height_minus_1, 1);
    set!(program, 3, Block.window_width_minus_1, 1);
    set!(program, 3, Block.pool_stride_y_minus_1, 1);
    set!(program, 3, Block.pool_stride_x_minus_1, 1);
    set!(program, 2, Drain.residual_bank, 0);
    set!(program, 2, Drain.residual_pixel_step, 1);
    set!(program, 2, Drain.residual_row_step, 2);
    set!(program, 3, Block.y0, -1);
    set!(program, 3, Block.x0, -1);
    set!(program, 3, Block.in_address, (1 << 16) - 3);
    set!(program, 4, Stream.in_width, 1);
    set!(program, 4, Stream.in_height, 1);
    set!(program, 3, Block.release_input, false);
    program.layers[0].output = Some(Region::new(6, 3, [1, 1, 4]));
    program.parameters[1][0] =
        Parameter { bias: 1, multiplier: 1, shift: 1, residual_multiplier: 2 };
    // The packed pixel is (a, b, a, b), so that channel 2, in the last unit, has a residual.
    let lanes = [(0, false), (2, true)];
    program.lanes = lanes
        .map(|(first_lane, end)| {
            let last_lane = first_lane + 1;
            lane(Lane { first_lane, last_lane, word_end: end, pixel_end: end, ..Lane::default() })
        })
        .to_vec();
    // Sums of channel 2 are 0, 0, 0 and a + b = 3, its residual is 1, 3, 5, -7:
    // (0 + 1 + 2) / 2 = 1.5, (0 + 1 + 6) / 2 = 3.5, (0 + 1 + 10) / 2 = 5.5 to 6, (3 + 1 - 14) / 2 = -5, the largest
    // being 6. The other channels are 0, 0, 0 and 1, 2, -1.
    let execution = interpret(&program, &IMAGE).unwrap();
    assert_eq!(execution.layers[0].output, Some(vec![1, 2, 6, 0]));

    // With a zero point of 1 it is 0, 2, 4, -8. Before the scaling the largest is (0 + 1 + 8) / 2 = 4.5, with halves away
    // from zero 5, less 20; the others are raised to -17.
    set!(program, 2, Drain.residual_zero_point, 1);
    set!(program, 2, Drain.half_away, true);
    set!(program, 2, Drain.zero_point, -20);
    set!(program, 2, Drain.low, -17);
    let pixel = |program: &Program| interpret(program, &IMAGE).unwrap().layers[0].output.clone();
    assert_eq!(pixel(&program), Some(vec![-17, -17, -15, -17]));
    // After it, with a multiplier of 3: ((0 + 1) * 3 + 8) / 2 = 5.5 to 6; at most 2 with the zero point and the bound.
    program.parameters[1][0].multiplier = 3;
    set!(program, 2, Drain.residual, 2);
    assert_eq!(pixel(&program), Some(vec![-17, -17, -14, -17]));
    set!(program, 2, Drain.zero_point, 0);
    set!(program, 2, Drain.low, -128);
    set!(program, 2, Drain.high, 2);
    assert_eq!(pixel(&program), Some(vec![1, 2, 2, 0]));
    // Without a residual what its fields say does not matter: (3 + 1) * 3 / 2 = 6.
    set!(program, 2, Drain.residual, 0);
    set!(program, 2, Drain.high, 127);
    assert_eq!(pixel(&program), Some(vec![1, 2, 6, 0]));
}

#[test]
fn a_pixel_outside_reads_as_the_fill() {
    // The first layer again, over a block one pixel up and to the left.
    let mut program = program();
    set!(program, 1, Stream.fill, -3);
    set!(program, 3, Block.y0, -1);
    set!(program, 3, Block.x0, -1);
    set!(program, 3, Block.in_address, (1 << 16) - 3);
    let outside = [-3, -3, -6, 0];
    let execution = interpret(&program, &IMAGE).unwrap();
    let pixels = [outside, outside, outside, [1, 2, 3, -1]];
    assert_eq!(execution.layers[0].output, Some(pixels.concat()));
}

#[test]
fn rounds_halves_and_saturates() {
    let run_with = |bias: i32, multiplier, shift, low, away| {
        let mut program = program();
        set!(program, 5, Drain.low, low);
        set!(program, 5, Drain.half_away, away);
        program.parameters[2][0] =
            Parameter { bias: bias - 16, multiplier, shift, residual_multiplier: 0 };
        interpret(&program, &IMAGE).unwrap().logits[0]
    };
    let run = |bias, multiplier, shift, low| run_with(bias, multiplier, shift, low, false);
    for (bias, expected) in [(1, 1), (3, 2), (5, 3), (-1, -1), (-3, -2), (-5, -3), (6, 3)] {
        assert_eq!(run_with(bias, 1, 1, -128, true), expected, "{bias}/2 away from zero");
    }
    for (bias, expected) in [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2), (6, 3)] {
        assert_eq!(run(bias, 1, 1, -128), expected, "{bias}/2");
    }
    assert_eq!(
        (run(40_000, 1, 0, -128), run(-40_000, 1, 0, -128), run(-40_000, 1, 0, 0)),
        (32767, -32768, 0)
    );
    assert_eq!(
        (run(i32::MAX, 32767, 47, -128), run(i32::MAX - 10, 0xff_ffff, 0, -128)),
        (0, 32767)
    );
}

#[test]
fn refuses_what_is_not_yet_written() {
    // Byte 0 is of the last unit but one before the layer, byte 2 of the last.
    let hazard = |byte| Problem::NotYetWritten { bank: 1, word: 3, byte };
    assert_eq!(problem(|p| set!(p, 6, Block.wait_late, false)), hazard(0));
    let after = |n| move |p: &mut Program| p.tiles[4] = tile(Tile { after: n, ..Tile::default() });
    assert_eq!(problem(after(3)), hazard(0));
    assert_eq!(problem(after(2)), hazard(2));
    // A wait that comes after the read is too late; one for all is not.
    let unmark = |p: &mut Program| p.tiles[4] = tile(Tile::default());
    assert_eq!(problem(unmark), hazard(0));
    let mut program = program();
    unmark(&mut program);
    set!(program, 6, Block.wait_all, true);
    assert_eq!(interpret(&program, &IMAGE).unwrap().logits, [8, 11]);
    assert_eq!(
        problem(|p| set!(p, 4, Stream.in_bank, 3)),
        Problem::Unwritten { bank: 3, word: 3, byte: 0 }
    );
}

#[test]
fn refuses_two_readers_of_a_bank() {
    let with_residual = |p: &mut Program, bank: usize| {
        set!(p, 2, Drain.residual, 1);
        set!(p, 2, Drain.residual_bank, bank);
        set!(p, 2, Drain.residual_pixel_step, 1);
        set!(p, 2, Drain.residual_row_step, 2);
        p.parameters[0][0].residual_multiplier = 1;
    };
    // Unit 1 reads its residual in bank 0 while unit 2 streams from it.
    assert_eq!(problem(|p| with_residual(p, 0)), Problem::PortConflict { bank: 0 });
    // With one group a layer, the conflict is between layers.
    let between = |p: &mut Program| {
        set!(p, 1, Stream.groups_minus_1, 0);
        set!(p, 4, Stream.in_bank, 0);
        set!(p, 3, Block.release_input, false);
        p.layers[0].output = Some(Region::new(6, 3, [2, 2, 2]));
        with_residual(p, 0);
    };
    assert_eq!(problem(between), Problem::PortConflict { bank: 0 });
    let waits = |p: &mut Program| {
        between(p);
        set!(p, 6, Block.wait_all, true);
        set!(p, 6, Block.in_address, 0);
    };
    assert_eq!(problem(waits), Problem::Unwritten { bank: 0, word: 0, byte: 2 });
}

#[test]
fn refuses_every_other_broken_rule() {
    assert_eq!(
        problem(|p| remove(p, 0)),
        Problem::Order { instruction: "STREAM", missing: "LOAD" }
    );
    assert_eq!(
        problem(|p| remove(p, 1)),
        Problem::Order { instruction: "BLOCK", missing: "STREAM" }
    );
    assert_eq!(
        problem(|p| remove(p, 2)),
        Problem::Order { instruction: "BLOCK", missing: "DRAIN" }
    );
    assert_eq!(problem(|p| remove(p, 7)), Problem::NoEnd);
    assert_eq!(problem(|p| p.instructions.push([4, 0, 0, 0, 0])), Problem::AfterEnd { n: 1 });
    assert_eq!(problem(|p| p.instructions[4] = [9, 0, 0, 0, 0]), Problem::Opcode { word: 9 });
    assert_eq!(problem(|p| p.instructions[7][3] = 1), Problem::UnusedBits);
    assert_eq!(
        problem(|p| set!(p, 4, Stream.layer, 5)),
        Problem::LayerIndex { found: 5, expected: 1 }
    );
    assert_eq!(
        problem(|p| set!(p, 7, End.logits_minus_1, 2)),
        Problem::LogitCount { found: 3, expected: 2 }
    );
    assert_eq!(problem(|p| p.layers.truncate(1)), Problem::LayerCount { n: 1 });
    assert_eq!(problem(|p| set!(p, 6, Block.layer_end, false)), Problem::LayerCount { n: 2 });
    assert_eq!(problem(|p| p.layers[1].output = p.layers[0].output), Problem::LogitsFlag);
    assert_eq!(
        problem(|p| p.n_input_bytes = 9),
        Problem::ImageLength { found: 8, load: 8, manifest: 9 }
    );
    let accumulators = Problem::Accumulators { height: 3, width: 2, depth: 4 };
    assert_eq!(problem(|p| set!(p, 3, Block.height_minus_1, 2)), accumulators);
    let beyond = |memory, address, depth| Problem::Address { memory, address, depth };
    assert_eq!(problem(|p| p.tiles.truncate(5)), beyond("tile memory", 5, 5));
    assert_eq!(problem(|p| p.weights.truncate(23)), beyond("weight memory", 23, 23));
    assert_eq!(problem(|p| p.parameters.truncate(2)), beyond("parameter memory", 2, 2));
    assert_eq!(problem(|p| p.lanes.truncate(1)), beyond("lane table", 1, 1));
    assert_eq!(problem(|p| set!(p, 0, Load.row_step, 7)), beyond("image", 8, 8));
    assert_eq!(problem(|p| set!(p, 3, Block.out_address, 5)), beyond("output map", 8, 8));
    assert_eq!(problem(|p| set!(p, 3, Block.in_address, 2048)), beyond("input map", 2048, 2048));
    assert_eq!(
        problem(|p| set!(p, 3, Block.in_address, 1)),
        Problem::Unwritten { bank: 0, word: 4, byte: 0 }
    );
    let missing = Problem::OutputMissing { bank: 1, y: 0, x: 0, channel: 2 };
    assert_eq!(problem(|p| set!(p, 1, Stream.groups_minus_1, 0)), missing);
    let bank3 = |p: &mut Program| set!(p, 2, Drain.out_banks, 0b1100);
    assert_eq!(problem(bank3), Problem::OutputMissing { bank: 1, y: 0, x: 0, channel: 0 });
    let early = |p: &mut Program| set!(p, 4, Stream.in_bank, 0);
    assert_eq!(problem(early), Problem::Released);
    let overflow = |p: &mut Program| p.parameters[2][1].bias = i32::MAX - 21;
    assert_eq!(problem(overflow), Problem::Overflow { accumulator: 0, column: 1 });
    let broken: [fn(&mut Program); 16] = [
        |p| set!(p, 1, Stream.stride_x, 5),
        |p| set!(p, 1, Stream.stride_y, 0),
        |p| p.tiles[0] = tile(Tile { keep_row: true, ..Tile::default() }),
        |p| set!(p, 2, Drain.out_banks, 1),
        |p| set!(p, 2, Drain.logits, true),
        |p| set!(p, 2, Drain.steps_minus_1, 1),
        |p| set!(p, 2, Drain.last_steps_minus_1, 1),
        |p| set!(p, 6, Block.window_width_minus_1, 1),
        |p| set!(p, 3, Block.pool_stride_y_minus_1, 3),
        |p| set!(p, 3, Block.window_height_minus_1, 2),
        |p| {
            set!(p, 3, Block.width_minus_1, 3);
            set!(p, 3, Block.height_minus_1, 0);
            set!(p, 3, Block.window_width_minus_1, 1);
            set!(p, 3, Block.pool_stride_x_minus_1, 2);
        },
        |p| set!(p, 0, Load.block, 9),
        |p| set!(p, 0, Load.reach, 2),
        |p| {
            set!(p, 0, Load.grid_width_minus_1, 2);
            set!(p, 0, Load.pixel_step, 0x8000);
        },
        |p| p.lanes[0][1] |= 4 << 13,
        |p| p.lanes[0][1] |= 3 << 8 | 5 << 13,
    ];
    for (index, change) in broken.into_iter().enumerate() {
        let found = problem(change);
        assert!(matches!(found, Problem::Value { .. }), "{index}: {found}");
    }
}

#[test]
fn says_where() {
    let mut program = program();
    set!(program, 6, Block.wait_late, false);
    let message = interpret(&program, &IMAGE).unwrap_err().to_string();
    assert_eq!(
        message,
        "instruction 6, layer 1, group 0, tile 4, pixel (0, 0) of the block: \
         bank 1, word 3, byte 0 is read but the unit that writes it may not have done so: wait"
    );
}
