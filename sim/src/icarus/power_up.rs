//! Other contents of registers and memories at power-up, by a change of the Verilog's text: for tests alone.

use super::PowerUp;
use super::bench::RANDOM;

/// The Verilog with what registers and memories hold at power-up; ROMs keep their files.
pub(super) fn transform(verilog: &str, power_up: PowerUp) -> String {
    let random = match power_up {
        PowerUp::Initial => return verilog.to_owned(),
        PowerUp::Unknown => false,
        PowerUp::Random(_) => true,
    };
    let mut out = String::with_capacity(verilog.len());
    // Where the `initial` block that a line lies in is indented.
    let mut block: Option<usize> = None;
    for module in verilog.split_inclusive("endmodule\n") {
        let is_rom = module.contains("$readmemh");
        for line in module.lines() {
            let statement = line.trim_start();
            let indent = line.len() - statement.len();
            let initial = statement.strip_prefix("initial ");
            if initial == Some("begin") {
                block = Some(indent);
            } else if statement == "end" && block == Some(indent) {
                block = None;
            }
            let assignment = initial.or(block.map(|_| statement)).and_then(assignment);
            match assignment {
                Some(_) if !random => continue,
                Some((name, width)) => {
                    let start = if initial.is_some() { "initial " } else { "" };
                    out += &format!("{:indent$}{start}{name} = {};", "", bits(width));
                }
                None => out += line,
            }
            out.push('\n');
            if let Some((name, width, last)) = memory(statement).filter(|_| random && !is_rom) {
                out += &format!(
                    "{:indent$}integer power_up;\n{:indent$}initial for (power_up = 0; power_up <= {last}; power_up = \
                     power_up + 1) {name}[power_up] = {};\n",
                    "",
                    "",
                    bits(width)
                );
            }
        }
    }
    out
}

/// Name and width of `name = 8'd0;`.
fn assignment(statement: &str) -> Option<(&str, usize)> {
    let (name, value) = statement.strip_suffix(';')?.split_once(" = ")?;
    let (width, digits) = value.split_once('\'')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_literal = digits.chars().all(|c| c.is_ascii_alphanumeric());
    (is_name && is_literal).then_some((name, width.parse().ok()?))
}

/// Name, width and last address of `reg [7:0] name [0:15];`.
fn memory(statement: &str) -> Option<(&str, usize, usize)> {
    let declaration = statement.strip_prefix("reg ")?;
    let (high, rest) = declaration.strip_prefix('[')?.split_once(":0] ")?;
    let (name, rest) = rest.split_once(" [0:")?;
    let (last, _) = rest.split_once(']')?;
    Some((name, high.parse::<usize>().ok()? + 1, last.parse().ok()?))
}

/// Random bits.
fn bits(width: usize) -> String {
    format!("{{{}}}", vec![RANDOM; width.div_ceil(32)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERILOG: &str = "\
module register_8 (
    output reg [7:0] q
);
    initial q = 8'd0;
    always @(posedge clock) q <= d;
endmodule
module ram (
);
    (* no_rw_check *)
    reg [39:0] mem [0:6] /*verilator public_flat_rw*/;
    reg [31:0] a;
    reg b;
    initial begin
        a = 32'sd0;
        b = 1'b0;
    end
    always @(*) begin
        c = 8'd1;
    end
endmodule
module rom (
);
    reg [7:0] mem [0:3];
    initial $readmemh(\"rom.hex\", mem);
endmodule
";

    #[test]
    fn unknown_leaves_no_initial_value_but_the_roms_files() {
        let text = transform(VERILOG, PowerUp::Unknown);
        assert!(!text.contains("q = 8") && !text.contains("a = ") && !text.contains("b = "));
        assert!(text.contains("        c = 8'd1;\n") && text.contains("$readmemh"));
        assert_eq!(transform(VERILOG, PowerUp::Initial), VERILOG);
    }

    #[test]
    fn random_fills_registers_and_memories() {
        let text = transform(VERILOG, PowerUp::Random(1));
        let one = format!("{{{RANDOM}}}");
        let two = format!("{{{RANDOM}, {RANDOM}}}");
        assert!(text.contains(&format!("    initial q = {one};\n")), "{text}");
        assert!(text.contains(&format!("        a = {one};\n        b = {one};\n")), "{text}");
        assert!(text.contains(&format!(
            "power_up <= 6; power_up = power_up + 1) mem[power_up] = {two};\n"
        )));
        assert!(text.contains("        c = 8'd1;\n") && !text.contains("power_up <= 3"), "{text}");
    }
}
