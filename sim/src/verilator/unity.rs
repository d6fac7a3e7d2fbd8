//! One source file of a whole model: what Verilator wrote, what drives it besides its ports, and the shim.

use super::definitions::definitions;
use super::{TraceMode, memories};
use crate::SimError;

pub(super) const SHIM: &str = include_str!("shim.cpp");
/// How Verilator's names of the model begin.
pub(super) const PREFIX: &str = "Vmodel";

/// One source file of the whole model: the compiler sees everything at once.
pub(super) fn unity_source(
    names: &[String],
    header: &str,
    trace: TraceMode,
) -> Result<String, SimError> {
    let mut text = String::new();
    if trace == TraceMode::Fst {
        text += "#include \"verilated_fst_c.h\"\n#define TWOFOLD_TRACE VerilatedFstC\n";
    }
    text += &unity_start(names, header);
    text += &definitions();
    text += "#define TWOFOLD_MEMORIES(X)";
    for name in memories() {
        let found = members(header, |member| member.ends_with(&format!("__DOT__{name}__DOT__mem")));
        let [member] = found[..] else { return Err(SimError::Memory { name, n: found.len() }) };
        text += &format!(" X(\"{name}\", {member})");
    }
    // Memories that only this design has.
    for member in members(header, |member| member.ends_with("__DOT__mem")) {
        let Some(name) = member.rsplit("__DOT__").nth(1) else { continue };
        if !memories().any(|known| known == name) {
            text += &format!(" X(\"{name}\", {member})");
        }
    }
    text += "\n#line 1 \"shim.cpp\"\n";
    Ok(text + SHIM)
}

/// The generated sources, and what drives a model besides its ports: its class, its evaluation and the variable in which it
/// keeps the clock's last value, if that is found.
pub(super) fn unity_start(names: &[String], header: &str) -> String {
    let mut text: String = names.iter().map(|name| format!("#include \"{name}\"\n")).collect();
    text += &format!("#define TWOFOLD_MODEL {PREFIX}\n");
    text += &format!("#define TWOFOLD_EVAL {PREFIX}___024root___eval\n");
    if let [edge] = members(header, |name| {
        name.starts_with("__Vtrigprevexpr") && name.contains("__clock__")
    })[..]
    {
        text += &format!("#define TWOFOLD_EDGE {edge}\n");
    }
    text
}

/// Names of the members that a generated header declares, one a line.
fn members(header: &str, keep: impl Fn(&str) -> bool) -> Vec<&str> {
    header
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.split_whitespace().last())
        .filter(|name| keep(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "
    VL_IN8(clock,0,0);
    CData/*0:0*/ __Vtrigprevexpr___TOP__clock__0;
    VlUnpacked<VlWide<4>/*127:0*/, 16> accelerator__DOT__program_memory__DOT__mem;
    VlUnpacked<IData/*31:0*/, 64> accelerator__DOT__memories__DOT__bank0__DOT__mem;
    VlUnpacked<IData/*31:0*/, 64> accelerator__DOT__memories__DOT__bank10__DOT__mem;
";

    #[test]
    fn finds_members_by_the_end_of_their_name() {
        let of = |name: &str| {
            members(HEADER, |member| member.ends_with(&format!("__DOT__{name}__DOT__mem")))
        };
        assert_eq!(of("bank0"), ["accelerator__DOT__memories__DOT__bank0__DOT__mem"]);
        assert_eq!(of("program_memory"), ["accelerator__DOT__program_memory__DOT__mem"]);
        assert!(of("bank1").is_empty());
    }

    #[test]
    fn a_missing_memory_is_named() {
        let error = unity_source(&[], HEADER, TraceMode::Off).unwrap_err().to_string();
        assert!(error.starts_with("the Verilog has 0 memories named tile_memory"), "{error}");
    }
}
