//! Results of many runs, gathered row by row over seeds, and what can be concluded from them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::printing::grouped;
use crate::table::definition::{Group, Kind, Row, Table};
use crate::table::hardware::Hardware;
use crate::table::schedule::{Job, read_result};
use crate::table::statistics::{Spread, pooled_sd, resolution, spread};
use crate::training::outcome::{DataReport, Outcome, StudentReport, TeacherReport};

/// Means less than this apart, in points, are equal but for the order of the seeds.
const TIE: f64 = 1e-9;

/// Everything that is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Layout of this object.
    pub format_version: u32,
    /// Name of the table.
    pub table: String,
    /// Day on which it was printed, `YYYY-MM-DD`.
    pub date: String,
    /// The command that repeats it.
    pub command: String,
    /// Commits that the runs were made with.
    pub git_revisions: Vec<String>,
    /// Numbers that the maps consisted of while training.
    pub precisions: Vec<String>,
    /// What the largest of the runs were made on.
    pub data: Option<DataReport>,
    /// Seeds asked for.
    pub n_seeds: usize,
    /// Whether all seeds have the teacher of seed 1.
    pub one_teacher: bool,
    /// Runs that are not there, or are of other options.
    pub n_missing: usize,
    /// Time of all epochs of all runs, one after another, in seconds.
    pub seconds: f64,
    /// Teachers.
    pub teachers: Vec<TeacherRow>,
    /// Students.
    pub groups: Vec<GroupSummary>,
}

/// A teacher over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TeacherRow {
    /// Name in the table.
    pub name: String,
    /// Network.
    pub network: String,
    /// Weights, biases and batch-norm.
    pub n_parameters: usize,
    /// Multiplications an image.
    pub n_macs: usize,
    /// Training images.
    pub n_train: usize,
    /// Over seeds, on validation images.
    pub validation: Spread,
    /// Over seeds, on test images.
    pub test: Spread,
    /// Seeds that are there.
    pub n_seeds: usize,
}

/// Rows that are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupSummary {
    /// Short name.
    pub name: String,
    /// Heading.
    pub title: String,
    /// Training images.
    pub n_train: usize,
    /// Standard deviation of one int8 run, from all rows together, in points.
    pub pooled_sd_percent: Option<f64>,
    /// Two standard errors of a difference of two means of all seeds, in points.
    pub resolution_percent: Option<f64>,
    /// In the order of the table.
    pub rows: Vec<RowSummary>,
    /// Who wins, in words.
    pub statements: Vec<String>,
}

/// A student over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowSummary {
    /// Name in the table.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// Name of its teacher's row.
    pub teacher: Option<String>,
    /// Network.
    pub network: String,
    /// Which weights it keeps.
    pub sparsity: String,
    /// Weights of the network.
    pub n_weights: usize,
    /// Those that are not pruned.
    pub n_kept: usize,
    /// Of the first seed; none if it was not asked for or does not fit.
    pub hardware: Option<Hardware>,
    /// Floating point, test images.
    pub float: Spread,
    /// int8, test images.
    pub int8: Spread,
    /// int8, validation images.
    pub int8_validation: Spread,
    /// Seeds that are there.
    pub n_seeds: usize,
}

/// What surrounds the results.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Run folders are in here.
    pub output: &'a Path,
    /// What the table runs: a result of another record counts as missing.
    pub jobs: &'a [Job],
    /// Seeds are `1..=n_seeds`.
    pub n_seeds: usize,
    /// Day of printing.
    pub date: &'a str,
    /// The command that repeats the table.
    pub command: &'a str,
}

/// Run folder of a row and a seed.
pub fn run_folder(output: &Path, row: &Row, seed: usize) -> std::path::PathBuf {
    output.join(&row.id).join(format!("seed-{seed}"))
}

/// Gathers what is there; `hardware` gives the figures of a row from a run folder.
///
/// # Errors
/// A result that cannot be read, or runs on different data.
pub fn gather(
    table: &Table,
    teachers: &[usize],
    context: Context,
    mut hardware: impl FnMut(&Path) -> Option<Hardware>,
) -> Result<Summary> {
    let mut facts = Facts::default();
    let mut teacher_rows = Vec::new();
    for &idx in teachers {
        let n_seeds = if table.one_teacher { 1 } else { context.n_seeds };
        let runs = facts.read(context, &table.teachers[idx], n_seeds)?;
        teacher_rows.extend(teacher_row(&table.teachers[idx], &runs));
    }
    let mut groups = Vec::new();
    for group in &table.groups {
        let mut rows = Vec::new();
        let mut n_train = 0;
        for row in &group.rows {
            let runs = facts.read(context, row, context.n_seeds)?;
            let Some((first, _)) = runs.first() else { continue };
            n_train = n_train.max(runs.iter().map(|(_, run)| run.data.n_train).max().unwrap_or(0));
            let figures = hardware(&run_folder(context.output, row, *first));
            rows.extend(row_summary(table, row, &runs, figures));
        }
        groups.push(group_summary(group, n_train, rows));
    }
    Ok(Summary {
        format_version: 2,
        table: table.name.clone(),
        date: context.date.to_owned(),
        command: context.command.to_owned(),
        git_revisions: facts.git_revisions.into_iter().collect(),
        precisions: facts.precisions.into_iter().collect(),
        data: facts.data,
        n_seeds: context.n_seeds,
        one_teacher: table.one_teacher,
        n_missing: facts.n_missing,
        seconds: facts.seconds,
        teachers: teacher_rows,
        groups,
    })
}

/// What all runs have in common.
#[derive(Debug, Default)]
struct Facts {
    git_revisions: BTreeSet<String>,
    precisions: BTreeSet<String>,
    data: Option<DataReport>,
    n_missing: usize,
    seconds: f64,
}

impl Facts {
    /// Results of a row by seed, those that are there.
    fn read(
        &mut self,
        context: Context,
        row: &Row,
        n_seeds: usize,
    ) -> Result<Vec<(usize, Outcome)>> {
        let mut runs = Vec::new();
        for seed in 1..=n_seeds {
            let folder = run_folder(context.output, row, seed);
            let job = context.jobs.iter().find(|job| job.folder == folder);
            let Some(run) = job.map(read_result).transpose()?.flatten() else {
                self.n_missing += 1;
                continue;
            };
            if !run.git_revision.is_empty() {
                self.git_revisions.insert(run.git_revision.clone());
            }
            let precision = run.options.get("precision").and_then(Value::as_str);
            self.precisions.extend(precision.map(str::to_owned));
            self.seconds += run.seconds;
            match &mut self.data {
                None => self.data = Some(run.data.clone()),
                Some(data) => {
                    ensure!(
                        data.sha256_test == run.data.sha256_test,
                        "{}: its test images are not those of the other runs, so that nothing can be compared; \
                         remove the run, or give another --output",
                        folder.display()
                    );
                    if run.data.n_train > data.n_train {
                        *data = run.data.clone();
                    }
                }
            }
            runs.push((seed, run));
        }
        Ok(runs)
    }
}

fn teacher_row(row: &Row, runs: &[(usize, Outcome)]) -> Option<TeacherRow> {
    let teachers: Vec<_> = runs.iter().filter_map(|(_, run)| run.teacher.as_ref()).collect();
    let first = teachers.first()?;
    let over_seeds = |accuracy: fn(&TeacherReport) -> f64| {
        spread(&teachers.iter().map(|teacher| accuracy(teacher)).collect::<Vec<_>>())
    };
    Some(TeacherRow {
        name: row.name.clone(),
        network: first.name.clone(),
        n_parameters: first.n_parameters,
        n_macs: first.n_macs,
        n_train: runs.iter().map(|(_, run)| run.data.n_train).max()?,
        validation: over_seeds(|teacher| teacher.validation.accuracy)?,
        test: over_seeds(|teacher| teacher.test.accuracy)?,
        n_seeds: teachers.len(),
    })
}

fn row_summary(
    table: &Table,
    row: &Row,
    runs: &[(usize, Outcome)],
    hardware: Option<Hardware>,
) -> Option<RowSummary> {
    let students: Vec<_> = runs.iter().filter_map(|(_, run)| run.student.as_ref()).collect();
    let first = students.first()?;
    let over_seeds = |accuracy: fn(&StudentReport) -> f64| {
        spread(&students.iter().map(|student| accuracy(student)).collect::<Vec<_>>())
    };
    Some(RowSummary {
        name: row.name.clone(),
        kind: row.kind,
        teacher: row.teacher.map(|idx| table.teachers[idx].name.clone()),
        network: first.name.clone(),
        sparsity: row.options["sparsity"].as_str().unwrap_or_default().to_owned(),
        n_weights: first.n_weights,
        n_kept: first.n_kept,
        hardware,
        float: over_seeds(|student| student.float.test.accuracy)?,
        int8: over_seeds(|student| student.int8.test.accuracy)?,
        int8_validation: over_seeds(|student| student.int8.validation.accuracy)?,
        n_seeds: students.len(),
    })
}

fn group_summary(group: &Group, n_train: usize, rows: Vec<RowSummary>) -> GroupSummary {
    let pooled = pooled_sd(rows.iter().map(|row| (row.n_seeds, row.int8.sd_percent)));
    let n_fewest = rows.iter().map(|row| row.n_seeds).min().unwrap_or(0);
    let mut statements = Vec::new();
    let mut teachers: Vec<&Option<String>> = rows.iter().map(|row| &row.teacher).collect();
    teachers.dedup();
    for teacher in teachers {
        let variant: Vec<_> = rows.iter().filter(|row| row.teacher == *teacher).collect();
        statements.extend(who_wins(&variant, teacher.as_deref(), pooled));
    }
    statements.extend(what_the_teacher_gives(&rows, pooled));
    GroupSummary {
        name: group.name.clone(),
        title: group.title.clone(),
        n_train,
        pooled_sd_percent: pooled,
        resolution_percent: pooled.map(|sd| resolution(sd, n_fewest, n_fewest)),
        rows,
        statements,
    }
}

/// The highest mean, and each UHP row beside each of the others.
fn who_wins(rows: &[&RowSummary], teacher: Option<&str>, pooled: Option<f64>) -> Option<String> {
    let mean = |row: &&RowSummary| row.int8.mean_percent;
    let highest = rows.iter().map(mean).max_by(f64::total_cmp)?;
    let winners = rows.iter().filter(|row| highest - mean(row) < TIE);
    let winners: Vec<_> = winners.map(|row| format!("{}'s", row.name)).collect();
    let who = teacher.map_or("Alone".to_owned(), |teacher| format!("Taught by {teacher}"));
    let mut text = format!("{who}, the highest mean is {}, {highest:.2} %.", winners.join(" and "));
    let (uhp_rows, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.kind == Kind::Uhp);
    if others.is_empty() {
        return Some(text);
    }
    for uhp in uhp_rows {
        let beside = |other: &&RowSummary| {
            format!("{} {}", difference(uhp, other, pooled), what(other, uhp))
        };
        let differences: Vec<_> = others.iter().map(beside).collect();
        text += &format!(
            " {} has {:.2} %: {}.",
            uhp.name,
            uhp.int8.mean_percent,
            differences.join(", ")
        );
    }
    Some(text)
}

/// The name of `row`, and what it is beside `uhp`.
fn what(row: &RowSummary, uhp: &RowSummary) -> String {
    let name = &row.name;
    match (row.kind, &row.hardware, &uhp.hardware) {
        (Kind::Narrow, Some(hardware), Some(_)) => {
            let cycles = grouped(hardware.n_cycles_between_images as usize);
            format!("{name}, the narrow dense network of {cycles} cycles between images")
        }
        (Kind::Narrow, _, _) => format!("{name}, the narrow dense rival"),
        _ => name.clone(),
    }
}

/// How far `a` is from `b`, in points, and whether that can be told.
fn difference(a: &RowSummary, b: &RowSummary, pooled: Option<f64>) -> String {
    let points = a.int8.mean_percent - b.int8.mean_percent;
    if points.abs() < TIE {
        return "level with".to_owned();
    }
    let side = if points < 0.0 { "below" } else { "above" };
    let is_resolved = pooled.is_some_and(|sd| points.abs() > resolution(sd, a.n_seeds, b.n_seeds));
    let resolved = if is_resolved { "resolved" } else { "not resolved" };
    format!("{:.2} points ({resolved}) {side}", points.abs())
}

/// Each row beside itself without its teacher.
fn what_the_teacher_gives(rows: &[RowSummary], pooled: Option<f64>) -> Option<String> {
    let gains: Vec<_> = rows
        .iter()
        .filter(|row| row.teacher.is_some())
        .filter_map(|taught| {
            let is_same = |row: &&RowSummary| row.teacher.is_none() && row.name == taught.name;
            let alone = rows.iter().find(is_same)?;
            let points = taught.int8.mean_percent - alone.int8.mean_percent;
            let is_resolved = pooled
                .is_some_and(|sd| points.abs() > resolution(sd, taught.n_seeds, alone.n_seeds));
            let mark = if is_resolved { "" } else { " (not resolved)" };
            Some(format!("{} {points:+.2}{mark}", taught.name))
        })
        .collect();
    (!gains.is_empty()).then(|| format!("What the teacher gives, in points: {}.", gains.join(", ")))
}
