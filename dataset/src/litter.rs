//! What operating systems and tools leave in folders: it is skipped, counted and told.

use std::collections::BTreeMap;
use std::ffi::OsStr;

/// Names without a leading dot, in lower case: of Windows, of archives made by macOS, of Synology's and QNAP's disk
/// stations, of Linux file systems and of Python.
const NAMES: [&str; 13] = [
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "__macosx",
    "icon\r",
    "@eadir",
    "#recycle",
    "@recycle",
    "lost+found",
    "__pycache__",
];

/// Names with a leading dot that are told by themselves, in lower case.
const HIDDEN: [&str; 5] = [".ds_store", ".ipynb_checkpoints", ".directory", ".git", ".thumbnails"];

/// Beginnings of names of files, in lower case: of locks that office programs leave, and of streams that Windows keeps
/// beside a file.
const BEGINNINGS: [&str; 2] = ["~$", "thumbs.db:"];

/// Endings of names of files, in lower case: of copies that editors leave, and of what browsers and tools have not written
/// to its end.
const ENDINGS: [&str; 4] = ["~", ".part", ".crdownload", ".tmp"];

/// Whether nobody means a file or folder of this name as data; all names that start with a dot are so.
pub(crate) fn is_litter(name: &OsStr, is_folder: bool) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.starts_with('.')
        || NAMES.contains(&name.as_str())
        || !is_folder && file_pattern(&name).is_some()
}

/// The pattern of [`BEGINNINGS`] or [`ENDINGS`] that a name in lower case follows.
fn file_pattern(name: &str) -> Option<String> {
    let beginning = BEGINNINGS.iter().find(|beginning| name.starts_with(**beginning));
    let ending = || ENDINGS.iter().find(|ending| name.ends_with(**ending));
    let pattern = beginning.map(|beginning| format!("{beginning}*"));
    pattern.or_else(|| ending().map(|ending| format!("*{ending}")))
}

/// What was skipped: names and how often.
#[derive(Debug, Default)]
pub(crate) struct Skipped(BTreeMap<String, usize>);

impl Skipped {
    /// Counts a name for which [`is_litter`] holds.
    pub(crate) fn count(&mut self, name: &OsStr) {
        let name = name.to_string_lossy();
        let lower = name.to_lowercase();
        let shown = if lower.starts_with("._") {
            "._*".to_owned()
        } else if lower.starts_with('.') && !HIDDEN.contains(&lower.as_str()) {
            ".*".to_owned()
        } else if NAMES.contains(&lower.as_str()) || lower.starts_with('.') {
            name.trim_end().to_owned()
        } else {
            file_pattern(&lower).unwrap_or_else(|| name.trim_end().to_owned())
        };
        *self.0.entry(shown).or_default() += 1;
    }

    /// A sentence, if there was anything.
    pub(crate) fn note(&self) -> Option<String> {
        let total: usize = self.0.values().sum();
        let counted: Vec<_> = self.0.iter().map(|(name, n)| format!("{n} {name}")).collect();
        (total > 0).then(|| {
            let plural = if total == 1 { "entry" } else { "entries" };
            format!("skipped {total} {plural} that a system or tool left: {}", counted.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_without_case_and_counted() {
        let mut skipped = Skipped::default();
        assert_eq!(skipped.note(), None);
        let names = [
            "Thumbs.db",
            "THUMBS.DB",
            "__MACOSX",
            "._x.png",
            "._y.png",
            ".DS_Store",
            ".hidden",
            "desktop.ini",
            "@eaDir",
            "Icon\r",
            ".ipynb_checkpoints",
            "x.png~",
            "y.PNG~",
            "x.png.part",
            "x.zip.crdownload",
            "~$notes.docx",
            "Thumbs.db:encryptable",
            "x.tmp",
        ];
        for name in names {
            assert!(is_litter(OsStr::new(name), false), "{name}");
            skipped.count(OsStr::new(name));
        }
        assert_eq!(
            skipped.note().unwrap(),
            "skipped 18 entries that a system or tool left: 1 *.crdownload, 1 *.part, 1 *.tmp, 2 *~, 1 .*, 1 .DS_Store, \
             2 ._*, 1 .ipynb_checkpoints, 1 @eaDir, 1 Icon, 1 THUMBS.DB, 1 Thumbs.db, 1 __MACOSX, 1 desktop.ini, \
             1 thumbs.db:*, 1 ~$*"
        );
        for name in ["T72", "thumbs", "macosx", "x.db", "lost", "HB03787.015", "tmp", "part"] {
            assert!(!is_litter(OsStr::new(name), false), "{name}");
        }
        // Classes may be named so.
        for name in ["2nd.part", "old~"] {
            assert!(!is_litter(OsStr::new(name), true), "{name}");
        }
    }
}
