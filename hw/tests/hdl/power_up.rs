//! The initial values in the accelerator's Verilog, read from its text: where reset acts, they are the reset values.

use spec::{Design, Memories, Technology};
use std::collections::BTreeMap;
use twofold_hw::accelerator::Accelerator;
use twofold_hw::verilog::emit;

/// What `name = value;` lines of the `initial` statements of a module say.
fn initial(text: &str) -> BTreeMap<&str, &str> {
    let mut values = BTreeMap::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        inside |= line.starts_with("initial");
        let statement = line.strip_prefix("initial ").unwrap_or(line);
        if let Some((name, value)) = statement.split_once(" = ").filter(|_| inside) {
            values.insert(name, value.trim_end_matches(';'));
        }
        inside &= line == "initial begin" || (line != "end" && !line.starts_with("initial "));
    }
    values
}

/// The assignments of a module under `if (.. reset ..)`: target and value.
fn resets<'a>(text: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some((_, test)) = line.split_once("if (").filter(|(_, test)| test.contains("reset"))
        else {
            continue;
        };
        let mut assignment = |line: &'a str| {
            let (target, value) = line.split_once(" <= ").or(line.split_once(" = ")).unwrap();
            found.push((target, value.trim_end_matches(';')));
        };
        match test.rsplit_once(") ") {
            Some((_, one)) if one.ends_with(';') => assignment(one),
            _ => lines.by_ref().take_while(|line| !line.starts_with("end")).for_each(assignment),
        }
    }
    found
}

/// The register that stores `next`, if one does.
fn register_of<'a>(text: &'a str, next: &str) -> Option<&'a str> {
    let ending = format!(" <= {next};");
    text.lines().find_map(|line| line.trim().strip_suffix(&ending))
}

/// The bits of `target` in the literal `value` of a whole register.
fn part(value: &str, target: &str) -> u128 {
    let (width, digits) = value.split_once('\'').unwrap();
    let (base, digits) = digits.split_at(1);
    let radix = if base == "h" { 16 } else { 10 };
    let value = u128::from_str_radix(digits, radix).unwrap();
    let Some((_, range)) = target.trim_end_matches(']').split_once('[') else {
        return value;
    };
    assert!(width.parse::<usize>().unwrap() <= 128);
    let (high, low) = range.split_once(':').unwrap_or((range, range));
    let (high, low): (u32, u32) = (high.parse().unwrap(), low.parse().unwrap());
    value >> low & ((1 << (high - low + 1)) - 1)
}

#[test]
fn every_register_that_reset_acts_on_starts_at_its_reset_value() {
    for (rows, cols) in [(2, 2), (5, 7), (8, 16)] {
        let design = Design::new(rows, cols, Memories::default()).unwrap();
        let mut top = Accelerator::new(&design.with_technology(Technology::Ecp5));
        let design = emit(&mut top, "accelerator", "").unwrap();
        let mut n = 0;
        for module in &design.modules {
            let constants: BTreeMap<&str, &str> = module
                .text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("localparam ")?.split_once(" = "))
                .map(|(name, value)| {
                    (name.split(' ').next_back().unwrap(), value.trim_end_matches(';'))
                })
                .collect();
            for (target, value) in resets(&module.text) {
                let value = constants.get(value).copied().unwrap_or(value);
                let name = target.split('[').next().unwrap();
                let values = initial(&module.text);
                let stored = || values.get(register_of(&module.text, name)?);
                let start = values.get(name).or_else(stored).copied();
                let start = start
                    .unwrap_or_else(|| panic!("{}: {target} has no initial value", module.name));
                assert_eq!(part(start, target), part(value, name), "{}: {target}", module.name);
                n += 1;
            }
        }
        assert!(n > 50, "only {n} registers with a reset were found");
    }
}
