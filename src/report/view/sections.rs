//! The sections behind the summary, each a lead and its tables; charts are put to them by name.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    names::{name, why_missing},
    summary::scale,
    table::{Cell, Column, Table, words},
};
use crate::{
    analysis::{Analysis, AnswerRow, MemorySummary, ModelAnalysis, Unit},
    record::{CacheState, Run},
    report::{
        format::{Scale, bytes, count, fixed, ms, percent, seconds, sig3},
        text::{inert_line, shorten},
    },
};

/// A part of the report with a head of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Anchor; charts name it.
    pub id: &'static str,
    /// Head.
    pub title: &'static str,
    /// How to read it.
    pub lead: &'static str,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// Every section, in order; those with nothing to show are left out.
#[must_use]
pub fn tables(run: &Run, analysis: &Analysis) -> Vec<Section> {
    let all = [
        Section {
            id: "speed",
            title: "Speed",
            lead: "ppN is prompt processing of N tokens, tgN the generation of N tokens, as llama-bench counts them. A ratio counts \
                   as faster or slower only when its whole interval lies outside the shaded region of equivalence.",
            tables: vec![metrics(analysis)],
        },
        Section {
            id: "memory",
            title: "Memory",
            lead: "Resident memory of each model's own process. Weights mapped from the file are file-backed: the system can drop \
                   and read them again. llama.cpp's account and the size expected from the header stand beside it.",
            tables: vec![memory(analysis), buffers(analysis)],
        },
        Section {
            id: "load",
            title: "Load",
            lead: "Time to load the model alone. Warm means that the page cache held the file.",
            tables: vec![load(analysis)],
        },
        Section {
            id: "prompts",
            title: "Prompts",
            lead: "The prompt suite, answered by every model. Rates are total tokens over total time.",
            tables: vec![categories(analysis), prompts(analysis)],
        },
        Section {
            id: "files",
            title: "Files",
            lead: "Which tensors are stored in which type: a file's name tells only the most frequent one.",
            tables: vec![mix(run)],
        },
    ];
    all.into_iter()
        .map(|s| Section { tables: s.tables.into_iter().filter(|t| !t.rows.is_empty()).collect(), ..s })
        .filter(|s| !s.tables.is_empty())
        .collect()
}

fn table(id: &str, title: &str, columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Table {
    Table { id: id.into(), title: title.into(), columns, rows, notes: Vec::new() }
}

fn metrics(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("metric"),
        Column::text("unit"),
        Column::number("median", ""),
        Column::number("best seen", ""),
        Column::number("rounds", ""),
        Column::number("against the original", ""),
        Column::text("verdict"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for metric in m.metrics.iter().filter(|metric| !metric.key.contains('/')) {
            let scale = scale(analysis, &metric.key);
            let mut cell = Cell::metric(Some(metric), m.comparison(&metric.key), scale, why_missing(m));
            let (ratio, tone) = (cell.ratio.take(), cell.tone);
            let against = ratio.map_or_else(
                || Cell::text("—"),
                |r| Cell { text: r.value, brackets: r.brackets, plus_minus: r.plus_minus, tone, ..Cell::default() },
            );
            let verdict = m.comparison(&metric.key).map(|c| c.verdict.map_or("too few rounds".into(), words));
            rows.push(vec![
                Cell::text(name(m)),
                Cell::text(inert_line(&metric.key)),
                Cell::text(scale.suffix),
                Cell { verdict: None, ..cell },
                Cell::maybe(metric.best, |v| scale.number(v), "not measured"),
                Cell::number(metric.n.to_string(), metric.n as f64),
                against,
                Cell::text(verdict.unwrap_or_else(|| "—".into())),
            ]);
        }
    }
    table("metrics", "Every metric over the rounds", columns, rows)
}

fn memory(analysis: &Analysis) -> Table {
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
    let mut t = table("memory-table", "Resident memory, medians over rounds", columns, with.iter().map(row).collect());
    t.notes = with.iter().map(|(m, s)| reading(m, s)).collect();
    t.notes.push(
        "Expected is weights plus KV cache from the header, without compute buffers and the program itself.".into(),
    );
    t
}

fn reading(m: &ModelAnalysis, s: &MemorySummary) -> String {
    let cost = s.sampling_cpu_share.map_or("cost n/a".into(), |c| format!("cost {} of one core", percent(c)));
    let device = |d: &crate::record::DeviceMemory| {
        let used = d.free_before_bytes.saturating_sub(d.free_after_bytes);
        format!("; {} on {}", bytes(used as f64), inert_line(&d.name))
    };
    let devices: String = s.devices.iter().map(device).collect();
    format!("{}: {} readings a second, {cost}{devices}.", name(m), sig3(s.readings_per_s))
}

fn buffers(analysis: &Analysis) -> Table {
    let all = || analysis.models.iter().filter_map(|m| Some((m, m.memory.as_ref()?)));
    let scale = Scale::for_all(Unit::Bytes, all().map(|(_, s)| s.totals.weights_bytes as f64));
    let columns = ["weights", "KV cache", "compute", "total"].map(|title| Column::number(title, scale.suffix));
    let columns = [Column::text("model"), Column::text("buffer type")].into_iter().chain(columns).collect();
    let cell = |b: u64| Cell::number(scale.number(b as f64), b as f64);
    let mut rows = Vec::new();
    for (m, s) in all() {
        for b in &s.buffers {
            let total = b.weights_bytes + b.context_bytes + b.compute_bytes;
            let place = if b.host { "" } else { " (device)" };
            let mut row = vec![Cell::text(name(m)), Cell::text(format!("{}{place}", inert_line(&b.name)))];
            row.extend([b.weights_bytes, b.context_bytes, b.compute_bytes, total].map(cell));
            rows.push(row);
        }
    }
    table("buffers", "llama.cpp's own account, by buffer type", columns, rows)
}

fn load(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::number("model", ""),
        Column::number("context", ""),
        Column::number("rate", "GiB/s"),
        Column::text("page cache"),
        Column::number("first cold load", ""),
        Column::number("loads", ""),
    ];
    let row = |m: &ModelAnalysis| {
        let l = m.load.as_ref()?;
        let cache = match l.cache {
            CacheState::Warm => "warm",
            CacheState::Cold => "cold",
            CacheState::Unknown => "n/a: not readable here",
        };
        Some(vec![
            Cell::text(name(m)),
            Cell::number(seconds(l.model_s), l.model_s),
            Cell::number(seconds(l.context_s), l.context_s),
            Cell::maybe(l.gib_per_s, sig3, "no time passed"),
            Cell::text(cache),
            Cell::maybe(l.first_cold_s, seconds, "none was cold"),
            Cell::number(l.n.to_string(), l.n as f64),
        ])
    };
    table("load-table", "Loads, medians over rounds", columns, analysis.models.iter().filter_map(row).collect())
}

fn categories(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("category"),
        Column::text("model"),
        Column::number("prompts", ""),
        Column::number("prompt tokens", ""),
        Column::number("prompt", "t/s"),
        Column::number("generated tokens", ""),
        Column::number("generation", "t/s"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for c in &m.categories {
            let tps = |value: Option<f64>, key: &str| {
                let key = format!("{}/{key}", c.category);
                let (metric, comparison) = (m.metric(&key), m.comparison(&key));
                match metric {
                    Some(_) => Cell::metric(metric, comparison, scale(analysis, &key), why_missing(m)),
                    None => Cell::maybe(value, sig3, "too few tokens"),
                }
            };
            rows.push(vec![
                Cell::text(shorten(&inert_line(&c.category), 40)),
                Cell::text(name(m)),
                Cell::number(c.prompts.to_string(), c.prompts as f64),
                Cell::number(count(c.n_prompt), c.n_prompt as f64),
                tps(c.prompt_tps, "pp"),
                Cell::number(count(c.n_generated), c.n_generated as f64),
                tps(c.generation_tps, "tg"),
            ]);
        }
    }
    let order: Vec<String> = rows.iter().map(|r| r[0].text.clone()).collect();
    rows.sort_by_key(|r| order.iter().position(|c| *c == r[0].text));
    table("categories", "By category of prompt", columns, rows)
}

fn prompts(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("prompt"),
        Column::text("model"),
        Column::number("prompt tokens", ""),
        Column::number("prompt eval", ""),
        Column::number("prompt", "t/s"),
        Column::number("generated", "tokens"),
        Column::number("generation", ""),
        Column::number("generation", "t/s"),
        Column::number("first token", ""),
        Column::number("p50", "ms/token"),
        Column::number("p95", "ms/token"),
        Column::number("p99", "ms/token"),
    ];
    let row = |m: &ModelAnalysis, a: &AnswerRow| {
        let token = |v: Option<f64>| Cell::maybe(v, sig3, "too few tokens");
        let l = &a.latency;
        vec![
            Cell::text(shorten(&inert_line(&a.prompt), 60)),
            Cell::text(name(m)),
            Cell::number(count(a.n_prompt.into()), a.n_prompt.into()),
            Cell::number(seconds(a.prompt_eval_s), a.prompt_eval_s),
            token(a.prompt_tps),
            Cell::number(count(a.n_generated.into()), a.n_generated.into()),
            Cell::maybe(a.generation_s, seconds, "too few tokens"),
            token(a.generation_tps),
            Cell::number(ms(l.ttft_ms), l.ttft_ms),
            token(l.inter_token_p50_ms),
            token(l.inter_token_p95_ms),
            token(l.inter_token_p99_ms),
        ]
    };
    let mut rows: Vec<_> = analysis.models.iter().flat_map(|m| m.answers.iter().map(move |a| row(m, a))).collect();
    let order: Vec<String> = rows.iter().map(|r| r[0].text.clone()).collect();
    rows.sort_by_key(|r| order.iter().position(|p| *p == r[0].text));
    table("prompt-table", "Every prompt", columns, rows)
}

fn mix(run: &Run) -> Table {
    let models: Vec<_> = run.models.iter().filter_map(|m| Some((m, m.facts.as_ref()?))).collect();
    let classes: BTreeSet<&str> = models.iter().flat_map(|(_, f)| &f.tensors).map(|t| t.class.as_str()).collect();
    let mut columns = vec![Column::text("tensors")];
    columns.extend(models.iter().map(|(m, _)| Column::text(&shorten(&inert_line(&m.name), 40))));
    let row = |class: &&str| {
        let mut cells = vec![Cell::text(shorten(&inert_line(class), 60))];
        cells.extend(models.iter().map(|(_, f)| {
            let groups = f.tensors.iter().filter(|t| t.class == *class);
            let of = |t: &crate::record::TensorGroup| format!("{} ×{}", inert_line(&t.ggml_type), t.count);
            let text = groups.map(of).collect::<Vec<_>>().join(", ");
            if text.is_empty() { Cell::text("—") } else { Cell::text(text) }
        }));
        cells
    };
    let mut rows: Vec<_> = classes.iter().map(row).collect();
    if !rows.is_empty() {
        let bits = models.iter().map(|(_, f)| Cell::number(fixed(f.bits_per_weight, 2), f.bits_per_weight));
        rows.push(std::iter::once(Cell::text("bits per weight")).chain(bits).collect());
    }
    table("mix", "Tensor types by class", columns, rows)
}
