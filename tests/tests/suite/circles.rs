//! The files of a crate use each other in one direction: siblings in a folder never form a circle.
//!
//! A module stands for its whole subtree here. What a child uses of its parent is left out: a parent introduces its
//! children and may hold what they share.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::root;

/// Crates whose files are in order.
const CRATES: [&str; 8] = ["spec", "dataset", "codegen", "hw", "sim", "flow", "cli", "trainer"];

/// Modules by path (`a::b`; the root is empty), each with those that it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_siblings_use_each_other_in_a_circle() {
    for name in CRATES {
        let graph = graph(name);
        assert!(
            graph.values().any(|uses| !uses.is_empty()) || graph.len() == 1,
            "{name}: no file uses another"
        );
        let parents: BTreeSet<&str> = graph.keys().map(|module| parent(module)).collect();
        for parent in parents {
            let rest = left_in_circles(&between_children(&graph, parent));
            assert!(rest.is_empty(), "{name}: files use each other in a circle: {rest:#?}");
        }
    }
}

#[test]
fn the_trainers_wings_use_those_above_them() {
    let lib = fs::read_to_string(root().join("trainer/src/lib.rs")).unwrap();
    let wings: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split_once("`] |"))
        .map(|(wing, _)| wing)
        .collect();
    assert!(wings.len() >= 5, "{wings:?}");
    let uses = between_children(&graph("trainer"), "");
    for (idx, wing) in wings.iter().enumerate() {
        let below = wings[idx + 1..].iter().find(|other| uses[*wing].contains(**other));
        assert_eq!(below, None, "{wing} uses a wing that lib.rs lists below it");
    }
}

#[test]
fn circles_are_found() {
    let graph = |uses: &[(&str, &[&str])]| -> Graph {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        uses.iter().map(|(module, uses)| ((*module).to_owned(), owned(uses))).collect()
    };
    let tree = graph(&[("a", &["b::c", "d"]), ("b", &["b::c"]), ("b::c", &["b", "d"]), ("d", &[])]);
    assert!(left_in_circles(&between_children(&tree, "")).is_empty());
    assert!(left_in_circles(&between_children(&tree, "b")).is_empty());
    let circle =
        graph(&[("a", &["b::c"]), ("b", &[]), ("b::c", &["d"]), ("d", &["a"]), ("e", &["a"])]);
    let left: Vec<_> = left_in_circles(&between_children(&circle, "")).into_keys().collect();
    assert_eq!(left, ["a", "b", "d"]);
}

#[test]
fn uses_are_read_as_the_compiler_does() {
    let paths = |text: &str| paths(text).into_iter().collect::<Vec<_>>();
    let nested = "use crate::a::{self, b::{C, d as e}};\n// use crate::no;\nlet x = crate::f::g();";
    assert_eq!(paths(nested), ["crate::a", "crate::a::b::C", "crate::a::b::d", "crate::f::g"]);
    assert_eq!(
        paths("pub use child::Item;\n#[cfg(test)]\nmod tests { use crate::z; }"),
        ["child::Item"]
    );
}

/// What the files of a crate use of each other, tests left out. What a module gives on by `pub use` counts as that of
/// the module that has it.
fn graph(name: &str) -> Graph {
    let files = Files::read(name);
    let uses_of = |module: &str, text: &str| {
        let paths = paths(text).into_iter().filter_map(|path| files.absolute(module, &path));
        paths.map(|path| files.owner(&path)).filter(|owner| owner != module).collect()
    };
    files.0.iter().map(|(module, text)| (module.clone(), uses_of(module, text))).collect()
}

/// Texts of a crate's modules.
struct Files(BTreeMap<String, String>);

impl Files {
    fn read(name: &str) -> Self {
        let source = root().join(name).join("src");
        let (mut files, mut folders) = (BTreeMap::new(), vec![source.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("the checkout is readable") {
                let path = entry.expect("the checkout is readable").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let module = path.strip_prefix(&source).expect("it is below").with_extension("");
                let module = module
                    .to_str()
                    .expect("names are UTF-8")
                    .replace(std::path::MAIN_SEPARATOR, "::");
                let module = if module == "lib" { String::new() } else { module };
                if module != "main" && !module.ends_with("tests") {
                    files.insert(
                        module,
                        fs::read_to_string(&path).expect("the checkout is readable"),
                    );
                }
            }
        }
        Self(files)
    }

    /// A path as it starts at the root of the crate; `None` where it is one of another crate.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        if let Some(path) = path.strip_prefix("crate::") {
            return Some(path.to_owned());
        }
        if let Some(path) = path.strip_prefix("super::") {
            return self.absolute(parent(module), &format!("self::{path}"));
        }
        if let Some(path) = path.strip_prefix("self::") {
            let is_above = path.starts_with("super::");
            return if is_above { self.absolute(module, path) } else { Some(joined(module, path)) };
        }
        let child = joined(module, path.split("::").next().unwrap_or_default());
        self.0.contains_key(&child).then(|| joined(module, path))
    }

    /// The module that has what an absolute path names.
    fn owner(&self, path: &str) -> String {
        let mut module = path;
        while !self.0.contains_key(module) {
            module = parent(module);
        }
        let rest = path[module.len()..].trim_start_matches("::");
        let item = rest.split("::").next().unwrap_or_default();
        let given_on = exports(&self.0[module]).into_iter().find_map(|export| {
            let is_it = !item.is_empty() && export.ends_with(&format!("::{item}"));
            self.absolute(module, &export).filter(|export| is_it && export != path)
        });
        given_on.map_or_else(|| module.to_owned(), |path| self.owner(&path))
    }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn joined(module: &str, path: &str) -> String {
    if module.is_empty() { path.to_owned() } else { format!("{module}::{path}") }
}

/// Every path that a file imports or names from the root of its crate.
fn paths(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let named = code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
        format!("crate::{}", rest[..end.unwrap_or(rest.len())].trim_end_matches(':'))
    });
    let is_path = |path: &String| path.len() > "crate::".len();
    named.filter(is_path).chain(imports(&code, |_| true)).collect()
}

/// What a file gives on.
fn exports(text: &str) -> BTreeSet<String> {
    imports(&code(text), |before| before.ends_with("pub") || before.ends_with("pub(crate)"))
        .collect()
}

/// Lines of code before the tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Paths of the `use` declarations after words that `is_wanted` takes.
fn imports(code: &str, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].rsplit(['\n', ';', '{', '}']).next().unwrap_or_default().trim();
        if ["", "pub", "pub(crate)", "pub(super)"].contains(&before) && is_wanted(before) {
            let tree = code[at + 4..].split(';').next().unwrap_or_default();
            paths.extend(leaves(&tree.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    paths.into_iter()
}

/// The paths that a tree of braces stands for.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim_end_matches("::self").trim_end_matches("::*").to_owned()];
    };
    let (mut depth, mut leaf, mut all) = (0, String::new(), Vec::new());
    for c in rest[..rest.rfind('}').unwrap_or(rest.len())].chars() {
        match c {
            ',' if depth == 0 => all.push(std::mem::take(&mut leaf)),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                leaf.push(c);
            }
        }
    }
    all.push(leaf);
    let all = all.iter().filter(|leaf| !leaf.trim().is_empty());
    all.flat_map(|leaf| leaves(&format!("{prefix}{}", leaf.trim()))).collect()
}

/// What the children of a module, with all below them, use of each other.
fn between_children(graph: &Graph, of: &str) -> Graph {
    let child = |module: &str| {
        let below =
            if of.is_empty() { module } else { module.strip_prefix(of)?.strip_prefix("::")? };
        let first = below.split("::").next().filter(|first| !first.is_empty())?;
        Some(first.to_owned())
    };
    let mut between = Graph::new();
    for (module, uses) in graph {
        let Some(from) = child(module) else { continue };
        let others = uses.iter().filter_map(|used| child(used)).filter(|other| *other != from);
        let others: Vec<_> = others.collect();
        between.entry(from).or_default().extend(others);
    }
    between
}

/// What remains when modules that use none of the others are taken away again and again, and those that none uses.
fn left_in_circles(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    loop {
        let n = graph.len();
        let modules: BTreeSet<_> = graph.keys().cloned().collect();
        graph.retain(|_, uses| uses.iter().any(|used| modules.contains(used)));
        let used: BTreeSet<_> = graph.values().flatten().cloned().collect();
        graph.retain(|module, _| used.contains(module));
        if graph.len() == n {
            return graph;
        }
    }
}
