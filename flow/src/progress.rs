//! How far a long step is, on stderr: a bar where that is a terminal, else plain lines without control characters.
//!
//! In: a name, a number of things to do, and calls as they are done. What a terminal would obey instead of showing is
//! escaped, whoever wrote it; a line end makes a line, so that names with one are escaped by whoever puts them into a text.
//! Nobody has to read stderr: a line that cannot be written is no error.

use std::io::Write;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spec::{shown, shown_lines};

/// Time before the first line of what is counted by [`Progress::inc`]: what is done sooner needs no line at all.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two lines of it.
const PERIOD: Duration = Duration::from_secs(10);

/// A step of a known number of things.
pub struct Progress {
    name: String,
    unit: &'static str,
    n: u64,
    bar: ProgressBar,
    /// In place of the bar.
    lines: Option<Mutex<Lines>>,
}

struct Lines {
    out: Box<dyn Write + Send>,
    /// Done before the clock ran.
    first: u64,
    done: u64,
    started: Instant,
    /// When there is something to tell again.
    due: Instant,
    was_told: bool,
}

impl Progress {
    /// A step of `n` things, which `unit` names in the plural.
    pub fn new(name: &str, n: u64, unit: &'static str) -> Self {
        let bar = ProgressBar::new(n);
        let out = bar.is_hidden().then(|| Box::new(std::io::stderr()) as Box<dyn Write + Send>);
        Self::with(name, n, unit, bar, out)
    }

    /// As [`Progress::new`] where stderr is no terminal, with the lines going elsewhere.
    pub fn lines_to(
        out: impl Write + Send + 'static,
        name: &str,
        n: u64,
        unit: &'static str,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(Some(n), ProgressDrawTarget::hidden());
        Self::with(name, n, unit, bar, Some(Box::new(out)))
    }

    fn with(
        name: &str,
        n: u64,
        unit: &'static str,
        bar: ProgressBar,
        out: Option<Box<dyn Write + Send>>,
    ) -> Self {
        let template = format!(
            "{{prefix:>10}} {{bar:30}} {{pos}}/{{len}} {unit}, {{elapsed}}, {{eta}} left{{msg}}"
        );
        let style = ProgressStyle::with_template(&template).expect("the template is well-formed");
        let bar = bar.with_style(style).with_prefix(shown(name).into_owned());
        if out.is_none() {
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        let started = Instant::now();
        let due = started + PATIENCE;
        let lines = |out| Lines { out, first: 0, done: 0, started, due, was_told: false };
        let lines = out.map(|out| Mutex::new(lines(out)));
        Self { name: shown(name).into_owned(), unit, n, bar, lines }
    }

    /// So many were done before: they tell nothing of the time that is left.
    pub fn start_at(&self, done: u64) {
        self.bar.set_position(done);
        self.bar.reset_eta();
        if let Some(mut lines) = self.lines() {
            (lines.first, lines.done) = (done, done);
        }
    }

    /// `n` more are done. Every few seconds there is a line, and one at the end of what took that long.
    pub fn inc(&self, n: u64) {
        self.bar.inc(n);
        if let Some(mut lines) = self.lines() {
            lines.done += n;
            if Instant::now() >= lines.due || lines.was_told && lines.done == self.n {
                self.tell(&mut lines, "");
            }
        }
    }

    /// One more is done, and this is to be said of it; there is a line each.
    pub fn step(&self, note: &str) {
        let note = &*shown(note);
        self.bar.set_message(format!(", {note}"));
        self.bar.inc(1);
        if let Some(mut lines) = self.lines() {
            lines.done += 1;
            self.tell(&mut lines, note);
        }
    }

    /// A line that stays, such as a warning.
    pub fn say(&self, line: &str) {
        match self.lines() {
            Some(mut lines) => _ = writeln!(lines.out, "{}", shown_lines(line)),
            None => self.bar.suspend(|| say(line)),
        }
    }

    /// Leaves the bar as it is.
    pub fn finish(&self) {
        self.bar.finish();
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn lines(&self) -> Option<MutexGuard<'_, Lines>> {
        Some(self.lines.as_ref()?.lock().expect("no thread panics while it holds the lock"))
    }

    fn tell(&self, lines: &mut Lines, note: &str) {
        let elapsed = lines.started.elapsed();
        let n_left = self.n.saturating_sub(lines.done) as f64;
        let each = elapsed.as_secs_f64() / (lines.done - lines.first).max(1) as f64;
        let mut text = format!("{}: {} of {} {}", self.name, lines.done, self.n, self.unit);
        if !note.is_empty() {
            text += &format!(", {note}");
        }
        text += &format!(", {}", duration(elapsed.as_secs_f64()));
        if n_left > 0.0 {
            text += &format!(", about {} left", duration(n_left * each));
        }
        _ = writeln!(lines.out, "{text}");
        (lines.due, lines.was_told) = (Instant::now() + PERIOD, true);
    }
}

/// A line on stderr.
pub fn say(line: &str) {
    _ = writeln!(std::io::stderr(), "{}", shown_lines(line));
}

/// Seconds as a person says them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 5970.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Text {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            text.lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn names_of_others_are_escaped() {
        let text = Text::default();
        let progress = Progress::lines_to(text.clone(), "ev\u{1b}il", 2, "runs");
        progress.step("a\u{202e}\nb");
        progress.say("warning: x\u{1b}[31m\nand more\r");
        let lines = text.lines();
        assert!(lines[0].starts_with(r"ev\u{1b}il: 1 of 2 runs, a\u{202e}\nb, "), "{lines:?}");
        assert_eq!(lines[1..], [r"warning: x\u{1b}[31m", r"and more\r"]);
    }

    #[test]
    fn every_step_has_a_line_and_what_is_counted_one_in_a_while() {
        let text = Text::default();
        let progress = Progress::lines_to(text.clone(), "student", 30, "epochs");
        progress.start_at(27);
        progress.step("loss 1.5");
        progress.say("warning: so it is");
        progress.step("loss 1.4");
        progress.step("loss 1.3");
        progress.finish();
        let lines = text.lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("student: 28 of 30 epochs, loss 1.5, "), "{lines:?}");
        assert!(lines[0].contains(" s, about ") && lines[0].ends_with(" s left"), "{lines:?}");
        assert_eq!(lines[1], "warning: so it is");
        assert!(lines[3].starts_with("student: 30 of 30 epochs, loss 1.3, "), "{lines:?}");
        assert!(!lines[3].contains("left"), "{lines:?}");

        let text = Text::default();
        let progress = Progress::lines_to(text.clone(), "sim", 200, "images");
        (0..12).for_each(|_| progress.inc(8));
        assert_eq!(text.lines(), [""; 0]);
        progress.lines().unwrap().due = Instant::now();
        (0..13).for_each(|_| progress.inc(8));
        progress.clear();
        let lines = text.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("sim: 104 of 200 images, "), "{lines:?}");
        assert!(lines[1].starts_with("sim: 200 of 200 images, "), "{lines:?}");
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let shown = [0.04, 9.9, 12.3, 99.4, 99.6, 3600.0, 5971.0, 86_400.0].map(duration);
        assert_eq!(shown, ["0.0 s", "9.9 s", "12 s", "99 s", "2 min", "60 min", "1.7 h", "24.0 h"]);
    }
}
