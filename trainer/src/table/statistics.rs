//! Means over seeds, and how far apart two of them have to be.

use serde::Serialize;

/// Mean and spread over seeds, both in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean_percent: f64,
    /// Sample standard deviation (divided by n - 1); none for one value.
    pub sd_percent: Option<f64>,
}

/// Mean and sample standard deviation of `parts` (0 to 1); `None` without any.
pub fn spread(parts: &[f64]) -> Option<Spread> {
    let n = parts.len() as f64;
    if parts.is_empty() {
        return None;
    }
    let mean = parts.iter().sum::<f64>() / n;
    let sum: f64 = parts.iter().map(|part| (part - mean).powi(2)).sum();
    let sd_percent = (parts.len() > 1).then(|| 100.0 * (sum / (n - 1.0)).sqrt());
    Some(Spread { mean_percent: 100.0 * mean, sd_percent })
}

/// Standard deviation of one value, from all samples together, weighted by their degrees of freedom; `(n, sd)` each.
/// `None` when no sample has two values.
pub fn pooled_sd(samples: impl IntoIterator<Item = (usize, Option<f64>)>) -> Option<f64> {
    let (mut sum, mut freedom) = (0.0, 0.0);
    for (n, sd) in samples {
        let Some(sd) = sd else { continue };
        sum += (n as f64 - 1.0) * sd * sd;
        freedom += n as f64 - 1.0;
    }
    (freedom > 0.0).then(|| (sum / freedom).sqrt())
}

/// Two standard errors of the difference of two means of `n_a` and `n_b` values.
pub fn resolution(pooled_sd: f64, n_a: usize, n_b: usize) -> f64 {
    2.0 * pooled_sd * (1.0 / n_a as f64 + 1.0 / n_b as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn means_and_deviations_are_those_computed_by_hand() {
        // Mean 0.96; squares of deviations 4e-4, 0, 4e-4; their sum over two is 4e-4.
        let three = spread(&[0.94, 0.96, 0.98]).unwrap();
        assert!(close(three.mean_percent, 96.0) && close(three.sd_percent.unwrap(), 2.0));
        assert_eq!(spread(&[0.5]), Some(Spread { mean_percent: 50.0, sd_percent: None }));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn larger_samples_weigh_more() {
        // (2 * 9 + 1 * 3) / 3 = 7.
        let pooled = pooled_sd([(3, Some(3.0)), (2, Some(3.0_f64.sqrt())), (1, None)]).unwrap();
        assert!(close(pooled, 7.0_f64.sqrt()), "{pooled}");
        assert_eq!(pooled_sd([(1, None)]), None);
    }

    #[test]
    fn a_difference_of_three_seed_means_needs_two_of_its_standard_errors() {
        // 2 * 0.3 * sqrt(2 / 3) = 0.4898979...
        assert!(close(resolution(0.3, 3, 3), 0.489_897_948_556_635_6));
        assert!(close(resolution(1.0, 1, 3), 2.309_401_076_758_503));
    }
}
