//! Choices among a few words.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which weights the student keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SparsityKind {
    /// All weights.
    Dense,
    /// The larger half of each layer, anywhere.
    Unstructured,
    /// One of each pair of channels, by position alone.
    UhpFixed,
    /// One of each pair of channels, chosen for each group of output channels.
    UhpShared,
    /// One of each pair of channels, chosen for each output channel; the array runs it at the dense rate.
    UhpFree,
}

/// Where libtorch computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// The first GPU that libtorch sees, or else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The first GPU.
    Cuda,
}

/// Numbers that the maps consist of while training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits everywhere.
    Float32,
    /// 16 bits with the range of 32; weights, batch-norm and everything but training stay at 32. Fast where processor
    /// or GPU have instructions for it, many times slower elsewhere.
    Bfloat16,
    /// `bfloat16` on a processor that has instructions for it, else `float32`.
    Auto,
}

impl Precision {
    /// Itself, or what `auto` comes to on this machine.
    pub fn on(self, device: tch::Device) -> Self {
        match self {
            Self::Auto if device == tch::Device::Cpu && has_bfloat16() => Self::Bfloat16,
            Self::Auto => Self::Float32,
            known => known,
        }
    }

    /// Kind of the maps on this machine.
    pub fn kind(self, device: tch::Device) -> tch::Kind {
        match self.on(device) {
            Self::Bfloat16 => tch::Kind::BFloat16,
            Self::Float32 | Self::Auto => tch::Kind::Float,
        }
    }
}

/// Whether the processor multiplies 16-bit numbers itself.
fn has_bfloat16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    #[test]
    fn automatic_precision_is_a_known_one() {
        use super::Precision::{Auto, Bfloat16, Float32};
        assert_eq!(Auto.on(tch::Device::Cuda(0)), Float32);
        assert_ne!(Auto.on(tch::Device::Cpu), Auto);
        for known in [Float32, Bfloat16] {
            assert_eq!(known.on(tch::Device::Cpu), known);
        }
    }
}
