//! Tables as data: groups of rows, each a set of training options, in TOML.
//!
//! ```toml
//! name = "small"            # of the run folder and in the title
//! data = "sar-sim"          # what is used without --data; may be left out
//! one_teacher = true        # all seeds are taught by the teacher of seed 1; false if left out
//! [options]                 # flags of `trainer train` for every run
//! batch = 32
//! [[teacher]]               # run first
//! name = "big"
//! options = { teacher = "a-convnet", teacher-epochs = 30 }
//! [[group]]                 # printed as one table
//! name = "s2d"
//! title = "s2d"
//! teacher = "big"           # who teaches the variant `taught`
//! variants = ["alone", "taught"]
//! options = { student = "s2d", epochs = 40 }
//! [[group.row]]
//! name = "dense"
//! narrow = false            # true: a dense network of the cycles of a half-pruned one
//! options = { sparsity = "dense" }
//! ```
//!
//! Options of a row go before those of its group, those before the table's.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::TOML;
use crate::network::architecture::Architecture;
use crate::run::config;

/// Tables that come with the program.
const BUILT_IN: [(&str, &str); 3] = [
    ("mstar", include_str!("../../tables/mstar.toml")),
    ("cifar100", include_str!("../../tables/cifar100.toml")),
    ("sar-sim", include_str!("../../tables/sar-sim.toml")),
];
/// Flags that the table itself gives to each run.
const OWN_FLAGS: [&str; 6] = ["data", "seed", "output", "resume", "config", "expect"];

/// A table that can be run: names are unique, options are ones that `trainer train` takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name in titles and of the run folder.
    pub name: String,
    /// Data where the command line names none.
    pub data: Option<String>,
    /// Whether all seeds have the teacher of seed 1.
    pub one_teacher: bool,
    /// Rows without a student.
    pub teachers: Vec<Row>,
    /// Rows that are compared with each other.
    pub groups: Vec<Group>,
}

/// Rows that are printed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Short name, part of the run folders.
    pub name: String,
    /// Heading.
    pub title: String,
    /// In the order of the file.
    pub rows: Vec<Row>,
}

/// What a row stands for in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Teaches others.
    Teacher,
    /// All weights of the network.
    Dense,
    /// All weights of a network of the cycles of a half-pruned one.
    Narrow,
    /// Half of the weights, anywhere.
    Unstructured,
    /// One of each pair of weights, half of the cycles.
    Uhp,
    /// One of each pair of weights in patterns that the array runs at the dense rate.
    UhpFree,
}

/// One training, but for its seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Run folder under the table's: `GROUP-NAME-VARIANT`, or `teacher-NAME`.
    pub id: String,
    /// Name in the file.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// Index of the teacher's row.
    pub teacher: Option<usize>,
    /// Flags of `trainer train`, those of [`Table`]'s own left out.
    pub flags: Vec<String>,
    /// All options that these flags come to, defaults included.
    pub options: Value,
    /// Definition of the network that is trained.
    pub network: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    name: String,
    data: Option<String>,
    #[serde(default)]
    one_teacher: bool,
    #[serde(default)]
    options: toml::Table,
    #[serde(default)]
    teacher: Vec<RowFile>,
    group: Vec<GroupFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    name: String,
    title: String,
    teacher: Option<String>,
    #[serde(default = "alone")]
    variants: Vec<Variant>,
    #[serde(default)]
    options: toml::Table,
    row: Vec<RowFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Variant {
    Alone,
    Taught,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    name: String,
    #[serde(default)]
    narrow: bool,
    #[serde(default)]
    options: toml::Table,
}

fn alone() -> Vec<Variant> {
    vec![Variant::Alone]
}

impl Table {
    /// A built-in table by name, or one from a `.toml` file; `changes` (`KEY=VALUE`) go before every option of it.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, or a table that breaks a rule; the message names file and row.
    pub fn named(name: &str, changes: &[String]) -> Result<Self> {
        let text = match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (*text).to_owned(),
            None if name.ends_with(".toml") => spec::files::read_text(Path::new(name), TOML)
                .with_context(|| format!("{name}: cannot be read"))?,
            None => {
                let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                bail!(
                    "no table is called `{name}`; there are {}, or give a .toml file",
                    names.join(", ")
                )
            }
        };
        Self::parse(&text, changes).with_context(|| format!("table {name}"))
    }

    fn parse(text: &str, changes: &[String]) -> Result<Self> {
        let file: TableFile = toml::from_str(text)?;
        check_name(&file.name)?;
        let changes = parse_changes(changes)?;
        let mut teachers: Vec<Row> = Vec::new();
        for row in &file.teacher {
            let own = toml::Table::from_iter([("student".to_owned(), "none".into())]);
            let options = merged([&file.options, &row.options, &changes, &own]);
            let id = format!("teacher-{}", row.name);
            let teacher = new_row(row, id, Kind::Teacher, &options)
                .with_context(|| format!("teacher `{}`", row.name))?;
            teachers.push(teacher);
        }
        let mut groups = Vec::new();
        for group in &file.group {
            let new = new_group(group, &file.options, &changes, &teachers);
            groups.push(new.with_context(|| format!("group `{}`", group.name))?);
        }
        let table = Self {
            name: file.name,
            data: file.data,
            one_teacher: file.one_teacher,
            teachers,
            groups,
        };
        let mut ids: Vec<_> = table.rows().map(|row| &row.id).collect();
        ids.sort();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("two rows come to the run folder `{}`; give them other names", twice[0]);
        }
        Ok(table)
    }

    /// All rows, teachers first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.teachers.iter().chain(self.groups.iter().flat_map(|group| &group.rows))
    }

    /// Keeps the rows whose name, run folder or group is in `names`, and the teachers that they need.
    ///
    /// # Errors
    /// A name that no row has.
    pub fn select(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            let known = self.teachers.iter().any(|row| row.is_called(name))
                || self.groups.iter().any(|group| {
                    group.name == *name || group.rows.iter().any(|row| row.is_called(name))
                });
            ensure!(
                known,
                "table {} has no row `{name}`; rows go by name, by group or by folder: {}",
                self.name,
                self.rows().map(|row| row.id.as_str()).collect::<Vec<_>>().join(", ")
            );
        }
        for group in &mut self.groups {
            let whole = names.contains(&group.name);
            group.rows.retain(|row| whole || names.iter().any(|name| row.is_called(name)));
        }
        self.groups.retain(|group| !group.rows.is_empty());
        Ok(())
    }

    /// Indices of the teachers that some row needs, or that `names` has.
    pub fn needed_teachers(&self, names: &[String]) -> Vec<usize> {
        let rows = || self.groups.iter().flat_map(|group| &group.rows);
        let is_needed = |idx: &usize| {
            names.is_empty()
                || names.iter().any(|name| self.teachers[*idx].is_called(name))
                || rows().any(|row| row.teacher == Some(*idx))
        };
        (0..self.teachers.len()).filter(is_needed).collect()
    }
}

impl Row {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.id == name
    }
}

fn new_group(
    group: &GroupFile,
    common: &toml::Table,
    changes: &toml::Table,
    teachers: &[Row],
) -> Result<Group> {
    check_name(&group.name)?;
    ensure!(!group.row.is_empty(), "it has no row");
    ensure!(!group.variants.is_empty(), "`variants` is empty; it can have `alone` and `taught`");
    let teacher = group
        .teacher
        .as_ref()
        .map(|name| {
            let known = teachers.iter().position(|row| row.name == *name);
            known.with_context(|| format!("no [[teacher]] is called `{name}`"))
        })
        .transpose()?;
    let mut rows = Vec::new();
    for &variant in &group.variants {
        let (teacher, suffix) = match variant {
            Variant::Alone => (None, "alone"),
            Variant::Taught => {
                let teacher = teacher
                    .context("variant `taught` needs `teacher`, the name of a [[teacher]]")?;
                (Some(teacher), "taught")
            }
        };
        for row in &group.row {
            let mut options = merged([common, &group.options, &row.options, changes]);
            let context = || format!("row `{}`", row.name);
            ensure!(
                !options.contains_key("teacher"),
                "{}: `teacher` is no option of a row; it follows from `variants`",
                context()
            );
            if teacher.is_none() {
                options.insert("teacher".to_owned(), "none".into());
            }
            let id = format!("{}-{}-{suffix}", group.name, row.name);
            let mut new = new_row(row, id, Kind::Dense, &options).with_context(context)?;
            new.kind = kind_of(&options, row.narrow).with_context(context)?;
            new.teacher = teacher;
            rows.push(new);
        }
    }
    Ok(Group { name: group.name.clone(), title: group.title.clone(), rows })
}

fn new_row(row: &RowFile, id: String, kind: Kind, options: &toml::Table) -> Result<Row> {
    check_name(&row.name)?;
    let flags = flags_of(options)?;
    let options =
        config::parse(flags.iter().map(Into::into)).context("trainer train refuses it")?;
    let (role, trained) = match kind {
        Kind::Teacher => ("teacher", options.teacher.as_str()),
        _ => ("student", options.student.as_str()),
    };
    ensure!(trained != "none", "`{role}` is `none`, and the row has none other to train");
    options.check().context("trainer train refuses it")?;
    let definition = Architecture::named(trained)?.definition;
    let network = serde_json::to_value(toml::from_str::<toml::Table>(&definition)?)?;
    let options = Value::Object(options.to_json("")?);
    Ok(Row { id, name: row.name.clone(), kind, teacher: None, flags, options, network })
}

fn kind_of(options: &toml::Table, narrow: bool) -> Result<Kind> {
    let sparsity = options.get("sparsity").and_then(toml::Value::as_str);
    let sparsity = sparsity.context("`sparsity` is missing; it is what rows differ in")?;
    Ok(match sparsity {
        "dense" if narrow => Kind::Narrow,
        _ if narrow => bail!("a `narrow` row has to be dense, and its sparsity is {sparsity}"),
        "dense" => Kind::Dense,
        "unstructured" => Kind::Unstructured,
        "uhp-free" => Kind::UhpFree,
        _ => Kind::Uhp,
    })
}

/// Later tables go before earlier ones.
fn merged<const N: usize>(tables: [&toml::Table; N]) -> toml::Table {
    tables.into_iter().flat_map(|table| table.clone()).collect()
}

/// Options as command-line flags, in the order of their names.
fn flags_of(options: &toml::Table) -> Result<Vec<String>> {
    let flag = |(key, value): (&String, &toml::Value)| {
        ensure!(
            !OWN_FLAGS.contains(&key.as_str()),
            "`{key}` is no option of a row: the table gives it to each run"
        );
        let value = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                value.to_string()
            }
            _ => bail!(
                "`{key}` is of type {}; an option is one word, number or truth value",
                value.type_str()
            ),
        };
        Ok(format!("--{key}={value}"))
    };
    options.iter().map(flag).collect()
}

fn parse_changes(changes: &[String]) -> Result<toml::Table> {
    let parse = |change: &String| {
        let (key, value) = change
            .split_once('=')
            .with_context(|| format!("--set {change}: not of the form KEY=VALUE"))?;
        let as_toml = toml::from_str::<toml::Table>(&format!("value = {value}"));
        let value = as_toml.ok().and_then(|mut table| table.remove("value"));
        let value = value.unwrap_or_else(|| change[key.len() + 1..].into());
        Ok((key.trim().to_owned(), value))
    };
    changes.iter().map(parse).collect()
}

fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ensure!(
        !name.is_empty() && name.chars().all(is_plain) && !name.starts_with('.'),
        "name `{name}` becomes a folder: use letters, digits, `-`, `_` and `.`"
    );
    Ok(())
}
