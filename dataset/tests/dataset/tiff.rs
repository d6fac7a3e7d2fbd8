//! TIFF files of bands, integers, floating-point numbers and palettes, laid out as MATLAB, GDAL and array libraries write them.

use std::slice::from_ref;

use twofold_dataset::image_file::read_image;
use twofold_dataset::{Chip, ReadOptions, Samples};

use crate::support::{Data, Tiff, tiff_file};

fn read(bytes: &[u8], band: Option<&str>) -> Result<Chip, String> {
    let data = Data::new();
    data.write("x.tif", bytes);
    let options = ReadOptions { band: band.map(|band| band.parse().unwrap()) };
    read_image(&data.path("x.tif"), options).map_err(|error| data.shown(&error))
}

fn sixteen(rows: usize, columns: usize, samples: &[u16]) -> Result<Chip, String> {
    Ok(Chip::new(rows, columns, 1, Samples::Sixteen(samples.to_vec())))
}

fn bytes_of<const N: usize, T: Copy>(values: &[T], to: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| to(*value)).collect()
}

#[test]
fn integers_and_floating_point_numbers_are_magnitudes() {
    // 65535 / 4 ends in .75, 65535 / 2 in .5, which is rounded to even.
    let expected = sixteen(2, 2, &[0, 16384, 32768, 65535]);
    let values = [0_u8, 1, 2, 4];
    let i8s = bytes_of(&values, |v| (v as i8).to_le_bytes());
    let i16s = bytes_of(&values, |v| (i16::from(v) * 100).to_le_bytes());
    let i32s = bytes_of(&values, |v| (i32::from(v) * 100_000).to_le_bytes());
    let i64s = bytes_of(&values, |v| (i64::from(v) << 50).to_le_bytes());
    let u32s = bytes_of(&values, |v| (u32::from(v) << 29).to_le_bytes());
    let u64s = bytes_of(&values, |v| (u64::from(v) << 61).to_le_bytes());
    let f32s = bytes_of(&values, |v| (f32::from(v) * 1e-7).to_le_bytes());
    let f64s = bytes_of(&values, |v| (f64::from(v) * 1e200).to_le_bytes());
    // 0, 1, 2 and 4 in 16 bits.
    let f16s = bytes_of(&[0, 0x3c00, 0x4000, 0x4400_u16], u16::to_le_bytes);
    let kinds = [
        (8, 2, i8s),
        (16, 2, i16s),
        (32, 2, i32s),
        (64, 2, i64s),
        (32, 1, u32s),
        (64, 1, u64s),
        (16, 3, f16s),
        (32, 3, f32s),
        (64, 3, f64s),
    ];
    for (bits, format, samples) in kinds {
        let file = Tiff { format, ..Tiff::gray(2, 2, bits, &samples) };
        assert_eq!(
            read(&tiff_file(from_ref(&file)), None),
            expected,
            "{bits} bits, format {format}"
        );
        assert_eq!(read(&tiff_file(&[file]), Some("1")), expected, "{bits} bits, format {format}");
    }
    let flipped = bytes_of(&values, |v| f32::from(v).to_be_bytes());
    let file = Tiff { format: 3, is_little: false, ..Tiff::gray(2, 2, 32, &flipped) };
    assert_eq!(read(&tiff_file(&[file]), None), expected);
}

#[test]
fn unsigned_eight_and_sixteen_bits_stay_as_they_are() {
    let file = Tiff::gray(2, 1, 8, &[3, 4]);
    assert_eq!(read(&tiff_file(&[file]), None), Ok(Chip::new(1, 2, 1, Samples::Eight(vec![3, 4]))));
    let file = Tiff::gray(1, 2, 16, &[3, 0, 4, 0]);
    assert_eq!(read(&tiff_file(from_ref(&file)), None), sixteen(2, 1, &[3, 4]));
    assert_eq!(read(&tiff_file(&[file]), Some("1")), sixteen(2, 1, &[3, 4]));
}

#[test]
fn what_is_no_magnitude_is_named() {
    let help = "finite numbers from 0 are possible; help: write amplitudes, not decibels, and 0 where there is no data";
    for (value, shown) in [(-3.5, "-3.5"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let samples = bytes_of(&[1.0, 2.0, value, 3.0], f32::to_le_bytes);
        let file = Tiff { format: 3, ..Tiff::gray(2, 2, 32, &samples) };
        let message = read(&tiff_file(&[file]), None).unwrap_err();
        assert_eq!(message, format!("DATA/x.tif: magnitude {shown} at row 1, column 0; {help}"));
    }
    let complex = Tiff { format: 6, ..Tiff::gray(1, 1, 64, &[0; 8]) };
    let message = read(&tiff_file(&[complex]), None).unwrap_err();
    assert!(
        message.starts_with("DATA/x.tif: 64-bit complex samples are not read; help: "),
        "{message}"
    );
    let odd = Tiff::gray(2, 1, 12, &[0; 3]);
    let message = read(&tiff_file(&[odd]), None).unwrap_err();
    assert!(message.starts_with("DATA/x.tif: 12-bit unsigned samples are not read"), "{message}");
}

/// Two bands of three pixels, as MATLAB writes the chips of OpenSARShip.
fn ship() -> Tiff {
    let samples = bytes_of(&[10.0, 1.0, 5.0, 4.0, 0.0, 2.0], f32::to_le_bytes);
    Tiff { format: 3, n_samples: 2, is_matlab: true, ..Tiff::gray(3, 1, 32, &samples) }
}

#[test]
fn two_bands_are_chosen_by_polarization() {
    let file = tiff_file(&[ship()]);
    assert_eq!(read(&file, Some("vh")), sixteen(1, 3, &[65535, 32768, 0]));
    assert_eq!(read(&file, Some("vv")), sixteen(1, 3, &[16384, 65535, 32768]));
    assert_eq!(read(&file, Some("2")), read(&file, Some("vv")));
    assert_eq!(
        read(&file, None).unwrap_err(),
        "DATA/x.tif: 2 bands of 32-bit floating-point samples; help: choose one with --band, vh (the first) or vv (the \
         second) as OpenSARShip has them, or 1 or 2"
    );
    assert_eq!(
        read(&file, Some("3")).unwrap_err(),
        "DATA/x.tif: band 3 was asked for, and there are 2; help: give a number from 1 to 2"
    );
    let one = tiff_file(&[Tiff::gray(1, 1, 8, &[1])]);
    assert_eq!(
        read(&one, Some("vv")).unwrap_err(),
        "DATA/x.tif: band vv was asked for, and there is one band; help: leave --band out, or give --band 1"
    );
}

#[test]
fn thirteen_bands_are_chosen_by_number_however_they_lie() {
    // Sample of band b at pixel p: 100 b + p.
    let sample = |band: u16, pixel: u16| (100 * band + pixel).to_le_bytes();
    let chunky: Vec<u8> = (0..4).flat_map(|p| (0..13).flat_map(move |b| sample(b, p))).collect();
    let planes: Vec<u8> = (0..13).flat_map(|b| (0..4).flat_map(move |p| sample(b, p))).collect();
    let base = Tiff { n_samples: 13, extra: vec![0; 12], ..Tiff::gray(2, 2, 16, &chunky) };
    let pages: Vec<Tiff> = planes.chunks(8).map(|plane| Tiff::gray(2, 2, 16, plane)).collect();
    let thumbnail = Tiff { subfile: 1, ..Tiff::gray(1, 1, 16, &[0, 0]) };
    let mut big = pages.clone();
    big[0].is_big = true;
    let files = [
        tiff_file(&big),
        tiff_file(from_ref(&base)),
        tiff_file(&[Tiff { extra: Vec::new(), ..base.clone() }]),
        tiff_file(&[Tiff { photometric: 2, extra: vec![0; 10], ..base.clone() }]),
        tiff_file(&[Tiff { is_planar: true, samples: planes, ..base.clone() }]),
        tiff_file(&pages),
        tiff_file(&[Tiff { is_big: true, ..base.clone() }]),
        tiff_file(&[base, thumbnail]),
    ];
    for (idx, file) in files.iter().enumerate() {
        assert_eq!(read(file, Some("1")), sixteen(2, 2, &[0, 1, 2, 3]), "file {idx}");
        assert_eq!(read(file, Some("13")), sixteen(2, 2, &[1200, 1201, 1202, 1203]), "file {idx}");
        let message = read(file, None).unwrap_err();
        let help = "help: choose one with --band, a number from 1 to 13";
        assert_eq!(message, format!("DATA/x.tif: 13 bands of 16-bit unsigned samples; {help}"));
    }
}

#[test]
fn color_and_alpha_are_no_bands_to_choose_from() {
    let rgb = Tiff { n_samples: 3, photometric: 2, ..Tiff::gray(1, 1, 8, &[1, 2, 3]) };
    let color = Ok(Chip::new(1, 1, 3, Samples::Eight(vec![1, 2, 3])));
    assert_eq!(read(&tiff_file(from_ref(&rgb)), None), color);
    let second = Ok(Chip::new(1, 1, 1, Samples::Eight(vec![2])));
    assert_eq!(read(&tiff_file(&[rgb]), Some("2")), second);
    let rgba =
        Tiff { n_samples: 4, photometric: 2, extra: vec![2], ..Tiff::gray(1, 1, 8, &[1, 2, 3, 9]) };
    assert_eq!(read(&tiff_file(from_ref(&rgba)), None), color);
    assert_eq!(read(&tiff_file(&[rgba]), Some("2")), second);
    let gray = Tiff { n_samples: 2, extra: vec![2], ..Tiff::gray(2, 1, 8, &[1, 9, 2, 9]) };
    let plain = Ok(Chip::new(1, 2, 1, Samples::Eight(vec![1, 2])));
    assert_eq!(read(&tiff_file(&[gray]), None), plain);
}

#[test]
fn palettes_are_color_unless_they_are_gray() {
    let mut map = [0_u16; 768];
    for idx in 0..256 {
        [map[idx], map[256 + idx], map[512 + idx]] = [idx as u16 * 257; 3];
    }
    let file = |map: &[u16]| {
        tiff_file(&[Tiff { photometric: 3, map: map.to_vec(), ..Tiff::gray(2, 1, 8, &[7, 200]) }])
    };
    let gray = Ok(Chip::new(1, 2, 1, Samples::Eight(vec![7, 200])));
    assert_eq!(read(&file(&map), None), gray);
    map[256 + 7] = 0;
    let color = Samples::Eight(vec![7, 0, 7, 200, 200, 200]);
    assert_eq!(read(&file(&map), None), Ok(Chip::new(1, 2, 3, color)));
    assert_eq!(read(&file(&map), Some("2")), Ok(Chip::new(1, 2, 1, Samples::Eight(vec![0, 200]))));
    map[7] = 1;
    let deep = Samples::Sixteen(vec![1, 0, 7 * 257, 200 * 257, 200 * 257, 200 * 257]);
    assert_eq!(read(&file(&map), None), Ok(Chip::new(1, 2, 3, deep)));
}
