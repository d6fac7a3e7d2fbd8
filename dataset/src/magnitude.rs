//! Magnitudes to 16 bits: what MSTAR originals and TIFF files of integers or floating-point numbers hold.
//!
//! A magnitude `m` becomes `round_half_even((m / largest) * 65535)`, in binary64, where `largest` is the chip's own
//! largest magnitude; a chip of zeros stays zero. Pre-processing by each chip's own statistics takes the unknown factor
//! out again.

use std::path::Path;

use crate::{DatasetError, ImageError, Result, Samples};

/// Magnitudes, row by row, as 16-bit samples; `path` and `help` are for the message.
///
/// # Errors
/// The first value that is negative or not finite.
pub(crate) fn to_samples(
    path: &Path,
    magnitudes: &[f64],
    columns: usize,
    help: &'static str,
) -> Result<Samples> {
    if let Some(idx) = magnitudes.iter().position(|m| !m.is_finite() || *m < 0.0) {
        let (value, row, column) = (magnitudes[idx], idx / columns, idx % columns);
        let problem = ImageError::Magnitude { value, row, column, help };
        return Err(DatasetError::image(path, problem));
    }
    let largest = magnitudes.iter().copied().fold(0.0, f64::max);
    let sample = |m: &f64| {
        if largest == 0.0 { 0 } else { (m / largest * 65535.0).round_ties_even() as u16 }
    };
    Ok(Samples::Sixteen(magnitudes.iter().map(sample).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_full_scale_whatever_the_range() {
        let read = |values: &[f64]| to_samples(Path::new("x"), values, 2, "see to it");
        let samples = |values: &[f64]| read(values).unwrap();
        assert_eq!(samples(&[0.0, 1.0, 2.0, 0.5]), Samples::Sixteen(vec![0, 32768, 65535, 16384]));
        assert_eq!(samples(&[1e-310, 2e-310]), Samples::Sixteen(vec![32768, 65535]));
        assert_eq!(samples(&[f64::MAX, 0.0]), Samples::Sixteen(vec![65535, 0]));
        assert_eq!(samples(&[0.0, -0.0]), Samples::Sixteen(vec![0, 0]));
        assert_eq!(
            read(&[1.0, 2.0, 3.0, -1.0]).unwrap_err().to_string(),
            "x: magnitude -1 at row 1, column 1; finite numbers from 0 are possible; help: see to it"
        );
    }
}
