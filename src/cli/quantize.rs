//! Makes the checkpoints of sweep and demo, each in a process of its own: a damaged original may abort llama.cpp.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{
    machine,
    subjects::{Recipe, Source},
};
use crate::{
    engine::QuantType,
    event::{Event, Observer},
    gguf, models,
    record::{MadeFrom, Outcome, Stage},
    run,
};

/// Where checkpoints are made: a folder to keep, or one that goes when this does.
pub(super) enum CheckpointDir {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl CheckpointDir {
    /// Opens it, so that an unwritable folder is known before anything slow starts.
    pub(super) fn open(keep: Option<&Path>) -> Result<Self> {
        match keep {
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
                Ok(Self::Kept(folder.into()))
            }
            None => Ok(Self::Temporary(tempfile::tempdir().context("make a temporary folder for the checkpoints")?)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// What is to be made of what.
pub(super) struct QuantizeRequest<'a> {
    pub(super) original: &'a str,
    pub(super) types: &'a [QuantType],
    pub(super) n_threads: u32,
    pub(super) allow_requantize: bool,
}

/// The types named on the command line, each once.
pub(super) fn types(names: &[String]) -> Result<Vec<QuantType>> {
    let mut types = Vec::new();
    for name in names {
        let Some(found) = QuantType::by_name(name.trim()) else {
            bail!(
                "llama.cpp has no type {name:?} that can be made without an importance matrix; it has {}",
                QuantType::names().join(", ")
            );
        };
        if !types.contains(&found) {
            types.push(found);
        }
    }
    if types.is_empty() {
        bail!("--types names no type");
    }
    Ok(types)
}

/// Makes every type; a type that can't be made is a failed row. The first source is the original.
pub(super) fn make(
    folder: &CheckpointDir,
    request: &QuantizeRequest<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<Source>> {
    let original = models::resolve(request.original)?.file;
    let facts = gguf::Model::read(&original).with_context(|| format!("read {}", original.display()))?.facts();
    let (quant, words) = known_quant(&facts, &original)?;
    let full_precision = facts.full_precision;
    if !full_precision && !request.allow_requantize {
        bail!(
            "{} is already quantized ({words}): give the full-precision original, or --allow-requantize to go on, labelled",
            original.display()
        );
    }
    let from = quant.to_owned();
    let made_from = if full_precision { MadeFrom::Quantized { from } } else { MadeFrom::Requantized { from } };
    let stem = gguf::stem(&original.file_name().unwrap_or_default().to_string_lossy()).to_owned();
    let mut sources = vec![Source::found(request.original)];
    for &to in request.types {
        observer.on(Event::Quantizing { to: to.name });
        let path = folder.path().join(file_name(&stem, quant, to.name));
        let failed = make_one(&original, &path, to, request)
            .err()
            .map(|e| Outcome::Failed { stage: Stage::Quantize, reason: format!("{e:#}") });
        sources.push(Source {
            path: path.display().to_string(),
            label: None,
            made_from: Some(made_from.clone()),
            recipe: Some(Recipe::Quantized(to.name.into())),
            failed,
            pending: None,
        });
    }
    Ok(sources)
}

/// What the original is quantized to, as a name and in words; refuses what is no model.
fn known_quant<'a>(facts: &'a gguf::Facts, original: &Path) -> Result<(&'a str, String)> {
    if let Some(refusal) = facts.refusal() {
        bail!("{}: {refusal}", original.display());
    }
    let quant = facts.file_type.as_ref().map_or("unknown", |t| t.short);
    Ok((quant, facts.contradiction.as_ref().map_or_else(|| quant.to_owned(), ToString::to_string)))
}

/// Makes one that was made before, of the same original.
pub(super) fn again(
    original: &Path,
    path: &Path,
    type_name: &str,
    n_threads: u32,
    observer: &mut dyn Observer,
) -> Result<()> {
    let types = types(&[type_name.to_owned()])?;
    observer.on(Event::Quantizing { to: types[0].name });
    let name = original.display().to_string();
    // Whether that was allowed was asked then.
    let request = QuantizeRequest { original: &name, types: &types, n_threads, allow_requantize: true };
    make_one(original, path, types[0], &request)
}

/// By a temporary name first: a file under the final name is whole.
fn make_one(original: &Path, path: &Path, to: QuantType, request: &QuantizeRequest<'_>) -> Result<()> {
    if same_file(original, path) {
        bail!("{} is the original itself: choose another --keep folder", path.display());
    }
    let partial = path.with_extension("gguf.partial");
    let mut arguments = machine::worker("quantize");
    arguments.extend([original.display().to_string(), partial.display().to_string(), to.name.into()]);
    arguments.extend(["--threads".into(), request.n_threads.to_string()]);
    if request.allow_requantize {
        arguments.push("--allow-requantize".into());
    }
    let made = run::run_to_end(&machine::program()?, &arguments, Duration::from_hours(24));
    if let Err(lost) = made {
        // Half a file is worth nothing; that it could not be removed is not the news.
        let _ = std::fs::remove_file(&partial);
        // All that llama.cpp says of a disk.
        if lost.to_string().contains("iostream error") {
            bail!("write {}: the disk is full, most likely ({lost})", path.display());
        }
        return Err(lost.into());
    }
    std::fs::File::open(&partial)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("write {}", path.display()))?;
    std::fs::rename(&partial, path).with_context(|| format!("name {}", path.display()))
}

/// Whether both paths lead to one existing file.
fn same_file(a: &Path, b: &Path) -> bool {
    std::fs::canonicalize(a).ok().zip(std::fs::canonicalize(b).ok()).is_some_and(|(a, b)| a == b)
}

/// `model-F16` becomes `model-Q8_0.gguf`: the new type takes the old one's place.
fn file_name(stem: &str, quant: &str, to: &str) -> String {
    let cut = stem.len().checked_sub(quant.len()).filter(|&at| stem.is_char_boundary(at));
    let stem = match cut {
        Some(at) if stem[at..].eq_ignore_ascii_case(quant) => stem[..at].trim_end_matches(['-', '.', '_']),
        _ => stem,
    };
    if stem.is_empty() { format!("{to}.gguf") } else { format!("{stem}-{to}.gguf") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_type_takes_the_old_ones_place() {
        assert_eq!(file_name("pocket-4m-f16", "F16", "Q8_0"), "pocket-4m-Q8_0.gguf");
        assert_eq!(file_name("SmolLM2.Q4_1", "Q4_1", "Q8_0"), "SmolLM2-Q8_0.gguf");
        assert_eq!(file_name("model", "F16", "Q8_0"), "model-Q8_0.gguf");
        assert_eq!(file_name("é", "F16", "Q8_0"), "é-Q8_0.gguf");
        // A name that began with a dash would be an option to the next program.
        assert_eq!(file_name("F16", "F16", "Q8_0"), "Q8_0.gguf");
    }

    #[test]
    fn types_are_checked_and_named_once() {
        let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(types(&names(&["q8_0", "Q8_0"])).map(|t| t.len()).ok(), Some(1));
        assert!(types(&names(&["IQ2_XXS"])).is_err());
    }
}
