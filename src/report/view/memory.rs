//! Tables of memory: what the kernel says of each worker, and llama.cpp's own account.

use super::{
    names::name,
    table::{Cell, Column, Table},
};
use crate::{
    analysis::{Analysis, MemorySummary, ModelAnalysis, Unit},
    record::DeviceMemory,
    report::{
        format::{Scale, bytes, percent, sig3},
        text::inert_line,
    },
};

/// Resident memory, medians over rounds.
pub(super) fn memory(analysis: &Analysis) -> Table {
    type Field = (&'static str, fn(&MemorySummary) -> Option<f64>);
    let fields: [Field; 11] = [
        ("initial", |m| Some(m.initial_bytes)),
        ("after load", |m| Some(m.after_load_bytes)),
        ("least", |m| Some(m.min_bytes)),
        ("average", |m| Some(m.average_bytes)),
        ("std. dev.", |m| Some(m.std_bytes)),
        ("greatest", |m| Some(m.max_bytes)),
        ("peak", |m| Some(m.peak_bytes)),
        ("increase", |m| Some(m.increase_bytes)),
        ("anonymous", |m| m.peak_anon_bytes),
        ("file-backed", |m| m.peak_file_bytes),
        ("expected", |m| m.expected_bytes.map(|b| b as f64)),
    ];
    let with: Vec<_> = analysis.models.iter().filter_map(|m| Some((m, m.memory.as_ref()?))).collect();
    let scale = Scale::for_all(Unit::Bytes, with.iter().map(|(_, s)| s.peak_bytes));
    let mut columns = vec![Column::text("model")];
    columns.extend(fields.iter().map(|(title, _)| Column::number(title, scale.suffix)));
    let row = |(m, s): &(&ModelAnalysis, &MemorySummary)| {
        let mut cells = vec![Cell::text(name(m))];
        cells.extend(fields.iter().map(|(_, get)| Cell::maybe(get(s), |v| scale.number(v), "not readable here")));
        cells
    };
    let mut t =
        Table::new("memory-table", "Resident memory, medians over rounds", columns, with.iter().map(row).collect());
    let readings: Vec<String> = with.iter().map(|(m, s)| reading(m, s)).collect();
    if !readings.is_empty() {
        t.notes.push(format!("Readings: {}.", readings.join("; ")));
    }
    t.notes.push(
        "Expected is weights plus KV cache from the header, without compute buffers and the program itself.".into(),
    );
    t
}

fn reading(m: &ModelAnalysis, s: &MemorySummary) -> String {
    let cost = s.sampling_cpu_share.map_or("cost n/a".into(), |c| format!("for {} of one core", percent(c)));
    let device = |d: &DeviceMemory| {
        let used = d.free_before_bytes.saturating_sub(d.free_after_bytes);
        format!(", {} on {}", bytes(used as f64), inert_line(&d.name))
    };
    let devices: String = s.devices.iter().map(device).collect();
    format!("{} {} a second {cost}{devices}", name(m), sig3(s.readings_per_s))
}

/// Weights, KV cache and compute buffers by buffer type.
pub(super) fn buffers(analysis: &Analysis) -> Table {
    let all = || analysis.models.iter().filter_map(|m| Some((m, m.memory.as_ref()?)));
    let scale = Scale::for_all(Unit::Bytes, all().map(|(_, s)| s.totals.weights_bytes as f64));
    let columns = ["weights", "KV cache", "compute", "total"].map(|title| Column::number(title, scale.suffix));
    let columns = [Column::text("model"), Column::text("buffer type")].into_iter().chain(columns).collect();
    let cell = |b: u64| Cell::number(scale.number(b as f64), b as f64);
    let mut rows = Vec::new();
    for (m, s) in all() {
        for b in &s.buffers {
            let total = b.weights_bytes.saturating_add(b.context_bytes).saturating_add(b.compute_bytes);
            let place = if b.host { "" } else { " (device)" };
            let mut row = vec![Cell::text(name(m)), Cell::text(format!("{}{place}", inert_line(&b.name)))];
            row.extend([b.weights_bytes, b.context_bytes, b.compute_bytes, total].map(cell));
            rows.push(row);
        }
    }
    Table::new("buffers", "llama.cpp's own account, by buffer type", columns, rows)
}
