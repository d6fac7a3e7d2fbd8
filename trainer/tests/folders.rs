//! Run folders: what is refused before anything in one changes, and what a run takes from another.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml spares only the bodies of tests, not their helpers"
)]

use std::fs;
use std::path::Path;

use dataset::ReadOptions;
use trainer::run::options::{SparsityKind, TrainOptions};
use trainer::run::{self, config, verify};

fn small(output: &Path) -> TrainOptions {
    TrainOptions {
        teacher: "linear".to_owned(),
        student: "s2d_s".to_owned(),
        sparsity: SparsityKind::UhpFixed,
        epochs: 2,
        teacher_epochs: 1,
        views: 2,
        train_images: Some(40),
        batch: 20,
        output: Some(output.to_owned()),
        ..config::defaults()
    }
}

/// What a run is refused with.
fn refusal(options: &TrainOptions) -> String {
    format!("{:#}", run::train(options).map(|finished| finished.folder).unwrap_err())
}

#[test]
fn a_folder_keeps_what_it_holds() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    fs::create_dir(&folder).unwrap();
    for name in ["drawing.svg", "mine.safetensors"] {
        fs::write(folder.join(name), "mine").unwrap();
    }
    let options = small(&folder);
    run::train(&options).unwrap();
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let (weights, result) = (read("weights.safetensors"), read("result.json"));

    let message = refusal(&TrainOptions { seed: 2, ..options.clone() });
    assert!(message.contains("holds another run: seed is 1 there and 2 here"), "{message}");
    assert!(message.contains("--replace"), "{message}");
    let message = refusal(&options);
    assert!(message.contains("holds this run, finished; give --resume"), "{message}");
    let message =
        refusal(&TrainOptions { epochs: 1, sparsity: SparsityKind::UhpShared, ..options.clone() });
    assert!(message.contains("no one is left to prune in"), "{message}");
    assert!(read("weights.safetensors") == weights && read("result.json") == result);

    let again = TrainOptions { replace: true, ..options.clone() };
    run::train(&again).unwrap();
    assert!(read("weights.safetensors") == weights, "the same run again");
    run::train(&TrainOptions { seed: 2, ..again }).unwrap();
    assert!(read("weights.safetensors") != weights, "another run in its place");
    for name in ["drawing.svg", "mine.safetensors"] {
        assert_eq!(read(name), b"mine", "{name}");
    }
}

#[test]
fn an_unfinished_run_is_not_started_over_unasked() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    let options = small(&folder);
    run::train(&options).unwrap();
    let weights = fs::read(folder.join("weights.safetensors")).unwrap();
    for name in ["student.safetensors", "result.json"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    let message = refusal(&options);
    assert!(
        message.contains("holds this run, unfinished after 1 epochs; give --resume"),
        "{message}"
    );
    assert!(message.contains("--replace"), "{message}");
    assert!(folder.join("teacher.safetensors").exists());
    run::train(&TrainOptions { resume: true, ..options }).unwrap();
    assert!(fs::read(folder.join("weights.safetensors")).unwrap() == weights);
}

#[test]
fn resuming_starts_where_nothing_is_and_where_a_start_was_cut_off() {
    let root = tempfile::tempdir().unwrap();
    let options = |name: &str| TrainOptions { resume: true, ..small(&root.path().join(name)) };
    let first = run::train(&options("new")).unwrap();
    // The definitions are written before the options.
    let cut_off = root.path().join("cut-off");
    fs::create_dir(&cut_off).unwrap();
    fs::copy(first.folder.join("teacher.toml"), cut_off.join("teacher.toml")).unwrap();
    let second = run::train(&options("cut-off")).unwrap();
    assert_eq!(first.network.unwrap().layers, second.network.unwrap().layers);
}

#[test]
fn a_network_without_its_run_is_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    for name in ["network.json", "student.toml"] {
        let folder = root.path().join(name).join("run");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), "somebody's").unwrap();
        for resume in [false, true] {
            let message = refusal(&TrainOptions { resume, ..small(&folder) });
            assert!(
                message.contains(&format!("run: holds {name}, which a run would replace")),
                "{message}"
            );
        }
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"somebody's");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}

#[test]
fn a_teacher_that_saw_the_students_test_images_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let chips = root.path().join("chips");
    for (class, first) in [("a", 0), ("b", 20)] {
        fs::create_dir_all(chips.join(class)).unwrap();
        for n in 0..20_u8 {
            let mut image = image::GrayImage::new(64, 64);
            image.enumerate_pixels_mut().for_each(|(x, y, pixel)| {
                pixel.0 = [(x as u8).wrapping_mul(first + n + 1).wrapping_add(y as u8)];
            });
            image.save(chips.join(class).join(format!("{n}.png"))).unwrap();
        }
    }
    let data = chips.display().to_string();
    let teacher = root.path().join("teacher");
    let only_teacher = TrainOptions {
        data,
        student: "none".to_owned(),
        train_images: None,
        batch: 8,
        ..small(&teacher)
    };
    run::train(&only_teacher).unwrap();
    let taught = TrainOptions {
        teacher: teacher.display().to_string(),
        student: "s2d_s".to_owned(),
        output: Some(root.path().join("taught")),
        ..only_teacher.clone()
    };
    let message = refusal(&TrainOptions { split_seed: 7, ..taught.clone() });
    assert!(message.contains("was trained with other validation images"), "{message}");
    let message = refusal(&TrainOptions { size: 32, ..taught.clone() });
    assert!(message.contains("its teacher looks at images of another --size, 64"), "{message}");
    let message = refusal(&TrainOptions { downsample: 2, ..taught.clone() });
    assert!(
        message.contains("its teacher looks at images with another --downsample, 1"),
        "{message}"
    );
    assert!(!root.path().join("taught").exists(), "a refused run leaves nothing");
    let message = refusal(&TrainOptions { output: Some(teacher.clone()), ..taught.clone() });
    assert!(message.contains("is the folder of the teacher"), "{message}");
    let message =
        refusal(&TrainOptions { student: teacher.display().to_string(), ..taught.clone() });
    assert!(message.contains("is a folder; it takes the name of a network"), "{message}");
    run::train(&taught).unwrap();

    // Who resumes has the same teacher, too, wherever the images lie now.
    let moved = root.path().join("moved");
    fs::rename(&chips, &moved).unwrap();
    let resumed =
        TrainOptions { resume: true, data: moved.display().to_string(), ..taught.clone() };
    run::train(&resumed).unwrap();
    fs::remove_dir_all(&teacher).unwrap();
    let another = TrainOptions { data: resumed.data.clone(), seed: 9, ..only_teacher };
    run::train(&another).unwrap();
    let message = refusal(&resumed);
    assert!(message.contains("it has another SHA-256 of the teacher's checkpoint"), "{message}");
    fs::rename(&moved, &chips).unwrap();

    // Who verifies the network later has the test images of its run.
    let other = TrainOptions {
        teacher: "none".to_owned(),
        split_seed: 7,
        output: Some(root.path().join("other")),
        ..taught.clone()
    };
    let finished = run::train(&other).unwrap();
    let accuracy = finished.outcome.student.unwrap().int8.test.accuracy;
    let verified =
        verify::verify(&finished.folder, &other.data, ReadOptions::default(), None).unwrap();
    assert_eq!((verified.n_trained_images, verified.accuracy), (Some(0), Some(accuracy)));
    assert_eq!(verified.n_images, finished.outcome.data.n_test);
    assert!(verified.verdict.starts_with("equal: ") && verified.verdict.contains("none of which"));

    // A file that comes moves none of the others; a copy of the data by other names is known for what it is.
    let new = image::GrayImage::from_pixel(64, 64, image::Luma([9]));
    new.save(chips.join("a/another.png")).unwrap();
    let again = verify::verify(&finished.folder, &other.data, ReadOptions::default(), None);
    assert_eq!(again.unwrap().n_trained_images, Some(0));
    let copies = root.path().join("copies");
    for class in ["a", "b"] {
        fs::create_dir_all(copies.join("test").join(class)).unwrap();
        for n in 0..20 {
            let copy = copies.join(format!("test/{class}/copy {n}.png"));
            fs::copy(chips.join(format!("{class}/{n}.png")), copy).unwrap();
        }
    }
    let data = copies.display().to_string();
    let copied = verify::verify(&finished.folder, &data, ReadOptions::default(), None).unwrap();
    let trained = &finished.outcome.data;
    assert_eq!(copied.n_trained_images, Some(trained.n_train + trained.n_validation));
    assert!(!copied.data.contains("test") && copied.verdict.contains("no test accuracy"));
}

#[test]
fn a_student_that_starts_over_is_taught_again() {
    let root = tempfile::tempdir().unwrap();
    let options = small(&root.path().join("run"));
    let folder = run::train(&options).unwrap().folder;
    let weights = fs::read(folder.join("weights.safetensors")).unwrap();
    fs::remove_file(folder.join("student.safetensors")).unwrap();
    let resumed = TrainOptions { resume: true, ..options };
    run::train(&resumed).unwrap();
    assert!(fs::read(folder.join("weights.safetensors")).unwrap() == weights);
}

#[test]
fn a_run_goes_on_only_with_the_same_network() {
    let root = tempfile::tempdir().unwrap();
    let network = root.path().join("mine.toml");
    let definition = "name = \"mine\"\nlayers = [
        { op = \"conv\", name = \"conv\", channels = 8, kernel = 3, stride = 4 },
        { op = \"fully_connected\", name = \"fc\" },
    ]\n";
    fs::write(&network, definition).unwrap();
    let options = TrainOptions {
        student: network.display().to_string(),
        resume: false,
        ..small(&root.path().join("run"))
    };
    run::train(&options).unwrap();
    fs::write(&network, definition.replace("channels = 8", "channels = 8, relu = false")).unwrap();
    let message = refusal(&TrainOptions { resume: true, ..options });
    assert!(message.contains("its student.toml says another network"), "{message}");
}
