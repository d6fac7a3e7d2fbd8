//! Layers without weights: pools over windows, sums of two maps, other scales, maps side by side.

use ndarray::Array1;
use rand::RngExt;
use spec::{Add, Op, Requantize, Rounding, TensorRef, Window};

use super::Builder;

/// Shift of a layer that only scales: a multiplier of 1 has 15 bits.
const SHIFT: i32 = 14;
/// Largest shift beside a residual after the scaling: its multiplier has 24 bits.
const MAX_SHIFT_AFTER: i32 = 22;

impl Builder {
    /// Adds an average pool of `input`.
    pub fn average_pool(&mut self, name: &str, input: TensorRef, window: Window) -> TensorRef {
        self.push(name, input, Op::AveragePool(window), Requantize::none(), false)
    }

    /// Adds a max-pool of `input`.
    pub fn max_pool(&mut self, name: &str, input: TensorRef, window: Window) -> TensorRef {
        self.push(name, input, Op::MaxPool(window), Requantize::none(), false)
    }

    /// Adds the sum of two maps of one shape, each with a factor of its own.
    pub fn add(&mut self, name: &str, input: TensorRef, other: TensorRef) -> TensorRef {
        let n_channels = self.shape(input).channels;
        let requantize = self.scaled(n_channels);
        let multiplier = self.factors(n_channels);
        self.push(name, input, Op::Add(Add { other, multiplier }), requantize, false)
    }

    /// Adds a copy of `input` with a factor.
    pub fn requantized(&mut self, name: &str, input: TensorRef) -> TensorRef {
        let requantize = self.scaled(self.shape(input).channels);
        self.push(name, input, Op::Requantize, requantize, false)
    }

    /// Adds `input` and maps of its size and zero point side by side.
    pub fn concat(&mut self, name: &str, input: TensorRef, others: Vec<TensorRef>) -> TensorRef {
        self.push(name, input, Op::Concat(others), Requantize::none(), false)
    }

    fn scaled(&mut self, n_channels: usize) -> Requantize {
        Requantize {
            bias: (0..n_channels).map(|_| self.rng.random_range(-20..=20)).collect(),
            multiplier: self.factors(n_channels),
            shift: Array1::from_elem(n_channels, SHIFT),
            rounding: Rounding::HalfEven,
        }
    }

    /// Multipliers about a half to one and a half of `2^SHIFT`.
    fn factors(&mut self, n_channels: usize) -> Array1<i32> {
        (0..n_channels).map(|_| self.rng.random_range(1 << (SHIFT - 1)..3 << (SHIFT - 1))).collect()
    }

    /// Multipliers with which a map is added after the scaling, about as large as what is scaled; shifts become small enough
    /// for them.
    pub(super) fn added_after(&mut self, requantize: &mut Requantize) -> Array1<i32> {
        let Requantize { multiplier, shift, .. } = requantize;
        let pairs = multiplier.iter_mut().zip(shift.iter_mut());
        pairs
            .map(|(multiplier, shift)| {
                let less = (*shift - MAX_SHIFT_AFTER).max(0);
                *shift -= less;
                *multiplier = if less < 31 { *multiplier >> less } else { 0 };
                let one = 1 << *shift;
                self.rng.random_range(one / 4..=one)
            })
            .collect()
    }
}
