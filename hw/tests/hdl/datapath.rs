//! The whole data path, fed with anything: native model and Verilated Verilog agree in every cycle, with either kind of
//! multiplier. What the outputs should be is each block's own test.

use crate::random::Random;
use crate::verilated::{lint, simulate};
use rust_hdl_core::prelude::*;
use spec::{ArrayConfig, Design, Memories, Technology};
use twofold_hw::context::AccumulateControl;
use twofold_hw::datapath::accumulator::Accumulator;
use twofold_hw::datapath::array::Array;
use twofold_hw::datapath::bare_array::BareArray;
use twofold_hw::datapath::bounds::Bounds;
use twofold_hw::datapath::lane_select::LaneSelect;
use twofold_hw::datapath::pool::Pool;
use twofold_hw::datapath::requantize::Requantize;
use twofold_hw::datapath::selector::Selector;
use twofold_hw::leaf::{ControlDelay, ports, tick};
use twofold_hw::tech::MULT18X18D_MODEL;
use twofold_hw::verilog::{Module, Verilog, emit};

/// Selector, array, accumulators, lane selection, requantizers and pools in a row.
#[derive(LogicBlock)]
struct DataPath {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub enable: Signal<In, Bit>,
    pub load: Signal<In, Bit>,
    pub swap: Signal<In, Bit>,
    pub mask: Signal<In, Bits<16>>,
    pub outside: Signal<In, Bit>,
    pub fill: Signal<In, Bits<8>>,
    pub control: Signal<In, AccumulateControl>,
    pub drain_active: Signal<In, Bit>,
    pub drain_bank: Signal<In, Bit>,
    pub drain_address: Signal<In, Bits<8>>,
    pub step: Signal<In, Bits<4>>,
    pub residual_mode: Signal<In, Bits<2>>,
    pub residual_zero_point: Signal<In, Bits<8>>,
    pub half_away: Signal<In, Bit>,
    pub zero_point: Signal<In, Bits<8>>,
    pub low: Signal<In, Bits<8>>,
    pub high: Signal<In, Bits<8>>,
    pub wide: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub bias: Signal<In, Bits<32>>,
    pub residual: Signal<In, Bits<8>>,
    pub residual_multiplier: Signal<In, Bits<24>>,
    pub multiplier: Signal<In, Bits<24>>,
    pub shift: Signal<In, Bits<6>>,
    pub weight: Vec<Signal<In, Bits<8>>>,
    pub crossing: Vec<Signal<In, Bits<8>>>,
    pub word: Vec<Signal<In, Bits<8>>>,
    pub psum: Vec<Signal<Out, Bits<32>>>,
    pub sum: Vec<Signal<Out, Bits<32>>>,
    pub value: Vec<Signal<Out, Bits<16>>>,
    pub maximum: Vec<Signal<Out, Bits<16>>>,
    selector: Selector,
    array: Array,
    accumulate_line: Vec<ControlDelay<AccumulateControl>>,
    accumulator: Vec<Accumulator>,
    lane_select: LaneSelect,
    bounds: Bounds,
    requantize: Vec<Requantize>,
    pool: Vec<Pool>,
    _rows: usize,
    _cols: usize,
    _lanes: usize,
    _others: usize,
    _crossing_bytes: usize,
}

impl DataPath {
    fn new(design: &Design) -> Self {
        let config = design.array();
        let (rows, cols, lanes) = (config.rows(), config.cols(), config.lanes());
        let array = Array::new(design);
        let (others, crossing_bytes) = (array.other.len(), array.crossing.len());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            enable: Default::default(),
            load: Default::default(),
            swap: Default::default(),
            mask: Default::default(),
            outside: Default::default(),
            fill: Default::default(),
            control: Default::default(),
            drain_active: Default::default(),
            drain_bank: Default::default(),
            drain_address: Default::default(),
            step: Default::default(),
            residual_mode: Default::default(),
            residual_zero_point: Default::default(),
            half_away: Default::default(),
            zero_point: Default::default(),
            low: Default::default(),
            high: Default::default(),
            wide: Default::default(),
            first: Default::default(),
            bias: Default::default(),
            residual: Default::default(),
            residual_multiplier: Default::default(),
            multiplier: Default::default(),
            shift: Default::default(),
            weight: ports(cols),
            crossing: ports(crossing_bytes),
            word: ports(2 * rows),
            psum: ports(cols),
            sum: ports(cols),
            value: ports(lanes),
            maximum: ports(lanes),
            selector: Selector::new(config),
            array,
            accumulate_line: (0..cols + 2).map(|_| ControlDelay::new(1)).collect(),
            accumulator: (0..cols).map(|_| Accumulator::new(config)).collect(),
            lane_select: LaneSelect::new(config),
            bounds: Bounds::default(),
            requantize: (0..lanes).map(|_| Requantize::new(design.technology())).collect(),
            pool: (0..lanes).map(|_| Pool::new()).collect(),
            _rows: rows,
            _cols: cols,
            _lanes: lanes,
            _others: others,
            _crossing_bytes: crossing_bytes,
        }
    }
}

impl Logic for DataPath {
    #[hdl_gen]
    fn update(&mut self) {
        self.selector.clock.next = self.clock.val();
        self.selector.mask.next = self.mask.val();
        self.selector.outside.next = self.outside.val();
        self.selector.fill.next = self.fill.val();
        for i in 0..(2 * self._rows) {
            self.selector.word[i].next = self.word[i].val();
        }
        self.array.clock.next = self.clock.val();
        self.array.load.next = self.load.val();
        self.array.swap.next = self.swap.val();
        for r in 0..self._rows {
            self.array.activation[r].next = self.selector.activation[r].val();
        }
        for r in 0..self._others {
            self.array.other[r].next = self.selector.other[r].val();
        }
        for i in 0..self._crossing_bytes {
            self.array.crossing[i].next = self.crossing[i].val();
        }
        for i in 0..(self._cols + 2) {
            self.accumulate_line[i].clock.next = self.clock.val();
            self.accumulate_line[i].reset.next = self.reset.val();
            if i == 0 {
                self.accumulate_line[i].d.next = self.control.val();
            } else {
                self.accumulate_line[i].d.next = self.accumulate_line[i - 1].q.val();
            }
        }
        self.lane_select.clock.next = self.clock.val();
        self.lane_select.enable.next = self.enable.val();
        self.lane_select.step.next = self.step.val();
        for c in 0..self._cols {
            self.array.weight[c].next = self.weight[c].val();
            self.accumulator[c].clock.next = self.clock.val();
            if c == 0 {
                self.accumulator[c].read.next = self.control.val();
            } else {
                self.accumulator[c].read.next = self.accumulate_line[c - 1].q.val();
            }
            self.accumulator[c].start.next = self.accumulate_line[c].q.val();
            self.accumulator[c].add.next = self.accumulate_line[c + 1].q.val();
            self.accumulator[c].write.next = self.accumulate_line[c + 2].q.val();
            self.accumulator[c].psum.next = self.array.psum[c].val();
            self.accumulator[c].drain_active.next = self.drain_active.val();
            self.accumulator[c].drain_bank.next = self.drain_bank.val();
            self.accumulator[c].drain_address.next = self.drain_address.val();
            self.lane_select.sum[c].next = self.accumulator[c].sum.val();
            self.psum[c].next = self.array.psum[c].val();
            self.sum[c].next = self.accumulator[c].sum.val();
        }
        self.bounds.low.next = self.low.val();
        self.bounds.high.next = self.high.val();
        self.bounds.wide.next = self.wide.val();
        for l in 0..self._lanes {
            self.requantize[l].clock.next = self.clock.val();
            self.requantize[l].enable.next = self.enable.val();
            self.requantize[l].residual_mode.next = self.residual_mode.val();
            self.requantize[l].residual_zero_point.next = self.residual_zero_point.val();
            self.requantize[l].half_away.next = self.half_away.val();
            self.requantize[l].zero_point.next = self.zero_point.val();
            self.requantize[l].low.next = self.bounds.smallest.val();
            self.requantize[l].high.next = self.bounds.largest.val();
            self.requantize[l].accumulator.next = self.lane_select.value[l].val();
            self.requantize[l].bias.next = self.bias.val();
            self.requantize[l].residual.next = self.residual.val();
            self.requantize[l].residual_multiplier.next = self.residual_multiplier.val();
            self.requantize[l].multiplier.next = self.multiplier.val();
            self.requantize[l].shift.next = self.shift.val();
            self.pool[l].clock.next = self.clock.val();
            self.pool[l].enable.next = self.enable.val();
            self.pool[l].first.next = self.first.val();
            self.pool[l].value.next = self.requantize[l].value.val();
            self.value[l].next = self.requantize[l].value.val();
            self.maximum[l].next = self.pool[l].maximum.val();
        }
    }
}

/// A number of `bits` bits, often a corner of the signed range.
fn corner(random: &mut Random, bits: u32) -> u64 {
    let corners = [0, 1, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1];
    corners.get(random.below(10) as usize).copied().unwrap_or_else(|| random.below(1 << bits))
}

/// Inputs of one cycle in port order. `depth` bounds the addresses.
fn row(config: &ArrayConfig, random: &mut Random, cycle: usize) -> Vec<u64> {
    let depth = config.memories().accumulator as u64;
    let mut row = vec![u64::from(cycle < 3 || random.below(100) == 0)];
    row.extend([
        u64::from(random.below(8) > 0),
        u64::from(random.below(6) == 0),
        u64::from(random.below(9) == 0),
        random.below(1 << 16),
        u64::from(random.below(8) == 0),
        corner(random, 8),
    ]);
    let [valid, bank, first, chain, last] =
        [3, 2, 4, 5, 6].map(|n| u64::from(random.below(n) < n - 1));
    row.push(
        valid
            | bank << 1
            | random.below(depth) << 2
            | (1 - first) << 10
            | (1 - chain) << 11
            | last << 12,
    );
    row.extend([random.below(2), random.below(2), random.below(depth), random.below(16)]);
    let mode = random.below(3);
    row.extend([mode, corner(random, 8), random.below(2), corner(random, 8)]);
    // Bounds as those of ReLU, of the whole type and anything; wide ones for a while.
    let wide = (cycle as u64 / 64) & 1;
    let low = [0, 0x80, corner(random, 8)][random.below(3) as usize];
    row.extend([low, [0x7f, corner(random, 8)][random.below(2) as usize], wide]);
    row.push(u64::from(random.below(3) == 0));
    let bias = corner(random, 32);
    row.push(if random.below(2) == 0 { bias & 0xffff } else { bias });
    let residual_multiplier = corner(random, if mode == 1 { 16 } else { 24 });
    row.extend([corner(random, 8), residual_multiplier, corner(random, 24)]);
    // Results of every size: the largest shift that leaves some of a product, and any.
    row.push([random.below(56), 20 + random.below(28)][random.below(2) as usize]);
    row.extend((0..config.cols()).map(|_| corner(random, 8)));
    row.extend((0..config.n_crossings().div_ceil(8)).map(|_| random.below(256)));
    row.extend((0..config.word_channels()).map(|_| corner(random, 8)));
    row
}

fn native(block: &mut DataPath, row: &[u64]) -> Vec<u64> {
    let mut next = row.iter().copied();
    let mut take = || next.next().unwrap();
    block.reset.next = take() == 1;
    block.enable.next = take() == 1;
    block.load.next = take() == 1;
    block.swap.next = take() == 1;
    block.mask.next = bits(take());
    block.outside.next = take() == 1;
    block.fill.next = bits(take());
    let control = take();
    let bit = |i: usize| control >> i & 1 == 1;
    block.control.next = AccumulateControl {
        valid: bit(0),
        bank: bit(1),
        address: bits(control >> 2 & 0xff),
        first: bit(10),
        chain: bit(11),
        last: bit(12),
    };
    block.drain_active.next = take() == 1;
    block.drain_bank.next = take() == 1;
    block.drain_address.next = bits(take());
    block.step.next = bits(take());
    block.residual_mode.next = bits(take());
    block.residual_zero_point.next = bits(take());
    block.half_away.next = take() == 1;
    block.zero_point.next = bits(take());
    block.low.next = bits(take());
    block.high.next = bits(take());
    block.wide.next = take() == 1;
    block.first.next = take() == 1;
    block.bias.next = bits(take());
    block.residual.next = bits(take());
    block.residual_multiplier.next = bits(take());
    block.multiplier.next = bits(take());
    block.shift.next = bits(take());
    block.weight.iter_mut().for_each(|weight| weight.next = bits(take()));
    block.crossing.iter_mut().for_each(|crossing| crossing.next = bits(take()));
    block.word.iter_mut().for_each(|byte| byte.next = bits(take()));
    assert!(next.next().is_none());
    tick(block, |block| &mut block.clock).unwrap();
    let wide = block.psum.iter().chain(&block.sum).map(|port| port.val().to_u64());
    wide.chain(block.value.iter().chain(&block.maximum).map(|port| port.val().to_u64())).collect()
}

fn verilog(block: &mut DataPath, technology: Technology) -> Verilog {
    let mut verilog = emit(block, "data_path", "").unwrap();
    if technology == Technology::Ecp5 {
        verilog
            .modules
            .insert(0, Module { name: "MULT18X18D".into(), text: MULT18X18D_MODEL.into() });
    }
    verilog
}

fn sized(rows: usize, cols: usize, accumulator: usize) -> ArrayConfig {
    ArrayConfig::new(rows, cols, Memories { accumulator, ..Memories::default() }).unwrap()
}

fn check(config: &ArrayConfig, technology: Technology) {
    let mut random = Random::new(config.rows() as u64);
    let inputs: Vec<Vec<u64>> = (0..6000).map(|cycle| row(config, &mut random, cycle)).collect();
    let mut block = DataPath::new(&Design::of(config.clone()).with_technology(technology));
    let verilog = verilog(&mut block, technology);
    lint(&verilog);
    let expected: Vec<Vec<u64>> = inputs.iter().map(|row| native(&mut block, row)).collect();
    for port in 0..expected[0].len() {
        let values: std::collections::BTreeSet<u64> =
            expected.iter().map(|row| row[port]).collect();
        assert!(values.len() > 20, "output {port} hardly moves");
    }
    let seen = simulate(&verilog, &[], &inputs);
    assert_eq!(seen.len(), expected.len());
    if let Some(cycle) = (0..seen.len()).find(|&cycle| seen[cycle] != expected[cycle]) {
        panic!("cycle {cycle}: Verilog {:x?}, native {:x?}", seen[cycle], expected[cycle]);
    }
}

#[test]
fn inferred_multipliers_run_alike() {
    check(&sized(2, 5, 8), Technology::Generic);
}

#[test]
fn ecp5_multipliers_run_alike() {
    check(&sized(3, 4, 5), Technology::Ecp5);
}

#[test]
fn sections_of_columns_run_alike() {
    for (mask_columns, technology) in [(2, Technology::Generic), (1, Technology::Ecp5)] {
        check(&sized(3, 5, 8).with_mask_columns(mask_columns).unwrap(), technology);
    }
}

#[test]
fn every_size_lints() {
    let sizes = [(8, 16, 256), (16, 32, 200), (2, 2, 2), (5, 31, 3)];
    let plain = sizes.map(|(rows, cols, accumulator)| sized(rows, cols, accumulator));
    for config in plain {
        let design = Design::of(config);
        for technology in [Technology::Generic, Technology::Ecp5] {
            let design = design.clone().with_technology(technology);
            lint(&verilog(&mut DataPath::new(&design), technology));
        }
    }
    for (rows, cols, mask_columns) in [(4, 32, 16), (2, 2, 1), (3, 11, 4)] {
        let config = sized(rows, cols, 4).with_mask_columns(mask_columns).unwrap();
        lint(&verilog(&mut DataPath::new(&Design::of(config)), Technology::Generic));
    }
}

/// What `make bench` holds the whole accelerator against is the array, not something that is easier to simulate.
#[test]
fn the_bare_array_runs_alike() {
    let config = ArrayConfig::new(3, 4, Memories::default()).unwrap();
    for config in [config.clone(), config.with_mask_columns(1).unwrap()] {
        check_bare_array(&Design::of(config));
    }
}

fn check_bare_array(design: &Design) {
    let mut random = Random::new(7);
    let mut block = BareArray::new(design);
    let verilog = emit(&mut block, "bare_array", "").unwrap();
    lint(&verilog);
    let inputs: Vec<Vec<u64>> = (0..2000u64)
        .map(|cycle| {
            let control = [u64::from(cycle % 8 == 0), u64::from(cycle % 8 == 2)];
            let outside = u64::from(random.below(9) == 0);
            let choice = [random.below(1 << 16), outside, random.below(256)];
            let n_bytes = 2 * 3 + 4 + design.array().n_crossings().div_ceil(8);
            let bytes = (0..n_bytes).map(|_| random.below(256));
            control.into_iter().chain(choice).chain(bytes).collect()
        })
        .collect();
    let expected: Vec<Vec<u64>> = inputs
        .iter()
        .map(|row| {
            block.load.next = row[0] == 1;
            block.swap.next = row[1] == 1;
            block.mask.next = bits(row[2]);
            block.outside.next = row[3] == 1;
            block.fill.next = bits(row[4]);
            let bytes = block.word.iter_mut().chain(&mut block.weight).chain(&mut block.crossing);
            bytes.zip(&row[5..]).for_each(|(port, byte)| port.next = bits(*byte));
            tick(&mut block, |block| &mut block.clock).unwrap();
            block.psum.iter().map(|port| port.val().to_u64()).collect()
        })
        .collect();
    assert!(expected.iter().flatten().filter(|sum| **sum != 0).count() > 4000);
    assert_eq!(simulate(&verilog, &[], &inputs), expected);
}
