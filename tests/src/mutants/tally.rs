//! What came of a campaign, module by module.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use spec::files::{Limit, read_text};

use super::campaign::Verdict;
use super::schemata::{Mutant, Wing};

/// Of the mutants that are not proven equivalent, explained or not, so many in a hundred have to die.
pub const LEAST_KILLED: f64 = 97.0;
/// Explained survivors.
const FILE: &str = "tests/mutants.json";
const LIMIT: Limit = Limit::new("explained mutants", 1 << 20);

/// A mutant that may survive, and why. It is told by its text: line numbers move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// Module.
    pub module: String,
    /// The line of the Verilog; empty for any.
    #[serde(default)]
    pub statement: String,
    /// What is right; empty for anything on that line.
    #[serde(default)]
    pub original: String,
    /// What it becomes; empty for anything.
    #[serde(default)]
    pub mutated: String,
    /// Why no test can tell it.
    pub reason: String,
    /// What always holds in the module, an expression of its text: every run of the suite asserts it, and Yosys may assume it.
    #[serde(default)]
    pub assume: String,
}

impl Explanation {
    /// Whether this is about `mutant`.
    pub fn is_of(&self, mutant: &Mutant) -> bool {
        let Self { module, statement, original, mutated, .. } = self;
        *module == mutant.module
            && (original.is_empty() || *original == mutant.original)
            && (statement.is_empty() || *statement == mutant.statement)
            && (mutated.is_empty() || *mutated == mutant.mutated)
    }
}

/// The committed explanations.
#[derive(Clone, Debug, Default)]
pub struct Explanations {
    /// In the order of the file.
    pub all: Vec<Explanation>,
}

/// Explanations that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}; help: compare with tests/src/mutants/tally.rs", path = path.display())]
pub struct ExplanationsError {
    path: PathBuf,
    reason: String,
}

impl Explanations {
    /// Reads those of a checkout.
    ///
    /// # Errors
    /// A file that cannot be read or is none.
    pub fn read(root: &Path) -> Result<Self, ExplanationsError> {
        let path = root.join(FILE);
        let error = |reason: String| ExplanationsError { path: path.clone(), reason };
        let text = read_text(&path, LIMIT).map_err(|source| error(source.to_string()))?;
        let all = serde_json::from_str(&text).map_err(|source| error(source.to_string()))?;
        Ok(Self { all })
    }

    /// What always holds in modules: name and expression.
    pub fn assumptions(&self) -> BTreeSet<(&str, &str)> {
        let assuming = self.all.iter().filter(|explanation| !explanation.assume.is_empty());
        assuming
            .map(|explanation| (explanation.module.as_str(), explanation.assume.as_str()))
            .collect()
    }

    /// That of a mutant.
    pub fn of(&self, mutant: &Mutant) -> Option<&Explanation> {
        self.all.iter().find(|explanation| explanation.is_of(mutant))
    }
}

/// `n` of the mutants, half of them in control as far as there are so many of either wing, in the order of the text.
pub fn sample(mutants: &[Mutant], n: usize, seed: u64) -> Vec<&Mutant> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let of = |wing| mutants.iter().filter(move |mutant| mutant.wing() == wing);
    let n = n.min(mutants.len());
    let n_control = n.div_ceil(2).max(n.saturating_sub(of(Wing::Data).count()));
    let mut chosen = of(Wing::Control).sample(&mut rng, n_control);
    let n_rest = n - chosen.len();
    chosen.extend(of(Wing::Data).sample(&mut rng, n_rest));
    chosen.sort_by_key(|mutant| mutant.number);
    chosen
}

/// Numbers of mutants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    n: usize,
    killed: usize,
    equivalent: usize,
    explained: usize,
}

impl Row {
    /// Killed, of a hundred that are not equivalent; those that are explained are survivors.
    fn share(&self) -> f64 {
        self.share_of(self.n - self.equivalent)
    }

    /// Killed, of a hundred that are neither equivalent nor explained.
    fn share_of_unexplained(&self) -> f64 {
        self.share_of(self.n - self.equivalent - self.explained)
    }

    fn share_of(&self, n: usize) -> f64 {
        if n == 0 { 100.0 } else { self.killed as f64 * 100.0 / n as f64 }
    }

    fn add(&mut self, other: Self) {
        self.n += other.n;
        self.killed += other.killed;
        self.equivalent += other.equivalent;
        self.explained += other.explained;
    }
}

/// The table of a campaign.
#[derive(Clone, Debug)]
pub struct Tally {
    rows: BTreeMap<(Wing, String), Row>,
    /// Survivors that are not equivalent, and why they may survive.
    survivors: Vec<(Mutant, Option<String>)>,
}

impl Tally {
    /// Of `mutants` and their verdicts.
    pub fn new(
        mutants: &[&Mutant],
        verdicts: &[Verdict],
        is_equivalent: impl Fn(&Mutant) -> bool,
        explanations: &Explanations,
    ) -> Self {
        let mut out = Self { rows: BTreeMap::new(), survivors: Vec::new() };
        for (mutant, verdict) in mutants.iter().zip(verdicts) {
            let row = out.rows.entry((mutant.wing(), mutant.module.clone())).or_default();
            row.n += 1;
            if verdict.killed_by.is_some() {
                row.killed += 1;
            } else if is_equivalent(mutant) {
                row.equivalent += 1;
            } else {
                let reason = explanations.of(mutant).map(|explanation| explanation.reason.clone());
                row.explained += usize::from(reason.is_some());
                out.survivors.push(((*mutant).clone(), reason));
            }
        }
        out
    }

    /// Killed, of a hundred that are not equivalent; those that are explained are survivors.
    pub fn share(&self) -> f64 {
        self.total(None).share()
    }

    fn total(&self, wing: Option<Wing>) -> Row {
        let mut total = Row::default();
        let rows = self.rows.iter().filter(|((of, _), _)| wing.is_none_or(|wing| wing == *of));
        rows.for_each(|(_, row)| total.add(*row));
        total
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>7} {:>7} {:>11} {:>10} {:>8} {:>18}",
            "module", "mutants", "killed", "equivalent", "explained", "share", "without explained"
        )?;
        let mut line = |name: &str, row: &Row| {
            let Row { n, killed, equivalent, explained } = row;
            let (share, unexplained) = (row.share(), row.share_of_unexplained());
            writeln!(
                f,
                "{name:<24} {n:>7} {killed:>7} {equivalent:>11} {explained:>10} {share:>6.1} % {unexplained:>16.1} %"
            )
        };
        for ((_, module), row) in &self.rows {
            line(module, row)?;
        }
        for (name, wing) in
            [("control", Some(Wing::Control)), ("data", Some(Wing::Data)), ("all", None)]
        {
            line(name, &self.total(wing))?;
        }
        for (survivor, reason) in &self.survivors {
            match reason {
                None => writeln!(f, "survives: {survivor}")?,
                Some(reason) => writeln!(f, "explained: {survivor}\n    {reason}")?,
            }
        }
        Ok(())
    }
}
