//! Which weights of a network are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// One mask of zeros and ones a layer, of the weight's shape; a layer without one is dense.
#[derive(Debug, Default)]
pub struct Masks {
    keep: BTreeMap<String, Tensor>,
    /// Masked weights still get the gradient of what takes their place.
    pub straight_through: bool,
}

/// Part of the entries of a mask that changed from one choice to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Churn {
    /// Over all layers.
    pub mean: f64,
    /// Of the layer that changed most.
    pub largest: f64,
}

impl Masks {
    /// No mask: everything is dense.
    pub fn new() -> Self {
        Self::default()
    }

    /// Frozen masks of each layer.
    pub fn from_tensors(keep: BTreeMap<String, Tensor>) -> Self {
        Self { keep, straight_through: false }
    }

    /// The same masks in memory of their own.
    pub fn copy(&self) -> Self {
        let keep = self.keep.iter().map(|(layer, mask)| (layer.clone(), mask.copy())).collect();
        Self { keep, straight_through: self.straight_through }
    }

    /// The mask of a layer.
    pub fn get(&self, layer: &str) -> Option<&Tensor> {
        self.keep.get(layer)
    }

    /// Whether a layer has a mask.
    pub fn contains_key(&self, layer: &str) -> bool {
        self.keep.contains_key(layer)
    }

    /// Layers and their masks, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.keep.iter()
    }

    /// A layer's weight after its mask.
    pub fn apply(&self, layer: &str, weight: &Tensor) -> Tensor {
        match self.get(layer) {
            Some(mask) if self.straight_through => weight + (weight * mask - weight).detach(),
            Some(mask) => weight * mask,
            None => weight.shallow_clone(),
        }
    }

    /// What changed since an earlier choice.
    pub fn churn_since(&self, earlier: &Self) -> Churn {
        let (mut n_changed, mut n_all, mut largest) = (0.0, 0.0, 0.0_f64);
        for (layer, mask) in &self.keep {
            let Some(before) = earlier.get(layer) else { continue };
            let changed = mask.ne_tensor(before).sum(Kind::Double).double_value(&[]);
            let all = mask.numel() as f64;
            n_changed += changed;
            n_all += all;
            largest = largest.max(changed / all);
        }
        Churn { mean: if n_all > 0.0 { n_changed / n_all } else { 0.0 }, largest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn churn_counts_changed_entries() {
        let masks = |values: [f32; 4]| {
            Masks::from_tensors([("c".to_owned(), Tensor::from_slice(&values))].into())
        };
        let (a, b) = (masks([1.0, 0.0, 1.0, 0.0]), masks([1.0, 0.0, 0.0, 1.0]));
        assert_eq!(b.churn_since(&a), Churn { mean: 0.5, largest: 0.5 });
        assert_eq!(a.churn_since(&a), Churn::default());
    }

    #[test]
    fn straight_through_masks_pass_the_whole_gradient() {
        let mask = [("c".to_owned(), Tensor::from_slice(&[1.0_f32, 0.0]))];
        for (straight_through, expected) in [(false, [3.0, 0.0]), (true, [3.0, 5.0])] {
            let masks = Masks { straight_through, ..Masks::from_tensors(mask.clone_tensors()) };
            let weight = Tensor::from_slice(&[2.0_f32, 7.0]).set_requires_grad(true);
            let masked = masks.apply("c", &weight);
            assert_eq!(Vec::<f32>::try_from(&masked.detach()).unwrap(), [2.0, 0.0]);
            (masked * Tensor::from_slice(&[3.0_f32, 5.0])).sum(Kind::Float).backward();
            assert_eq!(Vec::<f32>::try_from(weight.grad()).unwrap(), expected);
        }
    }

    trait CloneTensors {
        fn clone_tensors(&self) -> BTreeMap<String, Tensor>;
    }

    impl CloneTensors for [(String, Tensor); 1] {
        fn clone_tensors(&self) -> BTreeMap<String, Tensor> {
            self.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
        }
    }
}
