//! Images as tensors: the plain view that deployment uses, cached random views, fresh random views.

use dataset::preprocess::{Preprocessor, View};
use dataset::{ImageSet, Random, Sample};
use rayon::prelude::*;
use spec::Preprocess;
use tch::{Kind, Tensor};

/// Images as the network takes them, and their classes.
#[derive(Debug)]
pub struct Labeled {
    /// Int8, `[n, height, width, channels]`.
    pub images: Tensor,
    /// Int64, `[n]`.
    pub labels: Tensor,
}

/// How training views vary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Largest translation in each direction, in pixels.
    pub shift: usize,
    /// Deviation of the natural logarithm of the exponent about one half; 0 keeps the transfer curve.
    pub gamma: f64,
    /// Whether half of the views are mirrored left to right.
    pub mirror: bool,
}

impl Labeled {
    /// Every image, in order, as deployment sees it.
    pub fn plain(set: &ImageSet, preprocess: &Preprocess) -> Self {
        let preprocessor = Preprocessor::new(preprocess);
        let inputs =
            set.samples.par_iter().map(|sample| preprocessor.apply(&sample.chip)).collect();
        Self { images: stack(inputs, preprocess), labels: labels(set.samples.iter()) }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.size()[0] as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images at `indices`, in their order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let indices = to_tensor(indices);
        Self {
            images: self.images.index_select(0, &indices),
            labels: self.labels.index_select(0, &indices),
        }
    }
}

/// One random view of each image, in shuffled order; all of it follows from the path.
pub fn fresh_views(
    set: &ImageSet,
    preprocess: &Preprocess,
    augmentation: Augmentation,
    path: &[u64],
) -> Labeled {
    let order = shuffled(set.samples.len(), path);
    let preprocessor = Preprocessor::new(preprocess);
    let view = |&idx: &usize| {
        let view = random_view(augmentation, path, idx, 0);
        preprocessor.apply_view(&set.samples[idx].chip, view)
    };
    let inputs = order.par_iter().map(view).collect();
    Labeled {
        images: stack(inputs, preprocess),
        labels: labels(order.iter().map(|&idx| &set.samples[idx])),
    }
}

/// A fixed number of random views of each image: view `v` of image `i` has index `i * n_views + v`.
///
/// What a view shows follows from the path alone, so that a teacher has to look at each only once. Views are held in
/// memory where all of them fit, and made when they are asked for otherwise.
#[derive(Debug)]
pub struct Views<'a> {
    set: &'a ImageSet,
    preprocessor: Preprocessor,
    augmentation: Augmentation,
    n_views: usize,
    path: Vec<u64>,
    held: Option<Vec<i8>>,
}

/// Bytes of views that are held in memory.
const HELD_BYTES: usize = 512 << 20;

impl<'a> Views<'a> {
    /// The views of a set.
    pub fn new(
        set: &'a ImageSet,
        preprocess: &Preprocess,
        augmentation: Augmentation,
        n_views: usize,
        path: &[u64],
    ) -> Self {
        let preprocessor = Preprocessor::new(preprocess);
        let mut views =
            Self { set, preprocessor, augmentation, n_views, path: path.to_vec(), held: None };
        if views.len() * preprocess.n_values() <= HELD_BYTES {
            views.held = Some(views.make(&(0..views.len()).collect::<Vec<_>>()).concat());
        }
        views
    }

    fn definition(&self) -> &Preprocess {
        self.preprocessor.definition()
    }

    /// Number of views of all images.
    pub fn len(&self) -> usize {
        self.set.samples.len() * self.n_views
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The views at `indices`, in their order.
    pub fn select(&self, indices: &[usize]) -> Labeled {
        let n_values = self.definition().n_values();
        let inputs = match &self.held {
            Some(held) => {
                let view = |&idx: &usize| held[idx * n_values..(idx + 1) * n_values].to_vec();
                indices.iter().map(view).collect()
            }
            None => self.make(indices),
        };
        let samples = indices.iter().map(|&idx| &self.set.samples[idx / self.n_views]);
        Labeled { images: stack(inputs, self.definition()), labels: labels(samples) }
    }

    /// One view of each image at random, in shuffled order; the choice follows from the path.
    pub fn pick(&self, path: &[u64]) -> Vec<usize> {
        let mut random = Random::new(&[path, &[STREAM_PICK]].concat());
        shuffled(self.set.samples.len(), path)
            .into_iter()
            .map(|image| image * self.n_views + random.below(self.n_views))
            .collect()
    }

    /// Tells views apart by everything that they depend on.
    pub fn key(&self) -> String {
        let Augmentation { shift, gamma, mirror } = self.augmentation;
        let definition =
            serde_json::to_string(self.definition()).expect("a definition is plain data");
        let (n_views, path, set) = (self.n_views, &self.path, self.set.sha256());
        format!("{definition} {shift} {gamma} {mirror} {n_views} {path:?} {set}")
    }

    fn make(&self, indices: &[usize]) -> Vec<Vec<i8>> {
        let view = |&idx: &usize| {
            let (image, view) = (idx / self.n_views, idx % self.n_views);
            let view = random_view(self.augmentation, &self.path, image, view);
            self.preprocessor.apply_view(&self.set.samples[image].chip, view)
        };
        indices.par_iter().map(view).collect()
    }
}

const STREAM_ORDER: u64 = 0;
const STREAM_VIEW: u64 = 1;
const STREAM_PICK: u64 = 2;

fn shuffled(n: usize, path: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Random::new(&[path, &[STREAM_ORDER]].concat()).shuffle(&mut order);
    order
}

fn random_view(augmentation: Augmentation, path: &[u64], image: usize, view: usize) -> View {
    let mut random = Random::new(&[path, &[STREAM_VIEW, image as u64, view as u64]].concat());
    let n_shifts = 2 * augmentation.shift + 1;
    let mut shift = || random.below(n_shifts) as isize - augmentation.shift as isize;
    let (down, right) = (shift(), shift());
    let exponent =
        (augmentation.gamma > 0.0).then(|| 0.5 * (augmentation.gamma * random.normal()).exp());
    // Drawn last, so that views that are never mirrored do not depend on it.
    let mirror = augmentation.mirror && random.below(2) == 1;
    View { down, right, mirror, exponent }
}

fn stack(inputs: Vec<Vec<i8>>, preprocess: &Preprocess) -> Tensor {
    let shape = [inputs.len(), preprocess.height, preprocess.width, preprocess.channels]
        .map(|side| side as i64);
    Tensor::from_slice(&inputs.concat()).view(shape)
}

fn labels<'a>(samples: impl Iterator<Item = &'a Sample>) -> Tensor {
    to_tensor(&samples.map(|sample| sample.label).collect::<Vec<_>>())
}

fn to_tensor(indices: &[usize]) -> Tensor {
    let indices: Vec<i64> = indices.iter().map(|&idx| idx as i64).collect();
    Tensor::from_slice(&indices).to_kind(Kind::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::{SarSim, Split};

    #[test]
    fn views_keep_their_labels_and_repeat() {
        let set = SarSim::default().load_first(Split::Train, 12);
        let preprocess = Preprocess::sar(64);
        let augmentation = Augmentation { shift: 2, gamma: 0.3, mirror: false };
        let fresh = |epoch| fresh_views(&set, &preprocess, augmentation, &[1, epoch]);
        assert_eq!(fresh(3).images, fresh(3).images);
        assert_ne!(fresh(3).images, fresh(4).images);
        let views = Views::new(&set, &preprocess, augmentation, 5, &[1]);
        assert_eq!(views.select(&[3, 59]).images.size(), [2, 64, 64, 1]);
        let picked = views.pick(&[1, 0]);
        let chosen = views.select(&picked);
        for (position, idx) in picked.iter().enumerate() {
            assert_eq!(chosen.labels.int64_value(&[position as i64]), (idx / 5 % 10) as i64);
        }
        assert_eq!(chosen.images, stack(views.make(&picked), &preprocess));
        let mut images: Vec<_> = picked.into_iter().map(|idx| idx / 5).collect();
        images.sort_unstable();
        assert_eq!(images, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn without_augmentation_every_view_is_the_plain_one() {
        let set = SarSim::default().load_first(Split::Train, 3);
        let preprocess = Preprocess::sar(64);
        let none = Augmentation { shift: 0, gamma: 0.0, mirror: false };
        let views = Views::new(&set, &preprocess, none, 2, &[1]);
        let plain = Labeled::plain(&set, &preprocess);
        assert_eq!(views.select(&[0, 2, 4]).images, plain.images);
        assert_eq!(views.select(&[1, 3, 5]).images, plain.images);
    }
}
