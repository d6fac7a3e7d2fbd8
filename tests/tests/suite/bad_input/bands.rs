//! Images of several bands: which one is read has to be said, and a network that was trained on one says it.

use std::fs;

use flow::cases::{Shortcut, Topology};
use serde_json::json;
use spec::files::write_network;
use spec::{Pattern, Preprocess};

use super::{FAILURE, Refusals, USAGE};
use crate::support::Checkout;

/// A TIFF of one pixel: two samples of 8 bits, as MATLAB writes them.
fn two_bands() -> Vec<u8> {
    let entries: [(u16, u16, u32, u32); 9] = [
        (256, 3, 1, 1),
        (257, 3, 1, 1),
        (258, 3, 2, 8 << 16 | 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 2),
        (279, 4, 1, 2),
        (284, 3, 1, 1),
    ];
    let mut bytes = b"II*\0\x0a\0\0\0\x01\x02".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag, kind].iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend([count, value].iter().flat_map(|long| long.to_le_bytes()));
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn a_band_that_is_missing() {
    let mut refusals = Refusals::of(Checkout::new());
    let mut network = Topology::Toy.network(Pattern::UhpShared, 16, Shortcut::Identity, 1);
    let (height, width) = (network.input.height, network.input.width);
    let preprocess = Preprocess { height, width, channels: 3, ..Preprocess::sar(1) };
    network.input.preprocess = Some(preprocess);
    for class in &network.classes {
        for split in ["chips/train", "chips/test"] {
            let folder = refusals.path(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("0.tif"), two_bands()).unwrap();
        }
    }
    write_network(&network, &refusals.path("net")).unwrap();
    network.provenance = json!({"options": {"band": "3"}});
    write_network(&network, &refusals.path("trained")).unwrap();
    let sim = |network| ["sim", "--network", network, "--data", "chips", "--band"];
    refusals.refuses("no band", FAILURE, &sim("net")[..5]);
    refusals.refuses("a band beyond the last", FAILURE, &[&sim("net")[..], &["13"]].concat());
    refusals.refuses("the band that the network was trained on", FAILURE, &sim("trained")[..5]);
    refusals.refuses("a polarization by another name", USAGE, &[&sim("net")[..], &["hh"]].concat());
    refusals.refuses("a band of nothing", USAGE, &["sim", "--band", "vv"]);
    let simulated = ["sim", "--network", "net", "--data", "sar-sim", "--band", "vv"];
    refusals.refuses("a band of simulated chips", FAILURE, &simulated);
    assert_eq!(refusals.n, 6);
    insta::assert_snapshot!(refusals.text);
}
