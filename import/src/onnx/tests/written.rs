//! Models that are written compute what their network does: the answers that the cases have from outside, in an executor of the
//! operators alone.

use std::path::{Path, PathBuf};

use prost::Message;
use serde_json::Value;
use spec::files::{Limit, read_network, read_regular, read_text};

use super::super::proto::Model;
use super::super::{read, write};
use super::evaluate::evaluate;

const FILE: Limit = Limit::new("a file of a case", 1 << 22);

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/answered");
    let entries = std::fs::read_dir(folder).expect("the cases are there");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a case").path()).collect();
    cases.sort();
    cases
}

#[test]
fn models_give_the_answers_of_the_cases() {
    let cases = cases();
    assert!(cases.len() >= 9);
    let (mut n_real, mut n_whole) = (0, 0);
    for case in cases {
        let network = read_network(&case).unwrap();
        let model = Model::decode(&write(&network)[..]).unwrap();
        let graph = model.graph.unwrap();
        let uses = |kind: &str| graph.node.iter().filter(|node| node.op_type == kind).count();
        n_real += uses("Round") + uses("Floor");
        n_whole += uses("Greater");
        let answers: Value =
            serde_json::from_str(&read_text(&case.join("case.json"), FILE).unwrap()).unwrap();
        let images = read_regular(&case.join("images.int8"), FILE).unwrap();
        for (image, expected) in
            images.chunks(network.input.n_bytes()).zip(answers["values"].as_array().unwrap())
        {
            let image: Vec<i8> = image.iter().map(|byte| *byte as i8).collect();
            let expected: Vec<i16> = serde_json::from_value(expected.clone()).unwrap();
            assert_eq!(evaluate(&graph, &image), expected, "{}", case.display());
        }
    }
    assert!(n_real > 10 && n_whole > 5, "both ways of scaling are used: {n_real}, {n_whole}");
}

/// Files are known by what they begin with, and their operators are not those of a quantizer.
#[test]
fn a_model_names_its_producer_first() {
    let model = write(&read_network(&cases()[0]).unwrap());
    assert!(model.starts_with(b"\x08\x08\x12\x07twofold"));
    let error = read(&model, None).unwrap_err().to_string();
    assert!(error.starts_with("the model was written by `twofold export`; help: give"), "{error}");
}
