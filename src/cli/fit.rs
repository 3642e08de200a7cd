//! fit: what models will take here, and how they fit, from their headers alone.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

use super::{
    console::{Exit, print_json, print_text, size},
    fetch::{self, Header},
    machine::Environment,
    options::values::one_of,
    progress::Log,
    subjects,
};
use crate::{
    analysis, gguf, models, probe,
    record::{CacheType, Machine, MemoryBandwidth, ModelFacts, Role, Settings},
    report::number::sig3,
    run::{
        MemoryBudget,
        fit::{self, Fit, Free, Split},
    },
    text::printable,
    units::GIB,
};

#[derive(Debug, Args)]
#[command(after_help = WHAT)]
pub(super) struct FitArgs {
    /// GGUF files, folders holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Tokens of context
    #[arg(long, value_delimiter = ',', default_value = "4096", value_name = "N,...", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    ctx: Vec<u32>,
    /// Quants of a repository on the Hub to look at, as owner/name:TYPE
    #[arg(long, value_delimiter = ',', value_name = "TYPE,...")]
    types: Vec<String>,
    /// Type of the K cache
    #[arg(long, visible_alias = "ctk", value_parser = one_of::<CacheType>(), default_value = "f16", value_name = "TYPE")]
    cache_type_k: CacheType,
    /// Type of the V cache
    #[arg(long, visible_alias = "ctv", value_parser = one_of::<CacheType>(), default_value = "f16", value_name = "TYPE")]
    cache_type_v: CacheType,
    /// As JSON
    #[arg(long)]
    json: bool,
}

const WHAT: &str = "\
Only headers are read, those of the Hub by requests for their bytes: nothing is downloaded. Compute buffers are what llama.cpp reserves;
a process on the CPU touches less of them. The speed is what the memory allows at most, when a token reads every weight and the KV cache.";

/// A model in a context.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    model: String,
    quant: String,
    n_ctx: u32,
    weights_bytes: u64,
    /// Weights that are held a second time, laid out anew for the CPU.
    repacked_bytes: u64,
    /// `null` where the header does not tell it.
    kv_bytes: Option<u64>,
    compute_bytes: u64,
    host_bytes: u64,
    devices_bytes: u64,
    fits: bool,
    /// In words, with llama.cpp's flags.
    how: String,
    /// Tokens a second that the memory allows at most, with an empty context and with a full one; `null` where it is not known.
    tg_at_most: Option<[f64; 2]>,
}

pub(super) fn run(args: &FitArgs) -> Result<Exit> {
    let FitArgs { models: named, ctx, types, cache_type_k, cache_type_v, json } = args;
    let Environment { build, machine, threads } = Environment::read()?;
    let instructions = build.compiled_to_use();
    let settings = Settings { type_k: *cache_type_k, type_v: *cache_type_v, ..Settings::defaults(threads.n_threads) };
    let free = Free::of(&machine);
    let clock = probe::Monotonic::start();
    let bandwidth = free
        .devices
        .is_none()
        .then(|| probe::bandwidth(&clock, settings.n_threads, probe::machine::available_bytes()))
        .flatten();
    let mut rows = Vec::new();
    for name in every(named, types)? {
        let (file, facts) = header(&name)?;
        if let Some(refusal) = facts.cannot_generate() {
            bail!("{}: {refusal}", printable(&file));
        }
        let own = subjects::model_facts(&facts).map_err(|reason| anyhow::anyhow!("{}: {reason}", printable(&file)))?;
        let repacked = gguf::repacked_bytes(&own.tensors, &settings, &machine, &instructions);
        let own = ModelFacts { expected_repacked_bytes: Some(repacked), ..own };
        for &n_ctx in ctx {
            rows.push(row(&file, &facts, &own, n_ctx, &settings, free, bandwidth.as_ref()));
        }
    }
    if *json {
        return print_json(&rows);
    }
    print_text(&described(&rows, &machine, bandwidth.as_ref())?)
}

/// With each type of each repository.
fn every(named: &[String], types: &[String]) -> Result<Vec<String>> {
    if types.is_empty() {
        return Ok(named.to_vec());
    }
    let mut all = Vec::new();
    for name in named {
        if std::path::Path::new(name).exists() || name.matches('/').count() != 1 || name.contains(':') {
            bail!("--types looks at quants of a repository on the Hub, owner/name, and {} is none", printable(name));
        }
        all.extend(types.iter().map(|ty| format!("{name}:{ty}")));
    }
    Ok(all)
}

fn header(name: &str) -> Result<(String, gguf::Facts)> {
    Ok(match fetch::header(name, Role::Candidate, &mut Log)? {
        Header::At(path) => {
            let file = models::resolve(&path)?.file;
            let model = gguf::Model::read(&file).with_context(|| format!("read {}", file.display()))?;
            (file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned(), model.facts())
        }
        Header::Read { file, facts } => (file, *facts),
    })
}

fn row(
    file: &str,
    facts: &gguf::Facts,
    own: &ModelFacts,
    n_ctx: u32,
    settings: &Settings,
    free: Free,
    bandwidth: Option<&MemoryBandwidth>,
) -> Row {
    let kv = facts.shape.kv_cache_bytes(n_ctx, settings.type_k.into(), settings.type_v.into()).ok();
    let budget = MemoryBudget::in_context(own, settings, n_ctx, kv);
    let (found, share) = fit::fit(&Split { facts: own, layers: &facts.layers, budget }, free);
    let weights = analysis::weights_a_token(own).filter(|_| found == Fit::Host);
    let tg_at_most = bandwidth.zip(weights).map(|(bandwidth, weights)| {
        let at_most = |kv: u64| bandwidth.bytes_per_s / (weights.saturating_add(kv).max(1)) as f64;
        [at_most(0), at_most(kv.unwrap_or(0))]
    });
    Row {
        model: file.to_owned(),
        quant: own.quant.clone(),
        n_ctx,
        weights_bytes: budget.weights,
        repacked_bytes: budget.repacked,
        kv_bytes: budget.kv,
        compute_bytes: budget.compute,
        host_bytes: share.host,
        devices_bytes: share.devices,
        fits: found != Fit::No,
        how: how(found, own.n_ctx_train.is_some_and(|trained| n_ctx > trained)),
        tg_at_most,
    }
}

fn how(found: Fit, is_too_long: bool) -> String {
    let fits = match found {
        Fit::Host => "fits".into(),
        Fit::Devices => "fits whole on the device".into(),
        Fit::CpuExperts(n) => format!("fits with -ncmoe {n}"),
        Fit::Layers(0) => "fits on the CPU alone (-ngl 0)".into(),
        Fit::Layers(n) => format!("fits with -ngl {n}"),
        Fit::No => "does not fit".into(),
    };
    if is_too_long { format!("{fits}; longer than it was trained for") } else { fits }
}

fn described(rows: &[Row], machine: &Machine, bandwidth: Option<&MemoryBandwidth>) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "Memory: {} available of {}", size(machine.available_bytes), size(machine.ram_bytes))?;
    for device in machine.devices.iter().filter(|device| device.kind.has_own_memory()) {
        let name = printable(&device.name);
        writeln!(out, "{name}: {} free of {}", size(device.memory_free_bytes), size(device.memory_total_bytes))?;
    }
    if let Some(bandwidth) = bandwidth {
        writeln!(out, "Bandwidth: {} GiB/s, measured now", sig3(bandwidth.bytes_per_s / GIB))?;
    }
    let width = rows.iter().map(|row| row.model.chars().count()).max().unwrap_or(0).clamp(5, 44);
    writeln!(
        out,
        "\n{:<width$} {:<8} {:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12}  fit",
        "model", "quant", "context", "weights", "held again", "KV cache", "compute", "in all", "tg at most"
    )?;
    for row in rows {
        let speed =
            row.tg_at_most.map_or_else(|| "n/a".into(), |[empty, full]| format!("{} to {}", sig3(full), sig3(empty)));
        let kv = row.kv_bytes.map_or_else(|| "unknown".into(), size);
        writeln!(
            out,
            "{:<width$} {:<8} {:>8} {:>10} {:>10} {kv:>10} {:>10} {:>10} {speed:>12}  {}",
            printable(&row.model).chars().take(width).collect::<String>(),
            row.quant,
            row.n_ctx,
            size(row.weights_bytes),
            size(row.repacked_bytes),
            size(row.compute_bytes),
            size(row.host_bytes.saturating_add(row.devices_bytes)),
            row.how
        )?;
    }
    writeln!(out, "\ntg at most: tokens a second that the memory allows, with a full context and with an empty one.")?;
    if rows.iter().any(|row| row.repacked_bytes > 0) {
        writeln!(out, "Held again: weights that llama.cpp lays out anew for this CPU, beside those of the file.")?;
    }
    if rows.iter().any(|row| row.kv_bytes.is_none()) {
        writeln!(out, "A KV cache that is unknown does not follow from the header, and is in no sum.")?;
    }
    Ok(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn types_are_looked_at_in_repositories_alone() {
        let names = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            every(&named, &["Q8_0".into(), "Q4_0".into()])
        };
        assert_eq!(names(&["a/b", "a/c"]).unwrap(), ["a/b:Q8_0", "a/b:Q4_0", "a/c:Q8_0", "a/c:Q4_0"]);
        for wrong in ["Cargo.toml", "a/b:Q8_0", "b", "a/b/c.gguf", "ollama:b"] {
            assert!(names(&[wrong]).is_err(), "{wrong}");
        }
        assert_eq!(every(&["b".into()], &[]).unwrap(), ["b"]);
    }

    #[test]
    fn how_it_fits_is_told_by_llama_cpps_flags() {
        let told =
            [Fit::Host, Fit::CpuExperts(3), Fit::Layers(7), Fit::Layers(0), Fit::No].map(|found| how(found, false));
        assert_eq!(
            told,
            ["fits", "fits with -ncmoe 3", "fits with -ngl 7", "fits on the CPU alone (-ngl 0)", "does not fit"]
        );
        assert_eq!(how(Fit::Host, true), "fits; longer than it was trained for");
    }
}
