//! A block that uses every construct of `update` that the emitter knows.

use rust_hdl_core::prelude::*;
use twofold_hw::leaf::ports;

/// A bundle.
#[derive(Copy, Clone, Debug, PartialEq, Default, LogicStruct)]
pub(crate) struct Pair {
    pub(crate) low: Bits<3>,
    pub(crate) flag: Bit,
    pub(crate) high: Bits<4>,
}

/// Three states: one code is unused.
#[derive(Copy, Clone, Debug, PartialEq, LogicState)]
pub(crate) enum Mode {
    Add,
    Subtract,
    Shift,
}

/// A grid element with `Vec` ports, to be indexed twice.
#[derive(LogicBlock)]
pub(crate) struct Element {
    pub(crate) x: Vec<Signal<In, Bits<8>>>,
    pub(crate) y: Vec<Signal<Out, Bits<8>>>,
}

impl Element {
    fn new() -> Self {
        Self { x: ports(2), y: ports(2) }
    }
}

impl Logic for Element {
    #[hdl_gen]
    fn update(&mut self) {
        self.y[0].next = self.x[1].val();
        self.y[1].next = self.x[0].val() ^ self.x[1].val();
    }
}

#[derive(LogicBlock)]
pub(crate) struct Constructs {
    pub(crate) a: Signal<In, Bits<8>>,
    pub(crate) b: Signal<In, Bits<8>>,
    pub(crate) s: Signal<In, Signed<8>>,
    pub(crate) t: Signal<In, Signed<8>>,
    pub(crate) mode: Signal<In, Bits<2>>,
    pub(crate) flag: Signal<In, Bit>,
    pub(crate) lane: Vec<Signal<In, Bits<8>>>,
    pub(crate) selected: Signal<Out, Bits<8>>,
    pub(crate) one_hot: Vec<Signal<Out, Bit>>,
    pub(crate) wide: Signal<Out, Bits<16>>,
    pub(crate) narrow: Signal<Out, Bits<3>>,
    pub(crate) pair: Signal<Out, Pair>,
    pub(crate) pair_bits: Signal<Out, Bits<8>>,
    pub(crate) signed_sum: Signal<Out, Signed<8>>,
    pub(crate) signed_part: Signal<Out, Signed<4>>,
    pub(crate) less: Signal<Out, Bit>,
    pub(crate) result: Signal<Out, Bits<8>>,
    pub(crate) moved: Signal<Out, Bits<8>>,
    pub(crate) picked: Signal<Out, Bit>,
    pub(crate) reduced: Signal<Out, Bit>,
    pub(crate) grid: Vec<Signal<Out, Bits<8>>>,
    element: Vec<Vec<Element>>,
    decoded: Signal<Local, Mode>,
    sum: Signal<Local, Bits<8>>,
    local_pair: Signal<Local, Pair>,
    threshold: Constant<Bits<8>>,
    negative: Constant<Signed<8>>,
    _lanes: usize,
}

impl Constructs {
    pub(crate) fn new(lanes: usize) -> Self {
        Self {
            a: Default::default(),
            b: Default::default(),
            s: Default::default(),
            t: Default::default(),
            mode: Default::default(),
            flag: Default::default(),
            lane: ports(lanes),
            selected: Default::default(),
            one_hot: ports(lanes),
            wide: Default::default(),
            narrow: Default::default(),
            pair: Default::default(),
            pair_bits: Default::default(),
            signed_sum: Default::default(),
            signed_part: Default::default(),
            less: Default::default(),
            result: Default::default(),
            moved: Default::default(),
            picked: Default::default(),
            reduced: Default::default(),
            grid: ports(4),
            element: (0..2).map(|_| (0..2).map(|_| Element::new()).collect()).collect(),
            decoded: Default::default(),
            sum: Default::default(),
            local_pair: Default::default(),
            threshold: Constant::new(bits(200)),
            negative: Constant::new(Signed::from(-3)),
            _lanes: lanes,
        }
    }
}

impl Logic for Constructs {
    #[hdl_gen]
    fn update(&mut self) {
        // A mux and a decoder of run-time size.
        self.selected.next = 0.into();
        for i in 0..self._lanes {
            self.one_hot[i].next = self.a.val().index() == i;
            if self.a.val().index() == i {
                self.selected.next = self.lane[i].val();
            }
        }
        // Widths: widen, concatenate, part-select.
        self.wide.next =
            (bit_cast::<16, 8>(self.a.val()) << 8) | bit_cast::<16, 8>(self.b.val() + 1);
        self.narrow.next = self.a.val().get_bits::<3>(2);
        // Bundles: field by field, as a whole, as bits.
        self.local_pair.next.low = self.a.val().get_bits::<3>(0);
        self.local_pair.next.flag = self.a.val() == self.b.val();
        self.local_pair.next.high = self.b.val().get_bits::<4>(4);
        self.pair.next = self.local_pair.val();
        self.pair_bits.next = self.local_pair.val().into();
        // Signed.
        self.signed_sum.next = self.s.val() + self.t.val() + self.negative.val();
        self.signed_part.next = self.s.val().get_bits::<4>(2);
        self.less.next = self.s.val() < self.t.val();
        // An enum chosen by bits, and used.
        self.decoded.next = Mode::Shift;
        if self.mode.val() == 0 {
            self.decoded.next = Mode::Add;
        } else if self.mode.val() == 1 {
            self.decoded.next = Mode::Subtract;
        }
        self.sum.next = self.a.val() + self.b.val();
        match self.decoded.val() {
            Mode::Add => self.result.next = self.sum.val(),
            Mode::Subtract => {
                self.result.next = self.a.val() - self.b.val();
            }
            _ => {
                self.result.next = (self.sum.val() >> 1) ^ (self.a.val() & 15);
            }
        }
        // Moving selects, reductions, logic.
        self.moved.next = self.a.val() << self.b.val().get_bits::<3>(0);
        self.picked.next = self.a.val().get_bit(self.b.val().get_bits::<3>(0).index());
        self.reduced.next = (self.a.val().any() & !self.b.val().all())
            | (self.a.val().xor() && (self.a.val() > self.threshold.val()))
            | !self.flag.val();
        // Two indices.
        for r in 0..2 {
            for c in 0..2 {
                self.element[r][c].x[0].next = self.a.val();
                self.element[r][c].x[1].next = self.b.val() + bits::<8>(3);
                if r == c {
                    self.grid[r * 2 + c].next = self.element[r][c].y[0].val();
                } else {
                    self.grid[r * 2 + c].next = self.element[r][c].y[1].val();
                }
            }
        }
    }
}
