//! What is known of a block while it is visited: its ports, names and sub-blocks.

use super::names::clean;
use super::scope::Named;
use crate::verilog::ir::{self, Direction, Field, Part, Signal, Storage};
use rust_hdl_core::prelude::{TypeDescriptor, TypeKind, clog2};
use std::collections::BTreeMap;

/// A port of a module, under its Verilog name.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) name: String,
    /// rust-hdl's name.
    pub(super) raw: String,
    pub(super) input: bool,
    pub(super) width: usize,
    pub(super) signed: bool,
    pub(super) ty: TypeDescriptor,
}

impl Port {
    /// The port in the tree.
    pub(super) fn declared(&self, storage: Storage, doc: &str) -> ir::Port {
        ir::Port {
            direction: if self.input { Direction::Input } else { Direction::Output },
            signal: Signal {
                name: self.name.clone(),
                width: self.width,
                signed: self.signed,
                fields: fields(&self.ty),
            },
            storage,
            doc: doc.into(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Child {
    /// rust-hdl's field name, such as `pe$3`.
    pub(super) raw: String,
    pub(super) module: String,
    pub(super) ports: Vec<Port>,
    /// What a leaf's register `q` starts at.
    pub(super) initial: Option<String>,
}

/// A block that is being visited.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) raw: String,
    pub(super) namespace: Vec<String>,
    pub(super) ports: Vec<Port>,
    /// Locals and constants in field order.
    pub(super) order: Vec<String>,
    pub(super) names: BTreeMap<String, Named>,
    pub(super) children: Vec<Child>,
}

/// The net of a port of a sub-block.
pub(super) fn net_of(child: &str, port: &str) -> String {
    format!("{}_{port}", clean(child))
}

/// The fields of a bundle, those of its bundles included; none for a type that is no bundle.
pub(super) fn fields(ty: &TypeDescriptor) -> Vec<Field> {
    fn add(ty: &TypeDescriptor, name: &str, low: usize, out: &mut Vec<Field>) -> usize {
        let width = match &ty.kind {
            TypeKind::Bits(width) | TypeKind::Signed(width) => *width,
            TypeKind::Enum(variants) => clog2(variants.len()),
            TypeKind::Composite(inner) => {
                let mut at = low;
                for field in inner {
                    let name = match name {
                        "" => field.fieldname.clone(),
                        outer => format!("{outer}_{}", field.fieldname),
                    };
                    at += add(&field.kind, &name, at, out);
                }
                return at - low;
            }
        };
        out.push(Field { name: name.into(), part: Part { low, width } });
        width
    }
    let mut out = vec![];
    if matches!(ty.kind, TypeKind::Composite(_)) {
        add(ty, "", 0, &mut out);
    }
    out
}
