//! Which band of an image is read where it has several.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

/// A band of an image that has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Band {
    /// Sent vertically, received horizontally: the first of the two bands of an OpenSARShip chip.
    Vh,
    /// Sent and received vertically: the second of the two bands of an OpenSARShip chip.
    Vv,
    /// By its position, from 1.
    Number(NonZeroU16),
}

impl Band {
    /// Position from 0 among `n_bands`, or `None` when there is no such band. The names are those of two bands.
    pub(crate) fn position(self, n_bands: usize) -> Option<usize> {
        match self {
            Self::Vh => (n_bands == 2).then_some(0),
            Self::Vv => (n_bands == 2).then_some(1),
            Self::Number(number) => {
                let position = usize::from(number.get()) - 1;
                (position < n_bands).then_some(position)
            }
        }
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vh => f.write_str("vh"),
            Self::Vv => f.write_str("vv"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl FromStr for Band {
    type Err = UnknownBand;

    fn from_str(text: &str) -> Result<Self, UnknownBand> {
        match text.to_ascii_lowercase().as_str() {
            "vh" => Ok(Self::Vh),
            "vv" => Ok(Self::Vv),
            number => {
                let unknown = |_| UnknownBand { name: text.to_owned() };
                number.parse().map(Self::Number).map_err(unknown)
            }
        }
    }
}

/// No band of this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown band `{name}`; known are vh, vv and numbers from 1 to 65535")]
pub struct UnknownBand {
    /// What was asked for.
    pub name: String,
}

/// What the user says of how files are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The band that is read of images that have several; without it, they are refused.
    pub band: Option<Band>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_two_bands_and_numbers_count_from_one() {
        let position = |text: &str, n_bands| text.parse::<Band>().unwrap().position(n_bands);
        assert_eq!((position("vh", 2), position("VV", 2)), (Some(0), Some(1)));
        assert_eq!((position("vh", 1), position("vv", 4)), (None, None));
        assert_eq!(
            (position("1", 13), position("13", 13), position("14", 13)),
            (Some(0), Some(12), None)
        );
        for text in ["0", "", "hh", "-1", "1.5", "65536"] {
            let message = text.parse::<Band>().unwrap_err().to_string();
            assert_eq!(
                message,
                format!("unknown band `{text}`; known are vh, vv and numbers from 1 to 65535")
            );
        }
        for text in ["vh", "vv", "7"] {
            assert_eq!(text.parse::<Band>().unwrap().to_string(), text);
        }
    }
}
