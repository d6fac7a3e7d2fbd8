//! The test bench: Verilog that does what `shim.cpp` does, cycle by cycle, and prints what it sees.

use std::fmt::Write;

use spec::status;

use crate::loaded::{Loaded, RunOptions};
use crate::verilator::N_REGISTERS;

/// The top module.
pub(super) const TOP: &str = "bench";
/// File of the beats for the input port.
pub(super) const IMAGES: &str = "images.hex";
/// Begins every line that the bench prints.
pub(super) const MARK: &str = "twofold";
/// 32 random bits of the bench's seed, from anywhere in the design.
pub(super) const RANDOM: &str = "$random(bench.seed)";

/// What a bench is made for.
pub(super) struct Bench<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) frames: &'a [&'a [i8]],
    pub(super) options: &'a RunOptions,
    pub(super) cycle_limit: u64,
    pub(super) reset_cycles: u64,
    /// For random contents at power-up.
    pub(super) seed: u64,
}

impl Bench<'_> {
    /// Bytes that the input port takes a cycle.
    fn port_bytes(&self) -> usize {
        self.loaded.program.config.port_bytes()
    }

    /// One line a beat: a digit, of which bit 0 says that it is the last of its frame and bit 1 that the frame is an image,
    /// then `input_keep`, and the bytes. What the accelerator must not look at is unknown.
    pub(super) fn images(&self) -> String {
        let port_bytes = self.port_bytes();
        let mut text = String::new();
        for frame in self.frames {
            let image = u32::from(frame.len() == self.loaded.program.n_input_bytes);
            let n_beats = frame.len().div_ceil(port_bytes);
            for (i, bytes) in frame.chunks(port_bytes).enumerate() {
                let last = u32::from(i + 1 == n_beats);
                let digits = port_bytes.div_ceil(4);
                let keep = if last == 1 {
                    format!("{:0digits$x}", (1u32 << bytes.len()) - 1)
                } else {
                    "x".repeat(digits)
                };
                let unknown = "xx".repeat(port_bytes - bytes.len());
                let bytes: String =
                    bytes.iter().rev().map(|byte| format!("{:02x}", *byte as u8)).collect();
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{:x}_{keep}_{unknown}{bytes}", image << 1 | last);
            }
        }
        text
    }

    pub(super) fn verilog(&self) -> String {
        let program = &self.loaded.program;
        let is_image = |frame: &&&[i8]| frame.len() == program.n_input_bytes;
        let constants = [
            (
                "N_BEATS",
                self.frames
                    .iter()
                    .map(|frame| frame.len().div_ceil(self.port_bytes()) as u64)
                    .sum(),
            ),
            ("N_IMAGES", self.frames.iter().filter(is_image).count() as u64),
            ("N_LOGITS", program.n_sent() as u64),
            ("N_LAYERS", program.layers.len() as u64),
            ("N_REGISTERS", N_REGISTERS as u64),
            ("RESET_CYCLES", self.reset_cycles),
            ("CYCLE_LIMIT", self.cycle_limit),
            ("BACK_TO_BACK", u64::from(self.options.back_to_back)),
            ("STALL_SEED", self.options.stall_seed),
        ];
        let mut text = format!("module {TOP};\n    integer seed = {};\n", self.seed as u32 as i32);
        for (name, value) in constants {
            let _ = writeln!(text, "    localparam [63:0] {name} = 64'd{value};");
        }
        let _ = writeln!(text, "    localparam PORT_BYTES = {};", self.port_bytes());
        let bits = status::ADDRESS_BITS;
        let _ = writeln!(text, "    localparam STATUS_BITS = {bits};");
        for status::Register { address, name, .. } in status::REGISTERS {
            let name = name.to_uppercase();
            let _ = writeln!(text, "    localparam [{}:0] {name} = {bits}'d{address};", bits - 1);
        }
        text + BODY.trim_start_matches('\n') + &self.copies()
    }

    /// The task that prints a layer's maps, and the end of the module.
    fn copies(&self) -> String {
        let mut text = String::from("    task copy_layer(input [63:0] wanted);\n        begin\n");
        let program = &self.loaded.program;
        let word_bytes = program.config.word_channels();
        let zeros = "00".repeat(word_bytes);
        for copy in &self.loaded.copies {
            let region = program.layers[copy.layer].output.expect("only maps are copied");
            let pixel_words = region.pixel_words(word_bytes);
            // Words of a pixel that the layer has no part in may not have been written yet.
            let first = region.first_channel / word_bytes;
            let last = (region.first_channel + region.channels - 1) / word_bytes;
            let _ = writeln!(
                text,
                "            if (wanted == {}) for (word = 0; word < {}; word = word + 1)\n                \
                 if (word % {pixel_words} >= {first} && word % {pixel_words} <= {last}) $display(\"{MARK} word %h\", \
                 accelerator.activation_memory.{}.mem[word + {}]);\n                else $display(\"{MARK} word {zeros}\");",
                copy.layer, copy.n_words, copy.memory, copy.address
            );
        }
        text + "        end\n    endtask\nendmodule\n"
    }
}

const BODY: &str = r#"
    reg clock, reset, input_valid, input_last, output_ready;
    reg [8*PORT_BYTES-1:0] input_data;
    reg [PORT_BYTES-1:0] input_keep;
    reg [STATUS_BITS-1:0] status_address;
    wire input_ready, output_valid, output_last, busy, done, error;
    wire [15:0] output_data;
    wire [31:0] status_data;
    wire [7:0] stream_layer, drained_layers;
    accelerator accelerator (
        .clock(clock), .reset(reset), .input_data(input_data), .input_keep(input_keep),
        .input_valid(input_valid), .input_last(input_last),
        .input_ready(input_ready), .output_data(output_data), .output_valid(output_valid), .output_last(output_last),
        .output_ready(output_ready), .status_address(status_address), .status_data(status_data), .busy(busy),
        .done(done), .error(error), .stream_layer(stream_layer), .drained_layers(drained_layers)
    );

    // A beat: 2 unused bits, whether its frame is an image, whether it is the last, what is kept in whole digits, bytes.
    localparam KEEP_BITS = (PORT_BYTES + 3) / 4 * 4;
    localparam LAST = KEEP_BITS + 8 * PORT_BYTES;
    reg [LAST+3:0] beats [0:N_BEATS];
    reg [LAST+3:0] beat;
    reg [63:0] random, sent, sent_images, computed, answered, n_beats, idle, n_cycles, drained;
    reg [7:0] layer;
    reg was_done, offer, accept, gave, took, last, running;
    reg [15:0] data;
    integer i, word;

    task read(input [STATUS_BITS-1:0] address);
        begin
            status_address = address;
            #1;
        end
    endtask

    task snapshot(input [63:0] of_layer);
        if (computed < N_IMAGES && of_layer < N_LAYERS) begin
            $write("twofold registers %0d %0d", computed, of_layer);
            for (i = 0; i < N_REGISTERS; i = i + 1) begin
                read(i);
                $write(" %h", status_data);
            end
            $write("\n");
        end
    endtask

    task stop(input [8*24-1:0] why);
        if (running) begin
            running = 0;
            $display("twofold ending %0s", why);
        end
    endtask

    initial begin
        $readmemh("images.hex", beats, 0, N_BEATS - 1);
        {clock, input_valid, input_last, input_data, input_keep, output_ready, status_address} = 0;
        {sent, sent_images, computed, answered, n_beats, idle, n_cycles} = 0;
        random = STALL_SEED;
        running = 1;
        reset = RESET_CYCLES != 0;
        #5;
        for (i = 0; i < RESET_CYCLES; i = i + 1) begin
            clock = 1;
            #5;
            clock = 0;
            #5;
        end
        reset = 0;
        #1;
        was_done = done;
        layer = stream_layer;
        drained = drained_layers;
        while (running && (answered < N_IMAGES || computed < N_IMAGES || sent < N_BEATS)) begin
            offer = sent < N_BEATS && (BACK_TO_BACK || answered >= sent_images);
            accept = 1;
            if (STALL_SEED != 0) begin
                random = random ^ (random << 13);
                random = random ^ (random >> 7);
                random = random ^ (random << 17);
                offer = offer && random[33:32] != 0;
                accept = random[37:36] != 0;
            end
            input_valid = offer;
            beat = offer ? beats[sent] : {LAST+4{1'bx}};
            input_data = beat[8*PORT_BYTES-1:0];
            input_keep = beat[8*PORT_BYTES +: PORT_BYTES];
            input_last = beat[LAST];
            output_ready = accept;
            #5;
            if (input_ready === 1'bx) stop("unknown input_ready");
            if (output_valid === 1'bx) stop("unknown output_valid");
            if (output_valid && output_last === 1'bx) stop("unknown output_last");
            if (output_valid && (^output_data) === 1'bx) stop("unknown output_data");
            if (busy === 1'bx) stop("unknown busy");
            if (done === 1'bx) stop("unknown done");
            if (error === 1'bx) stop("unknown error");
            if ((^stream_layer) === 1'bx) stop("unknown stream_layer");
            if ((^drained_layers) === 1'bx) stop("unknown drained_layers");
            gave = offer && input_ready;
            took = accept && output_valid;
            data = output_data;
            last = output_last;
            clock = 1;
            #5;
            clock = 0;
            n_cycles = n_cycles + 1;
            if (gave) begin
                sent_images = sent_images + (beat[LAST +: 2] == 2'd3);
                sent = sent + 1;
            end
            if (took) begin
                if (answered >= N_IMAGES || last != (n_beats == N_LOGITS)) stop("protocol");
                else if (last) begin
                    $display("twofold class %0d %h", answered, data);
                    answered = answered + 1;
                    n_beats = 0;
                    idle = 0;
                end else begin
                    $display("twofold logit %0d %h", answered, data);
                    n_beats = n_beats + 1;
                end
            end
            if (drained_layers != drained) begin
                if (drained_layers < drained) drained = 0;
                for (drained = drained; drained < drained_layers; drained = drained + 1)
                    if (computed < N_IMAGES && drained < N_LAYERS) begin
                        read(CYCLES);
                        $display("twofold written %0d %0d %h", computed, drained, status_data);
                        copy_layer(drained);
                    end
            end
            if (stream_layer != layer) begin
                if (!was_done) snapshot(layer);
                layer = stream_layer;
            end
            if (done != was_done) begin
                was_done = done;
                if (done) begin
                    snapshot(N_LAYERS - 1);
                    if (computed < N_IMAGES) $display("twofold done %0d %0d", computed, n_cycles);
                    computed = computed + 1;
                    idle = 0;
                end
            end
            if (error) stop("error");
            idle = idle + 1;
            if (idle > CYCLE_LIMIT) stop("timeout");
        end
        stop("finished");
        $write("twofold end %0d %0d %0d %0d %0d", n_cycles, computed, answered, stream_layer, drained_layers);
        read(OUTPUT_CYCLES);
        $write(" %h", status_data);
        read(PROGRAM_COUNTER);
        $write(" %h", status_data);
        read(STATE);
        $write(" %h", status_data);
        read(BAD_IMAGES);
        $display(" %h", status_data);
        $finish(0);
    end

"#;
