//! What is drawn from the seed of a run, one number a purpose.

pub(crate) const TEACHER: u64 = 1;
pub(crate) const STUDENT: u64 = 2;
pub(crate) const VIEWS: u64 = 3;
pub(crate) const FINE_TUNING: u64 = 4;

/// The seed of a network's weights.
pub(crate) fn of_weights(seed: u64, purpose: u64) -> u64 {
    seed.wrapping_mul(1000).wrapping_add(purpose)
}
