//! Pictures of a run as SVG: curves over epochs, confusion matrix, accuracy of each class.
//!
//! In: numbers and class names. Out: one SVG file each, which appears whole or not at all. Text stays text, so no font is
//! needed to draw; the viewer's sans-serif is used.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

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
/// Width of a letter over the font size, on average and on the safe side.
const LETTER: f64 = 0.6;

/// One phase of training, a value an epoch, from the first epoch on.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// Name of the phase.
    pub label: &'a str,
    /// Mean training loss.
    pub loss: &'a [f64],
    /// Part of the validation images that are classified rightly, 0 to 1.
    pub validation_accuracy: &'a [f64],
}

/// Draws training loss and validation accuracy over epochs, side by side, a line a phase.
///
/// # Errors
/// No epoch at all, a value that is not finite, or a file that cannot be written.
pub fn curves(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let values =
        || curves.iter().flat_map(|curve| curve.loss.iter().chain(curve.validation_accuracy));
    ensure!(values().next().is_some(), "{}: there is no epoch to draw", path.display());
    ensure!(values().all(|value| value.is_finite()), "{}: a value is not finite", path.display());
    let losses: Vec<_> = curves.iter().map(|curve| (curve.label, curve.loss.to_vec())).collect();
    let percents: Vec<_> = curves
        .iter()
        .map(|curve| {
            let percents = curve.validation_accuracy.iter().map(|part| 100.0 * part);
            (curve.label, percents.collect())
        })
        .collect();
    write(path, (1120, 460), |root| {
        let root = root.titled(title, sans(22)).map_err(drawing)?;
        let (left, right) = root.split_horizontally(560);
        panel(&left, "training loss", &losses, |value| format!("{value:.3}"))?;
        panel(&right, "validation accuracy, %", &percents, |value| format!("{value:.2} %"))
    })
}

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
    let names = name_width(classes, font);
    let (left, top) = (names + 48, 64);
    let side = cell * n as i32;
    let size = (left + side + 150, top + side + names + 48);
    let n_right: u64 = (0..n).map(|class| counts[[class, class]]).sum();
    let n_all = counts.sum();
    let title = format!(
        "Confusion matrix, int8, test images: {n_right} of {n_all} right, {:.2} %",
        100.0 * n_right as f64 / n_all.max(1) as f64
    );
    write(path, (size.0 as u32, size.1 as u32), |root| {
        text(root, &title, (left + side / 2, 30), &centered(20))?;
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
                    text(root, &count.to_string(), middle, &centered(15).color(&ink))?;
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
    let (left, top, width) = (name_width(classes, font) + 24, 84, 560);
    let bottom = top + pitch * n as i32;
    let mean = accuracies.iter().sum::<f64>() / n as f64;
    write(path, ((left + width + 110) as u32, (bottom + 72) as u32), |root| {
        let title =
            format!("Accuracy of each class, int8, test images, mean {:.2} %", 100.0 * mean);
        text(root, &title, (left + width / 2, 30), &centered(20))?;
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

/// One chart: a line for each label, its last value in the legend.
fn panel(
    area: &Area,
    y_label: &str,
    lines: &[(&str, Vec<f64>)],
    shown: impl Fn(f64) -> String,
) -> Result<()> {
    let n_epochs = lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0).max(1);
    let values = || lines.iter().flat_map(|(_, values)| values.iter().copied());
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let margin = ((high - low) * 0.05).max(0.05);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0..n_epochs as i32, low - margin..high + margin)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_desc("epoch")
        .y_desc(y_label)
        .axis_desc_style(sans(15))
        .label_style(sans(14))
        .x_labels(11)
        .y_labels(8)
        .draw()
        .map_err(drawing)?;
    for ((label, values), color) in lines.iter().zip(COLORS.iter().cycle()) {
        let Some(&last) = values.last() else { continue };
        let points = (1..).zip(values.iter().copied());
        let style = color.stroke_width(2);
        let series =
            LineSeries::new(points, style).point_size(if values.len() > 1 { 0 } else { 3 });
        chart
            .draw_series(series)
            .map_err(drawing)?
            .label(format!("{label}, last {}", shown(last)))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let corner = if y_label.contains("accuracy") {
        SeriesLabelPosition::LowerRight
    } else {
        SeriesLabelPosition::UpperRight
    };
    chart
        .configure_series_labels()
        .position(corner)
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font(sans(14))
        .draw()
        .map_err(drawing)
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

/// Pixels that the longest name takes.
fn name_width(names: &[String], font: i32) -> i32 {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    (longest as f64 * LETTER * f64::from(font)).ceil() as i32
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|idx| format!("class {idx} <&>")).collect()
    }

    /// Text and number of rectangles of a file that has to be well-formed.
    fn texts_and_rectangles(path: &Path) -> (Vec<String>, usize) {
        let svg = std::fs::read_to_string(path).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let named = |name| document.descendants().filter(move |node| node.has_tag_name(name));
        let texts = named("text").map(|node| node.text().unwrap_or_default().trim().to_owned());
        (texts.collect(), named("rect").count())
    }

    #[test]
    fn a_confusion_matrix_shows_every_count_between_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("confusion.svg");
        let mut counts = Array2::zeros((3, 3));
        for (row, column, count) in [(0, 0, 97), (1, 1, 43), (2, 2, 11), (0, 2, 5)] {
            counts[[row, column]] = count;
        }
        confusion_matrix(&path, &names(3), &counts).unwrap();
        let (texts, n_rectangles) = texts_and_rectangles(&path);
        for name in names(3) {
            assert_eq!(texts.iter().filter(|text| **text == name).count(), 2, "{name}: {texts:?}");
        }
        for count in ["97", "43", "11", "5"] {
            assert!(texts.iter().any(|text| text == count), "{count}: {texts:?}");
        }
        assert!(texts.iter().any(|text| text.contains("151 of 156 right, 96.79 %")), "{texts:?}");
        // Background, frame, ten of the key, and a cell for each count above zero.
        assert_eq!(n_rectangles, 2 + 10 + 4);
    }

    #[test]
    fn a_hundred_classes_have_their_names_and_no_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("confusion.svg");
        let counts = Array2::from_diag(&ndarray::Array1::from_elem(100, 77));
        confusion_matrix(&path, &names(100), &counts).unwrap();
        let (texts, n_rectangles) = texts_and_rectangles(&path);
        assert!(names(100).iter().all(|name| texts.contains(name)));
        assert!(!texts.contains(&"77".to_owned()));
        assert_eq!(n_rectangles, 2 + 10 + 100);
    }

    #[test]
    fn bars_bear_name_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.svg");
        per_class_accuracy(&path, &names(2), &[0.9871, 0.5]).unwrap();
        let (texts, n_rectangles) = texts_and_rectangles(&path);
        for text in ["class 0 <&>", "class 1 <&>", "98.71 %", "50.00 %"] {
            assert!(texts.contains(&text.to_owned()), "{text}: {texts:?}");
        }
        assert_eq!(n_rectangles, 1 + 2);
    }

    #[test]
    fn curves_name_phases_axes_and_last_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        let teacher =
            Curve { label: "teacher", loss: &[2.0, 0.5], validation_accuracy: &[0.3, 0.9871] };
        let student = Curve { label: "student", loss: &[4.25], validation_accuracy: &[0.125] };
        curves(&path, "run 1", &[teacher, student]).unwrap();
        let (texts, _) = texts_and_rectangles(&path);
        for text in [
            "run 1",
            "epoch",
            "training loss",
            "validation accuracy, %",
            "teacher, last 98.71 %",
            "student, last 4.250",
        ] {
            assert!(texts.contains(&text.to_owned()), "{text}: {texts:?}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_or_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.svg");
        let message = |result: Result<()>| format!("{:#}", result.unwrap_err());
        assert!(message(curves(&path, "", &[])).contains("there is no epoch"));
        let nan = Curve { label: "x", loss: &[f64::NAN], validation_accuracy: &[0.5] };
        assert!(message(curves(&path, "", &[nan])).contains("not finite"));
        let square = Array2::zeros((2, 2));
        assert!(message(confusion_matrix(&path, &names(3), &square)).contains("does not fit 3"));
        assert!(
            message(per_class_accuracy(&path, &names(1), &[1.5])).contains("not within 0 and 1")
        );
        assert!(message(per_class_accuracy(&path, &names(2), &[1.0])).contains("1 accuracies"));
        assert!(!path.exists());

        std::fs::write(&path, "a file").unwrap();
        let inside = path.join("picture.svg");
        let error = message(per_class_accuracy(&inside, &names(1), &[1.0]));
        assert!(error.contains("cannot write") && error.contains("picture.svg"), "{error}");
    }
}
