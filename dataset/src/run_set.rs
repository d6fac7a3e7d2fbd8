//! What a trained network is run on, and how many of those images it knows from its training.
//!
//! [`Source::candidates`](crate::Source::candidates) reads what there is, and [`Candidates::choose`] takes what the network
//! is to be run on: the test images of data that hold some; of class folders without a split all images, or, where the
//! network was trained on some of them and not on all, the test share. Whether that is a test of the network, the record of its training
//! images says ([`TrainedImages`]); without one, nobody can tell.

use std::fmt;

use crate::{
    DatasetError, DatasetKind, Division, ImageSet, Result, SarSim, Split, SplitOptions,
    TrainedImages,
};

/// What is known of a trained network.
#[derive(Debug, Clone, Copy)]
pub struct Trained<'a> {
    /// Its classes, in the order of the logits.
    pub classes: &'a [String],
    /// The seed that divided the images it was trained on, if it says one.
    pub split_seed: Option<u64>,
    /// The images that it was trained or validated on, if they were recorded.
    pub images: Option<&'a TrainedImages>,
}

/// Images that a network may be run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    data: String,
    set: ImageSet,
    origin: Origin,
}

/// What the data say of the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// They are test images; without classes they have no labels.
    Test,
    /// They lie in class folders without a split: of each image its path below the class folder.
    Undivided(Vec<String>),
    /// They have no labels.
    Unlabeled,
}

/// The part of the data that is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// What the data say are their test images.
    Test,
    /// What the split by names makes test images, see [`crate::Block`].
    HeldOut {
        /// The split seed.
        seed: u64,
    },
    /// All images of data that say nothing of a test.
    All,
}

/// Images that a network is run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSet {
    /// The images; their classes are the network's, or none where they have no labels.
    pub set: ImageSet,
    /// Name of the data.
    pub data: String,
    /// The part of the data.
    pub share: Share,
    /// Images among which these were chosen.
    pub n_candidates: usize,
    /// How many of them the network was trained or validated on, where that is recorded.
    pub n_trained: Option<usize>,
}

impl Candidates {
    /// The first chips of the simulator's test split.
    pub fn simulated(n_images: usize) -> Self {
        let set = SarSim::default().load_first(Split::Test, n_images);
        Self::new(DatasetKind::SarSim.name().to_owned(), set, Origin::Test)
    }

    pub(crate) fn new(data: String, set: ImageSet, origin: Origin) -> Self {
        Self { data, set, origin }
    }

    /// Class names of the data; none where images have no labels.
    pub fn classes(&self) -> &[String] {
        &self.set.classes
    }

    /// What a network is run on: at most `n_images` of it, spread evenly.
    ///
    /// # Errors
    /// [`DatasetError::UnknownClass`] when the network lacks a class of the data, [`DatasetError::EmptyTestShare`] when it was
    /// trained on the data and the test share is empty.
    pub fn choose(self, trained: &Trained, n_images: Option<usize>) -> Result<RunSet> {
        let Self { data, set, origin } = self;
        let has_classes = !trained.classes.is_empty();
        let mut set = if has_classes { set.relabel(trained.classes, &data)? } else { set };
        let n_candidates = set.samples.len();
        let chosen = match origin {
            Origin::Test => Share::Test,
            Origin::Unlabeled => Share::All,
            Origin::Undivided(names) => {
                let seed = test_share_seed(trained, &set);
                if let Some(seed) = seed {
                    let options = SplitOptions { seed, ..SplitOptions::default() };
                    let ImageSet { classes, samples, notes: told } = &mut set;
                    let images: Vec<_> = (samples.iter().zip(&names))
                        .map(|(sample, name)| (classes[sample.label].as_str(), name.as_str()))
                        .collect();
                    let Division { splits, notes } = options.divide(&images, true);
                    let mut splits = splits.into_iter();
                    samples.retain(|_| splits.next() == Some(Split::Test));
                    told.extend(notes);
                    if samples.is_empty() {
                        return Err(DatasetError::EmptyTestShare {
                            data,
                            n_images: n_candidates,
                            seed,
                        });
                    }
                }
                seed.map_or(Share::All, |seed| Share::HeldOut { seed })
            }
        };
        if let Some(n_images) = n_images {
            set = set.spread(n_images);
        }
        if !has_classes && !set.classes.is_empty() {
            set.classes.clear();
            set.notes.push(format!(
                "labels of {data} are left out: the network's outputs are no classes"
            ));
        }
        let n_trained = trained.images.map(|images| images.count(&set));
        Ok(RunSet { set, data, share: chosen, n_candidates, n_trained })
    }
}

/// The split seed, where class folders without a split may be what the network was trained on: it knows some, not all.
fn test_share_seed(trained: &Trained, set: &ImageSet) -> Option<u64> {
    match (trained.images, trained.split_seed) {
        (Some(images), seed) => {
            let some = 1..set.samples.len();
            some.contains(&images.count(set)).then_some(seed.unwrap_or_default())
        }
        (None, seed) => seed,
    }
}

impl RunSet {
    /// What the images are, for the title of a report; it says `test` only of images that are known to be one.
    pub fn label(&self) -> String {
        let (data, n) = (&self.data, self.set.samples.len());
        match (self.n_trained, self.share) {
            (Some(n_trained @ 1..), _) => {
                format!("{data}, images of which {n_trained} of {n} were trained or validated on")
            }
            _ if self.set.classes.is_empty() => format!("{data}, without labels"),
            (Some(0), Share::All) => format!("{data}, images that are in no record of training"),
            (Some(0), Share::Test | Share::HeldOut { .. }) => format!("{data}, test"),
            (None, _) => format!("{data}, images that may have been trained on"),
        }
    }
}

/// What the user is told before the run: the notes of reading, then what is run, and what the network knows of it.
impl fmt::Display for RunSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, n_candidates: all, .. } = self;
        let n = self.set.samples.len();
        for note in &self.set.notes {
            writeln!(f, "note: {note}")?;
        }
        let images = if *all == 1 { "image" } else { "images" };
        let is_whole = n == *all;
        match self.share {
            Share::Test if is_whole => write!(f, "running the {n} test {images} of {data}")?,
            Share::Test => write!(f, "running {n} of the {all} test images of {data}")?,
            Share::HeldOut { seed } => write!(
                f,
                "running {n} of the {all} images of {data}, from the test share of split seed {seed}"
            )?,
            Share::All if is_whole => write!(f, "running all of {data}, {n} {images}")?,
            Share::All => write!(f, "running {n} of the {all} images of {data}")?,
        }
        if self.set.classes.is_empty() {
            f.write_str(", without labels")?;
        }
        match self.n_trained {
            Some(0) => f.write_str(
                "; none of them is in the network's record of training images (copies that were resized or compressed anew are not \
                 recognized)",
            ),
            Some(n_trained) => write!(
                f,
                "; the network was trained or validated on {n_trained} of them, so that this is no test"
            ),
            None => write!(
                f,
                "; whether the network was trained on any of them cannot be told, for want of a record ({})",
                TrainedImages::FILE
            ),
        }
    }
}
