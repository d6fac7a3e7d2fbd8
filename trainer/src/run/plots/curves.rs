//! `curves.svg`.

use std::path::Path;

use anyhow::{Result, ensure};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{
    Area, COLORS, FAINT, INK, MARGIN, drawing, left_aligned, sans, shorten, text, text_width, write,
};

/// Width of a panel.
const WIDTH: i32 = 560;
/// Height of its chart, with the axis.
const CHART: i32 = 300;
/// Height of the title above all panels, and of a line of text above a chart.
const TITLE: i32 = 48;
const LINE: i32 = 20;

/// One phase of training, a value an epoch, from the first epoch on.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// Name of the phase.
    pub label: &'a str,
    /// Part of the validation images that are classified rightly, 0 to 1.
    pub validation_accuracy: &'a [f64],
    /// Mean cross-entropy on the validation images, in nats.
    pub validation_cross_entropy: &'a [f64],
    /// Mean training loss.
    pub loss: &'a [f64],
    /// What that loss is: losses of different kinds are not compared.
    pub loss_name: &'a str,
    /// What happened to the network in the course of the phase.
    pub marks: &'a [Mark],
}

/// Something that happened between two epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Epochs before it.
    pub after: usize,
    /// What it is.
    pub text: String,
}

/// A chart and what stands above it.
struct Panel<'a> {
    title: String,
    lines: Vec<Line<'a>>,
    marks: Vec<(&'a Mark, RGBColor)>,
    shown: fn(f64) -> String,
}

struct Line<'a> {
    label: &'a str,
    values: Vec<f64>,
    color: RGBColor,
}

/// Draws validation accuracy and cross-entropy, a line a phase, and the training loss of each phase in a chart of its own.
/// What happened between epochs is a vertical line with its name above.
///
/// # Errors
/// No epoch at all, a value that is not finite, or a file that cannot be written.
pub fn curves(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let values = || {
        curves.iter().flat_map(|curve| {
            [curve.loss, curve.validation_accuracy, curve.validation_cross_entropy].concat()
        })
    };
    ensure!(values().next().is_some(), "{}: there is no epoch to draw", path.display());
    ensure!(values().all(|value| value.is_finite()), "{}: a value is not finite", path.display());
    let panels = panels(curves);
    let heights: Vec<i32> = panels
        .chunks(2)
        .map(|pair| pair.iter().map(Panel::head).max().unwrap_or(0) + CHART)
        .collect();
    let title = shorten_title(title);
    let width = (2 * WIDTH).max(text_width(&title, 20) + 2 * MARGIN);
    let height = TITLE + heights.iter().sum::<i32>();
    write(path, (width as u32, height as u32), |root| {
        text(root, &title, (MARGIN, TITLE / 2), &left_aligned(20))?;
        let mut top = TITLE;
        for (pair, height) in panels.chunks(2).zip(&heights) {
            for (left, panel) in [0, WIDTH].into_iter().zip(pair) {
                panel.draw(root, (left, top), *height)?;
            }
            top += height;
        }
        Ok(())
    })
}

/// Words of a title, each as long as a name may be.
fn shorten_title(title: &str) -> String {
    title.split(' ').map(shorten).collect::<Vec<_>>().join(" ")
}

fn panels<'a>(curves: &'a [Curve]) -> Vec<Panel<'a>> {
    let colored = || curves.iter().zip(COLORS.into_iter().cycle());
    let of_all = |title: &str, values: fn(&Curve) -> Vec<f64>, shown| Panel {
        title: title.to_owned(),
        lines: colored()
            .map(|(curve, color)| Line { label: curve.label, values: values(curve), color })
            .collect(),
        marks: colored()
            .flat_map(|(curve, color)| curve.marks.iter().map(move |mark| (mark, color)))
            .collect(),
        shown,
    };
    let percents =
        |curve: &Curve| curve.validation_accuracy.iter().map(|part| 100.0 * part).collect();
    let mut panels = vec![
        of_all("validation accuracy, %", percents, |value| format!("{value:.2} %")),
        of_all(
            "validation cross-entropy, nats",
            |curve| curve.validation_cross_entropy.to_vec(),
            |value| format!("{value:.3}"),
        ),
    ];
    panels.extend(colored().map(|(curve, color)| Panel {
        title: format!("training loss, {}: {}", curve.label, curve.loss_name),
        lines: vec![Line { label: curve.label, values: curve.loss.to_vec(), color }],
        marks: curve.marks.iter().map(|mark| (mark, color)).collect(),
        shown: |value| format!("{value:.3}"),
    }));
    panels
}

impl Panel<'_> {
    /// Height of what stands above the chart: title, legend, names of marks.
    fn head(&self) -> i32 {
        LINE * (2 + self.lines.len() + self.marks.len()) as i32
    }

    fn draw(&self, root: &Area, (left, top): (i32, i32), height: i32) -> Result<()> {
        text(root, &self.title, (left + MARGIN, top + LINE / 2), &left_aligned(16))?;
        for (row, line) in (1..).zip(&self.lines) {
            let Some(&last) = line.values.last() else { continue };
            let (x, y) = (left + MARGIN, top + LINE * row + LINE / 2);
            let key = PathElement::new([(x, y), (x + 18, y)], line.color.stroke_width(2));
            root.draw(&key).map_err(drawing)?;
            let legend = format!("{}, last {}", line.label, (self.shown)(last));
            text(root, &legend, (x + 26, y), &left_aligned(14))?;
        }
        // The chart stands at the bottom, so that charts side by side are on one line.
        let bottom = top + height;
        let area = root.clone().shrink((left, bottom - CHART), (WIDTH, CHART));
        let n_epochs = self.lines.iter().map(|line| line.values.len()).max().unwrap_or(0).max(1);
        let values = || self.lines.iter().flat_map(|line| line.values.iter().copied());
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        let margin = ((high - low) * 0.05).max(high.abs() * 0.01).max(1e-3);
        let mut chart = ChartBuilder::on(&area)
            .margin_right(24)
            .margin_bottom(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(Epochs(n_epochs), low - margin..high + margin)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_desc("epoch")
            .axis_desc_style(sans(15))
            .label_style(sans(14))
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .x_labels(11)
            .y_labels(8)
            .draw()
            .map_err(drawing)?;
        let first_mark = bottom - CHART - LINE * self.marks.len() as i32;
        for (row, (mark, color)) in (0..).zip(&self.marks) {
            let after = mark.after as f64 + 0.5;
            let foot = chart.backend_coord(&(after, low - margin));
            let y = first_mark + LINE * row + LINE / 2;
            let style = color.mix(0.7).stroke_width(1);
            root.draw(&PathElement::new([(foot.0, y + LINE / 2), foot], style)).map_err(drawing)?;
            let is_late = foot.0 > left + WIDTH * 3 / 5;
            let side = if is_late { HPos::Right } else { HPos::Left };
            let x = foot.0 + if is_late { -4 } else { 4 };
            let style = sans(14).pos(Pos::new(side, VPos::Center)).color(color);
            text(root, &mark.text, (x, y), &style)?;
        }
        // Wider below, so that curves that coincide are both seen.
        for (above, Line { values, color, .. }) in (0..self.lines.len()).rev().zip(&self.lines) {
            let points = (1..).map(f64::from).zip(values.iter().copied());
            let series = LineSeries::new(points, color.stroke_width(2 + 2 * above as u32));
            let size = if values.len() > 1 { 0 } else { 3 };
            chart.draw_series(series.point_size(size)).map_err(drawing)?;
        }
        Ok(())
    }
}

/// The axis of epochs: whole numbers are labeled, and marks stand between them.
#[derive(Clone)]
struct Epochs(usize);

impl Ranged for Epochs {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(0.0..self.0 as f64 + 0.5).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let most = hint.max_num_points().max(2) - 1;
        let steps = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
        let step = steps.into_iter().find(|step| self.0 / step <= most).unwrap_or(1);
        (0..=self.0).step_by(step).map(|epoch| epoch as f64).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.0 as f64 + 0.5
    }
}
