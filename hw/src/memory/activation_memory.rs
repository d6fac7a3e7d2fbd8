//! The feature maps: bank 0 for packed input pixels, banks 1 to 3 for what the drain writes.

mod granule_write;
mod select;

pub use granule_write::GranuleWrite;
pub use select::{BankSelect, ResidualSelect};

use crate::comment;
use crate::leaf::{Ram, Register, ports};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

/// Four banks of words of int8 channels, each with one read and one write port.
///
/// The streamed bank is read at `stream_address`, every other at `residual_address`; the two readers must use different
/// banks. Latency: `word` 1 cycle after its address, `residual` 2 cycles. A write is seen by a read one cycle later.
/// No reset.
#[derive(LogicBlock)]
pub struct ActivationMemory {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Bank that is streamed.
    pub stream_bank: Signal<In, Bits<2>>,
    /// Word to stream.
    pub stream_address: Signal<In, Bits<16>>,
    /// Bank of the residual.
    pub residual_bank: Signal<In, Bits<2>>,
    /// Word of the residual.
    pub residual_address: Signal<In, Bits<16>>,
    /// Granule of that word.
    pub residual_granule: Signal<In, Bits<4>>,
    /// Bit b: write bank b, 1 to 3.
    pub write_banks: Signal<In, Bits<4>>,
    /// Write one granule to all of `write_banks`; granule 0 clears the others of its word.
    pub write_enable: Signal<In, Bit>,
    /// Word to write.
    pub write_address: Signal<In, Bits<16>>,
    /// Granule of that word.
    pub write_granule: Signal<In, Bits<4>>,
    /// Write a whole word of bank 0.
    pub load_enable: Signal<In, Bit>,
    /// Word of bank 0.
    pub load_address: Signal<In, Bits<16>>,
    /// The granule, int8, one a lane.
    pub write_data: Vec<Signal<In, Bits<8>>>,
    /// The word for bank 0, int8.
    pub load_word: Vec<Signal<In, Bits<8>>>,
    /// The streamed word, int8; combinational behind the banks.
    pub word: Vec<Signal<Out, Bits<8>>>,
    /// The residual granule, int8, one a lane.
    pub residual: Vec<Signal<Out, Bits<8>>>,
    bank0: Ram<16, 8>,
    bank1: Ram<16, 8>,
    bank2: Ram<16, 8>,
    bank3: Ram<16, 8>,
    granule_write: GranuleWrite,
    streamed: Register<Bits<2>>,
    word_select: BankSelect,
    residual_select: ResidualSelect,
    _word: usize,
    _lanes: usize,
    _granules: usize,
}

impl ActivationMemory {
    /// Four banks as deep as `config` says.
    pub fn new(config: &ArrayConfig) -> Self {
        let (word, granules) = (config.word_channels(), config.granules());
        let depths = config.memories().banks();
        let bank =
            |index: usize| Ram::new("activation_bank", depths[index], word, granules).visible();
        Self {
            clock: Signal::default(),
            stream_bank: Signal::default(),
            stream_address: Signal::default(),
            residual_bank: Signal::default(),
            residual_address: Signal::default(),
            residual_granule: Signal::default(),
            write_banks: Signal::default(),
            write_enable: Signal::default(),
            write_address: Signal::default(),
            write_granule: Signal::default(),
            load_enable: Signal::default(),
            load_address: Signal::default(),
            write_data: ports(config.lanes()),
            load_word: ports(word),
            word: ports(word),
            residual: ports(config.lanes()),
            bank0: Ram::new("input_bank", config.memories().input, word, 1).visible(),
            bank1: bank(0),
            bank2: bank(1),
            bank3: bank(2),
            granule_write: GranuleWrite::new(config),
            streamed: Register::default(),
            word_select: BankSelect::new(config),
            residual_select: ResidualSelect::new(config),
            _word: word,
            _lanes: config.lanes(),
            _granules: granules,
        }
    }

    /// A byte of a bank in native simulation.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn byte(&self, bank: usize, word: usize, byte: usize) -> i8 {
        let banks = [&self.bank0, &self.bank1, &self.bank2, &self.bank3];
        banks[bank].lane(word, byte).to_u8() as i8
    }
}

impl Logic for ActivationMemory {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module activation_memory: Feature maps in four banks.");
        self.bank0.clock.next = self.clock.val();
        self.bank1.clock.next = self.clock.val();
        self.bank2.clock.next = self.clock.val();
        self.bank3.clock.next = self.clock.val();

        self.bank0.read_address.next = self.residual_address.val();
        self.bank1.read_address.next = self.residual_address.val();
        self.bank2.read_address.next = self.residual_address.val();
        self.bank3.read_address.next = self.residual_address.val();
        if self.stream_bank.val() == 0 {
            self.bank0.read_address.next = self.stream_address.val();
        }
        if self.stream_bank.val() == 1 {
            self.bank1.read_address.next = self.stream_address.val();
        }
        if self.stream_bank.val() == 2 {
            self.bank2.read_address.next = self.stream_address.val();
        }
        if self.stream_bank.val() == 3 {
            self.bank3.read_address.next = self.stream_address.val();
        }

        self.bank0.write_enable[0].next = self.load_enable.val();
        self.bank0.write_address.next = self.load_address.val();
        self.bank1.write_address.next = self.write_address.val();
        self.bank2.write_address.next = self.write_address.val();
        self.bank3.write_address.next = self.write_address.val();
        self.granule_write.granule.next = self.write_granule.val();
        for l in 0..self._lanes {
            self.granule_write.data[l].next = self.write_data[l].val();
        }
        for i in 0..self._granules {
            self.bank1.write_enable[i].next = self.write_enable.val()
                & self.write_banks.val().get_bit(1)
                & self.granule_write.select[i].val();
            self.bank2.write_enable[i].next = self.write_enable.val()
                & self.write_banks.val().get_bit(2)
                & self.granule_write.select[i].val();
            self.bank3.write_enable[i].next = self.write_enable.val()
                & self.write_banks.val().get_bit(3)
                & self.granule_write.select[i].val();
        }

        self.streamed.clock.next = self.clock.val();
        self.streamed.d.next = self.stream_bank.val();
        self.word_select.bank.next = self.streamed.q.val();
        self.residual_select.clock.next = self.clock.val();
        self.residual_select.bank.next = self.residual_bank.val();
        self.residual_select.granule.next = self.residual_granule.val();
        for i in 0..self._word {
            self.bank0.write_data[i].next = self.load_word[i].val();
            self.bank1.write_data[i].next = self.granule_write.word[i].val();
            self.bank2.write_data[i].next = self.granule_write.word[i].val();
            self.bank3.write_data[i].next = self.granule_write.word[i].val();
            self.word_select.bank0[i].next = self.bank0.read_data[i].val();
            self.word_select.bank1[i].next = self.bank1.read_data[i].val();
            self.word_select.bank2[i].next = self.bank2.read_data[i].val();
            self.word_select.bank3[i].next = self.bank3.read_data[i].val();
            self.residual_select.bank0[i].next = self.bank0.read_data[i].val();
            self.residual_select.bank1[i].next = self.bank1.read_data[i].val();
            self.residual_select.bank2[i].next = self.bank2.read_data[i].val();
            self.residual_select.bank3[i].next = self.bank3.read_data[i].val();
            self.word[i].next = self.word_select.word[i].val();
        }
        for l in 0..self._lanes {
            self.residual[l].next = self.residual_select.residual[l].val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use crate::verilog::emit;
    use spec::Memories;

    /// Runs random traffic against four arrays of bytes.
    fn check(rows: usize, cols: usize) {
        let memories = Memories { input: 5, ..Memories::default() }.with_banks([7, 4, 9]);
        let config = ArrayConfig::new(rows, cols, memories).unwrap();
        let (n, lanes, granules) = (config.word_channels(), config.lanes(), config.granules());
        let mut memory = ActivationMemory::new(&config);
        let mut banks = [5, 7, 4, 9].map(|depth| vec![vec![0u8; n]; depth]);
        let mut random = Random::new(rows as u64);
        let mut below = |n: usize| random.below(n as u64) as usize;
        let mut coming: Option<Vec<u8>> = None;
        for cycle in 0..600 {
            let residual_bank = below(4);
            let stream_bank = (residual_bank + 1 + below(3)) % 4;
            let stream_address = below(banks[stream_bank].len());
            let residual_address = below(banks[residual_bank].len());
            let residual_granule = below(granules);
            memory.stream_bank.next = bits(stream_bank as u64);
            memory.stream_address.next = bits(stream_address as u64);
            memory.residual_bank.next = bits(residual_bank as u64);
            memory.residual_address.next = bits(residual_address as u64);
            memory.residual_granule.next = bits(residual_granule as u64);

            let (write, load) = (below(2) == 1, below(2) == 1);
            let (write_banks, write_address, write_granule) =
                (below(16), below(9), below(granules));
            let write_data: Vec<u8> = (0..lanes).map(|_| below(256) as u8).collect();
            let load_address = below(5);
            let load_word: Vec<u8> = (0..n).map(|_| [0x80, 0x7f, 0xff, 0][below(4)]).collect();
            memory.write_enable.next = write;
            memory.write_banks.next = bits(write_banks as u64);
            memory.write_address.next = bits(write_address as u64);
            memory.write_granule.next = bits(write_granule as u64);
            memory.load_enable.next = load;
            memory.load_address.next = bits(load_address as u64);
            write_data
                .iter()
                .zip(&mut memory.write_data)
                .for_each(|(x, port)| port.next = bits((*x).into()));
            load_word
                .iter()
                .zip(&mut memory.load_word)
                .for_each(|(x, port)| port.next = bits((*x).into()));

            let word = banks[stream_bank][stream_address].clone();
            let granule =
                &banks[residual_bank][residual_address][residual_granule * lanes..][..lanes];
            let residual = coming.replace(granule.to_vec());
            if load {
                banks[0][load_address] = load_word;
            }
            for (_, bank) in banks
                .iter_mut()
                .enumerate()
                .skip(1)
                .filter(|(b, _)| write && write_banks >> b & 1 == 1)
            {
                // A bank takes the address bits that it has.
                let at = write_address % bank.len().next_power_of_two();
                let Some(word) = bank.get_mut(at) else { continue };
                if write_granule == 0 {
                    word.fill(0);
                }
                word[write_granule * lanes..][..lanes].copy_from_slice(&write_data);
            }
            tick(&mut memory, |m| &mut m.clock).unwrap();
            let seen: Vec<u8> = memory.word.iter().map(|byte| byte.val().to_u8()).collect();
            assert_eq!(seen, word, "{rows} x {cols}, cycle {cycle}: word");
            if let Some(expected) = residual {
                let seen: Vec<u8> = memory.residual.iter().map(|byte| byte.val().to_u8()).collect();
                assert_eq!(seen, expected, "{rows} x {cols}, cycle {cycle}: residual");
            }
        }
        emit(&mut memory, "activation_memory", "").unwrap();
    }

    #[test]
    fn reads_what_was_written_at_every_size() {
        for (rows, cols) in [(2, 2), (3, 5), (8, 16), (16, 32)] {
            check(rows, cols);
        }
    }
}
