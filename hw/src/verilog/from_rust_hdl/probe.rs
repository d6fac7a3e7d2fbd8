//! Modules: walks the block tree, collects names, and makes each distinct module once.

use super::composed::composed;
use super::frame::{Child, Frame, Port, fields, net_of};
use super::leaf::leaf;
use super::names::{clean, stem};
use super::reset::initial_values;
use super::scope::{Kind, Named, literal_of};
use crate::verilog::error::Error;
use crate::verilog::ir::{Design, Literal, Module};
use crate::verilog::names::{is_identifier, is_keyword};
use rust_hdl_core::atom::is_atom_signed;
use rust_hdl_core::prelude::{
    Atom, AtomKind, Block, Probe, TypeDescriptor, TypeKind, Verilog as Hdl, clog2,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The probe that builds.
pub(super) struct Builder {
    top: String,
    stack: Vec<Frame>,
    /// Module name by the name that is asked for and the module without it.
    known: HashMap<(Option<String>, Module), String>,
    taken: BTreeSet<String>,
    modules: Vec<Module>,
    error: Option<Error>,
}

impl Builder {
    pub(super) fn new(top: &str) -> Builder {
        Builder {
            top: top.into(),
            stack: vec![],
            known: HashMap::new(),
            taken: BTreeSet::from([top.to_string()]),
            modules: vec![],
            error: None,
        }
    }

    pub(super) fn finish(self) -> Result<Design, Error> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(Design { modules: self.modules }),
        }
    }

    fn path(&self) -> String {
        self.stack.iter().map(|f| clean(&f.raw)).collect::<Vec<_>>().join(".")
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result
            && self.error.is_none()
        {
            self.error = Some(error);
        }
    }

    fn add_atom(&mut self, name: &str, atom: &dyn Atom) -> Result<(), Error> {
        let path = self.path();
        let frame = self.stack.last_mut().expect("a signal lies inside a block");
        let raw =
            frame.namespace.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("$");
        let (width, signed) = (atom.bits(), is_atom_signed(atom));
        if width == 0 {
            return Err(Error::Unsupported {
                path,
                what: format!("`{raw}`, a signal of no bits"),
                help: "use a wider type",
            });
        }
        let kind = match atom.kind() {
            AtomKind::InputParameter => Kind::Input,
            AtomKind::OutputParameter => Kind::Output,
            AtomKind::LocalSignal => Kind::Local,
            AtomKind::Constant => Kind::Constant,
            _ => {
                return Err(Error::Unsupported {
                    path,
                    what: format!("`{raw}`, an inout port"),
                    help: "use an input and an output",
                });
            }
        };
        if matches!(kind, Kind::Output | Kind::Local) && !atom.connected() {
            return Err(Error::Undriven { path, signal: raw });
        }
        let name = clean(&raw);
        if matches!(kind, Kind::Input | Kind::Output) {
            let (name, raw, ty) = (name.clone(), raw.clone(), atom.descriptor());
            frame.ports.push(Port { name, raw, input: kind == Kind::Input, width, signed, ty });
        } else {
            frame.order.push(name.clone());
        }
        let value = (kind == Kind::Constant).then(|| literal_of(&atom.verilog(), width));
        insert(
            &path,
            &mut frame.names,
            name,
            Named { raw, kind, width, signed, value, fields: fields(&atom.descriptor()) },
        )?;
        add_variants(&path, &mut frame.names, &atom.descriptor())
    }

    fn end_block(&mut self, frame: Frame, node: &dyn Block) -> Result<(), Error> {
        let path = [self.path(), clean(&frame.raw)]
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect::<Vec<_>>()
            .join(".");
        let mut frame = frame;
        if !self.stack.is_empty() {
            self.check_name(&path, &clean(&frame.raw))?;
        }
        add_children(&path, &mut frame)?;
        for (name, named) in &frame.names {
            if named.kind != Kind::ChildInput && named.kind != Kind::ChildOutput {
                self.check_name(&path, name)?;
            }
        }
        let mut initial = None;
        let draft = match node.hdl() {
            Hdl::Combinatorial(block) => composed(&path, &frame, &block)?,
            Hdl::Custom(text) => {
                initial = initial_values(&text).get("q").map(ToString::to_string);
                leaf(&path, &frame, &text)?
            }
            _ => {
                return Err(Error::Unsupported {
                    path,
                    what: "a block without Verilog of its own".into(),
                    help: "use `#[hdl_gen]`, or return `leaf::verilog` from `hdl`",
                });
            }
        };
        let is_top = self.stack.is_empty();
        let key = (draft.name, draft.module);
        let name = match self.known.get(&key) {
            Some(name) if !is_top => name.clone(),
            _ => {
                let wanted = match &key.0 {
                    _ if is_top => self.top.clone(),
                    Some(name) => name.clone(),
                    None => stem(&frame.raw).into(),
                };
                self.check_name(&path, &wanted)?;
                let name = if is_top { wanted } else { self.free_name(&wanted) };
                self.modules.push(Module { name: name.clone(), ..key.1.clone() });
                self.known.insert(key, name.clone());
                name
            }
        };
        if let Some(parent) = self.stack.last_mut() {
            parent.children.push(Child {
                raw: frame.raw,
                module: name,
                ports: frame.ports,
                initial,
            });
        }
        Ok(())
    }

    fn free_name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            name = format!("{wanted}_{n}");
            n += 1;
        }
        name
    }

    fn check_name(&self, path: &str, name: &str) -> Result<(), Error> {
        if is_keyword(name) {
            return Err(Error::Keyword { path: path.into(), identifier: name.into() });
        }
        if !is_identifier(name) {
            return Err(Error::BadName { path: path.into(), identifier: name.into() });
        }
        Ok(())
    }
}

impl Probe for Builder {
    fn visit_start_scope(&mut self, name: &str, _node: &dyn Block) {
        self.stack.push(Frame { raw: name.into(), ..Frame::default() });
    }

    fn visit_start_namespace(&mut self, name: &str, _node: &dyn Block) {
        if let Some(frame) = self.stack.last_mut() {
            frame.namespace.push(name.into());
        }
    }

    fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
        if self.error.is_none() {
            let result = self.add_atom(name, signal);
            self.note(result);
        }
    }

    fn visit_end_namespace(&mut self, _name: &str, _node: &dyn Block) {
        if let Some(frame) = self.stack.last_mut() {
            frame.namespace.pop();
        }
    }

    fn visit_end_scope(&mut self, _name: &str, node: &dyn Block) {
        if let Some(frame) = self.stack.pop()
            && self.error.is_none()
        {
            let result = self.end_block(frame, node);
            self.note(result);
        }
    }
}

fn insert(
    path: &str,
    names: &mut BTreeMap<String, Named>,
    name: String,
    named: Named,
) -> Result<(), Error> {
    match names.get(&name) {
        Some(other) => Err(Error::Collision {
            path: path.into(),
            identifier: name,
            first: other.raw.clone(),
            second: named.raw,
        }),
        None => {
            names.insert(name, named);
            Ok(())
        }
    }
}

fn add_variants(
    path: &str,
    names: &mut BTreeMap<String, Named>,
    ty: &TypeDescriptor,
) -> Result<(), Error> {
    match &ty.kind {
        TypeKind::Enum(variants) => {
            let width = clog2(variants.len());
            for (value, variant) in variants.iter().enumerate() {
                let raw = variant.replace("::", "$");
                let value = Some(Literal::new(value as u128, width).into());
                let named =
                    Named { raw, kind: Kind::Variant, width, signed: false, value, fields: vec![] };
                match names.get(&clean(variant)) {
                    Some(same) if same.raw == named.raw && same.value == named.value => {}
                    _ => insert(path, names, clean(variant), named)?,
                }
            }
            Ok(())
        }
        TypeKind::Composite(fields) => {
            fields.iter().try_for_each(|f| add_variants(path, names, &f.kind))
        }
        _ => Ok(()),
    }
}

/// Makes the ports of sub-blocks known as `child_port`, and instance names reserved.
fn add_children(path: &str, frame: &mut Frame) -> Result<(), Error> {
    let instances: BTreeMap<String, &str> =
        frame.children.iter().map(|c| (clean(&c.raw), c.raw.as_str())).collect();
    if instances.len() != frame.children.len() {
        return Err(Error::BadName {
            path: path.into(),
            identifier: "two sub-blocks with one name".into(),
        });
    }
    for child in &frame.children {
        for port in &child.ports {
            let raw = format!("{}${}", child.raw, port.raw);
            let kind = if port.input { Kind::ChildInput } else { Kind::ChildOutput };
            let named = Named {
                raw,
                kind,
                width: port.width,
                signed: port.signed,
                value: None,
                fields: fields(&port.ty),
            };
            insert(path, &mut frame.names, net_of(&child.raw, &port.name), named)?;
            add_variants(path, &mut frame.names, &port.ty)?;
        }
    }
    match frame.names.iter().find(|(name, _)| instances.contains_key(*name)) {
        Some((name, named)) => Err(Error::Collision {
            path: path.into(),
            identifier: name.clone(),
            first: named.raw.clone(),
            second: format!("sub-block {}", instances[name]),
        }),
        None => Ok(()),
    }
}
