//! Why a layer runs at the dense rate.

use std::fmt;

use serde::Serialize;
use spec::{ArrayConfig, Pattern, Sparsity};

/// Why a layer gains nothing, or not all that it could, from its zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum DenseRate {
    /// Both passes of every tile were asked for.
    Schedule,
    /// The layer is not pruned.
    NotPruned,
    /// Zeros lie anywhere, so that some pair of nearly every tile has two survivors.
    Unstructured {
        /// Output channels of a tile.
        tile_channels: usize,
    },
    /// Each output channel keeps positions of its own, and several columns share a mask.
    FreePositions {
        /// Output channels of a tile.
        tile_channels: usize,
    },
    /// Masks are shared by other output channels than those of a section of columns.
    Groups {
        /// Output channels that share a mask.
        group: usize,
        /// Output channels of a tile.
        tile_channels: usize,
        /// The most columns of a section whose masks would match.
        mask_columns: usize,
    },
    /// The input is so narrow that a dense layer takes no more passes.
    FewChannels {
        /// Channels of the input.
        channels: usize,
    },
}

impl fmt::Display for DenseRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => write!(f, "the dense schedule was asked for"),
            Self::NotPruned => write!(f, "it is not pruned (pattern \"dense\")"),
            Self::Unstructured { tile_channels } => write!(
                f,
                "unstructured zeros leave some pair of a tile two survivors, which takes two passes; help: uhp-shared \
                 with group = {tile_channels} takes one"
            ),
            Self::FreePositions { tile_channels } => write!(
                f,
                "under uhp-free each output channel keeps positions of its own, which takes two passes; help: \
                 uhp-shared with group = {tile_channels} takes one, as does --mask-columns 1, a mask for each column"
            ),
            Self::Groups { group, tile_channels, mask_columns } => {
                write!(
                    f,
                    "its masks are shared by {group} output channels, a tile has {tile_channels}; help: prune with a \
                     multiple of {tile_channels} as group, or choose --mask-columns {mask_columns}"
                )?;
                let (least, most) = ArrayConfig::COLS;
                if (least..=most).contains(group) {
                    write!(f, " or --cols {group}")
                } else {
                    Ok(())
                }
            }
            Self::FewChannels { channels } => {
                write!(f, "a dense layer of {channels} input channel(s) takes no more passes")
            }
        }
    }
}

/// Why a layer of these output and input channels does.
pub(super) fn reason(
    sparsity: Sparsity,
    (n_outputs, channels): (usize, usize),
    two_passes: bool,
    config: &ArrayConfig,
) -> DenseRate {
    let tile_channels = config.group_channels();
    let group = sparsity.group;
    // Whether all output channels of a section share a mask, if sections have so many columns.
    let matches = |columns: usize| {
        (0..n_outputs).step_by(tile_channels).all(|first| {
            let end = (first + tile_channels).min(n_outputs);
            let mut sections = (first..end).step_by(columns);
            sections.all(|first| first / group == ((first + columns).min(end) - 1) / group)
        })
    };
    match sparsity.pattern {
        Pattern::Dense => DenseRate::NotPruned,
        Pattern::Unstructured => DenseRate::Unstructured { tile_channels },
        _ if !two_passes => DenseRate::FewChannels { channels },
        Pattern::UhpFree => DenseRate::FreePositions { tile_channels },
        Pattern::UhpShared if !matches(config.mask_columns()) => {
            let mask_columns = (2..=config.cols()).rev().find(|n| matches(*n)).unwrap_or(1);
            DenseRate::Groups { group, tile_channels, mask_columns }
        }
        Pattern::UhpShared | Pattern::UhpFixed => DenseRate::FewChannels { channels },
    }
}
