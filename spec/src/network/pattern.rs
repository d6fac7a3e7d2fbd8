//! Whether the weights of a layer keep what its sparsity pattern promises, and which one they keep.

use ndarray::{Array4, Axis};

use super::error::NetworkError;
use super::sparsity::{Pattern, Sparsity, fixed_channel};

/// What the zeros of a weight are found to promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundSparsity {
    /// The pattern that promises most, with the largest group found: half-pruned only where no pair keeps both weights.
    pub sparsity: Sparsity,
    /// Weights that are zero.
    pub n_zeros: usize,
    /// Pairs of input channels, at every tap and for every output channel.
    pub n_pairs: usize,
    /// Those that keep both weights.
    pub n_both_kept: usize,
}

impl FoundSparsity {
    /// The pattern of a weight `[out_channels, kernel_height, kernel_width, in_channels / groups]`.
    ///
    /// Groups of output channels that share positions are looked for among all channels, powers of two, and thrice these. A
    /// grouped convolution, and one of a single input channel, which has no pairs, is dense.
    pub fn of(weight: &Array4<i8>, groups: usize) -> Self {
        let (n_outputs, _, _, n_inputs) = weight.dim();
        let n_zeros = weight.iter().filter(|value| **value == 0).count();
        let mut found = Self { sparsity: Sparsity::default(), n_zeros, n_pairs: 0, n_both_kept: 0 };
        if groups > 1 || n_inputs < 2 {
            return found;
        }
        for lane in weight.lanes(Axis(3)) {
            for pair in lane.exact_chunks(2) {
                found.n_pairs += 1;
                found.n_both_kept += usize::from(pair[0] != 0 && pair[1] != 0);
            }
        }
        if found.n_both_kept > 0 {
            return found;
        }
        let holds = |sparsity| first_violation("", weight, sparsity).is_none();
        let shared = |group| Sparsity { pattern: Pattern::UhpShared, group };
        let fixed = Sparsity { pattern: Pattern::UhpFixed, group: 0 };
        let mut sizes: Vec<usize> =
            (1..=20).flat_map(|bits| [1 << bits, 3 << (bits - 1)]).collect();
        sizes.retain(|size| *size > 1 && *size < n_outputs);
        sizes.push(n_outputs);
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let mut candidates = [fixed].into_iter().chain(sizes.into_iter().map(shared));
        let free = Sparsity { pattern: Pattern::UhpFree, group: 0 };
        found.sparsity = candidates.find(|sparsity| holds(*sparsity)).unwrap_or(free);
        found
    }
}

/// The first weight that breaks the pattern, in the order group, tap, pair, channel.
pub(super) fn first_violation(
    layer: &str,
    weight: &Array4<i8>,
    sparsity: Sparsity,
) -> Option<NetworkError> {
    let pattern = match sparsity.pattern {
        Pattern::Dense | Pattern::Unstructured => return None,
        Pattern::UhpFixed => "uhp-fixed",
        Pattern::UhpShared => "uhp-shared",
        Pattern::UhpFree => "uhp-free",
    };
    let (n_out, kernel_height, kernel_width, n_in) = weight.dim();
    let group = if sparsity.pattern == Pattern::UhpShared { sparsity.group } else { 1 };
    let layer = layer.to_owned();
    for first in (0..n_out).step_by(group) {
        let last = n_out.min(first.saturating_add(group)) - 1;
        for (ky, kx) in (0..kernel_height).flat_map(|ky| (0..kernel_width).map(move |kx| (ky, kx)))
        {
            for even in (0..n_in).step_by(2) {
                let mut kept_by_group = [false; 2];
                for channel in first..=last {
                    let kept = [0, 1].map(|side| {
                        even + side < n_in && weight[[channel, ky, kx, even + side]] != 0
                    });
                    if kept == [true, true] {
                        return Some(NetworkError::PairKept {
                            layer,
                            channel,
                            ky,
                            kx,
                            even,
                            pattern,
                        });
                    }
                    let fixed = fixed_channel(even / 2, ky * kernel_width + kx);
                    let pruned = 2 * even + 1 - fixed;
                    if sparsity.pattern == Pattern::UhpFixed && kept[pruned - even] {
                        return Some(NetworkError::FixedPosition {
                            layer,
                            channel,
                            ky,
                            kx,
                            input: pruned,
                        });
                    }
                    kept_by_group = [kept_by_group[0] || kept[0], kept_by_group[1] || kept[1]];
                }
                if kept_by_group == [true, true] {
                    return Some(NetworkError::SharedPosition { layer, first, last, ky, kx, even });
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A weight whose pair `i` of output `k` at tap `t` keeps channel `2 i + side(k, t, i)`.
    fn pruned(shape: [usize; 4], side: impl Fn(usize, usize, usize) -> usize) -> Array4<i8> {
        let width = shape[2];
        Array4::from_shape_fn(shape, |(k, ky, kx, c)| {
            i8::from(side(k, ky * width + kx, c / 2) == c % 2)
        })
    }

    fn found(weight: &Array4<i8>) -> (Pattern, usize) {
        let found = FoundSparsity::of(weight, 1).sparsity;
        assert_eq!(first_violation("", weight, found), None);
        (found.pattern, found.group)
    }

    #[test]
    fn the_pattern_that_promises_most_is_found() {
        let shape = [12, 3, 2, 6];
        assert_eq!(found(&pruned(shape, |_, tap, pair| (pair + tap) & 1)), (Pattern::UhpFixed, 0));
        assert_eq!(found(&pruned(shape, |_, _, _| 1)), (Pattern::UhpShared, 12));
        assert_eq!(found(&pruned(shape, |k, _, _| k / 4 % 2)), (Pattern::UhpShared, 4));
        assert_eq!(found(&pruned(shape, |k, _, _| k / 6 % 2)), (Pattern::UhpShared, 6));
        assert_eq!(found(&pruned(shape, |k, _, _| k % 2)), (Pattern::UhpFree, 0));
        let mut weight = pruned(shape, |k, _, _| k % 2);
        weight[[11, 2, 1, 4]] = 5;
        weight[[11, 2, 1, 5]] = 5;
        let dense = FoundSparsity::of(&weight, 1);
        assert_eq!(
            (dense.sparsity.pattern, dense.n_pairs, dense.n_both_kept),
            (Pattern::Dense, 216, 1)
        );
        assert_eq!(dense.n_zeros, 215);
    }

    #[test]
    fn what_has_no_pairs_is_dense() {
        let weight = Array4::zeros([4, 3, 3, 1]);
        assert_eq!(found(&weight), (Pattern::Dense, 0));
        let grouped = FoundSparsity::of(&Array4::zeros([4, 3, 3, 2]), 2);
        assert_eq!(grouped.sparsity.pattern, Pattern::Dense);
        // The last of an odd number of channels is a pair of its own.
        assert_eq!(found(&pruned([2, 1, 1, 3], |_, _, _| 0)), (Pattern::UhpShared, 2));
    }
}
