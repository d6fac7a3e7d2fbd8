//! Logits and class out.

mod largest;
mod logit_select;

pub use largest::Largest;
pub use logit_select::LogitSelect;

use crate::leaf::{Constant, Ram, Register, ports};
use crate::{comment, dff_setup};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

/// What the output stage does.
#[derive(LogicState, Clone, Copy, Debug, PartialEq)]
pub enum OutputState {
    /// Nothing to send.
    Idle,
    /// The first row of logits is being read.
    Read,
    /// A logit is offered.
    Logit,
    /// The class is offered.
    Class,
}

/// Keeps the logits and sends them: `logits_minus_1 + 1` beats of int16, then the class with `output_last`.
///
/// The class is the index of the largest logit, the lowest of equal ones. The first beat is offered 2 cycles after
/// `start`, the others follow as fast as they are accepted. A beat stays until `output_ready`. Reset: idle.
#[derive(LogicBlock)]
pub struct Output {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// Begin to send: pulse.
    pub start: Signal<In, Bit>,
    /// Logits to send, less one; stable while sending.
    pub logits_minus_1: Signal<In, Bits<16>>,
    /// Write one row of logits.
    pub write_enable: Signal<In, Bit>,
    /// Which row: logits `row * lanes` and on.
    pub write_row: Signal<In, Bits<16>>,
    /// The receiver takes the beat.
    pub output_ready: Signal<In, Bit>,
    /// int16, one a lane.
    pub write_data: Vec<Signal<In, Bits<16>>>,
    /// int16 logit, or the class in the last beat.
    pub output_data: Signal<Out, Bits<16>>,
    /// A beat is offered.
    pub output_valid: Signal<Out, Bit>,
    /// It is the class.
    pub output_last: Signal<Out, Bit>,
    /// Logits or the class are yet to be sent; no logits may be written.
    pub busy: Signal<Out, Bit>,
    logit_memory: Ram<16, 16>,
    state: Register<OutputState>,
    row: Register<Bits<16>>,
    lane: Register<Bits<5>>,
    index: Register<Bits<16>>,
    logit_select: LogitSelect,
    largest: Largest,
    next_row: Signal<Local, Bits<16>>,
    last_lane: Constant<Bits<5>>,
    _lanes: usize,
}

impl Output {
    /// A memory for `memories().logit` logits, written `lanes` at a time.
    pub fn new(config: &ArrayConfig) -> Self {
        let lanes = config.lanes();
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            start: Signal::default(),
            logits_minus_1: Signal::default(),
            write_enable: Signal::default(),
            write_row: Signal::default(),
            output_ready: Signal::default(),
            write_data: ports(lanes),
            output_data: Signal::default(),
            output_valid: Signal::default(),
            output_last: Signal::default(),
            busy: Signal::default(),
            logit_memory: Ram::new(
                "logit_memory",
                config.memories().logit.div_ceil(lanes),
                lanes,
                1,
            ),
            state: Register::default(),
            row: Register::default(),
            lane: Register::default(),
            index: Register::default(),
            logit_select: LogitSelect::new(lanes),
            largest: Largest::default(),
            next_row: Signal::default(),
            last_lane: Constant::new(bits(lanes as u64 - 1)),
            _lanes: lanes,
        }
    }
}

impl Logic for Output {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module logit_output: Logits and class out.");
        dff_setup!(self, clock, state, row, lane, index);
        self.logit_memory.clock.next = self.clock.val();
        self.logit_memory.write_enable[0].next = self.write_enable.val();
        self.logit_memory.write_address.next = self.write_row.val();
        for l in 0..self._lanes {
            self.logit_memory.write_data[l].next = self.write_data[l].val();
        }

        self.logit_select.lane.next = self.lane.q.val();
        for l in 0..self._lanes {
            self.logit_select.row[l].next = self.logit_memory.read_data[l].val();
        }
        self.largest.clock.next = self.clock.val();
        self.largest.enable.next = false;
        self.largest.index.next = self.index.q.val();
        self.largest.value.next = self.logit_select.logit.val();

        self.next_row.next = self.row.q.val();
        self.output_data.next = self.logit_select.logit.val();
        self.output_valid.next = false;
        self.output_last.next = false;
        self.busy.next = true;
        match self.state.q.val() {
            OutputState::Idle => {
                self.busy.next = false;
                self.next_row.next = 0.into();
                self.lane.d.next = 0.into();
                self.index.d.next = 0.into();
                if self.start.val() {
                    self.state.d.next = OutputState::Read;
                }
            }
            OutputState::Read => {
                self.state.d.next = OutputState::Logit;
            }
            OutputState::Logit => {
                self.output_valid.next = true;
                if self.output_ready.val() {
                    self.largest.enable.next = true;
                    self.index.d.next = self.index.q.val() + 1;
                    self.lane.d.next = self.lane.q.val() + 1;
                    if self.lane.q.val() == self.last_lane.val() {
                        self.lane.d.next = 0.into();
                        self.next_row.next = self.row.q.val() + 1;
                    }
                    if self.index.q.val() == self.logits_minus_1.val() {
                        self.state.d.next = OutputState::Class;
                    }
                }
            }
            OutputState::Class => {
                self.output_data.next = self.largest.winner.val();
                self.output_valid.next = true;
                self.output_last.next = true;
                if self.output_ready.val() {
                    self.state.d.next = OutputState::Idle;
                }
            }
        }
        self.row.d.next = self.next_row.val();
        self.logit_memory.read_address.next = self.next_row.val();

        if self.reset.val() {
            self.state.d.next = OutputState::Idle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::verilog::emit;
    use spec::{Logits, Memories};

    fn write(output: &mut Output, logits: &[i16]) {
        let lanes = output.write_data.len();
        for (row, values) in logits.chunks(lanes).enumerate() {
            output.write_enable.next = true;
            output.write_row.next = bits(row as u64);
            for (value, port) in values.iter().zip(&mut output.write_data) {
                port.next = bits((*value as u16).into());
            }
            // The last row is written in the cycle of `start`.
            output.start.next = row + 1 == logits.len().div_ceil(lanes);
            tick(output, |o| &mut o.clock).unwrap();
        }
        output.write_enable.next = false;
        output.start.next = false;
    }

    /// Sends `logits` to a receiver that is ready whenever `ready` says so, and checks every beat.
    fn send(output: &mut Output, logits: &[i16], ready: impl Fn(usize) -> bool) {
        output.logits_minus_1.next = bits(logits.len() as u64 - 1);
        write(output, logits);
        let mut expected: Vec<(u64, bool)> =
            logits.iter().map(|value| (u64::from(*value as u16), false)).collect();
        expected.push((Logits::new(logits.to_vec()).class as u64, true));
        let (mut beats, mut offered, mut finished) = (Vec::new(), None, 0);
        for cycle in 0..(expected.len() * 8 + 8) {
            output.output_ready.next = ready(cycle);
            crate::leaf::settle(output).unwrap();
            let beat = (output.output_data.val().to_u64(), output.output_last.val());
            assert!(
                offered.is_none_or(|held| output.output_valid.val() && beat == held),
                "a beat was withdrawn"
            );
            let taken = output.output_valid.val() && ready(cycle);
            assert_eq!(output.busy.val(), finished == 0, "cycle {cycle}");
            assert_eq!(output.output_valid.val(), cycle > 0 && finished == 0, "cycle {cycle}");
            finished += usize::from(taken && beat.1);
            beats.extend(taken.then_some(beat));
            offered = (output.output_valid.val() && !taken).then_some(beat);
            tick(output, |o| &mut o.clock).unwrap();
        }
        assert_eq!(beats, expected);
        assert_eq!(finished, 1);
    }

    #[test]
    fn sends_logits_and_class() {
        let cases: &[&[i16]] = &[
            &[0],
            &[i16::MIN],
            &[-5, -5],
            &[i16::MIN, i16::MAX, i16::MAX],
            &[3, -1, 3, 2],
            &[-7, -3, -9, -3, -4],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            &[-1, 0, i16::MIN, 100, 99, 100, -100, i16::MAX, 5, 5, i16::MAX],
        ];
        for (rows, cols) in [(8, 16), (3, 3)] {
            let config =
                ArrayConfig::new(rows, cols, Memories { logit: 11, ..Memories::default() })
                    .unwrap();
            let mut output = Output::new(&config);
            output.reset.next = true;
            tick(&mut output, |o| &mut o.clock).unwrap();
            output.reset.next = false;
            for logits in cases {
                send(&mut output, logits, |_| true);
                send(&mut output, logits, |cycle| cycle % 3 == 2);
                send(&mut output, logits, |cycle| cycle > 5 && cycle * cycle % 7 < 3);
            }
            emit(&mut output, "logit_output", "").unwrap();
        }
    }

    #[test]
    fn reset_stops_sending() {
        let mut output = Output::new(&ArrayConfig::default());
        output.logits_minus_1.next = bits(9);
        write(&mut output, &[1; 10]);
        tick(&mut output, |o| &mut o.clock).unwrap();
        assert!(output.output_valid.val());
        output.reset.next = true;
        tick(&mut output, |o| &mut o.clock).unwrap();
        output.reset.next = false;
        tick(&mut output, |o| &mut o.clock).unwrap();
        assert!(!output.output_valid.val());
        send(&mut output, &[4, 5, 6], |_| true);
    }
}
