//! The rules of a layer's constants, and of the sums that they are added to.

use ndarray::{Array1, Axis};

use super::super::error::NetworkError;
use super::super::layers::TensorRef;
use super::super::quant::{MAX_MULTIPLIER, MAX_RESIDUAL_MULTIPLIER};
use super::super::shapes::Shape;
use super::super::view::OpKind;
use super::layer::Check;

/// Largest magnitude of an int8 activation whose zero point is 0.
const MAX_ACTIVATION: u64 = 128;

impl Check<'_> {
    /// Their number, if `channels` is known, and their values.
    pub(super) fn constants(&mut self, channels: Option<usize>) {
        let layer = self.layer;
        let version = self.view.version;
        let addend = layer.addend.as_ref();
        let max_addend = match addend.and_then(|addend| addend.after) {
            Some(true) => MAX_MULTIPLIER,
            _ => MAX_RESIDUAL_MULTIPLIER,
        };
        let vectors = [
            ("bias", layer.bias, i32::MIN, i32::MAX),
            ("multiplier", layer.multiplier, 0, version.max_multiplier()),
            ("shift", layer.shift, 0, version.max_shift() as i32),
            ("residual_multiplier", addend.and_then(|addend| addend.multiplier), 0, max_addend),
        ];
        for (suffix, values, min, max) in vectors {
            let Some(values) = values else { continue };
            let tensor = self.tensor(suffix);
            if let Some(channels) = channels.filter(|channels| *channels != values.len()) {
                let (expected, found) = (vec![channels], vec![values.len()]);
                self.errors.push(NetworkError::TensorShape {
                    tensor: tensor.clone(),
                    expected,
                    found,
                });
            }
            if let Some((channel, &value)) =
                values.indexed_iter().find(|(_, value)| !(min..=max).contains(*value))
            {
                self.errors.push(NetworkError::Constant { tensor, channel, value, max });
            }
        }
    }

    /// No order of additions can leave 32 bits if the magnitudes of all terms fit together.
    pub(super) fn accumulators(&mut self, channels: usize, input: Option<Shape>) {
        let addend = self.layer.addend.as_ref();
        // After the scaling there are more bits than both terms can fill.
        let before = addend.filter(|addend| addend.after == Some(false));
        let largest = self.largest_of(self.layer.input);
        let largest_added = before.map_or(0, |addend| self.largest_of(addend.from));
        let residual = before.and_then(|addend| addend.multiplier);
        for channel in 0..channels {
            let weights: u64 = match self.layer.weight {
                Some(weight) => {
                    let weights = weight.index_axis(Axis(0), channel);
                    weights.iter().map(|weight| u64::from(weight.unsigned_abs())).sum()
                }
                None if self.layer.op == Some(OpKind::GlobalAveragePool) => {
                    input.map_or(0, |input| input.n_pixels() as u64)
                }
                None => 1,
            };
            let of = |values: Option<&Array1<i32>>| {
                values
                    .and_then(|values| values.get(channel))
                    .map_or(0, |value| u64::from(value.unsigned_abs()))
            };
            let (bias, multiplier) = (of(self.layer.bias), of(residual));
            let worst = weights * largest + multiplier * largest_added + bias;
            let max = i32::MAX as u64;
            if worst > max {
                self.errors.push(NetworkError::Accumulator {
                    layer: self.name(),
                    channel,
                    worst,
                    max,
                });
                return;
            }
        }
    }

    /// Largest magnitude of a map's values less its zero point.
    fn largest_of(&self, map: Option<TensorRef>) -> u64 {
        let zero_point = match map {
            Some(TensorRef::Input) => self.view.input.zero_point,
            Some(TensorRef::Layer(index)) => {
                let layers = self.view.layers.as_deref().unwrap_or_default();
                layers.get(index).and_then(|layer| layer.zero_point)
            }
            None => None,
        };
        MAX_ACTIVATION + u64::from(zero_point.unwrap_or(0).unsigned_abs())
    }
}
