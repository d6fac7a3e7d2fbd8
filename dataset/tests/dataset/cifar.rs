//! CIFAR files, as a folder and as an archive.

use std::collections::BTreeSet;

use twofold_dataset::{DatasetKind, ImageSet, Samples, Source, Split, SplitOptions};

use crate::support::{Data, cifar10, cifar100, gzip, record, tar};

fn unpacked(files: &[(String, Vec<u8>)], below: &str) -> Data {
    let data = Data::new();
    for (name, bytes) in files {
        data.write(&format!("{below}{name}"), bytes);
    }
    data
}

fn packed(files: &[(String, Vec<u8>)], name: &str) -> Data {
    let data = Data::new();
    data.write(name, gzip(&tar(files)));
    data
}

fn names(set: &ImageSet) -> BTreeSet<&str> {
    set.samples.iter().map(|sample| sample.name.as_str()).collect()
}

#[test]
fn a_record_is_labels_and_three_planes() {
    let data = unpacked(&cifar100(4), "");
    let test = data.load(Split::Test).unwrap();
    assert_eq!((test.samples.len(), test.classes.len()), (100, 100));
    assert_eq!((test.classes[0].as_str(), test.classes[99].as_str()), ("fine0", "fine99"));
    let sample = &test.samples[37];
    assert_eq!((sample.name.as_str(), sample.label), ("test/00037", 37));
    assert_eq!((sample.chip.height(), sample.chip.width(), sample.chip.channels()), (32, 32, 3));
    let record = record(&[17, 37], 37);
    for (row, column, channel) in [(0, 0, 0), (0, 1, 0), (1, 0, 1), (31, 31, 2), (5, 9, 1)] {
        let byte = record[2 + channel * 1024 + row * 32 + column];
        assert_eq!(sample.chip.sample(row, column, channel), u16::from(byte) * 257);
    }
    let Samples::Eight(samples) = sample.chip.samples() else { panic!("CIFAR has 8 bits") };
    assert_eq!(samples[..3], [record[2], record[2 + 1024], record[2 + 2048]]);
}

#[test]
fn validation_is_a_seeded_part_of_every_class() {
    let data = unpacked(&cifar100(5), "");
    let (train, validation) =
        (data.load(Split::Train).unwrap(), data.load(Split::Validation).unwrap());
    assert_eq!((train.samples.len(), validation.samples.len()), (400, 100));
    let labels: BTreeSet<_> = validation.samples.iter().map(|sample| sample.label).collect();
    assert_eq!(labels.len(), 100, "one of each class");
    assert!(names(&train).is_disjoint(&names(&validation)));
    assert_eq!(names(&train).len() + names(&validation).len(), 500);
    // Samples stay in the order of the file, and a name tells the position in it.
    for sample in train.samples.iter().chain(&validation.samples) {
        let position: usize = sample.name.strip_prefix("train/").unwrap().parse().unwrap();
        assert_eq!(sample.label, position % 100);
        let Samples::Eight(samples) = sample.chip.samples() else { panic!("CIFAR has 8 bits") };
        assert_eq!(samples[0], record(&[0, 0], position as u8)[2]);
    }
    assert!(train.samples.is_sorted_by(|a, b| a.name < b.name));

    let source = Source::parse(&data.text(""));
    let with = |options: SplitOptions| source.load(Split::Validation, &options).unwrap();
    let seeded = SplitOptions { seed: 1, ..SplitOptions::default() };
    assert_eq!(with(SplitOptions::default()), validation);
    assert_ne!(names(&with(seeded)), names(&validation));
    let larger = SplitOptions { validation: 0.4, ..SplitOptions::default() };
    assert_eq!(with(larger).samples.len(), 200);
}

#[test]
fn litter_beside_the_files_is_counted() {
    let data = unpacked(&cifar10(), "");
    data.write("cifar-10-batches-bin/.DS_Store", "x");
    data.write("cifar-10-batches-bin/data_batch_1.bin.part", "x");
    let told = "skipped 2 entries that a system or tool left: 1 *.part, 1 .DS_Store";
    for split in [Split::Train, Split::Test] {
        assert_eq!(data.load(split).unwrap().notes, [told]);
    }
}

#[test]
fn ten_classes_come_in_five_batches() {
    let data = unpacked(&cifar10(), "");
    assert_eq!(Source::parse(&data.text("")).kind(), DatasetKind::Cifar10);
    let (train, validation) =
        (data.load(Split::Train).unwrap(), data.load(Split::Validation).unwrap());
    assert_eq!((train.samples.len(), validation.samples.len()), (30, 10));
    assert_eq!((train.classes.len(), train.classes[9].as_str()), (10, "class9"));
    for sample in train.samples.iter().chain(&validation.samples) {
        let position: usize = sample.name.strip_prefix("train/").unwrap().parse().unwrap();
        assert_eq!(sample.label, position % 10);
        let Samples::Eight(samples) = sample.chip.samples() else { panic!("CIFAR has 8 bits") };
        assert_eq!(samples[2], record(&[0], position as u8)[1 + 2048]);
    }
    let test = data.load(Split::Test).unwrap();
    assert_eq!(
        test.samples.iter().map(|s| s.label).collect::<Vec<_>>(),
        [3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    );
}

#[test]
fn a_folder_and_its_archive_are_the_same() {
    let splits = [Split::Train, Split::Validation, Split::Test];
    for (files, archive) in [
        (cifar100(3), "cifar-100-binary.tar.gz"),
        (cifar10(), "mine.tgz"),
        (cifar10().into_iter().rev().collect(), "REVERSED.TAR.GZ"),
    ] {
        let (folder, archived) = (unpacked(&files, ""), packed(&files, archive));
        let inner = files[0].0.split('/').next().unwrap();
        let source = Source::parse(&archived.text(archive));
        assert_eq!(source.kind(), Source::parse(&folder.text("")).kind());
        assert_eq!(source.name(), archive);
        for split in splits {
            let set = folder.load(split).unwrap();
            assert_eq!(folder.load_at(inner, split).unwrap(), set, "the folder with the files");
            assert_eq!(archived.load_at(archive, split).unwrap(), set, "{archive}");
        }
    }
}

#[test]
fn an_archive_may_lack_the_folder_and_hold_other_files() {
    let files: Vec<_> = [("README.txt".to_owned(), b"about".to_vec())]
        .into_iter()
        .chain(cifar100(3).into_iter().map(|(name, bytes)| {
            (format!("./{}", name.strip_prefix("cifar-100-binary/").unwrap()), bytes)
        }))
        .collect();
    let archived = packed(&files, "x.tar.gz");
    assert_eq!(archived.load_at("x.tar.gz", Split::Train).unwrap().samples.len(), 200);
}

#[test]
fn a_kind_is_checked_against_the_content() {
    let hundred = packed(&cifar100(3), "x.tar.gz");
    let ten = unpacked(&cifar10(), "ten/");
    let classes = Data::new();
    classes.gray(&[("a/1.png", 1), ("b/1.png", 1)]);
    let archive = hundred.text("x.tar.gz");
    let kind = |text: &str, kind| Source::with_kind(text, Some(kind)).map(|source| source.kind());
    assert_eq!(kind(&archive, DatasetKind::Cifar100).unwrap(), DatasetKind::Cifar100);
    assert_eq!(kind(&ten.text("ten"), DatasetKind::Cifar10).unwrap(), DatasetKind::Cifar10);
    for named in [DatasetKind::Mstar, DatasetKind::EuroSat, DatasetKind::Folder] {
        assert_eq!(kind(&classes.text(""), named).unwrap(), named);
    }
    assert_eq!(kind("sar-sim", DatasetKind::SarSim).unwrap(), DatasetKind::SarSim);
    assert_eq!(Source::with_kind(&archive, None).unwrap(), Source::parse(&archive));

    let refused = |data: &Data, name: &str, wanted| {
        let text = if name == "sar-sim" { name.to_owned() } else { data.text(name) };
        data.shown(&kind(&text, wanted).unwrap_err())
    };
    assert_eq!(
        refused(&hundred, "x.tar.gz", DatasetKind::Cifar10),
        "DATA/x.tar.gz: holds CIFAR-100 binary files (cifar100), not CIFAR-10 binary files (cifar10)"
    );
    assert_eq!(
        refused(&hundred, "x.tar.gz", DatasetKind::Mstar),
        "DATA/x.tar.gz: holds CIFAR-100 binary files (cifar100), not class folders of images (mstar)"
    );
    assert_eq!(
        refused(&ten, "ten", DatasetKind::Cifar100),
        "DATA/ten: holds CIFAR-10 binary files (cifar10), not CIFAR-100 binary files (cifar100)"
    );
    assert_eq!(
        refused(&classes, "a", DatasetKind::SarSim),
        "DATA/a: holds class folders of images (folder), not simulated chips (sar-sim)"
    );
    assert_eq!(
        refused(&classes, "sar-sim", DatasetKind::Cifar10),
        "sar-sim: holds simulated chips (sar-sim), not CIFAR-10 binary files (cifar10)"
    );
}
