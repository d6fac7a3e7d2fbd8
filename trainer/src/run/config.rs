//! Where options come from: flags, then a TOML file, then what suits the data, then the defaults.
//!
//! Each source is turned into flags and parsed in that order of strength, so that one parser checks them all.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, FromArgMatches};
use dataset::DatasetKind;
use toml::Value;

use crate::limits::TOML;
use crate::run::options::TrainOptions;

/// Defaults for color photographs, where they differ from those for radar chips.
const PHOTO: &str = include_str!("../../profiles/photo.toml");
/// What differs again for CIFAR.
const CIFAR: &str = include_str!("../../profiles/cifar.toml");
/// Defaults for large ship chips.
const FUSAR_SHIP: &str = include_str!("../../profiles/fusar-ship.toml");

/// What a run without any option does.
pub fn defaults() -> TrainOptions {
    parse(std::iter::empty()).expect("every option has a default")
}

/// Completes the options that were parsed from `flags` with the run's TOML file and with what suits the data.
///
/// # Errors
/// A file that cannot be read, has an unknown key or a value that its flag does not take.
pub fn complete(given: &TrainOptions, flags: &[OsString]) -> Result<TrainOptions> {
    let file = given.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
    let from_file = match &given.config {
        Some(path) => {
            // Alone first, so that a mistake in the file is told as one.
            parse(file.iter().cloned().map(OsString::from))
                .with_context(|| format!("{}: not the options of a run", path.display()))?;
            parse(file.iter().cloned().map(OsString::from).chain(flags.iter().cloned()))?
        }
        None => given.clone(),
    };
    let source = from_file.source()?;
    let mut profile = Vec::new();
    if source.kind() == DatasetKind::FusarShip {
        profile.extend(flags_of(FUSAR_SHIP, Path::new("fusar-ship.toml"))?);
    }
    if source.is_photo() {
        profile.extend(flags_of(PHOTO, Path::new("photo.toml"))?);
    }
    if source.kind().is_cifar() {
        profile.extend(flags_of(CIFAR, Path::new("cifar.toml"))?);
    }
    let weakest_first = profile.into_iter().chain(file).map(OsString::from);
    parse(weakest_first.chain(flags.iter().cloned()))
}

/// The options as a TOML file that repeats the run.
///
/// # Errors
/// None that an option can cause.
pub fn to_toml(options: &TrainOptions) -> Result<String> {
    Ok(toml::to_string(options)?)
}

/// The command that repeats a run, with a name in place of the data's path: what matters most, and whatever differs
/// from the defaults.
///
/// # Errors
/// None that an option can cause.
pub fn command(options: &TrainOptions, data: &str) -> Result<String> {
    const ALWAYS: [&str; 7] =
        ["data", "teacher", "student", "sparsity", "epochs", "teacher-epochs", "seed"];
    let (given, usual) = (options.to_json(data)?, defaults().to_json(data)?);
    let mut command = "trainer train".to_owned();
    let others = given.keys().map(String::as_str).filter(|key| !ALWAYS.contains(key));
    for flag in ALWAYS.into_iter().chain(others) {
        if !ALWAYS.contains(&flag) && given.get(flag) == usual.get(flag) {
            continue;
        }
        let Some(value) = given.get(flag) else { continue };
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        command.push_str(&format!(" --{flag} {}", quoted(&value)));
    }
    Ok(command)
}

/// A word of a shell's command line.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Options as `trainer train` reads them from flags.
pub(crate) fn parse(flags: impl Iterator<Item = OsString>) -> Result<TrainOptions> {
    let command = TrainOptions::augment_args(
        clap::Command::new("trainer train").no_binary_name(true).args_override_self(true),
    );
    let matches = command.try_get_matches_from(flags).map_err(|error| {
        // The message and what helps; not how flags are used, since options come from files, too.
        let text = error.render().to_string();
        let lines = text.trim_start_matches("error: ").lines().map(str::trim);
        let is_told = |(idx, line): &(usize, &str)| {
            *idx == 0 || line.starts_with("tip: ") || line.starts_with("[possible values")
        };
        let told: Vec<_> = lines.enumerate().filter(is_told).map(|(_, line)| line).collect();
        anyhow::anyhow!("{}", told.join("; "))
    })?;
    Ok(TrainOptions::from_arg_matches(&matches)?)
}

fn read_file(path: &Path) -> Result<Vec<String>> {
    let text = spec::files::read_text(path, TOML)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    flags_of(&text, path)
}

/// `key = value` lines to `--key=value` flags.
fn flags_of(text: &str, path: &Path) -> Result<Vec<String>> {
    let shown = path.display();
    let table: toml::Table = text.parse().with_context(|| format!("{shown}: not a TOML file"))?;
    let mut flags = Vec::with_capacity(table.len());
    for (key, value) in table {
        if ["config", "output", "resume", "replace", "format"].contains(&key.as_str()) {
            bail!("{shown}: `{key}` belongs on the command line");
        }
        let value = match value {
            Value::String(text) => text,
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string(),
            _ => bail!("{shown}: `{key}` is no text, number or truth value"),
        };
        flags.push(format!("--{key}={value}"));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete_with(file: Option<&str>, flags: &[&str]) -> Result<TrainOptions> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        let mut flags: Vec<OsString> = flags.iter().map(OsString::from).collect();
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
            flags.extend(["--config".into(), path.clone().into()]);
        }
        complete(&parse(flags.iter().cloned())?, &flags)
    }

    #[test]
    fn flags_beat_the_file_and_the_file_beats_the_defaults() {
        let file = "student = \"s2d_s\"\nepochs = 7\nlearning-rate = 0.01\nmirror = true\n";
        let options = complete_with(Some(file), &["--epochs", "9"]).unwrap();
        assert_eq!((options.student.as_str(), options.epochs), ("s2d_s", 9));
        assert_eq!((options.learning_rate, options.mirror, options.seed), (0.01, true, 1));
    }

    #[test]
    fn color_images_have_the_defaults_of_photographs() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["field", "forest"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            for idx in 0..4 {
                let path = folder.path().join(format!("{class}/{idx}.png"));
                image::RgbImage::from_pixel(2, 2, image::Rgb([1, 2, 3])).save(path).unwrap();
            }
        }
        let data = folder.path().to_str().unwrap();
        let options = complete_with(None, &["--data", data]).unwrap();
        assert_eq!((options.student.as_str(), options.mirror, options.size), ("wide", true, 64));
        let options = complete_with(None, &["--data", data, "--dataset", "mstar"]).unwrap();
        assert_eq!((options.student.as_str(), options.mirror, options.size), ("s2d", false, 64));
        let cifar = ["--data", "cifar-100.tar.gz", "--student", "narrow"];
        let options = complete_with(None, &cifar).unwrap();
        assert_eq!((options.student.as_str(), options.mirror, options.size), ("narrow", true, 32));
    }

    #[test]
    fn a_run_file_repeats_the_run() {
        let options = complete_with(
            None,
            &["--epochs", "9", "--sparsity", "uhp-fixed", "--train-images", "50"],
        )
        .unwrap();
        let again = complete_with(Some(&to_toml(&options).unwrap()), &[]).unwrap();
        assert_eq!(again.to_json("x").unwrap(), options.to_json("x").unwrap());
    }

    #[test]
    fn mistakes_in_the_file_are_told_with_its_name() {
        let error = |text: &str| format!("{:#}", complete_with(Some(text), &[]).unwrap_err());
        for (text, expected) in [
            ("epoch = 3", "--epoch"),
            ("learning_rate = 0.1", "tip: a similar argument exists: '--learning-rate'"),
            ("mirror = \"yes\"", "[possible values: true, false]"),
            ("epochs = \"many\"", "invalid value 'many' for '--epochs"),
            ("epochs = [1]", "`epochs` is no text"),
            ("resume = true", "`resume` belongs on the command line"),
            ("epochs", "not a TOML file"),
        ] {
            let message = error(text);
            assert!(message.contains("run.toml") && message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_command_names_what_differs_from_the_defaults() {
        let options = TrainOptions { shift: 3, train_images: Some(50), ..defaults() };
        let halved = TrainOptions { downsample: 2, ..defaults() };
        assert!(command(&halved, "chips").unwrap().ends_with(" --seed 1 --downsample 2"));
        // Runs of before are the same runs.
        assert!(!defaults().to_json("chips").unwrap().contains_key("downsample"));
        assert_eq!(
            command(&options, "chips").unwrap(),
            "trainer train --data chips --teacher a-convnet --student s2d --sparsity uhp-shared --epochs 30 \
             --teacher-epochs 20 --seed 1 --shift 3 --train-images 50"
        );
        let teacher = "runs/the teacher's".to_owned();
        let text = command(&TrainOptions { teacher, ..defaults() }, "chips").unwrap();
        assert!(text.contains(r"--teacher 'runs/the teacher'\''s' --student"), "{text}");
    }
}
