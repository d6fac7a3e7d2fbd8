//! A processing element: one multiplier, one adder, and a weight that is loaded while the previous one is in use.
//!
//! It knows nothing of sparsity: the selector at the array's edge has already chosen the activation.

use crate::leaf::{Drive, verilog};
use rust_hdl_core::prelude::*;
use spec::Technology;

/// A simulation model of the ECP5's multiplier, as far as it is used here. Synthesis tools bring their own.
pub const MULT18X18D_MODEL: &str = include_str!("pe/mult18x18d.v");

/// Adds `activation * weight` (signed 8 x 8 bits) to a 32-bit partial sum.
///
/// Latency: [`spec::ArrayConfig::PE_LATENCY`] cycles from `activation`, 1 cycle from `psum`; one product a cycle. No
/// reset. The activation that comes with `swap` is the first to be multiplied by the weight loaded before; a `load` in
/// the same cycle as `swap` already belongs to the next weight.
#[derive(LogicBlock, Default)]
pub struct Pe {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Takes `weight` into the shadow register.
    pub load: Signal<In, Bit>,
    /// Takes the shadow register into use.
    pub swap: Signal<In, Bit>,
    /// int8.
    pub weight: Signal<In, Bits<8>>,
    /// int8, from the left.
    pub activation: Signal<In, Bits<8>>,
    /// int32, from above.
    pub psum: Signal<In, Bits<32>>,
    /// `activation` of the cycle before, to the right.
    pub activation_out: Signal<Out, Bits<8>>,
    /// int32, wraps; to below.
    pub psum_out: Signal<Out, Bits<32>>,
    _technology: Technology,
    _shadow: i32,
    _active: i32,
    _product: i32,
}

impl Pe {
    /// A PE with the multiplier of a technology.
    pub fn new(technology: Technology) -> Self {
        Self { _technology: technology, ..Self::default() }
    }
}

impl Logic for Pe {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let psum = self.psum.val().to_u32();
        self.psum_out.next = u64::from(psum.wrapping_add(self._product as u32)).into();
        self._product = i32::from(self.activation_out.val().to_u8() as i8) * self._active;
        if self.swap.val() {
            self._active = self._shadow;
        }
        if self.load.val() {
            self._shadow = i32::from(self.weight.val().to_u8() as i8);
        }
        self.activation_out.next = self.activation.val();
    }

    fn connect(&mut self) {
        self.activation_out.drive();
        self.psum_out.drive();
    }

    fn hdl(&self) -> Verilog {
        match self._technology {
            Technology::Generic => verilog("pe", SENTENCE, GENERIC),
            Technology::Ecp5 => {
                let registered = Registered {
                    instance: "multiplier",
                    a: ("activation", 8, true),
                    b: ("shadow", 8, true),
                    enable: "1'b1",
                    b_enable: "swap",
                    product: "product",
                };
                verilog(
                    "pe_ecp5",
                    SENTENCE,
                    &format!("{ECP5_HEAD}{}{ECP5_TAIL}", registered.instance()),
                )
            }
        }
    }
}

const SENTENCE: &str =
    "psum_out = psum + activation * weight, signed; the next weight waits in `shadow`.";

/// The registers are as wide as a machine word, which simulates faster; synthesis trims the copies of the sign.
const GENERIC: &str = "\
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

const ECP5_HEAD: &str = "\
reg [7:0] shadow;
wire [35:0] product;
initial begin
    shadow = 8'd0;
    activation_out = 8'd0;
    psum_out = 32'd0;
end
";

const ECP5_TAIL: &str = "\
always @(posedge clock) begin
    activation_out <= activation;
    if (load) shadow <= weight;
    psum_out <= psum + {{16{product[15]}}, product[15:0]};
end
";

/// A MULT18X18D with its two input registers and its output register: a product takes two cycles.
pub(crate) struct Registered<'a> {
    pub(crate) instance: &'a str,
    /// Net of at most 18 bits, its width, and whether it has a sign.
    pub(crate) a: (&'a str, usize, bool),
    /// As `a`.
    pub(crate) b: (&'a str, usize, bool),
    /// Loads the registers of `a` and of the product.
    pub(crate) enable: &'a str,
    /// Loads the register of `b`.
    pub(crate) b_enable: &'a str,
    /// Net of 36 bits.
    pub(crate) product: &'a str,
}

impl Registered<'_> {
    /// The instance as Verilog. Pins that no register uses stay open: nextpnr finds no way to route a constant to all of
    /// them.
    pub(crate) fn instance(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;

    struct Input {
        load: bool,
        swap: bool,
        weight: i8,
        activation: i8,
        psum: i32,
    }

    /// Cycles from an activation to the partial sum that its product is added to.
    const PRODUCT_LATENCY: usize = spec::ArrayConfig::PE_LATENCY - 1;
    const CORNERS: [i8; 5] = [-128, 127, 0, -1, 1];

    fn byte(random: &mut Random) -> i8 {
        if random.below(2) == 0 {
            CORNERS[random.below(5) as usize]
        } else {
            random.below(256) as u8 as i8
        }
    }

    /// The weight in use for the activation of `cycle`: what was last loaded before the last swap.
    fn weight_at(inputs: &[Input], cycle: usize) -> i8 {
        let swap = (0..=cycle).rev().find(|&t| inputs[t].swap);
        let load = swap.and_then(|swap| (0..swap).rev().find(|&t| inputs[t].load));
        load.map_or(0, |load| inputs[load].weight)
    }

    #[test]
    fn adds_the_product_of_the_weight_in_use() {
        let mut random = Random::new(1);
        let inputs: Vec<Input> = (0..3000)
            .map(|_| Input {
                load: random.below(3) == 0,
                swap: random.below(3) == 0,
                weight: byte(&mut random),
                activation: byte(&mut random),
                psum: [i32::MIN, i32::MAX, 0, random.below(1 << 32) as u32 as i32]
                    [random.below(4) as usize],
            })
            .collect();
        let mut pe = Pe::default();
        for (t, input) in inputs.iter().enumerate() {
            pe.load.next = input.load;
            pe.swap.next = input.swap;
            pe.weight.next = u64::from(input.weight as u8).into();
            pe.activation.next = u64::from(input.activation as u8).into();
            pe.psum.next = u64::from(input.psum as u32).into();
            tick(&mut pe, |pe| &mut pe.clock).unwrap();

            assert_eq!(pe.activation_out.val().to_u8() as i8, input.activation);
            let product = t
                .checked_sub(PRODUCT_LATENCY)
                .map_or(0, |u| i32::from(inputs[u].activation) * i32::from(weight_at(&inputs, u)));
            assert_eq!(
                pe.psum_out.val().to_u32() as i32,
                input.psum.wrapping_add(product),
                "cycle {t}"
            );
        }
    }
}
