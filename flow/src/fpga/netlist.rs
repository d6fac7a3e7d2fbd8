//! Reads a netlist that Yosys wrote as JSON: ports, kinds of cells, names of nets.

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use spec::files::{Limit, open_regular};

use super::error::FpgaError;

/// A netlist, as JSON or as RTLIL.
pub(super) const NETLIST: Limit = Limit::new("a netlist", 4 << 30);
/// The cell library's own modules, and the marks that flattening leaves, are no hardware.
const NOT_HARDWARE: [&str; 2] = ["$scopeinfo", "$print"];

/// The mapped top module.
pub(super) struct Netlist {
    /// Yosys, with its version.
    pub(super) creator: String,
    /// Ports by name.
    pub(super) ports: BTreeMap<String, Port>,
    cells: HashMap<String, JsonCell>,
    net_names: HashMap<u64, Vec<String>>,
}

/// A port of the top module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// Whether it is driven from outside.
    pub(super) is_input: bool,
    /// Its width in bits.
    pub(super) n_bits: usize,
}

#[derive(Deserialize)]
struct JsonFile {
    creator: String,
    modules: HashMap<String, JsonModule>,
}

#[derive(Deserialize)]
struct JsonModule {
    #[serde(default)]
    ports: BTreeMap<String, JsonPort>,
    #[serde(default)]
    cells: HashMap<String, JsonCell>,
    #[serde(default)]
    netnames: HashMap<String, JsonNet>,
}

#[derive(Deserialize)]
struct JsonPort {
    direction: String,
    bits: Vec<JsonBit>,
}

#[derive(Deserialize)]
struct JsonCell {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    connections: HashMap<String, Vec<JsonBit>>,
}

#[derive(Deserialize)]
struct JsonNet {
    hide_name: u8,
    bits: Vec<JsonBit>,
    #[serde(default)]
    offset: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonBit {
    Net(u64),
    Constant(String),
}

impl JsonBit {
    fn net(&self) -> Option<u64> {
        match self {
            Self::Net(net) => Some(*net),
            Self::Constant(constant) => {
                debug_assert!(matches!(constant.as_str(), "0" | "1" | "x" | "z"));
                None
            }
        }
    }
}

impl Netlist {
    /// Reads module `top` of `path`.
    ///
    /// # Errors
    /// If the file cannot be read, is no netlist, or lacks that module.
    pub(super) fn read(path: &Path, top: &str) -> Result<Self, FpgaError> {
        let file = open_regular(path, NETLIST)
            .map_err(|reason| FpgaError::Read { path: path.to_owned(), reason })?;
        let file: JsonFile = serde_json::from_reader(BufReader::new(file)).map_err(|reason| {
            let path = path.to_owned();
            if reason.is_eof() {
                FpgaError::CutOff { path, reason }
            } else {
                FpgaError::NotANetlist { path, reason }
            }
        })?;
        Self::from_json(file, path, top)
    }

    fn from_json(mut file: JsonFile, path: &Path, top: &str) -> Result<Self, FpgaError> {
        let missing = || FpgaError::NoModule { path: path.to_owned(), top: top.to_owned() };
        let module = file.modules.remove(top).ok_or_else(missing)?;
        let ports = module.ports.into_iter().map(|(name, port)| {
            let is_input = port.direction == "input";
            (name, Port { is_input, n_bits: port.bits.len() })
        });
        let mut net_names: HashMap<u64, Vec<String>> = HashMap::new();
        for (name, net) in module.netnames.into_iter().filter(|(_, net)| net.hide_name == 0) {
            for (idx, bit) in net.bits.iter().enumerate() {
                let Some(bit) = bit.net() else { continue };
                let is_bus = net.bits.len() > 1 || net.offset != 0;
                let name = if is_bus {
                    format!("{name}[{}]", idx as i64 + net.offset)
                } else {
                    name.clone()
                };
                net_names.entry(bit).or_default().push(name);
            }
        }
        Ok(Self { creator: file.creator, ports: ports.collect(), cells: module.cells, net_names })
    }

    /// Bits of all ports.
    pub(super) fn n_port_bits(&self) -> usize {
        self.ports.values().map(|port| port.n_bits).sum()
    }

    /// How many cells of each kind there are.
    pub(super) fn cells_by_kind(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (_, kind) in self.hardware() {
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
        counts
    }

    /// The same for each instance directly below the top module. Yosys names a cell after a net that it touches, so that
    /// a look-up table between two blocks counts for either.
    pub(super) fn cells_by_block(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (name, kind) in self.hardware() {
            let block = if name.starts_with('$') {
                ""
            } else {
                name.split_once('.').map_or("", |(block, _)| block)
            };
            *counts.entry(block.to_owned()).or_default().entry(kind.to_owned()).or_default() += 1;
        }
        counts
    }

    fn hardware(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cells
            .iter()
            .map(|(name, cell)| (name.as_str(), cell.kind.as_str()))
            .filter(|(_, kind)| !NOT_HARDWARE.contains(kind))
    }

    /// The kind of a cell of this netlist.
    pub(super) fn kind_of(&self, cell: &str) -> Option<&str> {
        self.cells.get(cell).map(|cell| cell.kind.as_str())
    }

    /// The name that the Verilog gives what the flip-flop `cell` holds, with the bit: `mac0.product[3]`.
    pub(super) fn register_name(&self, cell: &str) -> Option<&str> {
        let net = self.cells.get(cell)?.connections.get("Q")?.first()?.net()?;
        let names = self.net_names.get(&net)?;
        // The cell was named after the register itself; other names are aliases: ports that it drives.
        let own =
            names.iter().find(|name| cell.starts_with(name.split('[').next().unwrap_or_default()));
        own.or_else(|| names.iter().min()).map(String::as_str)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A netlist of two registers, a look-up table and a mark.
    pub(in crate::fpga) fn toy() -> Netlist {
        let json = r#"{"creator": "Yosys 0.70", "modules": {"LUT4": {}, "toy": {
            "ports": {"clock": {"direction": "input", "bits": [2]}, "out": {"direction": "output", "bits": [5, 6, "0"]}},
            "cells": {
                "core.sum_TRELLIS_FF_Q": {"hide_name": 0, "type": "TRELLIS_FF", "connections": {"CLK": [2], "Q": [5]}},
                "core.sum_TRELLIS_FF_Q_1": {"type": "TRELLIS_FF", "connections": {"CLK": [2], "Q": [6]}},
                "core.sum_LUT4_A": {"type": "LUT4", "connections": {"A": [5], "Z": [7], "B": ["1"]}},
                "late_TRELLIS_FF_Q": {"type": "TRELLIS_FF", "connections": {"Q": [8]}},
                "core": {"type": "$scopeinfo"}},
            "netnames": {
                "a_port": {"hide_name": 0, "bits": [5, 6]},
                "core.sum": {"hide_name": 0, "bits": [6, 5]},
                "$auto$1": {"hide_name": 1, "bits": [5]},
                "late": {"hide_name": 0, "bits": [8]}}}}}"#;
        Netlist::from_json(serde_json::from_str(json).unwrap(), Path::new("toy.json"), "toy")
            .unwrap()
    }

    #[test]
    fn cells_are_counted_by_kind_and_block() {
        let netlist = toy();
        let counts =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(kind, n)| (kind.to_string(), *n)).collect();
        assert_eq!(netlist.cells_by_kind(), counts(&[("LUT4", 1), ("TRELLIS_FF", 3)]));
        let blocks = netlist.cells_by_block();
        assert_eq!(blocks["core"], counts(&[("LUT4", 1), ("TRELLIS_FF", 2)]));
        assert_eq!(blocks[""], counts(&[("TRELLIS_FF", 1)]));
        assert_eq!(netlist.n_port_bits(), 4);
        assert_eq!(netlist.ports["clock"], Port { is_input: true, n_bits: 1 });
    }

    #[test]
    fn registers_have_the_name_and_bit_of_the_verilog() {
        let netlist = toy();
        assert_eq!(netlist.register_name("core.sum_TRELLIS_FF_Q"), Some("core.sum[1]"));
        assert_eq!(netlist.register_name("core.sum_TRELLIS_FF_Q_1"), Some("core.sum[0]"));
        assert_eq!(netlist.register_name("late_TRELLIS_FF_Q"), Some("late"));
        assert_eq!(netlist.register_name("core.sum_LUT4_A"), None);
    }

    #[test]
    fn a_missing_top_is_named() {
        let file = JsonFile { creator: String::new(), modules: HashMap::new() };
        let error = Netlist::from_json(file, Path::new("a.json"), "accelerator").err().unwrap();
        assert_eq!(
            error.to_string(),
            "netlist a.json: no module accelerator; help: synthesize again with top accelerator"
        );
    }
}
