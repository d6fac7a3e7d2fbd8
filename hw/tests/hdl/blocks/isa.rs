//! Records as docs/isa.md has them: bits are placed by the tables of that page, not by `spec`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Words of an instruction.
pub(super) const INSTRUCTION_WORDS: usize = 5;

/// Place of a field.
struct Field {
    word: usize,
    lsb: usize,
    width: usize,
}

#[derive(Default)]
struct Record {
    opcode: u32,
    fields: BTreeMap<String, Field>,
}

/// The tables of the page by the heading above them.
fn records() -> &'static BTreeMap<String, Record> {
    static RECORDS: OnceLock<BTreeMap<String, Record>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let page = include_str!("../../../../docs/isa.md");
        let mut records: BTreeMap<String, Record> = BTreeMap::new();
        let mut heading = String::new();
        for line in page.lines() {
            if line.starts_with('#') {
                heading = line.trim_start_matches(['#', ' ']).into();
            }
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let ["", word, bits, field, meaning, ""] = cells[..] else { continue };
            let Ok(word) = word.parse() else { continue };
            let (high, low) = bits.split_once("..").unwrap_or((bits, bits));
            let (high, lsb): (usize, usize) = (high.parse().unwrap(), low.parse().unwrap());
            let record = records.entry(heading.clone()).or_default();
            match field.trim_matches('`') {
                "opcode" => record.opcode = meaning.parse().unwrap(),
                name => {
                    let field = Field { word, lsb, width: high - lsb + 1 };
                    record.fields.insert(name.into(), field);
                }
            }
        }
        records
    })
}

/// A record of the section of this name; every field has to be given.
pub(super) fn encode(section: &str, values: &[(&str, u64)]) -> [u32; INSTRUCTION_WORDS] {
    let record = &records()[section];
    assert_eq!(values.len(), record.fields.len(), "fields of {section}");
    let mut words = [record.opcode, 0, 0, 0, 0];
    for (name, value) in values {
        let Field { word, lsb, width } = record.fields[*name];
        let value = value & ((1 << width) - 1);
        words[word] |= (value as u32) << lsb;
    }
    words
}

/// An instruction that the page does not have.
pub(super) fn unknown_opcodes() -> impl Iterator<Item = u32> {
    (0..16).filter(|opcode| records().values().all(|record| record.opcode != *opcode))
}

#[test]
fn the_page_has_every_record() {
    let opcodes: BTreeMap<&str, u32> =
        records().iter().map(|(name, record)| (name.as_str(), record.opcode)).collect();
    let instructions = [("STREAM", 1), ("DRAIN", 2), ("BLOCK", 3), ("END", 4), ("LOAD", 5)];
    let records = [("Tile record", 0), ("Lane record", 0)];
    assert_eq!(opcodes, instructions.into_iter().chain(records).collect());
}
