//! The fields of a bundle under names of their own, in place of bit ranges.

use crate::verilog::ir::{
    Always, Expr, Field, Item, Literal, Net, Part, Port, Signal, Statement, Storage, Target,
};
use std::collections::{BTreeMap, BTreeSet};

/// Stores bundles that are written field by field as their fields, and names the fields that are read.
pub(super) fn run(items: &mut Vec<Item>, ports: &[Port]) {
    let mut taken = names(items, ports);
    let bundles: Vec<Signal> =
        signals(items, ports).filter(|s| !s.fields.is_empty()).cloned().collect();
    for bundle in &bundles {
        store_fields(items, bundle, &mut taken);
    }
    for bundle in &bundles {
        name_reads(items, bundle, ports, &mut taken);
    }
}

fn signals<'a>(items: &'a [Item], ports: &'a [Port]) -> impl Iterator<Item = &'a Signal> {
    let nets = items.iter().filter_map(|item| match item {
        Item::Net(net) => Some(&net.signal),
        _ => None,
    });
    ports.iter().map(|port| &port.signal).chain(nets)
}

/// Every name that is in use.
fn names(items: &[Item], ports: &[Port]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = signals(items, ports).map(|s| s.name.clone()).collect();
    names.extend(items.iter().filter_map(|item| match item {
        Item::Parameter(signal, _) => Some(signal.name.clone()),
        Item::Instance(instance) => Some(instance.name.clone()),
        _ => None,
    }));
    names
}

/// `bundle_field`, or `bundle_field_q` of `bundle_q`.
fn name_of(bundle: &str, field: &str) -> String {
    for suffix in ["_q", "_d"] {
        if let Some(stem) = bundle.strip_suffix(suffix) {
            return format!("{stem}_{field}{suffix}");
        }
    }
    format!("{bundle}_{field}")
}

fn net(name: String, field: &Field, value: Option<Expr>) -> Item {
    let signal = Signal { name, width: field.part.width, signed: false, fields: vec![] };
    Item::Net(Net { signal, storage: Storage::Reg, value, of_instance: false })
}

/// Whether a procedure writes part of the signal, and nothing else drives it.
fn is_written_by_field(items: &[Item], bundle: &Signal) -> bool {
    let (mut in_part, mut elsewhere) = (false, false);
    for item in items {
        let assigned = matches!(item, Item::Assign(..));
        item.targets(&mut |target| {
            if target.name == bundle.name {
                in_part |= target.part.is_some();
                elsewhere |= assigned;
            }
        });
    }
    in_part && !elsewhere
}

/// A register for each field, and their concatenation for who reads the whole.
fn store_fields(items: &mut Vec<Item>, bundle: &Signal, taken: &mut BTreeSet<String>) {
    if !is_written_by_field(items, bundle) {
        return;
    }
    let names: Vec<String> =
        bundle.fields.iter().map(|field| name_of(&bundle.name, &field.name)).collect();
    if names.iter().any(|name| taken.contains(name)) {
        return;
    }
    let mut changed = items.clone();
    for item in &mut changed {
        if let Item::Initial(body) | Item::Always(Always { body, .. }) = item
            && split(body, bundle, &names).is_none()
        {
            return;
        }
        item.expressions_mut(&mut |e| {
            e.visit_mut(&mut |e| {
                if let Expr::Part(name, part) = e
                    && *name == bundle.name
                    && let Some((i, inner)) = within(bundle, *part)
                {
                    *e = part_of(&names[i], &bundle.fields[i], inner);
                }
            });
        });
    }
    let fields = bundle.fields.iter().zip(&names);
    let mut out: Vec<Item> = fields.map(|(field, name)| net(name.clone(), field, None)).collect();
    let whole = Expr::Concat(names.iter().rev().map(Expr::name).collect());
    out.push(Item::Assign(Target::whole(&bundle.name), whole));
    out.extend(changed);
    *items = out;
    taken.extend(names);
}

/// The field that holds these bits, and where in it they are.
fn within(bundle: &Signal, part: Part) -> Option<(usize, Part)> {
    let fields = bundle.fields.iter().enumerate();
    fields.into_iter().find_map(|(i, field)| {
        let low = part.low.checked_sub(field.part.low)?;
        (low + part.width <= field.part.width).then_some((i, Part { low, ..part }))
    })
}

fn part_of(name: &str, field: &Field, part: Part) -> Expr {
    if part.width == field.part.width { Expr::name(name) } else { Expr::Part(name.into(), part) }
}

/// Assigns fields in place of the bundle; `None` where an assignment does not fall into fields.
fn split(statements: &mut Vec<Statement>, bundle: &Signal, names: &[String]) -> Option<()> {
    let mut out = vec![];
    for mut statement in statements.drain(..) {
        match &mut statement {
            Statement::If { then, otherwise, .. } => {
                split(then, bundle, names)?;
                split(otherwise, bundle, names)?;
            }
            Statement::Case { arms, .. } => {
                arms.iter_mut().try_for_each(|arm| split(&mut arm.body, bundle, names))?;
            }
            Statement::Assign { target, value, kind } if target.name == bundle.name => {
                let Some(part) = target.part else {
                    for (field, name) in bundle.fields.iter().zip(names) {
                        let value = field_of(value, bundle, field)?;
                        let target = Target::whole(name);
                        out.push(Statement::Assign { target, value, kind: *kind });
                    }
                    continue;
                };
                let (i, inner) = within(bundle, part)?;
                let is_whole = inner.width == bundle.fields[i].part.width;
                *target = Target { name: names[i].clone(), part: (!is_whole).then_some(inner) };
            }
            Statement::Assign { .. } | Statement::Comment(_) => {}
        }
        out.push(statement);
    }
    *statements = out;
    Some(())
}

/// The field of a value of the bundle's type.
fn field_of(value: &Expr, bundle: &Signal, field: &Field) -> Option<Expr> {
    match value {
        Expr::Literal(literal) if literal.width == bundle.width && bundle.width <= 128 => {
            let mask = u128::MAX >> (128 - field.part.width);
            Some(Literal::new(literal.value >> field.part.low & mask, field.part.width).into())
        }
        Expr::Name(name) => Some(Expr::Part(name.clone(), field.part)),
        _ => None,
    }
}

/// A wire for each field that is read; an output that is nothing but a field serves as its name.
fn name_reads(
    items: &mut Vec<Item>,
    bundle: &Signal,
    ports: &[Port],
    taken: &mut BTreeSet<String>,
) {
    let mut of_field: BTreeMap<usize, String> = BTreeMap::new();
    for item in items.iter() {
        if let Item::Assign(target, Expr::Part(name, part)) = item
            && *name == bundle.name
            && let Some(i) = bundle.fields.iter().position(|field| field.part == *part)
            && ports.iter().any(|port| port.signal.name == target.name)
        {
            of_field.entry(i).or_insert_with(|| target.name.clone());
        }
    }
    let outputs = of_field.clone();
    let mut wires = vec![];
    for item in items.iter_mut() {
        let own = match item {
            Item::Assign(target, _) => target.name.clone(),
            _ => String::new(),
        };
        item.expressions_mut(&mut |e| {
            e.visit_mut(&mut |e| {
                let Expr::Part(name, part) = e else { return };
                let Some((i, inner)) = within(bundle, *part).filter(|_| *name == bundle.name)
                else {
                    return;
                };
                let field = &bundle.fields[i];
                if outputs.get(&i) == Some(&own) {
                    return;
                }
                let wire = match of_field.get(&i) {
                    Some(wire) => wire.clone(),
                    None => {
                        let wire = name_of(&bundle.name, &field.name);
                        if !taken.insert(wire.clone()) {
                            return;
                        }
                        let value = Expr::Part(bundle.name.clone(), field.part);
                        wires.push((i, net(wire.clone(), field, Some(value))));
                        of_field.insert(i, wire.clone());
                        wire
                    }
                };
                *e = part_of(&wire, field, inner);
            });
        });
    }
    wires.sort_by_key(|(i, _)| *i);
    // The wires stand behind what drives the bundle, in front of who reads them.
    let driven =
        |item: &Item| matches!(item, Item::Assign(target, _) if target.name == bundle.name);
    let at = items.iter().position(driven).map_or(0, |at| at + 1);
    items.splice(at..at, wires.into_iter().map(|(_, wire)| wire));
}
