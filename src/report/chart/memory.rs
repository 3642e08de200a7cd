//! Memory by part: llama.cpp's account above, the measured peak below, what the header made us expect as a mark.

use super::Chart;
use crate::report::draw::{
    axis::Axis,
    canvas::{Anchor, Canvas, DrawError, Face, Ink, WIDTH, svg},
};
use crate::{
    analysis::{Analysis, MemorySummary, Unit},
    report::{format::Scale, text::shorten, view::names::name},
};

const ROW: i32 = 56;
const TOP: i32 = 52;

pub(super) fn chart(analysis: &Analysis) -> Result<Option<Chart>, DrawError> {
    let models: Vec<(String, &MemorySummary)> =
        analysis.models.iter().filter_map(|m| Some((shorten(&name(m), 22), m.memory.as_ref()?))).collect();
    if models.is_empty() {
        return Ok(None);
    }
    let most = models.iter().map(|(_, m)| m.peak_bytes.max(account(m))).fold(0.0, f64::max);
    let scale = Scale::of(Unit::Bytes, most);
    let left =
        models.iter().map(|(n, _)| Face::Bold.width(n)).max().unwrap_or(0).max(Face::Small.width("llama.cpp")) + 10;
    let right =
        models.iter().map(|(_, m)| Face::Normal.width(&scale.number(m.peak_bytes.max(account(m))))).max().unwrap_or(0)
            + 12;
    let x = Axis::up_to(most, (left, left + (WIDTH - left - right).max(80)));
    let title = format!("Memory by part, {}", scale.suffix);
    let say = |(n, m): &(String, &MemorySummary)| {
        format!("{n}: llama.cpp {}, measured peak {}", scale.number(account(m)), scale.number(m.peak_bytes))
    };
    let desc = models.iter().map(say).collect::<Vec<_>>().join("; ");
    let height = TOP + ROW * i32::try_from(models.len()).unwrap_or(0);
    let svg = svg("chart-memory", &title, &desc, height, |canvas| {
        legend(canvas);
        for (i, (name, m)) in (0_i32..).zip(&models) {
            let y = TOP + i * ROW;
            canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + 12), name);
            draw_model(canvas, m, y, left, &x, scale);
        }
    })?;
    let note =
        "Upper bar: llama.cpp's own account. Lower bar: the measured peak, split at the greatest anonymous part seen. \
                The mark is weights plus KV cache, as expected from the header."
            .into();
    Ok(Some(Chart { id: "chart-memory".into(), section: "memory", title, note, svg }))
}

/// llama.cpp's sum over buffers in host memory and on devices.
fn account(m: &MemorySummary) -> f64 {
    m.totals.weights_bytes as f64 + m.totals.context_bytes as f64 + m.totals.compute_bytes as f64
}

fn legend(canvas: &mut Canvas<'_>) {
    let items = [
        [(Ink::Weights, "weights"), (Ink::Context, "KV cache"), (Ink::Compute, "compute buffers")],
        [(Ink::Weights, "file-backed"), (Ink::Compute, "anonymous"), (Ink::Text, "expected")],
    ];
    for (row, items) in (0_i32..).zip(items) {
        let y = 10 + row * 18;
        let mut x = 0;
        let head = if row == 0 { "llama.cpp:" } else { "measured:" };
        canvas.text(Ink::Muted, Face::Small, Anchor::Start, (x, y), head);
        x += 70;
        for (ink, label) in items {
            let w = if ink == Ink::Text { 2 } else { 10 };
            canvas.rect(ink, (x, y - 5), (w, 10));
            canvas.text(Ink::Muted, Face::Small, Anchor::Start, (x + 15, y), label);
            x += 15 + Face::Small.width(label) + 14;
        }
    }
}

fn draw_model(canvas: &mut Canvas<'_>, m: &MemorySummary, y: i32, left: i32, x: &Axis, scale: Scale) {
    let t = &m.totals;
    let parts = [
        (Ink::Weights, t.weights_bytes as f64),
        (Ink::Context, t.context_bytes as f64),
        (Ink::Compute, t.compute_bytes as f64),
    ];
    stack(canvas, &parts, y + 4, x);
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (WIDTH - 2, y + 12), &scale.number(account(m)));
    let peak = m.peak_bytes;
    let measured = match m.peak_anon_bytes {
        Some(anon) => vec![(Ink::Weights, (peak - anon).max(0.0)), (Ink::Compute, anon.min(peak))],
        None => vec![(Ink::Original, peak)],
    };
    canvas.text(Ink::Muted, Face::Small, Anchor::Start, (0, y + 32), "measured");
    stack(canvas, &measured, y + 24, x);
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (WIDTH - 2, y + 32), &scale.number(peak));
    if let Some(expected) = m.expected_bytes {
        let at = x.at(expected as f64);
        canvas.line(Ink::Page, (at - 2, y + 1), (at - 2, y + 43), 1);
        canvas.line(Ink::Text, (at, y + 1), (at, y + 43), 2);
    }
    canvas.line(Ink::Muted, (left, y + 1), (left, y + 43), 1);
}

/// Parts end to end, a gap between them so that they are told apart in grey.
fn stack(canvas: &mut Canvas<'_>, parts: &[(Ink, f64)], y: i32, x: &Axis) {
    let mut from = 0.0;
    for (ink, bytes) in parts {
        canvas.rect(*ink, (x.at(from), y), (x.at(from + bytes) - x.at(from) - 1, 16));
        from += bytes;
    }
}
