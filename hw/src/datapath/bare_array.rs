//! The array with its selector and nothing else: what the simulated speed of the whole accelerator is held against.

use rust_hdl_core::prelude::*;
use spec::Design;

use crate::comment;
use crate::datapath::array::Array;
use crate::datapath::selector::Selector;
use crate::leaf::ports;

/// Words in, partial sums out; weights and control come from outside, as [`Array`] and [`Selector`] want them.
///
/// Latency: that of the selector, 1 cycle from `word`, and that of the array. No reset.
#[derive(LogicBlock)]
pub struct BareArray {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// The weights on `weight` are those of row 0; the other rows follow.
    pub load: Signal<In, Bit>,
    /// Comes with the first activations of a tile, two cycles after their `mask`.
    pub swap: Signal<In, Bit>,
    /// Bit `r` picks the odd channel of pair `r`.
    pub mask: Signal<In, Bits<16>>,
    /// The pixel lies outside the map.
    pub outside: Signal<In, Bit>,
    /// int8, all channels of a pixel outside.
    pub fill: Signal<In, Bits<8>>,
    /// int8, one a channel.
    pub word: Vec<Signal<In, Bits<8>>>,
    /// int8, one a column.
    pub weight: Vec<Signal<In, Bits<8>>>,
    /// With several sections, their crossings as [`Array`] wants them.
    pub crossing: Vec<Signal<In, Bits<8>>>,
    /// int32, one a column.
    pub psum: Vec<Signal<Out, Bits<32>>>,
    selector: Selector,
    array: Array,
    _rows: usize,
    _cols: usize,
    _word_channels: usize,
    _crossing_bytes: usize,
    _others: usize,
}

impl BareArray {
    /// Of a design.
    pub fn new(design: &Design) -> Self {
        let config = design.array();
        let (array, selector) = (Array::new(design), Selector::new(config));
        Self {
            clock: Signal::default(),
            load: Signal::default(),
            swap: Signal::default(),
            mask: Signal::default(),
            outside: Signal::default(),
            fill: Signal::default(),
            word: ports(config.word_channels()),
            weight: ports(config.cols()),
            crossing: ports(array.crossing.len()),
            psum: ports(config.cols()),
            _rows: config.rows(),
            _cols: config.cols(),
            _word_channels: config.word_channels(),
            _crossing_bytes: array.crossing.len(),
            _others: array.other.len(),
            selector,
            array,
        }
    }
}

impl Logic for BareArray {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module bare_array: The array and its selector, to be simulated alone.");
        self.selector.clock.next = self.clock.val();
        self.selector.mask.next = self.mask.val();
        self.selector.outside.next = self.outside.val();
        self.selector.fill.next = self.fill.val();
        for i in 0..self._word_channels {
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
        for c in 0..self._cols {
            self.array.weight[c].next = self.weight[c].val();
            self.psum[c].next = self.array.psum[c].val();
        }
    }
}
