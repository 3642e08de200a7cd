//! A small picture for a card: what the candidate gains in speed and loses in output.

use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::Phase,
    report::number::{ratio, sig3},
};

/// What the picture of a model is called beside its card.
#[must_use]
pub(crate) fn badge_file(analysis: &Analysis, model: usize) -> String {
    format!("gguf-bench-{}.svg", super::key(&analysis.models[model].file))
}

/// Width of a character of 11 px Verdana, on average.
const CHARACTER: f64 = 6.6;

/// The picture as SVG.
#[must_use]
pub(crate) fn badge(analysis: &Analysis, model: usize) -> String {
    let (label, said) = ("gguf-bench", said(&analysis.models[model]));
    let width = |text: &str| text.chars().count() as f64 * CHARACTER + 12.0;
    let (left, right) = (width(label), width(&said));
    let text = |x: f64, text: &str| format!(r#"<text x="{x:.1}" y="14">{}</text>"#, escape(text));
    format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{all:.0}" height="20" role="img" aria-label="{title}">"#,
            r#"<title>{title}</title><clipPath id="r"><rect width="{all:.0}" height="20" rx="3"/></clipPath>"#,
            r##"<g clip-path="url(#r)"><rect width="{left:.0}" height="20" fill="#444"/>"##,
            r##"<rect x="{left:.0}" width="{right:.0}" height="20" fill="#1f6f8b"/></g>"##,
            r##"<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{a}{b}</g></svg>"##,
        ),
        all = left + right,
        title = escape(&format!("{label}: {said}")),
        left = left,
        right = right,
        a = text(left / 2.0, label),
        b = text(left + right / 2.0, &said),
    ) + "\n"
}

fn said(m: &ModelAnalysis) -> String {
    let speed = m.vs_original.iter().find(|c| c.id.is_of(Phase::Decode)).and_then(|c| c.ratio);
    let kld = m.quality.as_ref().and_then(|q| q.overall.as_ref()).map(|f| f.kld_mean_nats.value);
    let parts = [
        m.quant.clone(),
        speed.map(|r| format!("{} generation", ratio(r))),
        kld.map(|kld| format!("KLD {}", sig3(kld))),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    if said.is_empty() { "not measured".into() } else { said.join(" · ") }
}

fn escape(text: &str) -> String {
    let text = crate::report::text::inert_line(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
