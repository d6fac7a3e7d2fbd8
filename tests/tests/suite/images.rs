//! What `twofold sim` runs of a user's images, and what it calls the result.

use std::fs;

use dataset::{ReadOptions, TrainedImages, folder};
use serde_json::{Value, json};
use spec::files::write_network;

use crate::support::{Checkout, bmp, toy_of_images};

/// Files with the first gray value of each.
fn images(checkout: &Checkout, files: &[(&str, u8)]) {
    for (name, first) in files {
        let path = checkout.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("it is writable");
        fs::write(path, bmp(*first)).expect("the folder is writable");
    }
}

/// The report of a run on `data`, the images of its logits file, and what it says on stderr.
fn sim(checkout: &Checkout, network: &str, data: &str) -> (Value, Vec<Value>, String) {
    let logits = checkout.path("logits.json");
    _ = fs::remove_file(&logits);
    let args = ["sim", "--network", network, "--data", data, "--format", "json", "--logits"];
    let output = checkout.command(&args).arg(&logits).output().expect("twofold starts");
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert!(output.status.success(), "{stderr}");
    let report = serde_json::from_slice(&output.stdout).expect("a report is JSON");
    let text = fs::read_to_string(logits).expect("logits were written");
    let file: Value = serde_json::from_str(&text).expect("logits are JSON");
    assert_eq!(file["format_version"], 2);
    let images = file["images"].as_array().expect("images are a list").clone();
    (report, images, stderr)
}

/// A network `net` that was trained on the first `n` images of `known`, and says so; and `mute`, which does not.
fn trained_on(checkout: &Checkout, known: &[&str]) {
    let mut network = toy_of_images();
    write_network(&network, &checkout.path("mute")).expect("the folder is writable");
    let files: Vec<_> = known.iter().map(|name| (0, checkout.path(name))).collect();
    let root = checkout.path("");
    let set = folder::read(&root, vec!["a".to_owned()], &files, ReadOptions::default());
    let record = TrainedImages::of([&set.expect("images are readable")]).to_text();
    network.provenance = json!({ "training_images": { "sha256": TrainedImages::sha256(&record) } });
    write_network(&network, &checkout.path("net")).expect("the folder is writable");
    fs::write(checkout.path("net").join(TrainedImages::FILE), record).expect("it is writable");
}

#[test]
fn a_test_is_called_one_only_where_the_network_was_not_trained_on_it() {
    let checkout = Checkout::new();
    images(&checkout, &[("seen/test/a/1.bmp", 1), ("seen/test/b/2.bmp", 2)]);
    images(&checkout, &[("new/test/a/3.bmp", 3), ("new/test/c/4.bmp", 4), ("flat/e/5.bmp", 5)]);
    trained_on(&checkout, &["seen/test/b/2.bmp"]);

    let (report, ..) = sim(&checkout, "net", "new");
    assert_eq!((&report["data"], &report["n_trained_images"]), (&json!("new, test"), &json!(0)));
    assert!(report["accuracy_rtl"].is_number(), "{report}");

    let (report, images, stderr) = sim(&checkout, "net", "seen");
    assert_eq!(report["data"], "seen, images of which 1 of 2 were trained or validated on");
    assert_eq!((&report["n_images"], &report["n_trained_images"]), (&json!(2), &json!(1)));
    assert!(stderr.contains("trained or validated on 1 of them, so that this is no test"));
    for (image, (file, label)) in images.iter().zip([("test/a/1.bmp", "a"), ("test/b/2.bmp", "b")])
    {
        assert_eq!((&image["file"], &image["label"]), (&json!(file), &json!(label)));
        let class = image["class"].as_u64().expect("a class is a position") as usize;
        assert_eq!(image["class_name"], ["a", "b", "c", "d", "e"][class]);
        assert_eq!(image["logits"].as_array().map(Vec::len), Some(5));
    }
    let table = checkout.run(&["report"]);
    assert!(table.contains("1, so that this is no test") && !table.contains(", test,"), "{table}");

    let (report, ..) = sim(&checkout, "net", "flat");
    assert_eq!(report["data"], "flat, images that are in no record of training");

    let (report, _, stderr) = sim(&checkout, "mute", "new");
    assert_eq!(report["data"], "new, images that may have been trained on");
    assert_eq!(report["n_trained_images"], Value::Null);
    assert!(stderr.contains("cannot be told"), "{stderr}");
}

#[test]
fn images_without_labels_are_classified() {
    let checkout = Checkout::new();
    images(&checkout, &[("plain/1.bmp", 1), ("plain/2.bmp", 2)]);
    trained_on(&checkout, &["plain/2.bmp"]);
    let (report, images, stderr) = sim(&checkout, "mute", "plain");
    assert_eq!(report["data"], "plain, without labels");
    assert_eq!((&report["n_images"], &report["accuracy_rtl"]), (&json!(2), &Value::Null));
    assert!(stderr.contains("running all of plain, 2 images, without labels"), "{stderr}");
    let named: Vec<_> = images.iter().map(|image| (&image["file"], &image["label"])).collect();
    assert_eq!(named, [(&json!("1.bmp"), &Value::Null), (&json!("2.bmp"), &Value::Null)]);
    assert!(checkout.run(&["report"]).contains("no labels"));

    let (report, images, _) = sim(&checkout, "net", "plain/2.bmp");
    assert_eq!(report["data"], "2.bmp, images of which 1 of 1 were trained or validated on");
    assert_eq!(images.len(), 1);
    assert_eq!(images[0]["file"], "2.bmp");

    let output = checkout.command(&["sim", "--data", "plain"]).output().expect("twofold starts");
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert!(stderr.contains("do not tell which network to run; help: name one"), "{stderr}");
}
