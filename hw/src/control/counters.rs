//! Where the cycles went, and the status registers.

use crate::leaf::{Constant, Register};
use crate::{comment, dff_setup};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::control::status_select::StatusSelect;

/// Gives every running cycle one cause, and reads all counts out.
///
/// A streaming cycle is useful or, whenever the idle PE-cycles of partly filled tiles add up to a whole one, idle. Any
/// other has the cause that is up; none means that instructions are fetched. `cycles` is the sum of all causes.
/// The counters follow their inputs by 1 cycle, `status_data` is combinational. Reset: all zero.
#[derive(LogicBlock, Default)]
pub struct Counters {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// An image starts: pulse; this cycle does not count.
    pub clear: Signal<In, Bit>,
    /// The cycle counts.
    pub running: Signal<In, Bit>,
    /// The array is given a pixel.
    pub streaming: Signal<In, Bit>,
    /// PEs with a kept weight in the tile that is streamed.
    pub active: Signal<In, Bits<10>>,
    /// Waits for an earlier unit to be written.
    pub dependency: Signal<In, Bit>,
    /// Waits for an accumulator bank.
    pub accumulator: Signal<In, Bit>,
    /// Waits for the weights of a tile.
    pub weight_load: Signal<In, Bit>,
    /// All tiles are streamed, the last are drained.
    pub draining: Signal<In, Bit>,
    /// An image is done: pulse.
    pub image_end: Signal<In, Bit>,
    /// Logits are being sent.
    pub sending: Signal<In, Bit>,
    /// Which status register.
    pub status_address: Signal<In, Bits<5>>,
    /// Bit 0 busy, bit 1 done, bit 2 error, bit 3 bad image.
    pub state: Signal<In, Bits<4>>,
    /// Cycles of receiving and packing the last image.
    pub load_cycles: Signal<In, Bits<32>>,
    /// Address of the instruction.
    pub program_counter: Signal<In, Bits<16>>,
    /// Bad images since reset.
    pub bad_images: Signal<In, Bits<32>>,
    /// The status register; 0 beyond the last.
    pub status_data: Signal<Out, Bits<32>>,
    images: Register<Bits<32>>,
    cycles: Register<Bits<32>>,
    useful: Register<Bits<32>>,
    idle_pes: Register<Bits<32>>,
    fetch_cycles: Register<Bits<32>>,
    weight_cycles: Register<Bits<32>>,
    dependency_cycles: Register<Bits<32>>,
    accumulator_cycles: Register<Bits<32>>,
    drain_cycles: Register<Bits<32>>,
    output_cycles: Register<Bits<32>>,
    idle_remainder: Register<Bits<10>>,
    select: StatusSelect,
    idle: Signal<Local, Bits<10>>,
    n_pes: Constant<Bits<10>>,
    size: Constant<Bits<32>>,
}

impl Counters {
    /// Counters for an array of `rows * cols` PEs.
    pub fn new(config: &ArrayConfig) -> Self {
        let size =
            config.rows() | config.cols() << 8 | config.lanes() << 16 | config.port_bytes() << 24;
        Self {
            n_pes: Constant::new(bits(config.n_pes() as u64)),
            size: Constant::new(bits(size as u64)),
            ..Self::default()
        }
    }
}

impl Logic for Counters {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module counters: Where the cycles went, and the status registers.");
        dff_setup!(
            self,
            clock,
            images,
            cycles,
            useful,
            idle_pes,
            fetch_cycles,
            weight_cycles,
            dependency_cycles,
            accumulator_cycles,
            drain_cycles,
            output_cycles,
            idle_remainder
        );
        self.idle.next = self.idle_remainder.q.val() + (self.n_pes.val() - self.active.val());
        if self.running.val() {
            self.cycles.d.next = self.cycles.q.val() + 1;
            if self.streaming.val() {
                if self.idle.val() >= self.n_pes.val() {
                    self.idle_pes.d.next = self.idle_pes.q.val() + 1;
                    self.idle_remainder.d.next = self.idle.val() - self.n_pes.val();
                } else {
                    self.useful.d.next = self.useful.q.val() + 1;
                    self.idle_remainder.d.next = self.idle.val();
                }
            } else if self.dependency.val() {
                self.dependency_cycles.d.next = self.dependency_cycles.q.val() + 1;
            } else if self.accumulator.val() {
                self.accumulator_cycles.d.next = self.accumulator_cycles.q.val() + 1;
            } else if self.weight_load.val() {
                self.weight_cycles.d.next = self.weight_cycles.q.val() + 1;
            } else if self.draining.val() {
                self.drain_cycles.d.next = self.drain_cycles.q.val() + 1;
            } else {
                self.fetch_cycles.d.next = self.fetch_cycles.q.val() + 1;
            }
        }
        if self.sending.val() {
            self.output_cycles.d.next = self.output_cycles.q.val() + 1;
        }
        if self.image_end.val() {
            self.images.d.next = self.images.q.val() + 1;
            self.output_cycles.d.next = 0.into();
        }

        self.select.address.next = self.status_address.val();
        self.select.state.next = bit_cast::<32, 4>(self.state.val());
        self.select.images.next = self.images.q.val();
        self.select.cycles.next = self.cycles.q.val();
        self.select.useful.next = self.useful.q.val();
        self.select.idle_pes.next = self.idle_pes.q.val();
        self.select.fetch.next = self.fetch_cycles.q.val();
        self.select.weight_load.next = self.weight_cycles.q.val();
        self.select.dependency.next = self.dependency_cycles.q.val();
        self.select.accumulator.next = self.accumulator_cycles.q.val();
        self.select.drain.next = self.drain_cycles.q.val();
        self.select.idle_remainder.next = bit_cast::<32, 10>(self.idle_remainder.q.val());
        self.select.load_cycles.next = self.load_cycles.val();
        self.select.output_cycles.next = self.output_cycles.q.val();
        self.select.program_counter.next = bit_cast::<32, 16>(self.program_counter.val());
        self.select.sizes.next = self.size.val();
        self.select.bad_images.next = self.bad_images.val();
        self.status_data.next = self.select.data.val();

        if self.clear.val() | self.reset.val() {
            self.cycles.d.next = 0.into();
            self.useful.d.next = 0.into();
            self.idle_pes.d.next = 0.into();
            self.fetch_cycles.d.next = 0.into();
            self.weight_cycles.d.next = 0.into();
            self.dependency_cycles.d.next = 0.into();
            self.accumulator_cycles.d.next = 0.into();
            self.drain_cycles.d.next = 0.into();
            self.idle_remainder.d.next = 0.into();
        }
        if self.reset.val() {
            self.images.d.next = 0.into();
            self.output_cycles.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{settle, tick};
    use crate::random::Random;
    use crate::verilog::emit;
    use spec::Memories;

    fn read(counters: &mut Counters) -> Vec<u64> {
        let register = |address| {
            counters.status_address.next = bits(address);
            settle(counters).unwrap();
            counters.status_data.val().to_u64()
        };
        (0..32).map(register).collect()
    }

    fn check(rows: usize, cols: usize) {
        let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
        let n_pes = config.n_pes() as u64;
        let mut counters = Counters::new(&config);
        let mut random = Random::new(cols as u64);
        let mut below = |n| random.below(n);
        let mut expected = vec![0u64; 32];
        expected[14] = (rows + cols * 256 + config.lanes() * 65536) as u64 + (4 << 24);
        let mut useful_macs = 0;
        for cycle in 0..1500 {
            let reset = cycle == 0 || cycle == 900;
            let (clear, image_end) = (below(200) == 0, below(100) == 0);
            let (running, streaming, sending) = (below(8) > 0, below(4) > 0, below(2) == 0);
            let active = [0, n_pes, below(n_pes + 1), n_pes - below(3)][below(4) as usize];
            let cause = if streaming { 0 } else { below(5) };
            let (state, load_cycles, program_counter) = (below(16), below(1 << 32), below(1 << 16));
            counters.reset.next = reset;
            counters.clear.next = clear;
            counters.running.next = running;
            counters.streaming.next = streaming;
            counters.active.next = bits(active);
            counters.dependency.next = cause == 1;
            counters.accumulator.next = cause == 2;
            counters.weight_load.next = cause == 3;
            counters.draining.next = cause == 4;
            counters.image_end.next = image_end;
            counters.sending.next = sending;
            counters.state.next = bits(state);
            counters.load_cycles.next = bits(load_cycles);
            counters.program_counter.next = bits(program_counter);
            counters.bad_images.next = bits(cycle * 3);
            tick(&mut counters, |c| &mut c.clock).unwrap();

            if running {
                expected[2] += 1;
                if streaming {
                    useful_macs += active;
                    expected[10] += n_pes - active;
                    let whole = expected[10] >= n_pes;
                    expected[if whole { 4 } else { 3 }] += 1;
                    expected[10] -= if whole { n_pes } else { 0 };
                } else {
                    expected[[5, 7, 8, 6, 9][cause as usize]] += 1;
                }
            }
            expected[12] = if image_end { 0 } else { expected[12] + u64::from(sending) };
            expected[1] += u64::from(image_end);
            if clear || reset {
                expected[2..=10].fill(0);
                useful_macs = 0;
            }
            if reset {
                (expected[1], expected[12]) = (0, 0);
            }
            (expected[0], expected[11], expected[13]) = (state, load_cycles, program_counter);
            expected[15] = cycle * 3;
            let seen = read(&mut counters);
            assert_eq!(seen, expected, "{rows} x {cols}, cycle {cycle}");
            assert_eq!(seen[2], seen[3..=9].iter().sum::<u64>());
            assert_eq!(seen[3] * n_pes - seen[10], useful_macs);
        }
        emit(&mut counters, "counters", "").unwrap();
    }

    #[test]
    fn every_running_cycle_has_one_cause() {
        for (rows, cols) in [(2, 2), (8, 16), (16, 32)] {
            check(rows, cols);
        }
    }
}
