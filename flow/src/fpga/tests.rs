//! The real tools on a small design: multipliers, a ROM, distributed RAM, and every mistake that is checked for.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::tools::Tools;

/// Two multiply-accumulators fed from a ROM of 1024 words and a small memory.
const SMALL: &str = "
module mac(input clock, input clear, input signed [7:0] activation, input signed [7:0] weight,
           output reg signed [31:0] sum);
  reg signed [15:0] product;
  always @(posedge clock) begin
    product <= activation * weight;
    sum <= clear ? 32'sd0 : sum + product;
  end
endmodule
module small(input clock, input reset, input [7:0] data, input [3:0] slot, output [31:0] out);
  reg [31:0] rom [0:1023];
  initial $readmemh(\"rom/weights.mem\", rom);
  reg [9:0] address;
  reg [31:0] word;
  (* no_rw_check *) reg [7:0] scratch [0:15];
  wire [7:0] old = scratch[slot];
  always @(posedge clock) begin
    address <= reset ? 10'd0 : address + 10'd1;
    word <= rom[address];
    scratch[slot] <= data;
  end
  wire [31:0] sum0, sum1;
  mac mac0(.clock(clock), .clear(reset), .activation(old), .weight(word[7:0]), .sum(sum0));
  mac mac1(.clock(clock), .clear(reset), .activation(data), .weight(word[15:8]), .sum(sum1));
  assign out = sum0 ^ sum1 ^ {16'd0, word[31:16]};
endmodule
";

struct Bench {
    tools: Tools,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { tools: Tools::find().unwrap(), folder: TempDir::new().unwrap() }
    }

    fn out_dir(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn synthesize(&self, verilog: &str, top: &str) -> Result<SynthReport, FpgaError> {
        let source = self.folder.path().join("top.v");
        fs::write(&source, verilog).unwrap();
        let rom = self.folder.path().join("images/rom");
        fs::create_dir_all(&rom).unwrap();
        let words: Vec<_> = (0..1024_u32)
            .map(|word| format!("{:08x}\n", word.wrapping_mul(2_654_435_761)))
            .collect();
        fs::write(rom.join("weights.mem"), words.concat()).unwrap();
        let rom_dir = Some(self.folder.path().join("images"));
        synthesize(
            &self.tools,
            &SynthInput { verilog_files: vec![source], rom_dir, top: top.to_owned() },
            &self.out_dir(),
        )
    }

    fn place_and_route(&self, top: &str, clock_mhz: f64) -> PnrReport {
        let netlist = self.out_dir().join(format!("{top}.json"));
        let constraints = Some(crate::committed::constraints().unwrap());
        let input = PnrInput { netlist, top: top.to_owned(), constraints, clock_mhz, seed: 1 };
        place_and_route(&self.tools, &input, &self.folder.path().join("pnr")).unwrap()
    }
}

#[test]
fn a_small_design_is_mapped_placed_and_timed() {
    let bench = Bench::new();
    let report = bench.synthesize(SMALL, "small").unwrap();
    // One multiplier a MAC; 1024 x 32 bits are two block RAMs; 16 x 8 bits are two distributed RAMs.
    assert_eq!((report.n_mult18x18d, report.n_dp16kd, report.n_trellis_dpr16x4), (2, 2, 2));
    // Two MACs of 16 + 32 bits and the address.
    assert_eq!(report.n_trellis_ff, 2 * 48 + 10);
    assert_eq!(report.n_port_bits, 46);
    assert_eq!(report.blocks["mac0"]["TRELLIS_FF"], 48);
    assert!(report.tool.starts_with("Yosys 0."), "{}", report.tool);
    assert!(report.table().contains("MULT18X18D"));

    let log = bench.out_dir().join("synth.log");
    let written = fs::metadata(&log).unwrap().modified().unwrap();
    assert_eq!(bench.synthesize(SMALL, "small").unwrap(), report);
    assert_eq!(
        fs::metadata(&log).unwrap().modified().unwrap(),
        written,
        "synthesized again without need"
    );

    let placed = bench.place_and_route("small", 400.0);
    let n_used =
        |kind: &str| placed.cells.iter().find(|cell| cell.kind == kind).map(|cell| cell.n_used);
    assert_eq!(n_used("MULT18X18D"), Some(2));
    assert_eq!(n_used("DP16KD"), Some(2));
    assert_eq!(n_used("TRELLIS_FF"), Some(report.n_trellis_ff));
    assert_eq!(n_used("TRELLIS_IO"), Some(46));
    assert_eq!(
        placed.cells.iter().find(|cell| cell.kind == "MULT18X18D").unwrap().n_available,
        156
    );
    assert_eq!((placed.port_context, placed.constraint_met), (PortContext::Pads, false));
    let path = &placed.critical_path;
    assert!(
        (1000.0 / placed.fmax_mhz - path.logic_ns - path.routing_ns).abs() < 0.01,
        "{placed:?}"
    );
    // A block RAM without output register and a multiplier without registers: nothing in this design is slower.
    assert!(path.from.starts_with("block RAM rom.0."), "{}", path.from);
    assert!(path.to.starts_with("register mac") && path.to.contains(".product["), "{}", path.to);
    assert!(
        placed.critical_path_in_words.contains("through a multiplier"),
        "{}",
        placed.critical_path_in_words
    );
    let table = placed.table();
    assert!(
        table.contains("400.0 MHz asked for: missed")
            && table.contains(&placed.critical_path_in_words),
        "{table}"
    );
    let json = fs::read(bench.folder.path().join("pnr/pnr.report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<PnrReport>(&json).unwrap(), placed);
}

/// One of 16 words of 32 bits: 21 LUT4 a bit. Compared with every label, and joined by AND and OR, it would be 30.
#[test]
fn a_case_over_a_number_is_a_multiplexer() {
    let arms: String = (0..16)
        .map(|word| format!("4'd{word}: data <= words[{}:{}];\n", 32 * word + 31, 32 * word))
        .collect();
    let verilog = format!(
        "module choice(input clock, input serial, input [3:0] address, output reg [31:0] data);
  reg [511:0] words;
  always @(posedge clock) begin
    words <= {{words[510:0], serial}};
    case (address)
{arms}    endcase
  end
endmodule
"
    );
    let report = Bench::new().synthesize(&verilog, "choice").unwrap();
    assert_eq!(report.n_trellis_ff, 512 + 32);
    assert!(report.n_lut4 <= 32 * 22, "{}", report.table());
}

#[test]
fn more_ports_than_pads_go_to_shift_registers() {
    let bench = Bench::new();
    let wide = "module wide(input clock, input [199:0] a, output reg [7:0] sum);
        reg [199:0] held; integer i; reg [7:0] next;
        always @* begin next = 8'd0; for (i = 0; i < 200; i = i + 1) next = next + {7'd0, held[i]}; end
        always @(posedge clock) begin held <= a; sum <= next; end
    endmodule";
    let report = bench.synthesize(wide, "wide").unwrap();
    assert_eq!((report.n_port_bits, report.n_trellis_ff), (209, 208));
    let placed = bench.place_and_route("wide", 50.0);
    assert_eq!(placed.port_context, PortContext::ShiftRegisters);
    let n_used =
        |kind: &str| placed.cells.iter().find(|cell| cell.kind == kind).map(|cell| cell.n_used);
    assert_eq!(n_used("TRELLIS_IO"), Some(4));
    assert_eq!(n_used("TRELLIS_FF"), Some(208 + 200 + 8 + 1));
    let path = &placed.critical_path;
    assert!(path.from.starts_with("register held["), "{}", path.from);
    assert!(path.to.starts_with("register sum"), "{}", path.to);
}

#[test]
fn what_maps_badly_is_refused_by_name() {
    let bench = Bench::new();
    let cases = [
        (
            "input a, input b, output reg c); always @* if (a) c = b;",
            "latches, divisions or tristates: bad/",
        ),
        (
            "input [7:0] a, input [7:0] b, output [7:0] c); assign c = a / b;",
            "latches, divisions or tristates: bad/",
        ),
        (
            "input a, output c); wire nothing; assign c = a & nothing;",
            "Wire bad.\\nothing is used but has no driver",
        ),
        (
            "input a, input b, output c); assign c = a & b; assign c = a | b;",
            "multiple conflicting drivers for bad.\\c",
        ),
        ("input a, output c); wire d = ~(a & c); assign c = d;", "found logic loop in module bad"),
        ("input a, output c); missing m(a, c);", "Module `\\missing' referenced in module `\\bad'"),
        ("input a, output c); assign c = a +;", "syntax error"),
    ];
    for (body, expected) in cases {
        let error =
            bench.synthesize(&format!("module bad({body}\nendmodule\n"), "bad").unwrap_err();
        let message = format!("{error}");
        assert!(message.contains(expected), "{body}\n{message}");
        assert!(message.contains("; help: "), "{body}\n{message}");
        assert!(!bench.out_dir().join("synth.report.json").exists(), "{body}");
    }
}

#[test]
fn missing_inputs_are_named() {
    let bench = Bench::new();
    let input = SynthInput {
        verilog_files: vec![bench.folder.path().join("absent.v")],
        rom_dir: None,
        top: String::from("absent"),
    };
    let error = synthesize(&bench.tools, &input, &bench.out_dir()).unwrap_err();
    assert!(format!("{error}").starts_with("cannot read "), "{error}");

    let empty = Tools::at(bench.folder.path(), "", None);
    let error = synthesize(&empty, &input, &bench.out_dir()).unwrap_err();
    assert!(error.to_string().ends_with("help: run `make tools`"), "{error}");
}
