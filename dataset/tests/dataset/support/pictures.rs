//! PNG, BMP and JPEG files.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// A PNG: `depth` of 8 or 16, color type 0 (gray) or 2 (RGB), rows without a filter.
pub(crate) fn png(width: u32, height: u32, depth: u8, color: u8, samples: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let body = [&name[..], data].concat();
        let mut crc = Crc::new();
        crc.update(&body);
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
    };
    let header =
        [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat();
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::fast());
    let n_row = samples.len() / height.min(16) as usize;
    for row in samples.chunks(n_row.max(1)) {
        rows.write_all(&[0]).unwrap();
        rows.write_all(row).unwrap();
    }
    let rows = rows.finish().unwrap();
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", &rows),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

/// An 8-bit gray BMP; rows are stored bottom up, each filled to four bytes.
pub(crate) fn bmp(width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
    let offset = 54 + 1024;
    let mut bytes = b"BM".to_vec();
    let n_row = width.next_multiple_of(4);
    let header =
        [offset + n_row * height, 0, offset, 40, width, height, 8 << 16 | 1, 0, 0, 0, 0, 256, 0];
    bytes.extend(header.iter().flat_map(|value: &u32| value.to_le_bytes()));
    bytes.extend((0..=255_u8).flat_map(|gray| [gray, gray, gray, 0]));
    for row in samples.chunks(width as usize).rev() {
        bytes.extend(row);
        bytes.extend(std::iter::repeat_n(0, n_row as usize - row.len()));
    }
    bytes
}

/// A JPEG of one 8x8 block, all samples 28: one Huffman code each for the mean (7 bits) and for the block's end.
pub(crate) fn jpeg() -> Vec<u8> {
    let table =
        |class: u8, symbol: u8| [&[0xff, 0xc4, 0, 20, class, 1][..], &[0; 15], &[symbol]].concat();
    [
        &[0xff, 0xd8][..],
        &[0xff, 0xdb, 0, 67, 0],
        &[8; 64],
        &[0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0],
        &table(0x00, 7),
        &table(0x10, 0),
        &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0],
        // Code 0, then 27 in 7 bits, which is -100; code 0; filled with ones. 128 - 100 * 8 / 8 = 28.
        &[0b0001_1011, 0b0111_1111],
        &[0xff, 0xd9],
    ]
    .concat()
}
