//! Folders of images that are none.

use std::fs;
use std::path::Path;

use cases::{Shortcut, Topology};
use spec::files::write_network;
use spec::{Normalize, Pattern, Preprocess, Transfer};

use super::{FAILURE, Refusals};
use crate::support::Checkout;

/// An 8-bit gray BMP of 12 x 10 pixels.
fn image() -> Vec<u8> {
    let (width, height) = (12u32, 10u32);
    let offset = 54 + 1024;
    let mut bytes = b"BM".to_vec();
    let header = [
        offset + width * height,
        0,
        offset,
        40,
        width,
        height,
        8 << 16 | 1,
        0,
        width * height,
        2835,
        2835,
        256,
        0,
    ];
    bytes.extend(header.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend((0..=255u8).flat_map(|gray| [gray, gray, gray, 0]));
    bytes.extend((0..width * height).map(|pixel| pixel as u8));
    bytes
}

fn chips(folder: &Path, classes: &[&str]) {
    for class in classes {
        fs::create_dir_all(folder.join(class)).expect("the folder is writable");
        for index in 0..10 {
            let file = folder.join(class).join(format!("{index}.bmp"));
            fs::write(file, image()).expect("the folder is writable");
        }
    }
}

#[test]
fn a_wrong_folder_of_images() {
    let mut refusals = Refusals::of(Checkout::new());
    let mut network = Topology::Toy.network(Pattern::UhpShared, 16, Shortcut::Identity, 1);
    network.classes = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
    let preprocess = Preprocess {
        height: 12,
        width: 10,
        channels: 3,
        downsample: 1,
        transfer: Transfer::Linear,
        normalize: Normalize::PerChip,
        scale: 0.25,
        clip: 1.0,
    };
    network.input.preprocess = Some(preprocess);
    write_network(&network, &refusals.path("net")).unwrap();
    let classes = ["a", "b", "c", "d", "e"];
    let sim = |data| ["sim", "--network", "net", "--data", data];

    refusals.refuses("no such folder", FAILURE, &sim("chips"));
    let folder = refusals.path("chips");
    fs::create_dir(&folder).unwrap();
    refusals.refuses("no classes", FAILURE, &sim("chips"));
    chips(&folder, &classes[..1]);
    refusals.refuses("one class", FAILURE, &sim("chips"));
    fs::create_dir(folder.join("b")).unwrap();
    refusals.refuses("empty class folder", FAILURE, &sim("chips"));
    fs::write(folder.join("b/notes.txt"), "none").unwrap();
    refusals.refuses("a file that is no image", FAILURE, &sim("chips"));
    fs::remove_file(folder.join("b/notes.txt")).unwrap();
    fs::write(folder.join("b/0.png"), "this is no PNG file").unwrap();
    chips(&folder, &classes[2..]);
    fs::create_dir_all(refusals.path("split/train")).unwrap();
    refusals.refuses("training images without test images", FAILURE, &sim("split"));
    fs::rename(&folder, refusals.path("split/test")).unwrap();
    chips(&refusals.path("split/train"), &classes);
    refusals.refuses("unreadable image", FAILURE, &sim("split"));
    let broken = refusals.path("split/test/b/0.png");
    fs::write(&broken, [&b"\x89PNG\r\n\x1a\n"[..], &[0; 40]].concat()).unwrap();
    refusals.refuses("damaged image", FAILURE, &sim("split"));
    fs::write(&broken, "").unwrap();
    refusals.refuses("image of no bytes", FAILURE, &sim("split"));
    fs::write(&broken, &image()[..600]).unwrap();
    refusals.refuses("truncated image", FAILURE, &sim("split"));
    fs::write(&broken, image()).unwrap();
    fs::rename(refusals.path("split/test/b"), refusals.path("split/test/x")).unwrap();
    refusals.refuses("other classes in the test set", FAILURE, &sim("split"));
    fs::rename(refusals.path("split/train/b"), refusals.path("split/train/x")).unwrap();
    refusals.refuses("a class that the network does not know", FAILURE, &sim("split"));
    refusals.refuses("no network for the classes", FAILURE, &["sim", "--data", "split"]);
    assert_eq!(refusals.n, 13);
    insta::assert_snapshot!(refusals.text);
}
