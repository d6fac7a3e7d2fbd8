//! The tables in docs/ are those in the code.

use std::path::Path;

use spec::isa::{Field, OPCODE, TABLES};
use spec::{ArrayConfig, Memory, Parameter, QuantNetwork, status};

use crate::support::{toy, toy_2};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table that follows `heading`, without its head, each cell trimmed.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let start = page
        .lines()
        .position(|line| line == heading)
        .unwrap_or_else(|| panic!("no heading {heading:?}"));
    let lines = page.lines().skip(start + 1).skip_while(|line| !line.starts_with('|'));
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.take_while(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

fn assert_table(page_name: &str, heading: &str, expected: Vec<Vec<String>>) {
    let text: Vec<String> = expected.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert_eq!(
        table(&page(page_name), heading),
        expected,
        "{page_name}, {heading} should be:\n{}\n",
        text.join("\n")
    );
}

#[test]
fn instruction_tables_are_the_fields() {
    for table in TABLES {
        let heading = match table.name {
            "TILE" => "## Tile record".to_owned(),
            "LANE" => "## Lane record".to_owned(),
            name => format!("### {name}"),
        };
        let row = |field: &Field| {
            let (low, high) = (field.lsb, field.lsb + field.width - 1);
            let bits = if low == high { format!("{low}") } else { format!("{high}..{low}") };
            let signed = if field.signed { ", signed" } else { "" };
            vec![
                field.word.to_string(),
                bits,
                format!("`{}`", field.name),
                format!("{}{signed}", field.meaning),
            ]
        };
        let opcode = table.opcode.map(|opcode| {
            let mut cells = row(&OPCODE);
            cells[3] = opcode.to_string();
            cells
        });
        let fields = opcode.into_iter().chain(table.fields.iter().map(row));
        assert_table("isa.md", &heading, fields.collect());
    }
}

#[test]
fn every_record_has_a_table() {
    let text = page("isa.md");
    let tables = text.lines().filter(|line| *line == "| word | bits | field | meaning |").count();
    assert_eq!(tables, TABLES.len());
}

#[test]
fn status_table_is_the_registers() {
    let row = |register: &status::Register| {
        vec![
            register.address.to_string(),
            format!("`{}`", register.name),
            register.meaning.to_owned(),
        ]
    };
    assert_table(
        "memory_map.md",
        "## Status registers",
        status::REGISTERS.iter().map(row).collect(),
    );
    let causes = status::LOST_CAUSES.map(|cause| format!("`{cause}`")).join(", ");
    assert!(page("memory_map.md").contains(&causes), "the causes in order: {causes}");
}

#[test]
fn memory_table_is_the_configuration() {
    let config = ArrayConfig::default();
    let rows = table(&page("memory_map.md"), "## Memories");
    assert_eq!(rows.len(), Memory::ALL.len());
    for (row, memory) in rows.iter().zip(Memory::ALL) {
        let instances: Vec<String> =
            memory.instances().iter().map(|name| format!("`{name}`")).collect();
        if !instances.is_empty() {
            assert_eq!(row[0], instances.join(", "));
        }
        let expected = [
            format!("`{memory}`"),
            memory.bits(&config).to_string(),
            memory.depth(config.memories()).to_string(),
            memory.largest().to_string(),
        ];
        assert_eq!([&row[1], &row[3], &row[4], &row[5]].map(String::clone), expected);
    }
}

#[test]
fn rom_table_is_the_files() {
    let rows = table(&page("isa.md"), "## Program files");
    let files: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
    let expected = Memory::ROMS.map(|memory| format!("`{}`", memory.file().expect("a ROM")));
    assert_eq!(files, expected);
}

#[test]
fn parameter_table_is_the_fields() {
    let (mut expected, mut end) = (Vec::new(), 0);
    let bits = |low: usize, high: usize| {
        if low == high { format!("{low}") } else { format!("{high}..{low}") }
    };
    for field in Parameter::FIELDS {
        if field.lsb > end {
            expected.push(vec![bits(end, field.lsb - 1), String::new(), "zero".to_owned()]);
        }
        end = field.lsb + field.width;
        let name = format!("`{}`", field.name);
        expected.push(vec![bits(field.lsb, end - 1), name, field.meaning.to_owned()]);
    }
    assert_eq!(end, Parameter::BITS);
    assert_table("isa.md", "## Parameter row", expected);
    assert!(page("isa.md").contains(&format!("L channels of {} bits", Parameter::BITS)));
    assert!(page("memory_map.md").contains(&format!("| {} L |", Parameter::BITS)));
}

#[test]
fn the_length_of_reset_is_that_of_the_machine() {
    let length = format!("rows + cols + {} cycles", ArrayConfig::RESET_MARGIN);
    assert_eq!(page("memory_map.md").matches(&length).count(), 2);
}

#[test]
fn sizes_table_is_the_configuration() {
    let rows = table(&page("isa.md"), "## Numbers");
    let value = |symbol: &str| rows.iter().find(|row| row[0] == symbol).expect(symbol)[2].clone();
    assert_eq!(value("R"), format!("{}..{}", ArrayConfig::ROWS.0, ArrayConfig::ROWS.1));
    assert_eq!(value("C"), format!("{}..{}", ArrayConfig::COLS.0, ArrayConfig::COLS.1));
    let widths = ArrayConfig::PORT_BYTES.map(|bytes| bytes.to_string());
    let (last, others) = widths.split_last().expect("there are widths");
    assert_eq!(value("B"), format!("{} or {last}", others.join(", ")));
    assert_eq!(value("T"), format!("max(R, {})", ArrayConfig::ACCUMULATE_LATENCY));
}

#[test]
fn the_example_is_the_toy_of_format_2() {
    let (json, tensors) = toy_2().to_parts();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let page = page("network.md");
    let example =
        page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let mut example: serde_json::Value = serde_json::from_str(example).unwrap();
    example["tensors_sha256"] = json["tensors_sha256"].clone();
    assert_eq!(QuantNetwork::from_parts(&example.to_string(), &tensors), Ok(toy_2()));
}

#[test]
fn every_key_is_in_its_table() {
    let page = page("network.md");
    let documented = |heading: &str| -> Vec<String> {
        let rows = table(&page, heading);
        let keys = rows.iter().flat_map(|row| row[0].split(", "));
        keys.map(|key| key.trim_matches('`').to_owned()).collect()
    };
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let read = |network: QuantNetwork| -> serde_json::Value {
        serde_json::from_str(&network.to_parts().0).unwrap()
    };
    let json = read(toy_2());
    assert_eq!(documented("### Top level"), keys(&json));
    assert_eq!(documented("### `input`"), keys(&json["input"]));
    for (json, heading) in [(json, "### `layers[]`"), (read(toy()), "## Version 1")] {
        let mut of_layers: Vec<String> =
            json["layers"].as_array().unwrap().iter().flat_map(keys).collect();
        let mut in_table = documented(heading);
        of_layers.sort();
        of_layers.dedup();
        in_table.sort();
        assert_eq!(in_table, of_layers, "{heading}");
    }
}
