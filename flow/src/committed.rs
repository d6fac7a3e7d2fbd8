//! What is committed and run by name: cases, networks, lint waivers, a board's constraints. They are those of the checkout
//! that one works in, else the ones that were there when this crate was built.

use std::path::{Path, PathBuf};

use crate::cases::{Case, CaseError};
use dataset::TrainedImages;
use spec::QuantNetwork;
use spec::files::{Limit, read_network, read_text};

use crate::error::FlowError;
use crate::model;
use crate::tools::surrounding_checkout;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The network that is run when nothing else is asked for, a folder of `networks`.
pub const DEFAULT_NETWORK: &str = "sar-sim-s2d";

const FOLDER: &str = "networks";
const CASE_FOLDER: &str = "tests/cases";
/// Waivers or constraints.
const TEXT: Limit = Limit::new("a file of constraints", 1 << 20);

struct EmbeddedNetwork {
    name: &'static str,
    json: &'static str,
    tensors: &'static [u8],
    trained_images: Option<&'static str>,
}

/// A network, and the images that it was trained on where that is recorded.
pub(crate) type Trained = (QuantNetwork, Option<TrainedImages>);

/// The case of this name.
pub(crate) fn case(name: &str) -> Result<Case, FlowError> {
    if let Some(checkout) = surrounding_checkout()? {
        return Ok(Case::read(&checkout.join(CASE_FOLDER), name)?);
    }
    let path = format!("{CASE_FOLDER}/{name}.json");
    let Some((_, text)) = CASES.iter().find(|(case, _)| *case == name) else {
        let known = CASES.iter().map(|(case, _)| *case).collect::<Vec<_>>().join(", ");
        return Err(CaseError::Unknown { name: name.to_owned(), path, known }.into());
    };
    Ok(serde_json::from_str(text).map_err(|source| CaseError::Format { path, source })?)
}

/// The file of a case, in a checkout.
pub(crate) fn case_file(name: &str) -> Result<Option<PathBuf>, FlowError> {
    let checkout = surrounding_checkout()?;
    Ok(checkout.map(|checkout| checkout.join(CASE_FOLDER).join(format!("{name}.json"))))
}

/// The network that is run when nothing else is asked for.
pub(crate) fn default_network() -> Result<Trained, FlowError> {
    match surrounding_checkout()? {
        Some(checkout) => read(&checkout.join(FOLDER).join(DEFAULT_NETWORK)),
        None => Ok(embedded_network(DEFAULT_NETWORK)),
    }
}

/// A network in files, with the record beside it; or a model of another format.
pub(crate) fn read(path: &Path) -> Result<Trained, FlowError> {
    if model::is_model(path) {
        return Ok((model::read(path, &import::Options::default())?.network, None));
    }
    let network = read_network(path)?;
    let trained = TrainedImages::beside(path, network.training_images_sha256())?;
    Ok((network, trained))
}

/// The network of these classes, or else the first that has others besides.
pub(crate) fn network_for(classes: &[String]) -> Result<Trained, FlowError> {
    if classes.is_empty() {
        return Err(FlowError::NoClasses);
    }
    let checkout = surrounding_checkout()?;
    let all: Vec<Trained> = match &checkout {
        Some(checkout) => folders(&checkout.join(FOLDER))?
            .iter()
            .map(|path| read(path))
            .collect::<Result<_, _>>()?,
        None => NETWORKS.iter().map(|network| embedded_network(network.name)).collect(),
    };
    let mut found = None;
    for trained in all {
        let known = &trained.0.classes;
        if classes.iter().all(|class| known.contains(class)) {
            if known.len() == classes.len() {
                return Ok(trained);
            }
            found = found.or(Some(trained));
        }
    }
    found.ok_or_else(|| FlowError::NoNetwork {
        networks: checkout
            .map_or(FOLDER.to_owned(), |checkout| checkout.join(FOLDER).display().to_string()),
        classes: classes.join(", "),
    })
}

/// Verilator's waivers for the generated Verilog.
pub(crate) fn waivers() -> Result<String, FlowError> {
    text("hw/lint.vlt", WAIVERS)
}

/// Pins and voltages of the board that designs are placed for, as an LPF file.
pub(crate) fn constraints() -> Result<String, FlowError> {
    text("constraints/ulx3s.lpf", CONSTRAINTS)
}

fn text(path: &str, embedded: &str) -> Result<String, FlowError> {
    let path = surrounding_checkout()?.map(|checkout| checkout.join(path));
    match path.filter(|path| path.is_file()) {
        Some(path) => read_text(&path, TEXT).map_err(|reason| FlowError::Folder { path, reason }),
        None => Ok(embedded.to_owned()),
    }
}

/// The folders that hold a network, sorted.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, FlowError> {
    let error = |reason| FlowError::Folder { path: folder.to_owned(), reason };
    let entries = std::fs::read_dir(folder).map_err(error)?;
    let mut paths: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("network.json").is_file())
        .collect();
    paths.sort();
    Ok(paths)
}

fn embedded_network(name: &str) -> Trained {
    let embedded = NETWORKS
        .iter()
        .find(|network| network.name == name)
        .expect("the default network is committed");
    let network = QuantNetwork::from_parts(embedded.json, embedded.tensors)
        .expect("tests read every committed network");
    let record = embedded
        .trained_images
        .filter(|text| network.training_images_sha256() == Some(&*TrainedImages::sha256(text)));
    let record = record.map(|text| {
        TrainedImages::parse(Path::new(TrainedImages::FILE), text)
            .expect("tests read every committed record")
    });
    (network, record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_embedded_is_what_is_committed() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let names = Case::names(&checkout.join(CASE_FOLDER)).unwrap();
        assert_eq!(CASES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        for (name, text) in CASES {
            let case: Case = serde_json::from_str(text).unwrap();
            assert_eq!(case, Case::read(&checkout.join(CASE_FOLDER), name).unwrap());
        }
        let folders = folders(&checkout.join(FOLDER)).unwrap();
        assert_eq!(folders.len(), NETWORKS.len());
        for (path, embedded) in folders.iter().zip(NETWORKS) {
            let (network, record) = embedded_network(embedded.name);
            assert!(record.is_some(), "{}", embedded.name);
            assert_eq!((network, record), read(path).unwrap(), "{}", embedded.name);
        }
    }
}
