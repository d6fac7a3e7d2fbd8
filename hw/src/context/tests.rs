//! Decoders against the table of records, bit by bit.

use super::*;
use crate::leaf::settle;
use crate::random::Random;
use num_bigint::BigUint;
use spec::status;

/// The fields of the words, as wide as in the bundle: bits from the table alone, the first in the lowest bits.
fn bundle(layout: &[(Field, usize)], words: &[u32]) -> BigUint {
    let mut text = String::new();
    for &(Field { word, lsb, width, signed, .. }, bits) in layout {
        let bit = |index: usize| words[word] >> (lsb + index) & 1;
        for index in 0..bits {
            let inside = bit(index.min(width - 1));
            let value = if index < width || signed { inside } else { 0 };
            text.insert(0, if value == 1 { '1' } else { '0' });
        }
    }
    BigUint::parse_bytes(text.as_bytes(), 2).expect("the digits are binary")
}

fn value(literal: &VerilogLiteral) -> BigUint {
    let text = format!("{literal:x}");
    let digits = text.split_once("'h").expect("a size goes before the digits").1;
    BigUint::parse_bytes(digits.as_bytes(), 16).expect("the digits are hexadecimal")
}

macro_rules! check {
    ($Decoder:ident, [$($word:ident),+], $Record:ident) => {{
        let layout = $Decoder::layout();
        let names: Vec<&str> = layout.iter().map(|(field, _)| field.name).collect();
        let mut of_table: Vec<&str> = isa::$Record::TABLE.fields.iter().map(|f| f.name).collect();
        of_table.sort_by_key(|name| names.iter().position(|known| known == name));
        assert_eq!(names, of_table);
        let n_words = [$(stringify!($word)),+].len();
        let mut random = Random::new(1);
        let ones = (0..32 * n_words).map(|bit| (0..n_words).map(|word| u32::from(word == bit / 32) << (bit % 32)).collect());
        let anything: Vec<Vec<u32>> =
            (0..200).map(|_| (0..n_words).map(|_| random.below(1 << 32) as u32).collect()).collect();
        let mut decoder = $Decoder::default();
        for words in ones.chain(anything) {
            let words: Vec<u32> = words;
            let mut all = words.iter();
            $(decoder.$word.next = bits(u64::from(*all.next().unwrap()));)+
            settle(&mut decoder).unwrap();
            let seen = decoder.fields.val().verilog();
            assert_eq!(value(&seen), bundle(&layout, &words), "{words:x?}");
        }
    }};
}

#[test]
fn the_state_has_its_bits_where_the_register_has_them() {
    let names: Vec<String> =
        widths(State::descriptor()).into_iter().map(|(name, _)| name).collect();
    let position = |name: &str| names.iter().position(|known| known == name);
    assert_eq!(position("busy"), Some(status::BUSY_BIT));
    assert_eq!(position("done"), Some(status::DONE_BIT));
    assert_eq!(position("error"), Some(status::ERROR_BIT));
    assert_eq!(position("bad_image"), Some(status::BAD_IMAGE_BIT));
}

#[test]
fn parameters_come_apart_as_they_were_put_together() {
    let mut random = Random::new(2);
    let mut decoder = ParameterDecoder::default();
    for _ in 0..100 {
        let parameter = Parameter {
            bias: random.below(1 << 32) as u32 as i32,
            multiplier: random.below(1 << 24) as u32,
            shift: random.below(56) as u8,
            residual_multiplier: random.below(1 << 24) as u32,
        };
        let channel = parameter.to_bits();
        decoder.channel.next = (0..Parameter::BITS)
            .fold(Bits::default(), |bits, at| bits.replace_bit(at, channel >> at & 1 == 1));
        settle(&mut decoder).unwrap();
        let seen = Parameter {
            bias: decoder.bias.val().to_u64() as u32 as i32,
            multiplier: decoder.multiplier.val().to_u64() as u32,
            shift: decoder.shift.val().to_u64() as u8,
            residual_multiplier: decoder.residual_multiplier.val().to_u64() as u32,
        };
        assert_eq!(seen, parameter);
    }
}

#[test]
fn bundles_hold_every_field_of_the_table() {
    check!(StreamDecoder, [word_0, word_1, word_2, word_3, word_4], Stream);
    check!(DrainDecoder, [word_0, word_1, word_2, word_3, word_4], Drain);
    check!(BlockDecoder, [word_0, word_1, word_2, word_3, word_4], Block);
    check!(LoadDecoder, [word_0, word_1, word_2, word_3, word_4], Load);
    check!(EndDecoder, [word_0], End);
    check!(TileDecoder, [word_0, word_1], Tile);
    check!(LaneDecoder, [word_0, word_1], Lane);
}
