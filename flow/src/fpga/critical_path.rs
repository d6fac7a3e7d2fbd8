//! Turns the critical paths of nextpnr's report into the one that limits the clock, told in the Verilog's names.

use serde::Deserialize;

use super::error::BadReport;
use super::netlist::Netlist;
use super::report::{CriticalPath, PathStep, kind_in_words};

/// One path of nextpnr's report.
#[derive(Debug, Deserialize)]
pub(super) struct JsonPath {
    from: String,
    to: String,
    path: Vec<JsonSegment>,
}

#[derive(Debug, Deserialize)]
struct JsonSegment {
    #[serde(rename = "type")]
    kind: String,
    /// In nanoseconds.
    delay: f64,
    from: JsonPin,
    to: JsonPin,
    net: Option<String>,
}

#[derive(Debug, Deserialize)]
struct JsonPin {
    cell: String,
}

/// The longest path between registers of the clock whose net nextpnr calls `clock`.
///
/// # Errors
/// If the report holds none.
pub(super) fn critical_path(
    paths: &[JsonPath],
    clock: &str,
    netlist: &Netlist,
) -> Result<CriticalPath, BadReport> {
    let edge = |end: &str| {
        end.strip_prefix("posedge ").or_else(|| end.strip_prefix("negedge ")) == Some(clock)
    };
    let delay = |path: &JsonPath| path.path.iter().map(|segment| segment.delay).sum::<f64>();
    let path = paths
        .iter()
        .filter(|path| edge(&path.from) && edge(&path.to) && !path.path.is_empty())
        .max_by(|a, b| delay(a).total_cmp(&delay(b)))
        .ok_or_else(|| BadReport::NoPath(clock.to_owned()))?;

    let is_routing = |segment: &&JsonSegment| segment.kind == "routing";
    let routing_ns = path.path.iter().filter(is_routing).map(|segment| segment.delay).sum::<f64>();
    let first = path.path.first().expect("the path was checked to hold segments");
    let last = path.path.last().expect("the path was checked to hold segments");
    let first_net = path.path.iter().find(is_routing).and_then(|segment| segment.net.as_deref());
    Ok(CriticalPath {
        from: end_in_words(&first.from.cell, first_net, netlist),
        to: end_in_words(&last.to.cell, None, netlist),
        steps: steps(&path.path, netlist),
        logic_ns: delay(path) - routing_ns,
        routing_ns,
    })
}

/// Sums the segments by cell: a wire counts for the cell that it leads to. Cells of the same kind and module in a row
/// become one step.
fn steps(segments: &[JsonSegment], netlist: &Netlist) -> Vec<PathStep> {
    let mut steps: Vec<PathStep> = Vec::new();
    let mut last_cell = "";
    for segment in segments {
        let cell = packed_from(&segment.to.cell, netlist);
        let kind = kind_of(&segment.to.cell, netlist);
        let module = module_of(cell);
        let is_new = cell != last_cell;
        last_cell = cell;
        // A register that a path ends in is a step of its own, even behind another register.
        let joins = steps.last().is_some_and(|step| step.kind == kind && step.module == module);
        if !joins {
            let (kind, module) = (kind.to_owned(), module.to_owned());
            steps.push(PathStep { kind, n_cells: 0, module, logic_ns: 0.0, routing_ns: 0.0 });
        }
        let step = steps.last_mut().expect("one was just pushed if there was none");
        step.n_cells += usize::from(is_new);
        if segment.kind == "routing" {
            step.routing_ns += segment.delay;
        } else {
            step.logic_ns += segment.delay;
        }
    }
    steps
}

/// The cell of the netlist that nextpnr made `cell` from: it splits carry cells and distributed RAMs into parts.
fn packed_from<'a>(cell: &'a str, netlist: &Netlist) -> &'a str {
    if netlist.kind_of(cell).is_some() {
        return cell;
    }
    match cell.rsplit_once('$') {
        Some((whole, _)) if !whole.is_empty() => whole,
        _ => cell,
    }
}

fn kind_of<'a>(cell: &'a str, netlist: &'a Netlist) -> &'a str {
    if let Some(kind) = netlist.kind_of(packed_from(cell, netlist)) {
        return kind;
    }
    if cell.contains("CCU2") {
        "CCU2C"
    } else if cell.ends_with("$tr_io") {
        "TRELLIS_IO"
    } else {
        "TRELLIS_COMB"
    }
}

/// The instance that holds a cell, `array.pe_3` for `array.pe_3.sum_LUT4_Z`; empty for the top module. The parts of a
/// memory have numbers behind its name: `rom` holds `rom.0.1`.
fn module_of(cell: &str) -> &str {
    if cell.starts_with('$') {
        return "";
    }
    let above = |path: &str| path.rfind('.').unwrap_or(0);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut module = &cell[..above(cell)];
    while module.rsplit('.').next().is_some_and(is_number) {
        module = &module[..above(module)];
    }
    module
}

fn end_in_words(cell: &str, net: Option<&str>, netlist: &Netlist) -> String {
    let whole = packed_from(cell, netlist);
    let kind = kind_in_words(kind_of(cell, netlist));
    match (netlist.register_name(whole), net) {
        (Some(register), _) => format!("{kind} {register}"),
        (None, Some(net)) => format!("{kind} {whole} ({net})"),
        (None, None) => format!("{kind} {whole}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlist::tests::toy;
    use super::*;

    fn segment(kind: &str, delay: f64, from: &str, to: &str) -> JsonSegment {
        let pin = |cell: &str| JsonPin { cell: cell.to_owned() };
        JsonSegment { kind: kind.to_owned(), delay, from: pin(from), to: pin(to), net: None }
    }

    fn path(from: &str, to: &str, path: Vec<JsonSegment>) -> JsonPath {
        JsonPath { from: from.to_owned(), to: to.to_owned(), path }
    }

    #[test]
    fn the_path_is_told_from_register_to_register() {
        let (q, carry) = ("core.sum_TRELLIS_FF_Q_1", "core.add_CCU2C_S0");
        let lut = "core.sum_LUT4_A";
        let (low, high) = (&format!("{carry}$CCU2_COMB0"), &format!("{carry}$CCU2_COMB1"));
        let end = "late_TRELLIS_FF_Q";
        let segments = vec![
            segment("clk-to-q", 0.5, q, q),
            segment("routing", 1.0, q, lut),
            segment("logic", 0.25, lut, lut),
            segment("routing", 2.0, lut, low),
            segment("logic", 0.5, low, low),
            segment("routing", 0.0, low, high),
            segment("logic", 0.5, high, high),
            segment("routing", 0.125, high, end),
            segment("setup", 0.0, end, end),
        ];
        let short = vec![segment("clk-to-q", 0.5, q, q), segment("routing", 9.0, q, end)];
        let paths = [
            path("posedge c", "<async>", short),
            path("posedge c", "posedge c", segments),
            path("<async>", "posedge c", vec![]),
        ];
        let found = critical_path(&paths, "c", &toy()).unwrap();
        assert_eq!((found.logic_ns, found.routing_ns), (1.75, 3.125));
        let shape: Vec<_> = found
            .steps
            .iter()
            .map(|step| (step.kind.as_str(), step.n_cells, step.module.as_str()))
            .collect();
        assert_eq!(
            shape,
            [
                ("TRELLIS_FF", 1, "core"),
                ("LUT4", 1, "core"),
                ("CCU2C", 1, "core"),
                ("TRELLIS_FF", 1, "")
            ]
        );
        assert_eq!(
            found.in_words(),
            "from register core.sum[0] through a look-up table in core, a carry cell in core to register late: \
             4.88 ns, of which logic 1.75 ns and routing 3.12 ns"
        );
    }

    #[test]
    fn cells_and_parts_of_memories_tell_their_instance() {
        for (cell, module) in [
            ("array.pe_3.sum_LUT4_Z", "array.pe_3"),
            ("buffer.mem.0.12", "buffer.mem"),
            ("rom.0.0", "rom"),
            ("sum_LUT4_Z", ""),
            ("$auto$1.2", ""),
        ] {
            assert_eq!(module_of(cell), module, "{cell}");
        }
    }

    #[test]
    fn a_report_without_registers_is_an_error() {
        let error = critical_path(&[], "clock", &toy()).unwrap_err();
        assert_eq!(error.to_string(), "nextpnr reports no path between registers of clock clock");
    }
}
