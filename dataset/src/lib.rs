//! Images in: simulated SAR chips, CIFAR files, class folders, pre-processing to the network's int8 input.
//!
//! A [`Source`] names where images come from; [`Source::load`] reads one [`Split`] of it as an [`ImageSet`] to train on, and
//! [`Source::candidates`] what a trained network may be run on; [`TrainedImages`] tells which of that it knows. [`preprocess`] turns a chip into the int8 tensor that a network file asks for. Nothing here knows about
//! networks, training or hardware.
//!
//! What people hold is read as it is, and recognized by its content:
//!
//! ```text
//! cargo run --release -- sim --data cifar-100-binary.tar.gz   # CIFAR-100 or CIFAR-10, archive or folder: `cifar`
//! cargo run --release -- sim --data MSTAR/TARGETS             # MSTAR original files: `image_file`, `phoenix`
//! cargo run --release -- sim --data FUSAR-Ship                # class folders of TIFF, PNG, JPEG, BMP: `folder`
//! cargo run --release -- sim --data sar-sim                   # simulated chips: `sar_sim`
//! ```

mod band;
mod chip;
pub mod cifar;
mod division;
mod error;
pub mod folder;
mod foreign;
pub mod image_file;
mod kind;
pub mod layout;
mod litter;
mod magnitude;
mod notes;
pub mod phoenix;
mod picture;
pub mod preprocess;
mod random;
mod run_set;
pub mod sar_sim;
mod source;
mod split;
mod statistics;
mod tiff_image;
mod trained_images;

pub use band::{Band, ReadOptions, UnknownBand};
pub use chip::{Chip, ImageSet, Sample, Samples};
pub use division::{BLOCK, Block, Division, SplitOptions};
pub use error::{DatasetError, ImageError, LayoutError, PhoenixError, RecordsError};
pub use foreign::Foreign;
pub use kind::{DatasetKind, UnknownKind};
pub use notes::joined_notes;
pub use random::Random;
pub use run_set::{Candidates, RunSet, Share, Trained};
pub use sar_sim::SarSim;
pub use source::Source;
pub use split::Split;
pub use statistics::channel_statistics;
pub use trained_images::TrainedImages;

/// Result of everything that reads images.
pub type Result<T, E = DatasetError> = std::result::Result<T, E>;
