//! Picks the columns of a drain step for the requantize lanes.

use crate::leaf::{Drive, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// `value[l] = sum[step * lanes + l]`, or 0 beyond the last column.
///
/// Latency: 3 cycles from `step`, 1 cycle from `sum`, which an accumulator gives 2 cycles after its address. No reset.
#[derive(LogicBlock)]
pub struct LaneSelect {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Advances the pipeline.
    pub enable: Signal<In, Bit>,
    /// Which `lanes` columns.
    pub step: Signal<In, Bits<4>>,
    /// int32, one a column.
    pub sum: Vec<Signal<In, Bits<32>>>,
    /// int32, one a lane.
    pub value: Vec<Signal<Out, Bits<32>>>,
    _step_1: usize,
    _step_2: usize,
}

impl LaneSelect {
    /// A selection of `lanes` out of `cols` columns.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            enable: Signal::default(),
            step: Signal::default(),
            sum: ports(config.cols()),
            value: ports(config.lanes()),
            _step_1: 0,
            _step_2: 0,
        }
    }
}

impl Logic for LaneSelect {
    fn update(&mut self) {
        if !self.clock.pos_edge() || !self.enable.val() {
            return;
        }
        let lanes = self.value.len();
        for (lane, value) in self.value.iter_mut().enumerate() {
            value.next =
                self.sum.get(self._step_2 * lanes + lane).map(|sum| sum.val()).unwrap_or_default();
        }
        self._step_2 = self._step_1;
        self._step_1 = self.step.val().index();
    }

    fn connect(&mut self) {
        self.value.drive();
    }

    fn hdl(&self) -> Verilog {
        let (cols, lanes) = (self.sum.len(), self.value.len());
        let mut initial = String::new();
        let mut cases = String::new();
        // Writing to a String cannot fail.
        for lane in 0..lanes {
            let _ = writeln!(initial, "    value_{lane} = 32'd0;");
        }
        let mut arm = |label: &str, value: &dyn Fn(usize) -> String| {
            let _ = writeln!(cases, "        {label}: begin");
            for lane in 0..lanes {
                let _ = writeln!(cases, "            value_{lane} <= {};", value(lane));
            }
            let _ = writeln!(cases, "        end");
        };
        let steps = cols.div_ceil(lanes);
        for step in 0..steps {
            arm(&format!("4'd{step}"), &|lane| match step * lanes + lane {
                column if column < cols => format!("sum_{column}"),
                _ => "32'd0".into(),
            });
        }
        if steps < 16 {
            let beyond: Vec<_> = (steps..16).map(|step| format!("4'd{step}")).collect();
            arm(&beyond.join(", "), &|_| "32'd0".into());
        }
        arm("default", &|_| "32'dx".into());
        let body = format!(
            "reg [3:0] step_1;\nreg [3:0] step_2;\ninitial begin\n    step_1 = 4'd0;\n    step_2 = 4'd0;\n{initial}end\n\
             always @(posedge clock) if (enable) begin\n    step_1 <= step;\n    step_2 <= step_1;\n    case (step_2)\n{cases}    \
             endcase\nend\n"
        );
        verilog("lane_select", "The columns of a drain step.", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use spec::Memories;

    #[test]
    fn picks_the_columns_of_the_step() {
        for (rows, cols, lanes) in [(8, 16, 4), (2, 3, 2), (3, 32, 2), (2, 7, 4)] {
            let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
            assert_eq!(config.lanes(), lanes);
            let mut select = LaneSelect::new(&config);
            select.enable.next = true;
            for t in 0..40_usize {
                select.step.next = (t as u64 * 7 % 16).into();
                for (c, sum) in select.sum.iter_mut().enumerate() {
                    sum.next = (0x8000_0000 + 1000 * t as u64 + c as u64).into();
                }
                tick(&mut select, |select| &mut select.clock).unwrap();
                let step = t.checked_sub(2).map_or(0, |d| d * 7 % 16);
                for l in 0..lanes {
                    let column = step * lanes + l;
                    let expected = if column < cols {
                        0x8000_0000 + 1000 * t as u64 + column as u64
                    } else {
                        0
                    };
                    assert_eq!(
                        select.value[l].val().to_u64(),
                        expected,
                        "{cols} columns, cycle {t}, lane {l}"
                    );
                }
            }
        }
    }
}
