//! Stochastic gradient descent with Nesterov momentum, and its learning rate.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::network::masks::Masks;
use crate::network::model::{Model, is_trainable};
use crate::training::options::FitOptions;

/// Learning rate at a step of all steps.
pub(crate) fn learning_rate(options: &FitOptions, step: usize, n_steps: usize) -> f64 {
    let warm_up = (n_steps / 20).max(1);
    if step < warm_up {
        return options.learning_rate * (step + 1) as f64 / warm_up as f64;
    }
    let done = (step - warm_up) as f64 / (n_steps - warm_up).max(1) as f64;
    options.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// One step of stochastic gradient descent with Nesterov momentum; gradients are spent.
pub(crate) fn update(
    model: &Model,
    options: &FitOptions,
    masks: &Masks,
    rate: f64,
    momentum: &mut BTreeMap<String, Tensor>,
) {
    let _guard = tch::no_grad_guard();
    for (name, tensor) in model.tensors().filter(|(name, _)| is_trainable(name)) {
        let mut spent = tensor.grad();
        let mut gradient = spent.copy();
        if let Some(layer) = name.strip_suffix(".weight") {
            gradient += tensor * options.weight_decay;
            if let Some(mask) = masks.get(layer).filter(|_| masks.straight_through) {
                gradient += tensor * (1.0 - mask) * options.pruning.masked_decay;
            }
        }
        let velocity = momentum.entry(name.clone()).or_insert_with(|| gradient.zeros_like());
        let _ = velocity.g_mul_scalar_(options.momentum);
        let _ = velocity.g_add_(&gradient);
        let step = (gradient + &*velocity * options.momentum) * rate;
        let _ = tensor.shallow_clone().g_sub_(&step);
        let _ = spent.zero_();
    }
}

/// Momentum of pruned weights is forgotten.
pub(crate) fn forget_momentum(momentum: &mut BTreeMap<String, Tensor>, masks: &Masks) {
    for (layer, mask) in masks.iter() {
        if let Some(velocity) = momentum.get_mut(&format!("{layer}.weight")) {
            let _ = velocity.g_mul_(mask);
        }
    }
}
