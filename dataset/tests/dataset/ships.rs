//! OpenSARShip as it is published: folders of versions of the same chips, with the class in the name of the file.

use twofold_dataset::{DatasetError, ImageSet, ReadOptions, Source, Split, SplitOptions};

use crate::support::{Data, Tiff, tiff_file};

/// Chips of two bands in the `folder` of a product.
fn chips(data: &Data, folder: &str) {
    for (class, n) in [("Cargo", 5), ("Other Type", 4), ("Tanker", 6)] {
        for idx in 0..n {
            let samples: Vec<u8> = [10.0, 20.0, 30.0, 1.0 + idx as f32]
                .iter()
                .flat_map(|value: &f32| value.to_le_bytes())
                .collect();
            let chip =
                Tiff { format: 3, n_samples: 2, is_matlab: true, ..Tiff::gray(2, 1, 32, &samples) };
            data.write(&format!("{folder}/{class}_x{}_y{idx}.tif", 100 * idx), tiff_file(&[chip]));
        }
    }
}

fn load(data: &Data, name: &str, split: Split) -> Result<ImageSet, DatasetError> {
    let options = ReadOptions { band: Some("vv".parse().unwrap()) };
    Source::parse(&data.text(name)).reading(options).load(split, &SplitOptions::default())
}

#[test]
fn the_type_in_the_name_is_the_class() {
    let data = Data::new();
    chips(&data, "S1A_IW_GRDH_1/Patch");
    chips(&data, "S1A_IW_GRDH_2/Patch");
    data.write("S1A_IW_GRDH_1/Ship.xml", "<ships/>");
    let splits = [Split::Train, Split::Validation, Split::Test];
    let sets = splits.map(|split| load(&data, "", split).unwrap());
    assert_eq!(sets[0].classes, ["Cargo", "Other Type", "Tanker"]);
    assert_eq!(sets.iter().map(|set| set.samples.len()).sum::<usize>(), 30);
    let sample = &sets[2].samples[0];
    assert_eq!((sample.label, sample.chip.channels(), sample.chip.width()), (0, 1, 2));
    assert!(sets[2].notes.iter().any(|note| note == "band vv, the second of two, is read"));
    assert!(
        sets[2].notes.iter().any(|note| note.contains("S1A_IW_GRDH_1/Patch, S1A_IW_GRDH_2/Patch"))
    );

    // The folder itself, and one of another name.
    assert_eq!(load(&data, "S1A_IW_GRDH_1/Patch", Split::Train).unwrap().classes.len(), 3);
    chips(&data, "mine");
    assert_eq!(load(&data, "mine", Split::Train).unwrap().classes.len(), 3);
    chips(&data, "divided/train");
    chips(&data, "divided/test");
    assert_eq!(load(&data, "divided", Split::Test).unwrap().samples.len(), 15);
}

#[test]
fn class_folders_beat_the_names_in_them() {
    let data = Data::new();
    chips(&data, "Cargo");
    chips(&data, "Other");
    assert_eq!(load(&data, "", Split::Train).unwrap().classes, ["Cargo", "Other"]);
}

#[test]
fn without_a_band_and_with_several_versions_they_are_refused() {
    let data = Data::new();
    chips(&data, "product/Patch");
    let error = data.error(Split::Train);
    assert!(error.contains(": 2 bands of 32-bit floating-point samples; help: "), "{error}");
    data.gray(&[("product/Patch_Uint8/Cargo_1.png", 1)]);
    let error = data.shown(&load(&data, "", Split::Train).unwrap_err());
    assert!(error.starts_with("DATA: holds Patch, Patch_Uint8, which are versions"), "{error}");
    std::fs::remove_dir_all(data.path("product/Patch_Uint8")).unwrap();
    chips(&data, "other product/Patch_Cal");
    let error = data.shown(&load(&data, "", Split::Train).unwrap_err());
    assert_eq!(
        error,
        "DATA: holds Patch, Patch_Cal, which are versions of the same chips; help: keep one of them in the folder, such as \
         Patch for the amplitudes as measured"
    );
}
