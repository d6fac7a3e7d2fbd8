//! `confusion.svg`.

use std::path::Path;

use anyhow::{Result, ensure};
use ndarray::Array2;
use plotters::prelude::*;

use super::{
    Area, INK, MARGIN, MOST_COUNTS, RIGHT, WRONG, centered, labels, left_aligned, line, longest,
    rectangle, right_aligned, text, text_width, write,
};

/// Width and height of the key of shades.
const KEY: (i32, i32) = (150, 190);

/// Draws how often images of each class (rows) are taken for each class (columns): shaded by the part of the row, with
/// counts where there is room for them.
///
/// # Errors
/// A matrix that is not `[classes, classes]`, or a file that cannot be written.
pub fn confusion_matrix(path: &Path, classes: &[String], counts: &Array2<u64>) -> Result<()> {
    let n = classes.len();
    ensure!(
        n > 0 && counts.dim() == (n, n),
        "{}: a confusion matrix of {:?} does not fit {n} classes",
        path.display(),
        counts.dim()
    );
    let (cell, font) = if n <= MOST_COUNTS { (52, 15) } else { (12, 10) };
    let classes = labels(classes);
    let names = longest(&classes, font);
    let (left, top) = (names + 48, 84);
    let side = cell * n as i32;
    let n_right: u64 = (0..n).map(|class| counts[[class, class]]).sum();
    let n_all = counts.sum();
    let title = "Confusion matrix, int8, test images";
    let accuracy = 100.0 * n_right as f64 / n_all.max(1) as f64;
    let subtitle = format!("{n_right} of {n_all} right, {accuracy:.2} %");
    let titles = text_width(title, 20).max(text_width(&subtitle, 16)) + 2 * MARGIN;
    let size = ((left + side + KEY.0).max(titles), top + (side + names + 48).max(KEY.1));
    // The largest count still fits its cell.
    let digits = counts.iter().max().map_or(1, |count| count.to_string().len());
    let count_font = (1..=15).rev().find(|&font| text_width(&"0".repeat(digits), font) < cell - 4);
    let count_font = count_font.unwrap_or(1);
    write(path, (size.0 as u32, size.1 as u32), |root| {
        text(root, title, (MARGIN, 28), &left_aligned(20))?;
        text(root, &subtitle, (MARGIN, 54), &left_aligned(16))?;
        let square = |row: usize, column: usize| {
            let (x, y) = (left + cell * column as i32, top + cell * row as i32);
            [(x, y), (x + cell, y + cell)]
        };
        for (row, line) in counts.outer_iter().enumerate() {
            let total = line.sum().max(1) as f64;
            for (column, &count) in line.iter().enumerate().filter(|(_, count)| **count > 0) {
                let part = count as f64 / total;
                let color = shade(if row == column { RIGHT } else { WRONG }, part);
                rectangle(root, square(row, column), color.filled())?;
                if n <= MOST_COUNTS {
                    let [(x, y), _] = square(row, column);
                    let ink = if part > 0.4 { WHITE } else { INK };
                    let middle = (x + cell / 2, y + cell / 2);
                    text(root, &count.to_string(), middle, &centered(count_font).color(&ink))?;
                }
            }
        }
        if n <= MOST_COUNTS {
            for idx in 1..n as i32 {
                let (x, y) = (left + cell * idx, top + cell * idx);
                line(root, (x, top), (x, top + side))?;
                line(root, (left, y), (left + side, y))?;
            }
        }
        rectangle(root, [(left, top), (left + side, top + side)], INK.stroke_width(1))?;
        for (idx, name) in classes.iter().enumerate() {
            let middle = cell * idx as i32 + cell / 2;
            text(root, name, (left - 6, top + middle), &right_aligned(font))?;
            let upright = right_aligned(font).transform(FontTransform::Rotate270);
            text(root, name, (left + middle, top + side + 6), &upright)?;
        }
        let upright = centered(15).transform(FontTransform::Rotate270);
        text(root, "true class", (18, top + side / 2), &upright)?;
        text(root, "predicted class", (left + side / 2, size.1 - 18), &centered(15))?;
        shade_key(root, (left + side + 24, top))
    })
}

/// What the shades of a confusion matrix mean.
fn shade_key(root: &Area, (x, y): (i32, i32)) -> Result<()> {
    text(root, "part of the row", (x, y + 6), &left_aligned(14))?;
    for (idx, percent) in [1, 5, 25, 50, 100].into_iter().enumerate() {
        let top = y + 24 + 26 * idx as i32;
        for (column, color) in [RIGHT, WRONG].into_iter().enumerate() {
            let left = x + 22 * column as i32;
            let style = shade(color, f64::from(percent) / 100.0).filled();
            rectangle(root, [(left, top), (left + 20, top + 20)], style)?;
        }
        text(root, &format!("{percent} %"), (x + 50, top + 10), &left_aligned(14))?;
    }
    text(root, "right", (x, y + 168), &left_aligned(14).color(&RIGHT))?;
    text(root, "wrong", (x + 40, y + 168), &left_aligned(14).color(&WRONG))
}

/// White at zero, the color at one; the square root lets rare mistakes be seen.
fn shade(color: RGBColor, part: f64) -> RGBColor {
    let mix = |channel: u8| {
        let white = 255.0 - f64::from(channel);
        (255.0 - white * part.sqrt()).round() as u8
    };
    RGBColor(mix(color.0), mix(color.1), mix(color.2))
}
