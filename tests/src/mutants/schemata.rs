//! One design that holds every mutant.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::handover::{Handover, expand};
use super::operators::{Alternative, Mistake, alternatives};
use super::syntax::{Expr, Module, SyntaxError, modules};

/// The memory whose only word is the number of the mutant; 0 is none.
pub const NUMBER_MEMORY: &str = "mutant_number";
/// The memory of two words of 64 bits: a digest of all outputs of the top module in every cycle, reset or not, and one of what
/// its blocks hand over.
pub const DIGEST_MEMORY: &str = "output_digest";
/// What a module's text ends with.
const END: &str = "endmodule";
/// The register of the top module that repeats it.
const NUMBER: &str = "mutant";
/// The control core: modules whose names begin so, and the decoders of the records that they read.
const CONTROL: [&str; 6] = ["fetch", "weight_loader", "streamer", "drain", "counters", "status"];
/// Decoders whose records the control core does not read.
const DATA_DECODERS: [&str; 2] = ["lane_decoder", "parameter_decoder"];

/// What a module is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wing {
    /// Decides what happens when.
    Control,
    /// Computes, keeps and moves values.
    Data,
}

/// A mistake in the Verilog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutant {
    /// Chooses it, from 1.
    pub number: u16,
    /// Where it is.
    pub module: String,
    /// The line of the Verilog, from 1; it moves when anything above does.
    pub line: usize,
    /// What stands on that line; of a connection, behind the instance.
    pub statement: String,
    /// What is right.
    pub original: String,
    /// What it becomes.
    pub mutated: String,
    /// Which kind of mistake it is.
    pub mistake: Mistake,
    /// Bytes of `original` in the Verilog.
    #[serde(skip)]
    pub(super) span: (usize, usize),
}

impl Mutant {
    /// What its module is part of.
    pub fn wing(&self) -> Wing {
        let module = self.module.as_str();
        let is_control = CONTROL.iter().any(|name| module.starts_with(name))
            || module.ends_with("_decoder") && !DATA_DECODERS.contains(&module);
        if is_control { Wing::Control } else { Wing::Data }
    }
}

impl std::fmt::Display for Mutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { module, line, statement, original, mutated, .. } = self;
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{module}, line {line}: {} -> {}", one_line(original), one_line(mutated))?;
        if statement != original { write!(f, "  in  {statement}") } else { Ok(()) }
    }
}

/// An accelerator and its mutants.
#[derive(Clone, Debug)]
pub struct Schemata<'text> {
    /// In the order of the text.
    pub mutants: Vec<Mutant>,
    right: &'text str,
    top: &'text str,
    modules: Vec<Module<'text>>,
    /// Condition, signals and their width.
    handovers: Vec<(&'static str, String, usize)>,
    /// What always holds in modules: name and expression.
    assumptions: Vec<(String, String)>,
}

impl<'text> Schemata<'text> {
    /// All mutants of `verilog`, whose top module is `top` and has a port `clock`; `handovers` are watched in it.
    ///
    /// # Errors
    /// Verilog that the reader of [`super`] does not know.
    ///
    /// # Panics
    /// If there are more than 65,535, `top` is not the last module, or it has no signal that is handed over.
    pub fn new(
        verilog: &'text str,
        top: &'text str,
        handovers: &[Handover],
    ) -> Result<Self, SyntaxError> {
        let modules = modules(verilog)?;
        let module = modules.last().filter(|module| module.name == top);
        let module = module.unwrap_or_else(|| panic!("the last module is not {top}"));
        let handovers = expand(handovers, &verilog[module.start..module.end]);
        let mut out = Self {
            mutants: Vec::new(),
            right: verilog,
            top,
            modules: Vec::new(),
            handovers,
            assumptions: Vec::new(),
        };
        for module in &modules {
            out.add(module, alternatives(verilog, module, &modules));
        }
        out.modules = modules;
        Ok(out)
    }

    /// Has the design stop where one of these does not hold, name of a module with a port `clock` and expression in it, and
    /// proofs assume it.
    pub fn assume<'a>(mut self, assumptions: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(module, holds): (&str, &str)| (module.to_owned(), holds.to_owned());
        self.assumptions = assumptions.into_iter().map(owned).collect();
        self
    }

    /// The design with these of its mutants: each is chosen by its number in [`NUMBER_MEMORY`].
    pub fn verilog(&self, chosen: &[&Mutant]) -> String {
        let mut by_span: BTreeMap<_, Vec<&Mutant>> = BTreeMap::new();
        for mutant in chosen {
            by_span.entry(mutant.span).or_default().push(mutant);
        }
        let writer = Writer { text: self.right, top: self.top, by_span };
        let mut out = String::new();
        let mut copied = 0;
        for module in &self.modules {
            if module.name == self.top {
                out += &self.right[copied..module.body];
                out += &number(self.top);
                copied = module.body;
            }
            for site in &module.sites {
                out += &self.right[copied..site.expr.start];
                out += &writer.text(&site.expr);
                copied = site.expr.end;
            }
            let end = module.end - END.len();
            for holds in self.assumptions_of(module.name) {
                out += &self.right[copied..end];
                copied = end;
                let _ = writeln!(out, "    always @(posedge clock) if (!({holds})) $stop;");
            }
        }
        out += &self.right[copied..];
        if let Some(top) = self.modules.last() {
            // At the end of the top module, where all its signals are declared.
            let end = out.rfind(END).unwrap_or(out.len());
            out.insert_str(end, &self.digest(&top.outputs));
            out += &self.digest_module(&top.outputs);
        }
        let _ = write!(
            out,
            "\nmodule {NUMBER_MEMORY} (input wire clock, output reg [15:0] number);\n    \
             reg [15:0] mem [0:0] /*verilator public_flat_rw*/;\n    \
             initial number = 16'd0;\n    \
             always @(posedge clock) number <= mem[0];\nendmodule\n"
        );
        out
    }

    /// The Verilog without a mistake.
    pub fn right(&self) -> &'text str {
        self.right
    }

    /// Whether a module keeps words in an array.
    pub(super) fn is_memory(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module.name == name && module.is_memory)
    }

    /// A module and all below it, with one mistake or none, and without numbers: what one would have to read. Memories below
    /// it are black boxes.
    pub fn module(&self, name: &str, mistake: Option<&Mutant>) -> String {
        let mut out = String::new();
        for module in self.modules.iter().filter(|module| self.is_below(name, module.name)) {
            let text = &self.right[module.start..module.end];
            if module.is_memory && module.name != name {
                let ports = &self.right[module.start..module.body];
                out += &format!("(* blackbox *)\n{ports}\nendmodule\n");
                continue;
            }
            match mistake.map(|mutant| (mutant, mutant.span)) {
                Some((mutant, (start, end))) if (module.start..module.end).contains(&start) => {
                    let (start, end) = (start - module.start, end - module.start);
                    out += &format!("{}({}){}", &text[..start], mutant.mutated, &text[end..]);
                }
                _ => out += text,
            }
            for holds in self.assumptions_of(module.name) {
                out.truncate(out.len() - END.len());
                let _ = write!(out, "    always @(*) assume ({holds});\n{END}");
            }
            out.push('\n');
        }
        out
    }

    fn assumptions_of(&self, module: &str) -> impl Iterator<Item = &str> {
        let of = self.assumptions.iter().filter(move |(name, _)| name == module);
        of.map(|(_, holds)| holds.as_str())
    }

    /// The wire inside its module that a mutant's line works out: what matters is who reads it.
    pub(super) fn wire_of(&self, mutant: &Mutant) -> Option<&'text str> {
        let line = self.right.lines().nth(mutant.line - 1)?.trim();
        let (before, _) = line.strip_prefix("wire ")?.split_once(" = ")?;
        before.split_whitespace().next_back()
    }

    /// Whether a module is `above`, or an instance in it is or holds one.
    fn is_below(&self, above: &str, name: &str) -> bool {
        above == name
            || self
                .modules
                .iter()
                .filter(|module| module.name == above)
                .any(|module| module.instances.iter().any(|instance| self.is_below(instance, name)))
    }

    fn digest(&self, outputs: &[&str]) -> String {
        let mut ports = String::new();
        for name in outputs {
            let _ = write!(ports, ", .{name}(64'd0 | {name})");
        }
        for (i, (when, what, _)) in self.handovers.iter().enumerate() {
            let _ = write!(ports, ", .when_{i}({when}), .what_{i}({what})");
        }
        format!("    {DIGEST_MEMORY} {DIGEST_MEMORY} (.clock(clock){ports});\n")
    }

    /// Multiplication by an odd number loses nothing, and the rotation before it brings every bit among the low ones, which
    /// it spreads.
    fn digest_module(&self, outputs: &[&str]) -> String {
        let (mut ports, mut mixed) = (String::new(), String::new());
        for name in outputs {
            let _ = write!(ports, ", input wire [63:0] {name}");
            let _ = writeln!(mixed, "        outputs = mix(outputs, {name});");
        }
        for (i, (_, _, width)) in self.handovers.iter().enumerate() {
            let _ = write!(ports, ", input wire when_{i}, input wire [{}:0] what_{i}", width - 1);
            // Of which handover it is, the number tells.
            let _ = writeln!(mixed, "        if (when_{i}) begin");
            let _ = writeln!(mixed, "            handovers = mix(handovers, 64'd{i});");
            for low in (0..*width).step_by(64) {
                let high = (low + 64).min(*width) - 1;
                let part = format!("64'd0 | what_{i}[{high}:{low}]");
                let _ = writeln!(mixed, "            handovers = mix(handovers, {part});");
            }
            let _ = writeln!(mixed, "        end");
        }
        format!(
            "\nmodule {DIGEST_MEMORY} (input wire clock{ports});\n    \
             reg [63:0] mem [0:1] /*verilator public_flat_rw*/;\n    reg [63:0] outputs, handovers;\n    \
             function [63:0] mix(input [63:0] all, input [63:0] more);\n        \
             mix = ({{all[34:0], all[63:35]}} ^ more) * 64'h9e3779b97f4a7c15;\n    \
             endfunction\n    initial begin\n        mem[0] = 64'd0;\n        mem[1] = 64'd0;\n    end\n    \
             always @(posedge clock) begin\n        outputs = mem[0];\n        handovers = mem[1];\n{mixed}        \
             mem[0] <= outputs;\n        mem[1] <= handovers;\n    end\nendmodule\n"
        )
    }

    fn add(&mut self, module: &Module, all: Vec<Alternative>) {
        let verilog = self.right;
        for Alternative { start, end, text, mistake } in all {
            let number = u16::try_from(self.mutants.len() + 1).expect("a design has fewer mutants");
            let line_start = verilog[..start].rfind('\n').map_or(0, |at| at + 1);
            let instance = instance(&verilog[..line_start], &verilog[line_start..start]);
            let line_end = verilog[start..].find('\n').map_or(verilog.len(), |at| start + at);
            self.mutants.push(Mutant {
                number,
                module: module.name.to_owned(),
                line: verilog[..start].matches('\n').count() + 1,
                statement: instance + verilog[line_start..line_end].trim(),
                original: verilog[start..end].to_owned(),
                mutated: text,
                mistake,
                span: (start, end),
            });
        }
    }
}

/// What goes before a connection to say of which instance it is: `pe pe_0: `.
fn instance(before: &str, line: &str) -> String {
    if !line.trim_start().starts_with('.') {
        return String::new();
    }
    let start = before.lines().rev().find_map(|line| line.strip_suffix(" ("));
    start.map(|start| format!("{}: ", start.trim())).unwrap_or_default()
}

/// The register that every module looks at: a register, so that nothing is computed but after a clock edge.
fn number(top: &str) -> String {
    format!(
        "\n    // The mutant that runs in {top}.\n    wire [15:0] {NUMBER};\n    \
         {NUMBER_MEMORY} {NUMBER_MEMORY} (.clock(clock), .number({NUMBER}));\n"
    )
}

struct Writer<'a> {
    text: &'a str,
    top: &'a str,
    by_span: BTreeMap<(usize, usize), Vec<&'a Mutant>>,
}

impl Writer<'_> {
    /// An expression with the choice of its mutants and of those in it.
    fn text(&self, expr: &Expr) -> String {
        let mut out = String::new();
        let mut copied = expr.start;
        for operand in &expr.operands {
            out += &self.text[copied..operand.start];
            out += &self.text(operand);
            copied = operand.end;
        }
        out += &self.text[copied..expr.end];
        for Mutant { number, mutated, .. } in
            self.by_span.get(&(expr.start, expr.end)).into_iter().flatten()
        {
            out = format!("({}.{NUMBER} == 16'd{number} ? ({mutated}) : ({out}))", self.top);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERILOG: &str = "\
module pe (
    input wire clock,
    input wire load,
    output reg [7:0] sum
);
    always @(posedge clock) if (load) sum <= sum + 8'd1;
endmodule
module accelerator (
    input wire clock,
    input wire a,
    output wire [7:0] sum
);
    pe pe (
        .clock(clock),
        .load(a),
        .sum(sum)
    );
endmodule
";

    #[test]
    fn every_mistake_has_a_number_and_a_line() {
        let schemata = Schemata::new(VERILOG, "accelerator", &[]).unwrap();
        let lines: Vec<String> = schemata.mutants.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 7, "{lines:#?}");
        assert_eq!(
            lines[0],
            "pe, line 6: load -> 1'b0  in  always @(posedge clock) if (load) sum <= sum + 8'd1;"
        );
        assert_eq!(lines[6], "accelerator, line 15: a -> 1'b1  in  pe pe: .load(a),");
        let all: Vec<&Mutant> = schemata.mutants.iter().collect();
        let verilog = schemata.verilog(&all);
        let sum = "sum <= (accelerator.mutant == 16'd5 ? (~(sum + 8'd1)) : \
                   ((accelerator.mutant == 16'd3 ? (sum - 8'd1) : \
                   (sum + (accelerator.mutant == 16'd4 ? (8'd2) : (8'd1))))));";
        assert!(verilog.contains(sum), "{verilog}");
        assert!(
            schemata
                .verilog(&[])
                .starts_with(VERILOG.split_once("    pe pe (").unwrap().0.trim_end())
        );
        let wrong = schemata.module("pe", Some(&schemata.mutants[2]));
        assert!(!wrong.contains("module accelerator"), "{wrong}");
        assert!(wrong.contains("sum <= (sum - 8'd1);"), "{wrong}");
    }
}
