//! `twofold export`: a network as an ONNX model.

use anyhow::Result;
use flow::{NetworkChoice, export, shown_file};
use spec::files::{Kind, Outputs};
use spec::shown;

use crate::args::ExportArgs;
use crate::output::Output;

pub(crate) fn run(args: &ExportArgs) -> Result<Output> {
    let network = NetworkChoice::from(&args.network);
    let outputs = Outputs::new(args.force.force).reading(network.inputs()?);
    let target = outputs.target(&args.out, Kind::Onnx)?;
    let result = export(&network)?;
    target.write(&result.onnx)?;
    let name = shown(&result.network.name).to_string();
    let (n_layers, n_bytes) = (result.network.layers.len(), result.onnx.len());
    Ok(format!("{name}: {n_layers} layers, {n_bytes} bytes -> {}", shown_file(&args.out)).into())
}
