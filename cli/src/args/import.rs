//! The command lines of `import` and `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flow::Preset;

use super::{ForceArgs, FormatArgs, NetworkOperand};

/// How images become the input of an imported network, of 8-bit samples `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetArg {
    /// The int8 input is `b - 128`.
    Bytes,
    /// Real values 0 to 255.
    Raw,
    /// Real values 0 to 1.
    Unit,
    /// Real values -1 to 1.
    Signed,
    /// Real values less ImageNet's mean, by its deviation.
    #[value(name = "imagenet")]
    ImageNet,
}

impl From<PresetArg> for Preset {
    fn from(preset: PresetArg) -> Self {
        match preset {
            PresetArg::Bytes => Self::Bytes,
            PresetArg::Raw => Self::Raw,
            PresetArg::Unit => Self::Unit,
            PresetArg::Signed => Self::Signed,
            PresetArg::ImageNet => Self::ImageNet,
        }
    }
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The model: a .tflite or .onnx file of int8.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Folder for the network, or its JSON file.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The network's name; that of the file by default.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,
    /// A text file with a class name a line, in the order of the logits.
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// How images become the input, so that `sim --data` takes images.
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) preprocess: Option<PresetArg>,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) network: NetworkOperand,
    /// The ONNX file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// A name that can be printed.
fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(
            "a name has letters, and neither line feeds nor other control characters".into()
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_printed() {
        assert!(name("ResNet 8").is_ok());
        for text in ["", " ", "a\nb", "\u{1b}[1m"] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }
}
