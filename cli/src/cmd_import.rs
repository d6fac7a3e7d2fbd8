//! `twofold import`: a network of a model that others made.

use anyhow::Result;
use flow::report::ImportReport;
use flow::{ImportOptions, import_model, shown_file};
use spec::files::{Outputs, write_network_by};

use crate::args::{Format, ImportArgs};
use crate::output::{Output, formatted};

pub(crate) fn run(args: &ImportArgs) -> Result<Output> {
    let options = ImportOptions {
        model: args.model.clone(),
        name: args.name.clone(),
        classes: args.classes.clone(),
        preprocess: args.preprocess.map(Into::into),
    };
    let inputs = [args.model.clone()].into_iter().chain(args.classes.clone());
    let outputs = Outputs::new(args.force.force).reading(inputs);
    let result = import_model(&options)?;
    write_network_by(&outputs, &result.network, &args.out)?;
    let mut text = formatted(args.format.format, &result.report, ImportReport::table);
    if args.format.format == Format::Table {
        text += &format!("\n-> {}\n", shown_file(&args.out));
    }
    Ok(text.into())
}
