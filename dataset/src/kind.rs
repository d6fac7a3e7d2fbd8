//! The data sets that are known by name.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A data set, as `--dataset` names it. It says how the images are stored and whether they are photographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetKind {
    /// Measured radar chips of ground vehicles: class folders of original files or of image copies.
    Mstar,
    /// Radar chips of ships from Gaofen-3, as class folders.
    FusarShip,
    /// Radar chips of ships from Sentinel-1, as class folders.
    OpenSarShip,
    /// Color satellite photographs, as class folders.
    EuroSat,
    /// 32x32 color photographs of 100 classes, as binary files or their archive.
    Cifar100,
    /// 32x32 color photographs of 10 classes, as binary files or their archive.
    Cifar10,
    /// Class folders of any images.
    Folder,
    /// Chips that this crate simulates.
    SarSim,
}

impl DatasetKind {
    /// Every data set, in the order of the help text.
    pub const ALL: [Self; 8] = [
        Self::Mstar,
        Self::FusarShip,
        Self::OpenSarShip,
        Self::EuroSat,
        Self::Cifar100,
        Self::Cifar10,
        Self::Folder,
        Self::SarSim,
    ];

    /// Name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mstar => "mstar",
            Self::FusarShip => "fusar-ship",
            Self::OpenSarShip => "opensarship",
            Self::EuroSat => "eurosat",
            Self::Cifar100 => "cifar100",
            Self::Cifar10 => "cifar10",
            Self::Folder => "folder",
            Self::SarSim => "sar-sim",
        }
    }

    /// Whether the images are color photographs: left and right may be exchanged, and brightness is no magnitude.
    pub const fn is_photo(self) -> bool {
        matches!(self, Self::EuroSat | Self::Cifar100 | Self::Cifar10)
    }

    /// Whether the images are stored as CIFAR binary files rather than as class folders.
    pub const fn is_cifar(self) -> bool {
        matches!(self, Self::Cifar100 | Self::Cifar10)
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DatasetKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind { name: text.to_owned() })
    }
}

/// No data set of this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown data set `{name}`; known are {}", DatasetKind::ALL.map(DatasetKind::name).join(", "))]
pub struct UnknownKind {
    /// What was asked for.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for kind in DatasetKind::ALL {
            assert_eq!(kind.to_string().parse::<DatasetKind>().unwrap(), kind);
        }
        assert_eq!(
            "cifar".parse::<DatasetKind>().unwrap_err().to_string(),
            "unknown data set `cifar`; known are mstar, fusar-ship, opensarship, eurosat, cifar100, cifar10, \
             folder, sar-sim"
        );
    }

    #[test]
    fn only_photographs_are_mirrored() {
        let photos: Vec<_> = DatasetKind::ALL.into_iter().filter(|kind| kind.is_photo()).collect();
        assert_eq!(photos, [DatasetKind::EuroSat, DatasetKind::Cifar100, DatasetKind::Cifar10]);
    }
}
