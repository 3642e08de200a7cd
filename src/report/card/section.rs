//! The Markdown section of a card: what the quantization cost and bought, and where that was measured. No local paths.

use std::fmt::Write;

use super::badge_file;
use crate::{
    analysis::{Analysis, ModelAnalysis},
    metric::MetricId,
    record::{Phase, Role, Run},
    report::{
        document::{Cell, Column, Table},
        format::markdown::{escape, table},
        number::{bytes, or_unknown, rate, seconds, sig3},
        section::{guide, names::name},
        text::inert_line,
    },
};

/// What a card calls a model: its file's name.
pub(super) fn title(m: &ModelAnalysis) -> String {
    let file = inert_line(&m.file);
    file.strip_suffix(".gguf").unwrap_or(&file).to_owned()
}

/// The section without its markers, ending in a line end.
#[must_use]
pub(crate) fn section(run: &Run, analysis: &Analysis, model: usize) -> String {
    let m = &analysis.models[model];
    let mut out = format!("## Benchmark\n\n![Benchmark of {}]({})\n", escape(&title(m)), badge_file(analysis, model));
    let candidates = analysis.models.iter().filter(|m| m.role != Role::Original);
    let place = candidates.clone().position(|c| c.name == m.name);
    let own = guide::overall(analysis)
        .into_iter()
        .find(|t| Some(&t.id) == place.map(|p| format!("guide-{}", p + 1)).as_ref());
    if let Some(own) = own {
        let _ = writeln!(out, "\n{}", table(&own));
        for note in &own.notes {
            let _ = writeln!(out, "{}\n", escape(note));
        }
    }
    if let Some(figures) = m.quality.as_ref().and_then(|q| q.overall.as_ref()) {
        let (kld, same) = (figures.kld_mean_nats.value, figures.top1_agreement.value);
        let _ = writeln!(
            out,
            "Against the original, token by token: mean KLD {} nats, {} % same first choice.\n",
            sig3(kld),
            sig3(same * 100.0)
        );
    }
    let _ = writeln!(out, "{}", table(&comparison(analysis)));
    let quick = if analysis.quick { "a quick look, " } else { "" };
    let _ = writeln!(
        out,
        "Measured by gguf-bench {} (rounds: {quick}{}) on {} (threads: {}), {}.",
        escape(&run.build.version),
        analysis.rounds,
        escape(&run.machine.cpu),
        run.base_settings().n_threads,
        escape(&run.started_utc),
    );
    out
}

fn comparison(analysis: &Analysis) -> Table {
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
