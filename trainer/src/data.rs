//! Images as tensors: the plain view that deployment uses, cached random views, fresh random views.

use dataset::preprocess::{View, apply, apply_view};
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
}

impl Labeled {
    /// Every image, in order, as deployment sees it.
    pub fn plain(set: &ImageSet, preprocess: &Preprocess) -> Self {
        let inputs = set.samples.par_iter().map(|sample| apply(preprocess, &sample.chip)).collect();
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
    let view = |&idx: &usize| {
        apply_view(preprocess, &set.samples[idx].chip, random_view(augmentation, path, idx, 0))
    };
    let inputs = order.par_iter().map(view).collect();
    Labeled {
        images: stack(inputs, preprocess),
        labels: labels(order.iter().map(|&idx| &set.samples[idx])),
    }
}

/// `n_views` random views of each image; view `v` of image `i` is at `i * n_views + v`.
pub fn cached_views(
    set: &ImageSet,
    preprocess: &Preprocess,
    augmentation: Augmentation,
    n_views: usize,
    path: &[u64],
) -> Labeled {
    let n = set.samples.len() * n_views;
    let view = |idx: usize| {
        let (image, view) = (idx / n_views, idx % n_views);
        apply_view(
            preprocess,
            &set.samples[image].chip,
            random_view(augmentation, path, image, view),
        )
    };
    let inputs = (0..n).into_par_iter().map(view).collect();
    let samples = set.samples.iter().flat_map(|sample| std::iter::repeat_n(sample, n_views));
    Labeled { images: stack(inputs, preprocess), labels: labels(samples) }
}

/// Picks one view of each image at random, in shuffled order, from [`cached_views`].
pub fn pick_views(n_images: usize, n_views: usize, path: &[u64]) -> Vec<usize> {
    let mut random = Random::new(&[path, &[STREAM_PICK]].concat());
    shuffled(n_images, path)
        .into_iter()
        .map(|image| image * n_views + random.below(n_views))
        .collect()
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
    View { down, right, mirror: false, exponent }
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
        let augmentation = Augmentation { shift: 2, gamma: 0.3 };
        let fresh = |epoch| fresh_views(&set, &preprocess, augmentation, &[1, epoch]);
        assert_eq!(fresh(3).images, fresh(3).images);
        assert_ne!(fresh(3).images, fresh(4).images);
        let cached = cached_views(&set, &preprocess, augmentation, 5, &[1]);
        assert_eq!(cached.images.size(), [60, 64, 64, 1]);
        for idx in pick_views(12, 5, &[1, 0]) {
            assert_eq!(cached.labels.int64_value(&[idx as i64]), (idx / 5 % 10) as i64);
        }
        let mut images: Vec<_> =
            pick_views(12, 5, &[1, 0]).into_iter().map(|idx| idx / 5).collect();
        images.sort_unstable();
        assert_eq!(images, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn without_augmentation_every_view_is_the_plain_one() {
        let set = SarSim::default().load_first(Split::Train, 3);
        let preprocess = Preprocess::sar(64);
        let cached =
            cached_views(&set, &preprocess, Augmentation { shift: 0, gamma: 0.0 }, 2, &[1]);
        let plain = Labeled::plain(&set, &preprocess);
        assert_eq!(cached.select(&[0, 2, 4]).images, plain.images);
        assert_eq!(cached.select(&[1, 3, 5]).images, plain.images);
    }
}
