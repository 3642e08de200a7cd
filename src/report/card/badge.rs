//! A small picture for a card: what the candidate gains in speed and loses in output.

use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::Phase,
    report::{
        number::{ratio, sig3},
        section::quality::cells::mark,
    },
};

/// Width of a character of 11 px Verdana, on average.
const CHARACTER: f64 = 6.6;

/// The picture as SVG.
pub(super) fn badge(analysis: &Analysis, model: usize) -> String {
    let (label, figures) = ("gguf-bench", figures(&analysis.models[model]));
    let width = |text: &str| text.chars().count() as f64 * CHARACTER + 12.0;
    let (left, right) = (width(label), width(&figures));
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
        title = escape(&format!("{label}: {figures}")),
        left = left,
        right = right,
        a = text(left / 2.0, label),
        b = text(left + right / 2.0, &figures),
    ) + "\n"
}

fn figures(m: &ModelAnalysis) -> String {
    let speed = m.vs_original.iter().find(|c| c.id.is_of(Phase::Decode)).and_then(|c| c.ratio);
    let kld = m.quality.as_ref().and_then(|q| q.overall.as_ref()).map(|f| f.kld_mean_nats.value);
    let parts = [
        m.quant.clone(),
        speed.map(|r| format!("{} generation", ratio(r))),
        kld.map(|kld| format!("KLD {}{}", mark(m), sig3(kld))),
    ];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { "not measured".into() } else { known.join(" · ") }
}

fn escape(text: &str) -> String {
    let text = crate::report::text::inert_line(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
