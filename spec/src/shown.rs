//! Text of somebody else, as it may be shown.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A name from a file, with every character escaped that a terminal would obey instead of showing: control characters,
/// line ends among them, and those that reorder or hide text.
///
/// An escape is that of a Rust string, such as `\u{1b}` or `\n`.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unshown) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unshown(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// [`shown`] for a path.
pub fn shown_path(path: &Path) -> impl fmt::Display {
    shown(&path.to_string_lossy()).into_owned()
}

/// A text of several lines, each as [`shown`] would have it.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    let hides = |c: char| c != '\n' && is_unshown(c);
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(shown).collect::<Vec<_>>().join("\n"))
}

/// A JSON text that `serde_json` wrote, with the same characters as JSON escapes: it leaves those beyond the first 32 as
/// they are. They can only be in its strings.
pub fn shown_json(json: &str) -> Cow<'_, str> {
    let hides = |c: char| c != '\n' && is_unshown(c);
    if !json.contains(hides) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if hides(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                escaped += &format!("\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, and the format characters of Unicode's bidirectional algorithm, of joining, and of tags.
fn is_unshown(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_the_rest_is_left() {
        for (text, expected) in [
            ("BTR_60", "BTR_60"),
            ("Überführung/船 e\u{301} \"a\" it's", "Überführung/船 e\u{301} \"a\" it's"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
            ("a\rb\nc\td\u{7f}\u{9b}1m", r"a\rb\nc\td\u{7f}\u{9b}1m"),
            ("x\u{202e}y\u{2066}z\u{200f}", r"x\u{202e}y\u{2066}z\u{200f}"),
            ("\u{feff}a\u{2028}b\u{e0041}", r"\u{feff}a\u{2028}b\u{e0041}"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown_lines("a\u{1b}\nb\r\nc"), "a\\u{1b}\nb\\r\nc");
        assert_eq!(shown_path(Path::new("a\u{1b}b")).to_string(), r"a\u{1b}b");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "a\u{1b}\u{9b}\u{202e}\u{e0041}é\n";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = shown_json(&json);
        assert!(!shown.contains(|c| c != '\n' && is_unshown(c)), "{shown}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [text]);
    }
}
