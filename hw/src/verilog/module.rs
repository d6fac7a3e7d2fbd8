//! Modules: walks the block tree, collects names, and writes each distinct module once.

use super::Module;
use super::body::{Split, Statement, check, lower, split};
use super::error::Error;
use super::expr::{Kind, Named, Scope, literal_of, range, sized};
use super::names::{clean, is_identifier, is_keyword, stem};
use rust_hdl_core::atom::is_atom_signed;
use rust_hdl_core::prelude::{
    Atom, AtomKind, Block, Probe, TypeDescriptor, TypeKind, Verilog as Hdl, clog2,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

/// A port of a module, under its Verilog name.
#[derive(Debug, Clone)]
struct Port {
    name: String,
    /// rust-hdl's name.
    raw: String,
    input: bool,
    width: usize,
    signed: bool,
    ty: TypeDescriptor,
}

#[derive(Debug)]
struct Child {
    /// rust-hdl's field name, such as `pe$3`.
    raw: String,
    module: String,
    ports: Vec<Port>,
}

/// A block that is being visited.
#[derive(Debug, Default)]
struct Frame {
    raw: String,
    namespace: Vec<String>,
    ports: Vec<Port>,
    /// Locals and constants in field order.
    order: Vec<String>,
    names: BTreeMap<String, Named>,
    children: Vec<Child>,
}

/// The probe that emits.
pub(super) struct Emitter {
    top: String,
    stack: Vec<Frame>,
    /// Module name by explicit name and text.
    known: HashMap<(Option<String>, String), String>,
    taken: BTreeSet<String>,
    modules: Vec<Module>,
    error: Option<Error>,
}

impl Emitter {
    pub(super) fn new(top: &str) -> Emitter {
        Emitter {
            top: top.into(),
            stack: vec![],
            known: HashMap::new(),
            taken: BTreeSet::from([top.to_string()]),
            modules: vec![],
            error: None,
        }
    }

    pub(super) fn finish(self) -> Result<Vec<Module>, Error> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.modules),
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
        let value =
            if kind == Kind::Constant { literal_of(&atom.verilog(), width) } else { String::new() };
        insert(&path, &mut frame.names, name, Named { raw, kind, width, signed, value })?;
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
        let (explicit, comment, text) = match node.hdl() {
            Hdl::Combinatorial(block) => {
                let (explicit, comment, body) =
                    Writer { path: &path, frame: &frame }.composed(&block)?;
                (explicit, comment, body)
            }
            Hdl::Custom(text) => leaf(&path, &frame, &text)?,
            _ => {
                return Err(Error::Unsupported {
                    path,
                    what: "a block without Verilog of its own".into(),
                    help: "use `#[hdl_gen]`, or return `leaf::verilog` from `hdl`",
                });
            }
        };
        let is_top = self.stack.is_empty();
        let key = (explicit.clone(), text.clone());
        let name = match self.known.get(&key) {
            Some(name) if !is_top => name.clone(),
            _ => {
                let wanted = if is_top {
                    self.top.clone()
                } else {
                    explicit.unwrap_or_else(|| stem(&frame.raw).into())
                };
                self.check_name(&path, &wanted)?;
                let name = if is_top { wanted } else { self.free_name(&wanted) };
                self.known.insert(key, name.clone());
                let mut module = String::new();
                for line in comment {
                    let _ = writeln!(module, "// {line}");
                }
                let _ = write!(module, "module {name} {text}");
                self.modules.push(Module { name: name.clone(), text: module });
                name
            }
        };
        if let Some(parent) = self.stack.last_mut() {
            parent.children.push(Child { raw: frame.raw, module: name, ports: frame.ports });
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

impl Probe for Emitter {
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
                let value = sized(value as u128, width);
                let named = Named { raw, kind: Kind::Variant, width, signed: false, value };
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
            let named =
                Named { raw, kind, width: port.width, signed: port.signed, value: String::new() };
            insert(path, &mut frame.names, format!("{}_{}", clean(&child.raw), port.name), named)?;
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

/// Explicit module name, comment lines, and everything from the port list to `endmodule`.
type Parts = (Option<String>, Vec<String>, String);

/// Takes `module name: comment` apart.
fn title(line: &str) -> Option<(String, Vec<String>)> {
    let rest = line.trim().trim_start_matches("//").trim().strip_prefix("module ")?;
    let (name, comment) = rest.split_once(':').unwrap_or((rest, ""));
    let comment = comment.trim();
    Some((name.trim().into(), if comment.is_empty() { vec![] } else { vec![comment.into()] }))
}

fn declaration(kind: &str, signed: bool, width: usize, name: &str) -> String {
    let words = [kind, if signed { "signed" } else { "" }, &range(width), name];
    words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

fn port_list(ports: &[Port], is_reg: &dyn Fn(&str) -> bool) -> String {
    let lines: Vec<String> = ports
        .iter()
        .map(|port| {
            let kind = match (port.input, is_reg(&port.name)) {
                (true, _) => "input wire",
                (false, true) => "output reg",
                (false, false) => "output wire",
            };
            format!("    {}", declaration(kind, port.signed, port.width, &port.name))
        })
        .collect();
    format!("(\n{}\n);\n", lines.join(",\n"))
}

fn leaf(path: &str, frame: &Frame, text: &str) -> Result<Parts, Error> {
    if let Some(child) = frame.children.first() {
        return Err(Error::Unsupported {
            path: path.into(),
            what: format!("a leaf with a sub-block `{}`", child.raw),
            help: "write the composition with `#[hdl_gen]`",
        });
    }
    let mut lines = text.trim().lines();
    let (name, comment) = match lines.next().and_then(title) {
        Some((name, comment)) => (Some(name), comment),
        None => {
            lines = text.trim().lines();
            (None, vec![])
        }
    };
    let body: Vec<&str> = lines.map(str::trim_end).collect();
    let words: BTreeSet<&str> = body
        .iter()
        .flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')))
        .collect();
    if let Some(port) = frame.ports.iter().find(|p| !p.input && !words.contains(p.name.as_str())) {
        return Err(Error::Undriven { path: path.into(), signal: port.raw.clone() });
    }
    let assigned: BTreeSet<&str> = body
        .iter()
        .filter_map(|line| line.trim().strip_prefix("assign "))
        .map(|rest| {
            rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .next()
                .unwrap_or_default()
        })
        .collect();
    let mut out = port_list(&frame.ports, &|name| !assigned.contains(name));
    for line in body {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "    {line}");
        }
    }
    out.push_str("endmodule\n");
    Ok((name, comment, out))
}

/// Writes a composed block.
struct Writer<'a> {
    path: &'a str,
    frame: &'a Frame,
}

impl Writer<'_> {
    fn composed(&self, block: &rust_hdl_core::ast::VerilogBlock) -> Result<Parts, Error> {
        let names = &self.frame.names;
        let lower_with = |aliases: &BTreeMap<String, String>| {
            let mut scope = Scope { path: self.path, names, aliases, loops: vec![] };
            lower(&mut scope, block)
        };
        let mut statements = lower_with(&BTreeMap::new())?;
        check(self.path, names, &statements)?;
        let aliases = self.aliases(&split(statements.clone()));
        if !aliases.is_empty() {
            statements = lower_with(&aliases)?;
        }
        let mut name = (None, vec![]);
        if let Some(Statement::Comment(text)) = statements.first()
            && let Some((module, comment)) = title(text)
        {
            name = (Some(module), comment);
            statements.remove(0);
        }
        let text = self.text(statements, &aliases);
        Ok((name.0, name.1, text))
    }

    /// Outputs of sub-blocks that are nothing but an own output or local signal, and its name.
    fn aliases(&self, split: &Split) -> BTreeMap<String, String> {
        let mut aliases = BTreeMap::new();
        for (target, value, _) in &split.continuous {
            let Some(source) = value.whole_signal() else { continue };
            let names = &self.frame.names;
            let own = matches!(names[target].kind, Kind::Output | Kind::Local);
            if own && names.get(source).is_some_and(|n| n.kind == Kind::ChildOutput) {
                aliases.entry(source.to_string()).or_insert_with(|| target.clone());
            }
        }
        aliases
    }

    fn text(&self, statements: Vec<Statement>, aliases: &BTreeMap<String, String>) -> String {
        let names = &self.frame.names;
        let split = split(statements.clone());
        let mut reads = BTreeSet::new();
        statements.iter().for_each(|s| s.reads(&mut reads));
        let continuous: BTreeMap<&str, _> =
            split.continuous.iter().map(|(t, v, _)| (t.as_str(), v)).collect();
        let inline = |name: &str| {
            names[name].kind == Kind::ChildInput
                && continuous.get(name).is_some_and(|value| value.simple)
        };

        let mut out = port_list(&self.frame.ports, &|name| split.procedural.contains(name));
        let mut section = |lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(out, "    {}\n", lines.join("\n    "));
            }
        };
        let mut constants = vec![];
        let mut variants: Vec<_> = names
            .iter()
            .filter(|(name, n)| n.kind == Kind::Variant && reads.contains(name.as_str()))
            .collect();
        variants.sort_by_key(|(_, n)| (stem(&n.raw), n.value.len(), &n.value));
        for (name, n) in variants {
            constants.push(format!(
                "{} = {};",
                declaration("localparam", false, n.width, name),
                n.value
            ));
        }
        for name in &self.frame.order {
            let n = &names[name];
            if n.kind == Kind::Constant && reads.contains(name.as_str()) {
                constants.push(format!(
                    "{} = {};",
                    declaration("localparam", n.signed, n.width, name),
                    n.value
                ));
            }
        }
        section(constants);
        let mut nets = vec![];
        let locals =
            self.frame.order.iter().filter(|name| names[*name].kind == Kind::Local).cloned();
        let child_ports = self.frame.children.iter().flat_map(|child| {
            child.ports.iter().map(|port| format!("{}_{}", clean(&child.raw), port.name))
        });
        for name in locals.chain(child_ports) {
            let n = &names[&name];
            let hidden = inline(&name)
                || n.kind == Kind::ChildOutput
                    && (aliases.contains_key(&name) || !reads.contains(name.as_str()));
            if !hidden {
                let kind = if split.procedural.contains(&name) { "reg" } else { "wire" };
                nets.push(format!("{};", declaration(kind, n.signed, n.width, &name)));
            }
        }
        section(nets);
        for child in &self.frame.children {
            let instance = clean(&child.raw);
            let connections: Vec<String> = child
                .ports
                .iter()
                .map(|port| {
                    let net = format!("{instance}_{}", port.name);
                    let text = if inline(&net) {
                        continuous[net.as_str()].text.clone()
                    } else if let Some(alias) = aliases.get(&net) {
                        alias.clone()
                    } else if !port.input && !reads.contains(net.as_str()) {
                        String::new()
                    } else {
                        net
                    };
                    format!("        .{}({text})", port.name)
                })
                .collect();
            section(vec![format!(
                "{} {instance} (\n{}\n    );",
                child.module,
                connections.join(",\n")
            )]);
        }
        let mut assigns = vec![];
        for (target, value, comments) in &split.continuous {
            let aliased = aliases.values().any(|alias| alias == target);
            if !inline(target) && !aliased {
                assigns.extend(comments.iter().map(|c| format!("// {c}")));
                assigns.push(format!("assign {target} = {};", value.text));
            }
        }
        section(assigns);
        for group in &split.groups {
            let mut text = String::new();
            group.iter().for_each(|s| s.render(2, &mut text));
            section(vec![format!("always @(*) begin\n{text}    end")]);
        }
        let mut out = out.trim_end().to_string();
        out.push_str("\nendmodule\n");
        out
    }
}
