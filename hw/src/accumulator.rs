//! The accumulators of one column: two banks, one summed into while the other is drained.

use crate::control::AccumulateControl;
use crate::leaf::{Drive, verilog};
use crate::verilog::range_of;
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

/// Adds each partial sum to the accumulator that its control names.
///
/// With `control` at cycle v - 2 and `psum` at v, the sum is registered for v + 1 and written for a read whose control
/// comes at v + 2; so two visits to one accumulator are at least [`ArrayConfig::ACCUMULATE_LATENCY`] cycles apart, unless
/// the second has `chain`. One sum a cycle. `sum` follows `drain_address` by 2 cycles. A bank is not summed into while it
/// is drained. Reset clears `valid` and `last` of `control_out`.
#[derive(LogicBlock)]
pub struct Accumulator {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// What to do with the `psum` two cycles later.
    pub control: Signal<In, AccumulateControl>,
    /// int32.
    pub psum: Signal<In, Bits<32>>,
    /// A bank is being drained.
    pub drain_active: Signal<In, Bit>,
    /// Which bank is drained.
    pub drain_bank: Signal<In, Bit>,
    /// Accumulator to read from the drained bank.
    pub drain_address: Signal<In, Bits<8>>,
    /// `control` of the cycle before, for the column on the right.
    pub control_out: Signal<Out, AccumulateControl>,
    /// int32, from the drained bank.
    pub sum: Signal<Out, Bits<32>>,
    _depth: usize,
    _memory: [Vec<u32>; 2],
    _word: [u32; 2],
    _drain_bank: bool,
    _base: u32,
    _visit: AccumulateControl,
    _total: u32,
    _write: AccumulateControl,
}

impl Accumulator {
    /// A column of the configuration's accumulator depth.
    pub fn new(config: &ArrayConfig) -> Self {
        let depth = config.memories().accumulator;
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            control: Signal::default(),
            psum: Signal::default(),
            drain_active: Signal::default(),
            drain_bank: Signal::default(),
            drain_address: Signal::default(),
            control_out: Signal::default(),
            sum: Signal::default(),
            _depth: depth,
            _memory: [vec![0; depth], vec![0; depth]],
            _word: [0; 2],
            _drain_bank: false,
            _base: 0,
            _visit: AccumulateControl::default(),
            _total: 0,
            _write: AccumulateControl::default(),
        }
    }

    fn address_bits(&self) -> usize {
        clog2(self._depth).max(1)
    }

    fn index(&self, address: Bits<8>) -> usize {
        address.index() & ((1 << self.address_bits()) - 1)
    }
}

impl Logic for Accumulator {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let control = self.control.val();
        let read = self.control_out.val();
        let [word_0, word_1] = self._word;
        self.sum.next = u64::from(if self._drain_bank { word_1 } else { word_0 }).into();
        self._drain_bank = self.drain_bank.val();
        for bank in 0..2 {
            let drained = self.drain_active.val() && usize::from(self.drain_bank.val()) == bank;
            let at = self.index(if drained { self.drain_address.val() } else { control.address });
            self._word[bank] = self._memory[bank].get(at).copied().unwrap_or_default();
        }
        if self._write.valid {
            let at = self.index(self._write.address);
            if let Some(accumulator) = self._memory[usize::from(self._write.bank)].get_mut(at) {
                *accumulator = self._total;
            }
        }
        if self._visit.valid {
            let base = if self._visit.chain { self._total } else { self._base };
            self._total = base.wrapping_add(self.psum.val().to_u32());
        }
        self._write = self._visit;
        self._base = match (read.first, read.bank) {
            (true, _) => 0,
            (false, false) => word_0,
            (false, true) => word_1,
        };
        self._visit = AccumulateControl { chain: read.chain && !read.first, ..read };
        let keep = !self.reset.val();
        self.control_out.next = AccumulateControl {
            valid: control.valid && keep,
            last: control.last && keep,
            ..control
        };
    }

    fn connect(&mut self) {
        self.control_out.drive();
        self.sum.drive();
    }

    fn hdl(&self) -> Verilog {
        let (depth, bits) = (self._depth, self.address_bits());
        let [valid, bank, first, chain, last] =
            ["valid", "bank", "first", "chain", "last"].map(|name| field(name).0);
        let (lsb, width) = field("address");
        let address = format!("[{}:{lsb}]", lsb + bits - 1);
        let range = range_of(bits);
        let at = if bits == width { String::new() } else { format!("[{}:0]", bits - 1) };
        let control_bits = AccumulateControl::BITS;
        let body = format!(
            "\
(* no_rw_check *)
reg [31:0] memory_0 [0:{top}];
(* no_rw_check *)
reg [31:0] memory_1 [0:{top}];
reg [31:0] word_0;
reg [31:0] word_1;
reg drain_bank_1;
reg [31:0] base;
reg valid_2;
reg chain_2;
reg bank_2;
reg {range}address_2;
reg [31:0] total;
reg valid_3;
reg bank_3;
reg {range}address_3;
wire {range}address_0 = drain_active & ~drain_bank ? drain_address{at} : control{address};
wire {range}address_1 = drain_active & drain_bank ? drain_address{at} : control{address};
initial begin
    word_0 = 32'd0;
    word_1 = 32'd0;
    drain_bank_1 = 1'b0;
    base = 32'd0;
    valid_2 = 1'b0;
    chain_2 = 1'b0;
    bank_2 = 1'b0;
    address_2 = {bits}'d0;
    total = 32'd0;
    valid_3 = 1'b0;
    bank_3 = 1'b0;
    address_3 = {bits}'d0;
    control_out = {control_bits}'d0;
    sum = 32'd0;
end
always @(posedge clock) begin
    word_0 <= memory_0[address_0];
    word_1 <= memory_1[address_1];
    if (valid_3 & ~bank_3) memory_0[address_3] <= total;
    if (valid_3 & bank_3) memory_1[address_3] <= total;
    drain_bank_1 <= drain_bank;
    sum <= drain_bank_1 ? word_1 : word_0;
    base <= control_out[{first}] ? 32'd0 : control_out[{bank}] ? word_1 : word_0;
    valid_2 <= control_out[{valid}];
    chain_2 <= control_out[{chain}] & ~control_out[{first}];
    bank_2 <= control_out[{bank}];
    address_2 <= control_out{address};
    if (valid_2) total <= (chain_2 ? total : base) + psum;
    valid_3 <= valid_2;
    bank_3 <= bank_2;
    address_3 <= address_2;
    control_out <= control;
    if (reset) begin
        control_out[{valid}] <= 1'b0;
        control_out[{last}] <= 1'b0;
    end
end
",
            top = depth - 1,
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
    for (field, bits) in crate::control::widths(AccumulateControl::descriptor()) {
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

    /// Runs visits (control and its partial sum), one a cycle, until all are written.
    fn run(column: &mut Accumulator, visits: &[(AccumulateControl, i32)]) {
        for t in 0..visits.len() + 5 {
            column.control.next = visits.get(t).map(|visit| visit.0).unwrap_or_default();
            let psum = t.checked_sub(2).and_then(|t| visits.get(t)).map_or(-77, |visit| visit.1);
            column.psum.next = u64::from(psum as u32).into();
            tick(column, |column| &mut column.clock).unwrap();
            assert_eq!(
                column.control_out.val(),
                visits.get(t).map(|visit| visit.0).unwrap_or_default()
            );
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
            column.control.next =
                if t < 2 * depth { visit(true, t % depth, t < depth) } else { Default::default() };
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
        let chained = |first| AccumulateControl { chain: true, ..visit(false, 0, first) };
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

    #[test]
    fn reset_clears_the_control_that_starts_things() {
        let mut column = column(4);
        column.control.next = AccumulateControl { last: true, ..visit(true, 3, true) };
        column.reset.next = true;
        tick(&mut column, |column| &mut column.clock).unwrap();
        let out = column.control_out.val();
        assert!(!out.valid && !out.last && out.bank && out.first);
        column.reset.next = false;
        tick(&mut column, |column| &mut column.clock).unwrap();
        assert!(column.control_out.val().valid && column.control_out.val().last);
    }
}
