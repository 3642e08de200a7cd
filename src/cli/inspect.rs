//! inspect: what a GGUF file holds, from its header alone.

use std::fmt::Write;

use anyhow::{Context, Result};
use clap::Args;

use super::{
    console::{Exit, print_json, print_text, size},
    fetch::{self, Header},
    progress::Log,
};
use crate::{
    gguf::{self, Contradiction, Facts, FileType, FileTypeSource, Heads},
    models,
    record::Role,
    text::printable,
};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    model: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InspectArgs) -> Result<Exit> {
    let (file, facts) = match fetch::header(&args.model, Role::Candidate, &mut Log)? {
        Header::At(path) => {
            let file = models::resolve(&path)?.file;
            let model = gguf::Model::read(&file).with_context(|| format!("read {}", file.display()))?;
            (file.display().to_string(), model.facts())
        }
        Header::Read { file, facts } => (file, *facts),
    };
    if args.json {
        return print_json(&facts);
    }
    print_text(&describe(&file, &facts)?)
}

fn describe(file: &str, facts: &Facts) -> Result<String> {
    let mut out = String::new();
    let mut row = |name: &str, value: String| writeln!(out, "{name:<18} {value}");
    let shape = &facts.shape;
    row(
        "file",
        format!(
            "{} ({}, {} file(s), GGUF v{})",
            printable(file),
            size(facts.file_bytes),
            facts.files,
            facts.gguf_version
        ),
    )?;
    row("kind", facts.cannot_generate().unwrap_or_else(|| facts.kind.name().to_owned()))?;
    row("name", known(facts.name.as_deref()))?;
    row("architecture", known(shape.architecture.as_deref()))?;
    row(
        "quantization",
        facts.file_type.as_ref().map_or_else(|| "unknown".into(), |t| file_type(t, facts.contradiction.as_ref())),
    )?;
    row("parameters", format!("{:.2} M", facts.weights.params as f64 / 1e6))?;
    row("bits per weight", facts.bits_per_weight.map_or_else(|| "n/a: no tensors".into(), |b| format!("{b:.3}")))?;
    let unused = shape.n_layer_unused;
    row(
        "layers",
        if unused == 0 {
            number(shape.n_layer)
        } else {
            format!("{}, {unused} of them not run", number(shape.n_layer))
        },
    )?;
    if facts.unused.tensors > 0 {
        row("for speculation", format!("{}, not loaded and not counted here", size(facts.unused.bytes)))?;
    }
    row("width", number(shape.n_embd))?;
    row(
        "heads",
        format!("{} ({} for keys and values)", heads(shape.n_head.as_ref()), heads(shape.n_head_kv.as_ref())),
    )?;
    row("trained context", number(shape.n_ctx_train))?;
    row("vocabulary", number(shape.n_vocab))?;
    if let Some(t) = &facts.tokenizer {
        let bos = t.add_bos.map_or("unsaid", |b| if b { "yes" } else { "no" });
        row(
            "tokenizer",
            format!("{}, pre-tokenizer {}, adds BOS: {bos}", known(t.model.as_deref()), known(t.pre.as_deref())),
        )?;
    }
    row(
        "chat template",
        facts.chat_template.as_ref().map_or_else(|| "no".into(), |t| format!("yes ({} bytes)", t.bytes)),
    )?;
    row(
        "imatrix",
        facts.imatrix.as_ref().map_or_else(
            || "none recorded".into(),
            |i| format!("{} ({} chunks)", known(i.dataset.as_deref().or(i.file.as_deref())), number(i.chunks)),
        ),
    )?;
    if facts.k_quants.fallback.tensors > 0 {
        row(
            "K-quants",
            format!(
                "{} of {} matrices have rows that are no multiple of 256: llama.cpp stores them in another type",
                facts.k_quants.fallback.tensors, facts.k_quants.matrices
            ),
        )?;
    }
    writeln!(out, "\n{:<10} {:>8} {:>16} {:>12} {:>8}", "type", "tensors", "parameters", "bytes", "share")?;
    let all_bytes: u64 = facts.weights.bytes.saturating_add(facts.unused.bytes);
    for (ty, sum) in &facts.by_type {
        let percent = sum.bytes as f64 / all_bytes.max(1) as f64 * 100.0;
        writeln!(
            out,
            "{:<10} {:>8} {:>16} {:>12} {percent:>6.1} %",
            ty.to_string(),
            sum.tensors,
            sum.params,
            sum.bytes
        )?;
    }
    Ok(out)
}

/// `Q4_K_M (Q4_K - Medium)`, with what it is known from where no statement says so.
fn file_type(found: &FileType, contradiction: Option<&Contradiction>) -> String {
    let FileType { short, name, source } = found;
    match (source, contradiction) {
        (FileTypeSource::Guessed, _) => format!("{short} ({name}), guessed from its tensors: the file states none"),
        (_, Some(contradiction)) => format!("{short} ({name}) by its tensors; {contradiction}"),
        (FileTypeSource::Stated | FileTypeSource::Tensors, None) => format!("{short} ({name})"),
    }
}

fn known(text: Option<&str>) -> String {
    text.map_or_else(|| "unknown".into(), printable)
}

fn number(n: Option<u64>) -> String {
    n.map_or_else(|| "unknown".into(), |n| n.to_string())
}

fn heads(heads: Option<&Heads>) -> String {
    match heads {
        None => "unknown".into(),
        Some(Heads::Same(n)) => n.to_string(),
        Some(Heads::PerLayer(layers)) => {
            let (least, most) = (layers.iter().min(), layers.iter().max());
            format!("{} to {} by layer", number(least.copied()), number(most.copied()))
        }
    }
}
