//! A small design with one of everything: an enum state machine, a control bundle, `Vec` sub-blocks wired in
//! loops, a run-time generate-if, signed arithmetic, a ROM and a RAM.

use rust_hdl_core::prelude::*;
use twofold_hw::leaf::{ControlDelay, Delay, Drive, Ram, Register, Rom, ports, verilog};
use twofold_hw::{comment, dff_setup};

/// Control that travels with the data.
#[derive(Copy, Clone, Debug, PartialEq, Default, LogicStruct)]
pub(crate) struct Control {
    pub(crate) valid: Bit,
    pub(crate) last: Bit,
    pub(crate) address: Bits<4>,
}

/// Where the sequencer is.
#[derive(Copy, Clone, Debug, PartialEq, LogicState)]
pub(crate) enum State {
    Idle,
    Run,
    Drain,
}

/// Counts through the memory once `start` is high.
#[derive(LogicBlock)]
pub(crate) struct Sequencer {
    pub(crate) clock: Signal<In, Clock>,
    pub(crate) reset: Signal<In, Bit>,
    pub(crate) start: Signal<In, Bit>,
    pub(crate) control: Signal<Out, Control>,
    pub(crate) busy: Signal<Out, Bit>,
    state: Register<State>,
    count: Register<Bits<4>>,
    last: Constant<Bits<4>>,
    at_end: Signal<Local, Bit>,
}

impl Sequencer {
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            control: Default::default(),
            busy: Default::default(),
            state: Register::default(),
            count: Register::default(),
            last: Constant::new(bits(depth as u64 - 1)),
            at_end: Default::default(),
        }
    }
}

impl Logic for Sequencer {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module sequencer: Counts through the memory once `start` is high.");
        dff_setup!(self, clock, state, count);
        self.at_end.next = self.count.q.val() == self.last.val();
        self.busy.next = self.state.q.val() != State::Idle;
        self.control.next.valid = self.state.q.val() == State::Run;
        self.control.next.last = self.at_end.val() & (self.state.q.val() == State::Run);
        self.control.next.address = self.count.q.val();
        match self.state.q.val() {
            State::Idle => {
                if self.start.val() {
                    self.state.d.next = State::Run;
                    self.count.d.next = 0.into();
                }
            }
            State::Run => {
                self.count.d.next = self.count.q.val() + 1;
                if self.at_end.val() {
                    self.state.d.next = State::Drain;
                }
            }
            State::Drain => {
                self.state.d.next = State::Idle;
            }
        }
        if self.reset.val() {
            self.state.d.next = State::Idle;
        }
    }
}

/// `psum_out = psum + weight * activation`, signed. A leaf: rust-hdl has no signed product of this size.
#[derive(LogicBlock, Default)]
pub(crate) struct Mac {
    pub(crate) clock: Signal<In, Clock>,
    pub(crate) weight: Signal<In, Bits<8>>,
    pub(crate) activation: Signal<In, Bits<8>>,
    pub(crate) psum: Signal<In, Signed<24>>,
    pub(crate) psum_out: Signal<Out, Signed<24>>,
}

impl Logic for Mac {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let weight = self.weight.val().to_u8() as i8;
            let activation = self.activation.val().to_u8() as i8;
            let product = Signed::<24>::from(i64::from(weight) * i64::from(activation));
            self.psum_out.next = self.psum.val() + product;
        }
    }

    fn connect(&mut self) {
        self.psum_out.drive();
    }

    fn hdl(&self) -> Verilog {
        verilog(
            "mac",
            "psum_out = psum + weight * activation, signed.",
            "\
wire signed [23:0] product = $signed({{16{weight[7]}}, weight}) * $signed({{16{activation[7]}}, activation});
initial psum_out = 24'sd0;
always @(posedge clock) psum_out <= psum + product;
",
        )
    }
}

/// The whole example: reads `lanes` weights a cycle, multiplies and adds them down a column, and stores the sums.
#[derive(LogicBlock)]
pub(crate) struct Column {
    pub(crate) clock: Signal<In, Clock>,
    pub(crate) reset: Signal<In, Bit>,
    pub(crate) start: Signal<In, Bit>,
    pub(crate) activation: Vec<Signal<In, Bits<8>>>,
    pub(crate) read_address: Signal<In, Bits<4>>,
    pub(crate) sum: Vec<Signal<Out, Bits<8>>>,
    pub(crate) busy: Signal<Out, Bit>,
    pub(crate) negative: Signal<Out, Bit>,
    sequencer: Sequencer,
    weights: Rom<4, 8>,
    skew: Vec<Delay<Bits<8>>>,
    mac: Vec<Mac>,
    control: ControlDelay<Control>,
    sums: Ram<4, 8>,
    zero: Constant<Signed<24>>,
    bits: Signal<Local, Bits<24>>,
    _lanes: usize,
    _invert: bool,
}

impl Column {
    pub(crate) fn new(lanes: usize, depth: usize, invert: bool, words: &[Vec<u64>]) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            activation: ports(lanes),
            read_address: Default::default(),
            sum: ports(3),
            busy: Default::default(),
            negative: Default::default(),
            sequencer: Sequencer::new(depth),
            weights: Rom::new("weight_rom", "weights.hex", depth, lanes).with_contents(words),
            skew: (0..lanes).map(Delay::new).collect(),
            mac: (0..lanes).map(|_| Mac::default()).collect(),
            control: ControlDelay::new(lanes + 1),
            sums: Ram::new("sum_ram", depth, 3, 3),
            zero: Constant::new(0.into()),
            bits: Default::default(),
            _lanes: lanes,
            _invert: invert,
        }
    }
}

impl Logic for Column {
    #[hdl_gen]
    fn update(&mut self) {
        self.sequencer.clock.next = self.clock.val();
        self.sequencer.reset.next = self.reset.val();
        self.sequencer.start.next = self.start.val();
        self.busy.next = self.sequencer.busy.val();

        self.weights.clock.next = self.clock.val();
        self.weights.address.next = self.sequencer.control.val().address;

        for i in 0..self._lanes {
            self.skew[i].clock.next = self.clock.val();
            self.skew[i].d.next = self.weights.data[i].val();
            self.mac[i].clock.next = self.clock.val();
            self.mac[i].weight.next = self.skew[i].q.val();
            self.mac[i].activation.next = self.activation[i].val();
            if i == 0 {
                self.mac[i].psum.next = self.zero.val();
            } else {
                self.mac[i].psum.next = self.mac[i - 1].psum_out.val();
            }
        }

        self.control.clock.next = self.clock.val();
        self.control.reset.next = self.reset.val();
        self.control.d.next = self.sequencer.control.val();

        for n in self._lanes..(self._lanes + 1) {
            comment!("The last MAC holds the sum of the column.");
            self.bits.next = unsigned_cast(self.mac[n - 1].psum_out.val());
            self.negative.next = self.mac[n - 1].psum_out.val() < self.zero.val();
        }
        self.sums.clock.next = self.clock.val();
        self.sums.write_address.next = self.control.q.val().address;
        self.sums.read_address.next = self.read_address.val();
        for i in 0..3 {
            self.sums.write_enable[i].next = self.control.q.val().valid;
            self.sums.write_data[i].next = self.bits.val().get_bits::<8>(i * 8);
            self.sum[i].next = self.sums.read_data[i].val();
            for _k in 0..(self._invert as usize) {
                self.sum[i].next = !self.sums.read_data[i].val();
            }
        }
    }
}
