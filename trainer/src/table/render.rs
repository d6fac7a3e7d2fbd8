//! A summary as Markdown.

use std::fmt::Write;

use crate::printing::grouped;
use crate::table::statistics::Spread;
use crate::table::summary::{GroupSummary, RowSummary, Summary, TeacherRow};

/// Digits of digests and commits that are shown.
const N_DIGEST: usize = 12;

/// The whole table.
pub fn markdown(summary: &Summary) -> String {
    let mut text = format!("# {}\n\n", summary.table);
    header(&mut text, summary);
    if !summary.teachers.is_empty() {
        text += "\n## Teachers\n\n";
        text += "| teacher | network | training images | parameters | MACs an image | validation % | test % | seeds |\n";
        text += "|---|---|---:|---:|---:|---:|---:|---:|\n";
        summary.teachers.iter().for_each(|row| text += &teacher_line(row));
    }
    summary.groups.iter().for_each(|group| text += &group_text(group));
    text
}

fn header(text: &mut String, summary: &Summary) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "- {name}: {value}");
    };
    line("date", &summary.date);
    line("command", &format!("`{}`", summary.command));
    let revisions: Vec<_> = summary.git_revisions.iter().map(|revision| short(revision)).collect();
    let commit = if revisions.is_empty() { "unknown".to_owned() } else { revisions.join(", ") };
    line("commit", &commit);
    if let Some(data) = &summary.data {
        let counts = format!(
            "{}: {} training, {} validation, {} test images; test images' SHA-256 {}...",
            data.name,
            data.n_train,
            data.n_validation,
            data.n_test,
            short(&data.sha256_test)
        );
        line("data", &counts);
    }
    line(
        "choices",
        "made on validation images; test images were classified once a run, at its end, and give the accuracies below",
    );
    let mut rows = summary.groups.iter().flat_map(|group| &group.rows);
    let teacher = if summary.one_teacher && rows.any(|row| row.teacher.is_some()) {
        " (one teacher for all seeds, whose own variation is not in it)"
    } else {
        ""
    };
    line(
        "spread",
        &format!("mean ± sample standard deviation over seeds 1 to {}{teacher}", summary.n_seeds),
    );
    line(
        "resolved",
        "a difference above two standard errors, from the standard deviation of all rows of a table together",
    );
    if summary.groups.iter().flat_map(|group| &group.rows).any(|row| row.hardware.is_some()) {
        line(
            "hardware",
            "array of 8 rows x 16 columns; cycles of the simulated RTL in the steady state, every bit checked; those between images \
             include loading and sending, unless computing hides them",
        );
    }
    line("precision", &format!("{} while training", summary.precisions.join(" and ")));
    let hours = summary.seconds / 3600.0;
    line("training time", &format!("about {hours:.1} h, the epochs of all runs one after another"));
    if summary.n_missing > 0 {
        line("not done yet", &format!("{} of the runs", summary.n_missing));
    }
}

fn teacher_line(row: &TeacherRow) -> String {
    let TeacherRow { name, network, n_train, n_parameters, n_macs, validation, test, n_seeds } =
        row;
    let (n_train, n_parameters) = (grouped(*n_train), grouped(*n_parameters));
    let (n_macs, validation, test) = (grouped(*n_macs), shown(*validation), shown(*test));
    format!(
        "| {name} | {network} | {n_train} | {n_parameters} | {n_macs} | {validation} | {test} | {n_seeds} |\n"
    )
}

fn group_text(group: &GroupSummary) -> String {
    let mut text = format!("\n## {}\n\n", group.title);
    if group.rows.is_empty() {
        return text + "No run is done.\n";
    }
    text += &format!("{} training images. ", grouped(group.n_train));
    text += &match (group.pooled_sd_percent, group.resolution_percent) {
        (Some(sd), Some(points)) => format!(
            "A difference is resolved above {points:.2} points (standard deviation of a run {sd:.2} points).\n\n"
        ),
        _ => "No difference is resolved: no row has two seeds.\n\n".to_owned(),
    };
    text += "| row | network | sparsity | teacher | weights kept | ROM KiB | cycles between images | computing | float % | int8 % | seeds |\n";
    text += "|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n";
    group.rows.iter().for_each(|row| text += &row_line(row));
    text.push('\n');
    for statement in &group.statements {
        text += &format!("- {statement}\n");
    }
    text
}

fn row_line(row: &RowSummary) -> String {
    let RowSummary { name, network, sparsity, n_seeds, .. } = row;
    let kept = format!(
        "{} ({:.1} %)",
        grouped(row.n_kept),
        100.0 * row.n_kept as f64 / row.n_weights.max(1) as f64
    );
    let hardware = match &row.hardware {
        Some(hardware) => format!(
            "{:.1} | {} | {}",
            hardware.rom_bytes as f64 / 1024.0,
            grouped(hardware.n_cycles_between_images as usize),
            grouped(hardware.n_compute_cycles_per_image as usize)
        ),
        None => "- | - | -".to_owned(),
    };
    let teacher = row.teacher.as_deref().unwrap_or("-");
    let (float, int8) = (shown(row.float), shown(row.int8));
    format!(
        "| {name} | {network} | {sparsity} | {teacher} | {kept} | {hardware} | {float} | {int8} | {n_seeds} |\n"
    )
}

fn shown(spread: Spread) -> String {
    let mean = spread.mean_percent;
    spread.sd_percent.map_or(format!("{mean:.2}"), |sd| format!("{mean:.2} ± {sd:.2}"))
}

/// The start of a digest or commit; `+` marks changed files.
fn short(digest: &str) -> String {
    let start: String = digest.chars().take(N_DIGEST).collect();
    if digest.ends_with('+') && digest.len() > N_DIGEST { start + "+" } else { start }
}
