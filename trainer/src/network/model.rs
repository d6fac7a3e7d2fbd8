//! A network with weights: parameters by name.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use dataset::Random;
use spec::Shape;
use tch::{Device, Kind, Tensor};

use crate::network::architecture::{Architecture, ConvSpec, Flow, OpSpec};
use crate::network::masks::Masks;

/// Added to the variance in batch-norm.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Architecture, shapes and tensors.
///
/// A convolution `c` has `c.weight` (`[out, in, kernel, kernel]`) and either `c.norm.gain`, `c.norm.bias` and the
/// running statistics `c.norm.mean` and `c.norm.variance`, or `c.bias`; a batch-norm has the four of `norm`; a fully
/// connected layer `f` has `f.weight` (`[classes, in]`, `in` over channels, rows, columns) and `f.bias`.
#[derive(Debug)]
pub struct Model {
    /// What the tensors are for.
    pub architecture: Architecture,
    /// Shapes of its maps.
    pub flow: Flow,
    /// Real value of one step of the int8 input.
    pub input_step: f64,
    /// Where the tensors are, and where [`Self::forward`] computes.
    pub device: Device,
    /// Kind of the maps while training: single precision, or bfloat16, with weights and sums in single precision.
    pub training_kind: Kind,
    tensors: BTreeMap<String, Tensor>,
}

impl Model {
    /// Fresh weights (He et al., 2015) from the seed; independent of libtorch's generator and of the device.
    ///
    /// # Errors
    /// When the architecture does not take such images.
    pub fn new(
        architecture: Architecture,
        image: Shape,
        input_step: f64,
        n_classes: usize,
        seed: u64,
        device: Device,
    ) -> Result<Self> {
        let flow = architecture.flow(image, n_classes)?;
        let mut tensors = BTreeMap::new();
        for (idx, (layer, input)) in architecture.layers.iter().zip(&flow.inputs).enumerate() {
            let mut random = Random::new(&[seed, idx as u64]);
            let mut normal = |shape: &[usize], std: f64| {
                let n: usize = shape.iter().product();
                let values: Vec<f32> = (0..n).map(|_| (random.normal() * std) as f32).collect();
                Tensor::from_slice(&values).view(&sizes(shape)[..])
            };
            let mut insert = |part: &str, tensor: Tensor| {
                tensors.insert(format!("{}.{part}", layer.name), tensor.to_device(device));
            };
            let floats =
                |n: usize, value: f64| Tensor::full([n as i64], value, (Kind::Float, Device::Cpu));
            let n_normed = match &layer.op {
                OpSpec::Conv(ConvSpec { channels, kernel, norm, .. }) => {
                    let fan_in = (kernel * kernel * input.channels) as f64;
                    let shape = [*channels, input.channels, *kernel, *kernel];
                    insert("weight", channels_last(&normal(&shape, (2.0 / fan_in).sqrt())));
                    if !norm {
                        insert("bias", floats(*channels, 0.0));
                    }
                    norm.then_some(*channels)
                }
                OpSpec::BatchNorm { .. } => Some(input.channels),
                OpSpec::FullyConnected => {
                    let n_inputs = input.n_pixels() * input.channels;
                    let std = (1.0 / n_inputs as f64).sqrt();
                    insert("weight", normal(&[n_classes, n_inputs], std));
                    insert("bias", floats(n_classes, 0.0));
                    None
                }
                OpSpec::GlobalAveragePool | OpSpec::Dropout { .. } => None,
            };
            if let Some(n) = n_normed {
                insert("norm.gain", floats(n, 1.0));
                insert("norm.bias", floats(n, 0.0));
                insert("norm.mean", floats(n, 0.0));
                insert("norm.variance", floats(n, 1.0));
            }
        }
        let mut model =
            Self { architecture, flow, input_step, device, training_kind: Kind::Float, tensors };
        for (name, tensor) in &mut model.tensors {
            if is_trainable(name) {
                *tensor = tensor.set_requires_grad(true);
            }
        }
        Ok(model)
    }

    /// A tensor by its name.
    ///
    /// # Panics
    /// When there is none: names come from the architecture.
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).expect("tensors are named after the layers")
    }

    /// All tensors, in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.tensors.iter()
    }

    /// Numbers that training changes.
    pub fn n_parameters(&self) -> usize {
        self.tensors()
            .filter(|(name, _)| is_trainable(name))
            .map(|(_, tensor)| tensor.numel())
            .sum()
    }

    /// Dense multiply-accumulates for one image; see [`Architecture::n_macs`].
    pub fn n_macs(&self) -> usize {
        self.architecture.n_macs(&self.flow)
    }

    /// Weights of convolutions and fully connected layers, and those that the masks keep.
    pub fn count_weights(&self, masks: &Masks) -> (usize, usize) {
        let count = |(name, weight): (&String, &Tensor)| {
            let layer = name.strip_suffix(".weight")?;
            let kept = masks
                .get(layer)
                .map_or(weight.numel(), |mask| mask.sum(Kind::Double).double_value(&[]) as usize);
            Some((weight.numel(), kept))
        };
        self.tensors().filter_map(count).fold((0, 0), |(all, kept), (n, k)| (all + n, kept + k))
    }

    /// Copies every tensor from `stored`.
    ///
    /// # Errors
    /// A missing tensor, or one of another shape.
    pub fn restore(&mut self, stored: &BTreeMap<String, Tensor>) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for (name, tensor) in &mut self.tensors {
            let stored = stored.get(name).with_context(|| format!("tensor `{name}` is missing"))?;
            ensure!(
                stored.size() == tensor.size(),
                "tensor `{name}` is {:?}, and the network needs {:?}",
                stored.size(),
                tensor.size()
            );
            tensor.f_copy_(stored)?;
        }
        Ok(())
    }

    /// Weight of a layer after its mask.
    pub fn masked(&self, layer: &str, masks: &Masks) -> Tensor {
        masks.apply(layer, self.tensor(&format!("{layer}.weight")))
    }
}

/// Whether training changes a tensor; running statistics follow by themselves.
pub fn is_trainable(name: &str) -> bool {
    !name.ends_with(".norm.mean") && !name.ends_with(".norm.variance")
}

/// The same `[out, in, height, width]`, with `in` innermost in memory.
fn channels_last(weight: &Tensor) -> Tensor {
    weight.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

fn sizes(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&side| side as i64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_weights_depend_on_the_seed_alone() {
        let image = Shape { height: 64, width: 64, channels: 1 };
        let model = |seed| {
            let architecture = Architecture::named("s2d").unwrap();
            Model::new(architecture, image, 1.0 / 127.0, 10, seed, Device::Cpu).unwrap()
        };
        let sum =
            |seed| model(seed).tensor("conv3.weight").abs().sum(Kind::Double).double_value(&[]);
        assert_eq!(sum(1), sum(1));
        assert_ne!(sum(1), sum(2));
        // Mean magnitude of a normal is 0.798 deviations; He's deviation is sqrt(2 / (9 * 32)).
        let mean = sum(1) / (64.0 * 32.0 * 9.0);
        assert!((mean / (0.798 * (2.0_f64 / 288.0).sqrt()) - 1.0).abs() < 0.03, "{mean}");
    }
}
