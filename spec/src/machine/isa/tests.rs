//! Every field of every record against its layout.

use super::*;

/// Calls `$check` with the default record, every field's layout and a setter that takes a number.
macro_rules! each_field {
    ($Name:ident { $($field:ident: $kind:ident),+ }, $check:expr) => {{
        // A field that is missing here does not compile.
        let $Name { $($field: _),+ } = $Name::default();
        $(
            let encode = |value: i64| {
                each_field!(@value $kind, value).map(|value| {
                    let mut record = $Name::default();
                    record.$field = value;
                    record.encode().map(|words| (words.to_vec(), $Name::decode(&words) == record))
                })
            };
            $check($Name::TABLE, $Name::LAYOUT.$field, &encode);
        )+
    }};
    (@value bool, $value:ident) => { (0..2).contains(&$value).then_some($value == 1) };
    (@value usize, $value:ident) => { usize::try_from($value).ok() };
    (@value i64, $value:ident) => { Some($value) };
}

/// `None` where the type of the field cannot hold the number.
type Encode<'a> = &'a dyn Fn(i64) -> Option<Result<(Vec<u32>, bool), FieldError>>;

/// The field takes its extremes and nothing beyond; its bits are where the layout says, and no others are set.
fn takes_its_range(table: Table, field: Field, encode: Encode<'_>) {
    let (least, most) = field.range();
    for value in [least, most] {
        let (words, decodes) = encode(value).unwrap().unwrap();
        assert!(decodes, "{field:?}");
        let mut expected = vec![0u32; table.n_words];
        expected[0] = table.opcode.unwrap_or(0);
        let modulus = 1i128 << field.width;
        let stored = i128::from(value).rem_euclid(modulus) as u64;
        expected[field.word] |= (stored << field.lsb) as u32;
        assert_eq!(words, expected, "{field:?} = {value}");
    }
    for value in [least - 1, most + 1] {
        if let Some(encoded) = encode(value) {
            assert_eq!(encoded, Err(FieldError { field, value }));
        }
    }
}

#[test]
fn every_field_holds_its_extremes() {
    let mut n_fields = 0;
    let mut check = |table: Table, field: Field, encode: Encode<'_>| {
        n_fields += 1;
        takes_its_range(table, field, encode);
    };
    each_field!(
        Stream {
            in_bank: usize,
            stride_x: usize,
            groups_minus_1: usize,
            sum: bool,
            stride_y: usize,
            layer: usize,
            pixel_step: usize,
            row_step: usize,
            tile_base: usize,
            weight_base: usize,
            in_width: usize,
            in_height: usize,
            fill: i64
        },
        check
    );
    each_field!(
        Drain {
            out_banks: usize,
            logits: bool,
            half_away: bool,
            residual_bank: usize,
            steps_minus_1: usize,
            last_steps_minus_1: usize,
            residual: usize,
            wide: bool,
            out_pixel_step: usize,
            out_row_step: usize,
            residual_pixel_step: usize,
            residual_row_step: usize,
            parameter_base: usize,
            out_granule: usize,
            zero_point: i64,
            low: i64,
            high: i64,
            residual_zero_point: i64
        },
        check
    );
    each_field!(
        Block {
            wait_late: bool,
            wait_all: bool,
            release_input: bool,
            layer_end: bool,
            height_minus_1: usize,
            width_minus_1: usize,
            in_address: usize,
            out_address: usize,
            residual_address: usize,
            y0: i64,
            x0: i64,
            window_height_minus_1: usize,
            window_width_minus_1: usize,
            pool_stride_y_minus_1: usize,
            pool_stride_x_minus_1: usize
        },
        check
    );
    each_field!(End { logits_minus_1: usize }, check);
    each_field!(
        Load {
            block: usize,
            bytes_minus_1: usize,
            grid_width_minus_1: usize,
            grid_height_minus_1: usize,
            pixel_step: usize,
            row_step: usize,
            row_bytes: usize,
            image_height: usize,
            fill: i64,
            reach: usize
        },
        check
    );
    each_field!(
        Tile {
            mask: usize,
            offset: usize,
            ky: usize,
            kx: usize,
            last: bool,
            after: usize,
            active: usize,
            diagonal: bool,
            diagonal_column: i64,
            keep_row: bool
        },
        check
    );
    each_field!(
        Lane {
            offset: i64,
            column: i64,
            dy: i64,
            first_lane: usize,
            last_lane: usize,
            alternate: bool,
            word_end: bool,
            pixel_end: bool
        },
        check
    );
    assert_eq!(n_fields, TABLES.iter().map(|table| table.fields.len()).sum::<usize>());
}

#[test]
fn what_a_residual_is_added_to_is_as_the_table_says() {
    let meaning = format!(
        "0 none, {RESIDUAL_BEFORE} a residual before the scaling, {RESIDUAL_AFTER} one after it"
    );
    assert_eq!(Drain::LAYOUT.residual.meaning, meaning);
}

#[test]
fn opcodes_decode() {
    let instructions: [Instruction; 5] = [
        Stream::default().into(),
        Drain::default().into(),
        Block::default().into(),
        End::default().into(),
        Load::default().into(),
    ];
    for (instruction, table) in instructions.into_iter().zip(TABLES) {
        let words = instruction.encode().unwrap();
        assert_eq!(Some(Instruction::opcode(&words)), table.opcode);
        assert_eq!(Instruction::decode(&words), Some(instruction));
        assert!(instruction.to_string().starts_with(table.name));
    }
    assert_eq!(Instruction::decode(&[0; INSTRUCTION_WORDS]), None);
}

#[test]
fn a_value_that_does_not_fit_is_named() {
    let error = Block { y0: -3000, ..Block::default() }.encode().unwrap_err().to_string();
    assert!(error.starts_with("BLOCK.y0 = -3000 does not fit 12 bits; help: "), "{error}");
}
