//! Registers and delay lines.

use super::{Drive, ports, verilog};
use crate::verilog::{literal, range_of};
use rust_hdl_core::prelude::*;
use std::collections::VecDeque;
use std::fmt::Write;

/// A flip-flop for any type: `q` is the `d` of the cycle before. No reset of its own; one that its parent resets starts at
/// the value that the reset gives it, which is the default of `T` unless [`Register::starting_at`] says otherwise.
#[derive(LogicBlock, Default)]
pub struct Register<T: Synth> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Next value.
    pub d: Signal<In, T>,
    /// Current value.
    pub q: Signal<Out, T>,
    _initial: T,
}

impl<T: Synth> Register<T> {
    /// A register that holds `initial` from power-up on.
    pub fn starting_at(initial: T) -> Self {
        let mut register = Self { _initial: initial, ..Self::default() };
        register.q.next = initial;
        register
    }
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
        let initial = literal(self._initial);
        let body = format!("initial q = {initial};\nalways @(posedge clock) q <= d;\n");
        let start = if self._initial == T::default() { "" } else { "_set" };
        verilog(&format!("register_{}{start}", T::BITS), "One flip-flop a bit.", &body)
    }
}

/// A register that takes `d` only in cycles with `enable`. Starts at the default of `T`, no reset.
#[derive(LogicBlock, Default)]
pub struct EnabledRegister<T: Synth> {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Takes `d`.
    pub enable: Signal<In, Bit>,
    /// Next value.
    pub d: Signal<In, T>,
    /// Current value.
    pub q: Signal<Out, T>,
}

impl<T: Synth> Logic for EnabledRegister<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.enable.val() {
            self.q.next = self.d.val();
        }
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let zero = T::default().verilog();
        let body = format!("initial q = {zero:x};\nalways @(posedge clock) if (enable) q <= d;\n");
        verilog(
            &format!("enabled_register_{}", T::BITS),
            "One flip-flop a bit, with clock enable.",
            &body,
        )
    }
}

/// Delays lane `i` of a vector of bytes by `i` cycles: the skew at the edge of a systolic array. No reset.
#[derive(LogicBlock)]
pub struct Skew {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// One byte a lane.
    pub d: Vec<Signal<In, Bits<8>>>,
    /// Lane `i` of `d`, `i` cycles ago.
    pub q: Vec<Signal<Out, Bits<8>>>,
    _lines: Vec<VecDeque<Bits<8>>>,
}

impl Skew {
    /// A skew of `lanes` lanes.
    pub fn new(lanes: usize) -> Self {
        Self {
            clock: Signal::default(),
            d: ports(lanes),
            q: ports(lanes),
            _lines: (0..lanes).map(|lane| vec![Bits::default(); lane].into()).collect(),
        }
    }
}

impl Logic for Skew {
    fn update(&mut self) {
        let edge = self.clock.pos_edge();
        for ((d, q), line) in self.d.iter().zip(&mut self.q).zip(&mut self._lines) {
            if edge && !line.is_empty() {
                line.push_back(d.val());
                line.pop_front();
            }
            q.next = line.front().copied().unwrap_or_else(|| d.val());
        }
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let lanes = self.d.len();
        let mut body = String::new();
        // Writing to a String cannot fail.
        for stage in 1..lanes {
            let _ = writeln!(body, "reg [{}:0] stage_{stage};", 8 * (lanes - stage) - 1);
        }
        if lanes > 1 {
            body.push_str("initial begin\n");
            for stage in 1..lanes {
                let _ = writeln!(body, "    stage_{stage} = {}'d0;", 8 * (lanes - stage));
            }
            let first: Vec<_> = (1..lanes).rev().map(|lane| format!("d_{lane}")).collect();
            let _ = writeln!(
                body,
                "end\nalways @(posedge clock) begin\n    stage_1 <= {{{}}};",
                first.join(", ")
            );
            for stage in 2..lanes {
                let high = 8 * (lanes - stage + 1) - 1;
                let _ = writeln!(body, "    stage_{stage} <= stage_{}[{high}:8];", stage - 1);
            }
            body.push_str("end\n");
        }
        body.push_str("assign q_0 = d_0;\n");
        for lane in 1..lanes {
            let _ = writeln!(body, "assign q_{lane} = stage_{lane}[7:0];");
        }
        verilog(&format!("skew_{lanes}"), "Delays lane i by i cycles.", &body)
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
/// comes out after it. A wire for depth 0, which is the default.
#[derive(LogicBlock, Default)]
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
