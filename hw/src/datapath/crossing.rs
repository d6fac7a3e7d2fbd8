//! Where a section of columns begins: it takes the channel of each pair that the section before takes, or the other one.
//!
//! The array has none where all columns share a mask.

use std::collections::VecDeque;
use std::fmt::Write;

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::leaf::{Drive, ports, verilog};
use crate::verilog::range_of;

/// One row's way into a section. `activation_out` and `other_out` are `activation` and `other`, crossed over if the crossing in
/// use says so.
///
/// Latency: none from `activation`, the columns of a section from `other`, which goes around its PEs. `load` takes a
/// crossing, `swap` takes it into use from the next cycle on; it comes a cycle before the first activation of a tile, which is
/// not before the cycle of the next `load`. No reset.
#[derive(LogicBlock)]
pub struct Crossing {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Takes `crossing`.
    pub load: Signal<In, Bit>,
    /// Takes what was loaded into use.
    pub swap: Signal<In, Bit>,
    /// The section takes the other channel than the one before.
    pub crossing: Signal<In, Bit>,
    /// int8, from the last PE of the section before.
    pub activation: Signal<In, Bits<8>>,
    /// int8, what the section before does not take, as it enters that one.
    pub other: Signal<In, Bits<8>>,
    /// int8, to the first PE of the section.
    pub activation_out: Signal<Out, Bits<8>>,
    /// int8, to the next section.
    pub other_out: Signal<Out, Bits<8>>,
    _loaded: bool,
    _crossed: bool,
    _line: VecDeque<Bits<8>>,
}

impl Crossing {
    /// Behind a section of an array.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            load: Signal::default(),
            swap: Signal::default(),
            crossing: Signal::default(),
            activation: Signal::default(),
            other: Signal::default(),
            activation_out: Signal::default(),
            other_out: Signal::default(),
            _loaded: false,
            _crossed: false,
            _line: vec![Bits::default(); config.mask_columns()].into(),
        }
    }
}

impl Logic for Crossing {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if self.swap.val() {
                self._crossed = self._loaded;
            }
            if self.load.val() {
                self._loaded = self.crossing.val();
            }
            self._line.push_back(self.other.val());
            self._line.pop_front();
        }
        let (activation, other) = (self.activation.val(), self._line[0]);
        (self.activation_out.next, self.other_out.next) =
            if self._crossed { (other, activation) } else { (activation, other) };
    }

    fn connect(&mut self) {
        self.activation_out.drive();
        self.other_out.drive();
    }

    fn hdl(&self) -> Verilog {
        let depth = self._line.len();
        let (mut declared, mut initial, mut clocked) =
            (String::new(), String::new(), String::new());
        for stage in 0..depth {
            let from = if stage == 0 { "other".to_owned() } else { format!("other_{}", stage - 1) };
            // Writing to a String cannot fail.
            let _ = writeln!(declared, "reg [7:0] other_{stage};");
            let _ = writeln!(initial, "    other_{stage} = 8'd0;");
            let _ = writeln!(clocked, "    other_{stage} <= {from};");
        }
        let last = depth - 1;
        let body = format!(
            "reg loaded;\nreg crossed;\n{declared}initial begin\n    loaded = 1'b0;\n    crossed = 1'b0;\n{initial}end\n\
             always @(posedge clock) begin\n    if (load) loaded <= crossing;\n    if (swap) crossed <= loaded;\n{clocked}end\n\
             assign activation_out = crossed ? other_{last} : activation;\n\
             assign other_out = crossed ? activation : other_{last};\n"
        );
        verilog(
            &format!("crossing_{depth}"),
            "A section takes the channels of the one before, or the others.",
            &body,
        )
    }
}

/// Delays the crossing of section `s` by the columns before it, as a skew does weights. No reset.
#[derive(LogicBlock)]
pub struct CrossingSkew {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Bit `(s - 1) % 8` of byte `(s - 1) / 8` is the crossing of section `s`.
    pub d: Vec<Signal<In, Bits<8>>>,
    /// The crossing of section `s` is at `s - 1`, `s * mask_columns` cycles ago.
    pub q: Vec<Signal<Out, Bit>>,
    _mask_columns: usize,
    _lines: Vec<VecDeque<bool>>,
}

impl CrossingSkew {
    /// The skew of an array with several sections.
    pub fn new(config: &ArrayConfig) -> Self {
        let columns = config.mask_columns();
        Self {
            clock: Signal::default(),
            d: ports(config.n_crossings().div_ceil(8)),
            q: ports(config.n_crossings()),
            _mask_columns: columns,
            _lines: (1..config.n_sections()).map(|s| vec![false; s * columns].into()).collect(),
        }
    }
}

impl Logic for CrossingSkew {
    fn update(&mut self) {
        let edge = self.clock.pos_edge();
        for (index, (q, line)) in self.q.iter_mut().zip(&mut self._lines).enumerate() {
            if edge {
                line.push_back(self.d[index / 8].val().get_bit(index % 8));
                line.pop_front();
            }
            q.next = line[0];
        }
    }

    fn connect(&mut self) {
        self.q.drive();
    }

    fn hdl(&self) -> Verilog {
        let (n, columns) = (self.q.len(), self._mask_columns);
        // Stage `j` holds the crossings of the sections that begin at column `j` or behind it.
        let width = |stage: usize| n + 1 - stage.div_ceil(columns);
        let stages = 1..n * columns + 1;
        let (mut declared, mut initial, mut clocked) =
            (String::new(), String::new(), String::new());
        for stage in stages {
            let from = if stage == 1 {
                let byte = |byte: usize| match n - 8 * byte {
                    8.. => format!("d_{byte}"),
                    1 => format!("d_{byte}[0]"),
                    used => format!("d_{byte}[{}:0]", used - 1),
                };
                let bytes: Vec<String> = (0..self.d.len()).rev().map(byte).collect();
                if let [byte] = &bytes[..] {
                    byte.clone()
                } else {
                    format!("{{{}}}", bytes.join(", "))
                }
            } else {
                let before = width(stage - 1);
                match (before - width(stage), before) {
                    (0, _) => format!("stage_{}", stage - 1),
                    (_, 2) => format!("stage_{}[1]", stage - 1),
                    (_, before) => format!("stage_{}[{}:1]", stage - 1, before - 1),
                }
            };
            // Writing to a String cannot fail.
            let _ = writeln!(declared, "reg {}stage_{stage};", range_of(width(stage)));
            let _ = writeln!(initial, "    stage_{stage} = {}'d0;", width(stage));
            let _ = writeln!(clocked, "    stage_{stage} <= {from};");
        }
        let mut body = format!(
            "{declared}initial begin\n{initial}end\nalways @(posedge clock) begin\n{clocked}end\n"
        );
        for section in 1..=n {
            let stage = section * columns;
            let bit = if width(stage) == 1 { "" } else { "[0]" };
            let _ = writeln!(body, "assign q_{} = stage_{stage}{bit};", section - 1);
        }
        verilog("crossing_skew", "Delays crossings by the columns before their sections.", &body)
    }
}

#[cfg(test)]
mod tests {
    use spec::{ArrayConfig, Memories};

    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;

    fn config(cols: usize, mask_columns: usize) -> ArrayConfig {
        let config = ArrayConfig::new(4, cols, Memories::default()).unwrap();
        config.with_mask_columns(mask_columns).unwrap()
    }

    #[test]
    fn a_crossing_changes_with_the_first_activation_of_a_tile() {
        for columns in [1, 3] {
            let mut block = Crossing::new(&config(8, columns));
            let mut random = Random::new(columns as u64);
            let mut others = Vec::new();
            let (mut loaded, mut used) = (false, false);
            for cycle in 0..500 {
                let (load, swap) = (random.below(3) == 0, random.below(3) == 0);
                let crossing = random.below(2) == 1;
                let [activation, other] = [(); 2].map(|()| random.below(256));
                block.load.next = load;
                block.swap.next = swap;
                block.crossing.next = crossing;
                block.activation.next = activation.into();
                block.other.next = other.into();
                others.push(other);
                tick(&mut block, |block| &mut block.clock).unwrap();
                used = if swap { loaded } else { used };
                loaded = if load { crossing } else { loaded };
                // Behind the edge the inputs of this cycle are still there.
                let late = (cycle + 1usize).checked_sub(columns).map_or(0, |at| others[at]);
                let expected = if used { [late, activation] } else { [activation, late] };
                let seen =
                    [&block.activation_out, &block.other_out].map(|port| port.val().to_u64());
                assert_eq!(seen, expected, "cycle {cycle} of {columns} columns");
            }
        }
    }

    #[test]
    fn crossings_arrive_with_the_weights_of_their_columns() {
        for (cols, columns) in [(16, 1), (8, 3), (5, 2), (32, 16)] {
            let config = config(cols, columns);
            let mut block = CrossingSkew::new(&config);
            let mut random = Random::new(cols as u64);
            let mut rows: Vec<Vec<u64>> = Vec::new();
            for cycle in 0..100 {
                let row: Vec<u64> = block.d.iter().map(|_| random.below(256)).collect();
                for (port, &byte) in block.d.iter_mut().zip(&row) {
                    port.next = byte.into();
                }
                rows.push(row);
                tick(&mut block, |block| &mut block.clock).unwrap();
                for (index, q) in block.q.iter().enumerate() {
                    let first_column = (index + 1) * columns;
                    let row = (cycle + 1usize).checked_sub(first_column).map(|at| &rows[at]);
                    let expected = row.is_some_and(|row| row[index / 8] >> (index % 8) & 1 == 1);
                    assert_eq!(q.val(), expected, "section {} at cycle {cycle}", index + 1);
                }
            }
        }
    }
}
