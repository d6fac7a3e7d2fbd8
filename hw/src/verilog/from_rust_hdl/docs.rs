//! What the blocks' own sources say of their ports: rust-hdl drops it.
//!
//! A block is known by its ports: it is the one structure with ports of these names, in this order and of these directions.

use super::frame::Port;
use std::sync::OnceLock;

/// Every file with blocks. A test finds the one that is missing.
pub(super) const SOURCES: [&str; 38] = [
    include_str!("../../accelerator.rs"),
    include_str!("../../context.rs"),
    include_str!("../../control/counters.rs"),
    include_str!("../../control/drain.rs"),
    include_str!("../../control/drain/bank_release.rs"),
    include_str!("../../control/drain/unit_context.rs"),
    include_str!("../../control/drain/walker.rs"),
    include_str!("../../control/drain/write_back.rs"),
    include_str!("../../control/fetch.rs"),
    include_str!("../../control/status_select.rs"),
    include_str!("../../control/streamer.rs"),
    include_str!("../../control/weight_loader.rs"),
    include_str!("../../datapath/accumulator.rs"),
    include_str!("../../datapath/array.rs"),
    include_str!("../../datapath/bare_array.rs"),
    include_str!("../../datapath/bounds.rs"),
    include_str!("../../datapath/crossing.rs"),
    include_str!("../../datapath/diagonal_mask.rs"),
    include_str!("../../datapath/lane_select.rs"),
    include_str!("../../datapath/pe.rs"),
    include_str!("../../datapath/pool.rs"),
    include_str!("../../datapath/requantize.rs"),
    include_str!("../../datapath/selector.rs"),
    include_str!("../../leaf/memory.rs"),
    include_str!("../../leaf/register.rs"),
    include_str!("../../leaf/sign_extend.rs"),
    include_str!("../../memory/activation_memory.rs"),
    include_str!("../../memory/activation_memory/granule_write.rs"),
    include_str!("../../memory/activation_memory/select.rs"),
    include_str!("../../memory/loader.rs"),
    include_str!("../../memory/loader/beat.rs"),
    include_str!("../../memory/loader/packer.rs"),
    include_str!("../../memory/loader/receiver.rs"),
    include_str!("../../memory/loader/window.rs"),
    include_str!("../../memory/loader/word_packer.rs"),
    include_str!("../../memory/output.rs"),
    include_str!("../../memory/output/largest.rs"),
    include_str!("../../memory/output/logit_select.rs"),
];

/// A port as a source declares it.
#[derive(Debug, PartialEq, Eq)]
struct Declared {
    name: String,
    input: bool,
    /// It may be of no lane, and then is no port.
    is_vector: bool,
    doc: String,
}

/// What a block is known by: names of its ports, and whether each is an input.
type Shape = Vec<(String, bool)>;

/// What is said of each port; empty where no source declares such a block, or several do and say different things of it.
pub(super) fn of_ports(ports: &[Port]) -> Vec<String> {
    static BLOCKS: OnceLock<Vec<Vec<Declared>>> = OnceLock::new();
    let blocks =
        BLOCKS.get_or_init(|| SOURCES.iter().flat_map(|source| declared(source)).collect());
    let mut key: Shape = vec![];
    let mut of_port = vec![];
    for port in ports {
        let field = super::names::stem(&port.raw);
        let is_next = key.last().is_none_or(|(last, _)| last != field);
        if is_next {
            key.push((field.to_owned(), port.input));
        }
        of_port.push(is_next.then(|| key.len() - 1));
    }
    let matching = || blocks.iter().filter_map(|block| docs(block, &key));
    let fewest = matching().map(|(n_absent, _)| n_absent).min();
    let docs = matching().filter(|(n_absent, _)| Some(*n_absent) == fewest).map(|(_, docs)| docs);
    let docs = docs.reduce(|known, docs| {
        let same = |(known, doc)| if known == doc { known } else { "" };
        known.into_iter().zip(docs).map(same).collect()
    });
    let doc = |at: Option<usize>| docs.as_ref().and_then(|docs| docs.get(at?)).copied();
    of_port.into_iter().map(|at| doc(at).unwrap_or_default().to_owned()).collect()
}

/// How many vectors of a block of this shape are empty, and what is said of the other ports; `None` of another block.
fn docs<'a>(block: &'a [Declared], key: &Shape) -> Option<(usize, Vec<&'a str>)> {
    let mut docs = vec![];
    for port in block {
        match key.get(docs.len()) {
            Some((name, input)) if *name == port.name && *input == port.input => {
                docs.push(port.doc.as_str());
            }
            _ if port.is_vector => {}
            _ => return None,
        }
    }
    (docs.len() == key.len()).then(|| (block.len() - docs.len(), docs))
}

/// The ports of each structure of a source.
fn declared(source: &str) -> Vec<Vec<Declared>> {
    let mut blocks = vec![];
    let mut block: Option<Vec<Declared>> = None;
    let mut doc: Vec<&str> = vec![];
    for line in source.lines() {
        if line == "}" {
            blocks.extend(block.take().filter(|block| !block.is_empty()));
        } else if line.contains("struct ") && line.ends_with('{') && !line.starts_with(' ') {
            block = Some(vec![]);
            doc.clear();
        } else if let (Some(block), Some(field)) = (&mut block, line.strip_prefix("    ")) {
            if let Some(text) = field.strip_prefix("///") {
                doc.push(text.trim());
                continue;
            }
            if let Some((name, input, is_vector)) = port(field) {
                block.push(Declared {
                    name: name.to_owned(),
                    input,
                    is_vector,
                    doc: doc.join(" "),
                });
            }
            doc.clear();
        }
    }
    blocks
}

/// Name and direction of `pub name: Signal<In, ..`, or of a vector of such, and which it is.
fn port(field: &str) -> Option<(&str, bool, bool)> {
    let field = ["pub(crate) ", "pub(super) ", "pub "]
        .iter()
        .find_map(|visible| field.strip_prefix(visible))
        .unwrap_or(field);
    let (name, ty) = field.split_once(": ")?;
    let is_vector = ty.starts_with("Vec<");
    let ty = ty.trim_start_matches("Vec<").strip_prefix("Signal<")?;
    let input = ty.starts_with("In,");
    (input || ty.starts_with("Out,")).then_some((name, input, is_vector))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn files(folder: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                out.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_file_with_blocks_is_read() {
        let mut all = vec![];
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        let has_blocks = |text: &&String| {
            text.lines().any(|line| line.trim_start().starts_with("#[derive(LogicBlock"))
        };
        for text in all.iter().filter(has_blocks) {
            let title = text.lines().next().unwrap_or_default();
            assert!(SOURCES.contains(&text.as_str()), "not in SOURCES: {title}");
        }
    }

    #[test]
    fn ports_are_found_with_what_is_said_of_them() {
        let source = "\
/// A block.
pub struct Block {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// One byte
    /// a lane.
    pub word: Vec<Signal<Out, Bits<8>>>,
    /// No port.
    inner: Other,
    pub plain: Signal<Out, Bit>,
}
";
        let port = |name: &str, input, is_vector, doc: &str| Declared {
            name: name.to_string(),
            input,
            is_vector,
            doc: doc.to_string(),
        };
        let ports = vec![
            port("clock", true, false, "Rising edge."),
            port("word", false, true, "One byte a lane."),
            port("plain", false, false, ""),
        ];
        assert_eq!(declared(source), [ports]);
        let shape = |names: &[&str]| -> Shape {
            names.iter().map(|name| (name.to_string(), *name == "clock")).collect()
        };
        let docs = |names: &[&str]| {
            docs(&declared(source)[0], &shape(names)).map(|(n, docs)| (n, docs.len()))
        };
        assert_eq!(docs(&["clock", "word", "plain"]), Some((0, 3)));
        assert_eq!(docs(&["clock", "plain"]), Some((1, 2)), "a vector of no lane");
        assert_eq!(docs(&["clock", "word"]), None);
        assert_eq!(docs(&["clock", "plain", "word"]), None);
    }
}
