//! The control blocks, each alone: against a plain model written from docs/isa.md and the timing contract of
//! ARCHITECTURE.md, and against their own Verilog, over random programs and stalls.
//!
//! A test drives a block natively and records all of its ports in every cycle. The model says from the recorded stimulus
//! what the ports have to be; Verilator gets the recorded inputs and has to give the recorded outputs.

mod drain;
mod fetch;
mod isa;
mod program;
mod streamer;
mod weight_loader;

use crate::verilated::Verilated;
use num_bigint::BigUint;
use rust_hdl_core::prelude::*;
use spec::{ArrayConfig, Memories};
use std::sync::OnceLock;
use twofold_hw::control::{
    drain::Drain, fetch::Fetch, streamer::Streamer, weight_loader::WeightLoader,
};
use twofold_hw::leaf::settle;
use twofold_hw::verilog::emit;

/// Arrays whose tiles have 4 and 5 weight rows, whose words have 1 and 5 granules, and whose groups have 8 and 7 drain steps,
/// no fewer than the programs.
const ARRAYS: [(usize, usize); 2] = [(2, 32), (5, 14)];

fn config((rows, cols): (usize, usize)) -> ArrayConfig {
    ArrayConfig::new(rows, cols, Memories::default()).unwrap()
}

/// Name of a block's design for an array.
fn sized(block: &str, (rows, cols): (usize, usize)) -> String {
    format!("{block}_{rows}x{cols}")
}

/// The Verilog of all control blocks in one program.
fn verilated() -> &'static Verilated {
    static PROGRAM: OnceLock<Verilated> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut designs = vec![
            emit(&mut Fetch::default(), "fetch", "").unwrap(),
            emit(&mut Streamer::default(), "streamer", "").unwrap(),
        ];
        for array in ARRAYS {
            let name = sized("weight_loader", array);
            designs.push(emit(&mut WeightLoader::new(&config(array)), &name, "").unwrap());
            designs
                .push(emit(&mut Drain::new(&config(array)), &sized("drain", array), "").unwrap());
        }
        Verilated::build(&designs.iter().collect::<Vec<_>>())
    })
}

/// A port of a block's top level.
struct Port {
    name: String,
    input: bool,
}

/// The ports of a block in their order, without the clock, and their values.
#[derive(Default)]
struct Ports {
    depth: usize,
    namespace: Vec<String>,
    ports: Vec<Port>,
    values: Vec<BigUint>,
}

impl Probe for Ports {
    fn visit_start_scope(&mut self, _name: &str, _node: &dyn Block) {
        self.depth += 1;
    }

    fn visit_start_namespace(&mut self, name: &str, _node: &dyn Block) {
        self.namespace.push(name.into());
    }

    fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
        if self.depth != 1 || name == "clock" || !signal.kind().is_parameter() {
            return;
        }
        let name = self.namespace.iter().map(String::as_str).chain([name]).collect::<Vec<_>>();
        let input = signal.kind() == AtomKind::InputParameter;
        self.ports.push(Port { name: name.join("_"), input });
        let literal = format!("{:x}", signal.verilog());
        let (_, digits) = literal.split_once("'h").unwrap();
        self.values.push(BigUint::parse_bytes(digits.as_bytes(), 16).unwrap());
    }

    fn visit_end_namespace(&mut self, _name: &str, _node: &dyn Block) {
        self.namespace.pop();
    }

    fn visit_end_scope(&mut self, _name: &str, _node: &dyn Block) {
        self.depth -= 1;
    }
}

/// A block under test, and its ports in every cycle so far, as they are before the clock edge.
struct Bench<B: Block> {
    block: B,
    clock: fn(&mut B) -> &mut Signal<In, Clock>,
    cycles: Vec<Vec<BigUint>>,
}

impl<B: Block> Bench<B> {
    fn new(mut block: B, clock: fn(&mut B) -> &mut Signal<In, Clock>) -> Self {
        block.connect_all();
        Self { block, clock, cycles: Vec::new() }
    }

    /// Sets inputs, and lets the outputs follow that depend on them in the same cycle.
    fn set(&mut self, inputs: impl FnOnce(&mut B)) {
        inputs(&mut self.block);
        settle(&mut self.block).unwrap();
    }

    /// Records the cycle, and ends it.
    fn edge(&mut self) {
        self.cycles.push(self.ports().values);
        for level in [true, false] {
            (self.clock)(&mut self.block).next = level.into();
            settle(&mut self.block).unwrap();
        }
    }

    fn ports(&self) -> Ports {
        let mut ports = Ports::default();
        self.block.accept("top", &mut ports);
        ports
    }

    /// Compares every recorded cycle with the block's Verilog, the design of this name.
    fn check_verilog(&self, design: &str) {
        let ports = self.ports().ports;
        let side = |cycle: &[BigUint], input: bool| -> Vec<BigUint> {
            let side = ports.iter().zip(cycle).filter(|(port, _)| port.input == input);
            side.map(|(_, value)| value.clone()).collect()
        };
        let inputs: Vec<_> = self.cycles.iter().map(|cycle| side(cycle, true)).collect();
        let outputs = verilated().run(design, &[], &inputs);
        assert_eq!(outputs.len(), self.cycles.len());
        for (t, (cycle, seen)) in self.cycles.iter().zip(&outputs).enumerate() {
            let native = side(cycle, false);
            let names = ports.iter().filter(|port| !port.input).map(|port| &port.name);
            for ((name, native), verilog) in names.zip(&native).zip(&seen.before) {
                assert_eq!(
                    native, verilog,
                    "{design}, cycle {t}: {name} is {native:x}, in Verilog {verilog:x}; inputs {:x?}",
                    inputs[t]
                );
            }
        }
    }
}

/// Cycles to wait, one after the other, and again from the first.
#[derive(Clone, Debug)]
struct Stalls {
    waits: Vec<u8>,
    next: usize,
}

impl Stalls {
    fn next(&mut self) -> usize {
        self.next += 1;
        self.waits[(self.next - 1) % self.waits.len()].into()
    }
}

/// Mostly no wait, sometimes a long one; or none at all, so that blocks run at full speed.
fn stalls() -> impl proptest::strategy::Strategy<Value = Stalls> {
    use proptest::prelude::*;
    let wait = prop_oneof![3 => Just(0u8), 2 => 1..4u8, 1 => 4..60u8];
    let waits = prop_oneof![1 => Just(vec![0]), 4 => prop::collection::vec(wait, 1..24)];
    waits.prop_map(|waits| Stalls { waits, next: 0 })
}
