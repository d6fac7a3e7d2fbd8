//! Class folders of images: one folder a class, with any [image files](crate::image_file).
//!
//! [`layout`](crate::layout) says how the folders are laid out. Where some images of a split have color and some do not, the
//! gray ones are taken three times.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::image_file::read_picture;
use crate::picture::{Kind, Picture};
use crate::{Band, ImageSet, ReadOptions, Result, Sample, notes};

/// Reads files, on all cores, as one set: `(label, file)` in the order given.
///
/// Names in the set are paths below `root`. All images have the channels of the richest: gray ones are repeated to three
/// channels where others have color, which a note tells.
///
/// # Errors
/// The first file that cannot be read.
pub fn read(
    root: &Path,
    classes: Vec<String>,
    files: &[(usize, PathBuf)],
    options: ReadOptions,
) -> Result<ImageSet> {
    let read_one = |(label, path): &(usize, PathBuf)| {
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let Picture { chip, kind, .. } = read_picture(path, options)?;
        Ok((Sample { name, label: *label, chip }, kind))
    };
    // Collected one by one, so that of several bad files the first is named, whichever thread sees one first.
    let results: Vec<Result<(Sample, Kind)>> = files.par_iter().map(read_one).collect();
    let read = results.into_iter().collect::<Result<Vec<_>>>()?;
    let (mut samples, kinds): (Vec<Sample>, Vec<Kind>) = read.into_iter().unzip();
    let mut notes = Vec::new();
    match options.band {
        Some(Band::Vh) => notes.push("band vh, the first of two, is read".to_owned()),
        Some(Band::Vv) => notes.push("band vv, the second of two, is read".to_owned()),
        Some(Band::Number(number)) => notes.push(format!("band {number} is read")),
        None => {}
    }
    if kinds.contains(&Kind::Magnitude) {
        notes.push(
            "integers and floating-point numbers are read as magnitudes, scaled to the largest of each image"
                .to_owned(),
        );
    }
    let n_saved_as_color = kinds.iter().filter(|kind| **kind == Kind::GrayAsColor).count();
    if n_saved_as_color > 0 {
        notes.push(notes::gray_as_color(n_saved_as_color));
    }
    let n_gray = samples.iter().filter(|sample| sample.chip.channels() == 1).count();
    if n_gray > 0 && n_gray < samples.len() {
        samples.iter_mut().for_each(|sample| sample.chip.make_color());
        let n_images = samples.len();
        notes.push(notes::gray_among_color([n_gray, n_images]));
    }
    Ok(ImageSet { classes, samples, notes })
}
