//! Models of other formats: a file becomes the network of its case, whose answers are those of the runtime that the model is of.

use std::path::{Path, PathBuf};

use flow::{ImportOptions, import_model};
use spec::files::read_network;
use twofold_tests::executor::{Executor, Reference};
use twofold_tests::subject::Subject;

use crate::support::root;

/// The model of a case, if it has one.
fn model(case: &str) -> Option<PathBuf> {
    let folder = root().join("tests/cases").join(case);
    let files = ["model.tflite", "model.onnx"].map(|file| folder.join(file));
    files.into_iter().find(|file| file.is_file())
}

fn imported(model: &Path) -> spec::QuantNetwork {
    let name = model.parent().and_then(Path::file_name).expect("a case has a folder");
    let name = Some(name.to_string_lossy().into_owned());
    let options = ImportOptions { model: model.to_owned(), name, ..ImportOptions::default() };
    import_model(&options).unwrap_or_else(|error| panic!("{error}")).network
}

#[test]
fn models_become_networks_that_answer_as_their_runtime_does() {
    let mut n = 0;
    for case in Subject::names().unwrap() {
        let Some(model) = model(&case) else { continue };
        let network = imported(&model);
        assert_eq!(network, read_network(model.parent().unwrap()).unwrap(), "{case}");
        let subject = Subject::read(&case).unwrap_or_else(|error| panic!("{error}"));
        let answers = Reference.run(&subject).unwrap().into_iter();
        let found: Vec<_> = answers.map(|answer| answer.logits.values).collect();
        assert_eq!(Some(found), subject.values, "{case}");
        n += 1;
    }
    assert!(n >= 3, "{n} cases have models");
}
