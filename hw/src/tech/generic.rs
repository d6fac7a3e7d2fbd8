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
reg signed [33:0] residual_1;
reg signed [33:0] residual_multiplier_1;
reg signed [33:0] residual_product_2;
reg signed [33:0] added_3;
reg signed [33:0] added_4;
reg signed [33:0] added_5;
reg [31:0] total_3;
reg [23:0] multiplier_3;
reg signed [56:0] product_4;
reg signed [56:0] product_5;
reg [56:0] scaled_6;
initial begin
    residual_1 = 34'sd0;
    residual_multiplier_1 = 34'sd0;
    residual_product_2 = 34'sd0;
    added_3 = 34'sd0;
    added_4 = 34'sd0;
    added_5 = 34'sd0;
    total_3 = 32'd0;
    multiplier_3 = 24'd0;
    product_4 = 57'sd0;
    product_5 = 57'sd0;
    scaled_6 = 57'd0;
end
always @(posedge clock) if (enable) begin
    residual_1 <= {{25{difference[8]}}, difference};
    residual_multiplier_1 <= {10'd0, residual_multiplier};
    residual_product_2 <= residual_1 * residual_multiplier_1;
    total_3 <= biased_2 + (before_2 ? residual_product_2[31:0] : 32'd0);
    added_3 <= after_2 ? residual_product_2 : 34'sd0;
    added_4 <= added_3;
    added_5 <= added_4;
    multiplier_3 <= multiplier_2;
    product_4 <= $signed({{25{total_3[31]}}, total_3}) * $signed({33'd0, multiplier_3});
    product_5 <= product_4;
    scaled_6 <= product_5 + {{23{added_5[33]}}, added_5};
end
";
