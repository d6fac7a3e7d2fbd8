//! Memories, loader, output and counters: native model and Verilated Verilog agree in every cycle. What the outputs
//! should be is each block's own test.

use crate::random::Random;
use crate::verilated::{lint, simulate};
use rust_hdl_core::prelude::*;
use spec::isa::{INSTRUCTION_WORDS, Lane, Load};
use spec::{ArrayConfig, Memories};
use twofold_hw::context::LoadDecoder;
use twofold_hw::control::counters::Counters;
use twofold_hw::leaf::{Rom, ports, tick};
use twofold_hw::memory::activation_memory::ActivationMemory;
use twofold_hw::memory::loader::Loader;
use twofold_hw::memory::output::Output;
use twofold_hw::verilog::{Verilog, emit};

fn config(rows: usize, cols: usize) -> ArrayConfig {
    let memories = Memories { image: 64, input: 6, lane: 16, logit: 11, ..Memories::default() }
        .with_banks([9; 3]);
    ArrayConfig::new(rows, cols, memories).expect("sizes within the limits")
}

fn lane<const N: usize>(port: &mut Signal<In, Bits<N>>, value: u64) {
    port.next = bits(value);
}

/// Lints the design and compares every cycle after the first `skipped`, in which memories are filled.
fn compare(
    design: &Verilog,
    files: &[(&str, String)],
    rows: &[Vec<u64>],
    native: &[Vec<u64>],
    skipped: usize,
) {
    lint(design);
    let verilated = simulate(design, files, rows);
    assert_eq!(verilated.len(), native.len());
    for (cycle, (seen, expected)) in verilated.iter().zip(native).enumerate().skip(skipped) {
        assert_eq!(
            seen,
            expected,
            "{}, cycle {cycle}, inputs {:x?}",
            design.top().name,
            rows[cycle]
        );
    }
}

#[test]
fn activation_memory_runs_alike() {
    for (rows, cols) in [(2, 2), (3, 4), (8, 16)] {
        let config = config(rows, cols);
        let (n, lanes, granules) =
            (config.word_channels(), config.lanes(), config.granules() as u64);
        let mut memory = ActivationMemory::new(&config);
        let design = emit(&mut memory, "activation_memory", "").unwrap();
        let mut random = Random::new(rows as u64);
        // First every word of every bank is written, because power-up contents are not part of the model.
        let fill = 9 * granules;
        let rows: Vec<Vec<u64>> = (0..fill + 400)
            .map(|cycle| {
                let filling = cycle < fill;
                let mut row = vec![
                    random.below(4),
                    random.below(6),
                    random.below(4),
                    random.below(6),
                    random.below(granules),
                ];
                row.extend(if filling { [15, 1] } else { [random.below(16), random.below(2)] });
                row.extend(if filling {
                    [cycle % 9, cycle / 9]
                } else {
                    [random.below(9), random.below(granules)]
                });
                row.extend(if filling {
                    [1, cycle % 6]
                } else {
                    [random.below(2), random.below(6)]
                });
                row.extend((0..lanes + n).map(|_| random.below(256)));
                row
            })
            .collect();
        let native: Vec<Vec<u64>> = rows
            .iter()
            .map(|row| {
                lane(&mut memory.stream_bank, row[0]);
                lane(&mut memory.stream_address, row[1]);
                lane(&mut memory.residual_bank, row[2]);
                lane(&mut memory.residual_address, row[3]);
                lane(&mut memory.residual_granule, row[4]);
                lane(&mut memory.write_banks, row[5]);
                memory.write_enable.next = row[6] == 1;
                lane(&mut memory.write_address, row[7]);
                lane(&mut memory.write_granule, row[8]);
                memory.load_enable.next = row[9] == 1;
                lane(&mut memory.load_address, row[10]);
                memory.write_data.iter_mut().zip(&row[11..]).for_each(|(port, x)| lane(port, *x));
                memory
                    .load_word
                    .iter_mut()
                    .zip(&row[11 + lanes..])
                    .for_each(|(port, x)| lane(port, *x));
                tick(&mut memory, |m| &mut m.clock).unwrap();
                memory.word.iter().chain(&memory.residual).map(|x| x.val().to_u64()).collect()
            })
            .collect();
        compare(&design, &[], &rows, &native, fill as usize + 1);
    }
}

#[test]
fn output_runs_alike() {
    for (rows, cols) in [(3, 4), (8, 16)] {
        let config = config(rows, cols);
        let lanes = config.lanes();
        let mut output = Output::new(&config);
        let design = emit(&mut output, "logit_output", "").unwrap();
        let mut random = Random::new(rows as u64);
        let n_rows = 11u64.div_ceil(lanes as u64);
        let rows: Vec<Vec<u64>> = (0..1000)
            .map(|cycle| {
                let filling = cycle < n_rows;
                let reset = (cycle == 0 || random.below(150) == 0) as u64;
                let start = (!filling && random.below(8) == 0) as u64;
                let mut row = vec![reset, start, cycle / 200 * 2 + 1];
                row.extend(if filling {
                    [1, cycle]
                } else {
                    [(random.below(4) == 0) as u64, random.below(n_rows)]
                });
                row.push(random.below(2));
                row.extend((0..lanes).map(|_| {
                    [0x8000, 0x7fff, random.below(0x1_0000), random.below(4)]
                        [random.below(4) as usize]
                }));
                row
            })
            .collect();
        let native: Vec<Vec<u64>> = rows
            .iter()
            .map(|row| {
                output.reset.next = row[0] == 1;
                output.start.next = row[1] == 1;
                lane(&mut output.logits_minus_1, row[2]);
                output.write_enable.next = row[3] == 1;
                lane(&mut output.write_row, row[4]);
                output.output_ready.next = row[5] == 1;
                output.write_data.iter_mut().zip(&row[6..]).for_each(|(port, x)| lane(port, *x));
                tick(&mut output, |o| &mut o.clock).unwrap();
                let flags = [&output.output_valid, &output.output_last, &output.busy]
                    .map(|x| x.val() as u64);
                [output.output_data.val().to_u64()].into_iter().chain(flags).collect()
            })
            .collect();
        assert!(native.iter().any(|row| row[3] == 1));
        compare(&design, &[], &rows, &native, n_rows as usize + 1);
    }
}

/// A loader with its lane memory, configured by the words of a `LOAD`.
#[derive(LogicBlock)]
struct Packing {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub word: Vec<Signal<In, Bits<32>>>,
    pub release_input: Signal<In, Bit>,
    pub input_valid: Signal<In, Bit>,
    pub input_last: Signal<In, Bit>,
    pub input_data: Vec<Signal<In, Bits<8>>>,
    pub input_keep: Vec<Signal<In, Bit>>,
    pub input_ready: Signal<Out, Bit>,
    pub load_enable: Signal<Out, Bit>,
    pub load_address: Signal<Out, Bits<16>>,
    pub load_word: Vec<Signal<Out, Bits<8>>>,
    pub full: Signal<Out, Bit>,
    pub load_cycles: Signal<Out, Bits<32>>,
    pub bad_image: Signal<Out, Bit>,
    pub bad_images: Signal<Out, Bits<32>>,
    loader: Loader,
    load_decoder: LoadDecoder,
    lane_memory: Rom<16, 32>,
    configured: Constant<Bit>,
    _n: usize,
    _port_bytes: usize,
}

impl Packing {
    fn new(config: &ArrayConfig, table: &[Vec<u64>]) -> Self {
        let (n, port_bytes) = (config.word_channels(), config.port_bytes());
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            word: ports(INSTRUCTION_WORDS),
            release_input: Signal::default(),
            input_valid: Signal::default(),
            input_last: Signal::default(),
            input_data: ports(port_bytes),
            input_keep: ports(port_bytes),
            input_ready: Signal::default(),
            load_enable: Signal::default(),
            load_address: Signal::default(),
            load_word: ports(n),
            full: Signal::default(),
            load_cycles: Signal::default(),
            bad_image: Signal::default(),
            bad_images: Signal::default(),
            loader: Loader::new(config),
            load_decoder: LoadDecoder::default(),
            lane_memory: Rom::new("lane_memory", "lane.hex", table.len(), 2).with_contents(table),
            configured: Constant::new(true),
            _n: n,
            _port_bytes: port_bytes,
        }
    }

    fn outputs(&self) -> Vec<u64> {
        let mut out = vec![self.input_ready.val() as u64, self.load_enable.val() as u64];
        out.push(self.load_address.val().to_u64());
        out.extend(self.load_word.iter().map(|x| x.val().to_u64()));
        out.extend([self.full.val() as u64, self.load_cycles.val().to_u64()]);
        out.extend([self.bad_image.val() as u64, self.bad_images.val().to_u64()]);
        out
    }
}

impl Logic for Packing {
    #[hdl_gen]
    fn update(&mut self) {
        self.load_decoder.word_0.next = self.word[0].val();
        self.load_decoder.word_1.next = self.word[1].val();
        self.load_decoder.word_2.next = self.word[2].val();
        self.load_decoder.word_3.next = self.word[3].val();
        self.load_decoder.word_4.next = self.word[4].val();
        self.lane_memory.clock.next = self.clock.val();
        self.lane_memory.address.next = self.loader.lane_address.val();
        self.loader.clock.next = self.clock.val();
        self.loader.reset.next = self.reset.val();
        self.loader.configured.next = self.configured.val();
        self.loader.packing.next = self.load_decoder.fields.val();
        self.loader.bank_free.next = self.release_input.val();
        self.loader.lane_word_0.next = self.lane_memory.data[0].val();
        self.loader.lane_word_1.next = self.lane_memory.data[1].val();
        self.loader.input_valid.next = self.input_valid.val();
        self.loader.input_last.next = self.input_last.val();
        for i in 0..self._port_bytes {
            self.loader.input_data[i].next = self.input_data[i].val();
            self.loader.input_keep[i].next = self.input_keep[i].val();
        }
        self.input_ready.next = self.loader.input_ready.val();
        self.load_enable.next = self.loader.load_enable.val();
        self.load_address.next = self.loader.load_address.val();
        self.full.next = self.loader.full.val();
        self.load_cycles.next = self.loader.load_cycles.val();
        self.bad_image.next = self.loader.bad_image.val();
        self.bad_images.next = self.loader.bad_images.val();
        for i in 0..self._n {
            self.load_word[i].next = self.loader.load_word[i].val();
        }
    }
}

/// Random entries of a lane table: some lanes of a word, from anywhere around the packed pixel.
fn lane_table(random: &mut Random, config: &ArrayConfig, row_bytes: i64) -> Vec<Vec<u64>> {
    let n_entries = 7;
    let (n, most) = (config.word_channels() as u64, config.port_bytes() as u64);
    let entries = (0..n_entries).map(|i| {
        let (dy, column) = (random.below(7) as i64 - 3, random.below(16) as i64 - 8);
        let (first, step) = (random.below(n), 1 + random.below(2));
        let count = (1 + random.below(most)).min((n - first).div_ceil(step));
        let lane = Lane {
            offset: dy * row_bytes + column,
            column,
            dy,
            first_lane: first as usize,
            last_lane: (first + (count - 1) * step) as usize,
            alternate: step == 2,
            word_end: i % 3 == 2 || i + 1 == n_entries,
            pixel_end: i + 1 == n_entries,
        };
        lane.encode().unwrap().map(u64::from).to_vec()
    });
    entries.collect()
}

#[test]
fn loader_runs_alike() {
    for (rows, seed, port_bytes) in [(3, 1, 1), (8, 2, 2), (8, 1, 4), (3, 2, 8), (16, 1, 16)] {
        let config = config(rows, 4).with_port_bytes(port_bytes).unwrap();
        let mut random = Random::new(seed);
        let (width, height, channels, block) = (5, 4, 2, seed as usize);
        let row_bytes = width * channels;
        let table = lane_table(&mut random, &config, row_bytes as i64);
        let hex: String =
            table.iter().map(|words| format!("{:08x}{:08x}\n", words[1], words[0])).collect();
        let load = Load {
            block,
            bytes_minus_1: height * row_bytes - 1,
            grid_width_minus_1: (width - 1) / block,
            grid_height_minus_1: (height - 1) / block,
            pixel_step: block * channels,
            row_step: block * row_bytes,
            row_bytes,
            image_height: height,
            fill: -5,
            reach: height.min(4) * row_bytes - 1,
        };
        let load = load.encode().unwrap().map(u64::from);
        let mut packing = Packing::new(&config, &table);
        let design = emit(&mut packing, "packing", "").unwrap();
        // The bytes of the image, taken as the native loader takes them, so that most images end where they should.
        let mut left = 40;
        let mut rows: Vec<Vec<u64>> = Vec::new();
        let native: Vec<Vec<u64>> = (0..3000)
            .map(|cycle| {
                let reset = (cycle == 0 || random.below(700) == 0) as u64;
                let valid = (random.below(4) > 0) as u64;
                let n_bytes = left.min(port_bytes);
                let last = (left <= port_bytes) as u64;
                let keep =
                    if random.below(20) == 0 { random.below(1 << 16) } else { (1 << n_bytes) - 1 };
                let mut row = vec![reset];
                row.extend(load);
                row.extend([(random.below(60) == 0) as u64, valid, last]);
                row.extend((0..port_bytes).map(|_| random.below(256)));
                row.extend((0..port_bytes).map(|byte| keep >> byte & 1));
                if valid == 1 && packing.input_ready.val() && reset == 0 {
                    left = if last == 1 {
                        [39, 40, 40, 40, 41, 45, 57][random.below(7) as usize]
                    } else {
                        left - n_bytes
                    };
                }
                packing.reset.next = row[0] == 1;
                packing.word.iter_mut().zip(&row[1..]).for_each(|(port, x)| lane(port, *x));
                let row_inputs = &row[1 + INSTRUCTION_WORDS..];
                packing.release_input.next = row_inputs[0] == 1;
                packing.input_valid.next = row_inputs[1] == 1;
                packing.input_last.next = row_inputs[2] == 1;
                let (data, keep) = row_inputs[3..].split_at(port_bytes);
                packing.input_data.iter_mut().zip(data).for_each(|(port, x)| lane(port, *x));
                packing.input_keep.iter_mut().zip(keep).for_each(|(port, x)| port.next = *x == 1);
                rows.push(row);
                tick(&mut packing, |p| &mut p.clock).unwrap();
                packing.outputs()
            })
            .collect();
        assert!(native.iter().filter(|row| row[1] == 1).count() > 100, "{port_bytes}");
        assert!(native.iter().any(|row| row.last().is_some_and(|n| *n > 3)));
        compare(&design, &[("lane.hex", hex)], &rows, &native, 1);
    }
}

#[test]
fn counters_run_alike() {
    let mut counters = Counters::new(&config(3, 5));
    let design = emit(&mut counters, "counters", "").unwrap();
    let mut random = Random::new(7);
    let rows: Vec<Vec<u64>> = (0..3000)
        .map(|cycle| {
            let mut row = vec![
                (cycle == 0 || random.below(900) == 0) as u64,
                (random.below(200) == 0) as u64,
            ];
            row.extend([(random.below(8) > 0) as u64, random.below(2), random.below(16)]);
            row.extend((0..6).map(|_| (random.below(3) == 0) as u64));
            row.extend([
                random.below(16),
                random.below(16),
                random.below(1 << 32),
                random.below(1 << 16),
                random.below(1 << 32),
            ]);
            row
        })
        .collect();
    let native: Vec<Vec<u64>> = rows
        .iter()
        .map(|row| {
            counters.reset.next = row[0] == 1;
            counters.clear.next = row[1] == 1;
            counters.running.next = row[2] == 1;
            counters.streaming.next = row[3] == 1;
            lane(&mut counters.active, row[4]);
            counters.dependency.next = row[5] == 1;
            counters.accumulator.next = row[6] == 1;
            counters.weight_load.next = row[7] == 1;
            counters.draining.next = row[8] == 1;
            counters.image_end.next = row[9] == 1;
            counters.sending.next = row[10] == 1;
            lane(&mut counters.status_address, row[11]);
            lane(&mut counters.state, row[12]);
            lane(&mut counters.load_cycles, row[13]);
            lane(&mut counters.program_counter, row[14]);
            lane(&mut counters.bad_images, row[15]);
            tick(&mut counters, |c| &mut c.clock).unwrap();
            vec![counters.status_data.val().to_u64()]
        })
        .collect();
    compare(&design, &[], &rows, &native, 0);
}
