//! What stands where, and what is declared how.

use crate::verilog::ir::{Body, Design, Direction, Item, Port, Storage, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Puts items in the order of reading: parameters, declarations, initial values, wires with their values, instances,
/// assignments, procedures. A comment stays with what it is on.
pub(super) fn order(items: &mut Vec<Item>) {
    declare_with_value(items);
    let mut initial = vec![];
    let mut sorted: BTreeMap<u8, Vec<Item>> = BTreeMap::new();
    let mut comments = vec![];
    for item in items.drain(..) {
        let place = match &item {
            Item::Comment(_) => {
                comments.push(item);
                continue;
            }
            Item::Initial(body) => {
                initial.extend(body.iter().cloned());
                comments.clear();
                continue;
            }
            Item::Parameter(..) => 0,
            Item::Net(net) if net.value.is_none() => 1,
            Item::Net(_) => 3,
            Item::Instance(_) => 4,
            Item::Assign(..) => 5,
            Item::Always(_) => 6,
        };
        let list = sorted.entry(place).or_default();
        list.append(&mut comments);
        list.push(item);
    }
    if !initial.is_empty() {
        sorted.insert(2, vec![Item::Initial(initial)]);
    }
    items.extend(sorted.into_values().flatten());
}

/// `wire name;` with `assign name = value;` becomes `wire name = value;`.
fn declare_with_value(items: &mut Vec<Item>) {
    let mut nets = BTreeMap::new();
    for item in items.iter() {
        if let Item::Net(net) = item {
            nets.insert(net.signal.name.clone(), net.clone());
        }
    }
    for item in items.iter_mut() {
        if let Item::Assign(Target { name, part: None }, value) = item
            && let Some(mut net) = nets.remove(name)
        {
            net.value = Some(value.clone());
            *item = Item::Net(net);
        }
    }
    let plain = |net: &crate::verilog::ir::Net| nets.contains_key(&net.signal.name);
    items.retain(|item| !matches!(item, Item::Net(net) if net.value.is_none() && !plain(net)));
}

/// Declares what a procedure assigns as `reg`, and the rest as `wire`.
pub(super) fn declare(items: &mut [Item], ports: &mut [Port]) {
    let mut assigned = BTreeSet::new();
    for item in items.iter().filter(|item| !matches!(item, Item::Assign(..))) {
        item.targets(&mut |target| {
            assigned.insert(target.name.clone());
        });
    }
    let storage = |name: &str| if assigned.contains(name) { Storage::Reg } else { Storage::Wire };
    for port in ports.iter_mut().filter(|port| port.direction == Direction::Output) {
        port.storage = storage(&port.signal.name);
    }
    for item in items {
        if let Item::Net(net) = item {
            net.storage = storage(&net.signal.name);
        }
    }
}

/// Drops modules that nothing uses any more.
pub(super) fn drop_unused(design: &mut Design) {
    let Some(top) = design.modules.last().map(|module| module.name.clone()) else { return };
    let mut used = BTreeSet::from([top]);
    for module in design.modules.iter().rev() {
        if !used.contains(&module.name) {
            continue;
        }
        used.extend(match &module.body {
            Body::Items(items) => instances(items),
            Body::Text(text) => words(text),
        });
    }
    design.modules.retain(|module| used.contains(&module.name));
}

fn instances(items: &[Item]) -> Vec<String> {
    let instances = items.iter().filter_map(|item| match item {
        Item::Instance(instance) => Some(instance.module.clone()),
        _ => None,
    });
    instances.collect()
}

/// Names in a text, those of modules among them.
fn words(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_name(c)).filter(|word| !word.is_empty()).map(String::from).collect()
}
