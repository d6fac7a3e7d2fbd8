//! Random weights of any pattern.

use ndarray::Array4;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spec::{Pattern, Sparsity, fixed_channel};

/// Weights `[out_channels, height, width, in_channels]`, uniform in -128..=127 at kept positions and never zero there,
/// so that how many tiles a layer takes depends on its pattern alone.
pub fn random_weights(shape: [usize; 4], sparsity: Sparsity, rng: &mut ChaCha8Rng) -> Array4<i8> {
    let [n_outputs, height, width, n_inputs] = shape;
    let n_pairs = n_inputs.div_ceil(2);
    let sharing = match sparsity.pattern {
        Pattern::UhpShared => sparsity.group.max(1),
        _ => 1,
    };
    let choices = [n_outputs.div_ceil(sharing), height, width, n_pairs];
    let odd = Array4::from_shape_simple_fn(choices, || rng.random::<bool>());
    Array4::from_shape_fn(shape, |(output, ky, kx, input)| {
        let value = match rng.random::<i8>() {
            0 => 1,
            value => value,
        };
        let pair = input / 2;
        let keeps = match sparsity.pattern {
            Pattern::Dense => true,
            Pattern::Unstructured => rng.random::<bool>(),
            Pattern::UhpFixed => fixed_channel(pair, ky * width + kx) == input,
            Pattern::UhpShared | Pattern::UhpFree => {
                let takes_odd = odd[[output / sharing, ky, kx, pair]] && 2 * pair + 1 < n_inputs;
                2 * pair + usize::from(takes_odd) == input
            }
        };
        if keeps { value } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn half_patterns_keep_one_of_each_pair() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for pattern in [Pattern::UhpFixed, Pattern::UhpShared, Pattern::UhpFree] {
            let weight = random_weights([20, 3, 2, 12], Sparsity { pattern, group: 16 }, &mut rng);
            assert_eq!(
                weight.iter().filter(|value| **value != 0).count(),
                weight.len() / 2,
                "{pattern:?}"
            );
        }
        let dense = random_weights([20, 3, 2, 12], Sparsity::default(), &mut rng);
        assert!(dense.iter().all(|value| *value != 0) && dense.iter().any(|value| *value == -128));
    }

    #[test]
    fn a_seed_gives_the_same_weights() {
        let weights = |seed| {
            random_weights([3, 3, 3, 5], Sparsity::default(), &mut ChaCha8Rng::seed_from_u64(seed))
        };
        assert_eq!(weights(7), weights(7));
        assert_ne!(weights(7), weights(8));
    }
}
