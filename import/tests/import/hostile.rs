//! Files that are no models, or models that somebody broke: an error of a line, never a panic, and no more memory than the file asks for.

use proptest::prelude::*;
use spec::Foreign;
use twofold_import::{Error, Options, lower, tflite};

use crate::builder::{Field, Model, Tensor, code};
use crate::published;
use crate::random;

/// Reads and lowers; the message, if there is one, is as long as its problems.
fn read(bytes: &[u8]) -> Option<Error> {
    let lowered = tflite::read(bytes, "model").and_then(|graph| lower(graph, &Options::default()));
    let error = lowered.err()?;
    let lines = error.to_string().lines().count();
    let expected = match &error {
        Error::Unsupported(problems) => problems.len() + 1,
        Error::Network(errors) => errors.len() + 1,
        _ => 1,
    };
    assert_eq!(lines, expected, "{error}");
    Some(error)
}

#[test]
fn a_file_that_ends_early_is_told() {
    let bytes = random::model(7).bytes();
    for n in 0..bytes.len() {
        let _ = read(&bytes[..n]);
    }
    let damaged = |bytes: &[u8]| matches!(read(bytes), Some(Error::Damaged { .. }));
    assert!(damaged(&[]) && damaged(&bytes[..8]) && damaged(&bytes[..bytes.len() / 2]));
    assert!(read(&bytes).is_none());
}

#[test]
fn constants_that_operators_share_are_not_copied_without_end() {
    let mut model = Model::default();
    let shape = [64, 1, 1, 4096];
    let map = || Tensor::map(&[1, 1, 1, 4096], 0.1, 0);
    let weight = Tensor::weight(&shape, &vec![1; 64 * 4096], vec![0.01], 0);
    let (input, weight) = (model.tensor(map()), model.tensor(weight));
    let options = [(1, Field::Int(1)), (2, Field::Int(1))];
    for _ in 0..5000 {
        let output = Tensor::map(&[1, 1, 1, 64], 0.1, 0);
        model.operator(code::CONV_2D, &[input, weight, -1], &options, output);
    }
    model.inputs = vec![input];
    model.outputs = vec![model.tensors.len() as i32 - 1];
    let error = read(&model.bytes()).expect("that is too much");
    assert!(error.to_string().contains("more than four times the file"), "{error}");
}

#[test]
fn sizes_that_overflow_are_told() {
    for size in [i32::MAX, -1, 0, 1 << 16] {
        let mut model = random::model(3);
        model.tensors.iter_mut().for_each(|tensor| tensor.shape.fill(size));
        assert!(read(&model.bytes()).is_some(), "{size}");
        let mut model = random::model(3);
        for operator in &mut model.operators {
            operator.options.iter_mut().for_each(|(_, value)| {
                if let Field::Int(value) = value {
                    *value = size;
                }
            });
        }
        let _ = read(&model.bytes());
    }
}

/// What is done to a file.
#[derive(Clone, Debug)]
enum Mutation {
    Byte(usize, u8),
    Word(usize, u32),
    /// A word of the file in place of another.
    Copy(usize, usize),
    Cut(usize),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let extreme = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(0x7fff_ffff),
        Just(0x8000_0000),
        0..4096_u32,
        any::<u32>()
    ];
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 24));
    let mutation = prop_oneof![
        4 => (at.clone(), any::<u8>()).prop_map(|(at, value)| Mutation::Byte(at, value)),
        4 => (at.clone(), extreme).prop_map(|(at, value)| Mutation::Word(at, value)),
        2 => (at.clone(), at.clone()).prop_map(|(at, from)| Mutation::Copy(at, from)),
        1 => at.prop_map(Mutation::Cut),
    ];
    prop::collection::vec(mutation, 1..8)
}

fn mutated(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let n = bytes.len();
        if n < 8 {
            break;
        }
        match *mutation {
            Mutation::Byte(at, value) => bytes[at % n] = value,
            Mutation::Word(at, value) => {
                let at = at % (n / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            Mutation::Copy(at, from) => {
                let (at, from) = (at % (n / 4) * 4, from % (n / 4) * 4);
                bytes.copy_within(from..from + 4, at);
            }
            Mutation::Cut(at) => bytes.truncate(at % n),
        }
    }
    bytes
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2000), ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn broken_models_are_told(seed in 0..64_u64, mutations in mutations()) {
        let _ = read(&mutated(random::model(seed).bytes(), &mutations));
    }

    #[test]
    fn bytes_are_told(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        let _ = read(&bytes);
        if let Some(identifier) = bytes.get_mut(4..8) {
            identifier.copy_from_slice(tflite::IDENTIFIER);
            let _ = read(&bytes);
            prop_assert_eq!(Foreign::of(&bytes).map(|foreign| foreign.kind), Some(Foreign::TFLITE));
        }
    }
}

#[test]
fn broken_published_models_are_told() {
    let Some(folder) = published::folder() else { return };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    for file in ["mlperf-tiny/kws_ref_model.tflite", "tflm/person_detect.tflite"] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let run = runner.run(&mutations(), |mutations| {
            let _ = read(&mutated(bytes.clone(), &mutations));
            Ok(())
        });
        run.unwrap();
    }
}
