//! What the blocks of the accelerator hand to each other, and when it counts: what the tests of single blocks hold against
//! their models in every cycle. The kill suite watches it beside the outputs.

use std::collections::BTreeMap;

/// Signals of the top module that count while a condition holds.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    /// An expression over its signals.
    pub when: &'static str,
    /// Names; one `*` stands for any text.
    pub what: &'static [&'static str],
}

const fn handover(when: &'static str, what: &'static [&'static str]) -> Handover {
    Handover { when, what }
}

/// Those of `accelerator`. What is handed over during reset counts for nobody.
pub const HANDOVERS: [Handover; 12] = [
    handover(
        "~reset",
        &[
            "fetch_block_valid",
            "fetch_configured",
            "fetch_image_start",
            "fetch_running",
            "fetch_draining",
            "fetch_image_end",
            "weight_loader_block_taken",
            "weight_loader_load",
            "weight_loader_tile_valid",
            "weight_loader_tile_ready",
            "streamer_take",
            "streamer_unit_start",
            "streamer_swap",
            "streamer_streaming",
            "streamer_all_written",
            "drain_drain_active",
            "drain_pool_first",
            "drain_write_enable",
            "drain_logit_enable",
            "drain_bank_released",
            "drain_unit_written",
            "drain_release_input",
            "loader_load_enable",
            "loader_full",
        ],
    ),
    handover("~reset & fetch_block_valid", &["fetch_block", "fetch_stream", "fetch_drain"]),
    handover("~reset & fetch_configured", &["fetch_load"]),
    handover("~reset & output_valid", &["fetch_end_context"]),
    handover(
        "~reset & weight_loader_tile_valid",
        &[
            "weight_loader_tile",
            "weight_loader_unit_first",
            "weight_loader_group_first",
            "weight_loader_group_last",
            "weight_loader_tile_block",
            "weight_loader_tile_stream",
            "weight_loader_tile_drain",
        ],
    ),
    handover("~reset & streamer_unit_start", &["streamer_unit_bank"]),
    handover("~reset & streamer_streaming", &["streamer_active"]),
    // A cycle without a pixel has one cause.
    handover(
        "~reset & ~streamer_streaming",
        &["streamer_dependency", "streamer_accumulators_busy", "streamer_weight_load"],
    ),
    handover(
        "~reset & streamer_accumulate[0]",
        &[
            "streamer_bank",
            "streamer_address",
            "streamer_outside",
            "streamer_fill",
            "streamer_mask",
            "streamer_accumulate",
        ],
    ),
    handover(
        "~reset & drain_write_enable",
        &["drain_write_banks", "drain_write_address", "drain_write_granule"],
    ),
    handover("~reset & drain_logit_enable", &["drain_write_address"]),
    // The pipeline behind the accumulators stands still while nothing is drained.
    handover(
        "~reset & ~drain_drain_active",
        &[
            "accumulator_*_sum",
            "lane_select_value_*",
            "parameter_register_*_q",
            "requantize_*_value",
            "pool_*_maximum",
        ],
    ),
];

/// Condition, and the signals with the sum of their widths, of each; `top` is the text of the module.
///
/// # Panics
/// If a name is that of no signal.
pub(super) fn expand(handovers: &[Handover], top: &str) -> Vec<(&'static str, String, usize)> {
    let widths = widths(top);
    let expand = |Handover { when, what }: &Handover| {
        let mut names = Vec::new();
        for pattern in *what {
            let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
            let is_meant = |name: &str| match pattern.contains('*') {
                true => {
                    name.len() > start.len() + end.len()
                        && name.starts_with(start)
                        && name.ends_with(end)
                }
                false => name == *pattern,
            };
            let before = names.len();
            names.extend(widths.keys().copied().filter(|name| is_meant(name)));
            assert!(
                names.len() > before,
                "no signal is named {pattern}, which mutants::handover watches"
            );
        }
        (*when, format!("{{{}}}", names.join(", ")), names.iter().map(|name| widths[name]).sum())
    };
    handovers.iter().map(expand).collect()
}

/// Widths of the signals that a module declares, a line each.
fn widths(module: &str) -> BTreeMap<&str, usize> {
    fn width(line: &str) -> Option<(&str, usize)> {
        let mut words = line.split_whitespace().filter(|word| !["input", "output"].contains(word));
        words.next().filter(|word| ["wire", "reg"].contains(word))?;
        let word = words.next()?;
        let range = word.strip_prefix('[').and_then(|range| range.split_once(':'));
        let (name, width) = match range {
            Some((high, _)) => (words.next()?, high.parse::<usize>().ok()? + 1),
            None => (word, 1),
        };
        Some((name.trim_end_matches([',', ';']), width))
    }
    module.lines().filter_map(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_expanded_and_widths_added() {
        let top = "module m (\n    input wire clock, // Edge.\n    output reg [7:0] sum\n);\n    \
                   wire [3:0] pool_0_maximum;\n    reg pool_1_maximum;\n    wire [5:0] other = 6'd0;\n";
        let all = expand(&[handover("clock", &["sum", "pool_*_maximum"])], top);
        assert_eq!(all, [("clock", "{sum, pool_0_maximum, pool_1_maximum}".to_owned(), 13)]);
        assert_eq!(widths(top)["other"], 6);
    }
}
