//! The accumulators of one column: two banks, one summed into while the other is drained.

use crate::context::AccumulateControl;
use crate::leaf::{Drive, verilog};
use rust_hdl_core::prelude::*;
use spec::{AccumulatorMemory, ArrayConfig};

/// Adds each partial sum to the accumulator that its control names.
///
/// The control of a visit comes four times, one cycle later each, as columns further right get it from the same line of
/// registers: `read` at v - 2, `start` at v - 1, `add` at v with `psum`, `write` at v + 1. A read at v + 2 sees the sum,
/// so two visits to one accumulator are at least [`ArrayConfig::ACCUMULATE_LATENCY`] cycles apart, unless the second has
/// `chain`. One sum a cycle. `sum` follows `drain_address` by 2 cycles of `drain_active`. A bank is not summed into while
/// it is drained. No reset.
#[derive(LogicBlock)]
pub struct Accumulator {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Of the visit whose accumulator is read in this cycle.
    pub read: Signal<In, AccumulateControl>,
    /// Of the visit before, whose base is chosen.
    pub start: Signal<In, AccumulateControl>,
    /// Of the visit whose `psum` is here.
    pub add: Signal<In, AccumulateControl>,
    /// Of the visit whose sum is written.
    pub write: Signal<In, AccumulateControl>,
    /// int32.
    pub psum: Signal<In, Bits<32>>,
    /// A bank is being drained.
    pub drain_active: Signal<In, Bit>,
    /// Which bank is drained.
    pub drain_bank: Signal<In, Bit>,
    /// Accumulator to read from the drained bank.
    pub drain_address: Signal<In, Bits<8>>,
    /// int32, from the drained bank.
    pub sum: Signal<Out, Bits<32>>,
    _depth: usize,
    _made_of: AccumulatorMemory,
    _memory: [Vec<u32>; 2],
    _word: u32,
    _drain_word: u32,
    _base: u32,
    _total: u32,
}

impl Accumulator {
    /// A column of the configuration's accumulator depth.
    pub fn new(config: &ArrayConfig) -> Self {
        let depth = config.memories().accumulator;
        Self {
            clock: Signal::default(),
            read: Signal::default(),
            start: Signal::default(),
            add: Signal::default(),
            write: Signal::default(),
            psum: Signal::default(),
            drain_active: Signal::default(),
            drain_bank: Signal::default(),
            drain_address: Signal::default(),
            sum: Signal::default(),
            _depth: depth,
            _made_of: AccumulatorMemory::Automatic,
            _memory: [vec![0; depth], vec![0; depth]],
            _word: 0,
            _drain_word: 0,
            _base: 0,
            _total: 0,
        }
    }

    /// The same made of something else.
    pub fn made_of(self, memory: AccumulatorMemory) -> Self {
        Self { _made_of: memory, ..self }
    }

    fn address_bits(&self) -> usize {
        clog2(self._depth).max(1)
    }

    fn index(&self, address: Bits<8>) -> usize {
        address.index() & ((1 << self.address_bits()) - 1)
    }

    fn word(&self, bank: bool, address: Bits<8>) -> u32 {
        self._memory[usize::from(bank)].get(self.index(address)).copied().unwrap_or_default()
    }
}

impl Logic for Accumulator {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let (read, start, add, write) =
            (self.read.val(), self.start.val(), self.add.val(), self.write.val());
        let word = self.word(read.bank, read.address);
        if self.drain_active.val() {
            self.sum.next = u64::from(self._drain_word).into();
            self._drain_word = self.word(self.drain_bank.val(), self.drain_address.val());
        }
        if write.valid {
            let at = self.index(write.address);
            let total = self._total;
            if let Some(accumulator) = self._memory[usize::from(write.bank)].get_mut(at) {
                *accumulator = total;
            }
        }
        if add.valid {
            let base = if add.chain { self._total } else { self._base };
            self._total = base.wrapping_add(self.psum.val().to_u32());
        }
        self._base = if start.first { 0 } else { self._word };
        self._word = word;
    }

    fn connect(&mut self) {
        self.sum.drive();
    }

    fn hdl(&self) -> Verilog {
        let (depth, bits) = (1 << self.address_bits(), self.address_bits());
        let [valid, bank, first, chain] =
            ["valid", "bank", "first", "chain"].map(|name| field(name).0);
        let (lsb, width) = field("address");
        let address = format!("[{}:{lsb}]", lsb + bits - 1);
        let at = if bits == width { String::new() } else { format!("[{}:0]", bits - 1) };
        let style = match self._made_of {
            AccumulatorMemory::Automatic => "",
            AccumulatorMemory::LookUpTables => ", ram_style = \"distributed\"",
        };
        let body = format!(
            "\
(* no_rw_check{style} *)
reg [31:0] memory [0:{top}];
reg [31:0] word;
reg [31:0] drain_word;
reg [31:0] base;
reg [31:0] total;
initial begin
    word = 32'd0;
    drain_word = 32'd0;
    base = 32'd0;
    total = 32'd0;
    sum = 32'd0;
end
always @(posedge clock) begin
    word <= memory[{{read[{bank}], read{address}}}];
    base <= start[{first}] ? 32'd0 : word;
    if (write[{valid}]) memory[{{write[{bank}], write{address}}}] <= total;
    if (add[{valid}]) total <= (add[{chain}] ? total : base) + psum;
    if (drain_active) begin
        drain_word <= memory[{{drain_bank, drain_address{at}}}];
        sum <= drain_word;
    end
end
",
            top = 2 * depth - 1,
        );
        verilog(
            "accumulator",
            "Two banks of accumulators; a sum is read, added to and written in 4 cycles.",
            &body,
        )
    }
}

/// Lowest bit and width of a field of the control bundle.
fn field(name: &str) -> (usize, usize) {
    let mut lsb = 0;
    for (field, bits) in crate::context::widths(AccumulateControl::descriptor()) {
        if field == name {
            return (lsb, bits);
        }
        lsb += bits;
    }
    unreachable!("the control bundle has a field {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use spec::Memories;

    fn column(depth: usize) -> Accumulator {
        let memories = Memories { accumulator: depth, ..Memories::default() };
        Accumulator::new(&ArrayConfig::new(2, 2, memories).unwrap())
    }

    /// The control of the visits in the four stages.
    fn control(column: &mut Accumulator, visit: impl Fn(usize) -> Option<AccumulateControl>) {
        column.read.next = visit(0).unwrap_or_default();
        column.start.next = visit(1).unwrap_or_default();
        column.add.next = visit(2).unwrap_or_default();
        column.write.next = visit(3).unwrap_or_default();
    }

    /// Runs visits (control and its partial sum), one a cycle, until all are written.
    fn run(column: &mut Accumulator, visits: &[(AccumulateControl, i32)]) {
        for t in 0..visits.len() + 5 {
            control(column, |stage| {
                t.checked_sub(stage).and_then(|t| visits.get(t)).map(|visit| visit.0)
            });
            let psum = t.checked_sub(2).and_then(|t| visits.get(t)).map_or(-77, |visit| visit.1);
            column.psum.next = u64::from(psum as u32).into();
            tick(column, |column| &mut column.clock).unwrap();
        }
    }

    fn drain(column: &mut Accumulator, bank: bool, depth: usize) -> Vec<i32> {
        column.drain_active.next = true;
        column.drain_bank.next = bank;
        let mut sums = vec![];
        for t in 0..=depth {
            column.drain_address.next = (t.min(depth - 1) as u64).into();
            tick(column, |column| &mut column.clock).unwrap();
            sums.push(column.sum.val().to_u32() as i32);
        }
        column.drain_active.next = false;
        sums.split_off(1)
    }

    fn visit(bank: bool, address: usize, first: bool) -> AccumulateControl {
        AccumulateControl {
            valid: true,
            bank,
            address: (address as u64).into(),
            first,
            ..Default::default()
        }
    }

    #[test]
    fn sums_every_accumulator_of_both_banks() {
        for depth in [4, 6, 256] {
            let mut column = column(depth);
            let mut random = Random::new(depth as u64);
            for bank in [true, false, true] {
                let mut expected = vec![0_i32; depth];
                let mut visits = vec![];
                for tile in 0..3 {
                    for (address, sum) in expected.iter_mut().enumerate() {
                        let extremes = [i32::MIN, i32::MAX, 0, -1];
                        let psum = extremes.get(random.below(8) as usize).copied();
                        let psum = psum.unwrap_or_else(|| random.below(1 << 32) as u32 as i32);
                        *sum = if tile == 0 { psum } else { sum.wrapping_add(psum) };
                        visits.push((visit(bank, address, tile == 0), psum));
                    }
                }
                run(&mut column, &visits);
                assert_eq!(drain(&mut column, bank, depth), expected, "depth {depth}, bank {bank}");
            }
        }
    }

    #[test]
    fn a_bank_is_drained_while_the_other_is_summed() {
        let depth = 8;
        let mut column = column(depth);
        let values: Vec<i32> = (0..depth as i32).map(|i| 1000 * i - 7).collect();
        let fill: Vec<_> = (0..depth).map(|i| (visit(false, i, true), values[i])).collect();
        run(&mut column, &fill);
        let mut seen = vec![];
        for t in 0..2 * depth + 5 {
            control(&mut column, |stage| {
                let t = t.checked_sub(stage).filter(|t| *t < 2 * depth)?;
                Some(visit(true, t % depth, t < depth))
            });
            column.psum.next = (t as u64).into();
            column.drain_active.next = true;
            column.drain_bank.next = false;
            column.drain_address.next = (t as u64 % depth as u64).into();
            tick(&mut column, |column| &mut column.clock).unwrap();
            seen.push(column.sum.val().to_u32() as i32);
        }
        assert_eq!(seen[1..=depth], values);
        // The partial sum of the visit at t comes at t + 2.
        let expected: Vec<i32> =
            (0..depth as i32).map(|i| (i + 2) + (i + depth as i32 + 2)).collect();
        assert_eq!(drain(&mut column, true, depth), expected);
        assert_eq!(drain(&mut column, false, depth), values);
    }

    #[test]
    fn a_chain_adds_to_the_last_sum() {
        let mut column = column(4);
        let chained = |first: bool| AccumulateControl { chain: !first, ..visit(false, 0, first) };
        let gap = (AccumulateControl::default(), 1 << 20);
        let visits = [
            (chained(true), 5),
            (chained(false), 6),
            gap,
            gap,
            (chained(false), -20),
            (chained(false), 100),
        ];
        run(&mut column, &visits);
        assert_eq!(drain(&mut column, false, 4)[0], 91);
        run(&mut column, &[(chained(true), i32::MAX), (chained(false), 1)]);
        assert_eq!(drain(&mut column, false, 4)[0], i32::MIN);
    }
}
