//! The Verilog of a design.

use spec::Design;

use serde_json::Value;

use crate::accelerator::Accelerator;
use crate::datapath::bare_array::BareArray;
use crate::verilog::ir::{Body, Expr, Item, Literal, Module, Part, Signal};
use crate::verilog::{self, Error, Verilog};

/// Name of the top module.
pub const TOP: &str = "accelerator";

/// The accelerator of a design: its first line says which array it is, the first lines of its top module hold every size.
///
/// # Errors
/// A block that the emitter refuses.
pub fn emit(design: &Design) -> Result<Verilog, Error> {
    let mut tree = verilog::design(&mut Accelerator::new(design), TOP)?;
    if let Some(top) = tree.modules.last_mut() {
        VECTORS.iter().for_each(|name| gather(top, name));
    }
    if let Some(Module { body: Body::Items(items), .. }) = tree.modules.last_mut() {
        let sizes = sizes(design).into_iter();
        items.splice(0..0, sizes.map(|(name, value)| parameter(name, value)));
    }
    Ok(Verilog::new(&tree, &title(design)))
}

/// Ports of the top module whose lanes are one vector outside, as buses have them.
const VECTORS: [&str; 2] = ["input_data", "input_keep"];

/// Makes ports `name_0`, `name_1` and so on, which instances alone are connected to, one vector.
fn gather(module: &mut Module, name: &str) {
    let lane = |port: &str| {
        let number = port.strip_prefix(name)?.strip_prefix('_')?;
        number.parse::<usize>().ok()
    };
    let n_lanes = module.ports.iter().filter(|port| lane(&port.signal.name).is_some()).count();
    let Some(first) = module.ports.iter_mut().find(|port| lane(&port.signal.name) == Some(0))
    else {
        return;
    };
    let width = first.signal.width;
    (first.signal.name, first.signal.width) = (String::from(name), n_lanes * width);
    module.ports.retain(|port| lane(&port.signal.name).is_none());
    let Body::Items(items) = &mut module.body else { return };
    let instances = items.iter_mut().filter_map(|item| match item {
        Item::Instance(instance) => Some(instance),
        _ => None,
    });
    for value in
        instances.flat_map(|instance| &mut instance.connections).filter_map(|c| c.value.as_mut())
    {
        let Expr::Name(port) = value else { continue };
        if let Some(lane) = lane(port) {
            *value = match n_lanes {
                1 => Expr::Name(String::from(name)),
                _ => Expr::Part(String::from(name), Part { low: lane * width, width }),
            };
        }
    }
}

/// Name of the top module of [`emit_bare_array`].
pub const BARE_TOP: &str = "bare_array";

/// The array of a design with its selector alone, to compare simulated speeds.
///
/// # Errors
/// A block that the emitter refuses.
pub fn emit_bare_array(design: &Design) -> Result<Verilog, Error> {
    verilog::emit(&mut BareArray::new(design), BARE_TOP, &title(design))
}

/// What the first lines of the Verilog say.
fn title(design: &Design) -> String {
    let array = design.array();
    format!("Twofold accelerator, {} rows x {} columns", array.rows(), array.cols())
}

/// Every number of the configuration by its name in the configuration: `ROWS`, `MEMORIES_TILE`.
fn sizes(design: &Design) -> Vec<(String, u64)> {
    fn add(name: &str, value: &Value, out: &mut Vec<(String, u64)>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(field, value)| {
                let name = if name.is_empty() { field.clone() } else { format!("{name}_{field}") };
                add(&name, value, out);
            }),
            value => out.extend(value.as_u64().map(|value| (name.to_uppercase(), value))),
        }
    }
    let mut out = vec![];
    let value = serde_json::to_value(design.array()).expect("keys are strings");
    add("", &value, &mut out);
    out
}

fn parameter(name: String, value: u64) -> Item {
    let signal = Signal { name, width: 32, signed: false, fields: vec![] };
    Item::Parameter(signal, Literal::new(value.into(), 32).into())
}
