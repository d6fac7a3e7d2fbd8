//! The files of a program, and files on disk.

use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use spec::files::{
    FileError, read_network, read_program, write_atomically, write_network, write_own_network,
    write_program,
};
use spec::{ArrayConfig, LayerInfo, Memories, OutputInfo, Parameter, Program, Region, WeightRow};

use crate::support::{Random, toy};

fn program(rows: usize, cols: usize, seed: u64) -> Program {
    let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
    program_on(config, seed)
}

fn program_on(config: ArrayConfig, seed: u64) -> Program {
    let cols = config.cols();
    let mut random = Random::new(seed);
    let mut word = || random.range(0, u32::MAX.into()) as u32;
    let instructions = (0..3).map(|_| [word(), word(), word(), word(), word()]).collect();
    let tiles = (0..5).map(|_| [word(), word()]).collect();
    let lanes = (0..4).map(|_| [word(), word()]).collect();
    let mut row = || WeightRow {
        weights: random.image(cols),
        crossings: random.range(0, (1 << config.n_crossings()) - 1) as u32,
    };
    let weights = (0..7).map(|_| row()).collect();
    let mut parameter = || Parameter {
        bias: random.range(i32::MIN.into(), i32::MAX.into()) as i32,
        multiplier: random.range(0, 0xff_ffff) as u32,
        shift: random.range(0, 55) as u8,
        residual_multiplier: random.range(0, 0xff_ffff) as u32,
    };
    let parameters = (0..2).map(|_| (0..config.lanes()).map(|_| parameter()).collect()).collect();
    let layers = vec![
        LayerInfo {
            name: "conv".into(),
            network_layer: Some(0),
            output: Some(Region::new(6, 16, [8, 9, 20])),
            n_useful_macs: 1234,
            n_dense_macs: 2468,
            n_tiles: 18,
            n_blocks: 2,
        },
        LayerInfo {
            name: "copy".into(),
            network_layer: None,
            output: None,
            n_useful_macs: 0,
            n_dense_macs: 0,
            n_tiles: 1,
            n_blocks: 1,
        },
    ];
    let classes = vec!["a".into(), "b \"c\"".into()];
    Program {
        config,
        network: "toy".into(),
        classes,
        outputs: vec![OutputInfo::of_one_pixel("copy", 2)],
        n_input_bytes: 64,
        instructions,
        tiles,
        weights,
        parameters,
        lanes,
        layers,
    }
}

/// Reads the files of `program` with the text of `name` replaced by `change` of it.
fn read_changed(
    program: &Program,
    name: &str,
    change: impl Fn(&str) -> String,
) -> Result<Program, String> {
    let mut files = program.to_files();
    for (_, text) in files.iter_mut().filter(|(file, _)| *file == name) {
        *text = change(text);
    }
    let read = |name: &str| {
        let file = files.iter().find(|(file, _)| *file == name);
        file.map(|(_, text)| text.clone()).ok_or(io::Error::from(io::ErrorKind::NotFound))
    };
    Program::from_files(read).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn round_trips(rows in 2usize..=16, cols in 2usize..=32, mask_columns in 1usize..=32, seed: u64) {
        let config = ArrayConfig::new(rows, cols, Memories::default()).unwrap();
        let program = program_on(config.with_mask_columns(mask_columns.min(cols)).unwrap(), seed);
        prop_assert_eq!(read_changed(&program, "", str::to_owned), Ok(program));
    }
}

#[test]
fn rows_have_the_documented_bits() {
    let mut program = program(2, 4, 0);
    program.instructions = vec![[0x0123_4567, 0x89ab_cdef, 2, 0xf000_0000, 0x0000_0080]];
    program.tiles = vec![[1, 0x8000_0000]];
    program.weights = vec![vec![1, -1, -128, 127].into()];
    let parameter =
        Parameter { bias: -2, multiplier: 0xff_ff7f, shift: 55, residual_multiplier: 0xab_cdef };
    program.parameters =
        vec![vec![parameter, Parameter::default(), Parameter::default(), parameter]];
    program.lanes = vec![[0xdead_beef, 0x0001_0203]];
    let files = program.to_files();
    let text = |name| files.iter().find(|(file, _)| *file == name).unwrap().1.as_str();
    assert_eq!(text("program.hex"), "00000080f00000000000000289abcdef01234567\n");
    assert_eq!(text("tile.hex"), "8000000000000001\n");
    assert_eq!(text("weight.hex"), "7f80ff01\n");
    let (some, none) = ("abcdef37ffff7ffffffffe", "0000000000000000000000");
    assert_eq!(text("parameter.hex"), format!("{some}{none}{none}{some}\n"));
    assert_eq!(text("lane.hex"), "00010203deadbeef\n");
}

#[test]
fn crossings_are_the_highest_bits_of_a_weight_row() {
    let config = ArrayConfig::new(2, 10, Memories::default()).unwrap();
    let mut program = program_on(config.with_mask_columns(1).unwrap(), 0);
    program.weights = vec![WeightRow { weights: vec![-2; 10], crossings: 0b1_0000_0110 }];
    let files = program.to_files();
    let text = files.iter().find(|(file, _)| *file == "weight.hex").unwrap().1.as_str();
    assert_eq!(text, format!("0106{}\n", "fe".repeat(10)));
    assert_eq!(read_changed(&program, "", str::to_owned), Ok(program.clone()));
    let beyond = read_changed(&program, "weight.hex", |text| text.replacen("01", "02", 1));
    let message = beyond.unwrap_err();
    assert!(message.starts_with("weight.hex, line 1: an unused bit is set;"), "{message}");
}

#[test]
fn messages_of_damaged_programs() {
    let program = program(8, 16, 1);
    let line = |text: &str, index: usize, change: &dyn Fn(&str) -> String| {
        let lines = text.lines().enumerate();
        lines
            .map(|(n, line)| if n == index { change(line) } else { line.into() } + "\n")
            .collect::<String>()
    };
    let cases = [
        (
            "row missing",
            read_changed(&program, "tile.hex", |text| {
                text.lines().skip(1).collect::<Vec<_>>().join("\n")
            }),
        ),
        (
            "row too many",
            read_changed(&program, "weight.hex", |text| format!("{text}{}\n", "0".repeat(32))),
        ),
        ("file empty", read_changed(&program, "lane.hex", |_| String::new())),
        (
            "cut in a row",
            read_changed(&program, "parameter.hex", |text| text[..text.len() - 9].to_owned()),
        ),
        (
            "bad digit",
            read_changed(&program, "program.hex", |text| {
                line(text, 1, &|row| row.replacen('0', "g", 1) + "g")
            }),
        ),
        (
            "upper-case digit",
            read_changed(&program, "lane.hex", |text| line(text, 2, &|_| "0000000A".into())),
        ),
        ("comment", read_changed(&program, "lane.hex", |text| format!("// lanes\n{text}"))),
        ("empty row", read_changed(&program, "tile.hex", |text| line(text, 4, &|_| String::new()))),
        (
            "unused bit",
            read_changed(&program, "parameter.hex", |text| {
                line(text, 1, &|row| format!("{}c{}", &row[..6], &row[7..]))
            }),
        ),
        (
            "manifest cut",
            read_changed(&program, "program.json", |text| text[..text.len() / 2].to_owned()),
        ),
        (
            "another version",
            read_changed(&program, "program.json", |text| {
                text.replace("\"format_version\": 2", "\"format_version\": 3")
            }),
        ),
        (
            "another format",
            read_changed(&program, "program.json", |text| {
                text.replace("twofold-program", "twofold-network")
            }),
        ),
        (
            "unknown key",
            read_changed(&program, "program.json", |text| text.replacen('{', "{\"extra\": 0,", 1)),
        ),
        (
            "impossible array",
            read_changed(&program, "program.json", |text| {
                text.replace("\"cols\": 16", "\"cols\": 64")
            }),
        ),
        (
            "memory too small",
            read_changed(&program, "program.json", |text| {
                text.replace("\"tile\": 4096", "\"tile\": 4")
            }),
        ),
    ];
    let mut text: Vec<String> = cases
        .into_iter()
        .map(|(name, result)| format!("{name}:\n  {}", result.expect_err(name)))
        .collect();
    let missing = Program::from_files(|_| Err(io::Error::from(io::ErrorKind::NotFound)));
    text.push(format!("file missing:\n  {}", missing.unwrap_err()));
    assert!(text.iter().all(|message| message.contains("; help: ")), "{text:#?}");
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn truncated_programs_are_refused() {
    let program = program(8, 16, 2);
    for (name, text) in program.to_files() {
        for sixteenth in 0..16 {
            let short = |text: &str| text[..text.len() * sixteenth / 16].to_owned();
            let result = read_changed(&program, name, short);
            let message =
                result.expect_err(&format!("{sixteenth}/16 of {name}, {} bytes", text.len()));
            assert!(message.starts_with(name), "{message}");
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn networks_and_programs_are_read_back_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("a/b");
    write_network(&toy(), &nested).unwrap();
    assert_eq!(names(&nested), ["network.json", "weights.safetensors"]);
    assert_eq!(read_network(&nested).unwrap(), toy());
    assert_eq!(read_network(&nested.join("network.json")).unwrap(), toy());
    let file = folder.path().join("toy.json");
    write_network(&toy(), &file).unwrap();
    assert_eq!(names(folder.path()), ["a", "toy.json", "toy.safetensors"]);
    assert_eq!(read_network(&file).unwrap(), toy());
    let program = program(4, 6, 3);
    write_program(&program, &folder.path().join("p")).unwrap();
    assert_eq!(read_program(&folder.path().join("p")).unwrap(), program);
    let expected =
        ["lane.hex", "parameter.hex", "program.hex", "program.json", "tile.hex", "weight.hex"];
    assert_eq!(names(&folder.path().join("p")), expected);
}

#[test]
fn writing_replaces_whole_files_and_leaves_nothing_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomically(&path, b"a longer first version").unwrap();
    write_atomically(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(names(folder.path()), ["file"]);
    // A folder in the way: the write fails and nothing is left beside it.
    let blocked = folder.path().join("blocked");
    fs::create_dir_all(blocked.join("inner")).unwrap();
    let error = write_atomically(&blocked, b"x").unwrap_err();
    assert!(matches!(error, FileError::Refused { .. }));
    assert!(std::error::Error::source(&error).is_none(), "the message has the reason already");
    assert!(error.to_string().starts_with("cannot write"), "{error}");
    assert_eq!(names(folder.path()), ["blocked", "file"]);
    // A file where a folder should be.
    assert!(matches!(write_atomically(&path.join("below"), b"x"), Err(FileError::Write { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"second");
}

#[test]
fn missing_and_wrong_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.json");
    let message = read_network(&path).unwrap_err().to_string();
    assert!(message.starts_with("cannot read") && message.contains("none.json"), "{message}");
    write_network(&toy(), &folder.path().join("toy.json")).unwrap();
    fs::remove_file(folder.path().join("toy.safetensors")).unwrap();
    let message = read_network(&folder.path().join("toy.json")).unwrap_err().to_string();
    assert!(message.contains("toy.safetensors"), "{message}");
    for name in ["../toy.safetensors", "", "/etc/passwd", ".."] {
        let (json, _) = toy().to_named_parts(name);
        fs::write(folder.path().join("toy.json"), json).unwrap();
        let message = read_network(&folder.path().join("toy.json")).unwrap_err().to_string();
        assert!(
            message.contains("1 problem\n") && message.contains("plain file name"),
            "{message}"
        );
    }
    fs::write(folder.path().join("toy.json"), [0xff, 0xfe]).unwrap();
    assert!(matches!(
        read_network(&folder.path().join("toy.json")),
        Err(FileError::Network { .. })
    ));
    assert!(matches!(read_program(folder.path()), Err(FileError::Program { .. })));
}

#[test]
fn half_a_network_is_replaced_in_a_folder_of_its_own_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_network(&toy(), folder.path()).unwrap();
    // As a writer leaves it that is killed before the second of its two files is in place.
    std::fs::remove_file(folder.path().join("network.json")).unwrap();
    assert!(write_network(&toy(), folder.path()).is_err());
    write_own_network(&toy(), folder.path()).unwrap();
    assert_eq!(read_network(folder.path()).unwrap(), toy());
}
