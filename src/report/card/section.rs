//! The Markdown section of a card: what the quantization cost and bought, and where that was measured. No local paths.

use std::fmt::Write;

use crate::{
    analysis::{Analysis, ModelAnalysis, NotDone},
    metric::MetricId,
    record::Phase,
    report::{
        document::{Cell, Column, Table},
        format::markdown::{escape, table},
        number::{bytes, or_unknown, rate, seconds, sig3},
        section::{
            guide,
            names::{self, amount, name},
            quality::{cells, words},
        },
        text::inert_line,
    },
};

/// What a card calls a model: its file's name.
pub(super) fn title(m: &ModelAnalysis) -> String {
    let file = inert_line(&m.file);
    file.strip_suffix(".gguf").unwrap_or(&file).to_owned()
}

/// Names a model in markers: a folder may hold several.
pub(super) fn key(file: &str) -> String {
    let stem = file.strip_suffix(".gguf").unwrap_or(file);
    stem.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' })
        .collect::<String>()
        .replace("--", "-")
}

/// The same of one of an analysis: where a file is there with several settings, its name there tells it from itself.
pub(super) fn key_of(analysis: &Analysis, model: usize) -> String {
    let m = &analysis.models[model];
    let is_alone = analysis.models.iter().filter(|other| other.file == m.file).count() == 1;
    key(if is_alone { &m.file } else { &m.name })
}

/// What the picture of a model is called beside its card.
pub(super) fn badge_file(analysis: &Analysis, model: usize) -> String {
    format!("gguf-bench-{}.svg", key_of(analysis, model))
}

/// How it begins, and how its last line does.
pub(super) const HEADING: &str = "## Benchmark";
pub(super) const LAST_LINE: &str = "Measured by gguf-bench ";

/// The section without its markers, ending in a line end.
pub(super) fn section(analysis: &Analysis, model: usize) -> String {
    let (context, m) = (&analysis.context, &analysis.models[model]);
    let mut out = format!("{HEADING}\n\n![Benchmark of {}]({})\n", escape(&title(m)), badge_file(analysis, model));
    if let Some(own) = guide::of_candidate(analysis, model) {
        let _ = writeln!(out, "\n{}", table(&own));
        for note in &own.notes {
            let _ = writeln!(out, "{}\n", escape(note));
        }
    }
    if let Some(figures) = m.quality.as_ref().and_then(|q| q.overall.as_ref()) {
        let (kld, same) = (figures.kld_mean_nats.value, figures.top1_agreement.value);
        let _ = writeln!(
            out,
            "Against the original, token by token: mean KLD {}{} nats, {}{} % same first choice.\n",
            cells::mark(m),
            sig3(kld),
            cells::mark_rounded(m),
            sig3(same * 100.0)
        );
        if let Some(words) = words::bound_sentence(m) {
            let _ = writeln!(out, "{words}\n");
        }
    }
    let _ = writeln!(out, "{}", table(&models(analysis)));
    let missing = not_done(analysis, &m.name);
    if !missing.is_empty() {
        let _ = writeln!(out, "Asked for and not done:\n\n{}", missing.concat());
    }
    let _ = writeln!(
        out,
        "{LAST_LINE}{} ({}) on {} (threads: {}), {}.",
        escape(&context.build.version),
        amount(analysis),
        escape(&context.machine.cpu),
        context.base_settings().n_threads,
        escape(&context.started_utc),
    );
    out
}

/// What was asked of the run, of this model or of what it is held against, and not done: a line each. How to do it is nothing for who reads
/// a card.
fn not_done(analysis: &Analysis, name: &str) -> Vec<String> {
    let original = names::original(analysis).map(|original| &original.name);
    let concerns = |of: &&NotDone| of.model.as_ref().is_none_or(|own| own == name || Some(own) == original);
    let line = |of: &NotDone| match &of.model {
        Some(own) => format!("- {}: {}\n", escape(own), escape(&of.reason)),
        None => format!("- {}\n", escape(&of.reason)),
    };
    analysis.not_done.iter().filter(concerns).map(line).collect()
}

fn models(analysis: &Analysis) -> Table {
    let columns = ["size", "bits per weight", "memory", "load time", "generation", "perplexity"];
    let columns = std::iter::once(Column::text("model")).chain(columns.map(|c| Column::number(c, ""))).collect();
    let tg = |m: &ModelAnalysis| m.metrics.iter().find(|x| x.id.is_of(Phase::Decode)).and_then(|x| x.value);
    let row = |m: &ModelAnalysis| {
        let texts = [
            or_unknown(m.size_bytes.map(|b| b as f64), bytes),
            or_unknown(m.bits_per_weight, sig3),
            or_unknown(m.memory.as_ref().map(|s| s.peak_bytes), bytes),
            or_unknown(m.load.as_ref().map(|l| l.model_s), seconds),
            or_unknown(tg(m), rate),
            or_unknown(m.metric(&MetricId::Perplexity).and_then(|p| p.value), sig3),
        ];
        std::iter::once(Cell::text(name(m))).chain(texts.map(Cell::text)).collect()
    };
    Table::new("models", "Models", columns, analysis.models.iter().map(row).collect())
}
