//! Files that a run makes for itself, and makes again when it goes on after they are gone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{
    demo,
    quantize::{self, Workshop},
    session::{Needs, absolute},
    subjects::Source,
};
use crate::{
    event::Observer,
    record::{Outcome, Run},
};

/// How such a file comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Recipe {
    /// The model in this program is unpacked.
    Bundled,
    /// The original is quantized to the type of this name.
    Quantized(String),
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Made {
    file: PathBuf,
    recipe: Recipe,
}

/// Those among the sources.
pub(super) fn made(sources: &[Source]) -> Vec<Made> {
    let one = |source: &Source| {
        let recipe = source.recipe.clone()?;
        Some(Made { file: absolute(Path::new(&source.path)), recipe })
    };
    sources.iter().filter_map(one).collect()
}

/// Makes those that are gone; `needs` then names the new ones, which live as long as what is returned. That they are byte for byte
/// what they were is for the hashes to say.
pub(super) fn remake(run: &Run, needs: &mut Needs, observer: &mut dyn Observer) -> Result<Option<Workshop>> {
    let mut workshop = None;
    // The original comes first, and the others are made of it.
    for index in 0..needs.files.len() {
        let file = &needs.files[index];
        let wanted = run.subjects[index].outcome == Outcome::Done && !file.exists();
        let Some(Made { recipe, .. }) = needs.made.iter().find(|made| made.file == *file).filter(|_| wanted) else {
            continue;
        };
        let folder = match &mut workshop {
            Some(open) => open,
            none => none.insert(Workshop::open(None)?),
        };
        let path = folder.path().join(file.file_name().unwrap_or_default());
        match recipe {
            Recipe::Bundled => demo::unpack(&path)?,
            Recipe::Quantized(to) => {
                let original = &needs.files[run.original().context("the record names no original")?];
                quantize::again(original, &path, to, run.base_settings().n_threads, observer)
                    .with_context(|| format!("make {} again, which is not there any more", file.display()))?;
            }
        }
        needs.files[index] = path;
    }
    Ok(workshop)
}
