//! Pools that are layers: means are sums with weights of one, maxima windows of the drain over the pixels themselves.

use spec::{Parameter, Rounding, Shape, Window};

use super::Step;
use super::planner::Planner;
use crate::blocks::{Limits, windows};
use crate::tiling::{identity_groups, window_groups};

/// A window over the step's input whose outputs have blocks of their own at the map's edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepWindow {
    pub(crate) window: Window,
    /// The drain walks over the pixels; else the array adds them up.
    pub(crate) by_drain: bool,
}

impl Planner<'_> {
    /// Pixels outside the map read as 0 and do not count: each number of pixels has parameters of its own.
    pub(super) fn average_pool(&self, step: &mut Step, window: &Window, map: Shape) {
        (step.fill, step.zero_point, step.rounding) = (0, 0, Rounding::HalfAway);
        let [height, width] = window.kernel;
        let is_whole = height == map.height && width == map.width && window.padding == [0; 4];
        let counts = if is_whole {
            step.sum = true;
            step.groups = identity_groups(map.channels, self.config);
            vec![map.n_pixels()]
        } else {
            step.view.stride = window.stride;
            (step.view.pad_top, step.view.pad_left) = (window.padding[0], window.padding[2]);
            step.groups = window_groups(map.channels, window.kernel, self.config);
            step.window = Some(StepWindow { window: *window, by_drain: false });
            self.counts(step, window, map)
        };
        let of_count = |n_pixels: usize| vec![mean(n_pixels); map.channels];
        step.parameters =
            counts.into_iter().flat_map(|n| self.parameter_rows(of_count(n))).collect();
    }

    pub(super) fn max_pool(&self, step: &mut Step, window: &Window, map: Shape) {
        (step.zero_point, step.rounding) = (0, Rounding::HalfEven);
        step.groups = identity_groups(map.channels, self.config);
        step.window = Some(StepWindow { window: *window, by_drain: true });
        step.parameters = self.parameter_rows(vec![super::copy::UNIT; map.channels]);
    }

    /// The numbers of pixels that windows see, in the order of the sets of parameters.
    fn counts(&self, step: &Step, window: &Window, map: Shape) -> Vec<usize> {
        // Which there are does not depend on how blocks are cut.
        let limits = Limits { accumulators: usize::MAX, target: usize::MAX };
        windows(map, step.output, window, false, limits).1
    }
}

/// Most pixels whose mean [`mean`] gives exactly.
pub(super) const MOST_MEAN_PIXELS: usize = 1 << 14;

/// Constants of the mean of `n` = `n_pixels` pixels, whose sum is at most `128 n`: the multiplier is the smallest fraction of so many
/// bits that is no less than `1 / n`, so that halves stay on the far side. A mean is too large by less than `128 n / 2^shift`,
/// which is at most 2^-15; what is no half lies at least `1 / 2n` before one, so nothing else gets there up to [`MOST_MEAN_PIXELS`].
fn mean(n_pixels: usize) -> Parameter {
    let shift = 23 + n_pixels.ilog2();
    let multiplier = (1u64 << shift).div_ceil(n_pixels as u64) as u32;
    Parameter { bias: 0, multiplier, shift: shift as u8, residual_multiplier: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::round_shift;

    #[test]
    fn means_are_rounded_half_away_from_zero() {
        let largest = MOST_MEAN_PIXELS;
        for n in (1..=48).chain([125, 256, 1000, largest - 3, largest - 1, largest]) {
            let Parameter { multiplier, shift, .. } = mean(n);
            assert!(multiplier < 1 << 24);
            for sum in -128 * n as i64..=127 * n as i64 {
                let exact = sum.signum() * ((2 * sum.abs() + n as i64) / (2 * n as i64));
                let found =
                    round_shift(sum * i64::from(multiplier), shift.into(), Rounding::HalfAway);
                assert_eq!(found, exact, "{sum} / {n}");
            }
        }
    }
}
