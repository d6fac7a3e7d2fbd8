//! Reading files that somebody else may have put there: regular ones alone, and no larger than their kind can be.
//!
//! A device has no end, a FIFO waits for who writes it, a size can be a mistake of the path: each is refused before a
//! byte is read. Errors are those of the operating system, or as short as its own; the path is for the caller to name.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// The most bytes that a file of some kind can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    what: &'static str,
    bytes: u64,
}

impl Limit {
    /// The limit of `what`, which is named with its article: "a network".
    pub const fn new(what: &'static str, bytes: u64) -> Self {
        Self { what, bytes }
    }

    /// What has it.
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// How many.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn check(&self, size: u64) -> io::Result<()> {
        if size <= self.bytes {
            return Ok(());
        }
        let Self { what, bytes } = self;
        Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("its size of {size} bytes is more than the {bytes} of {what}"),
        ))
    }
}

/// All bytes of a regular file. A symbolic link is followed.
///
/// # Errors
/// Whatever the operating system says; something else than a regular file, which is not waited for; more bytes than
/// `limit`, of which none is then read.
pub fn read_regular(path: &Path, limit: Limit) -> io::Result<Vec<u8>> {
    let file = open_regular(path, limit)?;
    let mut bytes = Vec::new();
    // The file may grow meanwhile, and those of /proc say that they are empty.
    file.take(limit.bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    limit.check(bytes.len() as u64)?;
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// As [`read_regular`], and bytes that are no UTF-8.
pub fn read_text(path: &Path, limit: Limit) -> io::Result<String> {
    String::from_utf8(read_regular(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("it is no text, from byte {at} on");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// Opens a regular file for who reads it in pieces.
///
/// # Errors
/// As [`read_regular`].
pub fn open_regular(path: &Path, limit: Limit) -> io::Result<File> {
    // Opening some devices does something, so that looking comes first; once more after it, for another file may have
    // taken the place.
    check_regular(&fs::metadata(path)?, limit)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    check_regular(&file.metadata()?, limit)?;
    Ok(file)
}

/// Checks a file that a library opens by its name.
///
/// # Errors
/// As [`read_regular`].
pub fn check_readable(path: &Path, limit: Limit) -> io::Result<()> {
    open_regular(path, limit).map(drop)
}

/// `length` bytes from `offset` on of a regular file that a file in `folder` names: one below the folder, by no link.
///
/// # Errors
/// A name that is empty, absolute or leaves the folder, a link on the way, fewer bytes than that, or whatever the operating
/// system says.
pub fn read_inside(folder: &Path, name: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let refused = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message);
    let mut path = folder.to_owned();
    let mut is_empty = true;
    for component in name.components() {
        match component {
            Component::CurDir => continue,
            Component::Normal(name) => path.push(name),
            _ => return Err(refused("it lies outside of the folder")),
        }
        is_empty = false;
        if fs::symlink_metadata(&path)?.is_symlink() {
            return Err(refused("it is reached by a symbolic link"));
        }
    }
    if is_empty {
        return Err(refused("it has no name"));
    }
    let mut file = open_regular(&path, Limit::new("any file", u64::MAX))?;
    let size = file.metadata()?.len();
    if offset.checked_add(length).is_none_or(|end| end > size) {
        let message =
            format!("it has {size} bytes, and {length} from byte {offset} on are asked for");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(refused("it changed while it was read"));
    }
    Ok(bytes)
}

fn check_regular(metadata: &Metadata, limit: Limit) -> io::Result<()> {
    if !metadata.is_file() {
        let kind = kind(metadata.file_type());
        let message = format!("it is {kind}, not a regular file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    limit.check(metadata.len())
}

/// What a file is, with its article.
pub(super) fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_file() {
        "a regular file"
    } else {
        "something else"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    const LIMIT: Limit = Limit::new("a test", 4);

    fn refusal(path: &Path) -> String {
        let errors = [
            read_regular(path, LIMIT).unwrap_err(),
            read_text(path, LIMIT).unwrap_err(),
            open_regular(path, LIMIT).unwrap_err(),
            check_readable(path, LIMIT).unwrap_err(),
        ];
        let messages = errors.map(|error| error.to_string());
        assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
        messages[0].clone()
    }

    #[test]
    fn what_has_no_end_or_waits_for_a_writer_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (fifo, socket) = (folder.path().join("fifo"), folder.path().join("socket"));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let _listener = UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        symlink("/dev/zero", &link).unwrap();
        for (path, kind) in [
            (fifo.as_path(), "a FIFO"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (&link, "a device"),
            (folder.path(), "a folder"),
        ] {
            assert_eq!(refusal(path), format!("it is {kind}, not a regular file"));
        }
    }

    #[test]
    fn a_size_above_the_limit_is_told_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        // No disk holds that much: only who asks for the size first is fast.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(refusal(&path), "its size of 1099511627776 bytes is more than the 4 of a test");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, LIMIT).unwrap(), "four");
    }

    #[test]
    fn files_that_hide_their_size_are_limited_all_the_same() {
        let path = Path::new("/proc/self/status");
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        let error = read_regular(path, LIMIT).unwrap_err().to_string();
        assert_eq!(error, "its size of 5 bytes is more than the 4 of a test");
        assert!(read_text(path, Limit::new("a status", 1 << 20)).unwrap().contains("Pid:"));
    }

    #[test]
    fn what_a_file_names_is_read_below_its_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("model");
        fs::create_dir(&below).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(below.join("data"), "0123456789").unwrap();
        symlink("../secret", below.join("link")).unwrap();
        symlink("..", below.join("up")).unwrap();
        let read = |name: &str, offset, length| {
            let bytes = read_inside(&below, Path::new(name), offset, length);
            bytes.map_err(|error| error.to_string())
        };
        assert_eq!(read("data", 2, 3).unwrap(), b"234");
        assert_eq!(read("./data", 10, 0).unwrap(), b"");
        let outside = "it lies outside of the folder";
        let link = "it is reached by a symbolic link";
        let absolute = folder.path().join("secret");
        for (name, reason) in [
            ("../secret", outside),
            ("./../secret", outside),
            (absolute.to_str().unwrap(), outside),
            ("", "it has no name"),
            (".", "it has no name"),
            ("link", link),
            ("up/secret", link),
        ] {
            assert_eq!(read(name, 0, 1).unwrap_err(), reason, "{name:?}");
        }
        for (offset, length) in [(8, 3), (11, 0), (u64::MAX, 2), (0, u64::MAX)] {
            let reason =
                format!("it has 10 bytes, and {length} from byte {offset} on are asked for");
            assert_eq!(read("data", offset, length).unwrap_err(), reason);
        }
    }

    #[test]
    fn bytes_that_are_no_text_and_files_that_are_not_there_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        fs::write(&path, [b'a', 0xff]).unwrap();
        let error = read_text(&path, LIMIT).unwrap_err().to_string();
        assert_eq!(error, "it is no text, from byte 1 on");
        let error = read_regular(&folder.path().join("absent"), LIMIT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
