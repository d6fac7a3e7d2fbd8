//! Networks that are damaged, wrong, or too large.

use std::fs;

use cases::{Shortcut, Topology};
use spec::files::write_network;
use spec::{Op, Pattern, QuantNetwork};

use super::{FAILURE, Refusals};
use crate::support::Checkout;

fn toy() -> QuantNetwork {
    Topology::Toy.network(Pattern::UhpShared, 16, Shortcut::Conv, 1)
}

type Change<T> = fn(&mut T);

/// Damage to the text of network.json.
const JSON: [(&str, Change<String>); 10] = [
    ("truncated network", |json| json.truncate(json.len() / 2)),
    ("empty network", String::clear),
    ("a flipped bit", |json| *json = json.replacen("\"layers\"", "\"lavers\"", 1)),
    ("a flipped bit in the checksum", |json| {
        *json = json.replacen("\"tensors_sha256\": \"", "\"tensors_sha256\": \"0", 1)
    }),
    ("wrong format version", |json| {
        *json = json.replace("\"format_version\": 1", "\"format_version\": 2")
    }),
    ("another kind of file", |json| *json = json.replace("twofold-network", "twofold-program")),
    ("NaN scale", |json| replace_scale(json, "NaN")),
    ("null scale", |json| replace_scale(json, "null")),
    ("negative scale", |json| replace_scale(json, "-0.5")),
    ("unknown layer", |json| {
        *json = json.replacen("\"input\": \"stem\"", "\"input\": \"stern\"", 1)
    }),
];

/// The scale of the last layer.
fn replace_scale(json: &mut String, value: &str) {
    let start = json.rfind("\"scale\": ").expect("layers have scales") + "\"scale\": ".len();
    let end =
        start + json[start..].find(|c: char| !"0123456789.-e".contains(c)).expect("more follows");
    json.replace_range(start..end, value);
}

/// Damage to the bytes of weights.safetensors.
const TENSORS: [(&str, Change<Vec<u8>>); 3] = [
    ("truncated tensors", |bytes| bytes.truncate(bytes.len() / 2)),
    ("empty tensors", Vec::clear),
    ("a flipped bit in a weight", |bytes| *bytes.last_mut().expect("there are weights") ^= 1),
];

/// Networks that break a rule.
const RULES: [(&str, Change<QuantNetwork>); 6] = [
    ("shape mismatch", |network| {
        let Op::Conv(conv) = &mut network.layers[1].op else {
            unreachable!("the toy begins with convolutions")
        };
        conv.weight = ndarray::Array4::zeros([8, 3, 3, 5]);
    }),
    ("a pair with two survivors", |network| {
        let Op::Conv(conv) = &mut network.layers[1].op else {
            unreachable!("the toy begins with convolutions")
        };
        conv.weight.fill(1);
    }),
    ("a kernel of nine", |network| {
        let Op::Conv(conv) = &mut network.layers[0].op else {
            unreachable!("the toy begins with convolutions")
        };
        conv.weight = ndarray::Array4::zeros([8, 9, 9, 3]);
    }),
    ("a stride of five", |network| {
        let Op::Conv(conv) = &mut network.layers[0].op else {
            unreachable!("the toy begins with convolutions")
        };
        conv.stride = 5;
    }),
    ("a negative multiplier", |network| network.layers[0].requantize.multiplier[3] = -1),
    ("more classes than logits", |network| network.classes.push("one more".to_owned())),
];

#[test]
fn a_wrong_network() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    let folder = refusals.path("net");
    let check = ["check", "net"];
    refusals.refuses("no such network", FAILURE, &check);
    refusals.refuses("no embedded network", FAILURE, &["check"]);
    write_network(&toy(), &folder).unwrap();
    let (json_path, tensors_path) =
        (folder.join("network.json"), folder.join("weights.safetensors"));
    let json = fs::read_to_string(&json_path).unwrap();
    let tensors = fs::read(&tensors_path).unwrap();
    for (what, change) in JSON {
        let mut changed = json.clone();
        change(&mut changed);
        assert_ne!(changed, json, "{what}");
        fs::write(&json_path, changed).unwrap();
        refusals.refuses(what, FAILURE, &check);
    }
    fs::write(&json_path, &json).unwrap();
    for (what, change) in TENSORS {
        let mut changed = tensors.clone();
        change(&mut changed);
        fs::write(&tensors_path, changed).unwrap();
        refusals.refuses(what, FAILURE, &check);
    }
    fs::remove_file(&tensors_path).unwrap();
    refusals.refuses("no tensors", FAILURE, &check);
    for (what, change) in RULES {
        let mut network = toy();
        change(&mut network);
        write_network(&network, &folder).unwrap();
        refusals.refuses(what, FAILURE, &["compile", "net", "-o", "program"]);
    }
    assert_eq!(refusals.n, 22);
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn a_network_too_large_for_a_memory() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    let args =
        ["compile", "--case", "resnet20-dense", "--rows", "2", "--cols", "2", "-o", "program"];
    refusals.refuses("too many weights", FAILURE, &args);
    let args = ["sim", "--case", "resnet20-dense", "--rows", "3", "--cols", "5"];
    refusals.refuses("too many weights to simulate", FAILURE, &args);
    assert!(
        refusals.text.contains("tile memory: ") && refusals.text.contains(", it has 4096"),
        "{}",
        refusals.text
    );
    insta::assert_snapshot!(refusals.text);
}
