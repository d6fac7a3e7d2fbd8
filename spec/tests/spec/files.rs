//! Where results may go: nothing of somebody else's is replaced, and nothing that is also read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use spec::files::{
    FileError, Kind, Outputs, make_folder, open_append, open_new_log, read_network, remove,
    write_atomically, write_with,
};

use crate::support::toy;

const LOGITS: &str = "{\n  \"format\": \"twofold-logits\",\n  \"images\": []\n}\n";

fn refusal(outputs: &Outputs, path: &Path) -> String {
    let error = outputs.target(path, Kind::Logits).unwrap_err();
    assert!(matches!(error, FileError::Refused { .. }), "{error:?}");
    let text = error.to_string();
    text.strip_prefix(&format!("cannot write {}: ", path.display())).unwrap().to_owned()
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    let _listener = UnixListener::bind(path("socket")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    symlink("/dev/null", path("device")).unwrap();
    symlink(path("fifo"), path("link")).unwrap();
    for (name, what) in [
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        ("folder", "a folder"),
        ("device", "a device"),
        ("link", "a FIFO"),
    ] {
        let expected = format!("it is {what}; help: name a new file, or a regular one");
        for force in [false, true] {
            assert_eq!(refusal(&Outputs::new(force), &path(name)), expected);
        }
        let before = fs::symlink_metadata(path(name)).unwrap().file_type();
        assert!(write_atomically(&path(name), b"x").is_err());
        assert!(open_append(&path(name)).is_err() && open_new_log(&path(name)).is_err());
        assert!(remove(&path(name)).is_err());
        assert_eq!(fs::symlink_metadata(path(name)).unwrap().file_type(), before);
    }
    symlink(path("absent"), path("dangling")).unwrap();
    assert!(
        refusal(&Outputs::new(true), &path("dangling"))
            .starts_with("it is a link that leads nowhere;")
    );
}

#[test]
fn a_file_of_somebody_else_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logits.json");
    let expected = "it is no file of logits that Twofold wrote; help: name another file, or replace it with --force";
    // JSON of others, another kind of ours, and text that only mentions the format.
    for text in ["mine", "{\"images\": []}", "{\"format\": \"twofold-network\"}", "twofold-logits"]
    {
        fs::write(&path, text).unwrap();
        assert_eq!(refusal(&Outputs::new(false), &path), expected, "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    Outputs::new(true).target(&path, Kind::Logits).unwrap().write(LOGITS.as_bytes()).unwrap();
    // Now it is ours. An empty one, such as mktemp makes, holds nothing that could be lost.
    for old in [LOGITS, ""] {
        fs::write(&path, old).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let target = Outputs::new(false).target(&path, Kind::Logits).unwrap();
        target.write(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays aside");
}

#[test]
fn a_file_of_its_own_folder_is_not_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "mine").unwrap();
    symlink("file", &link).unwrap();
    let error = write_atomically(&link, b"new").unwrap_err().to_string();
    assert!(
        error.contains(": it is a link, whose file is somebody else's perhaps; help: "),
        "{error}"
    );
    assert!(open_append(&link).is_err() && open_new_log(&link).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn errors_help_with_what_is_wrong_and_are_not_told_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let error = read_network(&fifo).unwrap_err().to_string();
    assert!(
        error.ends_with(": it is a FIFO, not a regular file; help: give a regular file"),
        "{error}"
    );
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let error = make_folder(&file).unwrap_err().to_string();
    assert!(error.ends_with("; help: it is a file; give a folder"), "{error}");
    let error = make_folder(&file.join("below")).unwrap_err().to_string();
    assert!(error.ends_with("; help: a part of the path is a file; give a folder"), "{error}");

    let mut network = toy();
    network.classes = vec!["same".to_owned(); 60_000];
    let errors = network.validate().unwrap_err();
    let error = FileError::Network { path: file, errors }.to_string();
    // How many there are, the number of classes, twenty names, and the rest.
    assert_eq!(error.lines().count(), 23, "{error}");
    assert!(error.ends_with("\n  and 59979 more of the kinds above"), "{error}");
}

#[test]
fn a_report_is_told_by_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let ours = r#"{"format_version": 1, "network": "a", "array": {}, "schedule": {}, "n_simulated_cycles": 1, "layers": []}"#;
    for text in ["mine", "{\"a\": 1}", "{\"format_version\": 2, \"network\": \"a\"}", &ours[1..]] {
        fs::write(&path, text).unwrap();
        let error = Outputs::new(false).unprobed(&path, Kind::Report).unwrap_err().to_string();
        assert!(error.ends_with(
            "it is no report that Twofold wrote; help: move it, or replace it with --force"
        ));
    }
    for text in [ours, ""] {
        fs::write(&path, text).unwrap();
        Outputs::new(false).unprobed(&path, Kind::Report).unwrap().write(b"{}").unwrap();
    }
}

#[test]
fn a_file_that_was_put_in_the_place_of_ours_is_not_vouched_for_by_the_one_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Of "ours".
    let digest = "ae0bec9e9d33c56354bd612c8a6010840324fc5b9786ce0a18b696b304b09397";
    let manifest =
        format!(r#"{{"format": "twofold-program", "sha256": {{"tile.hex": "{digest}"}}}}"#);
    let network = format!(r#"{{"format": "twofold-network", "tensors_sha256": "{digest}"}}"#);
    fs::write(path("program.json"), manifest).unwrap();
    fs::write(path("network.json"), network).unwrap();
    for (name, kind) in [("tile.hex", Kind::Program), ("a.safetensors", Kind::Network)] {
        fs::write(path(name), "mine").unwrap();
        assert!(Outputs::new(false).target(&path(name), kind).is_err());
        fs::write(path(name), "ours").unwrap();
        Outputs::new(false).target(&path(name), kind).unwrap();
    }
    fs::write(path("weight.hex"), "ours").unwrap();
    assert!(Outputs::new(false).target(&path("weight.hex"), Kind::Program).is_err());
}

#[test]
fn a_link_to_a_file_stays_a_link_and_its_target_follows_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "mine").unwrap();
    symlink("file", &link).unwrap();
    assert!(refusal(&Outputs::new(false), &link).starts_with("it is no file of logits"));
    fs::write(&file, LOGITS).unwrap();
    Outputs::new(false).target(&link, Kind::Logits).unwrap().write(b"new").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn an_input_is_no_output_under_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("input"), LOGITS).unwrap();
    symlink("input", path("soft")).unwrap();
    fs::hard_link(path("input"), path("hard")).unwrap();
    fs::create_dir_all(path("images/class")).unwrap();
    symlink("images", path("pictures")).unwrap();
    let outputs = Outputs::new(true).reading([path("input"), path("images"), path("absent")]);
    for (name, input) in [
        ("input", "input"),
        ("./input", "input"),
        ("images/../input", "input"),
        ("soft", "input"),
        ("hard", "input"),
        ("images/new.json", "images"),
        ("images/class/new/er.json", "images"),
        ("pictures/class/new.json", "images"),
    ] {
        let expected = format!(
            "the command also reads {}; help: name a file elsewhere",
            path(input).display()
        );
        assert_eq!(refusal(&outputs, &path(name)), expected, "{name}");
        assert!(outputs.own(&path(name)).is_err());
    }
    outputs.target(&path("imagesque.json"), Kind::Logits).unwrap();
}

#[test]
fn who_comes_meanwhile_is_not_replaced_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/logits.json");
    let target = Outputs::new(false).target(&path, Kind::Logits).unwrap();
    assert!(!folder.path().join("new").exists(), "a check makes nothing");
    fs::create_dir(folder.path().join("new")).unwrap();
    fs::write(&path, "mine").unwrap();
    assert!(matches!(target.write(b"new"), Err(FileError::Refused { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fs::remove_file(&path).unwrap();
    target.write(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_the_work() {
    // Nobody may make a file there, not even a privileged user.
    let error =
        Outputs::new(false).target(Path::new("/proc/twofold/x.json"), Kind::Logits).unwrap_err();
    assert!(matches!(error, FileError::Write { .. }), "{error:?}");
    assert!(!error.to_string().contains(".twofold"), "{error}");
}

#[test]
fn a_library_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomically(&path, b"old").unwrap();
    let failed = write_with(&path, |aside| {
        fs::write(aside, "half").unwrap();
        Err(FileError::Read { path: aside.to_owned(), reason: std::io::Error::other("no") })
    });
    assert!(failed.is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    // Libraries replace the file aside as well.
    let replaced = |aside: &Path| {
        fs::remove_file(aside).unwrap();
        fs::write(aside, "new").unwrap();
        Ok::<_, FileError>(())
    };
    write_with(&path, replaced).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
