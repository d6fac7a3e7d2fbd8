//! Instances connected to what is meant: not to a net that is only assigned to or from it.

use crate::verilog::ir::{Direction, Expr, Item};
use std::collections::{BTreeMap, BTreeSet};

/// Connects outputs to the signals that they are assigned to, inputs to what they are assigned, leaves unread outputs
/// open, and drops the nets that are left over.
pub(super) fn run(items: &mut Vec<Item>) {
    name_outputs(items);
    connect_inputs(items);
    drop_unread(items);
}

/// The nets that exist only to reach a port of an instance: of inputs, of outputs.
fn nets_of_instances(items: &[Item]) -> (BTreeSet<String>, BTreeSet<String>) {
    let own: BTreeSet<&str> = items
        .iter()
        .filter_map(|item| match item {
            Item::Net(net) if net.of_instance => Some(net.signal.name.as_str()),
            _ => None,
        })
        .collect();
    let mut nets = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        let Item::Instance(instance) = item else { continue };
        for connection in &instance.connections {
            if let Some(Expr::Name(name)) = &connection.value
                && own.contains(name.as_str())
            {
                match connection.direction {
                    Direction::Input => nets.0.insert(name.clone()),
                    Direction::Output => nets.1.insert(name.clone()),
                };
            }
        }
    }
    nets
}

/// `assign own = instance_port` makes the port drive `own`.
fn name_outputs(items: &mut Vec<Item>) {
    let (inputs, outputs) = nets_of_instances(items);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    items.retain(|item| match item {
        Item::Assign(target, Expr::Name(source))
            if outputs.contains(source)
                && !inputs.contains(&target.name)
                && !names.contains_key(source) =>
        {
            names.insert(source.clone(), target.name.clone());
            false
        }
        _ => true,
    });
    items.retain(|item| !matches!(item, Item::Net(net) if names.contains_key(&net.signal.name)));
    let rename = |name: &mut String| {
        if let Some(own) = names.get(name) {
            name.clone_from(own);
        }
    };
    for item in items {
        item.expressions_mut(&mut |e| {
            e.visit_mut(&mut |e| {
                if let Expr::Name(name) | Expr::Part(name, _) | Expr::Select { name, .. } = e {
                    rename(name);
                }
            });
        });
        if let Item::Instance(instance) = item {
            for connection in &mut instance.connections {
                if let (Direction::Output, Some(Expr::Name(name))) =
                    (connection.direction, &mut connection.value)
                {
                    rename(name);
                }
            }
        }
    }
}

/// `assign instance_port = simple` goes into the list of connections.
fn connect_inputs(items: &mut Vec<Item>) {
    let (inputs, _) = nets_of_instances(items);
    let mut values: BTreeMap<String, Expr> = BTreeMap::new();
    items.retain(|item| match item {
        Item::Assign(target, value) if inputs.contains(&target.name) && is_simple(value) => {
            values.insert(target.name.clone(), value.clone());
            false
        }
        _ => true,
    });
    items.retain(|item| !matches!(item, Item::Net(net) if values.contains_key(&net.signal.name)));
    for item in items {
        let Item::Instance(instance) = item else { continue };
        for connection in &mut instance.connections {
            if let Some(Expr::Name(name)) = &connection.value
                && let Some(value) = values.get(name)
            {
                connection.value = Some(value.clone());
            }
        }
    }
}

/// Whether an expression reads well as a connection: no operator in it.
fn is_simple(e: &Expr) -> bool {
    let mut simple = true;
    e.visit(&mut |e| {
        simple &= !matches!(e, Expr::Unary(..) | Expr::Binary(..) | Expr::Conditional(..))
    });
    simple
}

/// Outputs of instances that nothing reads stay open.
fn drop_unread(items: &mut Vec<Item>) {
    let (_, outputs) = nets_of_instances(items);
    let mut unread = outputs;
    items.iter().for_each(|item| {
        item.reads(&mut |name, _| {
            unread.remove(name);
        });
    });
    items.retain(|item| !matches!(item, Item::Net(net) if unread.contains(&net.signal.name)));
    for item in items {
        let Item::Instance(instance) = item else { continue };
        for connection in &mut instance.connections {
            if matches!(&connection.value, Some(Expr::Name(name)) if unread.contains(name)) {
                connection.value = None;
            }
        }
    }
}
