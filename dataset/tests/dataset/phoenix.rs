//! MSTAR original files, alone and in the folders they come in.

use twofold_dataset::preprocess::apply;
use twofold_dataset::{Chip, Samples, Split};

use crate::support::{Data, Phoenix, read_image};

fn read(phoenix: &Phoenix) -> Chip {
    let data = Data::new();
    data.write("HB03787.015", phoenix.bytes());
    read_image(&data.path("HB03787.015")).unwrap()
}

#[test]
fn magnitudes_become_sixteen_bits_of_the_largest() {
    let mut file = Phoenix::new(2, 3);
    file.magnitudes = vec![0.0, 1.0, 0.5, 0.25, 0.000_01, 2.0];
    let bytes = file.bytes();
    assert!(bytes.starts_with(b"\n[PhoenixHeaderVer01.04]\nPhoenixHeaderLength= 01"));
    // 65535 / 2 and 65535 / 8 end in .5 and .875, 65535 / 4 in .75; 0.3277 is none.
    let samples = Samples::Sixteen(vec![0, 32768, 16384, 8192, 0, 65535]);
    assert_eq!(read(&file), Chip::new(2, 3, 1, samples));
}

#[test]
fn halves_are_rounded_to_even() {
    let mut file = Phoenix::new(1, 3);
    // m * 65535 / 131070 = m / 2.
    file.magnitudes = vec![131_070.0, 1.0, 3.0];
    assert_eq!(read(&file), Chip::new(1, 3, 1, Samples::Sixteen(vec![65535, 0, 2])));
}

#[test]
fn white_space_before_the_header_counts_in_its_length() {
    let plain = read(&Phoenix::short(3, 2));
    for space in ["", "\n", "\r\n", " \t\n\n"] {
        let mut file = Phoenix::new(3, 2);
        file.space = space;
        assert_eq!(read(&file), plain, "{space:?}");
    }
    let mut windows = Phoenix::new(3, 2);
    windows.lines.iter_mut().for_each(|line| line.push('\r'));
    assert_eq!(read(&windows), plain);
}

#[test]
fn phases_are_not_read() {
    let whole = Phoenix::new(3, 2);
    let mut odd = Phoenix::new(3, 2);
    odd.phases = vec![f32::NAN; 6];
    assert_eq!(read(&whole).height(), 3);
    assert_eq!(read(&whole), read(&odd));
    // The header still promises them, which proves that magnitudes are 32-bit floats.
    let mut without = Phoenix::new(3, 2);
    without.phases.clear();
    assert_eq!(read(&whole), read(&without));
}

/// Full scenes have a header of another program before numbers of 16 bits.
fn scene(file: Phoenix) -> Phoenix {
    let mut scene = file.with("native_header_length", Some("512"));
    scene.native = vec![0; 512];
    scene.is_sixteen = true;
    scene
}

#[test]
fn sixteen_bits_are_read_where_the_header_proves_them() {
    let mut file = scene(Phoenix::new(2, 2));
    file.magnitudes = vec![0.0, 1.0, 2.0, 40_000.0];
    file.phases = vec![4095.0; 4];
    let samples = Samples::Sixteen(vec![0, 2, 3, 65535]);
    assert_eq!(read(&file), Chip::new(2, 2, 1, samples.clone()));
    let mut short = scene(Phoenix::short(2, 2));
    short.magnitudes = file.magnitudes;
    assert_eq!(read(&short), Chip::new(2, 2, 1, samples));
}

#[test]
fn four_bytes_a_pixel_are_no_proof() {
    let data = Data::new();
    let refused = |file: &Phoenix| {
        data.write("x.000", file.bytes());
        data.shown(&read_image(&data.path("x.000")).unwrap_err())
    };
    let either = "DATA/x.000: 4 bytes a pixel are 32-bit magnitudes without phases, or magnitudes and phases of 16 bits, \
                  and the header does not tell: `native_header_length` is 0 and";
    // Two files of the same size: 16-bit pairs, and floats without phases that the header does not promise.
    let mut pairs = Phoenix::new(2, 2);
    pairs.is_sixteen = true;
    let size = pairs.n_header() + 16;
    let message = refused(&pairs);
    assert!(
        message.starts_with(&format!("{either} `PhoenixSigSize` is {size}; help: ")),
        "{message}"
    );
    let mut floats = Phoenix::new(2, 2).with("PhoenixSigSize", Some(&format!("{size:08}")));
    floats.phases.clear();
    assert_eq!(floats.bytes().len(), pairs.bytes().len());
    assert_eq!(refused(&floats), message);
    let mut short = Phoenix::short(2, 2);
    short.phases.clear();
    let message = refused(&short);
    assert!(message.starts_with(&format!("{either} there is no `PhoenixSigSize`")), "{message}");
}

#[test]
fn surplus_bytes_and_a_header_that_says_two_things_are_refused() {
    let data = Data::new();
    let refused = |bytes: Vec<u8>| {
        data.write("x.000", bytes);
        data.shown(&read_image(&data.path("x.000")).unwrap_err())
    };
    for file in [Phoenix::new(2, 2), scene(Phoenix::new(2, 2))] {
        let expected = if file.is_sixteen { 16 } else { 32 };
        let message = refused([file.bytes(), vec![0; 3]].concat());
        let told =
            format!("DATA/x.000: 3 bytes behind the {expected} of its magnitudes and phases");
        assert!(message.starts_with(&told), "{message}");
    }
    let twice = |value: &str| {
        let mut file = Phoenix::new(2, 2);
        file.lines.push(format!("NumberOfRows= {value}"));
        file
    };
    assert_eq!(read(&twice("2")), read(&Phoenix::new(2, 2)));
    assert_eq!(
        refused(twice("32").bytes()),
        "DATA/x.000: MSTAR header with `NumberOfRows= 2` and `NumberOfRows= 32`; help: fetch the file again"
    );
}

#[test]
fn a_native_header_is_passed_over() {
    let plain = Phoenix::new(4, 4);
    let mut native = Phoenix::new(4, 4).with("native_header_length", Some("512"));
    native.native = b"NaN ".repeat(128);
    let absent = Phoenix::new(4, 4).with("native_header_length", None);
    assert_eq!(read(&native), read(&plain));
    assert_eq!(read(&absent), read(&plain));
}

#[test]
fn a_chip_of_zeros_stays_zero() {
    let mut file = Phoenix::new(2, 2);
    file.magnitudes = vec![0.0, -0.0, 0.0, 0.0];
    assert_eq!(read(&file), Chip::new(2, 2, 1, Samples::Sixteen(vec![0; 4])));
    assert_eq!(apply(&spec::Preprocess::sar(2), &read(&file)), [0; 4]);
}

#[test]
fn a_factor_on_all_magnitudes_changes_no_input() {
    let mut file = Phoenix::new(8, 8);
    file.magnitudes = (0..64).map(|idx| (idx * idx % 61) as f32 * 0.013).collect();
    let mut louder = Phoenix::new(8, 8);
    louder.magnitudes = file.magnitudes.iter().map(|m| m * 1024.0).collect();
    let sar = spec::Preprocess::sar(8);
    assert_eq!(apply(&sar, &read(&file)), apply(&sar, &read(&louder)));
}

#[test]
fn the_distribution_is_read_as_it_is() {
    let data = Data::new();
    let chips = [
        ("TRAIN/17_DEG/T72/SN_812/HB03789.016", 9),
        ("TRAIN/17_DEG/T72/SN_132/HB03787.015", 7),
        ("TRAIN/17_DEG/T72/SN_132/HB03788.015", 6),
        ("TRAIN/17_DEG/BTR70/SN_C71/HB03790.004", 8),
        ("TRAIN/17_DEG/BTR70/SN_C71/HB03791", 8),
        ("TEST/15_DEG/BTR70/SN_C71/HB03334.004", 5),
        ("TEST/15_DEG/T72/SN_132/HB03333.015", 5),
    ];
    for (name, side) in chips {
        data.write(name, Phoenix::new(side, side).bytes());
    }
    let (train, validation, test) = (
        data.load(Split::Train).unwrap(),
        data.load(Split::Validation).unwrap(),
        data.load(Split::Test).unwrap(),
    );
    assert_eq!(test.classes, ["BTR70", "T72"]);
    let names: Vec<_> = test.samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names, [chips[5].0, chips[6].0]);
    let mut names: Vec<_> = train.samples.iter().map(|sample| sample.name.as_str()).collect();
    assert!(names.is_sorted());
    assert_eq!((names.len(), validation.samples.len()), (3, 2));
    names.extend(validation.samples.iter().map(|sample| sample.name.as_str()));
    names.sort();
    let mut expected: Vec<_> = chips[..5].iter().map(|chip| chip.0).collect();
    expected.sort();
    assert_eq!(names, expected);
    for sample in &train.samples {
        let side = chips.iter().find(|chip| chip.0 == sample.name).unwrap().1;
        assert_eq!((sample.chip.height(), sample.chip.width()), (side, side), "native size");
    }
}

#[test]
fn angles_stand_for_the_splits_and_collections_are_taken_together() {
    let data = Data::new();
    let chips = [
        ("COL1/SCENE1", "BTR_60"),
        ("COL2/SCENE1", "2S1"),
        ("Col2/Scene12", "D7"),
        ("COL2/SCENE1", "D7"),
    ];
    for (folder, class) in chips {
        for idx in 0..3 {
            let name = format!("17_deg/{folder}/{class}/HB0{}{idx}.000", folder.len());
            data.write(&name, Phoenix::new(2, 2).bytes());
        }
        data.write(&format!("15_DEG/{folder}/{class}/HB00000.000"), Phoenix::new(2, 2).bytes());
    }
    data.write("30_DEG/COL1/SCENE1/BTR_60/HB00000.000", Phoenix::new(2, 2).bytes());
    data.write("README.HTM", "about");
    let train = data.load(Split::Train).unwrap();
    let test = data.load(Split::Test).unwrap();
    assert_eq!(train.classes, ["2S1", "BTR_60", "D7"]);
    assert_eq!(test.classes, train.classes);
    assert_eq!(test.samples.iter().map(|sample| sample.label).collect::<Vec<_>>(), [0, 1, 2, 2]);
    assert_eq!(train.samples.len() + data.load(Split::Validation).unwrap().samples.len(), 12);
    assert_eq!(
        test.notes,
        [
            "not read, since neither split nor class: 30_DEG",
            "classes are taken together from 17_deg/COL1/SCENE1, 17_deg/COL2/SCENE1, 17_deg/Col2/Scene12",
            "classes are taken together from 15_DEG/COL1/SCENE1, 15_DEG/COL2/SCENE1, 15_DEG/Col2/Scene12",
        ]
    );
}

#[test]
fn whole_disks_lie_beside_each_other() {
    let data = Data::new();
    for (disk, classes) in [
        ("MSTAR_PUBLIC_MIXED_TARGETS_CD1", ["COL1/SCENE1/BTR_60", "COL2/SCENE1/T62"]),
        ("MSTAR_PUBLIC_CHIPS/TARGETS/TRAIN", ["T72/SN_132", "BMP2/SN_C21"]),
    ] {
        for (class, idx) in classes.iter().flat_map(|class| (0..4).map(move |idx| (class, idx))) {
            let name = format!("{disk}/17_DEG/{class}/HB0000{idx}.000");
            data.write(&name, Phoenix::new(2, 2).bytes());
            let test = name.replace("TRAIN", "TEST").replace("17_DEG", "15_DEG");
            data.write(&test, Phoenix::new(2, 2).bytes());
        }
    }
    data.write("MSTAR_PUBLIC_MIXED_TARGETS_CD1/DOC/GUIDE.HTM", "about");
    let test = data.load(Split::Test).unwrap();
    assert_eq!(test.classes, ["BMP2", "BTR_60", "T62", "T72"]);
    assert_eq!(test.samples.len(), 16);
    // A folder of one of the collections alone has its classes, undivided.
    let one = data.load_at("MSTAR_PUBLIC_MIXED_TARGETS_CD1/17_DEG", Split::Train).unwrap();
    assert_eq!(one.classes, ["BTR_60", "T62"]);
}

#[test]
fn copies_and_pages_beside_originals_are_not_read() {
    let data = Data::new();
    for class in ["17_DEG/T72", "17_DEG/D7", "15_DEG/T72", "15_DEG/D7"] {
        for idx in 0..3 {
            data.write(&format!("{class}/SN_1/HB0000{idx}.015"), Phoenix::new(2, 2).bytes());
        }
        data.gray(&[(&format!("{class}/SN_1/hb00001.jpg"), 1)]);
        data.gray(&[(&format!("{class}/SN_1/HB00002.015.JPG"), 1)]);
        data.write(&format!("{class}/README.TXT"), "about");
        data.write(&format!("{class}/SN_1/INDEX.HTM"), "about");
    }
    let test = data.load(Split::Test).unwrap();
    assert_eq!(test.samples.len(), 6);
    assert!(test.samples.iter().all(|sample| sample.name.ends_with(".015")));
    assert_eq!(
        test.notes,
        [
            "not read: 8 web pages and READMEs beside images",
            "not read: 8 image copies of the MSTAR original files beside them",
        ]
    );
    data.gray(&[("15_DEG/D7/other.jpg", 1)]);
    let message = data.error(Split::Test);
    assert!(message.starts_with("DATA/15_DEG/D7/other.jpg: image copy beside"), "{message}");
}
