//! Networks that are damaged, wrong, or too large.

use std::fs;
use std::process::Output;

use flow::cases::{Shortcut, Topology};
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
        *json = json.replace("\"format_version\": 1", "\"format_version\": 3")
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
    ("a kernel of seventeen", |network| {
        let Op::Conv(conv) = &mut network.layers[0].op else {
            unreachable!("the toy begins with convolutions")
        };
        conv.weight = ndarray::Array4::zeros([8, 17, 17, 3]);
    }),
    ("a stride of five", |network| {
        let Op::Conv(conv) = &mut network.layers[0].op else {
            unreachable!("the toy begins with convolutions")
        };
        conv.stride = [5; 2];
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

/// Files of other formats by their first bytes, laid out as their writers do.
fn foreign_files() -> [(&'static str, Vec<u8>); 10] {
    let zip = |name: &str| {
        let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0".to_vec();
        bytes.resize(26, 0);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name.as_bytes());
        bytes
    };
    [
        ("model.tflite", b"\x1c\0\0\0TFL3\x14\0\x20\0".to_vec()),
        ("model.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x80\x01".to_vec()),
        ("model.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0".to_vec()),
        ("model.pt", zip("model/data.pkl")),
        ("model.npz", zip("conv1.npy")),
        ("model.keras", zip("metadata.json")),
        ("weights.safetensors", b"\x20\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"I8\"}}".to_vec()),
        ("model.gguf", b"GGUF\x03\0\0\0".to_vec()),
        ("chip.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("twofold", b"\x7fELF\x02\x01\x01\0".to_vec()),
    ]
}

#[test]
fn a_file_of_another_format() {
    let mut refusals = Refusals::of(Checkout::without_tools());
    for (name, bytes) in foreign_files() {
        fs::write(refusals.path(name), bytes).unwrap();
        refusals.refuses(name, FAILURE, &["check", name]);
    }
    // Larger than any network: what it is comes first.
    let large = fs::File::create(refusals.path("large.gguf")).unwrap();
    std::io::Write::write_all(&mut &large, b"GGUF\x03\0\0\0").unwrap();
    large.set_len(1 << 33).unwrap();
    let output = refusals.checkout.command(&["check", "large.gguf"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("this is a GGUF file"), "{message}");
    drop(large);
    fs::remove_file(refusals.path("large.gguf")).unwrap();

    write_network(&toy(), &refusals.path("net")).unwrap();
    let path = refusals.path("net/network.json");
    let json = fs::read_to_string(&path).unwrap();
    fs::write(&path, json.replace("weights.safetensors", "../model.pt")).unwrap();
    refusals.refuses("tensors elsewhere", FAILURE, &["check", "net"]);
    fs::write(&path, json.replace("\"pool\"", "\"p\\u001b[2Jool\"")).unwrap();
    refusals.refuses("a layer that clears the screen", FAILURE, &["check", "net"]);
    fs::write(&path, [&json.as_bytes()[..40], b"\xff"].concat()).unwrap();
    refusals.refuses("bytes that are no text", FAILURE, &["check", "net"]);
    assert_eq!(refusals.n, 13);
    insta::assert_snapshot!(refusals.text);
}

#[test]
fn no_name_reaches_a_terminal_as_a_command() {
    let checkout = Checkout::without_tools();
    let hostile = "a\u{1b}[31m\u{1b}]0;owned\u{7}\r\u{9b}2J\u{202e}z";
    let mut network = toy();
    network.name = hostile.to_owned();
    network.layers[0].name = format!("layer {hostile}");
    network.classes[0] = hostile.to_owned();
    let hides = |text: &str| {
        text.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'))
    };
    write_network(&network, &checkout.path("net")).unwrap();
    let mut wrong = network.clone();
    wrong.layers[1].requantize.multiplier[0] = -1;
    wrong.classes[1] = hostile.to_owned();
    write_network(&wrong, &checkout.path(&format!("wrong{hostile}"))).unwrap();
    let wrong = format!("wrong{hostile}");
    for args in [
        vec!["check", "net"],
        vec!["check", "net", "--format", "json"],
        vec!["check", "net", "--cols", "2", "--rows", "2"],
        vec!["compile", "net", "-o", "program"],
        vec!["compile", "net", "--rows", "2", "--cols", "2", "-o", "program"],
        vec!["check", &wrong],
        vec!["check", &wrong, "--format", "json"],
        vec!["check", "no\u{1b}[31m such file"],
        vec!["disassemble", "program\u{1b}[2J"],
    ] {
        let Output { stdout, stderr, .. } = checkout.command(&args).output().unwrap();
        for text in [stdout, stderr] {
            let text = String::from_utf8(text).unwrap();
            assert!(!hides(&text), "{args:?}: {text:?}");
        }
    }
    let json = checkout.run(&["check", "net", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["network"], hostile, "JSON keeps the name");
}

#[test]
fn an_unreadable_network_is_told_in_json_too() {
    let checkout = Checkout::without_tools();
    let mut network = toy();
    network.layers[0].requantize.multiplier[3] = -1;
    network.classes.push("one more".to_owned());
    write_network(&network, &checkout.path("net")).unwrap();
    fs::write(checkout.path("broken.json"), "{\"format\":").unwrap();
    for (path, n_problems) in [("net", 2), ("broken.json", 1), ("absent", 1)] {
        let output =
            checkout.command(&["check", path, "--format", "json", "--rows", "4"]).output().unwrap();
        assert_eq!(output.status.code(), Some(FAILURE), "{path}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["fits"], false, "{report}");
        assert_eq!(report["rows"], 4, "{report}");
        assert_eq!(report["network"], path, "{report}");
        assert_eq!(report["problems"].as_array().unwrap().len(), n_problems, "{report}");
    }
}

#[test]
fn fit_is_recommended_where_it_helps_alone() {
    let checkout = Checkout::without_tools();
    let args = ["check", "--case", "resnet20-dense", "--rows", "2", "--cols", "2"];
    let run = |args: &[&str]| {
        let Output { status, stdout, .. } = checkout.command(args).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    };
    let (code, text) = run(&args);
    assert_eq!(code, Some(FAILURE), "{text}");
    assert!(text.contains("at most 65536 can be addressed; help: --fit does not cure"), "{text}");
    let (code, text) = run(&[&args[..], &["--fit"]].concat());
    assert_eq!(code, Some(FAILURE), "{text}");
    assert!(!text.contains("size the memories with --fit"), "{text}");
    let (code, text) = run(&["check", "--case", "resnet20-dense", "--rows", "8", "--cols", "8"]);
    assert_eq!(code, Some(FAILURE), "{text}");
    assert!(text.contains("size the memories with --fit"), "{text}");
    let args = ["check", "--case", "resnet20-dense", "--rows", "8", "--cols", "8", "--fit"];
    let (code, text) = run(&args);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("| fc "), "{text}");
    let report = checkout.run(&[&args[..], &["--format", "json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let layers = report["rates"]["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 21);
    assert_eq!(layers[20]["bound"], "weight-load");
    assert_eq!(layers[0]["dense_rate"]["reason"], "not-pruned");
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
