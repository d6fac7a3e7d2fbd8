//! `per_class.svg`.

use std::path::Path;

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::{
    MARGIN, MOST_COUNTS, RIGHT, WRONG, centered, drawing, labels, left_aligned, line, longest,
    rectangle, right_aligned, text, text_width, write,
};

/// Draws a bar a class, 0 to 100 %, with its value, and the mean over classes as a line; accuracies are 0 to 1.
///
/// # Errors
/// Another number of accuracies than of classes, one outside 0 to 1, or a file that cannot be written.
pub fn per_class_accuracy(path: &Path, classes: &[String], accuracies: &[f64]) -> Result<()> {
    let n = classes.len();
    ensure!(
        n > 0 && accuracies.len() == n,
        "{}: {} accuracies do not fit {n} classes",
        path.display(),
        accuracies.len()
    );
    ensure!(
        accuracies.iter().all(|part| (0.0..=1.0).contains(part)),
        "{}: an accuracy is not within 0 and 1",
        path.display()
    );
    let (pitch, font) = if n <= MOST_COUNTS { (28, 15) } else { (14, 11) };
    let classes = labels(classes);
    let (left, top, width) = (longest(&classes, font) + 24, 84, 560);
    let bottom = top + pitch * n as i32;
    let mean = accuracies.iter().sum::<f64>() / n as f64;
    let title = format!("Accuracy of each class, int8, test images, mean {:.2} %", 100.0 * mean);
    let right = (left + width + 110).max(text_width(&title, 20) + 2 * MARGIN);
    write(path, (right as u32, (bottom + 72) as u32), |root| {
        text(root, &title, (MARGIN, 28), &left_aligned(20))?;
        let x = |part: f64| left + (part * f64::from(width)).round() as i32;
        for tick in 0..=5 {
            let part = f64::from(tick) / 5.0;
            line(root, (x(part), top - 4), (x(part), bottom + 4))?;
            text(root, &format!("{}", 20 * tick), (x(part), bottom + 18), &centered(14))?;
        }
        for (idx, (name, &part)) in classes.iter().zip(accuracies).enumerate() {
            let y = top + pitch * idx as i32;
            let bar = [(x(0.0), y + pitch / 8), (x(part), y + pitch - pitch / 8)];
            rectangle(root, bar, RIGHT.mix(0.75).filled())?;
            let middle = y + pitch / 2;
            text(root, name, (left - 8, middle), &right_aligned(font))?;
            let value = format!("{:.2} %", 100.0 * part);
            text(root, &value, (x(1.0) + 12, middle), &left_aligned(font))?;
        }
        let mean_line = [(x(mean), top - 10), (x(mean), bottom + 4)];
        root.draw(&PathElement::new(mean_line, WRONG.stroke_width(2))).map_err(drawing)?;
        text(root, "mean", (x(mean), top - 20), &centered(14).color(&WRONG))?;
        text(root, "accuracy, %", (left + width / 2, bottom + 48), &centered(15))
    })
}
