//! Pictures of a run as SVG: curves over epochs, confusion matrix, accuracy of each class.
//!
//! In: numbers and class names. Out: one SVG file each, which appears whole or not at all. Text stays text, so no font is
//! needed to draw; the viewer's sans-serif is used, for which `text_width` leaves room. Every picture is as large as its
//! texts ask for.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

mod confusion;
mod curves;
mod per_class;
#[cfg(test)]
mod tests;

pub use confusion::confusion_matrix;
pub use curves::{Curve, Mark, curves};
pub use per_class::per_class_accuracy;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Colors that differ for color-blind readers too (Okabe and Ito, 2008).
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
const RIGHT: RGBColor = COLORS[0];
const WRONG: RGBColor = COLORS[1];
const INK: RGBColor = RGBColor(30, 30, 30);
const FAINT: RGBColor = RGBColor(225, 225, 225);
/// Classes up to which a confusion matrix shows its counts.
const MOST_COUNTS: usize = 24;
/// Letters of a name beyond which its middle is left out.
const MOST_LETTERS: usize = 40;
/// Room on the left of a title.
const MARGIN: i32 = 16;

/// Pixels that a text takes at most in a usual sans-serif, at a size as plotters counts it.
fn text_width(text: &str, size: i32) -> i32 {
    let letter = |c: char| match c {
        'W' | 'M' | 'm' | 'w' | '@' | '%' => 0.82,
        c if c.is_ascii_lowercase() => 0.53,
        c if c.is_ascii() => 0.62,
        // Scripts of wide letters begin here.
        c if c < '\u{1100}' => 0.7,
        _ => 0.9,
    };
    (text.chars().map(letter).sum::<f64>() * f64::from(size)).ceil() as i32
}

/// Pixels that the longest text takes.
fn longest(texts: &[String], size: i32) -> i32 {
    texts.iter().map(|text| text_width(text, size)).max().unwrap_or(0)
}

/// Class names, the middle of long ones left out; they still differ.
fn labels(classes: &[String]) -> Vec<String> {
    let shown: Vec<_> = classes.iter().map(|name| shorten(name)).collect();
    let is_alone = |name: &String| shown.iter().filter(|other| *other == name).count() == 1;
    let label = |(idx, name): (usize, &String)| {
        if is_alone(name) { name.clone() } else { format!("{}: {name}", idx + 1) }
    };
    shown.iter().enumerate().map(label).collect()
}

fn shorten(name: &str) -> String {
    let letters: Vec<char> = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if letters.len() <= MOST_LETTERS {
        return letters.into_iter().collect();
    }
    let half = MOST_LETTERS / 2;
    let (start, end) = (&letters[..half], &letters[letters.len() - half + 1..]);
    start.iter().chain(&['…']).chain(end).collect()
}

fn sans<'a>(size: i32) -> TextStyle<'a> {
    TextStyle::from(("sans-serif", size).into_font()).color(&INK)
}

fn centered<'a>(size: i32) -> TextStyle<'a> {
    sans(size).pos(Pos::new(HPos::Center, VPos::Center))
}

fn right_aligned<'a>(size: i32) -> TextStyle<'a> {
    sans(size).pos(Pos::new(HPos::Right, VPos::Center))
}

fn left_aligned<'a>(size: i32) -> TextStyle<'a> {
    sans(size).pos(Pos::new(HPos::Left, VPos::Center))
}

fn text(root: &Area, text: &str, position: (i32, i32), style: &TextStyle) -> Result<()> {
    root.draw(&Text::new(text, position, style.clone())).map_err(drawing)
}

fn rectangle(root: &Area, corners: [(i32, i32); 2], style: impl Into<ShapeStyle>) -> Result<()> {
    root.draw(&Rectangle::new(corners, style)).map_err(drawing)
}

fn line(root: &Area, from: (i32, i32), to: (i32, i32)) -> Result<()> {
    root.draw(&PathElement::new([from, to], FAINT)).map_err(drawing)
}

fn drawing<E: std::fmt::Display>(error: E) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// Draws into memory, then writes.
fn write(path: &Path, size: (u32, u32), draw: impl FnOnce(&Area) -> Result<()>) -> Result<()> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = root.fill(&WHITE).map_err(drawing).and_then(|()| draw(&root));
        let finished = drawn.and_then(|()| root.present().map_err(drawing));
        finished.with_context(|| format!("{}: cannot be drawn", path.display()))?;
    }
    Ok(spec::files::write_atomically(path, svg.as_bytes())?)
}
