//! `twofold shapes`: how busy the array is with layers of many shapes.

use anyhow::Result;
use flow::report::ShapeReport;
use flow::{ShapesOptions, shapes};

use crate::args::ShapesArgs;
use crate::output::{Output, formatted};

pub(crate) fn run(args: &ShapesArgs) -> Result<Output> {
    let options = ShapesOptions { array: args.array.into(), ..ShapesOptions::default() };
    Ok(formatted(args.format.format, &shapes(&options)?, ShapeReport::table).into())
}
