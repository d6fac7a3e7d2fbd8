//! Training state on disk: one safetensors file, written aside and then renamed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use spec::files::Limit;
use tch::{TchError, Tensor};

use crate::limits::CHECKPOINT;
use crate::network::masks::Masks;
use crate::network::model::Model;

/// Everything that the next epoch depends on, beside the options.
#[derive(Debug, Default)]
pub struct State {
    /// Epochs done.
    pub n_epochs: usize,
    /// Momentum of each trainable tensor.
    pub momentum: BTreeMap<String, Tensor>,
    /// Masks chosen so far; `None` before the choice.
    pub masks: Option<Masks>,
}

const MODEL: &str = "model/";
const MOMENTUM: &str = "momentum/";
const MASK: &str = "mask/";
const EPOCHS: &str = "epochs";
const CHOSEN: &str = "masks_chosen";

/// Writes model and state.
///
/// # Errors
/// When the folder cannot be written; an older checkpoint then stays whole.
pub fn save(path: &Path, model: &Model, state: &State) -> Result<()> {
    let mut tensors: Vec<(String, Tensor)> = model
        .tensors()
        .map(|(name, tensor)| (format!("{MODEL}{name}"), tensor.detach().contiguous()))
        .collect();
    let masks = state.masks.iter().flat_map(Masks::iter).map(|named| (MASK, named));
    for (prefix, (name, tensor)) in
        state.momentum.iter().map(|named| (MOMENTUM, named)).chain(masks)
    {
        tensors.push((format!("{prefix}{name}"), tensor.contiguous()));
    }
    tensors.push((EPOCHS.to_owned(), Tensor::from(state.n_epochs as i64)));
    tensors.push((CHOSEN.to_owned(), Tensor::from(i64::from(state.masks.is_some()))));
    write_tensors(path, &tensors).context("the checkpoint")
}

/// Writes tensors aside, then renames the file into place; its permissions are those of any new file.
///
/// # Errors
/// When the folder cannot be written; an older file then stays whole.
pub fn write_tensors<S: AsRef<str>, T: AsRef<Tensor>>(
    path: &Path,
    tensors: &[(S, T)],
) -> Result<()> {
    spec::files::write_with(path, |aside| {
        Tensor::write_safetensors(tensors, aside).map_err(|error| in_words(error, path))
    })
    .with_context(|| format!("{}: cannot be written", path.display()))
}

/// The library shows the error of the operating system as a value of its own type.
fn in_words(error: TchError, path: &Path) -> anyhow::Error {
    let TchError::SafeTensorError { err, .. } = &error else { return error.into() };
    let text = format!("{err:?}");
    let code = text.strip_prefix("IoError(Os { code: ").and_then(|rest| rest.split(',').next());
    match code.and_then(|code| code.parse().ok()).map(std::io::Error::from_raw_os_error) {
        Some(reason) => spec::files::FileError::Write { path: path.to_owned(), reason }.into(),
        None => error.into(),
    }
}

/// Reads named tensors.
///
/// # Errors
/// A file that is not regular, larger than its limit, or holds no tensors.
pub(crate) fn read_tensors(path: &Path, limit: Limit) -> Result<Vec<(String, Tensor)>> {
    spec::files::check_readable(path, limit)?;
    Ok(Tensor::read_safetensors(path)?)
}

/// Epochs that a checkpoint holds.
///
/// # Errors
/// A file that is no checkpoint; the message names it.
pub fn n_epochs(path: &Path) -> Result<usize> {
    let damaged = || format!("{}: not a checkpoint; remove it to start over", path.display());
    let tensors = read_tensors(path, CHECKPOINT).with_context(damaged)?;
    let (_, number) = tensors.iter().find(|(name, _)| name == EPOCHS).with_context(damaged)?;
    usize::try_from(number.f_int64_value(&[]).with_context(damaged)?).with_context(damaged)
}

/// Reads model and state.
///
/// # Errors
/// A file that is damaged or belongs to another network; the message names it.
pub fn load(path: &Path, model: &mut Model) -> Result<State> {
    let damaged =
        || format!("{}: not a checkpoint of this network; remove it to start over", path.display());
    let mut parts: BTreeMap<&str, BTreeMap<String, Tensor>> = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for (name, tensor) in read_tensors(path, CHECKPOINT).with_context(damaged)? {
        match [MODEL, MOMENTUM, MASK]
            .into_iter()
            .find_map(|prefix| Some((prefix, name.strip_prefix(prefix)?)))
        {
            Some((prefix, rest)) => {
                parts.entry(prefix).or_default().insert(rest.to_owned(), tensor);
            }
            None => {
                numbers.insert(name, tensor.f_int64_value(&[]).with_context(damaged)?);
            }
        }
    }
    let number = |name: &str| numbers.get(name).copied().with_context(damaged);
    model.restore(&parts.remove(MODEL).unwrap_or_default()).with_context(damaged)?;
    let on_device = |tensor: Tensor| tensor.to_device(model.device);
    let mut part = |prefix| {
        let tensors: BTreeMap<String, Tensor> = parts.remove(prefix).unwrap_or_default();
        tensors
            .into_iter()
            .map(|(name, tensor)| (name, on_device(tensor)))
            .collect::<BTreeMap<_, _>>()
    };
    let (masks, momentum) = (Masks::from_tensors(part(MASK)), part(MOMENTUM));
    Ok(State {
        n_epochs: usize::try_from(number(EPOCHS)?).with_context(damaged)?,
        momentum,
        masks: (number(CHOSEN)? == 1).then_some(masks),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn tensors_have_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("a.safetensors"), folder.path().join("plain"));
        write_tensors(&ours, &[("x", Tensor::from(1))]).unwrap();
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn a_full_disk_is_told_in_the_words_of_the_system() {
        let error = Tensor::write_safetensors(&[("a", Tensor::from(1i64))], "/dev/full");
        let text = in_words(error.unwrap_err(), Path::new("state.safetensors")).to_string();
        assert!(
            text.starts_with("cannot write state.safetensors: No space left on device"),
            "{text}"
        );
    }
}
