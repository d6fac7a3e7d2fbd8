//! Compiled programs and saved reports that are damaged.

use std::fs;

use super::{FAILURE, Refusals};
use crate::support::Checkout;

type Change = fn(&mut String);

const DAMAGE: [(&str, &str, Change); 8] = [
    ("a ROM file with a row too few", "weight.hex", |text| {
        text.truncate(text.trim_end().rfind('\n').unwrap_or(0) + 1)
    }),
    ("a ROM file with a row too many", "tile.hex", |text| text.push_str("0000000000000000\n")),
    ("a short row", "parameter.hex", |text| text.replace_range(..2, "")),
    ("a bad digit", "program.hex", |text| text.replace_range(3..4, "g")),
    ("an empty ROM file", "lane.hex", String::clear),
    ("a truncated manifest", "program.json", |text| text.truncate(text.len() / 2)),
    ("a manifest of another version", "program.json", |text| {
        *text = text.replace("\"format_version\": 2", "\"format_version\": 9");
    }),
    ("an array out of range", "program.json", |text| {
        *text = text.replace("\"rows\": 2", "\"rows\": 20")
    }),
];

#[test]
fn a_wrong_program() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    refusals.checkout.run(&["compile", "--case", "tiny-uhp", "-o", "program"]);
    assert!(refusals.checkout.run(&["disassemble", "program"]).contains("STREAM"));
    for (what, file, damage) in DAMAGE {
        let path = refusals.path("program").join(file);
        let text = fs::read_to_string(&path).unwrap();
        let mut damaged = text.clone();
        damage(&mut damaged);
        assert_ne!(text, damaged, "{what}");
        fs::write(&path, damaged).unwrap();
        refusals.refuses(what, FAILURE, &["disassemble", "program"]);
        fs::write(&path, text).unwrap();
    }
    fs::remove_file(refusals.path("program/tile.hex")).unwrap();
    refusals.refuses("a ROM file that is not there", FAILURE, &["disassemble", "program"]);
    assert_eq!(refusals.n, 9);
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn a_wrong_report() {
    let mut refusals = Refusals::of(Checkout::new());
    refusals.refuses("no report yet", FAILURE, &["report"]);
    refusals.checkout.run(&["sim", "--case", "tiny-uhp", "--images", "1"]);
    let path = refusals.path("build/report.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.find("\"n_images\"").unwrap()]).unwrap();
    refusals.refuses("truncated report", FAILURE, &["report"]);
    // As the version before wrote it: other keys follow.
    let old = "{\n  \"format_version\": 1,\n  \"network\": \"tiny-uhp\",\n  \"n_cycles_per_image\": 100\n}";
    fs::write(&path, old).unwrap();
    refusals.refuses("report of another version", FAILURE, &["report", "--format", "json"]);
    refusals.refuses("no such report", FAILURE, &["report", "other.json"]);
    assert_eq!(refusals.n, 4);
    insta::assert_snapshot!(refusals.text);
}
