//! The versions of the network format.

use super::quant::{FORMAT_1_MAX_MULTIPLIER, FORMAT_1_MAX_SHIFT, MAX_MULTIPLIER, MAX_SHIFT};

/// A version of the network format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    pub(super) const NEWEST: Self = Self::Two;

    pub(super) fn of_number(number: u64) -> Option<Self> {
        [Self::One, Self::Two].into_iter().find(|version| version.number() == number)
    }

    pub(super) fn number(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    pub(super) fn max_multiplier(self) -> i32 {
        match self {
            Self::One => FORMAT_1_MAX_MULTIPLIER,
            Self::Two => MAX_MULTIPLIER,
        }
    }

    pub(super) fn max_shift(self) -> u32 {
        match self {
            Self::One => FORMAT_1_MAX_SHIFT,
            Self::Two => MAX_SHIFT,
        }
    }

    /// Largest side of a convolution's kernel.
    pub(super) fn max_kernel(self) -> usize {
        match self {
            Self::One => 7,
            Self::Two => 16,
        }
    }
}
