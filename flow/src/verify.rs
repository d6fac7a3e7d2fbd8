//! An imported network against the runtime that its model is made for: every map of it, in the reference and in the RTL.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use dataset::Band;
use import::{Imported, MapSource, Preset};
use ndarray::{Array2, Array4, ArrayD};
use ndarray_npy::{read_npy, write_npy};
use rayon::prelude::*;
use serde_json::json;
use sim::Report;
use spec::{Inference, LayerOutput, QuantNetwork, Shape, TensorRef, run_reference};
use tempfile::TempDir;

use crate::cases::random_image;
use crate::choice::{ArraySizes, ImageChoice, NetworkChoice, WorkloadOptions};
use crate::error::FlowError;
use crate::log::Log;
use crate::report::{MapAgreement, VerifyReport};
use crate::run::{RunOptions, run};
use crate::tools::{Runtimes, Tools};
use crate::workload::read_images;

/// Inputs that the runtime gets at a time: their maps lie on disk in between.
const CHUNK: usize = 32;

/// What is compared.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The model.
    pub model: PathBuf,
    /// How images become inputs.
    pub preprocess: Preset,
    /// What it is given, and on which array.
    pub comparison: ComparisonOptions,
}

/// What models are given, and on which array they run.
#[derive(Clone, Debug)]
pub struct ComparisonOptions {
    /// How many inputs; as many of them as there are images, half of all at most, are images of `data`, the others random.
    pub n_inputs: usize,
    /// Of the random inputs.
    pub seed: u64,
    /// Images: a folder or file as `sim --data` takes it.
    pub data: Option<String>,
    /// The band of images that have several.
    pub band: Option<Band>,
    /// The array of the RTL.
    pub array: ArraySizes,
    /// The clock for inferences a second, in MHz.
    pub clock_mhz: f64,
    /// What is said meanwhile.
    pub log: Log,
}

/// Runs a model in the runtime that it is made for, and the network that is imported from it in the integer reference and in the RTL, on the
/// same inputs.
///
/// # Errors
/// A model that is not imported, images that cannot be read, a network that does not fit the array, a missing tool, a runtime that
/// refuses the model. Values that differ are a result.
pub fn verify(options: &VerifyOptions) -> Result<VerifyReport, FlowError> {
    // What takes no images has no pre-processing either.
    let VerifyOptions { model, preprocess, comparison: options } = options;
    let preprocess = options.data.as_ref().map(|_| *preprocess);
    let lowering = import::Options { preprocess, ..import::Options::default() };
    let imported = crate::model::read(model, &lowering)?;
    let (inputs, n_images) = inputs(&imported.network, options)?;
    let (runtime, maps) = compare(model, &imported, &inputs, options.log)?;
    let rtl = rtl(imported.network, inputs, options)?;
    Ok(VerifyReport::new(model, runtime, n_images, maps, rtl))
}

/// The inputs, and how many of them are images.
fn inputs(
    network: &QuantNetwork,
    options: &ComparisonOptions,
) -> Result<(Vec<Vec<i8>>, usize), FlowError> {
    let mut inputs = match &options.data {
        Some(source) => read_images(network, source, options.band, options.n_inputs / 2)?,
        None => Vec::new(),
    };
    let n_images = inputs.len();
    let seeds = (n_images..options.n_inputs).map(|index| options.seed.wrapping_add(index as u64));
    inputs.extend(seeds.map(|seed| random_image(network, seed)));
    Ok((inputs, n_images))
}

fn rtl(
    network: QuantNetwork,
    inputs: Vec<Vec<i8>>,
    options: &ComparisonOptions,
) -> Result<Report, FlowError> {
    let workload = WorkloadOptions {
        network: NetworkChoice::Given(Box::new(network)),
        images: ImageChoice::Given(inputs),
        array: options.array,
        fit: true,
    };
    let (clock_mhz, log) = (options.clock_mhz, options.log);
    Ok(run(&RunOptions { workload, clock_mhz, log, ..RunOptions::default() })?.report)
}

/// Every map that both the runtime and the reference have, of every input; with it the runtime's name.
fn compare(
    model: &Path,
    imported: &Imported,
    inputs: &[Vec<i8>],
    log: Log,
) -> Result<(String, Vec<MapAgreement>), FlowError> {
    let network = &imported.network;
    let shapes = network.shapes();
    let compared: Vec<(usize, &MapSource, Shape)> = imported
        .maps
        .iter()
        .enumerate()
        .filter_map(|(layer, source)| Some((layer, source.as_ref()?, shapes[layer])))
        .collect();
    let mut runtime = Runtime::start(model, imported, &compared)?;
    let mut agreements: Vec<MapAgreement> = compared
        .iter()
        .map(|(layer, source, _)| MapAgreement::new(&network.layers[*layer].name, source))
        .collect();
    let progress = log.progress("verify", inputs.len() as u64, "inputs");
    for chunk in inputs.chunks(CHUNK) {
        let theirs = runtime.maps(network, chunk, &compared)?;
        let ours: Vec<Inference> = chunk
            .par_iter()
            .map(|input| run_reference(network, input))
            .collect::<Result<_, _>>()?;
        for (index, inference) in ours.iter().enumerate() {
            let differences: Vec<u32> = compared
                .iter()
                .zip(&theirs)
                .zip(&mut agreements)
                .map(|(((layer, ..), theirs), agreement)| {
                    agreement.add(values(&inference.layers[*layer]), theirs.row(index))
                })
                .collect();
            // A map that differs though nothing does that it is computed from.
            for (position, (layer, ..)) in compared.iter().enumerate() {
                let differs_at = |map: &TensorRef| {
                    let TensorRef::Layer(layer) = map else { return false };
                    compared
                        .iter()
                        .position(|(of, ..)| of == layer)
                        .is_some_and(|at| differences[at] > 0)
                };
                let inherited = network.layers[*layer].reads().any(|map| differs_at(&map));
                if !inherited {
                    agreements[position].begin(differences[position]);
                }
            }
        }
        progress.inc(chunk.len() as u64);
    }
    progress.clear();
    Ok((runtime.name.clone(), agreements))
}

/// Rows, columns, channels.
fn values(output: &LayerOutput) -> Vec<i16> {
    match output {
        LayerOutput::Map(map) => map.iter().map(|value| i16::from(*value)).collect(),
        LayerOutput::Output(map) => map.iter().copied().collect(),
    }
}

/// A runtime with a model, in a process of its own.
struct Runtime {
    name: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Runtime {
    fn start(
        model: &Path,
        imported: &Imported,
        compared: &[(usize, &MapSource, Shape)],
    ) -> Result<Self, FlowError> {
        let runtimes = Runtimes::find(&Tools::find()?)?;
        let refused = |reason: String| FlowError::Runtime { path: model.to_owned(), reason };
        let folder = TempDir::new().map_err(|error| refused(error.to_string()))?;
        let mut child = runtimes
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| refused(error.to_string()))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes");
        };
        let answers = BufReader::new(answers);
        let name = String::new();
        let mut runtime = Self { name, child, requests, answers, folder };
        let shape = |shape: Shape| [shape.height, shape.width, shape.channels];
        let maps: Vec<_> = compared
            .iter()
            .map(|(_, source, of)| json!({"node": source.node, "name": source.tensor, "shape": shape(*of)}))
            .collect();
        let input = &imported.network.input;
        let is_onnx = imported.runtime != import::graph::Runtime::LiteRt;
        let job = json!({
            "model": model, "format": if is_onnx { "onnx" } else { "tflite" }, "input": shape(input.shape()), "scale": input.scale, "zero_point": input.zero_point, "maps": maps,
        });
        runtime.name = runtime.ask(&job.to_string()).map_err(refused)?;
        Ok(runtime)
    }

    /// Each map of all inputs, an input a row.
    fn maps(
        &mut self,
        network: &QuantNetwork,
        inputs: &[Vec<i8>],
        compared: &[(usize, &MapSource, Shape)],
    ) -> Result<Vec<Array2<i8>>, FlowError> {
        let refused =
            |reason: String| FlowError::Runtime { path: PathBuf::from(&network.name), reason };
        let Shape { height, width, channels } = network.input.shape();
        let images =
            Array4::from_shape_vec((inputs.len(), height, width, channels), inputs.concat())
                .map_err(|error| refused(error.to_string()))?;
        write_npy(self.folder.path().join("input.npy"), &images)
            .map_err(|error| refused(error.to_string()))?;
        let folder = self.folder.path().display().to_string();
        self.ask(&folder).map_err(refused)?;
        (0..compared.len())
            .map(|index| {
                let path = self.folder.path().join(format!("{index}.npy"));
                let map: ArrayD<i8> =
                    read_npy(&path).map_err(|error| refused(error.to_string()))?;
                let n = map.len() / inputs.len();
                map.into_shape_with_order((inputs.len(), n))
                    .map_err(|error| refused(error.to_string()))
            })
            .collect()
    }

    /// Sends a line and waits for one.
    fn ask(&mut self, line: &str) -> Result<String, String> {
        let mut answer = String::new();
        let sent = writeln!(self.requests, "{line}").and_then(|()| self.requests.flush());
        let heard = sent.and_then(|()| self.answers.read_line(&mut answer));
        match heard {
            Ok(n) if n > 0 => Ok(answer.trim_end().to_owned()),
            _ => Err(self.last_words()),
        }
    }

    /// The last line that it wrote before it ended.
    fn last_words(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.child.stderr.take().map(std::io::read_to_string);
        let said = said.and_then(Result::ok).unwrap_or_default();
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        last.unwrap_or("it ended without a word").to_owned()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
