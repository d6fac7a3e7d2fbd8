//! `twofold report`: a saved report once more.

use anyhow::Result;
use flow::report::{Report, report_path, report_table};
use flow::shown_file;

use crate::args::ReportArgs;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &ReportArgs) -> Result<Output> {
    let path = match &args.file {
        Some(file) => file.clone(),
        None => report_path()?,
    };
    let report = Report::read(&path)?;
    if args.file.is_none() {
        eprintln!("note: the last run, kept in {}", shown_file(&path));
    }
    Ok(formatted(args.format.format, &report, report_table).into())
}
