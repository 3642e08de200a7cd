//! A candidate's results as an item of Hugging Face's `model-index`. Strings are quoted as JSON quotes them, which YAML reads the same.

use std::fmt::Write;

use crate::{
    analysis::{Analysis, Figures, KldKind, QualityAnalysis},
    metric::{Layout, MetricId},
    report::text::inert_line,
};

const HOME: &str = "https://github.com/gguf-bench/gguf-bench";

/// The item, unindented; `None` when there is nothing to report.
pub(super) fn item(analysis: &Analysis, model: usize) -> Option<String> {
    let m = &analysis.models[model];
    let mut out = format!("- name: {}\n  results:\n", quoted(&super::section::title(m)));
    let empty = out.len();
    let version = format!("gguf-bench {}", analysis.context.build.version);
    let mut result = |kind: &str, name: &str, metrics: &[(&str, String, f64)]| {
        let metrics: Vec<_> = metrics.iter().filter(|(.., value)| value.is_finite()).collect();
        if metrics.is_empty() {
            return;
        }
        out.push_str("  - task:\n      type: text-generation\n      name: Text Generation\n    dataset:\n");
        let _ = writeln!(out, "      type: {}\n      name: {}\n    metrics:", quoted(kind), quoted(name));
        for (kind, name, value) in metrics {
            let _ = writeln!(out, "    - type: {}\n      name: {}\n      value: {value}", quoted(kind), quoted(name));
        }
        let _ = writeln!(out, "    source:\n      name: {}\n      url: {}", quoted(&version), quoted(HOME));
    };
    for (measured, text) in m.quality.iter().flat_map(|quality| quality.texts.iter().map(move |text| (quality, text))) {
        result(&text.domain, &text.name, &quality(measured, &text.figures));
    }
    let speeds: Vec<(&str, String, f64)> = m
        .metrics
        .iter()
        .filter(|metric| is_bare(&metric.id))
        .filter_map(|metric| Some(("tokens-per-second", format!("{} (t/s)", metric.id), metric.value?)))
        .collect();
    result("synthetic", "token ids, as llama-bench uses them", &speeds);
    (out.len() > empty).then_some(out)
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
fn quoted(text: &str) -> String {
    serde_json::Value::String(inert_line(text)).to_string()
}
