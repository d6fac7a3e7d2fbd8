//! Registers and delay lines.

use super::{Drive, verilog};
use crate::verilog::{literal, range_of};
use rust_hdl_core::prelude::*;
use std::collections::VecDeque;
use std::fmt::Write;

/// A flip-flop for any type: `q` is the `d` of the cycle before. Starts at the default of `T`, no reset.
#[derive(LogicBlock, Default)]
pub struct Register<T: Synth> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Next value.
    pub d: Signal<In, T>,
    /// Current value.
    pub q: Signal<Out, T>,
}

impl<T: Synth> Logic for Register<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.q.next = self.d.val();
        }
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let zero = literal(T::default());
        let body = format!("initial q = {zero};\nalways @(posedge clock) q <= d;\n");
        verilog(&format!("register_{}", T::BITS), "One flip-flop a bit.", &body)
    }
}

/// A delay of `depth` cycles for data: no reset, a wire for depth 0. Starts at the default of `T`.
#[derive(LogicBlock)]
pub struct Delay<T: Synth> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Input.
    pub d: Signal<In, T>,
    /// `d`, `depth` cycles ago.
    pub q: Signal<Out, T>,
    _line: VecDeque<T>,
}

impl<T: Synth> Delay<T> {
    /// A delay of `depth` cycles.
    pub fn new(depth: usize) -> Self {
        Self {
            clock: Signal::default(),
            d: Signal::default(),
            q: Signal::default(),
            _line: vec![T::default(); depth].into(),
        }
    }
}

impl<T: Synth> Logic for Delay<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() && !self._line.is_empty() {
            self._line.push_back(self.d.val());
            self._line.pop_front();
        }
        self.q.next = self._line.front().copied().unwrap_or_else(|| self.d.val());
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let depth = self._line.len();
        let body = line::<T>(depth, false);
        verilog(
            &format!("delay_{}x{depth}", T::BITS),
            &format!("A delay of {depth} cycles, without reset."),
            &body,
        )
    }
}

/// A delay of `depth` cycles for control: a synchronous reset clears all stages, so that nothing from before the reset
/// comes out after it. A wire for depth 0.
#[derive(LogicBlock)]
pub struct ControlDelay<T: Synth> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// Input.
    pub d: Signal<In, T>,
    /// `d`, `depth` cycles ago.
    pub q: Signal<Out, T>,
    _line: VecDeque<T>,
}

impl<T: Synth> ControlDelay<T> {
    /// A delay of `depth` cycles.
    pub fn new(depth: usize) -> Self {
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            d: Signal::default(),
            q: Signal::default(),
            _line: vec![T::default(); depth].into(),
        }
    }
}

impl<T: Synth> Logic for ControlDelay<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() && !self._line.is_empty() {
            self._line.push_back(self.d.val());
            self._line.pop_front();
            if self.reset.val() {
                self._line.iter_mut().for_each(|stage| *stage = T::default());
            }
        }
        self.q.next = self._line.front().copied().unwrap_or_else(|| self.d.val());
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let depth = self._line.len();
        let body = line::<T>(depth, true);
        let sentence = format!("A delay of {depth} cycles, cleared by reset.");
        verilog(&format!("control_delay_{}x{depth}", T::BITS), &sentence, &body)
    }
}

/// The text of a delay line: one register a stage, so that each shows up in a waveform.
fn line<T: Synth>(depth: usize, reset: bool) -> String {
    if depth == 0 {
        let pins = if reset { "clock, reset" } else { "clock" };
        return format!("wire unused = &{{1'b0, {pins}}};\nassign q = d;\n");
    }
    let zero = literal(T::default());
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut add = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    for i in 0..depth {
        add(format!("reg {}stage_{i};", range_of(T::BITS)));
    }
    add("initial begin".into());
    for i in 0..depth {
        add(format!("    stage_{i} = {zero};"));
    }
    add("end\nalways @(posedge clock) begin".into());
    let shift = |pad: &str, add: &mut dyn FnMut(String)| {
        for i in 0..depth {
            let from = if i == 0 { "d".to_string() } else { format!("stage_{}", i - 1) };
            add(format!("{pad}stage_{i} <= {from};"));
        }
    };
    if reset {
        add("    if (reset) begin".into());
        for i in 0..depth {
            add(format!("        stage_{i} <= {zero};"));
        }
        add("    end else begin".into());
        shift("        ", &mut add);
        add("    end".into());
    } else {
        shift("    ", &mut add);
    }
    add(format!("end\nassign q = stage_{};", depth - 1));
    out
}
