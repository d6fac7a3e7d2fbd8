//! The Verilog that people review: every leaf, the smallest array, and what the accelerator is made of.
//!
//! What the leaves do is each block's own test; these snapshots show when their text changes.

use crate::verilated::lint;
use rust_hdl_core::prelude::*;
use spec::{AccumulatorMemory, ArrayConfig, Design, Memories, Memory, Technology};
use std::fmt::Write;
use twofold_hw::accelerator::Accelerator;
use twofold_hw::context::{
    BlockDecoder, DrainDecoder, EndDecoder, LaneDecoder, LoadDecoder, ParameterDecoder,
    StreamDecoder, TileDecoder,
};
use twofold_hw::control::status_select::StatusSelect;
use twofold_hw::datapath::accumulator::Accumulator;
use twofold_hw::datapath::array::Array;
use twofold_hw::datapath::crossing::{Crossing, CrossingSkew};
use twofold_hw::datapath::diagonal_mask::DiagonalMask;
use twofold_hw::datapath::lane_select::LaneSelect;
use twofold_hw::datapath::pe::Pe;
use twofold_hw::datapath::pool::Pool;
use twofold_hw::datapath::requantize::Requantize;
use twofold_hw::datapath::selector::Selector;
use twofold_hw::leaf::{
    ControlDelay, Delay, EnabledRegister, Ram, Register, Rom, SignExtend, Skew,
};
use twofold_hw::tech::MULT18X18D_MODEL;
use twofold_hw::verilog::{Module, Verilog, emit};

fn array(rows: usize, cols: usize) -> ArrayConfig {
    ArrayConfig::new(rows, cols, Memories::default()).unwrap()
}

fn design(rows: usize, cols: usize) -> Design {
    Design::of(array(rows, cols))
}

/// The text of a block alone, which has to pass lint too.
fn text<B: Block>(mut block: B, name: &str) -> String {
    let mut design = emit(&mut block, name, "").unwrap();
    let text = design.text();
    if text.contains("MULT18X18D") {
        let model = Module { name: "MULT18X18D".into(), text: MULT18X18D_MODEL.into() };
        design.modules.insert(0, model);
    }
    lint(&design);
    text
}

#[test]
fn a_pe() {
    insta::assert_snapshot!(text(Pe::new(Technology::Generic), "pe"));
}

#[test]
fn a_pe_of_an_ecp5() {
    insta::assert_snapshot!(text(Pe::new(Technology::Ecp5), "pe_ecp5"));
}

#[test]
fn a_requantizer() {
    insta::assert_snapshot!(text(Requantize::new(Technology::Generic), "requantize"));
}

#[test]
fn a_requantizer_of_an_ecp5() {
    insta::assert_snapshot!(text(Requantize::new(Technology::Ecp5), "requantize_ecp5"));
}

#[test]
fn an_accumulator() {
    insta::assert_snapshot!(text(Accumulator::new(&array(2, 2)), "accumulator"));
}

#[test]
fn accumulators_in_look_up_tables_differ_by_an_attribute_alone() {
    let design = Design::of(array(3, 5));
    let plain = twofold_hw::design::emit(&design).unwrap().text();
    let marked = design.with_accumulators(AccumulatorMemory::LookUpTables);
    let marked = twofold_hw::design::emit(&marked).unwrap().text();
    let mark = "(* no_rw_check, ram_style = \"distributed\" *)";
    assert_eq!(marked.matches(mark).count(), 1);
    assert_eq!(marked.replace(mark, "(* no_rw_check *)"), plain);
}

#[test]
fn a_diagonal_mask() {
    insta::assert_snapshot!(text(DiagonalMask::new(&array(3, 2)), "diagonal_mask"));
}

#[test]
fn a_selector() {
    insta::assert_snapshot!(text(Selector::new(&array(3, 2)), "selector"));
}

#[test]
fn a_lane_selection() {
    insta::assert_snapshot!(text(LaneSelect::new(&array(2, 8)), "lane_select"));
}

#[test]
fn a_pool() {
    insta::assert_snapshot!(text(Pool::new(), "pool"));
}

#[test]
fn registers_and_delays() {
    let mut all = text(Register::<Bits<8>>::default(), "register");
    all += &text(EnabledRegister::<Bits<8>>::default(), "enabled_register");
    all += &text(Delay::<Bits<8>>::new(3), "delay");
    all += &text(ControlDelay::<Bits<4>>::new(3), "control_delay");
    all += &text(Skew::new(3), "skew");
    all += &text(SignExtend::<8, 16>::default(), "sign_extend");
    insta::assert_snapshot!(all);
}

#[test]
fn memories() {
    let mut all = text(Ram::<4, 8>::new("ram", 10, 4, 2), "ram");
    all += &text(Ram::<4, 8>::new("visible_ram", 16, 2, 1).visible(), "visible_ram");
    all += &text(Rom::<4, 8>::new("rom", "rom.hex", 10, 4), "rom");
    insta::assert_snapshot!(all);
}

#[test]
fn decoders() {
    let mut all = text(StreamDecoder::default(), "stream_decoder");
    all += &text(DrainDecoder::default(), "drain_decoder");
    all += &text(BlockDecoder::default(), "block_decoder");
    all += &text(LoadDecoder::default(), "load_decoder");
    all += &text(EndDecoder::default(), "end_decoder");
    all += &text(TileDecoder::default(), "tile_decoder");
    all += &text(LaneDecoder::default(), "lane_decoder");
    all += &text(ParameterDecoder::default(), "parameter_decoder");
    all += &text(StatusSelect::default(), "status_select");
    insta::assert_snapshot!(all);
}

#[test]
fn the_smallest_array() {
    insta::assert_snapshot!(text(Array::new(&design(2, 2)), "array"));
}

#[test]
fn an_array_of_sections() {
    let config = array(2, 5).with_mask_columns(2).unwrap();
    let mut all = text(Selector::new(&config), "selector");
    all += &text(Crossing::new(&config), "crossing_2");
    all += &text(CrossingSkew::new(&config), "crossing_skew");
    all += &text(Array::new(&Design::of(config)), "array");
    insta::assert_snapshot!(all);
}

fn accelerator(rows: usize, cols: usize) -> Verilog {
    twofold_hw::design::emit(&design(rows, cols)).unwrap()
}

/// Not its whole text, which nobody reviews: its modules, how often each is used, and its ports.
#[test]
fn the_modules_and_ports_of_the_accelerator() {
    let design = accelerator(8, 16);
    let text = design.text();
    let mut all = String::new();
    for module in &design.modules {
        let start = format!("{} ", module.name);
        let instances = text
            .lines()
            .filter(|line| line.trim_start().starts_with(&start) && line.ends_with('('));
        writeln!(all, "{}: {}", module.name, instances.count()).unwrap();
    }
    let ports = design.top().text.split_once("(\n").unwrap().1.split_once("\n);").unwrap().0;
    insta::assert_snapshot!(format!("{} modules\n{all}\n{ports}", design.modules.len()));
}

/// Instance, width and depth of every memory that simulators find by name.
#[test]
fn the_memories_are_those_of_the_table() {
    let array = array(3, 5);
    let design = accelerator(3, 5);
    for memory in Memory::ALL {
        for instance in memory.instances() {
            let mark = format!(" {instance} (");
            let mut lines = design.modules.iter().flat_map(|module| module.text.lines());
            let line = lines
                .find(|line| line.contains(&mark) && !line.starts_with("module "))
                .unwrap_or_else(|| panic!("{instance}"));
            let name = line.split_whitespace().next().unwrap();
            let module = design.modules.iter().find(|module| module.name == name).unwrap();
            let (width, depth) = (memory.bits(&array), memory.depth(array.memories()));
            let declared = format!("reg [{}:0] mem [0:{}]", width - 1, depth - 1);
            assert!(module.text.contains(&declared), "{instance}: {declared}");
            if let Some(file) = memory.file() {
                assert!(module.text.contains(&format!("$readmemh(\"{file}\", mem)")), "{file}");
            }
        }
    }
}

#[test]
fn the_accelerator_lints_at_every_kind_of_size() {
    let ports = ArrayConfig::PORT_BYTES;
    for ((rows, cols), port_bytes) in
        [(2, 2), (5, 7), (8, 16), (16, 32), (2, 32)].into_iter().zip(ports)
    {
        let array = array(rows, cols).with_port_bytes(port_bytes).unwrap();
        let sectioned = array.clone().with_mask_columns(cols.div_ceil(4)).unwrap();
        lint(&twofold_hw::design::emit(&Design::of(sectioned)).unwrap());
        let design = twofold_hw::design::emit(&Design::of(array)).unwrap();
        let top = &design.top().text;
        let bits = |n: usize| if n == 1 { String::new() } else { format!("[{}:0] ", n - 1) };
        for port in [
            format!("input wire {}input_data,", bits(8 * port_bytes)),
            format!("input wire {}input_keep,", bits(port_bytes)),
        ] {
            assert_eq!(top.matches(&port).count(), 1, "{port}");
        }
        lint(&design);
    }
}

#[test]
fn the_accelerator_is_the_same_text_every_time() {
    assert_eq!(accelerator(3, 5), accelerator(3, 5));
}

/// All of the ports of the top module, and of most others: those of a macro are found in no source, and a private block may
/// say nothing.
#[test]
fn the_verilog_says_what_ports_are() {
    let top = &mut Accelerator::new(&design(3, 5));
    let modules = twofold_hw::verilog::design(top, "accelerator").unwrap().modules;
    let (mut n_ports, mut n_said) = (0, 0);
    for module in &modules {
        let mut before = String::new();
        for port in &module.ports {
            let stem = port.signal.name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            let is_said = !port.doc.is_empty() || stem == before;
            assert!(is_said || module.name != "accelerator", "{}", port.signal.name);
            (n_ports, n_said) = (n_ports + 1, n_said + usize::from(is_said));
            before = stem;
        }
    }
    assert!(n_said * 10 > n_ports * 8, "{n_said} of {n_ports} ports are described");
}
