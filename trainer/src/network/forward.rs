//! The forward pass of a model on a batch of images.

use tch::{Kind, Tensor};

use crate::network::architecture::{ConvSpec, LayerSpec, OpSpec};
use crate::network::maps::Maps;
use crate::network::masks::Masks;
use crate::network::model::{BATCH_NORM_EPSILON, Model};

/// Weight of the newest batch in the running statistics.
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// What a forward pass is for.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// The batch's own statistics, which also enter the running ones; values are dropped.
    Training,
    /// The running statistics; nothing is dropped.
    Evaluation,
    /// As in evaluation, with each layer in another arithmetic: rounded as its integers will be.
    QuantizationAware(&'a dyn LayerArithmetic),
}

/// How the output of a layer is computed.
pub trait LayerArithmetic: std::fmt::Debug {
    /// Output of a layer of the model before max-pool, `[batch, channels, height, width]`, or logits `[batch, classes]`;
    /// what it reads is in `maps`.
    fn layer(&self, model: &Model, idx: usize, maps: &Maps, masks: &Masks) -> Tensor;
}

/// What a forward pass gives.
#[derive(Debug)]
pub struct Output {
    /// What the last layer reads, `[batch, channels * height * width]`.
    pub features: Tensor,
    /// `[batch, classes]`.
    pub logits: Tensor,
}

impl Model {
    /// Logits `[batch, classes]` of int8 images `[batch, height, width, channels]`, on the model's device.
    pub fn forward(&self, images: &Tensor, masks: &Masks, mode: Mode) -> Tensor {
        self.features_and_logits(images, masks, mode).logits
    }

    /// As [`Self::forward`], with the features that the last layer reads.
    pub fn features_and_logits(&self, images: &Tensor, masks: &Masks, mode: Mode) -> Output {
        self.forward_watched(images, masks, mode, |_, _| {})
    }

    /// As [`Self::features_and_logits`]; `watch` sees the output of each layer, before max-pool.
    pub fn forward_watched(
        &self,
        images: &Tensor,
        masks: &Masks,
        mode: Mode,
        mut watch: impl FnMut(usize, &Tensor),
    ) -> Output {
        let layers = &self.architecture.layers;
        let images = images.to_device(self.device);
        let input = space_to_depth(&images, self.architecture.space_to_depth).to_kind(Kind::Float)
            * self.input_step;
        let is_training = matches!(mode, Mode::Training);
        let input = if is_training { input.to_kind(self.training_kind) } else { input };
        let mut maps = Maps::new(input, layers.iter().map(LayerSpec::reads));
        let layer_output = |idx: usize, maps: &Maps| match mode {
            Mode::QuantizationAware(arithmetic) => arithmetic.layer(self, idx, maps, masks),
            Mode::Training | Mode::Evaluation => self.layer(idx, maps, masks, is_training),
        };
        let (last, before) = layers.split_last().expect("a network has layers");
        for (idx, layer) in before.iter().enumerate() {
            let output = layer_output(idx, &maps);
            watch(idx, &output);
            maps.push(match &layer.op {
                OpSpec::Conv(ConvSpec { max_pool: true, .. }) => {
                    output.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)
                }
                _ => output,
            });
        }
        let features = maps.get(last.input).flatten(1, -1);
        let logits = layer_output(before.len(), &maps);
        watch(before.len(), &logits);
        Output { features, logits }
    }

    /// Output of a layer before max-pool.
    fn layer(&self, idx: usize, maps: &Maps, masks: &Masks, training: bool) -> Tensor {
        let LayerSpec { name, input, op, .. } = &self.architecture.layers[idx];
        let input = maps.get(*input);
        let bias = || self.tensor(&format!("{name}.bias"));
        match op {
            OpSpec::Conv(conv) => {
                let bias = (!conv.norm).then(bias);
                let sums = convolve(conv, input, &self.masked(name, masks), bias);
                let sums = if conv.norm { self.batch_norm(name, &sums, training) } else { sums };
                let sums = match self.residual(idx, conv, maps) {
                    Some(map) => sums + map,
                    None => sums,
                };
                rectify(conv.relu, sums)
            }
            OpSpec::BatchNorm { relu } => rectify(*relu, self.batch_norm(name, input, training)),
            OpSpec::GlobalAveragePool => input.mean_dim(&[2_i64, 3][..], true, Kind::Float),
            OpSpec::Dropout { rate } => input.dropout(*rate, training),
            OpSpec::FullyConnected => input
                .flatten(1, -1)
                .to_kind(Kind::Float)
                .linear(&self.masked(name, masks), Some(bias())),
        }
    }

    /// Every `stride`-th pixel of the residual, and zeros for channels that it lacks.
    pub(crate) fn residual(&self, idx: usize, conv: &ConvSpec, maps: &Maps) -> Option<Tensor> {
        let map = maps.get(conv.residual?);
        let stride = self.flow.residual_strides[idx] as i64;
        let picked = map.slice(2, None, None, stride).slice(3, None, None, stride);
        let n_new = conv.channels as i64 - picked.size()[1];
        Some(if n_new == 0 { picked } else { picked.constant_pad_nd([0, 0, 0, 0, 0, n_new]) })
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

pub(crate) fn convolve(
    conv: &ConvSpec,
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Tensor {
    let (stride, padding) = (conv.stride as i64, conv.padding as i64);
    let kind = input.kind();
    let bias = bias.map(|bias| bias.to_kind(kind));
    input.conv2d(&weight.to_kind(kind), bias, [stride, stride], [padding, padding], [1, 1], 1)
}

pub(crate) fn rectify(relu: bool, sums: Tensor) -> Tensor {
    if relu { sums.relu() } else { sums }
}

/// Images `[batch, height, width, channels]` to maps `[batch, channels, height, width]` after space-to-depth, with the
/// channel order of [`spec::InputSpec`]. Channels are innermost in memory, and stay so through every layer: libtorch's
/// convolutions are a third faster that way.
pub fn space_to_depth(images: &Tensor, block: usize) -> Tensor {
    let size = images.size();
    let [batch, height, width, channels] = size[..] else {
        unreachable!("images have four dimensions");
    };
    let block = block as i64;
    images
        .view([batch, height / block, block, width / block, block, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch, height / block, width / block, block * block * channels])
        .permute([0, 3, 1, 2])
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
}
