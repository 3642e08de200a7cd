//! A candidate's results as items of Hugging Face's `model-index`. Strings are quoted as JSON quotes them, which YAML reads the same.
//!
//! Its tools tell results apart by task and by the data set's type, configuration and split, not by entry and not by the data set's name:
//! the checkpoint is the configuration, the domain the split.

use std::fmt::Write;

use super::front::HOME;
use crate::{
    analysis::{Analysis, Figures, KldKind, QualityAnalysis},
    metric::{Layout, MetricId},
    report::text::{counted, inert_line},
};

/// The items, unindented.
pub(super) fn items(analysis: &Analysis, model: usize) -> Vec<String> {
    let m = &analysis.models[model];
    let (config, title) = (super::section::key_of(analysis, model), super::section::title(m));
    let version = format!("gguf-bench {}", analysis.context.build.version);
    let mut items = Vec::new();
    let mut result = |dataset: Dataset<'_>, metrics: &[(&str, String, f64)]| {
        let metrics: Vec<_> = metrics.iter().filter(|(.., value)| value.is_finite()).collect();
        if metrics.is_empty() {
            return;
        }
        let Dataset { kind, name, split } = dataset;
        let mut out = "- task:\n    type: text-generation\n    name: Text Generation\n  dataset:\n".to_owned();
        let _ =
            writeln!(out, "    type: {}\n    name: {}\n    config: {}", quoted(kind), quoted(&name), quoted(&config));
        if let Some(split) = split {
            let _ = writeln!(out, "    split: {}", quoted(split));
        }
        out.push_str("  metrics:\n");
        for (kind, name, value) in metrics {
            let name = quoted(&format!("{name}, {title}"));
            let _ = writeln!(out, "  - type: {}\n    name: {name}\n    value: {value}", quoted(kind));
        }
        let _ = writeln!(out, "  source:\n    name: {}\n    url: {}", quoted(&version), quoted(HOME));
        items.push(out);
    };
    if let Some(measured) = &m.quality {
        let all = measured.overall.iter().map(|figures| (None, measured.documents, figures));
        // Of one domain both would say the same.
        let domains = measured.domains.iter().filter(|_| measured.domains.len() > 1);
        let each = domains.map(|own| (Some(own.domain.as_str()), own.documents, &own.figures));
        for (split, documents, figures) in all.chain(each) {
            let of = split.map_or_else(String::new, |domain| format!(" of {domain}"));
            let name = format!("{}{of}", counted(documents, "evaluation text"));
            result(Dataset { kind: "gguf-bench-texts", name, split }, &quality(measured, figures));
        }
    }
    let speeds: Vec<(&str, String, f64)> = m
        .metrics
        .iter()
        .filter(|metric| is_bare(&metric.id))
        .filter_map(|metric| Some(("tokens-per-second", format!("{} (t/s)", metric.id), metric.value?)))
        .collect();
    let name = "token ids, as llama-bench uses them".into();
    result(Dataset { kind: "gguf-bench-synthetic", name, split: None }, &speeds);
    items
}

/// What was measured on.
struct Dataset<'a> {
    kind: &'a str,
    name: String,
    split: Option<&'a str>,
}
fn quality(measured: &QualityAnalysis, figures: &Figures) -> [(&'static str, String, f64); 3] {
    // A number alone carries no mark.
    let (of_kld, of_others) = match measured.kld {
        KldKind::Exact => ("", ""),
        KldKind::LowerBound { .. } => (", a lower bound", ""),
        KldKind::Rounded => (", of rounded probabilities", ", of rounded probabilities"),
    };
    [
        ("perplexity", "Perplexity".into(), figures.ppl.value),
        ("kl-divergence", format!("Mean KLD from the original (nats){of_kld}"), figures.kld_mean_nats.value),
        (
            "top1-agreement",
            format!("Same first choice as the original (fraction){of_others}"),
            figures.top1_agreement.value,
        ),
    ]
}

/// Whether it is `pp512` or the like: synthetic work of one sequence with an empty context.
fn is_bare(id: &MetricId) -> bool {
    id.synthetic().is_some_and(|(_, shape)| shape.layout == Layout::One { n_depth: 0 })
}

/// A string that can't end its quotes or its line.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(inert_line(text)).to_string()
}
