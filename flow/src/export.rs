//! Networks in formats of others.

use spec::QuantNetwork;

use crate::choice::NetworkChoice;
use crate::error::FlowError;

/// A network as others read it.
#[derive(Clone, Debug)]
pub struct ExportResult {
    /// The network.
    pub network: QuantNetwork,
    /// An ONNX model that computes its bits.
    pub onnx: Vec<u8>,
}

/// Writes a network as an ONNX model.
///
/// # Errors
/// A network that cannot be read.
pub fn export(network: &NetworkChoice) -> Result<ExportResult, FlowError> {
    let network = network.read(None)?.network;
    let onnx = import::onnx::write(&network);
    Ok(ExportResult { network, onnx })
}
