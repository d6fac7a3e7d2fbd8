//! Every case on every executor: all bits are those of the reference.
//!
//! A new case is a new file of tests/cases or tests/cases/layers, or a folder of tests/cases/answered. What an executor does not run is in tests/exclusions.json,
//! with the reason.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use twofold_tests::executor::{
    Exclusions, Executor, IcarusRtl, Interpreter, Kind, MOST_TIME, NativeRtl, Reference,
    VerilatedRtl, executors, first_difference,
};
use twofold_tests::subject::Subject;

fn subjects() -> Vec<Subject> {
    let names = Subject::names().expect("the folder is there");
    names.iter().map(|name| Subject::read(name).unwrap_or_else(|error| panic!("{error}"))).collect()
}

#[test]
fn the_reference_says_what_an_executor_from_outside_does() {
    let mut n = 0;
    for subject in subjects() {
        let Some(values) = &subject.values else { continue };
        let answers = Reference.run(&subject).expect("the images have the right size");
        let found: Vec<_> = answers.into_iter().map(|answer| answer.logits.values).collect();
        assert_eq!(found, *values, "{}", subject.name);
        n += 1;
    }
    assert!(n > 8, "{n} cases have answers");
}

/// Runs what an executor is not excluded from.
fn run_all(executor: &dyn Executor) {
    if let Some(reason) = executor.missing() {
        let required = std::env::var_os("TWOFOLD_REQUIRE_ICARUS").is_some_and(|value| value != "0");
        assert!(!required, "{reason}");
        // Not `eprintln`, which the test harness hides where a test passes.
        let _ = writeln!(std::io::stderr(), "LEFT OUT: all cases on {}; {reason}", executor.name());
        return;
    }
    let exclusions = Exclusions::read().expect("the exclusions can be read");
    let (mut n, mut problems, began) = (0, Vec::new(), Instant::now());
    for subject in subjects() {
        let expected = Reference.run(&subject).expect("the images have the right size");
        let difference = || match executor.run(&subject) {
            Ok(found) => first_difference(&subject, &expected, &found),
            Err(error) => Some(error),
        };
        let place = format!("{} on {}", subject.name, executor.name());
        match exclusions.of(executor, &subject.name) {
            None if executor.time(&subject) > MOST_TIME => {
                let seconds = executor.time(&subject).as_secs();
                problems.push(format!("{place} takes about {seconds} s: exclude it as slow"));
            }
            None => {
                n += 1;
                problems.extend(difference().map(|difference| format!("{place}: {difference}")));
            }
            Some(exclusion) => {
                if exclusion.is_stale(executor, &subject, || difference().is_none()) {
                    problems
                        .push(format!("{place} would pass, but is excluded: {}", exclusion.reason));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    eprintln!("{}: {n} cases in {:.1} s", executor.name(), began.elapsed().as_secs_f64());
    assert!(n > 25, "{n} cases ran");
}

#[test]
fn the_interpreter_computes_every_case() {
    run_all(&Interpreter);
}

#[test]
fn the_rust_of_the_hardware_computes_every_case() {
    run_all(&NativeRtl);
}

#[test]
fn the_verilated_rtl_computes_every_case() {
    run_all(&VerilatedRtl);
}

#[test]
fn the_rtl_under_icarus_computes_every_case_from_unknown_contents() {
    run_all(&IcarusRtl);
}

#[test]
fn exclusions_are_about_cases_and_executors_that_there_are() {
    let (subjects, executors) = (subjects(), executors());
    for exclusion in Exclusions::read().unwrap().all {
        let is_of = |executor: &dyn Executor| {
            subjects.iter().any(|subject| exclusion.is_of(executor, &subject.name))
        };
        assert!(executors.iter().any(|executor| is_of(executor.as_ref())), "{exclusion:?}");
        assert!(exclusion.reason.len() > 20, "{exclusion:?} gives no reason");
    }
}

/// An executor that says that every logit is one more.
struct OneMore;

impl Executor for OneMore {
    fn name(&self) -> &'static str {
        "icarus"
    }

    fn time(&self, _subject: &Subject) -> Duration {
        Duration::ZERO
    }

    fn run(&self, subject: &Subject) -> Result<Vec<twofold_tests::executor::Answer>, String> {
        let mut answers = Reference.run(subject)?;
        answers[0].logits.values[0] += 1;
        Ok(answers)
    }
}

#[test]
fn a_difference_and_a_stale_exclusion_are_found() {
    let subject = Subject::read("layers/residual").unwrap();
    let expected = Reference.run(&subject).unwrap();
    let mut found = expected.clone();
    assert_eq!(first_difference(&subject, &expected, &found), None);
    let map = found[1].maps[1].as_mut().unwrap();
    map[[2, 1, 3]] ^= 4;
    let difference = first_difference(&subject, &expected, &found).unwrap();
    assert!(
        difference.starts_with("image 1, layer \"layer1\", pixel and channel (2, 1, 3): "),
        "{difference}"
    );
    let logits = first_difference(&subject, &expected, &OneMore.run(&subject).unwrap());
    assert!(logits.unwrap().starts_with("image 0: Logits"));

    let exclusions = Exclusions::read().unwrap();
    let slow = exclusions.of(&IcarusRtl, "resnet20-uhp").unwrap();
    let large = Subject::read("resnet20-uhp").unwrap();
    assert!(slow.is_of(&OneMore, &large.name) && slow.is_of(&IcarusRtl, &large.name));
    assert!(!slow.is_stale(&IcarusRtl, &large, || unreachable!()));
    assert!(slow.is_stale(&OneMore, &large, || unreachable!()), "it takes no time");
    let mut fails = slow.clone();
    fails.kind = Kind::Fails;
    assert!(
        fails.is_stale(&OneMore, &large, || true) && !fails.is_stale(&OneMore, &large, || false)
    );
}

/// What the cases of single layers are for: each of these is in one of them.
#[test]
fn the_cases_of_layers_are_small_and_hold_every_kind() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for subject in subjects().iter().filter(|subject| subject.name.starts_with("layers/")) {
        let n_macs: u64 = subject.program.layers.iter().map(|layer| layer.n_dense_macs).sum();
        assert!(n_macs < 100_000, "{}: {n_macs} MACs are no small case", subject.name);
        assert!(subject.network.layers.len() <= 4, "{} has many layers", subject.name);
        for layer in &subject.network.layers {
            let mut see = |what, is: bool| *seen.entry(what).or_default() += usize::from(is);
            match &layer.op {
                spec::Op::Conv(conv) => {
                    see("residual", conv.residual.is_some());
                    see("pool", conv.max_pool);
                    see("stride", conv.stride != [1; 2]);
                    see("zero weights", conv.weight.iter().all(|weight| *weight == 0));
                    see("least", conv.weight.iter().all(|weight| *weight == -128));
                    see("most", conv.weight.iter().all(|weight| *weight == 127));
                }
                spec::Op::FullyConnected(_) => see("fully connected", true),
                spec::Op::GlobalAveragePool => see("sum", true),
                _ => {}
            }
            see("ReLU", layer.bounds.low == 0);
        }
        let corner =
            |value: i8| subject.images.iter().any(|image| image.iter().all(|x| *x == value));
        *seen.entry("-128 everywhere").or_default() += usize::from(corner(-128));
        *seen.entry("127 everywhere").or_default() += usize::from(corner(127));
    }
    assert!(seen.values().all(|n| *n > 0), "{seen:?}");
}
