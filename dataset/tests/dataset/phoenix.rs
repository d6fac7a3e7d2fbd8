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
    assert!(bytes.starts_with(b"[PhoenixHeaderVer01.04]\nPhoenixHeaderLength= 00"));
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
fn phases_may_be_missing_and_are_not_read() {
    let whole = Phoenix::new(3, 2);
    let mut without = Phoenix::new(3, 2);
    without.phases.clear();
    let mut odd = Phoenix::new(3, 2);
    odd.phases = vec![f32::NAN; 6];
    assert_eq!(read(&whole).height(), 3);
    assert_eq!(read(&whole), read(&without));
    assert_eq!(read(&whole), read(&odd));
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
fn angles_stand_for_the_splits() {
    let data = Data::new();
    for class in ["2S1", "D7"] {
        for idx in 0..3 {
            data.write(
                &format!("17_deg/COL1/SCENE1/{class}/{idx}.000"),
                Phoenix::new(2, 2).bytes(),
            );
        }
        data.write(&format!("15_DEG/COL1/SCENE1/{class}/0.000"), Phoenix::new(2, 2).bytes());
    }
    assert_eq!(data.load(Split::Train).unwrap().samples.len(), 4);
    let test = data.load(Split::Test).unwrap();
    assert_eq!(
        (test.samples.len(), &test.classes[..]),
        (2, &["2S1".to_owned(), "D7".to_owned()][..])
    );
}
