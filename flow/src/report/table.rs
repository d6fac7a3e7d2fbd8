//! Reports as text.

use comfy_table::{Cell, CellAlignment, Table, presets};
use sim::{Bound, LayerReport, Report, ScheduleReport};
use spec::shown;

/// A table with a header, whose columns but the first are aligned to the right.
pub(crate) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Digits in groups of three.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The report of a run as text: cycles between images first, then what it came to, where the cycles went, layer by layer.
pub fn report_table(report: &Report) -> String {
    let mut summary = new_table(&["", ""]);
    for (name, value) in summary_rows(report) {
        summary.add_row([Cell::new(name), Cell::new(value)]);
    }
    let title = format!(
        "{} on {}, array of {} rows x {} columns",
        shown(&report.network),
        shown(&report.data),
        report.array.rows,
        report.array.cols
    );
    let single = if report.schedule.n_cycles_between_images.is_none() {
        "\none image is not the steady state: its cycles between images are measured on two or more\n"
    } else {
        ""
    };
    let divergence = report.first_divergence.as_ref();
    let divergence =
        divergence.map_or(String::new(), |found| format!("\nfirst divergence: {found}\n"));
    let (cycles, layers) = (cycles_table(report), layers_table(report));
    format!(
        "{title}\n\n{cycles}\n{single}\n{summary}\n{divergence}\n{layers}\n\ndocs/report.md defines every figure\n"
    )
}

/// The cycles of an image under both schedules.
fn cycles_table(report: &Report) -> Table {
    let (own, dense) = (&report.schedule, report.dense_schedule.as_ref());
    let mut table = match dense {
        Some(_) => {
            new_table(&["cycles an image", "compiled", "dense schedule", "dense / compiled"])
        }
        None => new_table(&["cycles an image", "compiled"]),
    };
    let between = |schedule: &ScheduleReport| {
        schedule.n_cycles_between_images.map_or("not measured".to_owned(), grouped)
    };
    let bound = |schedule: &ScheduleReport| {
        let bound = schedule.bound_by.map(|bound| match bound {
            Bound::Compute => "computing",
            Bound::Output => "sending",
            Bound::Load => "loading",
            Bound::Pack => "packing, after bank 0",
        });
        bound.unwrap_or("-").to_owned()
    };
    let speedup = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
    let loading = match report.array.port_bytes {
        1 => "loading, a byte a cycle".to_owned(),
        bytes => format!("loading, {bytes} bytes a cycle"),
    };
    type Shown<'a> = &'a dyn Fn(&ScheduleReport) -> String;
    let rows: [(_, Shown, _); 5] = [
        ("between images, steady state", &between, speedup(report.speedup_vs_dense)),
        ("  bound by", &bound, String::new()),
        (
            "computing",
            &|schedule| grouped(schedule.n_compute_cycles_per_image),
            speedup(report.compute_speedup_vs_dense),
        ),
        (&loading, &|schedule| grouped(schedule.n_load_cycles_per_image), String::new()),
        ("output", &|schedule| grouped(schedule.n_output_cycles_per_image), String::new()),
    ];
    for (name, shown, ratio) in rows {
        let mut row = vec![name.to_owned(), shown(own)];
        if let Some(dense) = dense {
            row.extend([shown(dense), ratio]);
        }
        table.add_row(row);
    }
    table
}

fn layers_table(report: &Report) -> Table {
    let lost = report.lost_cycles.by_cause();
    let used: Vec<usize> = (0..lost.len())
        .filter(|&cause| {
            report.layers.iter().any(|layer| layer.lost_cycles.by_cause()[cause].1 != 0)
        })
        .collect();
    let mut header = vec![
        "layer",
        "cycles",
        "useful MACs",
        "real pixels",
        "utilization",
        "dense cycles",
        "speed-up",
    ];
    header.extend(used.iter().map(|&cause| lost[cause].0));
    let mut layers = new_table(&header);
    for layer in &report.layers {
        let LayerReport { name, n_cycles, n_useful_macs, utilization, .. } = layer;
        let mut row = vec![
            shown(name).into_owned(),
            grouped(*n_cycles),
            grouped(*n_useful_macs),
            layer.real_pixel_share.map_or("-".to_owned(), percent),
            percent(*utilization),
            layer.n_cycles_dense.map_or("-".to_owned(), grouped),
            layer.speedup_vs_dense.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
        ];
        row.extend(used.iter().map(|&cause| grouped(layer.lost_cycles.by_cause()[cause].1)));
        layers.add_row(row);
    }
    layers
}

fn summary_rows(report: &Report) -> Vec<(&'static str, String)> {
    let accuracy = |value: Option<f64>| value.map_or("no labels".to_owned(), percent);
    let exact = if report.bit_exact {
        "yes, every logit and every layer output".to_owned()
    } else {
        format!("NO, {} images differ", report.n_mismatched_images)
    };
    let steady = |value: Option<String>| value.unwrap_or("not measured".to_owned());
    let mut rows = vec![
        ("images", grouped(report.n_images as u64)),
        ("accuracy, RTL", accuracy(report.accuracy_rtl)),
        ("accuracy, reference", accuracy(report.accuracy_reference)),
        ("bit-exact", exact),
        ("clock, MHz", format!("{}", report.clock_mhz)),
        (
            "images a second at it, steady state",
            steady(report.images_per_second.map(|n| format!("{n:.1}"))),
        ),
        ("useful MACs", grouped(report.n_useful_macs_per_image)),
        ("  that meet real pixels", report.real_pixel_share.map_or("-".to_owned(), percent)),
        ("utilization, steady state", steady(report.steady_state_utilization.map(percent))),
        ("utilization, computing", percent(report.compute_utilization)),
        (
            "dense MACs / PE / cycle, computing",
            format!("{:.3}", report.dense_equivalent_macs_per_pe_per_cycle),
        ),
    ];
    if report.accuracy_rtl.is_some() || report.n_trained_images.is_some() {
        rows.insert(3, ("in the record of training", trained_on(report)));
    }
    for (cause, n_cycles) in report.lost_cycles.by_cause() {
        let name = match cause {
            "idle_pes" => "lost: idle PEs",
            "fetch" => "lost: fetch",
            "weight_load" => "lost: weight load",
            "dependency" => "lost: dependency",
            "accumulator" => "lost: accumulator",
            _ => "lost: drain",
        };
        rows.push((name, grouped(n_cycles)));
    }
    if !report.same_cycles_for_all_images {
        rows.push(("cycles", "of the first image; they vary".to_owned()));
    }
    let speed = report.simulated_cycles_per_second;
    rows.push(("simulated cycles / s, one core", grouped(speed.round() as u64)));
    rows
}

fn trained_on(report: &Report) -> String {
    match report.n_trained_images {
        Some(0) => "none of them".to_owned(),
        Some(n) => format!("{}, so that this is no test", grouped(n as u64)),
        None => "not recorded".to_owned(),
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.2} %", 100.0 * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
