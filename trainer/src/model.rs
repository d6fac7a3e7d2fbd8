//! A network with weights: parameters by name, and the floating-point forward pass.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use dataset::Random;
use spec::Shape;
use tch::{Kind, Tensor};

use crate::architecture::{Architecture, LayerSpec};
use crate::prune::Masks;

/// Added to the variance in batch-norm.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;
/// Weight of the newest batch in the running statistics.
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Architecture, shapes and tensors.
///
/// A convolution `c` has `c.weight` (`[out, in, kernel, kernel]`), `c.norm.gain`, `c.norm.bias` and the running
/// statistics `c.norm.mean` and `c.norm.variance`; a fully connected layer `f` has `f.weight` (`[classes, in]`, `in`
/// over channels, rows, columns) and `f.bias`.
#[derive(Debug)]
pub struct Model {
    /// What the tensors are for.
    pub architecture: Architecture,
    /// Shape that each layer reads.
    pub shapes: Vec<Shape>,
    /// Real value of one step of the int8 input.
    pub input_step: f64,
    /// Where the tensors are.
    pub device: tch::Device,
    tensors: BTreeMap<String, Tensor>,
}

impl Model {
    /// Fresh weights (He et al., 2015) from the seed; independent of libtorch's generator.
    ///
    /// # Errors
    /// When the architecture does not take such images.
    pub fn new(
        architecture: Architecture,
        image: Shape,
        input_step: f64,
        n_classes: usize,
        seed: u64,
    ) -> Result<Self> {
        let shapes = architecture.input_shapes(image, n_classes)?;
        let mut tensors = BTreeMap::new();
        for (idx, (layer, input)) in architecture.layers.iter().zip(&shapes).enumerate() {
            let mut random = Random::new(&[seed, idx as u64]);
            let mut normal = |shape: &[usize], std: f64| {
                let n: usize = shape.iter().product();
                let values: Vec<f32> = (0..n).map(|_| (random.normal() * std) as f32).collect();
                Tensor::from_slice(&values).view(&sizes(shape)[..])
            };
            let name = layer.name();
            let floats = |n: usize, value: f64| {
                Tensor::full([n as i64], value, (Kind::Float, tch::Device::Cpu))
            };
            match *layer {
                LayerSpec::Conv { channels, kernel, .. } => {
                    let fan_in = (kernel * kernel * input.channels) as f64;
                    let weight =
                        normal(&[channels, input.channels, kernel, kernel], (2.0 / fan_in).sqrt());
                    tensors.insert(format!("{name}.weight"), weight);
                    tensors.insert(format!("{name}.norm.gain"), floats(channels, 1.0));
                    tensors.insert(format!("{name}.norm.bias"), floats(channels, 0.0));
                    tensors.insert(format!("{name}.norm.mean"), floats(channels, 0.0));
                    tensors.insert(format!("{name}.norm.variance"), floats(channels, 1.0));
                }
                LayerSpec::FullyConnected { .. } => {
                    let n_inputs = input.n_pixels() * input.channels;
                    let weight = normal(&[n_classes, n_inputs], (1.0 / n_inputs as f64).sqrt());
                    tensors.insert(format!("{name}.weight"), weight);
                    tensors.insert(format!("{name}.bias"), floats(n_classes, 0.0));
                }
                LayerSpec::GlobalAveragePool { .. } | LayerSpec::Dropout { .. } => {}
            }
        }
        let mut model = Self { architecture, shapes, input_step, device: tch::Device::Cpu, tensors };
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

    /// Logits `[batch, classes]` of int8 images `[batch, height, width, channels]`.
    ///
    /// `training` uses the batch's own statistics and drops values; it also updates the running statistics.
    pub fn forward(&self, images: &Tensor, masks: &Masks, training: bool) -> Tensor {
        self.forward_watched(images, masks, training, |_, _| {})
    }

    /// As [`Self::forward`]; `watch` sees the output of each layer, before max-pool.
    pub fn forward_watched(
        &self,
        images: &Tensor,
        masks: &Masks,
        training: bool,
        watch: impl FnMut(usize, &Tensor),
    ) -> Tensor {
        self.run(images, masks, training, watch, None)
    }

    /// As [`Self::forward`]; where asked for, `features` becomes the input of the last layer, `[batch, n]`.
    pub fn forward_with_features(
        &self,
        images: &Tensor,
        masks: &Masks,
        training: bool,
        features: Option<&mut Option<Tensor>>,
    ) -> Tensor {
        self.run(images, masks, training, |_, _| {}, features)
    }

    fn run(
        &self,
        images: &Tensor,
        masks: &Masks,
        training: bool,
        mut watch: impl FnMut(usize, &Tensor),
        mut features: Option<&mut Option<Tensor>>,
    ) -> Tensor {
        let mut map = space_to_depth(images, self.architecture.space_to_depth).to_kind(Kind::Float)
            * self.input_step;
        let n_layers = self.architecture.layers.len();
        for (idx, layer) in self.architecture.layers.iter().enumerate() {
            if let Some(features) = features.as_deref_mut().filter(|_| idx + 1 == n_layers) {
                *features = Some(map.flatten(1, -1));
            }
            map = match layer {
                LayerSpec::Conv { name, stride, padding, max_pool, .. } => {
                    let (stride, padding) = (*stride as i64, *padding as i64);
                    let weight = self.masked(name, masks);
                    let sums = map.conv2d(
                        &weight,
                        None::<&Tensor>,
                        [stride, stride],
                        [padding, padding],
                        [1, 1],
                        1,
                    );
                    let output = self.batch_norm(name, &sums, training).relu();
                    watch(idx, &output);
                    if *max_pool {
                        output.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)
                    } else {
                        output
                    }
                }
                LayerSpec::GlobalAveragePool { .. } => {
                    let output = map.mean_dim(&[2_i64, 3][..], true, Kind::Float);
                    watch(idx, &output);
                    output
                }
                LayerSpec::Dropout { rate, .. } => map.dropout(*rate, training),
                LayerSpec::FullyConnected { name } => {
                    let weight = self.masked(name, masks);
                    let output = map
                        .flatten(1, -1)
                        .linear(&weight, Some(self.tensor(&format!("{name}.bias"))));
                    watch(idx, &output);
                    output
                }
            };
        }
        map
    }

    /// Trainable numbers.
    pub fn n_parameters(&self) -> usize {
        self.tensors().filter(|(name, _)| is_trainable(name)).map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Dense multiply-accumulates an image.
    pub fn n_macs(&self) -> usize {
        let weights = |layer: &LayerSpec| self.tensor(&format!("{}.weight", layer.name())).numel();
        let n_pixels = |layer: &LayerSpec, input: &Shape| match layer {
            LayerSpec::Conv { .. } => {
                let output = layer.before_pool(*input).expect("shapes were checked");
                output.n_pixels() * weights(layer)
            }
            LayerSpec::FullyConnected { .. } => weights(layer),
            LayerSpec::GlobalAveragePool { .. } | LayerSpec::Dropout { .. } => 0,
        };
        self.architecture.layers.iter().zip(&self.shapes).map(|(layer, input)| n_pixels(layer, input)).sum()
    }

    /// Weights of convolutions and fully connected layers, and those that the masks keep.
    pub fn count_weights(&self, masks: &Masks) -> (usize, usize) {
        let count = |(name, weight): (&String, &Tensor)| {
            let layer = name.strip_suffix(".weight")?;
            let kept = masks.get(layer).map_or(weight.numel(), |mask| {
                mask.sum(Kind::Double).double_value(&[]) as usize
            });
            Some((weight.numel(), kept))
        };
        self.tensors().filter_map(count).fold((0, 0), |(all, kept), (n, k)| (all + n, kept + k))
    }

    /// Weight of a layer after its mask.
    pub fn masked(&self, layer: &str, masks: &Masks) -> Tensor {
        masks.apply(layer, self.tensor(&format!("{layer}.weight")))
    }

    fn batch_norm(&self, layer: &str, sums: &Tensor, training: bool) -> Tensor {
        let part = |part: &str| Some(self.tensor(&format!("{layer}.norm.{part}")));
        sums.batch_norm(
            part("gain"),
            part("bias"),
            part("mean"),
            part("variance"),
            training,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
            false,
        )
    }
}

/// Whether training changes a tensor; running statistics follow by themselves.
pub fn is_trainable(name: &str) -> bool {
    !name.ends_with(".norm.mean") && !name.ends_with(".norm.variance")
}

/// Images `[batch, height, width, channels]` to maps `[batch, channels, height, width]` after space-to-depth, with the
/// channel order of [`spec::InputSpec`].
pub fn space_to_depth(images: &Tensor, block: usize) -> Tensor {
    let size = images.size();
    let [batch, height, width, channels] = size[..] else {
        unreachable!("images have four dimensions");
    };
    let block = block as i64;
    images
        .view([batch, height / block, block, width / block, block, channels])
        .permute([0, 2, 4, 5, 1, 3])
        .reshape([batch, block * block * channels, height / block, width / block])
}

fn sizes(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&side| side as i64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_to_depth_orders_channels_as_the_network_file_says() {
        let (height, width, channels, block) = (4, 6, 2, 2);
        let n = height * width * channels;
        let images = Tensor::arange(n as i64, (Kind::Int64, tch::Device::Cpu)).view([1, 4, 6, 2]);
        let maps = space_to_depth(&images, block);
        assert_eq!(maps.size(), [1, 8, 2, 3]);
        for (y, x, dy, dx, c) in
            [(0, 0, 0, 0, 0), (1, 2, 1, 0, 1), (0, 1, 0, 1, 1), (1, 0, 1, 1, 0)]
        {
            let channel = (dy * block + dx) * channels + c;
            let pixel = ((y * block + dy) * width + x * block + dx) * channels + c;
            assert_eq!(maps.int64_value(&[0, channel as i64, y as i64, x as i64]), pixel as i64);
        }
    }

    #[test]
    fn fresh_weights_depend_on_the_seed_alone() {
        let image = Shape { height: 64, width: 64, channels: 1 };
        let model = |seed| {
            Model::new(Architecture::named("s2d").unwrap(), image, 1.0 / 127.0, 10, seed).unwrap()
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
