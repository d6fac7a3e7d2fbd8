//! When an accumulator bank may be summed into again.

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::leaf::{Constant, Drive, EnabledRegister, Register, verilog};
use crate::{comment, dff_setup};

/// Tells when a new unit can no longer overtake the reads of the unit that is drained from the same bank.
///
/// A unit that starts in the cycle after `released` writes accumulator a no earlier than `rows + 8 + a` cycles later. Reads
/// go up by at most one accumulator a cycle, so of P accumulators at most `P + rows + 6` reads may be left; a pooling window
/// goes back and forth, and the bank is free after its last read. Reset: nothing is drained.
#[derive(LogicBlock, Default)]
pub(super) struct BankRelease {
    pub(super) clock: Signal<In, Clock>,
    pub(super) reset: Signal<In, Bit>,
    /// A unit begins to be read: pulse, also with `unit_end`. Its first read is chosen in the next cycle.
    pub(super) start: Signal<In, Bit>,
    /// Its accumulators, less one.
    pub(super) start_last: Signal<In, Bits<8>>,
    /// Its reads of an accumulator, less one.
    pub(super) start_steps_minus_1: Signal<In, Bits<4>>,
    /// They are read by windows.
    pub(super) start_windowed: Signal<In, Bit>,
    /// The last read of the unit is chosen: pulse.
    pub(super) unit_end: Signal<In, Bit>,
    /// The bank is free: pulse, once a unit.
    pub(super) released: Signal<Out, Bit>,
    /// The unit's bank is not free yet.
    waiting: Register<Bit>,
    /// The unit began in the cycle before.
    fresh: Register<Bit>,
    accumulators: EnabledRegister<Bits<9>>,
    steps_minus_1: EnabledRegister<Bits<4>>,
    windowed: EnabledRegister<Bit>,
    /// Reads that may be left more than there are; negative in two's complement.
    spare: Register<Bits<13>>,
    product: Product,
    at_first: Constant<Bits<13>>,
    releasing: Signal<Local, Bit>,
}

impl BankRelease {
    /// For columns of this configuration.
    pub(super) fn new(config: &ArrayConfig) -> Self {
        Self {
            product: Product::new(config),
            // `spare` counts from the second read on.
            at_first: Constant::new(bits(config.rows() as u64 + 7)),
            ..Self::default()
        }
    }
}

impl Logic for BankRelease {
    #[hdl_gen]
    fn update(&mut self) {
        comment!(
            "module drain_bank_release: Tells when an accumulator bank may be summed into again."
        );
        dff_setup!(self, clock, waiting, fresh, spare);
        clock!(self, clock, accumulators, steps_minus_1, windowed);
        self.accumulators.enable.next = self.start.val();
        self.accumulators.d.next = bit_cast::<9, 8>(self.start_last.val()) + 1;
        self.steps_minus_1.enable.next = self.start.val();
        self.steps_minus_1.d.next = self.start_steps_minus_1.val();
        self.windowed.enable.next = self.start.val();
        self.windowed.d.next = self.start_windowed.val();
        self.product.accumulators.next = self.accumulators.q.val();
        self.product.steps_minus_1.next = self.steps_minus_1.q.val();

        self.spare.d.next = self.spare.q.val() + 1;
        if self.fresh.q.val() {
            self.spare.d.next = self.at_first.val() - self.product.further_reads.val();
        }
        self.releasing.next = self.waiting.q.val()
            & (self.unit_end.val()
                | (!self.fresh.q.val() & !self.windowed.q.val() & !self.spare.q.val().get_bit(12)));
        self.released.next = self.releasing.val();
        self.fresh.d.next = self.start.val();
        if self.releasing.val() {
            self.waiting.d.next = false;
        }
        if self.start.val() {
            self.waiting.d.next = true;
        }

        if self.reset.val() {
            self.waiting.d.next = false;
            self.fresh.d.next = false;
        }
    }
}

/// `further_reads = accumulators * steps_minus_1`. Combinational, in LUTs: a multiplier is too good for it.
#[derive(LogicBlock, Default)]
struct Product {
    accumulators: Signal<In, Bits<9>>,
    /// Below the drain steps of a full group.
    steps_minus_1: Signal<In, Bits<4>>,
    further_reads: Signal<Out, Bits<13>>,
    _n_bits: usize,
}

impl Product {
    fn new(config: &ArrayConfig) -> Self {
        Self { _n_bits: clog2(config.group_steps()), ..Self::default() }
    }
}

impl Logic for Product {
    fn update(&mut self) {
        let steps_minus_1 = self.steps_minus_1.val().to_u64() & ((1 << self._n_bits) - 1);
        self.further_reads.next = bits(self.accumulators.val().to_u64() * steps_minus_1);
    }

    fn connect(&mut self) {
        self.further_reads.drive();
    }

    fn hdl(&self) -> Verilog {
        let term = |bit: usize| {
            let shifted = format!("{{{}'d0, accumulators, {bit}'d0}}", 4 - bit);
            let shifted = shifted.replace(", 0'd0", "");
            format!("(steps_minus_1[{bit}] ? {shifted} : 13'd0)")
        };
        let terms: Vec<String> = (0..self._n_bits).map(term).collect();
        let sum = if terms.is_empty() { "13'd0".to_owned() } else { terms.join("\n    + ") };
        let unused = (self._n_bits..4).map(|bit| format!("steps_minus_1[{bit}]"));
        let mut unused: Vec<String> = unused.collect();
        if terms.is_empty() {
            unused.push("accumulators".to_owned());
        }
        let unused = match unused.len() {
            0 => String::new(),
            _ => format!("wire unused = &{{1'b0, {}}};\n", unused.join(", ")),
        };
        let name = format!("drain_product_{}", self._n_bits);
        let sentence = "Accumulators times drain steps, without a multiplier.";
        verilog(&name, sentence, &format!("{unused}assign further_reads = {sum};\n"))
    }
}
