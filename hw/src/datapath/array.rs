//! The array of processing elements, with the skew at its edges.
//!
//! Weights stay, activations and control move right, partial sums move down. In go unskewed rows and columns; out come
//! partial sums that are skewed by one cycle a column, as the accumulators want them.
//!
//! Its Verilog is written by hand, because a loop over rows and columns says more than its instances one by one; the
//! tests run it against the native block.

use crate::datapath::crossing::{Crossing, CrossingSkew};
use crate::datapath::pe::Pe;
use crate::leaf::{Drive, Register, Skew, module_of, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::Design;
use std::fmt::Write;

/// `psum[c] = sum over r of activation[r] * weight[r][c]`, one activation vector a cycle.
///
/// With several sections of columns `other` travels beside `activation`, and a section takes the one or the other: that which
/// the section before takes, unless the row's crossing says otherwise. Crossings are given with the weights of their row.
///
/// Latency: the partial sum of column `c` for the activations given at cycle `u` is visible at
/// `u + (rows - 1) + c + PE_LATENCY`. The weights of row `r` are given `r` cycles after `load`, and are in use from the
/// activations that come with `swap` on. `load` and `swap` reach PE (r, c) after `r + c` cycles, as activations do; one
/// line of registers serves every diagonal. No reset: what comes out belongs to what went in.
#[derive(LogicBlock)]
pub struct Array {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// The weights on `weight` are those of row 0; the other rows follow.
    pub load: Signal<In, Bit>,
    /// Comes with the first activations of a tile.
    pub swap: Signal<In, Bit>,
    /// int8, one a column.
    pub weight: Vec<Signal<In, Bits<8>>>,
    /// Bit `(s - 1) % 8` of byte `(s - 1) / 8` is the crossing of section `s`; no byte with one section.
    pub crossing: Vec<Signal<In, Bits<8>>>,
    /// int8, one a row.
    pub activation: Vec<Signal<In, Bits<8>>>,
    /// int8, the other channel of each pair, one a row; none with one section.
    pub other: Vec<Signal<In, Bits<8>>>,
    /// int32, one a column.
    pub psum: Vec<Signal<Out, Bits<32>>>,
    pe: Vec<Pe>,
    /// Into sections 1, 2, .. of row 0, then of row 1, ..
    section: Vec<Crossing>,
    activation_skew: Skew,
    weight_skew: Skew,
    /// With several sections: of `other`, and of `crossing`.
    other_skew: Vec<Skew>,
    crossing_skew: Vec<CrossingSkew>,
    /// Of diagonals 1, 2, ..
    load_line: Vec<Register<Bit>>,
    /// Of diagonals 1, 2, ..
    swap_line: Vec<Register<Bit>>,
    _rows: usize,
    _cols: usize,
    _mask_columns: usize,
}

impl Array {
    /// The array of a design.
    pub fn new(design: &Design) -> Self {
        let config = design.array();
        let (rows, cols, n_crossings) = (config.rows(), config.cols(), config.n_crossings());
        let n_skews = usize::from(n_crossings > 0);
        let line = || (1..rows + cols - 1).map(|_| Register::default()).collect();
        Self {
            clock: Signal::default(),
            load: Signal::default(),
            swap: Signal::default(),
            weight: ports(cols),
            crossing: ports(n_crossings.div_ceil(8)),
            activation: ports(rows),
            other: ports(n_skews * rows),
            psum: ports(cols),
            pe: (0..rows * cols).map(|_| Pe::new(design.technology())).collect(),
            section: (0..rows * n_crossings).map(|_| Crossing::new(config)).collect(),
            activation_skew: Skew::new(rows),
            weight_skew: Skew::new(cols),
            other_skew: (0..n_skews).map(|_| Skew::new(rows)).collect(),
            crossing_skew: (0..n_skews).map(|_| CrossingSkew::new(config)).collect(),
            load_line: line(),
            swap_line: line(),
            _rows: rows,
            _cols: cols,
            _mask_columns: config.mask_columns(),
        }
    }
}

impl Array {
    /// Drives the way of row `r` into the section that begins at column `c`, and tells what comes out.
    fn cross(&mut self, r: usize, c: usize) -> Bits<8> {
        let section = c / self._mask_columns;
        let at = r * self.crossing_skew[0].q.len() + section - 1;
        let other = match section {
            1 => self.other_skew[0].q[r].val(),
            _ => self.section[at - 1].other_out.val(),
        };
        let crossing = self.crossing_skew[0].q[section - 1].val();
        let activation = self.pe[r * self._cols + c - 1].activation_out.val();
        // Diagonal n is at n - 1. A swap comes a cycle before the activation that it belongs to.
        let load = self.load_line[r + c - 1].q.val();
        let swap = match (r + c).checked_sub(2) {
            Some(i) => self.swap_line[i].q.val(),
            None => self.swap.val(),
        };
        let block = &mut self.section[at];
        block.clock.next = self.clock.val();
        block.load.next = load;
        block.swap.next = swap;
        block.crossing.next = crossing;
        block.activation.next = activation;
        block.other.next = other;
        block.activation_out.val()
    }

    /// The Verilog of the sections, where there are several: declarations, and what stands in the loop over rows.
    fn sections(&self) -> (String, String) {
        let Some(skew) = self.crossing_skew.first() else { return Default::default() };
        let (n_crossings, columns) = (skew.q.len(), self._mask_columns);
        let others: Vec<_> = (0..self._rows)
            .map(|r| {
                format!(
                    ".d_{r}(other_{r}), .q_{r}(other_at[{}:{}])",
                    8 * (r * (n_crossings + 1)) + 7,
                    8 * (r * (n_crossings + 1))
                )
            })
            .collect();
        let bytes: Vec<_> =
            (0..self.crossing.len()).map(|i| format!(".d_{i}(crossing_{i})")).collect();
        let bits: Vec<_> =
            (0..n_crossings).map(|i| format!(".q_{i}(crossing_at[{}])", i + 1)).collect();
        let declarations = format!("\
localparam MASK_COLUMNS = {columns};
localparam SECTIONS = {n_sections};

// What enters PE (r, c) is byte r * COLS + c; what section s of row r leaves is byte r * SECTIONS + s.
wire [8*ROWS*COLS-1:0] entered_at;
wire [8*ROWS*SECTIONS-1:0] other_at;
wire [SECTIONS-1:1] crossing_at;
{other_skew} other_skew (
    .clock(clock),
    {others}
);
crossing_skew crossing_skew (
    .clock(clock),
    {bytes},
    {bits}
);
",
            n_sections = n_crossings + 1,
            other_skew = module_of(&self.other_skew[0]),
            others = others.join(",\n    "),
            bytes = bytes.join(", "),
            bits = bits.join(",\n    "),
        );
        let of_row = format!("        for (s = 0; s < SECTIONS; s = s + 1) begin : inner
            for (c = s == 0 ? 0 : 1; c < MASK_COLUMNS && s * MASK_COLUMNS + c < COLS; c = c + 1) begin : pass
                assign entered_at[8*(r*COLS+s*MASK_COLUMNS+c) +: 8] = activation_at[8*(r*(COLS+1)+s*MASK_COLUMNS+c) +: 8];
            end
        end
        for (s = 1; s < SECTIONS; s = s + 1) begin : section
            {crossing} entry (
                .clock(clock),
                .load(load_at[r+s*MASK_COLUMNS]),
                .swap(swap_at[r+s*MASK_COLUMNS-1]),
                .crossing(crossing_at[s]),
                .activation(activation_at[8*(r*(COLS+1)+s*MASK_COLUMNS) +: 8]),
                .other(other_at[8*(r*SECTIONS+s-1) +: 8]),
                .activation_out(entered_at[8*(r*COLS+s*MASK_COLUMNS) +: 8]),
                .other_out(other_at[8*(r*SECTIONS+s) +: 8])
            );
        end
",
            crossing = module_of(&self.section[0]),
        );
        (declarations, of_row)
    }
}

impl Logic for Array {
    fn update(&mut self) {
        let n = self._cols;
        self.activation_skew.clock.next = self.clock.val();
        for r in 0..self._rows {
            self.activation_skew.d[r].next = self.activation[r].val();
        }
        self.weight_skew.clock.next = self.clock.val();
        for c in 0..self._cols {
            self.weight_skew.d[c].next = self.weight[c].val();
        }
        let (mut load, mut swap) = (self.load.val(), self.swap.val());
        for i in 0..self.load_line.len() {
            self.load_line[i].clock.next = self.clock.val();
            self.swap_line[i].clock.next = self.clock.val();
            self.load_line[i].d.next = load;
            self.swap_line[i].d.next = swap;
            load = self.load_line[i].q.val();
            swap = self.swap_line[i].q.val();
        }
        for r in 0..self._rows {
            for c in 0..n {
                let at = r * n + c;
                self.pe[at].clock.next = self.clock.val();
                self.pe[at].weight.next = self.weight_skew.q[c].val();
                (self.pe[at].load.next, self.pe[at].swap.next) = match (r + c).checked_sub(1) {
                    Some(i) => (self.load_line[i].q.val(), self.swap_line[i].q.val()),
                    None => (self.load.val(), self.swap.val()),
                };
                let is_crossed = c.is_multiple_of(self._mask_columns);
                self.pe[at].activation.next = match c {
                    0 => self.activation_skew.q[r].val(),
                    _ if is_crossed => self.cross(r, c),
                    _ => self.pe[at - 1].activation_out.val(),
                };
                self.pe[at].psum.next = match r {
                    0 => Bits::default(),
                    _ => self.pe[at - n].psum_out.val(),
                };
            }
        }
        for c in 0..n {
            self.psum[c].next = self.pe[(self._rows - 1) * n + c].psum_out.val();
        }
        for skew in &mut self.other_skew {
            skew.clock.next = self.clock.val();
            for (d, other) in skew.d.iter_mut().zip(&self.other) {
                d.next = other.val();
            }
        }
        for skew in &mut self.crossing_skew {
            skew.clock.next = self.clock.val();
            for (d, crossing) in skew.d.iter_mut().zip(&self.crossing) {
                d.next = crossing.val();
            }
        }
    }

    fn connect(&mut self) {
        self.psum.drive();
        self.activation_skew.clock.connect();
        self.weight_skew.clock.connect();
        self.activation_skew.d.iter_mut().for_each(|d| d.connect());
        self.weight_skew.d.iter_mut().for_each(|d| d.connect());
        for skew in &mut self.other_skew {
            skew.clock.connect();
            skew.d.iter_mut().for_each(|d| d.connect());
        }
        for skew in &mut self.crossing_skew {
            skew.clock.connect();
            skew.d.iter_mut().for_each(|d| d.connect());
        }
        for section in &mut self.section {
            section.clock.connect();
            section.load.connect();
            section.swap.connect();
            section.crossing.connect();
            section.activation.connect();
            section.other.connect();
        }
        for register in self.load_line.iter_mut().chain(&mut self.swap_line) {
            register.clock.connect();
            register.d.connect();
        }
        for pe in &mut self.pe {
            pe.clock.connect();
            pe.load.connect();
            pe.swap.connect();
            pe.weight.connect();
            pe.activation.connect();
            pe.psum.connect();
        }
    }

    fn hdl(&self) -> Verilog {
        let (rows, cols) = (self._rows, self._cols);
        let mut edges = String::new();
        let mut skew =
            |skew: &Skew, name: &str, ports: [&str; 2], part: &dyn Fn(usize) -> String| {
                let lanes = 0..skew.d.len();
                let inputs: Vec<_> =
                    lanes.clone().map(|i| format!(".d_{i}({}_{i})", ports[0])).collect();
                let outputs: Vec<_> =
                    lanes.map(|i| format!(".q_{i}({}{})", ports[1], part(i))).collect();
                // Writing to a String cannot fail.
                let _ = writeln!(
                    edges,
                    "{} {name} (\n    .clock(clock),\n    {},\n    {}\n);",
                    module_of(skew),
                    inputs.join(", "),
                    outputs.join(", ")
                );
            };
        let byte = |i: usize| format!("[{}:{}]", 8 * i + 7, 8 * i);
        skew(&self.activation_skew, "activation_skew", ["activation", "activation_at"], &|r| {
            byte(r * (cols + 1))
        });
        skew(&self.weight_skew, "weight_skew", ["weight", "weight_at"], &byte);
        let last = 32 * rows * cols;
        for c in 0..cols {
            let (high, low) = (last + 32 * c + 31, last + 32 * c);
            let _ = writeln!(edges, "assign psum_{c} = psum_at[{high}:{low}];");
        }
        let lines = rows + cols - 2;
        let (sections, of_row) = self.sections();
        let (genvars, entered) = match self.section.first() {
            Some(_) => ("r, c, s", "entered_at[8*(r*COLS+c) +: 8]"),
            None => ("r, c", "activation_at[8*(r*(COLS+1)+c) +: 8]"),
        };
        let body = format!(
            "\
localparam ROWS = {rows};
localparam COLS = {cols};

// Control moves along diagonals, as activations do: PE (r, c) is on diagonal r + c.
reg [ROWS+COLS-2:1] load_line;
reg [ROWS+COLS-2:1] swap_line;
initial begin
    load_line = {lines}'d0;
    swap_line = {lines}'d0;
end
wire [ROWS+COLS-2:0] load_at = {{load_line, load}};
wire [ROWS+COLS-2:0] swap_at = {{swap_line, swap}};
always @(posedge clock) begin
    load_line <= load_at[ROWS+COLS-3:0];
    swap_line <= swap_at[ROWS+COLS-3:0];
end

// What enters PE (r, c): byte c of the weights, byte r * (COLS + 1) + c of the activations, word r * COLS + c of the sums.
wire [8*COLS-1:0] weight_at;
wire [8*ROWS*(COLS+1)-1:0] activation_at;
wire [32*(ROWS+1)*COLS-1:0] psum_at;
assign psum_at[32*COLS-1:0] = {{COLS{{32'd0}}}};
{edges}
{sections}genvar {genvars};
generate
    for (r = 0; r < ROWS; r = r + 1) begin : row
{of_row}        for (c = 0; c < COLS; c = c + 1) begin : col
            {pe} pe (
                .clock(clock),
                .load(load_at[r+c]),
                .swap(swap_at[r+c]),
                .weight(weight_at[8*c +: 8]),
                .activation({entered}),
                .psum(psum_at[32*(r*COLS+c) +: 32]),
                .activation_out(activation_at[8*(r*(COLS+1)+c+1) +: 8]),
                .psum_out(psum_at[32*((r+1)*COLS+c) +: 32])
            );
        end
    end
endgenerate
",
            pe = module_of(&self.pe[0]),
        );
        verilog(
            "array",
            "A weight-stationary array; activations move right, partial sums down.",
            &body,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use spec::{ArrayConfig, Memories};

    /// One tile: a weight for each row and column, crossings of each row, and a stream of vectors of pairs of activations.
    struct Tile {
        weights: Vec<Vec<i8>>,
        crossings: Vec<u64>,
        activations: Vec<Vec<[i8; 2]>>,
    }

    fn tile(random: &mut Random, rows: usize, cols: usize, extreme: Option<i8>) -> Tile {
        let mut byte = |zero_row: bool| match (extreme, zero_row) {
            (Some(value), _) => value,
            (None, true) => 0,
            (None, false) => random.below(256) as u8 as i8,
        };
        // The last row of every random tile is padding.
        let weights = (0..rows).map(|r| (0..cols).map(|_| byte(r + 1 == rows)).collect()).collect();
        let mut pair = || [byte(false), byte(false)];
        let activations =
            (0..rows.max(4) + 3).map(|_| (0..rows).map(|_| pair()).collect()).collect();
        let crossings = (0..rows).map(|_| random.below(1 << 32)).collect();
        Tile { weights, crossings, activations }
    }

    /// Every section takes the first of a pair if it lies behind an even number of crossings.
    fn dot(tile: &Tile, vector: usize, col: usize, mask_columns: usize) -> i32 {
        let section = col / mask_columns;
        let row = |row: usize| {
            let crossings = tile.crossings[row] & ((1 << section) - 1);
            let taken = tile.activations[vector][row][crossings.count_ones() as usize % 2];
            i32::from(taken) * i32::from(tile.weights[row][col])
        };
        (0..tile.weights.len()).map(row).sum()
    }

    /// Streams tiles back to back, the weights of each under the activations of the one before.
    fn check(rows: usize, cols: usize, mask_columns: usize) {
        let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
        let design = Design::of(config.with_mask_columns(mask_columns).unwrap());
        let mut random = Random::new(rows as u64 * 100 + cols as u64);
        let tiles: Vec<Tile> = [None, Some(-128), Some(127), None, None]
            .into_iter()
            .map(|extreme| tile(&mut random, rows, cols, extreme))
            .collect();
        let period = tiles[0].activations.len();
        let mut array = Array::new(&design);
        let depth = rows - 1 + ArrayConfig::PE_LATENCY;
        let mut n_checked = 0;
        for t in 0..(tiles.len() + 1) * period + depth + cols {
            // Period n loads tile n, and streams tile n - 1.
            let (period_idx, at) = (t / period, t % period);
            array.load.next = at == 0 && period_idx < tiles.len();
            for c in 0..cols {
                let weight = tiles
                    .get(period_idx)
                    .filter(|_| at < rows)
                    .map_or(99, |tile| tile.weights[at][c]);
                array.weight[c].next = u64::from(weight as u8).into();
            }
            let crossings =
                tiles.get(period_idx).filter(|_| at < rows).map_or(!0, |tile| tile.crossings[at]);
            for (byte, crossing) in array.crossing.iter_mut().enumerate() {
                crossing.next = (crossings >> (8 * byte) & 0xff).into();
            }
            let streamed = period_idx.checked_sub(1).and_then(|n| tiles.get(n));
            array.swap.next = streamed.is_some() && at == 0;
            for r in 0..rows {
                let [activation, other] = streamed.map_or([55; 2], |tile| tile.activations[at][r]);
                array.activation[r].next = u64::from(activation as u8).into();
                if let Some(port) = array.other.get_mut(r) {
                    port.next = u64::from(other as u8).into();
                }
            }
            tick(&mut array, |array| &mut array.clock).unwrap();
            for c in 0..cols {
                // After the edge, cycle t + 1 is visible.
                let Some(u) = (t + 1).checked_sub(depth + c + period) else { continue };
                if let Some(tile) = tiles.get(u / period) {
                    let seen = array.psum[c].val().to_u32() as i32;
                    assert_eq!(
                        seen,
                        dot(tile, u % period, c, mask_columns),
                        "{rows} x {cols} by {mask_columns}, column {c}, vector {u}"
                    );
                    n_checked += 1;
                }
            }
        }
        assert_eq!(n_checked, tiles.len() * period * cols);
    }

    #[test]
    fn multiplies_matrices_without_bubbles() {
        for (rows, cols) in [(2, 2), (3, 5), (8, 4), (4, 9)] {
            for mask_columns in 1..=cols {
                check(rows, cols, mask_columns);
            }
        }
    }
}
