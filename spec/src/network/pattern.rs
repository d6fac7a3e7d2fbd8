//! Whether the weights of a layer keep what its sparsity pattern promises.

use ndarray::Array4;

use super::error::NetworkError;
use super::sparsity::{Pattern, Sparsity, fixed_channel};

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
