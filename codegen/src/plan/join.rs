//! Concatenation: which layers write their channels side by side into one map, and which are copied there.

use std::collections::HashMap;

use spec::{ArrayConfig, Op, QuantNetwork, Shape, TensorRef};

/// A map that several steps write to, and what one of them writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Channels of the map before the step's.
    pub(crate) first_channel: usize,
    /// Channels of the map.
    pub(crate) n_channels: usize,
}

/// A layer whose output lies in a concatenation from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Join {
    /// Layer of the concatenation.
    pub(super) concat: usize,
    pub(super) slice: Slice,
}

/// The maps that a concatenation puts side by side, and where each begins.
pub(super) fn parts(
    network: &QuantNetwork,
    shape: impl Fn(TensorRef) -> Shape,
    concat: usize,
) -> Vec<(TensorRef, usize)> {
    let mut first_channel = 0;
    let part = |map| {
        let part = (map, first_channel);
        first_channel += shape(map).channels;
        part
    };
    network.layers[concat].reads().map(part).collect()
}

/// The layers that write into a concatenation themselves, which none but it reads.
///
/// A part begins at a granule of drain lanes. Where it does not begin a word, the part before writes that word's beginning
/// earlier, as that clears the rest; and nothing is added to it, since a residual is read at the granule that is written.
pub(super) fn joins(
    network: &QuantNetwork,
    shape: impl Fn(TensorRef) -> Shape + Copy,
    config: &ArrayConfig,
) -> HashMap<usize, Join> {
    let n_reads = network.n_reads();
    let mut joins = HashMap::new();
    for (concat, layer) in network.layers.iter().enumerate() {
        if !matches!(layer.op, Op::Concat(_)) {
            continue;
        }
        let n_channels = shape(TensorRef::Layer(concat)).channels;
        let mut before = None;
        for (map, first_channel) in parts(network, shape, concat) {
            let may_join = |index: &usize| {
                let layer = &network.layers[*index];
                let begins_word = first_channel.is_multiple_of(config.word_channels());
                n_reads[&map] == 1
                    && !network.is_output(*index)
                    && !matches!(layer.op, Op::Concat(_))
                    && first_channel.is_multiple_of(config.lanes())
                    && (begins_word
                        || layer.addend().is_none() && before.is_some_and(|before| before < *index))
            };
            let index = match map {
                TensorRef::Input => None,
                TensorRef::Layer(index) => Some(index),
            };
            before = index.filter(may_join);
            if let Some(index) = before {
                joins.insert(index, Join { concat, slice: Slice { first_channel, n_channels } });
            }
        }
    }
    joins
}
