//! Products of Lattice ECP5's MULT18X18D, instantiated with its input and output registers: a design clocks nearly twice
//! as fast as with those that the tools infer.

use super::Tech;

/// A simulation model of the ECP5's multiplier, as far as it is used here. Synthesis tools bring their own.
pub const MULT18X18D_MODEL: &str = include_str!("mult18x18d.v");

/// Lattice ECP5.
pub(super) struct Ecp5;

impl Tech for Ecp5 {
    fn suffix(&self) -> &'static str {
        "_ecp5"
    }

    fn pe(&self) -> String {
        let registered = Registered {
            instance: "multiplier",
            a: ("activation", 8, true),
            b: ("shadow", 8, true),
            enable: "1'b1",
            b_enable: "swap",
            product: "product",
        };
        format!("{PE_HEAD}{}{PE_TAIL}", registered.instance())
    }

    fn requantizer(&self) -> String {
        // The registers of stages 1 to 4 that surround the products are the multipliers' own.
        let products = [
            (
                "by_residual",
                ("used", 8, true),
                ("residual_multiplier", 16, false),
                "residual_product",
            ),
            ("by_low", ("total_low", 16, false), ("multiplier_2", 15, false), "low"),
            ("by_high", ("total_high", 16, true), ("multiplier_2", 15, false), "high"),
        ];
        let mut out = REQUANTIZER.to_string();
        for (instance, a, b, product) in products {
            out.push_str(
                &Registered { instance, a, b, enable: "enable", b_enable: "enable", product }
                    .instance(),
            );
        }
        out
    }
}

const PE_HEAD: &str = "\
reg [7:0] shadow;
wire [35:0] product;
initial begin
    shadow = 8'd0;
    activation_out = 8'd0;
    psum_out = 32'd0;
end
";

const PE_TAIL: &str = "\
always @(posedge clock) begin
    activation_out <= activation;
    if (load) shadow <= weight;
    psum_out <= psum + {{16{product[15]}}, product[15:0]};
end
";

const REQUANTIZER: &str = "\
wire [7:0] used = residual_multiplier == 16'd0 ? 8'd0 : residual;
wire [35:0] residual_product;
wire [31:0] total = biased_2 + residual_product[31:0];
wire [15:0] total_low = total[15:0];
wire [15:0] total_high = total[31:16];
wire [35:0] low;
wire [31:0] low_4 = low[31:0];
wire [35:0] high;
wire [31:0] high_4 = high[31:0];
";

/// A MULT18X18D with its two input registers and its output register: a product takes two cycles.
struct Registered<'a> {
    instance: &'a str,
    /// Net of at most 18 bits, its width, and whether it has a sign.
    a: (&'a str, usize, bool),
    /// As `a`.
    b: (&'a str, usize, bool),
    /// Loads the registers of `a` and of the product.
    enable: &'a str,
    /// Loads the register of `b`.
    b_enable: &'a str,
    /// Net of 36 bits.
    product: &'a str,
}

impl Registered<'_> {
    /// The instance as Verilog. Pins that no register uses stay open: nextpnr finds no way to route a constant to all of
    /// them.
    fn instance(&self) -> String {
        let bits = |port: char, (net, width, signed): (&str, usize, bool)| {
            let bit = |i: usize| match (i < width, signed) {
                (true, _) => format!(".{port}{i}({net}[{i}])"),
                (false, true) => format!(".{port}{i}({net}[{}])", width - 1),
                (false, false) => format!(".{port}{i}(1'b0)"),
            };
            (0..18).map(bit).collect::<Vec<_>>()
        };
        let sign = |(_, _, signed): (&str, usize, bool)| format!("1'b{}", u8::from(signed));
        let lines = [
            bits('A', self.a),
            bits('B', self.b),
            vec![
                format!(".SIGNEDA({})", sign(self.a)),
                format!(".SIGNEDB({})", sign(self.b)),
                ".SOURCEA(1'b0)".into(),
                ".SOURCEB(1'b0)".into(),
            ],
            vec![
                ".CLK0(clock)".into(),
                format!(".CE0({})", self.enable),
                format!(".CE1({})", self.b_enable),
                ".RST0(1'b0)".into(),
            ],
            (0..36).map(|i| format!(".P{i}({}[{i}])", self.product)).collect(),
        ];
        let lines: Vec<String> =
            lines.iter().map(|line| format!("    {}", line.join(", "))).collect();
        format!("{PARAMETERS} {} (\n{}\n);\n", self.instance, lines.join(",\n"))
    }
}

const PARAMETERS: &str = "\
MULT18X18D #(
    .REG_INPUTA_CLK(\"CLK0\"), .REG_INPUTA_CE(\"CE0\"), .REG_INPUTA_RST(\"RST0\"),
    .REG_INPUTB_CLK(\"CLK0\"), .REG_INPUTB_CE(\"CE1\"), .REG_INPUTB_RST(\"RST0\"),
    .REG_OUTPUT_CLK(\"CLK0\"), .REG_OUTPUT_CE(\"CE0\"), .REG_OUTPUT_RST(\"RST0\"),
    .REG_PIPELINE_CLK(\"NONE\")
)";
