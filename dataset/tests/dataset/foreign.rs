//! What people hold and what is not read: each is refused by its name. What systems leave beside images is skipped.

use twofold_dataset::Split;

use crate::support::{Data, cifar100, gzip, names, tar};

#[test]
fn formats_are_called_by_their_names() {
    let zip = b"PK\x03\x04\x14\0\0\0".to_vec();
    let hdf5 = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0".to_vec();
    let pickle = b"\x80\x02}q\x01(U\x05labels".to_vec();
    let numpy = b"\x93NUMPY\x01\0v\0{'descr': '<f4'".to_vec();
    let matlab = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".to_vec();
    let parquet = b"PAR1\x15\x04\x15\x10".to_vec();
    let folders = vec![("x/a/1.png".to_owned(), vec![1]), ("x/b/1.png".to_owned(), vec![1])];
    let plain = tar(&folders);
    let python =
        ["train", "test", "meta"].map(|name| (format!("cifar-100-python/{name}"), pickle.clone()));
    let files: [(&str, Vec<u8>); 13] = [
        ("chips.zip", zip.clone()),
        ("chips.npz", zip),
        ("chips.npy", numpy.clone()),
        ("chips.mat", matlab),
        ("chips73.mat", hdf5.clone()),
        ("chips.h5", hdf5),
        ("chips.pkl", pickle.clone()),
        ("train.parquet", parquet),
        ("train.tfrecord", b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22".to_vec()),
        ("chips.tar", plain.clone()),
        ("chips.tar.gz", gzip(&plain)),
        ("cifar-100-python.tar.gz", gzip(&tar(&python))),
        ("chip.gif", b"GIF89a\x01\0\x01\0".to_vec()),
    ];
    let mut text = String::new();
    let mut add = |data: &Data, name: &str| {
        let message = data.shown(&data.load_at(name, Split::Train).unwrap_err());
        assert!(message.starts_with("DATA") && !message.contains('\n'), "{message}");
        text += &format!("{name}: {}\n", message.replace("DATA/", ""));
    };
    let data = Data::new();
    for (name, bytes) in &files {
        data.write(name, bytes);
        add(&data, name);
    }
    // The same in a folder alone, and among the images of a class.
    let data = Data::new();
    data.write("arrays/chips.npy", &numpy);
    add(&data, "arrays");
    data.gray(&[("classes/a/1.png", 1), ("classes/b/1.png", 1)]);
    data.write("classes/b/2.npy", &numpy);
    add(&data, "classes");
    for name in ["data_batch_1", "test_batch", "batches.meta"] {
        data.write(&format!("python/cifar-10-batches-py/{name}"), &pickle);
    }
    add(&data, "python");
    add(&data, "python/cifar-10-batches-py");
    add(&data, "classes/a/1.png");
    insta::assert_snapshot!(text);
}

#[test]
fn an_image_file_of_another_format_is_named() {
    let data = Data::new();
    data.write("x.png", b"RIFF\x24\0\0\0WEBPVP8 ");
    let error = crate::support::read_image(&data.path("x.png")).unwrap_err();
    assert_eq!(
        data.shown(&error),
        "DATA/x.png: cannot read a WebP image; help: convert it to PNG or TIFF"
    );
}

#[test]
fn what_systems_leave_is_skipped_and_counted() {
    let data = Data::new();
    for class in ["a", "b"] {
        for split in ["train", "test"] {
            for idx in 0..3 {
                data.gray(&[(&format!("{split}/{class}/{idx}.png"), 1)]);
            }
        }
    }
    for name in [
        "Thumbs.db",
        "desktop.ini",
        "train/a/Thumbs.db",
        "train/.DS_Store",
        "train/b/._1.png",
        "train/.ipynb_checkpoints/1.png",
        "test/a/@eaDir/0.png",
        "__MACOSX/train/a/._1.png",
        "$RECYCLE.BIN/x",
    ] {
        data.write(name, "x");
    }
    for split in [Split::Train, Split::Validation, Split::Test] {
        let set = data.load(split).unwrap();
        assert_eq!(set.classes, ["a", "b"]);
        assert_eq!(
            set.notes[..1],
            [
                "skipped 9 entries that a system or tool left: 1 $RECYCLE.BIN, 1 .DS_Store, 1 ._*, 1 .ipynb_checkpoints, \
              1 @eaDir, 2 Thumbs.db, 1 __MACOSX, 1 desktop.ini"
            ]
        );
    }
}

#[test]
fn what_lies_beside_splits_and_classes_is_told() {
    let data = Data::new();
    for name in [
        "train/a/1.png",
        "train/b/1.png",
        "train/a/2.png",
        "train/b/2.png",
        "test/a/1.png",
        "test/b/1.png",
    ] {
        data.gray(&[(name, 1)]);
    }
    data.gray(&[("train/sheet.png", 1)]);
    data.write("annotations/x.json", "{}");
    assert_eq!(
        data.load(Split::Test).unwrap().notes,
        [
            "not read: 1 images beside class folders, in none of them",
            "not read, since neither split nor class: annotations",
        ]
    );
}

#[test]
fn a_class_may_be_called_train_and_a_split_may_not_lie_in_a_class() {
    let data = Data::new();
    for (split, class) in [("train", "train"), ("train", "test"), ("train", "car")] {
        for idx in 0..3 {
            data.gray(&[(&format!("{split}/{class}/{idx}.png"), 1)]);
            data.gray(&[(&format!("test/{class}/{idx}.png"), 1)]);
        }
    }
    assert_eq!(data.load(Split::Test).unwrap().classes, ["car", "test", "train"]);

    let data = Data::new();
    data.gray(&[("cat/train/1.png", 1), ("cat/test/1.png", 1), ("dog/train/1.png", 1)]);
    assert_eq!(
        data.error(Split::Train),
        "DATA/cat/test: a folder named as a split lies within a class folder; help: put class folders into splits, not \
         splits into classes"
    );
    let data = Data::new();
    data.gray(&[("COL1/SCENE1/a/1.png", 1), ("COL1/SCENE1/b/1.png", 1), ("clutter/1.png", 1)]);
    let error = data.error(Split::Train);
    assert!(
        error.starts_with("DATA/clutter: holds images and lies beside DATA/COL1, which only wraps"),
        "{error}"
    );
    let data = Data::new();
    data.gray(&[("x/17_DEG/a/1.png", 1), ("x/15_DEG/a/1.png", 1), ("y/COL1/a/1.png", 1)]);
    let error = data.error(Split::Train);
    assert!(
        error.starts_with("DATA/y/COL1: holds class folders that lie in no split, while"),
        "{error}"
    );
}

#[test]
fn names_of_classes_may_come_from_windows() {
    let text = names("fine", 100).replace('\n', "\r\n");
    let wide = |bytes: fn(u16) -> [u8; 2]| {
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>()
    };
    let narrow = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for names in [narrow, wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
        let data = Data::new();
        for (name, bytes) in cifar100(3) {
            data.write(&name, if name.ends_with("fine_label_names.txt") { &names } else { &bytes });
        }
        let set = data.load(Split::Test).unwrap();
        assert_eq!((set.classes[0].as_str(), set.classes[99].as_str()), ("fine0", "fine99"));
    }
}
