//! The native model and the Verilated Verilog of a block give the same outputs in every cycle.

use crate::constructs::Constructs;
use crate::example::Column;
use crate::random::Random;
use crate::verilated::{lint, simulate};
use rust_hdl_core::prelude::*;
use twofold_hw::leaf::{ControlDelay, Delay, Ram, Rom, SignExtend, settle, tick};
use twofold_hw::verilog::emit;

fn signed_of<const N: usize>(x: u64) -> Signed<N> {
    signed_cast(bits(x))
}

fn bits_of<const N: usize>(x: Signed<N>) -> u64 {
    x.inner().to_u64()
}

#[test]
fn every_construct_computes_what_rust_computes() {
    let mut block = Constructs::new(3);
    let design = emit(&mut block, "constructs", "").unwrap();
    lint(&design);
    let mut random = Random::new(1);
    let rows: Vec<Vec<u64>> = (0..2000)
        .map(|_| {
            let mut byte = || {
                [0, 1, 2, 127, 128, 255, random.below(256), random.below(256)]
                    [random.below(8) as usize]
            };
            let (a, b, s, t, l0, l1, l2) = (byte(), byte(), byte(), byte(), byte(), byte(), byte());
            vec![a, b, s, t, random.below(4), random.below(2), l0, l1, l2]
        })
        .collect();
    let native: Vec<Vec<u64>> = rows
        .iter()
        .map(|row| {
            block.a.next = bits(row[0]);
            block.b.next = bits(row[1]);
            block.s.next = signed_of(row[2]);
            block.t.next = signed_of(row[3]);
            block.mode.next = bits(row[4]);
            block.flag.next = row[5] == 1;
            for i in 0..3 {
                block.lane[i].next = bits(row[6 + i]);
            }
            settle(&mut block).unwrap();
            let mut out = vec![block.selected.val().to_u64()];
            out.extend(block.one_hot.iter().map(|x| x.val() as u64));
            let pair: Bits<8> = block.pair.val().into();
            out.extend([block.wide.val().to_u64(), block.narrow.val().to_u64(), pair.to_u64()]);
            out.extend([block.pair_bits.val().to_u64(), bits_of(block.signed_sum.val())]);
            out.extend([
                bits_of(block.signed_part.val()),
                block.less.val() as u64,
                block.result.val().to_u64(),
            ]);
            out.extend([
                block.moved.val().to_u64(),
                block.picked.val() as u64,
                block.reduced.val() as u64,
            ]);
            out.extend(block.grid.iter().map(|x| x.val().to_u64()));
            out
        })
        .collect();
    assert_eq!(simulate(&design, &[], &rows), native);
}

#[test]
fn the_composed_example_runs_alike() {
    for invert in [false, true] {
        let mut random = Random::new(2);
        let words: Vec<Vec<u64>> =
            (0..10).map(|_| (0..3).map(|_| random.below(256)).collect()).collect();
        let hex: String =
            words.iter().map(|w| format!("{:02x}{:02x}{:02x}\n", w[2], w[1], w[0])).collect();
        let mut block = Column::new(3, 10, invert, &words);
        let design = emit(&mut block, "column", "").unwrap();
        lint(&design);
        let rows: Vec<Vec<u64>> = (0..600)
            .map(|i| {
                let reset = (i < 2 || random.below(60) == 0) as u64;
                let mut row = vec![reset, (random.below(8) == 0) as u64];
                row.extend((0..3).map(|_| random.below(256)));
                row.push(random.below(16));
                row
            })
            .collect();
        let native: Vec<Vec<u64>> = rows
            .iter()
            .map(|row| {
                block.reset.next = row[0] == 1;
                block.start.next = row[1] == 1;
                for i in 0..3 {
                    block.activation[i].next = bits(row[2 + i]);
                }
                block.read_address.next = bits(row[5]);
                tick(&mut block, |b| &mut b.clock).unwrap();
                let mut out: Vec<u64> = block.sum.iter().map(|x| x.val().to_u64()).collect();
                out.extend([block.busy.val() as u64, block.negative.val() as u64]);
                out
            })
            .collect();
        assert!(native.iter().any(|row| row[0] != 0) && native.iter().any(|row| row[3] == 1));
        assert_eq!(simulate(&design, &[("weights.hex", hex)], &rows), native, "invert = {invert}");
    }
}

/// Delay lines of several depths side by side.
#[derive(LogicBlock)]
struct Lines {
    clock: Signal<In, Clock>,
    reset: Signal<In, Bit>,
    d: Signal<In, Bits<12>>,
    data: Vec<Signal<Out, Bits<12>>>,
    control: Vec<Signal<Out, Bits<12>>>,
    wide: Signal<Out, Signed<20>>,
    delay: Vec<Delay<Bits<12>>>,
    control_delay: Vec<ControlDelay<Bits<12>>>,
    extend: SignExtend<12, 20>,
    _n: usize,
}

impl Logic for Lines {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..self._n {
            self.delay[i].clock.next = self.clock.val();
            self.delay[i].d.next = self.d.val();
            self.data[i].next = self.delay[i].q.val();
            self.control_delay[i].clock.next = self.clock.val();
            self.control_delay[i].reset.next = self.reset.val();
            self.control_delay[i].d.next = self.d.val();
            self.control[i].next = self.control_delay[i].q.val();
        }
        self.extend.d.next = signed_cast(self.d.val());
        self.wide.next = self.extend.q.val();
    }
}

#[test]
fn delay_lines_run_alike_and_delay_by_their_depth() {
    let n = 5;
    let mut block = Lines {
        clock: Signal::default(),
        reset: Signal::default(),
        d: Signal::default(),
        data: twofold_hw::leaf::ports(n),
        control: twofold_hw::leaf::ports(n),
        wide: Signal::default(),
        delay: (0..n).map(Delay::new).collect(),
        control_delay: (0..n).map(ControlDelay::new).collect(),
        extend: SignExtend::default(),
        _n: n,
    };
    let design = emit(&mut block, "lines", "").unwrap();
    lint(&design);
    let mut random = Random::new(3);
    let rows: Vec<Vec<u64>> = (0..200)
        .map(|i| vec![(i % 50 == 30) as u64, [0x800, 0x7ff, random.below(4096)][i % 3]])
        .collect();
    let native: Vec<Vec<u64>> = rows
        .iter()
        .map(|row| {
            block.reset.next = row[0] == 1;
            block.d.next = bits(row[1]);
            tick(&mut block, |b| &mut b.clock).unwrap();
            let lines = block.data.iter().chain(&block.control).map(|x| x.val().to_u64());
            lines.chain([bits_of(block.wide.val())]).collect()
        })
        .collect();
    for (t, out) in native.iter().enumerate().skip(5) {
        // Depth 0 follows the input; depth k shows what the k-th last edge took in.
        assert_eq!(out[0], rows[t][1]);
        (1..n).for_each(|k| assert_eq!(out[k], rows[t + 1 - k][1], "depth {k} at {t}"));
        let reset_age = (0..).find(|age| t < *age || rows[t - age][0] == 1).unwrap();
        (1..n).for_each(|k| {
            assert_eq!(
                out[n + k],
                if reset_age < k { 0 } else { rows[t + 1 - k][1] },
                "depth {k} at {t}"
            )
        });
        let extended = ((rows[t][1] as i64) << 52 >> 52) as u64 & 0xf_ffff;
        assert_eq!(out[2 * n], extended);
    }
    assert_eq!(simulate(&design, &[], &rows), native);
}

#[test]
fn memories_run_alike() {
    for (depth, lanes, enables) in [(16, 4, 4), (10, 4, 2), (1, 1, 1), (3, 2, 1)] {
        let mut ram = Ram::<5, 9>::new("ram", depth, lanes, enables).visible();
        let design = emit(&mut ram, "ram_top", "").unwrap();
        lint(&design);
        let mut random = Random::new(4);
        // Every word is written once before anything is read, because power-up contents are not part of the model.
        let fill = (0..depth as u64).map(|a| (a, true));
        let then = (0..500).map(|_| (random.below(depth as u64), false)).collect::<Vec<_>>();
        let mut random = Random::new(5);
        let rows: Vec<Vec<u64>> = fill
            .chain(then)
            .map(|(address, all)| {
                let mut row: Vec<u64> =
                    (0..enables).map(|_| if all { 1 } else { random.below(2) }).collect();
                row.push(address);
                row.extend((0..lanes).map(|_| random.below(512)));
                row.push(if all { 0 } else { random.below(depth as u64) });
                row
            })
            .collect();
        let native: Vec<Vec<u64>> = rows
            .iter()
            .map(|row| {
                (0..enables).for_each(|i| ram.write_enable[i].next = row[i] == 1);
                ram.write_address.next = bits(row[enables]);
                (0..lanes).for_each(|i| ram.write_data[i].next = bits(row[enables + 1 + i]));
                ram.read_address.next = bits(row[enables + 1 + lanes]);
                tick(&mut ram, |r| &mut r.clock).unwrap();
                ram.read_data.iter().map(|x| x.val().to_u64()).collect()
            })
            .collect();
        assert_eq!(
            simulate(&design, &[], &rows)[depth..],
            native[depth..],
            "{depth} x {lanes}, {enables} enables"
        );
    }
}

#[test]
fn a_rom_gives_the_words_of_its_file() {
    let mut random = Random::new(6);
    // 288 bits: wider than any integer.
    let words: Vec<Vec<u64>> =
        (0..20).map(|_| (0..36).map(|_| random.below(256)).collect()).collect();
    let hex: String = words
        .iter()
        .map(|w| w.iter().rev().map(|x| format!("{x:02x}")).collect::<String>() + "\n")
        .collect();
    let mut rom = Rom::<5, 8>::new("rom", "rom.hex", 20, 36).with_contents(&words);
    let design = emit(&mut rom, "rom_top", "").unwrap();
    lint(&design);
    let rows: Vec<Vec<u64>> = (0..100).map(|_| vec![random.below(20)]).collect();
    for row in &rows {
        rom.address.next = bits(row[0]);
        tick(&mut rom, |r| &mut r.clock).unwrap();
        let native: Vec<u64> = rom.data.iter().map(|x| x.val().to_u64()).collect();
        assert_eq!(native, words[row[0] as usize]);
    }
    let expected: Vec<Vec<u64>> = rows.iter().map(|row| words[row[0] as usize].clone()).collect();
    assert_eq!(simulate(&design, &[("rom.hex", hex)], &rows), expected);
}
