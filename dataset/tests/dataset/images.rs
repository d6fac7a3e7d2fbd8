//! Images made byte by byte, so that what is read is compared with the formats and not with an encoder.

use twofold_dataset::{Chip, Samples};

use crate::support::{Data, bmp, jpeg, png, read_image, tiff};

#[test]
fn png_of_eight_and_sixteen_bits() {
    let data = Data::new();
    data.write("gray.png", png(3, 2, 8, 0, &[1, 2, 3, 4, 5, 255]));
    data.write("deep.png", png(1, 2, 16, 0, &[0x12, 0x34, 0xff, 0xfe]));
    data.write("color.png", png(2, 1, 8, 2, &[10, 20, 30, 40, 50, 60]));
    data.write("deep-color.png", png(1, 1, 16, 2, &[1, 2, 3, 4, 5, 6]));
    let read = |name| read_image(&data.path(name)).unwrap();
    assert_eq!(read("gray.png"), Chip::new(2, 3, 1, Samples::Eight(vec![1, 2, 3, 4, 5, 255])));
    assert_eq!(read("deep.png"), Chip::new(2, 1, 1, Samples::Sixteen(vec![0x1234, 0xfffe])));
    let color = Chip::new(1, 2, 3, Samples::Eight(vec![10, 20, 30, 40, 50, 60]));
    assert_eq!(read("color.png"), color);
    let deep = Chip::new(1, 1, 3, Samples::Sixteen(vec![0x0102, 0x0304, 0x0506]));
    assert_eq!(read("deep-color.png"), deep);
}

#[test]
fn tiff_of_eight_and_sixteen_bits() {
    let data = Data::new();
    data.write("gray.tif", tiff(3, 2, 8, 1, &[1, 2, 3, 4, 5, 255]));
    data.write("deep.tiff", tiff(1, 2, 16, 1, &[0x34, 0x12, 0xfe, 0xff]));
    data.write("color.TIF", tiff(2, 1, 8, 3, &[10, 20, 30, 40, 50, 60]));
    data.write("deep-color.tif", tiff(1, 1, 16, 3, &[2, 1, 4, 3, 6, 5]));
    let read = |name| read_image(&data.path(name)).unwrap();
    assert_eq!(read("gray.tif"), Chip::new(2, 3, 1, Samples::Eight(vec![1, 2, 3, 4, 5, 255])));
    assert_eq!(read("deep.tiff"), Chip::new(2, 1, 1, Samples::Sixteen(vec![0x1234, 0xfffe])));
    let color = Chip::new(1, 2, 3, Samples::Eight(vec![10, 20, 30, 40, 50, 60]));
    assert_eq!(read("color.TIF"), color);
    let deep = Chip::new(1, 1, 3, Samples::Sixteen(vec![0x0102, 0x0304, 0x0506]));
    assert_eq!(read("deep-color.tif"), deep);
}

#[test]
fn bmp_has_its_last_row_first_and_is_gray_if_its_pixels_are() {
    let data = Data::new();
    let samples = [1, 2, 3, 4, 5, 255];
    let mut bytes = bmp(3, 2, &samples);
    data.write("x.bmp", &bytes);
    let gray = Chip::new(2, 3, 1, Samples::Eight(samples.to_vec()));
    assert_eq!(read_image(&data.path("x.bmp")).unwrap(), gray);

    // The blue of color 77, which no sample has, then that of color 5.
    bytes[54 + 4 * 77] = 0;
    data.write("x.bmp", &bytes);
    assert_eq!(read_image(&data.path("x.bmp")).unwrap(), gray);
    bytes[54 + 4 * 5] = 0;
    data.write("x.bmp", &bytes);
    let mut three: Vec<u8> = samples.iter().flat_map(|&gray| [gray; 3]).collect();
    three[14] = 0;
    assert_eq!(read_image(&data.path("x.bmp")).unwrap(), Chip::new(2, 3, 3, Samples::Eight(three)));
}

#[test]
fn jpeg_of_one_flat_block() {
    let data = Data::new();
    data.write("x.jpeg", jpeg());
    let flat = Chip::new(8, 8, 1, Samples::Eight(vec![28; 64]));
    assert_eq!(read_image(&data.path("x.jpeg")).unwrap(), flat);
}
