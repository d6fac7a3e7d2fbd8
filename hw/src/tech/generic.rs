//! Products that the tools infer.

use super::Tech;

/// Any technology; the fastest to simulate.
pub(super) struct Generic;

impl Tech for Generic {
    fn suffix(&self) -> &'static str {
        ""
    }

    fn pe(&self) -> String {
        PE.into()
    }

    fn requantizer(&self) -> String {
        REQUANTIZER.into()
    }
}

/// The registers are as wide as a machine word, which simulates faster; synthesis trims the copies of the sign.
const PE: &str = "\
reg signed [31:0] shadow;
reg signed [31:0] active;
reg signed [31:0] product;
initial begin
    shadow = 32'sd0;
    active = 32'sd0;
    product = 32'sd0;
    activation_out = 8'd0;
    psum_out = 32'd0;
end
always @(posedge clock) begin
    activation_out <= activation;
    if (load) shadow <= {{24{weight[7]}}, weight};
    if (swap) active <= shadow;
    product <= $signed(activation_out) * active;
    psum_out <= psum + product;
end
";

const REQUANTIZER: &str = "\
reg signed [31:0] residual_1;
reg signed [31:0] residual_multiplier_1;
reg signed [31:0] residual_product_2;
reg [31:0] total_3;
reg [14:0] multiplier_3;
reg [31:0] low_4;
reg signed [31:0] high_4;
initial begin
    residual_1 = 32'sd0;
    residual_multiplier_1 = 32'sd0;
    residual_product_2 = 32'sd0;
    total_3 = 32'd0;
    multiplier_3 = 15'd0;
    low_4 = 32'd0;
    high_4 = 32'sd0;
end
always @(posedge clock) if (enable) begin
    residual_1 <= {{24{residual[7]}}, residual};
    residual_multiplier_1 <= {16'd0, residual_multiplier};
    residual_product_2 <= residual_multiplier_1 == 32'sd0 ? 32'sd0 : residual_1 * residual_multiplier_1;
    total_3 <= biased_2 + residual_product_2;
    multiplier_3 <= multiplier_2;
    low_4 <= {16'd0, total_3[15:0]} * {17'd0, multiplier_3};
    high_4 <= $signed({{16{total_3[31]}}, total_3[31:16]}) * $signed({17'd0, multiplier_3});
end
";
