//! What the blocks' own sources say of their ports: rust-hdl drops it.
//!
//! A block is known by its ports: it is the one structure with ports of these names, in this order and of these directions.

use super::frame::Port;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Every file with blocks. A test finds the one that is missing.
pub(super) const SOURCES: [&str; 37] = [
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

/// A port as a source declares it: name, whether it is an input, what is said of it.
type Declared = (String, bool, String);

/// What a block is known by: names of its ports, and whether each is an input.
type Shape = Vec<(String, bool)>;

/// What is said of each port; empty where no source declares such a block, or several do and say different things of it.
pub(super) fn of_ports(ports: &[Port]) -> Vec<String> {
    static BLOCKS: OnceLock<HashMap<Shape, Vec<String>>> = OnceLock::new();
    let blocks = BLOCKS.get_or_init(|| {
        let mut blocks = HashMap::new();
        for block in SOURCES.iter().flat_map(|source| declared(source)) {
            let key = block.iter().map(|(name, input, _)| (name.clone(), *input)).collect();
            let docs: Vec<String> = block.into_iter().map(|(.., doc)| doc).collect();
            let known = blocks.entry(key).or_insert_with(|| docs.clone());
            for (known, doc) in known.iter_mut().zip(docs) {
                if *known != doc {
                    known.clear();
                }
            }
        }
        blocks
    });
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
    let docs = blocks.get(&key);
    let doc = |at: Option<usize>| at.and_then(|at| docs?.get(at).cloned()).unwrap_or_default();
    of_port.into_iter().map(doc).collect()
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
            if let Some((name, input)) = port(field) {
                block.push((name.to_owned(), input, doc.join(" ")));
            }
            doc.clear();
        }
    }
    blocks
}

/// Name and direction of `pub name: Signal<In, ..`, or of a vector of such.
fn port(field: &str) -> Option<(&str, bool)> {
    let field = ["pub(crate) ", "pub(super) ", "pub "]
        .iter()
        .find_map(|visible| field.strip_prefix(visible))
        .unwrap_or(field);
    let (name, ty) = field.split_once(": ")?;
    let ty = ty.trim_start_matches("Vec<").strip_prefix("Signal<")?;
    let input = ty.starts_with("In,");
    (input || ty.starts_with("Out,")).then_some((name, input))
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
        let port = |name: &str, input, doc: &str| (name.to_string(), input, doc.to_string());
        let ports = vec![
            port("clock", true, "Rising edge."),
            port("word", false, "One byte a lane."),
            port("plain", false, ""),
        ];
        assert_eq!(declared(source), [ports]);
    }
}
