//! Which files train, validate and test, and what of them a trained network is run on.

use std::fs;
use std::path::{Path, PathBuf};

use twofold_dataset::{
    Candidates, ImageSet, RunSet, SarSim, Share, Source, Split, SplitOptions, Trained,
    TrainedImages,
};

use crate::support::{Data, Phoenix};

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

fn names(set: &ImageSet) -> Vec<String> {
    set.samples.iter().map(|sample| sample.name.clone()).collect()
}

/// The names of each split.
fn splits(data: &Data) -> [Vec<String>; 3] {
    SPLITS.map(|split| names(&data.load(split).unwrap()))
}

/// Three classes of sixty views each, whose names tell them apart by more than 16.
fn three_classes() -> Data {
    let data = Data::new();
    for (class, base) in [("a", 0), ("b", 60), ("c", 120)] {
        for idx in 0..60_u8 {
            data.gray(&[(&format!("{class}/{:05}.png", 100 * u32::from(idx)), base + idx)]);
        }
    }
    data
}

fn path(data: &Data) -> PathBuf {
    data.0.path().to_owned()
}

#[test]
fn a_file_that_comes_or_a_class_that_goes_moves_no_image() {
    let data = three_classes();
    let before = splits(&data);
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 180);
    assert!(before.iter().all(|split| split.len() > 4), "{:?}", before.each_ref().map(Vec::len));

    data.gray(&[("a/00000-new.png", 200), ("b/zzz.png", 201)]);
    fs::remove_file(data.path("b/05900.png")).unwrap();
    fs::remove_dir_all(data.path("c")).unwrap();
    let after = splits(&data);
    for (before, after) in before.iter().zip(&after) {
        let stays = |name: &&String| !name.starts_with("c/") && *name != "b/05900.png";
        let is_old = |name: &&String| !name.contains("new") && !name.contains("zzz");
        assert_eq!(
            before.iter().filter(stays).collect::<Vec<_>>(),
            after.iter().filter(is_old).collect::<Vec<_>>()
        );
    }
}

#[test]
fn training_folders_hold_the_same_images_out_whatever_else_is_there() {
    let data = Data::new();
    for idx in 0..60_u8 {
        for (class, base) in [("a", 0), ("b", 60)] {
            data.gray(&[(&format!("train/{class}/{:05}.png", 100 * u32::from(idx)), base + idx)]);
        }
    }
    data.gray(&[("test/a/1.png", 200), ("test/b/1.png", 201)]);
    let before = names(&data.load(Split::Validation).unwrap());
    assert!(before.len() > 4, "{before:?}");
    data.gray(&[("train/a/00000-new.png", 202)]);
    let after = names(&data.load(Split::Validation).unwrap());
    assert_eq!(before, after.into_iter().filter(|name| !name.contains("new")).collect::<Vec<_>>());
}

#[test]
fn neighboring_views_stay_together_and_the_seed_chooses() {
    let data = Data::new();
    for class in ["T72", "BTR70"] {
        for view in (0..40).flat_map(|block| [16 * block, 16 * block + 15]) {
            let name = format!("{class}/SN_132/HB{:05}.015", 3200 + view);
            data.write(&name, Phoenix::new(2, 2).bytes());
        }
    }
    let splits = splits(&data);
    for class in ["T72", "BTR70"] {
        for block in 0..40 {
            let in_block = |name: &&String| {
                let views = 3200 + 16 * block..3216 + 16 * block;
                name.starts_with(class)
                    && views.contains(&name[name.len() - 9..][..5].parse().unwrap())
            };
            let counts = splits.each_ref().map(|split| split.iter().filter(in_block).count());
            assert!(counts.contains(&2), "{class} {block}: {counts:?}");
        }
    }
    let test = |seed| {
        let options = SplitOptions { seed, ..SplitOptions::default() };
        names(&Source::parse(&data.text("")).load(Split::Test, &options).unwrap())
    };
    assert_eq!(test(0), test(0));
    assert!((1..5).any(|seed| test(seed) != test(0)));
}

#[test]
fn too_few_blocks_are_told_and_one_image_of_a_class_is_held_out() {
    let data = Data::new();
    for idx in 0..10 {
        data.gray(&[(&format!("a/{idx}.png"), idx), (&format!("b/{idx}.png"), idx + 20)]);
    }
    let sets = SPLITS.map(|split| data.load(split).unwrap());
    assert_eq!(sets.iter().map(|set| set.samples.len()).sum::<usize>(), 20);
    for (set, label) in sets.iter().zip([Some(0), None, None]) {
        assert!(!set.samples.is_empty());
        assert!(label.is_none_or(|label| set.samples.iter().any(|s| s.label == label)));
    }
    let notes = &sets[0].notes;
    assert!(notes.iter().any(|note| note.contains("too few blocks of 16 neighbors")), "{notes:?}");
}

const CLASSES: [&str; 4] = ["c", "x", "b", "a"];

/// What a network with these classes and this record is run on.
fn choose(data: &str, images: Option<&TrainedImages>, split_seed: Option<u64>) -> RunSet {
    let classes = CLASSES.map(str::to_owned);
    let trained = Trained { classes: &classes, split_seed, images };
    Source::parse(data).candidates().unwrap().choose(&trained, None).unwrap()
}

fn record(data: &Data) -> TrainedImages {
    let [train, validation] = [Split::Train, Split::Validation].map(|s| data.load(s).unwrap());
    TrainedImages::of([&train, &validation])
}

#[test]
fn of_class_folders_that_a_network_was_trained_on_the_test_share_is_run() {
    let data = three_classes();
    let record = record(&data);
    let test = names(&data.load(Split::Test).unwrap());
    let run = choose(&data.text(""), Some(&record), Some(0));
    assert_eq!((names(&run.set), run.n_trained), (test.clone(), Some(0)));
    assert_eq!(run.share, Share::HeldOut { seed: 0 });
    assert!(run.label().ends_with(", test"), "{}", run.label());
    let announced = run.to_string();
    assert!(
        announced.contains("test share of split seed 0; none of them is in the network's record")
    );
    for sample in &run.set.samples {
        assert!(sample.name.starts_with(CLASSES[sample.label]), "{sample:?}");
    }

    // A class less, and a file more.
    data.gray(&[("a/new.png", 200)]);
    fs::remove_dir_all(data.path("c")).unwrap();
    let run = choose(&data.text(""), Some(&record), Some(0));
    let stays = |name: &String| !name.starts_with("c/");
    let now: Vec<_> = names(&run.set).into_iter().filter(|name| name != "a/new.png").collect();
    assert_eq!(now, test.into_iter().filter(stays).collect::<Vec<_>>());
    assert_eq!(run.n_trained, Some(0));

    // Without a record, nobody can tell.
    let run = choose(&data.text(""), None, Some(0));
    assert_eq!((run.share, run.n_trained), (Share::HeldOut { seed: 0 }, None));
    assert!(run.label().ends_with("images that may have been trained on"), "{}", run.label());
    assert!(run.to_string().contains("cannot be told"), "{run}");
    assert_eq!(choose(&data.text(""), None, None).share, Share::All);
}

#[test]
fn images_that_were_trained_on_are_found_under_other_names_and_no_test() {
    let data = three_classes();
    let record = record(&data);
    let all = splits(&data);
    let moved = Data::new();
    for (idx, name) in all[0].iter().chain(&all[2]).enumerate() {
        let class = &name[..1];
        let copy = moved.path(&format!("test/{class}/copy {idx}.png"));
        fs::copy(data.path(name), copy).unwrap();
    }
    let run = choose(&moved.text(""), Some(&record), Some(0));
    let (n, n_trained) = (all[0].len() + all[2].len(), all[0].len());
    assert_eq!(
        (run.share, run.set.samples.len(), run.n_trained),
        (Share::Test, n, Some(n_trained))
    );
    let label = run.label();
    assert!(
        label
            .ends_with(&format!("images of which {n_trained} of {n} were trained or validated on"))
    );
    assert!(
        !label.contains("test") && run.to_string().contains("so that this is no test"),
        "{run}"
    );

    // Of data that hold nothing else, all.
    let known = Data::new();
    for name in all[0].iter().chain(&all[1]) {
        fs::copy(data.path(name), known.path(name)).unwrap();
    }
    let run = choose(&known.text(""), Some(&record), Some(0));
    let n_known = all[0].len() + all[1].len();
    assert_eq!(
        (run.share, run.set.samples.len(), run.n_trained),
        (Share::All, n_known, Some(n_known))
    );

    let renamed = Data::new();
    for (idx, name) in all.concat().iter().enumerate() {
        fs::copy(data.path(name), renamed.path(&format!("{}/{idx}k.png", &name[..1]))).unwrap();
    }
    let run = choose(&renamed.text(""), Some(&record), Some(0));
    assert_eq!(run.share, Share::HeldOut { seed: 0 });
    assert!(run.n_trained.unwrap() > 0 && !run.label().contains("test"), "{run}");
}

#[test]
fn of_images_that_are_new_to_a_network_all_are_run() {
    let data = three_classes();
    let record = record(&data);
    let other = Data::new();
    other.gray(&[("x/1.png", 210), ("x/2.png", 211), ("c/1.png", 212)]);
    let run = choose(&other.text(""), Some(&record), Some(0));
    assert_eq!((run.share, run.set.samples.len(), run.n_trained), (Share::All, 3, Some(0)));
    assert!(run.label().ends_with("images that are in no record of training"), "{}", run.label());
    // A single class of the network's will do, and `test` needs no `train` beside it.
    fs::remove_dir_all(other.path("c")).unwrap();
    assert_eq!(names(&choose(&other.text(""), Some(&record), None).set), ["x/1.png", "x/2.png"]);
    other.gray(&[("test/b/1.png", 213)]);
    let run = choose(&other.text(""), Some(&record), None);
    assert_eq!((names(&run.set), run.set.label(0)), (vec!["test/b/1.png".to_owned()], Some(2)));
    assert_eq!((run.share, run.n_trained), (Share::Test, Some(0)));
    assert_eq!(Source::parse(&other.text("")).classes().unwrap(), ["b"]);
    let classes = ["a".to_owned()];
    let trained = Trained { classes: &classes, split_seed: None, images: None };
    let candidates = Source::parse(&other.text("")).candidates().unwrap();
    let message = candidates.choose(&trained, None).unwrap_err().to_string();
    assert!(message.contains("class `b` is not among the network's classes (a)"), "{message}");
}

#[test]
fn a_network_without_classes_runs_on_images_without_their_labels() {
    let data = three_classes();
    let record = record(&data);
    for images in [None, Some(&record)] {
        let trained = Trained { classes: &[], split_seed: Some(0), images };
        let candidates = Source::parse(&data.text("")).candidates().unwrap();
        let run = candidates.choose(&trained, None).unwrap();
        let with_classes = choose(&data.text(""), images, Some(0));
        assert_eq!(names(&run.set), names(&with_classes.set));
        assert_eq!((run.set.label(0), run.n_trained), (None, with_classes.n_trained));
        assert!(run.to_string().contains("the network's outputs are no classes"), "{run}");
    }
}

#[test]
fn images_without_labels_are_run() {
    let data = Data::new();
    data.gray(&[("2.png", 2), ("1.png", 1)]);
    let run = choose(&data.text(""), None, None);
    assert_eq!((names(&run.set), run.set.label(0)), (vec!["1.png".into(), "2.png".into()], None));
    assert!(run.label().ends_with(", without labels"), "{}", run.label());
    assert!(Source::parse(&data.text("")).classes().unwrap().is_empty());

    let run = choose(&data.text("2.png"), None, None);
    assert_eq!((names(&run.set), run.share), (vec!["2.png".to_owned()], Share::All));
    let record = TrainedImages::of([&run.set]);
    let run = choose(&data.text(""), Some(&record), None);
    assert!(
        run.label().ends_with("images of which 1 of 2 were trained or validated on"),
        "{}",
        run.label()
    );

    let test = Data::new();
    test.gray(&[("test/1.png", 1)]);
    let run = choose(&test.text(""), None, None);
    assert_eq!((names(&run.set), run.share), (vec!["test/1.png".to_owned()], Share::Test));

    let empty = Data::new();
    let error = Source::parse(&empty.text("")).candidates().unwrap_err();
    assert!(empty.shown(&error).starts_with("DATA: holds no class folders"), "{error}");
    let trained = path(&data);
    fs::create_dir(trained.join("train")).unwrap();
    let error = Source::parse(&data.text("")).candidates().unwrap_err();
    assert!(data.shown(&error).starts_with("DATA: has a `train` folder but no `test`"), "{error}");
}

#[test]
fn the_committed_networks_have_a_record_of_their_training_images() {
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks");
    let mut n_networks = 0;
    for entry in fs::read_dir(networks).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let network = spec::files::read_network(&folder).unwrap();
        let sha256 = network.training_images_sha256();
        let record = TrainedImages::beside(&folder, sha256).unwrap().unwrap();
        let count = |key: &str| network.provenance["data"][key].as_u64().unwrap() as usize;
        assert_eq!(record.len(), count("n_train") + count("n_validation"), "{}", folder.display());
        n_networks += 1;
        if network.provenance["data"]["kind"] == "sar-sim" {
            let sim = SarSim::default();
            let sets = [Split::Train, Split::Validation].map(|split| sim.load(split));
            assert_eq!(record, TrainedImages::of(&sets));
            let trained = Trained {
                classes: &network.classes,
                split_seed: network.split_seed(),
                images: Some(&record),
            };
            let run = Candidates::simulated(200).choose(&trained, None).unwrap();
            assert_eq!((run.label().as_str(), run.n_trained), ("sar-sim, test", Some(0)));
        }
    }
    assert_eq!(n_networks, 2);
}
