//! The text of a module, from its port list to `endmodule`.

use super::body::{Statement, lower};
use super::error::Error;
use super::expr::{Kind, Scope, range};
use super::flow::check;
use super::module::{Frame, Port};
use super::names::{clean, stem};
use super::reset;
use super::split::{Split, split};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Explicit module name, comment lines, and everything from the port list to `endmodule`.
pub(super) type Parts = (Option<String>, Vec<String>, String);

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

/// The text of a leaf.
pub(super) fn leaf(path: &str, frame: &Frame, text: &str) -> Result<Parts, Error> {
    if let Some(child) = frame.children.first() {
        return Err(Error::Unsupported {
            path: path.into(),
            what: format!("a leaf with a sub-block `{}`", child.raw),
            help: "write the composition with `#[hdl_gen]`",
        });
    }
    reset::check_leaf(path, text)?;
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
pub(super) struct Writer<'a> {
    pub(super) path: &'a str,
    pub(super) frame: &'a Frame,
}

impl Writer<'_> {
    pub(super) fn composed(
        &self,
        block: &rust_hdl_core::ast::VerilogBlock,
    ) -> Result<Parts, Error> {
        let names = &self.frame.names;
        let lower_with = |aliases: &BTreeMap<String, String>| {
            let mut scope = Scope { path: self.path, names, aliases, loops: vec![] };
            lower(&mut scope, block)
        };
        let mut statements = lower_with(&BTreeMap::new())?;
        check(self.path, names, &statements)?;
        reset::check(self.path, self.frame, &statements)?;
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
