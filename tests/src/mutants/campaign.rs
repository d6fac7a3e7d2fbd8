//! Runs the kill suite over many mutants, at once and with a memory.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sim::{Machine, Model, SimError};
use spec::files::{FileError, Limit, make_folder, open_append, read_text};

use super::kill_suite::KillSuite;
use super::schemata::{Mutant, NUMBER_MEMORY, Schemata};

/// What came of the mutants of a design.
const VERDICTS: Limit = Limit::new("verdicts on mutants", 64 << 20);

/// What the kill suite says of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The mutant.
    pub number: u16,
    /// The trial that told it from the right accelerator, and how; `None` if none did.
    pub killed_by: Option<String>,
}

/// A campaign that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The accelerator with all mutants cannot be built or set up.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The folder of verdicts cannot be made or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of verdicts that cannot be read or written.
    #[error("{path}: {source}; help: check that the folder is writable, or remove the file to begin anew", path = path.display())]
    Verdicts {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The design with all mutants and none chosen is not the right one.
    #[error(
        "the design with the mutants but none of them chosen differs: {difference}; help: a change of mutants::schemata broke it"
    )]
    NotRight {
        /// How.
        difference: String,
    },
}

/// A design with its mutants, and what has to kill them.
pub struct Campaign<'a> {
    model: Model,
    suite: &'a KillSuite,
    path: PathBuf,
}

impl<'a> Campaign<'a> {
    /// Checks that `model`, built of a design with mutants, is right as long as none is chosen. Verdicts are kept in
    /// `folder`, by the digest of the design with all its mutants and of the suite.
    ///
    /// # Errors
    /// If it is not right, or the folder cannot be made.
    pub fn new(
        schemata: &Schemata,
        model: Model,
        suite: &'a KillSuite,
        folder: &Path,
    ) -> Result<Self, CampaignError> {
        make_folder(folder)?;
        let all: Vec<&Mutant> = schemata.mutants.iter().collect();
        let digest: String = Sha256::digest(schemata.verilog(&all))[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = folder.join(format!("{digest}-{}.jsonl", suite.digest()));
        let campaign = Self { model, suite, path };
        match campaign.run_one(0)?.killed_by {
            Some(difference) => Err(CampaignError::NotRight { difference }),
            None => Ok(campaign),
        }
    }

    /// Where the verdicts are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The verdicts on `mutants`, in their order: remembered ones, and new ones by `n_threads` threads. `progress` is told
    /// how many are done.
    ///
    /// # Errors
    /// An accelerator that cannot be set up, verdicts that cannot be read or written.
    pub fn run(
        &self,
        mutants: &[&Mutant],
        n_threads: usize,
        progress: impl Fn(usize) + Sync,
    ) -> Result<Vec<Verdict>, CampaignError> {
        let known = self.known()?;
        let new: Vec<u16> = mutants
            .iter()
            .map(|mutant| mutant.number)
            .filter(|number| !known.contains_key(number))
            .collect();
        let log = Mutex::new(open_append(&self.path)?);
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<Verdict>, CampaignError> {
            let mut verdicts = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(number) = new.get(index) else { return Ok(verdicts) };
                let verdict = self.run_one(*number)?;
                let mut line = serde_json::to_string(&verdict).expect("a verdict is plain data");
                line.push('\n');
                let mut log = log.lock().expect("no thread panics while it writes");
                log.write_all(line.as_bytes()).map_err(self.error())?;
                drop(log);
                verdicts.push(verdict);
                progress(mutants.len() - new.len() + index + 1);
            }
        };
        let mut all = known.clone();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..n_threads.max(1)).map(|_| scope.spawn(work)).collect();
            for thread in threads {
                let verdicts = thread.join().expect("a thread returns its errors")?;
                all.extend(verdicts.into_iter().map(|verdict| (verdict.number, verdict)));
            }
            Ok::<(), CampaignError>(())
        })?;
        let verdict = |mutant: &&Mutant| all.get(&mutant.number).cloned();
        Ok(mutants.iter().filter_map(verdict).collect())
    }

    /// Verdicts of earlier runs; a line that was cut off is none.
    fn known(&self) -> Result<BTreeMap<u16, Verdict>, CampaignError> {
        let text = match read_text(&self.path, VERDICTS) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(self.error()(error)),
        };
        let verdicts = text.lines().filter_map(|line| serde_json::from_str::<Verdict>(line).ok());
        Ok(verdicts.map(|verdict| (verdict.number, verdict)).collect())
    }

    /// A fresh accelerator a mutant: nothing of one shows in another.
    fn run_one(&self, number: u16) -> Result<Verdict, CampaignError> {
        let mut machine = Machine::new(&self.model, self.suite.config())?;
        machine.write_memory(NUMBER_MEMORY, &number.to_le_bytes(), 2)?;
        Ok(Verdict { number, killed_by: self.suite.first_difference(&mut machine) })
    }

    fn error(&self) -> impl Fn(io::Error) -> CampaignError + use<> {
        let path = self.path.clone();
        move |source| CampaignError::Verdicts { path: path.clone(), source }
    }
}

/// Those of `chosen` that nothing killed; a verdict each, in their order.
pub fn survivors<'a>(chosen: &[&'a Mutant], verdicts: &[Verdict]) -> Vec<&'a Mutant> {
    let pairs = chosen.iter().zip(verdicts);
    pairs.filter(|(_, verdict)| verdict.killed_by.is_none()).map(|(mutant, _)| *mutant).collect()
}
