//! Networks as data: a few lines of TOML each.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use spec::Shape;

/// A network before it has weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Name on the command line and in reports.
    pub name: String,
    /// Block of the space-to-depth step in front of the first layer, 1 for none.
    pub space_to_depth: usize,
    /// Layers, each reading the one before.
    pub layers: Vec<LayerSpec>,
    /// The text that it was read from.
    #[serde(skip)]
    pub definition: String,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// Convolution, batch-norm, ReLU, perhaps 2x2 max-pool.
    Conv {
        /// Unique name.
        name: String,
        /// Output channels.
        channels: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Step of the kernel.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros on each side.
        #[serde(default)]
        padding: usize,
        /// 2x2 max-pool after ReLU.
        #[serde(default)]
        max_pool: bool,
    },
    /// Mean of each channel.
    GlobalAveragePool {
        /// Unique name.
        name: String,
    },
    /// Drops values while training.
    Dropout {
        /// Unique name.
        name: String,
        /// Part of the values that is dropped.
        rate: f64,
    },
    /// Product with the whole feature map; one output a class.
    FullyConnected {
        /// Unique name.
        name: String,
    },
}

fn one() -> usize {
    1
}

/// Definitions that come with the program.
const BUILT_IN: [(&str, &str); 4] = [
    ("s2d", include_str!("../architectures/s2d.toml")),
    ("s2d_s", include_str!("../architectures/s2d_s.toml")),
    ("a-convnet", include_str!("../architectures/a-convnet.toml")),
    ("linear", include_str!("../architectures/linear.toml")),
];

impl LayerSpec {
    /// Name of the layer.
    pub fn name(&self) -> &str {
        match self {
            Self::Conv { name, .. }
            | Self::GlobalAveragePool { name }
            | Self::Dropout { name, .. }
            | Self::FullyConnected { name } => name,
        }
    }

    /// Shape of a convolution's output before its max-pool.
    pub(crate) fn before_pool(&self, input: Shape) -> Option<Shape> {
        match self.clone() {
            Self::Conv { name, channels, kernel, stride, padding, .. } => {
                let unpooled = Self::Conv { name, channels, kernel, stride, padding, max_pool: false };
                unpooled.output(input, 0)
            }
            _ => self.output(input, 0),
        }
    }

    /// Shape of the output for a shape of the input.
    fn output(&self, input: Shape, n_classes: usize) -> Option<Shape> {
        match *self {
            Self::Conv { channels, kernel, stride, padding, max_pool, .. } => {
                let pool = if max_pool { 2 } else { 1 };
                let side = |side: usize| {
                    (side + 2 * padding).checked_sub(kernel).map(|rest| (rest / stride + 1) / pool)
                };
                let (height, width) = side(input.height).zip(side(input.width))?;
                (height > 0 && width > 0).then_some(Shape { height, width, channels })
            }
            Self::GlobalAveragePool { .. } => Some(Shape { height: 1, width: 1, ..input }),
            Self::Dropout { .. } => Some(input),
            Self::FullyConnected { .. } => Some(Shape { height: 1, width: 1, channels: n_classes }),
        }
    }
}

impl Architecture {
    /// A built-in network by name, or one from a `.toml` file.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, or a definition that breaks a rule.
    pub fn named(name: &str) -> Result<Self> {
        let text = if name.ends_with(".toml") {
            std::fs::read_to_string(name).with_context(|| format!("{name}: cannot be read"))?
        } else {
            let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
                bail!(
                    "no network is called `{name}`; there are {}, or give a .toml file",
                    Self::names().join(", ")
                );
            };
            (*text).to_owned()
        };
        let mut architecture: Self =
            toml::from_str(&text).with_context(|| format!("{name}: not a network definition"))?;
        architecture.definition = text;
        architecture.check().with_context(|| format!("network `{}`", architecture.name))?;
        Ok(architecture)
    }

    /// Names of the built-in networks.
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// The shape each layer reads, for images of `height` x `width` x `channels`; the output of the last layer
    /// has `n_classes` channels.
    ///
    /// # Errors
    /// An image that the space-to-depth block does not divide, or a layer that its input is too small for.
    pub fn input_shapes(&self, image: Shape, n_classes: usize) -> Result<Vec<Shape>> {
        let block = self.space_to_depth;
        ensure!(
            image.height.is_multiple_of(block) && image.width.is_multiple_of(block),
            "images of {}x{} do not divide into blocks of {block}x{block}, the space-to-depth of network `{}`",
            image.height,
            image.width,
            self.name
        );
        let mut shape = Shape {
            height: image.height / block,
            width: image.width / block,
            channels: image.channels * block * block,
        };
        let mut shapes = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            shapes.push(shape);
            shape = layer.output(shape, n_classes).with_context(|| {
                format!(
                    "network `{}`: layer `{}` is too large for its input of {}x{}",
                    self.name,
                    layer.name(),
                    shape.height,
                    shape.width
                )
            })?;
        }
        Ok(shapes)
    }

    /// The convolution whose channels a layer reads, if no other layer reads them.
    pub fn only_producer(&self, idx: usize) -> Option<&LayerSpec> {
        let before = self.layers[..idx].iter().rev().find(|layer| {
            !matches!(layer, LayerSpec::GlobalAveragePool { .. } | LayerSpec::Dropout { .. })
        });
        before.filter(|layer| matches!(layer, LayerSpec::Conv { .. }))
    }

    fn check(&self) -> Result<()> {
        ensure!(
            (1..=16).contains(&self.space_to_depth),
            "space_to_depth is {}, not 1 to 16",
            self.space_to_depth
        );
        let last_is_classifier =
            matches!(self.layers.last(), Some(LayerSpec::FullyConnected { .. }));
        ensure!(
            last_is_classifier,
            "the last layer has to be `fully_connected`: it gives the logits"
        );
        for (idx, layer) in self.layers.iter().enumerate() {
            let name = layer.name();
            let repeated = self.layers[..idx].iter().any(|before| before.name() == name);
            ensure!(!repeated, "two layers are called `{name}`");
            match *layer {
                LayerSpec::Conv { channels, kernel, stride, .. } => {
                    ensure!(channels > 0, "layer `{name}` has no channels");
                    ensure!(
                        (1..=7).contains(&kernel),
                        "layer `{name}`: kernel {kernel} is not 1 to 7"
                    );
                    ensure!(
                        (1..=4).contains(&stride),
                        "layer `{name}`: stride {stride} is not 1 to 4"
                    );
                }
                LayerSpec::Dropout { rate, .. } => {
                    ensure!(
                        (0.0..1.0).contains(&rate),
                        "layer `{name}`: rate {rate} is not 0 to 1"
                    );
                }
                LayerSpec::FullyConnected { .. } if idx + 1 < self.layers.len() => {
                    bail!(
                        "layer `{name}`: `fully_connected` gives the logits and has to be the last layer"
                    );
                }
                LayerSpec::GlobalAveragePool { .. } | LayerSpec::FullyConnected { .. } => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Shape = Shape { height: 64, width: 64, channels: 1 };

    #[test]
    fn every_built_in_network_takes_a_64_pixel_chip() {
        for name in Architecture::names() {
            let architecture = Architecture::named(name).unwrap();
            assert_eq!(architecture.name, name);
            architecture.input_shapes(IMAGE, 10).unwrap();
        }
    }

    #[test]
    fn shapes_follow_kernels_and_pools() {
        let shapes = Architecture::named("a-convnet").unwrap().input_shapes(IMAGE, 10).unwrap();
        let sides: Vec<_> = shapes.iter().map(|shape| (shape.height, shape.channels)).collect();
        assert_eq!(sides, [(64, 1), (30, 16), (13, 32), (4, 64), (2, 128), (2, 128)]);
        let shapes = Architecture::named("s2d").unwrap().input_shapes(IMAGE, 10).unwrap();
        let sides: Vec<_> = shapes.iter().map(|shape| (shape.height, shape.channels)).collect();
        assert_eq!(sides, [(16, 16), (16, 32), (8, 32), (8, 64), (4, 64), (4, 64), (1, 64)]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| {
            let architecture: Architecture = toml::from_str(text).unwrap();
            architecture.check().unwrap_err().to_string()
        };
        let fc = r#"{ op = "fully_connected", name = "fc" }"#;
        assert!(error("name = 'x'\nspace_to_depth = 1\nlayers = []").contains("last layer"));
        let twice = format!("name = 'x'\nspace_to_depth = 1\nlayers = [{fc}, {fc}]");
        assert!(error(&twice).contains("has to be the last layer"));
        let kernel = format!(
            "name = 'x'\nspace_to_depth = 1\nlayers = [{{ op = 'conv', name = 'c', channels = 4, kernel = 9 }}, {fc}]"
        );
        assert!(error(&kernel).contains("layer `c`: kernel 9 is not 1 to 7"));
        let small = Architecture::named("a-convnet").unwrap();
        let small = small.input_shapes(Shape { height: 8, width: 8, channels: 1 }, 10).unwrap_err();
        assert!(
            small.to_string().contains("layer `conv2` is too large for its input of 2x2"),
            "{small}"
        );
        assert!(
            Architecture::named("vgg")
                .unwrap_err()
                .to_string()
                .contains("no network is called `vgg`")
        );
    }
}
