//! Valid files with random damage: an image set or an error, never a panic.

use std::num::NonZeroU16;
use std::path::Path;

use proptest::prelude::*;
use twofold_dataset::{
    Band, DatasetKind, ReadOptions, Source, Split, SplitOptions, image_file, phoenix,
};

use crate::support::{Data, Phoenix, Tiff, gzip, names, record, tar, tiff_file};

/// Positions and bytes to put there, and where to cut the file.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool)> {
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (edits, any::<prop::sample::Index>(), any::<bool>())
}

fn damaged(
    mut bytes: Vec<u8>,
    (edits, cut, cuts): (Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool),
) -> Vec<u8> {
    for (position, byte) in edits {
        let idx = position.index(bytes.len());
        bytes[idx] = byte;
    }
    if cuts {
        bytes.truncate(cut.index(bytes.len() + 1));
    }
    bytes
}

/// Three test records and nothing to train on.
fn small_cifar10() -> Vec<(String, Vec<u8>)> {
    let records = (0..3).flat_map(|idx| record(&[idx], idx)).collect();
    vec![
        ("cifar-10-batches-bin/batches.meta.txt".to_owned(), names("c", 10).into_bytes()),
        ("cifar-10-batches-bin/test_batch.bin".to_owned(), records),
    ]
}

/// Loads the test split; whatever comes is consistent and names the file.
fn load(data: &Data, name: &str) {
    let source = Source::parse(&data.text(name));
    match source.load(Split::Test, &SplitOptions::default()) {
        Ok(set) => {
            assert_eq!((source.kind(), set.classes.len()), (DatasetKind::Cifar10, 10));
            assert!(set.samples.iter().all(|sample| sample.label < 10));
        }
        Err(error) => assert!(data.shown(&error).starts_with("DATA/"), "{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn phoenix_files(damage in damage()) {
        let mut file = Phoenix::new(5, 4).with("native_header_length", Some("16"));
        file.native = vec![0xa5; 16];
        let bytes = damaged(file.bytes(), damage);
        if let Ok(chip) = phoenix::read(Path::new("x"), &bytes) {
            prop_assert!(chip.height() * chip.width() * 4 < bytes.len());
        }
    }

    #[test]
    fn phoenix_headers(value in "[0-9]{1,22}|-[0-9]{1,9}|[ -~]{0,9}", key in 0..4_usize) {
        let keys =
            ["PhoenixHeaderLength", "native_header_length", "NumberOfColumns", "NumberOfRows"];
        let file = Phoenix::new(5, 4).with(keys[key], Some(&value));
        if let Err(error) = phoenix::read(Path::new("x"), &file.bytes()) {
            prop_assert!(error.to_string().starts_with("x: "), "{}", error);
        }
    }

    #[test]
    fn tiff_files(damage in damage(), which in 0..6_usize, band in 0..15_u16) {
        let gray = Tiff { format: 3, ..Tiff::gray(3, 2, 32, &[0x3f; 24]) };
        let bands = Tiff { n_samples: 2, format: 2, ..Tiff::gray(3, 2, 16, &[1; 24]) };
        let images = match which {
            0 => vec![gray],
            1 => vec![bands],
            2 => vec![Tiff { is_planar: true, ..bands }],
            3 => vec![gray.clone(), gray.clone(), gray],
            4 => vec![Tiff { photometric: 3, map: vec![9; 768], ..Tiff::gray(3, 2, 8, &[1; 6]) }],
            _ => vec![Tiff { is_little: false, ..gray }],
        };
        let data = Data::new();
        data.write("x.tif", damaged(tiff_file(&images), damage));
        let band = NonZeroU16::new(band).map(Band::Number);
        match image_file::read_image(&data.path("x.tif"), ReadOptions { band }) {
            Ok(chip) => prop_assert!(chip.height() <= image_file::MAX_SIDE && chip.width() <= image_file::MAX_SIDE),
            Err(error) => prop_assert!(data.shown(&error).starts_with("DATA/x.tif: "), "{}", error),
        }
    }

    #[test]
    fn cifar_records(damage in damage(), which in 0..2_usize) {
        let mut files = small_cifar10();
        let bytes = std::mem::take(&mut files[which].1);
        files[which].1 = damaged(bytes, damage);
        let data = Data::new();
        files.iter().for_each(|(name, bytes)| { data.write(name, bytes); });
        load(&data, "cifar-10-batches-bin");
    }

    #[test]
    fn cifar_archives(damage in damage(), compressed in any::<bool>()) {
        let tar = tar(&small_cifar10());
        let bytes = if compressed { damaged(gzip(&tar), damage) } else { gzip(&damaged(tar, damage)) };
        let data = Data::new();
        data.write("cifar-10-binary.tar.gz", bytes);
        load(&data, "cifar-10-binary.tar.gz");
    }
}
