//! Class folders made by hand: every format is read, and everything malformed is an error that names its file.

use std::fs;

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use twofold_dataset::{Chip, DatasetKind, Samples, Source, Split, SplitOptions};

use crate::support::{Data, bmp, expected, gray, read_image};

/// Two classes of ten images each.
fn two_classes() -> Data {
    let data = Data::new();
    for class in ["a", "b"] {
        for idx in 0..10 {
            data.gray(&[(&format!("{class}/{idx}.png"), idx * 5)]);
        }
    }
    data
}

#[test]
fn lossless_formats_give_their_samples() {
    let data = Data::new();
    for name in ["x.png", "x.tif", "x.tiff", "x.bmp", "X.PNG"] {
        let path = data.path(name);
        gray(7).save(&path).unwrap();
        let chip = read_image(&path).unwrap();
        assert_eq!((chip.height(), chip.width(), chip.channels()), (3, 4, 1), "{name}");
        for (idx, value) in expected(7).into_iter().enumerate() {
            assert_eq!(chip.sample(idx / 4, idx % 4, 0), u16::from(value) * 257, "{name} {idx}");
        }
    }
}

#[test]
fn sixteen_bits_and_color_are_kept() {
    let data = Data::new();
    let deep =
        ImageBuffer::<Luma<u16>, _>::from_fn(2, 2, |x, y| Luma([(x * 40_000 + y * 7) as u16]));
    for name in ["deep.png", "deep.tif"] {
        let path = data.path(name);
        deep.save(&path).unwrap();
        assert_eq!(
            read_image(&path).unwrap(),
            Chip::new(2, 2, 1, Samples::Sixteen(vec![0, 40_000, 7, 40_007]))
        );
    }
    let color = RgbImage::from_fn(1, 2, |_, y| Rgb([1, 2, 3 + y as u8]));
    let path = data.path("color.png");
    color.save(&path).unwrap();
    assert_eq!(
        read_image(&path).unwrap(),
        Chip::new(2, 1, 3, Samples::Eight(vec![1, 2, 3, 1, 2, 4]))
    );
    let path = data.path("alpha.png");
    DynamicImage::ImageRgb8(color).into_rgba8().save(&path).unwrap();
    assert_eq!(read_image(&path).unwrap().channels(), 3);
}

#[test]
fn jpeg_is_read_about_right_and_by_content_not_by_name() {
    let data = Data::new();
    let flat = GrayImage::from_pixel(16, 16, Luma([100]));
    let jpeg = data.path("x.jpeg");
    flat.save(&jpeg).unwrap();
    let renamed = data.path("x.png");
    fs::copy(&jpeg, &renamed).unwrap();
    for path in [jpeg, renamed] {
        let chip = read_image(&path).unwrap();
        assert_eq!((chip.height(), chip.channels()), (16, 1));
        let value = i32::from(chip.sample(8, 8, 0)) / 257;
        assert!((value - 100).abs() <= 2, "{value}");
    }
}

#[test]
fn train_and_test_folders_are_used_as_they_are() {
    let data = Data::new();
    for idx in 0..10 {
        data.gray(&[
            (&format!("train/b/{idx}.png"), idx),
            (&format!("train/a/{idx}.png"), idx + 20),
        ]);
    }
    data.gray(&[("test/a/z.png", 1), ("test/b/y.png", 2), ("test/b/x.png", 3)]);
    let test = data.load(Split::Test).unwrap();
    assert_eq!(test.classes, ["a", "b"]);
    let listed: Vec<_> = test.samples.iter().map(|s| (s.name.as_str(), s.label)).collect();
    assert_eq!(listed, [("test/a/z.png", 0), ("test/b/x.png", 1), ("test/b/y.png", 1)]);
    let (train, validation) =
        (data.load(Split::Train).unwrap(), data.load(Split::Validation).unwrap());
    assert_eq!((train.samples.len(), validation.samples.len()), (18, 2));

    data.gray(&[("Val/a/v.png", 1), ("Val/b/v.png", 1), ("Val/b/w.png", 1)]);
    let (train, validation) =
        (data.load(Split::Train).unwrap(), data.load(Split::Validation).unwrap());
    assert_eq!((train.samples.len(), validation.samples.len()), (20, 3));
    assert!(validation.samples.iter().all(|sample| sample.name.starts_with("Val/")));
    fs::remove_dir_all(data.path("Val/a")).unwrap();
    data.gray(&[("Val/c/v.png", 1)]);
    assert_eq!(
        data.error(Split::Test),
        "DATA/train: class `a` is there, but DATA/Val has no such folder; both need the same classes"
    );
}

#[test]
fn class_folders_of_color_images_are_photographs() {
    let is_photo = |data: &Data| Source::parse(&data.text("")).is_photo();
    assert!(!is_photo(&Data::new()));
    assert!(!is_photo(&two_classes()));
    let data = Data::new();
    for idx in 0..10 {
        for class in ["x", "y"] {
            let pixel = if idx == 0 { [1, 2, 3] } else { [7; 3] };
            let image = RgbImage::from_pixel(4, 3, Rgb(pixel));
            image.save(data.path(&format!("{class}/{idx}.png"))).unwrap();
        }
    }
    assert!(is_photo(&data));
    let kind = Some(DatasetKind::Mstar);
    assert!(!Source::with_kind(&data.text(""), kind).unwrap().is_photo());
}

#[test]
fn hidden_files_and_files_beside_the_classes_are_no_classes() {
    let data = two_classes();
    fs::write(data.path("README.txt"), "about").unwrap();
    fs::write(data.path("a/.DS_Store"), "x").unwrap();
    fs::write(data.path(".cache/x.png"), "x").unwrap();
    assert_eq!(data.load(Split::Train).unwrap().classes, ["a", "b"]);
}

#[test]
fn folders_that_are_not_as_expected() {
    let missing = Source::parse("no/such/folder");
    let message = missing.load(Split::Test, &SplitOptions::default()).unwrap_err().to_string();
    assert!(message.starts_with("no/such/folder: not a folder"), "{message}");

    // A single image may be classified, and what is none is told so.
    let data = Data::new();
    fs::write(data.path("images.bin"), [0; 64]).unwrap();
    let fifo = data.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [data.path("images.bin"), fifo] {
        let text = path.display().to_string();
        let message = Source::parse(&text).candidates().unwrap_err().to_string();
        let expected = format!("{text}: neither a folder nor an image; give an image, ");
        assert!(message.starts_with(&expected), "{message}");
    }

    let data = Data::new();
    assert!(data.error(Split::Test).starts_with("DATA: holds no class folders"));
    data.gray(&[("a/1.png", 1)]);
    assert!(data.error(Split::Test).starts_with("DATA: holds the single class `a`"));

    let data = two_classes();
    fs::create_dir(data.path("c")).unwrap();
    assert!(data.error(Split::Test).starts_with("DATA/c: class folder without images"));

    let data = Data::new();
    data.gray(&[("train/a/1.png", 1), ("train/b/1.png", 1)]);
    assert!(data.error(Split::Test).starts_with("DATA: has a `train` folder but no `test` folder"));
    data.gray(&[("test/a/1.png", 1), ("test/c/1.png", 1)]);
    assert!(
        data.error(Split::Test)
            .starts_with("DATA/train: class `b` is there, but DATA/test has no such folder")
    );
    fs::remove_dir_all(data.path("train")).unwrap();
    assert!(data.error(Split::Test).starts_with("DATA: has a `test` folder but no `train` folder"));

    let data = Data::new();
    data.gray(&[("a/1.png", 1), ("a/2.png", 1), ("b/1.png", 1), ("b/2.png", 1)]);
    assert_eq!(
        data.error(Split::Validation),
        "DATA: 4 images of 2 classes are too few to hold some out for validation; add images, or divide them into folders \
         yourself: `train`, `test` and, if you like, `val`"
    );
}

#[test]
fn several_side_files_are_told_together_with_labels_and_without() {
    let data = two_classes();
    data.gray(&[("flat/1.png", 1)]);
    for folder in ["a", "flat"] {
        data.write(&format!("{folder}/chip.gif"), "GIF89a");
        data.write(&format!("{folder}/notes.txt"), "x");
        data.write(&format!("{folder}/x.npy"), "\u{93}NUMPY");
        data.write(&format!("{folder}/x.png~"), "x");
        data.write(&format!("{folder}/Thumbs.db"), "x");
    }
    let flat = Source::parse(&data.text("flat"));
    let error = data.shown(&flat.candidates().unwrap_err());
    let named = "DATA/flat: 3 files among the images are none: chip.gif, notes.txt, x.npy; the first of them: \
                 DATA/flat/chip.gif: ";
    assert!(error.starts_with(named), "{error}");
    for name in ["chip.gif", "notes.txt"] {
        fs::remove_file(data.path(&format!("flat/{name}"))).unwrap();
    }
    let error = data.shown(&flat.candidates().unwrap_err());
    assert!(error.starts_with("DATA/flat/x.npy: "), "{error}");
    fs::remove_file(data.path("flat/x.npy")).unwrap();
    assert!(flat.candidates().is_ok());
    fs::remove_dir_all(data.path("flat")).unwrap();
    let error = data.error(Split::Train);
    let named = "DATA: 3 files among the images are none: a/chip.gif, a/notes.txt, a/x.npy; the first of them: \
                 DATA/a/chip.gif: ";
    assert!(error.starts_with(named), "{error}");
    // Among ships, too.
    data.gray(&[("Patch/Cargo_x1_y2.png", 1), ("Patch/Tanker_x1_y2.png", 1)]);
    data.write("Patch/Cargo_x1_y2.npy", "x");
    let error = data.shown(&Source::parse(&data.text("Patch")).candidates().unwrap_err());
    assert!(error.starts_with("DATA/Patch/Cargo_x1_y2.npy: "), "{error}");
}

#[test]
fn a_side_file_is_named() {
    let data = two_classes();
    fs::write(data.path("b/notes.txt"), "x").unwrap();
    assert!(data.error(Split::Test).starts_with("DATA/b/notes.txt: not an image file"));
    fs::remove_file(data.path("b/notes.txt")).unwrap();
    fs::create_dir(data.path("b/more.png")).unwrap();
    assert!(data.error(Split::Test).starts_with("DATA/b/more.png: not an image file"));
}

/// All images of a data set, so that the bad one is met whatever split it falls into.
fn any_error(data: &Data) -> String {
    let splits = [Split::Train, Split::Validation, Split::Test];
    let bad = splits
        .into_iter()
        .find(|&split| data.load(split).is_err())
        .expect("one split has the bad file");
    data.error(bad)
}

#[test]
fn damaged_images_are_named() {
    let data = two_classes();
    let whole = fs::read(data.path("a/3.png")).unwrap();
    let bad: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("text", b"this is no image at all".to_vec()),
        ("header", b"\x89PNG\r\n\x1a\n".to_vec()),
        (
            "bit flip",
            whole
                .iter()
                .enumerate()
                .map(|(idx, byte)| if idx == 20 { byte ^ 0x40 } else { *byte })
                .collect(),
        ),
    ];
    for (what, bytes) in bad {
        fs::write(data.path("a/3.png"), bytes).unwrap();
        let message = any_error(&data);
        assert!(message.starts_with("DATA/a/3.png: unreadable image: "), "{what}: {message}");
    }
}

#[test]
fn odd_samples_are_named() {
    let data = two_classes();
    GrayImage::new(4097, 1).save(data.path("b/4.png")).unwrap();
    let message = any_error(&data);
    assert_eq!(message, "DATA/b/4.png: 4097x1 pixels; sides of 1 to 4096 are supported");
}

#[test]
fn gray_saved_as_color_is_gray() {
    let data = Data::new();
    let sixteen = |pixel: Luma<u16>| Rgb([pixel.0[0]; 3]);
    let deep = ImageBuffer::<Luma<u16>, _>::from_fn(4, 3, |x, y| Luma([(x * 20_000 + y) as u16]));
    let deep_color = ImageBuffer::from_fn(4, 3, |x, y| sixteen(*deep.get_pixel(x, y)));
    let images = [
        ("rgb.png", DynamicImage::ImageLuma8(gray(3)).into_rgb8().into()),
        ("rgba.png", DynamicImage::ImageLuma8(gray(3)).into_rgba8().into()),
        ("rgb.bmp", DynamicImage::ImageLuma8(gray(3)).into_rgb8().into()),
        ("rgb.tif", DynamicImage::ImageLuma8(gray(3)).into_rgb8().into()),
        ("rgb.jpg", DynamicImage::ImageLuma8(gray(3)).into_rgb8().into()),
        ("deep.png", DynamicImage::ImageRgb16(deep_color.clone())),
        ("deep.tif", DynamicImage::ImageRgb16(deep_color)),
    ];
    for (name, image) in images {
        image.save(data.path(name)).unwrap();
        let chip = read_image(&data.path(name)).unwrap();
        assert_eq!((chip.channels(), chip.height(), chip.width()), (1, 3, 4), "{name}");
        match (name, chip.samples()) {
            ("rgb.jpg", _) => {}
            (_, Samples::Eight(samples)) => assert_eq!(*samples, expected(3), "{name}"),
            (_, Samples::Sixteen(samples)) => assert_eq!(*samples, *deep.as_raw(), "{name}"),
        }
    }
}

#[test]
fn gray_saved_as_color_is_told() {
    let data = Data::new();
    for name in ["train/a/1.png", "train/b/1.png", "train/a/2.png", "train/b/2.png", "test/a/1.png"]
    {
        data.gray(&[(name, 1)]);
    }
    let color = DynamicImage::ImageLuma8(gray(3)).into_rgb8();
    color.save(data.path("test/b/1.png")).unwrap();
    data.write("test/b/2.bmp", bmp(3, 2, &[1, 2, 3, 4, 5, 6]));
    let set = data.load(Split::Test).unwrap();
    assert!(set.samples.iter().all(|sample| sample.chip.channels() == 1));
    assert_eq!(set.notes, ["1 image is gray saved as color; it is read as gray"]);
    assert!(!Source::parse(&data.text("")).is_photo());
}

#[test]
fn gray_among_color_is_taken_three_times_and_told() {
    let data = Data::new();
    for class in ["a", "b"] {
        for name in ["train/CLASS/1.png", "train/CLASS/2.png", "test/CLASS/1.png"] {
            data.gray(&[(&name.replace("CLASS", class), 1)]);
        }
    }
    let all_gray = data.load(Split::Test).unwrap();
    assert!(all_gray.samples.iter().all(|sample| sample.chip.channels() == 1));
    assert_eq!(all_gray.notes, [""; 0]);
    RgbImage::from_pixel(4, 3, Rgb([1, 2, 3])).save(data.path("test/b/2.png")).unwrap();
    let set = data.load(Split::Test).unwrap();
    assert!(set.samples.iter().all(|sample| sample.chip.channels() == 3));
    let Samples::Eight(samples) = set.samples[0].chip.samples() else { panic!("8 bits") };
    assert_eq!(samples[..6], [1, 1, 1, 2, 2, 2]);
    assert_eq!(set.notes, ["2 of 3 images are gray; the channel is taken three times"]);
}

#[test]
fn fractions_have_to_leave_something() {
    let data = two_classes();
    let source = Source::parse(data.0.path().to_str().unwrap());
    let options = SplitOptions { validation: 1.0, ..SplitOptions::default() };
    let message = source.load(Split::Train, &options).unwrap_err().to_string();
    assert_eq!(message, "validation is 1; it has to be above 0 and below 1");
}
