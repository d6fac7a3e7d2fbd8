//! Reports as text.

use comfy_table::{Cell, CellAlignment, Table, presets};
use sim::{LayerReport, Report};

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
pub(crate) fn grouped(value: u64) -> String {
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

/// The report of a run: what it came to, where the cycles went, layer by layer.
pub(crate) fn report_table(report: &Report) -> String {
    let mut summary = new_table(&["", ""]);
    for (name, value) in summary_rows(report) {
        summary.add_row([Cell::new(name), Cell::new(value)]);
    }
    let lost = report.lost_cycles.by_cause();
    let used: Vec<usize> = (0..lost.len())
        .filter(|&cause| {
            report.layers.iter().any(|layer| layer.lost_cycles.by_cause()[cause].1 != 0)
        })
        .collect();
    let mut header =
        vec!["layer", "cycles", "useful MACs", "utilization", "dense cycles", "speed-up"];
    header.extend(used.iter().map(|&cause| lost[cause].0));
    let mut layers = new_table(&header);
    for layer in &report.layers {
        let LayerReport { name, n_cycles, n_useful_macs, utilization, .. } = layer;
        let mut row = vec![
            name.clone(),
            grouped(*n_cycles),
            grouped(*n_useful_macs),
            percent(*utilization),
            layer.n_cycles_dense.map_or("-".to_owned(), grouped),
            layer.speedup_vs_dense.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
        ];
        row.extend(used.iter().map(|&cause| grouped(layer.lost_cycles.by_cause()[cause].1)));
        layers.add_row(row);
    }
    let title = format!(
        "{} on {}, array of {} rows x {} columns",
        report.network, report.data, report.array.rows, report.array.cols
    );
    let divergence = report.first_divergence.as_ref();
    let divergence =
        divergence.map_or(String::new(), |found| format!("\nfirst divergence: {found}\n"));
    format!("{title}\n\n{summary}\n{divergence}\n{layers}\n")
}

fn summary_rows(report: &Report) -> Vec<(&'static str, String)> {
    let accuracy = |value: Option<f64>| value.map_or("no labels".to_owned(), percent);
    let exact = if report.bit_exact {
        "yes, every logit and every layer output".to_owned()
    } else {
        format!("NO, {} images differ", report.n_mismatched_images)
    };
    let varying = if report.same_cycles_for_all_images { "" } else { " (first image; they vary)" };
    let mut rows = vec![
        ("images", grouped(report.n_images as u64)),
        ("accuracy, RTL", accuracy(report.accuracy_rtl)),
        ("accuracy, reference", accuracy(report.accuracy_reference)),
        ("bit-exact", exact),
        ("cycles an image", grouped(report.n_cycles_per_image) + varying),
        ("load cycles, overlapped", grouped(report.n_load_cycles_per_image)),
        ("cycles between images", grouped(report.n_cycles_between_images)),
        ("useful MACs", grouped(report.n_useful_macs_per_image)),
        ("utilization", percent(report.utilization)),
        (
            "dense MACs / PE / cycle",
            format!("{:.3}", report.dense_equivalent_macs_per_pe_per_cycle),
        ),
    ];
    if let (Some(cycles), Some(ratio)) = (report.n_cycles_per_image_dense, report.speedup_vs_dense)
    {
        rows.push(("cycles, dense schedule", grouped(cycles)));
        rows.push(("speed-up over dense", format!("{ratio:.3}")));
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
    rows.push(("clock, MHz", format!("{}", report.clock_mhz)));
    rows.push(("images a second at it", format!("{:.1}", report.images_per_second)));
    let speed = report.simulated_cycles_per_second;
    rows.push(("simulated cycles / s, one core", grouped(speed.round() as u64)));
    rows
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
