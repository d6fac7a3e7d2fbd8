//! The Verilog around a top module with more port bits than the package has pads: shift registers on its ports.
//!
//! It stands for the rest of a chip, so that the whole design can be placed, routed and timed; it is not for a board.

use std::collections::BTreeMap;

use super::error::FpgaError;
use super::netlist::Port;

/// Names that a clock port may have, in the order that they are looked for.
const CLOCK_NAMES: [&str; 2] = ["clock", "clk"];

/// The name that the wrapped design has inside [`shift_registers`].
pub(super) const INSTANCE: &str = "design";

/// The name of the clock port.
///
/// # Errors
/// If there is none of one bit named `clock` or `clk`.
pub(super) fn clock_of(ports: &BTreeMap<String, Port>) -> Result<&'static str, FpgaError> {
    let is_clock =
        |name: &&str| ports.get(*name).is_some_and(|port| port.is_input && port.n_bits == 1);
    match CLOCK_NAMES.into_iter().find(|name| is_clock(name)) {
        Some(name) => Ok(name),
        None => {
            let ports = ports.keys().cloned().collect::<Vec<_>>().join(", ");
            Err(FpgaError::NoClock { ports })
        }
    }
}

/// A module `name` of four pads that holds one `top`, every other input bit driven by a shift register from `serial_in`
/// and every output bit captured by one to `serial_out`. `top` itself is only declared.
///
/// # Errors
/// If `ports` hold no clock, no other input or no output.
pub(super) fn shift_registers(
    name: &str,
    top: &str,
    ports: &BTreeMap<String, Port>,
) -> Result<String, FpgaError> {
    let clock = clock_of(ports)?;
    let (mut n_in, mut n_out) = (0, 0);
    let mut declarations = Vec::new();
    let mut connections = Vec::new();
    for (port_name, port) in ports {
        let direction = if port.is_input { "input" } else { "output" };
        declarations.push(format!("{direction} [{}:0] {port_name}", port.n_bits - 1));
        if port_name == clock {
            connections.push(format!(".{port_name}(clock)"));
            continue;
        }
        let (bus, begin) = if port.is_input { ("driven", &mut n_in) } else { ("seen", &mut n_out) };
        let end = *begin + port.n_bits;
        connections.push(format!(".{port_name}({bus}[{}:{begin}])", end - 1));
        *begin = end;
    }
    if n_in == 0 || n_out == 0 {
        return Err(FpgaError::NoPorts { top: top.to_owned() });
    }
    let (last_in, last_out) = (n_in - 1, n_out - 1);
    Ok(format!(
        "(* blackbox *)
module {top}(
    {}
  );
endmodule

module {name}(input clock, input serial_in, input capture, output serial_out);
  reg [{last_in}:0] driven;
  wire [{last_out}:0] seen;
  reg [{n_out}:0] captured;
  always @(posedge clock) begin
    driven <= {{driven, serial_in}};
    captured <= capture ? {{seen, 1'b0}} : {{captured, serial_in}};
  end
  assign serial_out = captured[{n_out}];
  {top} {INSTANCE} (
    {}
  );
endmodule
",
        declarations.join(",\n    "),
        connections.join(",\n    "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(list: &[(&str, bool, usize)]) -> BTreeMap<String, Port> {
        list.iter()
            .map(|&(name, is_input, n_bits)| (name.to_owned(), Port { is_input, n_bits }))
            .collect()
    }

    #[test]
    fn every_bit_is_connected_once() {
        let ports =
            ports(&[("clock", true, 1), ("data", true, 8), ("out", false, 3), ("valid", true, 1)]);
        let verilog = shift_registers("toy_pads", "toy", &ports).unwrap();
        assert!(verilog.contains("(\n    .clock(clock),\n    .data(driven[7:0]),\n    .out(seen[2:0]),\n    .valid(driven[8:8])\n"));
        assert!(verilog.contains("reg [8:0] driven;\n  wire [2:0] seen;\n  reg [3:0] captured;"));
        assert!(verilog.contains("    input [7:0] data,\n    output [2:0] out,\n"));
    }

    #[test]
    fn a_design_without_a_clock_is_refused() {
        let error =
            clock_of(&ports(&[("clock", true, 2), ("clk", false, 1), ("a", true, 1)])).unwrap_err();
        assert!(error.to_string().ends_with("(its ports are a, clk, clock)"), "{error}");
        assert_eq!(clock_of(&ports(&[("clk", true, 1)])).unwrap(), "clk");
    }
}
