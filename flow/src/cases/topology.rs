//! The named topologies.

use serde::{Deserialize, Serialize};
use spec::{Pattern, QuantNetwork, Sparsity, TensorRef};

use super::{Builder, ConvSpec};

/// A network whose layers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// ResNet-20 for CIFAR: 3x32x32, stages of 16, 32 and 64 channels, 100 classes, 40,556,800 MACs.
    Resnet20,
    /// [`Self::Resnet20`] with twice the channels, 161,329,664 MACs.
    Resnet20Wide,
    /// 64x64 gray chips, space-to-depth 4, five 3x3 convolutions of 32 to 64 channels, 10 classes.
    S2d,
    /// The same chips, three 3x3 convolutions of 16 and 32 channels and a dense classifier: computed in so few cycles that
    /// loading an image counts.
    S2dS,
    /// Visual wake words of MLPerf Tiny: MobileNet v1 for 96x96x3, a quarter as wide, 2 classes, 7,489,664 MACs. Its first and its
    /// depthwise layers are dense.
    Vww,
    /// A few small layers with every kind of operation.
    Toy,
    /// Two layers, small enough to print.
    Tiny,
}

/// How a residual block changes size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Strided, new channels zero; no parameters.
    #[default]
    Identity,
    /// A strided 1x1 convolution.
    Conv,
}

impl Topology {
    /// Builds the network; all layers are pruned by `pattern`, but the first one of a ResNet is dense.
    pub fn network(
        self,
        pattern: Pattern,
        group: usize,
        shortcut: Shortcut,
        seed: u64,
    ) -> QuantNetwork {
        let sparsity =
            Sparsity { pattern, group: if pattern == Pattern::UhpShared { group } else { 0 } };
        match self {
            Self::Resnet20 => resnet("resnet20", 16, sparsity, shortcut, seed),
            Self::Resnet20Wide => resnet("resnet20-wide", 32, sparsity, shortcut, seed),
            Self::S2d => s2d(sparsity, seed),
            Self::S2dS => s2d_s(sparsity, seed),
            Self::Vww => vww(sparsity, seed),
            Self::Toy => toy(sparsity, shortcut, seed),
            Self::Tiny => tiny(sparsity, seed),
        }
    }
}

/// `width` channels in the first of its three stages, twice as many in each of the others.
fn resnet(
    name: &str,
    width: usize,
    sparsity: Sparsity,
    shortcut: Shortcut,
    seed: u64,
) -> QuantNetwork {
    let mut builder = Builder::new([32, 32, 3], 1, seed);
    let mut map =
        builder.conv("conv1", TensorRef::Input, &ConvSpec::same(width, 3, Sparsity::default()));
    for stage in 1..=3 {
        let channels = width << (stage - 1);
        for block in 1..=3 {
            let stride = if stage > 1 && block == 1 { 2 } else { 1 };
            let name = format!("stage{stage}.block{block}");
            map = residual_block(&mut builder, &name, map, channels, stride, sparsity, shortcut);
        }
    }
    let map = builder.global_average_pool("pool", map);
    builder.fully_connected("fc", map, 100, sparsity, false);
    builder.finish(name)
}

fn residual_block(
    builder: &mut Builder,
    name: &str,
    input: TensorRef,
    channels: usize,
    stride: usize,
    sparsity: Sparsity,
    shortcut: Shortcut,
) -> TensorRef {
    let conv = |kernel| ConvSpec::same(channels, kernel, sparsity);
    let residual = if stride > 1 && shortcut == Shortcut::Conv {
        let spec = ConvSpec { stride: [stride; 2], relu: false, ..conv(1) };
        (builder.conv(&format!("{name}.shortcut"), input, &spec), 1)
    } else {
        (input, stride)
    };
    let inner =
        builder.conv(&format!("{name}.conv1"), input, &ConvSpec { stride: [stride; 2], ..conv(3) });
    builder.conv(&format!("{name}.conv2"), inner, &ConvSpec { residual: Some(residual), ..conv(3) })
}

fn s2d(sparsity: Sparsity, seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([64, 64, 1], 4, seed);
    let mut map = TensorRef::Input;
    for (index, (channels, max_pool)) in
        [(32, false), (32, true), (64, false), (64, true), (64, false)].into_iter().enumerate()
    {
        let spec = ConvSpec { max_pool, ..ConvSpec::same(channels, 3, sparsity) };
        map = builder.conv(&format!("conv{}", index + 1), map, &spec);
    }
    let map = builder.global_average_pool("pool", map);
    builder.fully_connected("fc", map, 10, sparsity, false);
    builder.finish("s2d")
}

fn s2d_s(sparsity: Sparsity, seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([64, 64, 1], 4, seed);
    let mut map = TensorRef::Input;
    for (index, (channels, max_pool)) in
        [(16, true), (32, true), (32, false)].into_iter().enumerate()
    {
        let spec = ConvSpec { max_pool, ..ConvSpec::same(channels, 3, sparsity) };
        map = builder.conv(&format!("conv{}", index + 1), map, &spec);
    }
    let map = builder.global_average_pool("pool", map);
    builder.fully_connected("fc", map, 10, Sparsity::default(), false);
    builder.finish("s2d_s")
}

fn vww(sparsity: Sparsity, seed: u64) -> QuantNetwork {
    // TensorFlow's padding of a layer of stride 2 on an even map: below and to the right.
    let padding = |stride: usize| if stride == 2 { [0, 1, 0, 1] } else { [1; 4] };
    let conv = |channels: usize, stride: usize| ConvSpec {
        stride: [stride; 2],
        padding: padding(stride),
        ..ConvSpec::same(channels, 3, Sparsity::default())
    };
    let mut builder = Builder::new([96, 96, 3], 1, seed);
    let mut map = builder.conv("conv", TensorRef::Input, &conv(8, 2));
    let blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)];
    let rest = [(128, 1); 5].into_iter().chain([(256, 2), (256, 1)]);
    for (index, (channels, stride)) in blocks.into_iter().chain(rest).enumerate() {
        let (name, groups) = (format!("block{}", index + 1), builder.shape(map).channels);
        let depthwise = ConvSpec { groups, ..conv(groups, stride) };
        map = builder.conv(&format!("{name}.depthwise"), map, &depthwise);
        map =
            builder.conv(&format!("{name}.pointwise"), map, &ConvSpec::same(channels, 1, sparsity));
    }
    let map = builder.global_average_pool("pool", map);
    builder.fully_connected("fc", map, 2, Sparsity::default(), false);
    builder.finish("vww")
}

fn toy(sparsity: Sparsity, shortcut: Shortcut, seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([12, 10, 3], 1, seed);
    let stem = ConvSpec::same(8, 3, Sparsity::default());
    let map = builder.conv("stem", TensorRef::Input, &stem);
    let map = residual_block(&mut builder, "block1", map, 8, 1, sparsity, shortcut);
    let map = residual_block(&mut builder, "block2", map, 20, 2, sparsity, shortcut);
    let wide = ConvSpec {
        kernel: [5, 3],
        padding: [2, 2, 0, 1],
        max_pool: true,
        ..ConvSpec::same(24, 3, sparsity)
    };
    let map = builder.conv("wide", map, &wide);
    let map = builder.fully_connected("hidden", map, 12, sparsity, true);
    let map = builder.global_average_pool("pool", map);
    builder.fully_connected("fc", map, 5, sparsity, false);
    builder.finish("toy")
}

fn tiny(sparsity: Sparsity, seed: u64) -> QuantNetwork {
    let mut builder = Builder::new([4, 4, 2], 1, seed);
    let spec = ConvSpec { max_pool: true, ..ConvSpec::same(4, 3, sparsity) };
    let map = builder.conv("conv", TensorRef::Input, &spec);
    builder.fully_connected("fc", map, 3, sparsity, false);
    builder.finish("tiny")
}
