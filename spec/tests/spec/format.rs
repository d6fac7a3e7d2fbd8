//! The network file: what is written is read again, and what is damaged is refused.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spec::{NetworkError, QuantNetwork};

use crate::support::{networks, networks_2, toy};

fn errors(json: &str, tensors: &[u8]) -> Vec<NetworkError> {
    QuantNetwork::from_parts(json, tensors).unwrap_err()
}

/// The toy's JSON after `change`.
fn changed(change: impl Fn(&mut Value)) -> String {
    let mut value = serde_json::from_str(&toy().to_parts().0).unwrap();
    change(&mut value);
    value.to_string()
}

/// The toy's files with the tensor container replaced, the digest being right.
fn with_tensors(bytes: &[u8]) -> Vec<NetworkError> {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    errors(&changed(|json| json["tensors_sha256"] = digest.clone().into()), bytes)
}

/// A container of the toy's tensors after `change` of the table `name -> (dtype, shape, bytes)`.
fn container(
    change: impl Fn(&mut Vec<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)>),
) -> Vec<u8> {
    let bytes = toy().to_parts().1;
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let row = |(name, view): (String, safetensors::tensor::TensorView)| {
        (name, view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    let mut table: Vec<_> = tensors.tensors().into_iter().map(row).collect();
    table.sort_by(|left, right| left.0.cmp(&right.0));
    change(&mut table);
    let views = table.iter().map(|(name, dtype, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn round_trips((network, _) in networks()) {
        let (json, tensors) = network.to_parts();
        let again = QuantNetwork::from_parts(&json, &tensors).unwrap();
        prop_assert_eq!(&again, &network);
        prop_assert_eq!(again.to_parts(), (json, tensors));
    }

    #[test]
    fn format_2_round_trips((network, _) in networks_2()) {
        let (json, tensors) = network.to_parts();
        let again = QuantNetwork::from_parts(&json, &tensors).unwrap();
        prop_assert_eq!(&again, &network);
        prop_assert_eq!(again.to_parts(), (json, tensors));
    }
}

#[test]
fn reading_gives_back_every_part_of_the_toy() {
    let (json, tensors) = toy().to_parts();
    assert_eq!(QuantNetwork::from_parts(&json, &tensors), Ok(toy()));
}

#[test]
fn the_committed_networks_are_written_again_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks");
    for name in ["mstar-s2d", "sar-sim-s2d"] {
        let json = std::fs::read_to_string(folder.join(name).join("network.json")).unwrap();
        let tensors = std::fs::read(folder.join(name).join("weights.safetensors")).unwrap();
        let network = QuantNetwork::from_parts(&json, &tensors).unwrap();
        assert_eq!(network.to_parts(), (json, tensors), "{name}");
    }
}

#[test]
fn truncated_files_are_refused() {
    let (json, tensors) = toy().to_parts();
    for sixteenth in 0..16 {
        let short = &json[..json.len() * sixteenth / 16];
        assert!(
            matches!(errors(short, &tensors)[..], [NetworkError::Json { .. }]),
            "{sixteenth}/16 of the JSON"
        );
        let short = &tensors[..tensors.len() * sixteenth / 16];
        assert!(
            matches!(errors(&json, short)[..], [NetworkError::Checksum { .. }]),
            "{sixteenth}/16 of the tensors"
        );
        assert!(
            matches!(with_tensors(short)[..], [NetworkError::Container { .. }]),
            "{sixteenth}/16 of the tensors with the right digest"
        );
    }
}

#[test]
fn a_flipped_bit_of_the_tensors_is_refused() {
    let (json, tensors) = toy().to_parts();
    for bit in 0..8 * tensors.len() {
        let mut bytes = tensors.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(errors(&json, &bytes)[..], [NetworkError::Checksum { .. }]), "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_of_the_json_is_refused_or_gives_a_valid_network() {
    let (json, tensors) = toy().to_parts();
    let mut n_refused = 0;
    for bit in 0..8 * json.len() {
        let mut bytes = json.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(text) = String::from_utf8(bytes) else { continue };
        match QuantNetwork::from_parts(&text, &tensors) {
            Ok(network) => assert_eq!(network.validate(), Ok(())),
            Err(errors) => {
                n_refused += 1;
                assert!(!errors.is_empty());
            }
        }
    }
    assert!(n_refused > 4 * json.len(), "{n_refused} of {} flips refused", 8 * json.len());
}

#[test]
fn damaged_headers_of_the_container_never_panic() {
    let tensors = toy().to_parts().1;
    for bit in 0..8 * 1200 {
        let mut bytes = tensors.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let digest: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let json = changed(|json| json["tensors_sha256"] = digest.clone().into());
        if let Ok(network) = QuantNetwork::from_parts(&json, &bytes) {
            assert_eq!(network.validate(), Ok(()), "bit {bit}");
        }
    }
}

#[test]
fn messages_of_damaged_files() {
    let tensors = toy().to_parts().1;
    let json = |change: fn(&mut Value)| errors(&changed(change), &tensors);
    let cases = [
        ("empty JSON", errors("", &tensors)),
        ("not an object", errors("[]", &tensors)),
        ("another format", json(|json| json["format"] = "onnx".into())),
        ("another version", json(|json| json["format_version"] = 3.into())),
        ("unknown key", json(|json| json["extra"] = 1.into())),
        ("unknown key of a layer", json(|json| json["layers"][0]["dilation"] = 2.into())),
        (
            "missing key of a layer",
            json(|json| drop(json["layers"][0].as_object_mut().unwrap().remove("stride"))),
        ),
        ("unknown operation", json(|json| json["layers"][0]["op"] = "lstm".into())),
        ("unknown pattern", json(|json| json["layers"][0]["sparsity"]["pattern"] = "2:4".into())),
        ("scale that is NaN", errors(&changed(|_| ()).replace("0.0079", "NaN"), &tensors)),
        ("scale that is null", json(|json| json["input"]["scale"] = Value::Null)),
        ("scale beyond all numbers", errors(&changed(|_| ()).replace("0.0079", "1e999"), &tensors)),
        ("negative size", json(|json| json["input"]["height"] = (-8).into())),
        ("a layer that is no object", json(|json| json["layers"][2] = 7.into())),
        ("a layer without keys", json(|json| json["layers"][3] = json!({}))),
        (
            "a residual of another shape",
            json(|json| json["layers"][1]["residual"] = "conv1".into()),
        ),
        ("three paddings", json(|json| json["layers"][0]["padding"] = json!([1, 1, 1]))),
        ("a class that is no string", json(|json| json["classes"][1] = 2.into())),
        ("no layers", json(|json| json["layers"] = Value::Null)),
        (
            "unknown keys of pre-processing",
            json(|json| {
                json["input"]["preprocess"] =
                    json!({"height": 8, "normalize": {"kind": "fixed", "mean": [true]}, "crop": 9});
            }),
        ),
        (
            "JSON of something else",
            errors(r#"{"class_name": "Sequential", "config": {}}"#, &tensors),
        ),
        (
            "a key given twice",
            errors(&changed(|_| ()).replacen("\"relu\":", "\"relu\":true,\"relu\":", 1), &tensors),
        ),
        ("damaged tensors", errors(&toy().to_parts().0, &tensors[1..])),
        ("container of nothing", with_tensors(b"")),
        ("container of text", with_tensors(b"this is not a container of tensors")),
        ("no such earlier layer", json(|json| json["layers"][2]["input"] = "fc".into())),
        (
            "no such residual",
            json(|json| json["layers"][1]["residual"] = json!({"from": "nowhere", "stride": 1})),
        ),
        ("missing tensor", with_tensors(&container(|table| drop(table.remove(1))))),
        ("extra tensor", with_tensors(&container(|table| table[1].0 = "conv9.bias".into()))),
        (
            "wrong type",
            with_tensors(&container(|table| {
                table[0].1 = safetensors::Dtype::F32;
            })),
        ),
        ("wrong rank", with_tensors(&container(|table| table[0].2 = vec![2, 2]))),
        (
            "wrong length",
            with_tensors(&container(|table| {
                table[0].2 = vec![3];
                table[0].3.truncate(12);
            })),
        ),
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|(name, errors)| {
            let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
            format!("{name}:\n{}", lines.join("\n"))
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_json() {
    let (json, tensors) = toy().to_parts();
    assert_eq!(QuantNetwork::from_parts(&format!("\u{feff}{json}"), &tensors), Ok(toy()));
}

#[test]
fn every_pre_processing_is_read_as_it_was_written() {
    let photo = spec::Preprocess::photo(8, vec![0.5; 3], vec![0.25; 3]);
    for preprocess in [
        spec::Preprocess::sar(8),
        spec::Preprocess { downsample: 3, ..spec::Preprocess::sar(8) },
        photo,
    ] {
        let mut network = toy();
        network.input.preprocess = Some(preprocess.clone());
        let (json, tensors) = network.to_parts();
        match QuantNetwork::from_parts(&json, &tensors) {
            Ok(found) => assert_eq!(found.input.preprocess, Some(preprocess)),
            // It was read: its three channels are not the one of the toy.
            Err(errors) => assert!(
                matches!(errors[..], [NetworkError::PreprocessShape { found: [8, 8, 3], .. }]),
                "{errors:#?}"
            ),
        }
    }
}

#[test]
fn no_fault_of_the_pre_processing_hides_another() {
    let told = |change: fn(&mut Value)| {
        let mut network = toy();
        network.input.preprocess = Some(spec::Preprocess::sar(8));
        let (json, tensors) = network.to_parts();
        let mut json: Value = serde_json::from_str(&json).unwrap();
        change(&mut json["input"]["preprocess"]);
        let errors = QuantNetwork::from_parts(&json.to_string(), &tensors).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = |preprocess: &mut Value| {
        preprocess["downsample"] = 0.into();
        preprocess["clip"] = (-1).into();
        preprocess["scale"] = 0.into();
        preprocess["normalize"] = json!({"kind": "fixed", "mean": [1, 2], "std": [0]});
    };
    let parts = [
        "`downsample` is 0",
        "`scale` is 0",
        "`clip` is -1",
        "`normalize.std` is 0",
        "2 means and 1 deviations for 1 channels",
    ];
    let found = told(all);
    assert!(
        found.len() == 5 && parts.iter().zip(&found).all(|(part, line)| line.contains(part)),
        "{found:#?}"
    );
    let found = told(|preprocess| {
        preprocess["transfer"] = "cubic".into();
        preprocess["normalize"] = json!({"kind": "fix", "mean": [1, 2], "std": [0]});
        preprocess["clip"] = (-1).into();
        preprocess.as_object_mut().unwrap().remove("height");
    });
    let parts = [
        "key \"preprocess.height\" is missing",
        "key \"preprocess.transfer\" is \"cubic\"",
        "key \"preprocess.normalize.kind\" is \"fix\"",
        "`clip` is -1",
        "`normalize.std` is 0",
        "2 means and 1 deviations for 1 channels",
    ];
    assert!(
        found.len() == 6 && parts.iter().zip(&found).all(|(part, line)| line.contains(part)),
        "{found:#?}"
    );
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let bytes = container(|table| {
        table.retain(|row| row.0 != "pool.shift");
        let multiplier = table.iter_mut().find(|row| row.0 == "conv1.multiplier").unwrap();
        multiplier.3[..4].copy_from_slice(&99_999i32.to_le_bytes());
    });
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let json = changed(|json| {
        json["tensors_sha256"] = digest.clone().into();
        json["author"] = "somebody".into();
        json["input"]["scale"] = "small".into();
        json["layers"][0]["dilation"] = 2.into();
        json["layers"][0]["groups"] = 1.into();
        json["layers"][1]["residual"]["from"] = "nowhere".into();
        json["layers"][1]["stride"] = 9.into();
        json["layers"][2]["op"] = "max_pool".into();
        json["layers"][3].as_object_mut().unwrap().remove("relu");
        json["classes"] = json!(["a", "a", ""]);
    });
    let found: Vec<String> = errors(&json, &bytes).iter().map(ToString::to_string).collect();
    for expected in [
        "network file: key \"author\" is unknown",
        "input: key \"scale\" is \"small\"",
        "layer \"conv1\": key \"dilation\" is unknown",
        "layer \"conv1\": key \"groups\" is unknown",
        "layer \"conv2\": residual.from = \"nowhere\" is no earlier layer",
        "layer \"conv2\": stride = 9 is outside",
        "layer \"pool\": key \"op\" is \"max_pool\"",
        "layer \"fc\": key \"relu\" is missing",
        "tensor \"conv1.multiplier\": channel 0 is 99999",
        "classes: 3 names for 2 logits",
        "classes: number 1 is \"a\"",
        "classes: number 2 is \"\"",
    ] {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 12, "{found:#?}");
    assert!(found.iter().all(|line| line.contains("; help: ")), "{found:#?}");
}

#[test]
fn a_wrong_reference_hides_no_other_fault_and_makes_none() {
    let json = changed(|json| {
        json["layers"][3]["input"] = "poll".into();
        json["layers"][1]["residual"]["stride"] = 7.into();
    });
    let found = errors(&json, &toy().to_parts().1);
    assert!(
        matches!(
            &found[..],
            [NetworkError::Reference { layer, .. }, NetworkError::LayerSize { field: "residual.stride", .. }]
                if layer == "fc"
        ),
        "{found:#?}"
    );
}

#[test]
fn layers_of_one_name_are_reported_as_such() {
    let json = changed(|json| json["layers"][1]["name"] = "conv1".into());
    let found = errors(&json, &toy().to_parts().1);
    let duplicates: Vec<_> =
        found.iter().filter(|e| matches!(e, NetworkError::DuplicateName { .. })).collect();
    assert_eq!(duplicates.len(), 1, "{found:#?}");
    assert!(!found.iter().any(|e| matches!(e, NetworkError::MissingTensor { .. })), "{found:#?}");
}

#[test]
fn a_file_of_very_many_layers_and_classes_is_read_at_once() {
    // Each of these took minutes while layers and classes were looked up in lists.
    let mut network = toy();
    network.classes = (0..400_000).map(|class| format!("class {class}")).collect();
    let found = network.validate().unwrap_err();
    assert!(matches!(found[..], [NetworkError::ClassCount { .. }]), "{} problems", found.len());

    let json = changed(|json| {
        let pool = json["layers"][2].clone();
        let layers = json["layers"].as_array_mut().unwrap();
        for index in 0..100_000 {
            let mut layer = pool.clone();
            layer["name"] = format!("pool {index}").into();
            layer["input"] =
                if index == 0 { "pool".into() } else { format!("pool {}", index - 1).into() };
            layers.insert(layers.len() - 1, layer);
        }
    });
    let found = errors(&json, &toy().to_parts().1);
    assert_eq!(found.len(), 3 * 100_000 + 1, "each layer lacks its three tensors, one is not read");
    let mut network = toy();
    let pool = network.layers[2].clone();
    for index in 3..100_000 {
        let name = format!("pool {index}");
        network.layers.insert(
            index,
            spec::Layer { name, input: spec::TensorRef::Layer(index - 1), ..pool.clone() },
        );
    }
    network.layers.last_mut().unwrap().input = spec::TensorRef::Layer(99_999);
    network.outputs = vec![100_000];
    assert_eq!(network.validate(), Ok(()));
    assert_eq!(network.shapes().len(), 100_001);
    assert_eq!(network.shape(spec::TensorRef::Layer(99_999)), network.shapes()[99_999]);
}

#[test]
fn all_problems_of_tensors_come_at_once() {
    let found = with_tensors(&container(|table| {
        table.retain(|row| !row.0.ends_with(".shift"));
        table.push(("other".into(), safetensors::Dtype::I8, vec![1], vec![0]));
    }));
    let n_missing =
        found.iter().filter(|error| matches!(error, NetworkError::MissingTensor { .. })).count();
    let n_extra =
        found.iter().filter(|error| matches!(error, NetworkError::ExtraTensor { .. })).count();
    assert_eq!((n_missing, n_extra, found.len()), (4, 1, 5));
}
