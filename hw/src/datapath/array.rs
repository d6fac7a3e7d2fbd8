//! The array of processing elements, with the skew at its edges.
//!
//! Weights stay, activations and control move right, partial sums move down. In go unskewed rows and columns; out come
//! partial sums that are skewed by one cycle a column, as the accumulators want them.

use crate::comment;
use crate::datapath::pe::Pe;
use crate::leaf::{Constant, Register, Skew, ports};
use rust_hdl_core::prelude::*;
use spec::Design;

/// `psum[c] = sum over r of activation[r] * weight[r][c]`, one activation vector a cycle.
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
    /// int8, one a row.
    pub activation: Vec<Signal<In, Bits<8>>>,
    /// int32, one a column.
    pub psum: Vec<Signal<Out, Bits<32>>>,
    pe: Vec<Pe>,
    activation_skew: Skew,
    weight_skew: Skew,
    /// Of diagonals 1, 2, ..
    load_line: Vec<Register<Bit>>,
    /// Of diagonals 1, 2, ..
    swap_line: Vec<Register<Bit>>,
    zero: Constant<Bits<32>>,
    _rows: usize,
    _cols: usize,
}

impl Array {
    /// The array of a design.
    pub fn new(design: &Design) -> Self {
        let (rows, cols) = (design.array().rows(), design.array().cols());
        let line = || (1..rows + cols - 1).map(|_| Register::default()).collect();
        Self {
            clock: Signal::default(),
            load: Signal::default(),
            swap: Signal::default(),
            weight: ports(cols),
            activation: ports(rows),
            psum: ports(cols),
            pe: (0..rows * cols).map(|_| Pe::new(design.technology())).collect(),
            activation_skew: Skew::new(rows),
            weight_skew: Skew::new(cols),
            load_line: line(),
            swap_line: line(),
            zero: Constant::default(),
            _rows: rows,
            _cols: cols,
        }
    }
}

impl Logic for Array {
    #[hdl_gen]
    fn update(&mut self) {
        comment!(
            "module array: A weight-stationary array; activations move right, partial sums down."
        );
        self.activation_skew.clock.next = self.clock.val();
        for r in 0..self._rows {
            self.activation_skew.d[r].next = self.activation[r].val();
        }
        self.weight_skew.clock.next = self.clock.val();
        for c in 0..self._cols {
            self.weight_skew.d[c].next = self.weight[c].val();
        }
        for i in 1..(self._rows + self._cols - 1) {
            self.load_line[i - 1].clock.next = self.clock.val();
            self.swap_line[i - 1].clock.next = self.clock.val();
            if i == 1 {
                self.load_line[i - 1].d.next = self.load.val();
                self.swap_line[i - 1].d.next = self.swap.val();
            } else {
                self.load_line[i - 1].d.next = self.load_line[i - 2].q.val();
                self.swap_line[i - 1].d.next = self.swap_line[i - 2].q.val();
            }
        }
        for n in self._cols..(self._cols + 1) {
            for r in 0..self._rows {
                for c in 0..self._cols {
                    self.pe[r * n + c].clock.next = self.clock.val();
                    self.pe[r * n + c].weight.next = self.weight_skew.q[c].val();
                    if r + c == 0 {
                        self.pe[r * n + c].load.next = self.load.val();
                        self.pe[r * n + c].swap.next = self.swap.val();
                    } else {
                        self.pe[r * n + c].load.next = self.load_line[r + c - 1].q.val();
                        self.pe[r * n + c].swap.next = self.swap_line[r + c - 1].q.val();
                    }
                    if c == 0 {
                        self.pe[r * n].activation.next = self.activation_skew.q[r].val();
                    } else {
                        self.pe[r * n + c].activation.next =
                            self.pe[r * n + c - 1].activation_out.val();
                    }
                    if r == 0 {
                        self.pe[r * n + c].psum.next = self.zero.val();
                    } else {
                        self.pe[r * n + c].psum.next = self.pe[(r - 1) * n + c].psum_out.val();
                    }
                }
            }
            for m in self._rows..(self._rows + 1) {
                for c in 0..self._cols {
                    self.psum[c].next = self.pe[(m - 1) * n + c].psum_out.val();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;
    use spec::{ArrayConfig, Memories};

    /// One tile: a weight for each row and column, and a stream of activation vectors.
    struct Tile {
        weights: Vec<Vec<i8>>,
        activations: Vec<Vec<i8>>,
    }

    fn tile(random: &mut Random, rows: usize, cols: usize, extreme: Option<i8>) -> Tile {
        let mut byte = |zero_row: bool| match (extreme, zero_row) {
            (Some(value), _) => value,
            (None, true) => 0,
            (None, false) => random.below(256) as u8 as i8,
        };
        // The last row of every random tile is padding.
        let weights = (0..rows).map(|r| (0..cols).map(|_| byte(r + 1 == rows)).collect()).collect();
        let activations =
            (0..rows.max(4) + 3).map(|_| (0..rows).map(|_| byte(false)).collect()).collect();
        Tile { weights, activations }
    }

    fn dot(tile: &Tile, vector: usize, col: usize) -> i32 {
        let products = tile.activations[vector].iter().zip(&tile.weights);
        products.map(|(&activation, row)| i32::from(activation) * i32::from(row[col])).sum()
    }

    /// Streams tiles back to back, the weights of each under the activations of the one before.
    fn check(rows: usize, cols: usize) {
        let design = Design::new(rows, cols, Memories::default()).unwrap();
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
            let streamed = period_idx.checked_sub(1).and_then(|n| tiles.get(n));
            array.swap.next = streamed.is_some() && at == 0;
            for r in 0..rows {
                let activation = streamed.map_or(55, |tile| tile.activations[at][r]);
                array.activation[r].next = u64::from(activation as u8).into();
            }
            tick(&mut array, |array| &mut array.clock).unwrap();
            for c in 0..cols {
                // After the edge, cycle t + 1 is visible.
                let Some(u) = (t + 1).checked_sub(depth + c + period) else { continue };
                if let Some(tile) = tiles.get(u / period) {
                    let seen = array.psum[c].val().to_u32() as i32;
                    assert_eq!(
                        seen,
                        dot(tile, u % period, c),
                        "{rows} x {cols}, column {c}, vector {u}"
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
            check(rows, cols);
        }
    }
}
