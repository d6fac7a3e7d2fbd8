//! TIFF files.

/// A little-endian TIFF of one uncompressed gray or RGB strip; 16-bit samples are little-endian in `samples`.
pub(crate) fn tiff(width: u32, height: u32, depth: u16, channels: u16, samples: &[u8]) -> Vec<u8> {
    let photometric = if channels == 1 { 1 } else { 2 };
    let gray = Tiff::gray(width, height, depth, samples);
    tiff_file(&[Tiff { n_samples: channels, photometric, ..gray }])
}

/// An image of a TIFF file, uncompressed.
#[derive(Clone)]
pub(crate) struct Tiff {
    pub(crate) is_little: bool,
    /// Whether positions have 64 bits.
    pub(crate) is_big: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bits: u16,
    /// `SampleFormat`: 1 unsigned, 2 signed, 3 floating-point, 6 complex.
    pub(crate) format: u16,
    pub(crate) n_samples: u16,
    pub(crate) photometric: u16,
    /// `ExtraSamples`, if any.
    pub(crate) extra: Vec<u16>,
    /// Whether each sample has a plane, and a strip, of its own.
    pub(crate) is_planar: bool,
    /// `ColorMap`, if any.
    pub(crate) map: Vec<u16>,
    pub(crate) subfile: u32,
    /// Whether sizes are short, and the number of rows in a strip is left out, as MATLAB does.
    pub(crate) is_matlab: bool,
    pub(crate) samples: Vec<u8>,
}

impl Tiff {
    /// One unsigned sample a pixel.
    pub(crate) fn gray(width: u32, height: u32, bits: u16, samples: &[u8]) -> Self {
        Self {
            is_little: true,
            is_big: false,
            width,
            height,
            bits,
            format: 1,
            n_samples: 1,
            photometric: 1,
            extra: Vec::new(),
            is_planar: false,
            map: Vec::new(),
            subfile: 0,
            is_matlab: false,
            samples: samples.to_vec(),
        }
    }

    /// Tag, type (3 short, 4 long) and values of each entry; the samples start at `data`.
    fn entries(&self, data: u32) -> Vec<(u16, u16, Vec<u32>)> {
        let n_strips = if self.is_planar { u32::from(self.n_samples) } else { 1 };
        let n_strip = self.samples.len() as u32 / n_strips;
        let words = |words: &[u16]| words.iter().map(|word| u32::from(*word)).collect::<Vec<_>>();
        let of_samples = |value: u16| vec![u32::from(value); self.n_samples.into()];
        let side = if self.is_matlab { 3 } else { 4 };
        let entries = vec![
            (254, 4, vec![self.subfile]),
            (256, side, vec![self.width]),
            (257, side, vec![self.height]),
            (258, 3, of_samples(self.bits)),
            (259, 3, vec![1]),
            (262, 3, vec![self.photometric.into()]),
            (273, 4, (0..n_strips).map(|strip| data + strip * n_strip).collect()),
            (277, 3, vec![self.n_samples.into()]),
            (278, 4, vec![self.height]),
            (279, 4, vec![n_strip; n_strips as usize]),
            (284, 3, vec![1 + u32::from(self.is_planar)]),
            (320, 3, words(&self.map)),
            (338, 3, words(&self.extra)),
            (339, 3, of_samples(self.format)),
        ];
        let is_there = |(tag, _, values): &(u16, u16, Vec<u32>)| {
            let is_left_out = self.is_matlab && [254, 278].contains(tag);
            !values.is_empty() && !is_left_out
        };
        entries.into_iter().filter(is_there).collect()
    }
}

/// A TIFF file: of each image the samples, then its directory, then what does not fit into that.
pub(crate) fn tiff_file(images: &[Tiff]) -> Vec<u8> {
    let Tiff { is_little, is_big, .. } = images[0];
    let ordered = |mut bytes: Vec<u8>| {
        if !is_little {
            bytes.reverse();
        }
        bytes
    };
    let word = |value: u16| ordered(value.to_le_bytes().to_vec());
    let long = |value: u32| ordered(value.to_le_bytes().to_vec());
    // A number of values or a position, which BigTIFF gives eight bytes.
    let size = |value: usize| {
        if is_big { ordered((value as u64).to_le_bytes().to_vec()) } else { long(value as u32) }
    };
    let n_size = size(0).len();
    let mut bytes = if is_little { b"II".to_vec() } else { b"MM".to_vec() };
    bytes.extend(word(if is_big { 43 } else { 42 }));
    if is_big {
        bytes.extend([word(8), word(0)].concat());
    }
    // Where the position of the next directory is to be written.
    let mut link = bytes.len();
    bytes.extend(size(0));
    for image in images {
        let data = bytes.len() as u32;
        bytes.extend(&image.samples);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let start = bytes.len();
        bytes[link..link + n_size].copy_from_slice(&size(start));
        let entries = image.entries(data);
        bytes.extend(if is_big { size(entries.len()) } else { word(entries.len() as u16) });
        let mut behind = bytes.len() + (4 + 2 * n_size) * entries.len() + n_size;
        let mut outside = Vec::new();
        for (tag, kind, values) in entries {
            bytes.extend([word(tag), word(kind), size(values.len())].concat());
            let values: Vec<u8> = if kind == 3 {
                values.iter().flat_map(|value| word(*value as u16)).collect()
            } else {
                values.iter().flat_map(|value| long(*value)).collect()
            };
            if values.len() <= n_size {
                bytes.extend(&values);
                bytes.resize(bytes.len() + n_size - values.len(), 0);
            } else {
                bytes.extend(size(behind));
                behind += values.len();
                outside.extend(values);
            }
        }
        link = bytes.len();
        bytes.extend(size(0));
        bytes.extend(outside);
    }
    bytes
}
