//! card: puts the results of a run into a model card, or shows what that would change.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use similar::TextDiff;

use super::console::{Exit, print_text};
use crate::{
    analysis::{self, Analysis},
    models,
    record::{self, Role, Run},
    report::card::Card,
};

#[derive(Debug, Args)]
pub(super) struct CardArgs {
    /// A record written by a run
    run: PathBuf,
    /// The quantized checkpoint the card is of, by its name in the report [default: the only one]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The card to change; one that is not there is made
    #[arg(long, value_name = "README.md")]
    update: Option<PathBuf>,
    /// Print the section alone
    #[arg(long)]
    print: bool,
    /// Show what would change, and change nothing
    #[arg(long, requires = "update")]
    dry_run: bool,
}

pub(super) fn run(args: &CardArgs) -> Result<Exit> {
    let run = record::read_run(&args.run)?;
    let analysis = analysis::analyse(&run);
    let card = Card::of(&analysis, candidate(&run, args.model.as_deref())?)?;
    let Some(path) = args.update.as_ref().filter(|_| !args.print) else {
        return print_text(&card.section());
    };
    if args.dry_run {
        return print_text(&difference(path, &change(path, &card)?));
    }
    write(path, &card)?;
    print_text(&format!("{}\n", path.display()))
}

/// Updates the card beside each candidate that lies on this machine. `names` are the candidates as they were typed.
pub(super) fn update_beside(run: &Run, analysis: &Analysis, names: &[String]) -> Result<()> {
    let candidates = (0..run.subjects.len()).filter(|&i| run.subjects[i].role == Role::Candidate);
    for (model, name) in candidates.zip(names) {
        let Model { label, folder } = Model::of(&run.subjects[model].name, name);
        match (Card::of(analysis, model), folder) {
            (Err(reason), _) => print_text(&format!("Card of {label}: not changed, since {reason}\n"))?,
            (Ok(card), Some(folder)) => {
                let path = folder.join("README.md");
                write(&path, &card)?;
                print_text(&format!("Card of {label}: {}\n", path.display()))?
            }
            (Ok(_), None) => print_text(&format!(
                "Card of {label}: not changed, since {name} lies in no folder of yours; see gguf-bench card\n"
            ))?,
        };
    }
    Ok(())
}

/// A candidate and the folder its card belongs to.
struct Model<'a> {
    label: &'a str,
    folder: Option<PathBuf>,
}

impl<'a> Model<'a> {
    /// Files of a store are not the person's to change.
    fn of(label: &'a str, typed: &str) -> Self {
        let file = models::resolve(typed).ok().map(|found| found.file);
        Self { label, folder: file.and_then(|file| Some(file.parent()?.to_owned())) }
    }
}

fn candidate(run: &Run, name: Option<&str>) -> Result<usize> {
    let candidates = || (0..run.subjects.len()).filter(|&i| run.subjects[i].role == Role::Candidate);
    let names = || candidates().map(|i| run.subjects[i].name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, &candidates().collect::<Vec<_>>()[..]) {
        (None, [only]) => Ok(*only),
        (None, []) => bail!("the record has no quantized checkpoint"),
        (None, _) => bail!("the record has several checkpoints, name one with --model: {}", names()),
        (Some(name), _) => candidates()
            .find(|&i| run.subjects[i].name == name)
            .with_context(|| format!("the record has no checkpoint {name:?}; it has {}", names())),
    }
}

/// A card before and after.
struct Change {
    before: Option<String>,
    after: String,
}

fn change(path: &Path, card: &Card<'_>) -> Result<Change> {
    let before = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e).with_context(|| format!("read {}", path.display())),
    };
    let after = card.update(before.as_deref()).with_context(|| format!("change {}", path.display()))?;
    Ok(Change { before, after })
}

/// Writes the card, and its picture beside it.
fn write(path: &Path, card: &Card<'_>) -> Result<()> {
    let Change { after, .. } = change(path, card)?;
    record::write_atomically(&path.with_file_name(card.badge_file()), card.badge().as_bytes())?;
    Ok(record::write_atomically(path, after.as_bytes())?)
}

/// The change as `diff -u` shows it.
fn difference(path: &Path, change: &Change) -> String {
    let (before, after) = (change.before.as_deref().unwrap_or_default(), change.after.as_str());
    let name = path.display().to_string();
    let text = TextDiff::from_lines(before, after).unified_diff().context_radius(3).header(&name, &name).to_string();
    if text.is_empty() { format!("{name} would not change\n") } else { text }
}
