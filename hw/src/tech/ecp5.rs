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
        // The registers of stages 1 to 4 that surround the products are the multipliers' own. They take 18 bits of each
        // multiplier; the six above them are gated rows, two to an adder.
        let products = [
            (
                "by_residual",
                ("difference", 9, true),
                ("residual_multiplier_low", 18, false),
                "residual_product",
            ),
            ("by_low", ("total_low", 16, false), ("multiplier_low", 18, false), "product_low"),
            ("by_high", ("total_high", 16, true), ("multiplier_low", 18, false), "product_high"),
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
wire [17:0] residual_multiplier_low = residual_multiplier[17:0];
wire [35:0] residual_product;
wire [26:0] residual_product_2 = residual_product[26:0];
reg [8:0] difference_1;
reg [5:0] residual_high_1;
reg [10:0] residual_pair_0_2;
reg [10:0] residual_pair_1_2;
reg [10:0] residual_pair_2_2;
reg [12:0] residual_middle_3;
reg [32:0] residual_outer_3;
reg after_3;
reg [32:0] added_4;
wire [31:0] total = biased_2 + (before_2 ? {{5{residual_product_2[26]}}, residual_product_2} : 32'd0);
wire [15:0] total_low = total[15:0];
wire [15:0] total_high = total[31:16];
wire [17:0] multiplier_low = multiplier_2[17:0];
reg [31:0] total_3;
reg [5:0] multiplier_high_3;
wire [35:0] product_low;
wire [33:0] low_4 = product_low[33:0];
wire [35:0] product_high;
wire [33:0] high_4 = product_high[33:0];
reg [33:0] pair_0_4;
reg [33:0] pair_1_4;
reg [33:0] pair_2_4;
reg [49:0] lower_5;
reg [35:0] middle_5;
reg [56:0] outer_5;
reg [56:0] scaled_6;
initial begin
    difference_1 = 9'd0;
    residual_high_1 = 6'd0;
    residual_pair_0_2 = 11'd0;
    residual_pair_1_2 = 11'd0;
    residual_pair_2_2 = 11'd0;
    residual_middle_3 = 13'd0;
    residual_outer_3 = 33'd0;
    after_3 = 1'b0;
    added_4 = 33'd0;
    total_3 = 32'd0;
    multiplier_high_3 = 6'd0;
    pair_0_4 = 34'd0;
    pair_1_4 = 34'd0;
    pair_2_4 = 34'd0;
    lower_5 = 50'd0;
    middle_5 = 36'd0;
    outer_5 = 57'd0;
    scaled_6 = 57'd0;
end
always @(posedge clock) if (enable) begin
    difference_1 <= difference;
    residual_high_1 <= residual_multiplier[23:18];
    residual_pair_0_2 <= ({11{residual_high_1[0]}} & {{2{difference_1[8]}}, difference_1})
        + ({11{residual_high_1[1]}} & {difference_1[8], difference_1, 1'b0});
    residual_pair_1_2 <= ({11{residual_high_1[2]}} & {{2{difference_1[8]}}, difference_1})
        + ({11{residual_high_1[3]}} & {difference_1[8], difference_1, 1'b0});
    residual_pair_2_2 <= ({11{residual_high_1[4]}} & {{2{difference_1[8]}}, difference_1})
        + ({11{residual_high_1[5]}} & {difference_1[8], difference_1, 1'b0});
    residual_middle_3 <= {{2{residual_pair_0_2[10]}}, residual_pair_0_2} + {residual_pair_1_2, 2'd0};
    residual_outer_3 <= {residual_pair_2_2 + {{6{residual_product_2[26]}}, residual_product_2[26:22]},
        residual_product_2[21:0]};
    after_3 <= after_2;
    added_4 <= after_3 ? {residual_outer_3[32:18] + {{2{residual_middle_3[12]}}, residual_middle_3},
        residual_outer_3[17:0]} : 33'd0;
    total_3 <= total;
    multiplier_high_3 <= multiplier_2[23:18];
    pair_0_4 <= ({34{multiplier_high_3[0]}} & {{2{total_3[31]}}, total_3})
        + ({34{multiplier_high_3[1]}} & {total_3[31], total_3, 1'b0});
    pair_1_4 <= ({34{multiplier_high_3[2]}} & {{2{total_3[31]}}, total_3})
        + ({34{multiplier_high_3[3]}} & {total_3[31], total_3, 1'b0});
    pair_2_4 <= ({34{multiplier_high_3[4]}} & {{2{total_3[31]}}, total_3})
        + ({34{multiplier_high_3[5]}} & {total_3[31], total_3, 1'b0});
    lower_5 <= {high_4 + {16'd0, low_4[33:16]}, low_4[15:0]};
    middle_5 <= {{2{pair_0_4[33]}}, pair_0_4} + {pair_1_4, 2'd0};
    outer_5 <= {{pair_2_4[33], pair_2_4} + {{24{added_4[32]}}, added_4[32:22]}, added_4[21:0]};
    scaled_6 <= {{7{lower_5[49]}}, lower_5} + {{3{middle_5[35]}}, middle_5, 18'd0} + outer_5;
end
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
