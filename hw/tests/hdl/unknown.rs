//! Unknown values in the leaves, under Icarus: what depends on one is unknown, and what does not is known. Nothing turns an
//! unknown value into a number.

mod icarus;

use spec::{ArrayConfig, Memories, Technology};
use twofold_hw::datapath::accumulator::Accumulator;
use twofold_hw::datapath::crossing::Crossing;
use twofold_hw::datapath::diagonal_mask::DiagonalMask;
use twofold_hw::datapath::lane_select::LaneSelect;
use twofold_hw::datapath::pe::Pe;
use twofold_hw::datapath::pool::Pool;
use twofold_hw::datapath::requantize::Requantize;
use twofold_hw::datapath::selector::Selector;
use twofold_hw::memory::activation_memory::{
    ActivationMemory, BankSelect, GranuleWrite, ResidualSelect,
};
use twofold_hw::memory::loader::{WindowInside, WindowSelect, WordPacker};
use twofold_hw::memory::output::{Largest, LogitSelect};

use icarus::{Value, X, first, has_icarus, k, simulate};

fn config(rows: usize, cols: usize) -> ArrayConfig {
    ArrayConfig::new(
        rows,
        cols,
        Memories { accumulator: 4, input: 4, ..Memories::default() }.with_banks([4; 3]),
    )
    .unwrap()
}

/// What a requantizer makes of residual mode and zero point, rounding, zero point, bounds, accumulator, bias, residual, its
/// multiplier, multiplier and shift.
fn requantized(technology: Technology, inputs: [Value; 12]) -> Value {
    let row: Vec<Value> = [k(1)].into_iter().chain(inputs).collect();
    first(Requantize::new(technology), &vec![row; Requantize::LATENCY + 1]).pop().unwrap()
}

#[test]
fn a_requantizer_gives_no_number_for_an_unknown_value() {
    if !has_icarus() {
        return;
    }
    let minus = |value: i64, bits: u32| k((value & ((1 << bits) - 1)) as u64);
    let bounds = [minus(-128, 16), k(127)];
    let wide = [minus(-32768, 16), k(32767)];
    for technology in [Technology::Generic, Technology::Ecp5] {
        let operands = [k(1000), k(24), k(3), k(2), k(1 << 14), k(17)];
        let with = |mode, bounds: [Value; 2]| {
            let context = [k(mode), minus(-1, 8), k(0), k(5), bounds[0], bounds[1]];
            [context, operands].concat().try_into().unwrap()
        };
        // (1000 + 24 + (3 + 1) * 2) / 8 + 5, and (1024 * 2^14 + 8) / 2^17 + 5.
        assert_eq!(requantized(technology, with(1, wide)), k(134));
        assert_eq!(requantized(technology, with(2, wide)), k(133));
        assert_eq!(requantized(technology, with(1, bounds)), k(127));
        for mode in 0..3 {
            for bounds in [bounds, wide] {
                let known: [Value; 12] = with(mode, bounds);
                for unknown in 0..12 {
                    let mut inputs = known;
                    inputs[unknown] = X;
                    let seen = requantized(technology, inputs);
                    // Without a residual nothing of it matters, and an unknown multiplier of it neither; a bound that is
                    // not reached is compared with all the same.
                    let is_unused = mode == 0 && [1, 8, 9].contains(&unknown);
                    // Both roundings agree where there is no half.
                    let agrees = unknown == 2;
                    let expected =
                        if is_unused || agrees { requantized(technology, known) } else { X };
                    assert_eq!(
                        seen, expected,
                        "{technology:?}, {mode}, input {unknown} is unknown"
                    );
                }
            }
        }
        let mut unused: [Value; 12] = with(1, wide);
        unused[8] = X;
        unused[9] = k(0);
        assert_eq!(requantized(technology, unused), k(133), "a residual that is multiplied by 0");
    }
}

#[test]
fn a_maximum_of_an_unknown_value_is_unknown() {
    if !has_icarus() {
        return;
    }
    // Enable, first, value.
    let rows = [
        vec![k(1), k(1), k(5)],
        vec![k(1), k(0), X],
        vec![k(1), k(0), k(7)],
        vec![k(1), k(1), k(0xffff)],
        vec![k(0), k(0), X],
        vec![k(1), k(0), k(0xfffe)],
    ];
    assert_eq!(first(Pool::new(), &rows), [k(5), X, X, k(0xffff), k(0xffff), k(0xffff)]);
}

#[test]
fn the_class_of_unknown_logits_is_unknown() {
    if !has_icarus() {
        return;
    }
    // Enable, index, value.
    let row = |index, value| vec![k(1), k(index), value];
    let rows =
        [row(0, k(5)), row(1, X), row(2, k(7)), row(0, k(0xfff0)), row(1, k(3)), row(2, k(3))];
    assert_eq!(first(Largest::default(), &rows), [k(0), X, X, k(0), k(1), k(1)]);
    let rows = [row(0, X), row(1, k(2)), row(2, X)];
    assert_eq!(first(Largest::default(), &rows), [k(0), X, X], "of one logit the class is known");
    let rows = [vec![k(2), k(0), k(1), k(2), k(3)], vec![X, k(0), k(1), k(2), k(3)]];
    assert_eq!(first(LogitSelect::new(4), &rows), [k(2), X]);
}

#[test]
fn an_unknown_choice_or_what_it_chooses_is_unknown() {
    if !has_icarus() {
        return;
    }
    let word = |value: Value| vec![value; 4];
    // A bank, and the words of the four.
    let rows = |bank: Value, bank2: Value| {
        let banks = [word(k(0)), word(k(1)), word(bank2), word(k(3))].concat();
        [vec![bank], banks].concat()
    };
    let config = config(2, 2);
    let seen = first(
        BankSelect::new(&config),
        &[rows(k(2), k(9)), rows(X, k(9)), rows(k(2), X), rows(k(1), X)],
    );
    assert_eq!(seen, [k(9), X, X, k(1)]);

    // The same with a granule; bank and granule come a cycle before their word.
    let rows = |bank: Value, granule: Value, bank2: Value| {
        let mut row = rows(bank, bank2);
        row.insert(1, granule);
        row
    };
    let seen = first(
        ResidualSelect::new(&config),
        &[
            rows(k(2), k(0), k(9)),
            rows(k(2), k(0), k(9)),
            rows(X, X, k(9)),
            rows(k(2), k(0), k(9)),
            rows(k(2), k(0), X),
        ],
    );
    assert_eq!(seen, [X, k(9), k(9), X, X]);

    // Diagonal, pair of columns, which of the pair, and the stored row; the row comes a cycle later.
    let rows = |diagonal: Value, position: Value, odd: Value, stored: [Value; 2]| {
        [vec![diagonal, position, odd], stored.to_vec()].concat()
    };
    let stored = [k(5), k(6)];
    let seen = simulate(
        DiagonalMask::new(&config),
        &[
            rows(k(0), X, X, stored),
            rows(k(1), k(0), k(1), stored),
            rows(k(1), X, k(0), stored),
            rows(X, k(0), k(0), stored),
            rows(k(1), k(0), k(0), stored),
            rows(k(0), k(0), k(0), [X, k(6)]),
            rows(k(0), k(0), k(0), stored),
        ],
    );
    let expected =
        [[X, X], [k(5), k(6)], [k(0), k(6)], [X, k(0)], [k(5), X], [X, k(0)], [k(5), k(6)]];
    assert_eq!(seen, expected.map(Vec::from));

    // Mask, outside, fill and the word; the word comes a cycle later.
    let rows = |mask: Value, outside: Value, word: [Value; 4]| {
        [vec![mask, outside, k(6)], word.to_vec()].concat()
    };
    let some = [k(1), k(2), k(3), k(4)];
    let seen = simulate(
        Selector::new(&config),
        &[
            rows(k(1), k(0), some),
            rows(X, k(0), some),
            rows(k(0), k(1), some),
            rows(k(0), k(0), [X; 4]),
            rows(k(0), X, [k(1), X, X, X]),
            rows(k(0), k(0), some),
        ],
    );
    let expected = [[X, X], [k(2), k(3)], [X, X], [k(6), k(6)], [k(1), X], [X, X]];
    assert_eq!(seen, expected.map(Vec::from));
}

#[test]
fn an_unknown_crossing_is_unknown() {
    if !has_icarus() {
        return;
    }
    let config = ArrayConfig::new(2, 3, Memories::default()).unwrap();
    // Load, swap, crossing, activation, and the other channel, which takes a cycle more.
    let seen = simulate(
        Crossing::new(&config.with_mask_columns(1).unwrap()),
        &[
            [k(1), k(0), k(1), k(5), k(6)],
            [k(0), k(1), X, k(5), k(6)],
            [k(1), k(0), X, X, k(7)],
            [k(0), k(1), k(0), k(4), k(4)],
            [k(0), k(0), k(0), k(4), k(5)],
        ]
        .map(Vec::from),
    );
    let expected = [[X, X], [k(6), k(5)], [k(7), X], [k(4), k(4)], [X, X]];
    assert_eq!(seen, expected.map(Vec::from));
}

#[test]
fn an_unknown_column_or_step_is_unknown() {
    if !has_icarus() {
        return;
    }
    let config = ArrayConfig::new(2, 3, Memories::default()).unwrap();
    assert_eq!(config.lanes(), 2);
    // Enable, step, and the sums of three columns; the step comes two cycles before.
    let row = |step: Value, sum: Value| vec![k(1), step, k(7), sum, k(9)];
    let rows = [
        row(k(0), k(8)),
        row(k(1), k(8)),
        row(X, k(8)),
        row(k(0), k(8)),
        row(k(0), k(8)),
        row(k(0), X),
    ];
    let seen = simulate(LaneSelect::new(&config), &rows);
    let expected = [[X, X], [X, X], [k(7), k(8)], [k(9), k(0)], [X, X], [k(7), X]];
    assert_eq!(seen, expected.map(Vec::from));
}

#[test]
fn products_and_sums_of_unknown_values_are_unknown() {
    if !has_icarus() {
        return;
    }
    for technology in [Technology::Generic, Technology::Ecp5] {
        // Load, swap, weight, activation, partial sum.
        let row =
            |load, swap, weight, activation, psum| vec![k(load), k(swap), weight, activation, psum];
        let rows = [
            row(1, 0, k(3), X, k(0)),
            row(0, 1, X, k(5), k(0)),
            row(0, 0, X, X, k(0)),
            row(0, 0, X, k(6), k(100)),
            row(0, 0, X, k(0), k(100)),
            row(0, 0, X, k(0), k(100)),
            row(0, 0, X, k(0), X),
        ];
        let seen: Vec<Value> =
            simulate(Pe::new(technology), &rows).into_iter().map(|row| row[1]).collect();
        assert_eq!(seen, [X, X, X, k(115), X, k(118), X], "{technology:?}");
    }
}

/// Fields of the control of a visit: valid, bank, address, first, chain, last.
fn visit(first: u64, chain: u64) -> Value {
    k(1 | first << 10 | chain << 11)
}

#[test]
fn a_first_visit_does_not_read_what_the_memory_held() {
    if !has_icarus() {
        return;
    }
    // Two visits four cycles apart, in all four stages, then the accumulator is read.
    let run = |psums: [Value; 2], first_visit: u64| -> Value {
        let at = |cycle: usize, stage: usize| match cycle.checked_sub(stage) {
            Some(0) => visit(first_visit, 0),
            Some(4) => visit(0, 0),
            _ => k(0),
        };
        let rows: Vec<Vec<Value>> = (0..12)
            .map(|cycle| {
                let psum = match cycle {
                    2 => psums[0],
                    6 => psums[1],
                    _ => X,
                };
                let control = (0..4).map(|stage| at(cycle, stage));
                control.chain([psum, k(1), k(0), k(0)]).collect()
            })
            .collect();
        first(Accumulator::new(&config(2, 2)), &rows).pop().unwrap()
    };
    assert_eq!(run([k(5), k(0xffff_ffff)], 1), k(4));
    assert_eq!(run([k(5), X], 1), X);
    assert_eq!(run([X, k(5)], 1), X);
    assert_eq!(run([k(5), k(6)], 0), X, "what the memory held is part of the sum");
}

#[test]
fn what_lies_outside_an_image_is_known_whatever_the_memory_holds() {
    if !has_icarus() {
        return;
    }
    // Address, turn, fill, which of two bytes are in the image, two banks.
    let row = |address: Value, turn: u64, inside: [u64; 2], banks: [Value; 2]| {
        vec![address, k(turn), k(9), k(inside[0]), k(inside[1]), banks[0], banks[1]]
    };
    let rows = [
        row(k(1), 0, [0, 0], [X, X]),
        row(k(0), 0, [1, 0], [X, k(7)]),
        row(X, 1, [1, 1], [k(1), X]),
        row(k(0), 1, [1, 0], [k(3), k(4)]),
    ];
    let seen = simulate(WindowSelect::new(2), &rows);
    let expected = [[k(9), k(9)], [k(7), k(9)], [X, k(1)], [k(9), X]];
    assert_eq!(seen, expected.map(Vec::from));

    // Column, bytes of a row, whether the row is there.
    let column = |column: i64| k(column as u64 & 0x1_ffff);
    let rows = [
        vec![column(-1), k(7), k(1)],
        vec![column(6), k(7), k(1)],
        vec![column(3), k(7), k(0)],
        vec![X, k(7), k(0)],
        vec![X, k(7), k(1)],
    ];
    let seen = simulate(WindowInside::new(2), &rows);
    let expected = [[k(0), k(1)], [k(1), k(0)], [k(0), k(0)], [k(0), k(0)], [X, X]];
    assert_eq!(seen, expected.map(Vec::from));
}

#[test]
fn unused_bytes_of_a_word_are_zero() {
    if !has_icarus() {
        return;
    }
    // Enable, first, first lane, last lane, every other, two bytes.
    let row = |first: u64, [from, to]: [Value; 2], alternate: u64, data: [Value; 2]| {
        vec![k(1), k(first), from, to, k(alternate), data[0], data[1]]
    };
    let rows = [
        row(1, [k(0), k(0)], 0, [k(0x80), X]),
        row(0, [k(1), k(1)], 0, [X, k(0x7f)]),
        vec![k(0), X, X, X, X, X, X],
        row(0, [k(0), k(2)], 1, [k(3), k(4)]),
        row(1, [k(1), k(0)], 0, [X, X]),
        row(0, [k(2), k(2)], 0, [X, k(1)]),
        row(0, [X, k(1)], 0, [k(1), k(1)]),
    ];
    let config = |rows, cols| config(rows, cols).with_port_bytes(2).unwrap();
    let seen = simulate(WordPacker::new(&config(2, 2)), &rows);
    let expected = [
        [k(0x80), k(0), k(0), k(0)],
        [k(0x80), k(0x7f), k(0), k(0)],
        [k(0x80), k(0x7f), k(0), k(0)],
        [k(3), k(0x7f), k(4), k(0)],
        [k(0), k(0), k(0), k(0)],
        [k(0), k(0), X, k(0)],
        [X, X, X, k(0)],
    ];
    assert_eq!(seen, expected.map(Vec::from));

    // 12 bytes in granules of 4.
    let config = config(6, 4);
    let (lanes, granules) = (config.lanes(), config.granules());
    assert_eq!((lanes, granules), (4, 3));
    let row = |granule: Value| [vec![granule], vec![k(9); lanes]].concat();
    let seen = simulate(GranuleWrite::new(&config), &[row(k(0)), row(k(1)), row(X)]);
    let nines = vec![k(9); lanes];
    let zeros = vec![k(0); 2 * lanes];
    assert_eq!(seen[0], [vec![k(1); granules], nines.clone(), zeros].concat());
    assert_eq!(seen[1], [vec![k(0), k(1), k(0)], nines.repeat(3)].concat());
    assert_eq!(seen[2][..granules], vec![X; granules]);

    // Stream bank and address, residual bank, address and granule, banks, write, address, granule, load, address, data.
    let row = |granule: u64, write: u64| {
        let control = [1, 2, 2, 0, 0, 2, write, 2, granule, 0, 0];
        let data = vec![k(7); lanes];
        [control.map(k).to_vec(), data, vec![X; config.word_channels()]].concat()
    };
    let seen = simulate(ActivationMemory::new(&config), &[row(0, 1), row(1, 1), row(0, 0)]);
    let expected = [vec![k(7); 2 * lanes], vec![k(0); lanes]].concat();
    assert_eq!(
        seen[2][..config.word_channels()],
        expected,
        "a word of which two granules were written"
    );
}
