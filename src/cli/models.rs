//! models: what is on this machine, from all stores and the folders that are named, and which of it belongs together.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{
    console::{Exit, print_json, print_text, size},
    fetch,
    machine::Environment,
};
use crate::{
    gguf::{self, Facts, GgmlType, Kind},
    models::inventory::{self, Item, Store},
    record::Machine,
    report::shell,
    text::printable,
};

/// Tokens of context that a model is held against the memory with, or all that it was trained for.
const CONTEXT: u32 = 4096;

#[derive(Debug, Args)]
pub(super) struct ModelsArgs {
    /// Folders to look into besides the stores of the Hub, Ollama, LM Studio and llama.cpp
    folders: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A model of this machine.
#[derive(Debug, Serialize)]
struct Row {
    /// What to type for it.
    name: String,
    store: Store,
    path: PathBuf,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    title: Option<String>,
    architecture: Option<String>,
    quant: Option<&'static str>,
    file_bytes: Option<u64>,
    bits_per_weight: Option<f64>,
    parameters: Option<u64>,
    /// Weights with the KV cache for so many tokens; weights alone where the header does not tell the cache.
    needs_bytes: Option<u64>,
    needs_context: Option<u32>,
    fits: Option<Fits>,
    #[serde(skip)]
    family: Option<Family>,
}

/// Where a model fits, by what is free now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fits {
    Gpu,
    Memory,
    No,
}

impl Fits {
    fn of(needs_bytes: u64, machine: &Machine) -> Self {
        let devices = machine.devices.iter().filter(|device| device.kind.has_own_memory());
        let on_devices = devices.map(|device| device.memory_free_bytes).fold(0, u64::saturating_add);
        if needs_bytes <= on_devices {
            Self::Gpu
        } else if needs_bytes <= machine.available_bytes {
            Self::Memory
        } else {
            Self::No
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::Memory => "yes",
            Self::No => "no",
        }
    }
}

/// What the quantizations of one model have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Family {
    architecture: String,
    shape: [Option<u64>; 3],
    /// Its title, or its file's name without the quantization; letters and digits alone.
    title: String,
}

/// Quantizations of one model, and how to compare them.
#[derive(Debug, Serialize)]
struct Group {
    title: String,
    /// The closest to the original first.
    models: Vec<String>,
    command: String,
}

#[derive(Debug, Serialize)]
struct Listing {
    models: Vec<Row>,
    groups: Vec<Group>,
    /// What could not be looked at.
    problems: Vec<String>,
    available_bytes: u64,
}

pub(super) fn run(args: &ModelsArgs) -> Result<Exit> {
    let stores = fetch::stores();
    let found = inventory::take(&stores, &args.folders);
    let Environment { machine, .. } = Environment::read()?;
    let mut rows: Vec<Row> = found.items.into_iter().map(|item| row(item, &machine)).collect();
    rows.sort_by(|a, b| {
        (a.family.is_none(), &a.family, b.bits_per_weight.map(f64::to_bits), &a.name).cmp(&(
            b.family.is_none(),
            &b.family,
            a.bits_per_weight.map(f64::to_bits),
            &b.name,
        ))
    });
    let groups = groups(&rows);
    let listing = Listing { models: rows, groups, problems: found.problems, available_bytes: machine.available_bytes };
    if args.json { print_json(&listing) } else { print_text(&in_words(&listing)?) }
}

fn row(item: Item, machine: &Machine) -> Row {
    let Item { store, name, path, label } = item;
    let read = gguf::Model::read(&path).map(|model| model.facts());
    let facts = match read {
        Ok(facts) => facts,
        Err(error) => {
            return Row {
                name,
                store,
                path,
                problem: Some(error.to_string()),
                kind: None,
                title: None,
                architecture: None,
                quant: None,
                file_bytes: None,
                bits_per_weight: None,
                parameters: None,
                needs_bytes: None,
                needs_context: None,
                fits: None,
                family: None,
            };
        }
    };
    let trained = facts.shape.n_ctx_train.and_then(|n| u32::try_from(n).ok());
    let context = trained.map_or(CONTEXT, |trained| trained.min(CONTEXT));
    let kv = facts.shape.kv_cache_bytes(context, GgmlType::F16, GgmlType::F16).ok();
    let needs_bytes = facts.weights.bytes.saturating_add(kv.unwrap_or(0));
    let called = label.map_or_else(|| path.clone(), PathBuf::from);
    Row {
        family: facts.kind.generates().then(|| family(&facts, &called)),
        problem: facts.refusal(),
        kind: Some(facts.kind),
        title: facts.name.as_deref().map(printable),
        architecture: facts.shape.architecture.as_deref().map(printable),
        quant: facts.file_type.as_ref().map(|found| found.short),
        file_bytes: Some(facts.file_bytes),
        bits_per_weight: facts.bits_per_weight,
        parameters: Some(facts.weights.params),
        needs_bytes: Some(needs_bytes),
        needs_context: kv.map(|_| context),
        fits: Some(Fits::of(needs_bytes, machine)),
        name,
        store,
        path,
    }
}

fn family(facts: &Facts, file: &Path) -> Family {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = gguf::stem(&name);
    let quant = crate::models::names::quant_of(stem);
    let without = quant.map_or_else(|| stem.to_owned(), |quant| stem.replacen(quant, "", 1));
    let title = facts.name.clone().unwrap_or(without);
    Family {
        architecture: facts.shape.architecture.clone().unwrap_or_default(),
        shape: [facts.shape.n_layer, facts.shape.n_embd, facts.shape.n_vocab],
        title: title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect(),
    }
}

/// Models of one family that differ in how they are stored; rows come in order.
fn groups(rows: &[Row]) -> Vec<Group> {
    let mut families: BTreeMap<&Family, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(family) = &row.family {
            let members = families.entry(family).or_default();
            // The same file in another store is no other quantization.
            if members.iter().all(|other| (other.quant, other.file_bytes) != (row.quant, row.file_bytes)) {
                members.push(row);
            }
        }
    }
    let several = families.into_values().filter(|members| members.len() > 1);
    several
        .map(|members| {
            let models: Vec<String> = members.iter().map(|row| row.name.clone()).collect();
            Group {
                title: members[0].title.clone().unwrap_or_else(|| models[0].clone()),
                command: format!("gguf-bench compare {}", shell(&models)),
                models,
            }
        })
        .collect()
}

fn in_words(listing: &Listing) -> Result<String> {
    let Listing { models, groups, problems, available_bytes } = listing;
    let mut out = String::new();
    if models.is_empty() {
        writeln!(
            out,
            "No model was found in the stores of the Hub, Ollama, LM Studio and llama.cpp; name the folders that hold yours"
        )?;
    } else {
        let widest = models.iter().map(|row| printable(&row.name).chars().count()).max().unwrap_or(0).max(4);
        writeln!(
            out,
            "{:<widest$}  {:<9}  {:<9}  {:>10}  {:>5}  {:>10}  fits",
            "name", "store", "quant", "size", "bpw", "needs"
        )?;
        for row in models {
            let known = |value: Option<String>| value.unwrap_or_else(|| "—".into());
            writeln!(
                out,
                "{:<widest$}  {:<9}  {:<9}  {:>10}  {:>5}  {:>10}  {}",
                printable(&row.name),
                row.store.name(),
                row.quant.unwrap_or("—"),
                known(row.file_bytes.map(size)),
                known(row.bits_per_weight.map(|bits| format!("{bits:.2}"))),
                known(row.needs_bytes.map(|bytes| format!(
                    "{}{}",
                    if row.needs_context.is_some() { "" } else { "≥ " },
                    size(bytes)
                ))),
                row.fits.map_or("—", Fits::words)
            )?;
            if let Some(problem) = &row.problem {
                writeln!(out, "  {problem}")?;
            }
        }
        writeln!(
            out,
            "\nneeds: weights and the KV cache of {CONTEXT} tokens, or of as many as the model was trained for; {} is available",
            size(*available_bytes)
        )?;
    }
    for group in groups {
        writeln!(out, "\n{} in {} quantizations:\n  {}", group.title, group.models.len(), group.command)?;
    }
    for problem in problems {
        writeln!(out, "\nNot looked at: {problem}")?;
    }
    Ok(out)
}
