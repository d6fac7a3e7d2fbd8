//! Memories: one wide word array inside, a `Vec` of narrow lanes outside.
//!
//! rust-hdl's `Bits<N>` fixes a width at compile time, so a word of run-time width is a run-time number of `LANE`-bit
//! lanes. Lane 0 is the least significant. Inside there is a single `mem`, which maps to half the block RAMs that
//! a memory per lane would take.

use super::{Drive, ports, verilog};
use crate::verilog::range_of;
use rust_hdl_core::prelude::*;
use spec::{ArrayConfig, Memory};
use std::fmt::Write;

/// A memory with one write and one read port. A read takes one cycle; the output holds nothing else. Writing and
/// reading one address in the same cycle reads the old word in simulation and is undefined in hardware.
/// Addresses use the lowest `ceil(log2 depth)` bits of their ports.
#[derive(LogicBlock)]
pub struct Ram<const ADDRESS: usize, const LANE: usize> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// One bit for each group of adjacent lanes.
    pub write_enable: Vec<Signal<In, Bit>>,
    /// Where to write.
    pub write_address: Signal<In, Bits<ADDRESS>>,
    /// The word to write.
    pub write_data: Vec<Signal<In, Bits<LANE>>>,
    /// Where to read.
    pub read_address: Signal<In, Bits<ADDRESS>>,
    /// The word at the `read_address` of the cycle before.
    pub read_data: Vec<Signal<Out, Bits<LANE>>>,
    _name: String,
    _depth: usize,
    _visible: bool,
    _words: Vec<Bits<LANE>>,
}

impl<const ADDRESS: usize, const LANE: usize> Ram<ADDRESS, LANE> {
    /// A memory of `depth` words of `lanes` lanes, with one write enable for each of `enables` equal groups of lanes.
    /// `name` names the module.
    ///
    /// # Panics
    /// If a size is 0, `enables` does not divide `lanes`, or `ADDRESS` bits do not reach `depth` words.
    pub fn new(name: &str, depth: usize, lanes: usize, enables: usize) -> Self {
        check_sizes(depth, lanes, ADDRESS);
        assert!(
            enables > 0 && lanes.is_multiple_of(enables),
            "{enables} write enables must divide {lanes} lanes"
        );
        Self {
            clock: Signal::default(),
            write_enable: ports(enables),
            write_address: Signal::default(),
            write_data: ports(lanes),
            read_address: Signal::default(),
            read_data: ports(lanes),
            _name: name.into(),
            _depth: depth,
            _visible: false,
            _words: vec![Bits::default(); depth * lanes],
        }
    }

    /// Lets the simulator read and write the contents.
    pub fn visible(mut self) -> Self {
        self._visible = true;
        self
    }

    /// A lane of a word in native simulation.
    ///
    /// # Panics
    /// If there is no such word or lane.
    pub fn lane(&self, word: usize, lane: usize) -> Bits<LANE> {
        assert!(word < self._depth && lane < self.read_data.len(), "no lane {lane} of word {word}");
        self._words[word * self.read_data.len() + lane]
    }
}

impl<const ADDRESS: usize, const LANE: usize> Logic for Ram<ADDRESS, LANE> {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let lanes = self.read_data.len();
        read(
            &self._words,
            index(self.read_address.val(), self._depth),
            self._depth,
            &mut self.read_data,
        );
        let at = index(self.write_address.val(), self._depth);
        if at < self._depth {
            let group = lanes / self.write_enable.len();
            for (lane, data) in self.write_data.iter().enumerate() {
                if self.write_enable[lane / group].val() {
                    self._words[at * lanes + lane] = data.val();
                }
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.drive();
    }

    fn hdl(&self) -> Verilog {
        let (lanes, depth) = (self.read_data.len(), self._depth);
        let group = lanes / self.write_enable.len();
        let mut body = array(LANE * lanes, depth, "(* no_rw_check *)", self._visible);
        body.push_str("always @(posedge clock) begin\n");
        for enable in 0..self.write_enable.len() {
            let first = enable * group;
            let data: Vec<String> =
                (first..first + group).rev().map(|lane| format!("write_data_{lane}")).collect();
            let data =
                if group == 1 { data[0].clone() } else { format!("{{{}}}", data.join(", ")) };
            let part = if group == lanes {
                String::new()
            } else {
                format!("[{}:{}]", (first + group) * LANE - 1, first * LANE)
            };
            let at = address("write_address", ADDRESS, depth);
            let _ = writeln!(body, "    if (write_enable_{enable}) mem[{at}]{part} <= {data};");
        }
        let _ =
            writeln!(body, "    word <= mem[{}];\nend", address("read_address", ADDRESS, depth));
        outputs(&mut body, "read_data", lanes, LANE);
        verilog(
            &self._name,
            &format!("{depth} words of {lanes} x {LANE} bits; a read takes one cycle."),
            &body,
        )
    }
}

/// A memory that is only read. A read takes one cycle. Synthesis and simulation take the contents from a file of hex
/// words, the last lane first in each; native simulation takes them from [`Rom::with_contents`] or [`Rom::load`].
#[derive(LogicBlock)]
pub struct Rom<const ADDRESS: usize, const LANE: usize> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Where to read.
    pub address: Signal<In, Bits<ADDRESS>>,
    /// The word at the `address` of the cycle before.
    pub data: Vec<Signal<Out, Bits<LANE>>>,
    _name: String,
    _file: String,
    _depth: usize,
    _words: Vec<Bits<LANE>>,
}

impl<const ADDRESS: usize, const LANE: usize> Rom<ADDRESS, LANE> {
    /// A memory of `depth` words of `lanes` lanes, all zero in native simulation. `name` names the module, `file` is
    /// what `$readmemh` opens.
    ///
    /// # Panics
    /// If a size is 0 or `ADDRESS` bits do not reach `depth` words.
    pub fn new(name: &str, file: &str, depth: usize, lanes: usize) -> Self {
        check_sizes(depth, lanes, ADDRESS);
        Self {
            clock: Signal::default(),
            address: Signal::default(),
            data: ports(lanes),
            _name: name.into(),
            _file: file.into(),
            _depth: depth,
            _words: vec![Bits::default(); depth * lanes],
        }
    }

    /// The ROM of a program on an array, named as simulators find it.
    ///
    /// # Panics
    /// If the memory is no ROM, or its rows are not whole lanes.
    pub fn of(memory: Memory, config: &ArrayConfig) -> Self {
        let (name, file) = (memory.instances()[0], memory.file().expect("a ROM has a file"));
        let bits = memory.bits(config);
        assert!(bits.is_multiple_of(LANE), "{name}: {bits} bits are no whole lanes of {LANE}");
        Self::new(name, file, memory.depth(config.memories()), bits / LANE)
    }

    /// Contents for native simulation: words of one value a lane; the rest stays zero.
    ///
    /// # Panics
    /// If there are more words than the depth, or a word has another number of lanes.
    pub fn with_contents(mut self, words: &[Vec<u64>]) -> Self {
        assert!(words.len() <= self._depth, "{} words do not fit {}", words.len(), self._depth);
        let lanes = self.data.len();
        for (i, word) in words.iter().enumerate() {
            assert_eq!(word.len(), lanes, "lanes of word {i}");
            for (lane, value) in word.iter().enumerate() {
                self._words[i * lanes + lane] = bits(*value);
            }
        }
        self
    }

    /// Words of the memory.
    pub fn depth(&self) -> usize {
        self._depth
    }

    /// Contents for native simulation: words of bytes, the least significant first; the rest becomes zero.
    ///
    /// # Panics
    /// If there are more words than the memory has, a word has another number of bytes, or lanes are no whole bytes of
    /// up to 128 bits.
    pub fn load(&mut self, words: &[Vec<u8>]) {
        assert!(LANE.is_multiple_of(8) && LANE <= 128, "lanes of {LANE} bits are no whole bytes");
        assert!(words.len() <= self._depth, "{} words do not fit {}", words.len(), self._depth);
        let lanes = self.data.len();
        self._words.fill(Bits::default());
        for (i, word) in words.iter().enumerate() {
            assert_eq!(word.len(), lanes * LANE / 8, "bytes of word {i}");
            for (lane, bytes) in word.chunks(LANE / 8).enumerate() {
                let value =
                    bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte));
                self._words[i * lanes + lane] = wide(value);
            }
        }
    }
}

/// A value of more bits than a literal has.
fn wide<const N: usize>(value: u128) -> Bits<N> {
    let mut bits = Bits::default();
    for i in 0..N {
        bits = bits.replace_bit(i, value >> i & 1 == 1);
    }
    bits
}

impl<const ADDRESS: usize, const LANE: usize> Logic for Rom<ADDRESS, LANE> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            read(&self._words, index(self.address.val(), self._depth), self._depth, &mut self.data);
        }
    }

    fn connect(&mut self) {
        self.data.drive();
    }

    fn hdl(&self) -> Verilog {
        let (lanes, depth) = (self.data.len(), self._depth);
        let mut body = array(LANE * lanes, depth, "(* rom_style = \"block\" *)", true);
        let at = address("address", ADDRESS, depth);
        let _ = writeln!(body, "initial $readmemh(\"{}\", mem);", self._file);
        let _ = writeln!(body, "always @(posedge clock) word <= mem[{at}];");
        outputs(&mut body, "data", lanes, LANE);
        verilog(
            &self._name,
            &format!("{depth} constant words of {lanes} x {LANE} bits; a read takes one cycle."),
            &body,
        )
    }
}

fn check_sizes(depth: usize, lanes: usize, address: usize) {
    assert!(depth > 0 && lanes > 0, "a memory needs words and lanes, not {depth} x {lanes}");
    assert!(clog2(depth) <= address, "{address} address bits do not reach {depth} words");
}

/// The bits of an address that select one of `depth` words.
fn used_bits(depth: usize) -> usize {
    clog2(depth).max(1)
}

fn index<const N: usize>(address: Bits<N>, depth: usize) -> usize {
    address.index() & ((1 << used_bits(depth)) - 1)
}

fn read<const LANE: usize>(
    words: &[Bits<LANE>],
    at: usize,
    depth: usize,
    out: &mut [Signal<Out, Bits<LANE>>],
) {
    let lanes = out.len();
    for (lane, port) in out.iter_mut().enumerate() {
        port.next = if at < depth { words[at * lanes + lane] } else { Bits::default() };
    }
}

fn array(width: usize, depth: usize, attribute: &str, visible: bool) -> String {
    let public = if visible { " /*verilator public_flat_rw*/" } else { "" };
    let range = range_of(width);
    format!("{attribute}\nreg {range}mem [0:{}]{public};\nreg {range}word;\n", depth - 1)
}

fn address(port: &str, width: usize, depth: usize) -> String {
    match used_bits(depth) {
        used if used == width => port.into(),
        1 => format!("{port}[0]"),
        used => format!("{port}[{}:0]", used - 1),
    }
}

fn outputs(body: &mut String, port: &str, lanes: usize, lane: usize) {
    for i in 0..lanes {
        let part = if lanes == 1 {
            String::new()
        } else {
            format!("[{}:{}]", (i + 1) * lane - 1, i * lane)
        };
        let _ = writeln!(body, "assign {port}_{i} = word{part};");
    }
}
