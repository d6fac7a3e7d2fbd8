//! From the text of a network to its layers: blocks become layers, names become indices.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use spec::TensorRef;

use super::definition::{BasicBlocks, Conv, Definition, Entry, PreactivationBlocks};
use super::{ConvSpec, LayerSpec, OpSpec};

/// Name of the map that the first layer reads.
const INPUT: &str = "input";

/// Output channels that a layer of an exported network can have, see docs/network.md.
const MAX_CHANNELS: usize = 65_535;
const MAX_BLOCKS: usize = 100;

/// Looks up names, expands blocks and checks every rule that does not depend on the image.
pub(super) fn expand(definition: &Definition) -> Result<Vec<LayerSpec>> {
    ensure!(
        (1..=8).contains(&definition.space_to_depth),
        "space_to_depth is {}, not 1 to 8",
        definition.space_to_depth
    );
    let mut expansion = Expansion::default();
    for entry in &definition.layers {
        expansion.entry(entry)?;
    }
    check_ends(&expansion.layers)?;
    Ok(expansion.layers)
}

/// The last layer gives the logits, and every other one is read.
fn check_ends(layers: &[LayerSpec]) -> Result<()> {
    let Some((last, before)) = layers.split_last() else {
        bail!("there are no layers");
    };
    ensure!(
        last.op == OpSpec::FullyConnected,
        "the last layer has to be `fully_connected`: it gives the logits"
    );
    for (idx, layer) in before.iter().enumerate() {
        ensure!(
            layer.op != OpSpec::FullyConnected,
            "layer `{}`: `fully_connected` gives the logits and has to be the last layer",
            layer.name
        );
        let is_read = layers[idx + 1..]
            .iter()
            .any(|later| later.reads().any(|read| read == TensorRef::Layer(idx)));
        ensure!(is_read, "layer `{}` is read by no later layer; remove it", layer.name);
    }
    Ok(())
}

#[derive(Default)]
struct Expansion {
    layers: Vec<LayerSpec>,
    /// Channels of each layer's output, where no image is needed to know them.
    channels: Vec<Option<usize>>,
    /// What the names of the file stand for: a layer, or the last one of a block.
    names: BTreeMap<String, TensorRef>,
}

impl Expansion {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let name = entry.name();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        ensure!(
            !name.is_empty() && name.chars().all(is_plain) && name != INPUT,
            "layer `{name}`: a name has letters, digits, `_` and `-`, and is not `{INPUT}`"
        );
        ensure!(!self.names.contains_key(name), "two layers are called `{name}`");
        let input = match entry.input() {
            Some(input) => self.find(name, "input", input)?,
            None => self.last(),
        };
        match entry {
            Entry::Conv(conv) => self.conv(conv, input)?,
            Entry::BatchNorm(norm) => self.push(name, input, OpSpec::BatchNorm { relu: norm.relu }),
            Entry::GlobalAveragePool(_) => self.push(name, input, OpSpec::GlobalAveragePool),
            Entry::Dropout(dropout) => {
                let rate = dropout.rate;
                ensure!((0.0..1.0).contains(&rate), "layer `{name}`: rate {rate} is not 0 to 1");
                self.push(name, input, OpSpec::Dropout { rate });
            }
            Entry::FullyConnected(fc) => {
                self.push(name, input, OpSpec::FullyConnected);
                self.prune_last(fc.prune);
            }
            Entry::BasicBlocks(blocks) => {
                check_blocks(name, blocks.blocks, blocks.channels, blocks.stride)?;
                self.basic_blocks(blocks, input);
            }
            Entry::PreactivationBlocks(blocks) => {
                check_blocks(name, blocks.blocks, blocks.channels, blocks.stride)?;
                self.preactivation_blocks(blocks, input);
            }
        }
        self.names.insert(name.to_owned(), self.last());
        Ok(())
    }

    fn conv(&mut self, conv: &Conv, input: TensorRef) -> Result<()> {
        let Conv { name, channels, kernel, stride, padding, norm, relu, max_pool, .. } = conv;
        check_conv(name, *channels, *stride)?;
        ensure!((1..=7).contains(kernel), "layer `{name}`: kernel {kernel} is not 1 to 7");
        ensure!(*padding <= 15, "layer `{name}`: padding {padding} is not 0 to 15");
        let residual = conv.residual.as_ref();
        let residual =
            residual.map(|residual| self.find(name, "residual", residual)).transpose()?;
        let spec = ConvSpec {
            channels: *channels,
            kernel: *kernel,
            stride: *stride,
            padding: *padding,
            residual,
            norm: *norm,
            relu: *relu,
            max_pool: *max_pool,
        };
        self.push(name, input, OpSpec::Conv(spec));
        self.prune_last(conv.prune);
        Ok(())
    }

    fn basic_blocks(&mut self, blocks: &BasicBlocks, input: TensorRef) {
        let BasicBlocks { channels, .. } = *blocks;
        let mut input = input;
        for block in 0..blocks.blocks {
            let name = |layer: &str| format!("{}.{}.{layer}", blocks.name, block + 1);
            let stride = if block == 0 { blocks.stride } else { 1 };
            let first = ConvSpec { stride, ..ConvSpec::same(channels) };
            self.push(&name("conv1"), input, OpSpec::Conv(first));
            let first = self.last();
            let mut residual = input;
            if blocks.projection && self.changes_shape(input, channels, stride) {
                let shortcut = ConvSpec { relu: false, ..ConvSpec::projection(channels, stride) };
                self.push(&name("shortcut"), input, OpSpec::Conv(shortcut));
                residual = self.last();
            }
            let second = ConvSpec { residual: Some(residual), ..ConvSpec::same(channels) };
            self.push(&name("conv2"), first, OpSpec::Conv(second));
            input = self.last();
        }
    }

    fn preactivation_blocks(&mut self, blocks: &PreactivationBlocks, input: TensorRef) {
        let PreactivationBlocks { channels, .. } = *blocks;
        let mut input = input;
        for block in 0..blocks.blocks {
            let name = |layer: &str| format!("{}.{}.{layer}", blocks.name, block + 1);
            let stride = if block == 0 { blocks.stride } else { 1 };
            self.push(&name("norm"), input, OpSpec::BatchNorm { relu: true });
            let normed = self.last();
            let first = ConvSpec { stride, ..ConvSpec::same(channels) };
            self.push(&name("conv1"), normed, OpSpec::Conv(first));
            let first = self.last();
            let mut residual = input;
            if self.changes_shape(input, channels, stride) {
                let shortcut =
                    ConvSpec { norm: false, relu: false, ..ConvSpec::projection(channels, stride) };
                self.push(&name("shortcut"), normed, OpSpec::Conv(shortcut));
                residual = self.last();
            }
            let second = ConvSpec {
                residual: Some(residual),
                norm: false,
                relu: false,
                ..ConvSpec::same(channels)
            };
            self.push(&name("conv2"), first, OpSpec::Conv(second));
            input = self.last();
        }
    }

    /// Whether an identity cannot be added to a block's output; true where the channels are not known.
    fn changes_shape(&self, input: TensorRef, channels: usize, stride: usize) -> bool {
        stride != 1 || self.channels_of(input) != Some(channels)
    }

    fn push(&mut self, name: &str, input: TensorRef, op: OpSpec) {
        let channels = match &op {
            OpSpec::Conv(conv) => Some(conv.channels),
            OpSpec::BatchNorm { .. } | OpSpec::GlobalAveragePool | OpSpec::Dropout { .. } => {
                self.channels_of(input)
            }
            OpSpec::FullyConnected => None,
        };
        self.channels.push(channels);
        self.layers.push(LayerSpec { name: name.to_owned(), input, op, prune: true });
    }

    fn prune_last(&mut self, prune: bool) {
        if let Some(layer) = self.layers.last_mut() {
            layer.prune = prune;
        }
    }

    fn channels_of(&self, map: TensorRef) -> Option<usize> {
        match map {
            TensorRef::Input => None,
            TensorRef::Layer(idx) => self.channels[idx],
        }
    }

    /// The output of the layer before.
    fn last(&self) -> TensorRef {
        self.layers.len().checked_sub(1).map_or(TensorRef::Input, TensorRef::Layer)
    }

    fn find(&self, layer: &str, what: &str, name: &str) -> Result<TensorRef> {
        if name == INPUT {
            return Ok(TensorRef::Input);
        }
        let Some(&found) = self.names.get(name) else {
            bail!(
                "layer `{layer}`: {what} `{name}` is not `{INPUT}` and no earlier layer is called so"
            );
        };
        Ok(found)
    }
}

fn check_conv(name: &str, channels: usize, stride: usize) -> Result<()> {
    ensure!(channels > 0, "layer `{name}` has no channels");
    ensure!(
        channels <= MAX_CHANNELS,
        "layer `{name}` has {channels} channels; there can be {MAX_CHANNELS} at most"
    );
    ensure!((1..=4).contains(&stride), "layer `{name}`: stride {stride} is not 1 to 4");
    Ok(())
}

fn check_blocks(name: &str, blocks: usize, channels: usize, stride: usize) -> Result<()> {
    ensure!(blocks > 0, "layer `{name}` has no blocks");
    ensure!(
        blocks <= MAX_BLOCKS,
        "layer `{name}` has {blocks} blocks; there can be {MAX_BLOCKS} at most"
    );
    check_conv(name, channels, stride)
}
