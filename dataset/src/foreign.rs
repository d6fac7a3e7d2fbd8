//! Formats that people hold and that are not read here: each is called by its name, with what to do instead.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// A format that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A CIFAR of pickled Python objects.
    PythonCifar,
    /// Pickled Python objects.
    Pickle,
    /// A MATLAB file.
    Matlab,
    /// A NumPy array.
    Numpy,
    /// Several NumPy arrays.
    NumpyArchive,
    /// HDF5, MATLAB's newer format among it.
    Hdf5,
    /// NetCDF of the classic kind.
    NetCdf,
    /// Apache Parquet, as Hugging Face publishes data sets.
    Parquet,
    /// Apache Arrow.
    Arrow,
    /// TensorFlow's records.
    TfRecord,
    /// Tensors of PyTorch.
    PyTorch,
    /// A ZIP archive.
    Zip,
    /// An archive of files that are not those of a CIFAR.
    Tar,
    /// Compressed data of any kind.
    Gzip,
    /// An archive of another kind: 7-Zip, RAR, bzip2, xz, Zstandard.
    Archive,
    /// MNIST's format.
    Idx,
    /// Images in a known format that is not decoded.
    Image(&'static str),
    /// A table.
    Table,
    /// A single image where a folder is expected.
    SingleImage,
}

impl Foreign {
    /// What to do.
    pub(crate) const fn help(self) -> &'static str {
        match self {
            Self::PythonCifar => {
                "take the binary version, cifar-10-binary.tar.gz or cifar-100-binary.tar.gz, from \
                 https://www.cs.toronto.edu/~kriz/cifar.html"
            }
            Self::Pickle
            | Self::Matlab
            | Self::Numpy
            | Self::NumpyArchive
            | Self::Hdf5
            | Self::NetCdf
            | Self::Parquet
            | Self::Arrow
            | Self::TfRecord
            | Self::PyTorch
            | Self::Idx
            | Self::Table => "write each image as a PNG or TIFF file into a folder of its class",
            Self::Zip => {
                "unpack it (unzip FILE -d FOLDER) and name the folder that holds the class folders"
            }
            Self::Tar => {
                "unpack it (tar -xf FILE) and name the folder that holds the class folders; of archives, only the .tar.gz \
                 of a CIFAR is read as it is"
            }
            Self::Gzip => {
                "unpack it (gunzip FILE), or let its name end in .tar.gz if it is that of a CIFAR"
            }
            Self::Archive => "unpack it and name the folder that holds the class folders",
            Self::Image(_) => "convert it to PNG or TIFF",
            Self::SingleImage => "name a folder of class folders of images",
        }
    }

    /// The format of a file, by its first bytes, or else by its name.
    pub(crate) fn of(path: &Path, start: &[u8]) -> Option<Self> {
        let name = path.file_name().unwrap_or_default();
        match Self::of_bytes(start).or_else(|| Self::of_name(name)) {
            Some(Self::Zip) if Self::of_name(name) == Some(Self::NumpyArchive) => {
                Some(Self::NumpyArchive)
            }
            Some(Self::Pickle) if is_python_cifar(&name.to_string_lossy()) => {
                Some(Self::PythonCifar)
            }
            found => found,
        }
    }

    /// By the first bytes; sixteen suffice.
    pub(crate) fn of_bytes(start: &[u8]) -> Option<Self> {
        let at = |offset: usize, magic: &[u8]| {
            start.get(offset..offset + magic.len()).is_some_and(|bytes| bytes == magic)
        };
        let known: [(bool, Self); 26] = [
            (at(0, b"\x93NUMPY"), Self::Numpy),
            (at(0, b"\x89HDF\r\n\x1a\n"), Self::Hdf5),
            (at(0, b"MATLAB 5.0 MAT"), Self::Matlab),
            (at(0, b"MATLAB 7.3 MAT"), Self::Matlab),
            (at(0, b"CDF\x01") || at(0, b"CDF\x02"), Self::NetCdf),
            (at(0, b"PAR1"), Self::Parquet),
            (at(0, b"ARROW1"), Self::Arrow),
            (at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06"), Self::Zip),
            (at(0, b"7z\xbc\xaf\x27\x1c"), Self::Archive),
            (at(0, b"Rar!\x1a\x07"), Self::Archive),
            (at(0, b"\x1f\x8b"), Self::Gzip),
            (at(257, b"ustar"), Self::Tar),
            (at(0, b"BZh"), Self::Archive),
            (at(0, b"\xfd7zXZ\0"), Self::Archive),
            (at(0, b"\x28\xb5\x2f\xfd"), Self::Archive),
            (at(0, b"\0\0\x08\x01") || at(0, b"\0\0\x08\x03"), Self::Idx),
            (at(0, b"GIF8"), Self::Image("a GIF image")),
            (at(0, b"RIFF") && at(8, b"WEBP"), Self::Image("a WebP image")),
            (
                at(0, b"\0\0\0\x0cjP  ") || at(0, b"\xff\x4f\xff\x51"),
                Self::Image("a JPEG 2000 image"),
            ),
            (at(4, b"ftypheic") || at(4, b"ftypmif1"), Self::Image("a HEIF image")),
            (at(4, b"ftypavif"), Self::Image("an AVIF image")),
            (at(0, b"NITF0"), Self::Image("a NITF image")),
            (at(0, b"P5\n") || at(0, b"P6\n") || at(0, b"P5 "), Self::Image("a PGM or PPM image")),
            (at(0, b"8BPS"), Self::Image("a Photoshop image")),
            (at(0, b"\x59\xa6\x6a\x95"), Self::Image("a Sun raster image")),
            (at(0, b"SIMPLE  ="), Self::Image("a FITS image")),
        ];
        let pickle = start.first() == Some(&0x80) && matches!(start.get(1), Some(2..=5));
        let found = known.into_iter().find(|(holds, _)| *holds).map(|(_, format)| format);
        found.or(pickle.then_some(Self::Pickle))
    }

    /// By the name alone.
    pub(crate) fn of_name(name: &OsStr) -> Option<Self> {
        let name = name.to_string_lossy().to_lowercase();
        let ending = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let known: [(&[&str], Self); 18] = [
            (&[".npy"], Self::Numpy),
            (&[".npz"], Self::NumpyArchive),
            (&[".mat"], Self::Matlab),
            (&[".h5", ".hdf5", ".hdf"], Self::Hdf5),
            (&[".nc", ".cdf"], Self::NetCdf),
            (&[".parquet"], Self::Parquet),
            (&[".arrow", ".feather"], Self::Arrow),
            (&[".tfrecord", ".tfrecords"], Self::TfRecord),
            (&[".pkl", ".pickle"], Self::Pickle),
            (&[".pt", ".pth"], Self::PyTorch),
            (&[".zip"], Self::Zip),
            (&[".tar", ".tar.gz", ".tgz"], Self::Tar),
            (&[".7z", ".rar", ".bz2", ".tbz2", ".xz", ".txz", ".zst"], Self::Archive),
            (&[".gif"], Self::Image("a GIF image")),
            (&[".webp"], Self::Image("a WebP image")),
            (&[".jp2", ".j2k"], Self::Image("a JPEG 2000 image")),
            (
                &[".pgm", ".ppm", ".ras", ".ntf", ".nitf", ".fits"],
                Self::Image("an image of another format"),
            ),
            (&[".csv", ".tsv", ".xlsx"], Self::Table),
        ];
        known.into_iter().find(|(endings, _)| ending(endings)).map(|(_, format)| format)
    }
}

/// Whether a file of pickled objects is named like one of CIFAR's version for Python.
pub(crate) fn is_python_cifar(name: &str) -> bool {
    let batch = name.strip_prefix("data_batch_").is_some_and(|n| n.len() == 1);
    batch || ["test_batch", "batches.meta", "train", "test", "meta"].contains(&name)
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PythonCifar => "CIFAR's version for Python",
            Self::Pickle => "pickled Python objects",
            Self::Matlab => "a MATLAB file",
            Self::Numpy => "a NumPy array",
            Self::NumpyArchive => "an archive of NumPy arrays",
            Self::Hdf5 => "an HDF5 file",
            Self::NetCdf => "a NetCDF file",
            Self::Parquet => "a Parquet table",
            Self::Arrow => "an Arrow table",
            Self::TfRecord => "TensorFlow records",
            Self::PyTorch => "tensors of PyTorch",
            Self::Zip => "a ZIP archive",
            Self::Tar => "a tar archive of other files than those of a CIFAR",
            Self::Gzip => "gzip-compressed data",
            Self::Archive => "an archive",
            Self::Idx => "images or labels of MNIST's format",
            Self::Image(name) => name,
            Self::Table => "a table",
            Self::SingleImage => "a single image",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_beats_the_name() {
        let of = |name: &str, start: &[u8]| Foreign::of(Path::new(name), start);
        assert_eq!(of("x.npz", b"PK\x03\x04"), Some(Foreign::NumpyArchive));
        assert_eq!(of("x.png", b"\x93NUMPY\x01"), Some(Foreign::Numpy));
        assert_eq!(of("x.mat", b"\x89HDF\r\n\x1a\n"), Some(Foreign::Hdf5));
        assert_eq!(of("X.TFRecord", b"\x10\0\0\0"), Some(Foreign::TfRecord));
        assert_eq!(of("data_batch_1", b"\x80\x02}q"), Some(Foreign::PythonCifar));
        assert_eq!(of("model", b"\x80\x04}q"), Some(Foreign::Pickle));
        assert_eq!(of("HB03787.015", b"\n[Phoenix"), None);
        assert_eq!(of("x", b""), None);
    }

    #[test]
    fn every_format_has_a_name_and_a_remedy() {
        for format in
            [Foreign::PythonCifar, Foreign::Zip, Foreign::Image("x"), Foreign::SingleImage]
        {
            assert!(!format.to_string().is_empty() && !format.help().is_empty());
        }
    }
}
