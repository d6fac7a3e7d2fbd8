//! The network file: what is written is read again, and what is damaged is refused.

use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spec::{NetworkError, QuantNetwork};

use crate::support::{networks, toy};

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
}

#[test]
fn reading_gives_back_every_part_of_the_toy() {
    let (json, tensors) = toy().to_parts();
    assert_eq!(QuantNetwork::from_parts(&json, &tensors), Ok(toy()));
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
        ("another version", json(|json| json["format_version"] = 2.into())),
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
