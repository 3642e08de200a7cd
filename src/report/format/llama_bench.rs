//! llama-bench's rows of our ppN and tgN, field for field, so that scripts written for it go on working.
//!
//! Averages are llama-bench's too: plain means over all samples. Our own figures, with intervals, are in every other format.

use std::{borrow::Cow, fmt::Write};

use super::csv::write;
use crate::{
    record::{DeviceInfo, Model, ModelFacts, Run, Sample, Visit, Workload, WorkloadKind},
    report::text::{inert_line, not_a_formula},
    settings::{Settings, Value},
    stats,
    units::{GIB, MIB, NS_PER_S, tokens_per_second},
};

/// A value with llama-bench's type.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Text(String),
    Integer(i128),
    Truth(bool),
    Real(f64),
}

/// One model and one workload.
struct Row<'a> {
    fields: Vec<(&'static str, Field)>,
    samples: Vec<(u64, f64)>,
    facts: Option<&'a ModelFacts>,
    n_threads: u32,
    test: String,
    rate: Moments,
}

/// Mean and standard deviation; 0 for fewer than two, as llama-bench has it.
#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    deviation: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Self {
        let mut moments = stats::Moments::default();
        for &value in values {
            moments.add(value);
        }
        let mean = stats::mean(values).unwrap_or(0.0);
        Self { mean, deviation: moments.variance().map_or(0.0, f64::sqrt) }
    }
}

/// llama-bench's `-o json`.
pub(super) fn json(run: &Run) -> Result<String, serde_json::Error> {
    let objects = rows(run).iter().map(|r| object(r, "\n    ")).collect::<Result<Vec<_>, _>>()?;
    let objects: Vec<String> = objects.iter().map(|o| format!("  {{\n    {o}\n  }}")).collect();
    Ok(format!("[\n{}\n]\n", objects.join(",\n")))
}

/// llama-bench's `-o jsonl`.
pub(super) fn json_lines(run: &Run) -> Result<String, serde_json::Error> {
    rows(run).iter().map(|r| Ok(format!("{{{}}}\n", object(r, " ")?))).collect()
}

/// The rows of every model with samples, in the plan's order.
fn rows(run: &Run) -> Vec<Row<'_>> {
    let pairs = (0..run.subjects.len()).flat_map(|m| (0..run.plan.workloads.len()).map(move |w| (m, w)));
    pairs.filter_map(|(model, workload)| row(run, model, workload)).collect()
}

fn row(run: &Run, model: usize, workload: usize) -> Option<Row<'_>> {
    let Workload { id, kind } = &run.plan.workloads[workload];
    let (n_prompt, n_gen) = match kind {
        WorkloadKind::Pp { n_tokens, .. } => (*n_tokens, 0),
        WorkloadKind::Tg { n_tokens, .. } => (0, *n_tokens),
        // Rows of llama-bench are of one sequence.
        WorkloadKind::PpParallel { .. } | WorkloadKind::TgParallel { .. } | WorkloadKind::Prompt(_) => return None,
    };
    let visits = run.rounds.iter().flat_map(|r| &r.visits).filter(|v: &&Visit| v.model == model);
    let of = |s: &Sample| {
        // llama-bench reads the clock around the calls, and so does wall_ns.
        let rate = tokens_per_second(s.n_tokens.into(), s.wall_ns)?;
        Some((s.wall_ns, rate))
    };
    let samples: Vec<(u64, f64)> =
        visits.flat_map(|v| &v.samples).filter(|s| s.workload == workload).filter_map(of).collect();
    if samples.is_empty() {
        return None;
    }
    let time = Moments::of(&samples.iter().map(|s| s.0 as f64).collect::<Vec<_>>());
    let rate = Moments::of(&samples.iter().map(|s| s.1).collect::<Vec<_>>());
    let (settings, info) = (run.base_settings(), &run.subjects[model]);
    let n_threads = if n_gen == 0 { settings.n_threads_batch } else { settings.n_threads };
    let mut fields = identity(run, &info.model);
    fields.extend(parameters(&Settings { n_threads, ..settings.clone() }));
    fields.extend([
        ("n_prompt", whole(n_prompt)),
        ("n_gen", whole(n_gen)),
        ("n_depth", whole(kind.depth().unwrap_or(0))),
        ("test_time", Field::Text(inert_line(&run.started_utc))),
        ("avg_ns", Field::Integer(nanoseconds(time.mean))),
        ("stddev_ns", Field::Integer(nanoseconds(time.deviation))),
        ("avg_ts", Field::Real(rate.mean)),
        ("stddev_ts", Field::Real(rate.deviation)),
    ]);
    Some(Row { fields, samples, facts: info.model.facts.as_ref(), n_threads, test: inert_line(id), rate })
}

/// Build, machine and model. The crate that carries llama.cpp stands for its commit, which the crate does not name.
fn identity(run: &Run, model: &Model) -> Vec<(&'static str, Field)> {
    let facts = model.facts.as_ref();
    vec![
        ("build_commit", text(&format!("llama-cpp-sys-2-{}", run.build.llama_cpp_sys_2))),
        ("build_number", whole(0)),
        ("cpu_info", text(&run.machine.cpu)),
        ("gpu_info", text(&join(gpus(run).map(|d| &d.description)))),
        ("backends", text(&backends(run))),
        ("model_filename", text(&model.file)),
        ("model_type", text(&model_type(facts))),
        ("model_size", Field::Integer(facts.map_or(0, |f| f.weights_bytes).into())),
        ("model_n_params", Field::Integer(facts.map_or(0, |f| f.n_params).into())),
    ]
}

/// llama-bench's columns of parameters, in its order, with its defaults: what this program does not set has those.
const PARAMETERS: [(&str, Value); 25] = [
    ("n_batch", Value::Whole(2048)),
    ("n_ubatch", Value::Whole(512)),
    ("n_threads", Value::Whole(0)),
    ("cpu_mask", Value::Word(Cow::Borrowed("0x0"))),
    ("cpu_strict", Value::Truth(false)),
    ("poll", Value::Whole(50)),
    ("type_k", Value::Word(Cow::Borrowed("f16"))),
    ("type_v", Value::Word(Cow::Borrowed("f16"))),
    ("n_gpu_layers", Value::Whole(-1)),
    ("n_cpu_moe", Value::Whole(0)),
    ("split_mode", Value::Word(Cow::Borrowed("layer"))),
    ("main_gpu", Value::Whole(0)),
    ("no_kv_offload", Value::Truth(false)),
    ("flash_attn", Value::Whole(-1)),
    ("devices", Value::Word(Cow::Borrowed("auto"))),
    ("tensor_split", Value::Word(Cow::Borrowed("0.00"))),
    ("tensor_buft_overrides", Value::Word(Cow::Borrowed("none"))),
    ("load_mode", Value::Word(Cow::Borrowed("auto"))),
    ("lazy_mode", Value::Word(Cow::Borrowed("auto"))),
    ("embeddings", Value::Truth(false)),
    ("no_op_offload", Value::Whole(0)),
    ("no_host", Value::Truth(false)),
    ("repack", Value::Truth(true)),
    ("fit_target", Value::Whole(0)),
    ("fit_min_ctx", Value::Whole(0)),
];

fn parameters(settings: &Settings) -> impl Iterator<Item = (&'static str, Field)> {
    let set = settings.table();
    PARAMETERS.into_iter().map(move |(column, default)| {
        let own = set.iter().find(|(setting, _)| setting.column == Some(column));
        (column, Field::of(own.map_or(default, |(_, value)| value.clone())))
    })
}

fn gpus(run: &Run) -> impl Iterator<Item = &DeviceInfo> {
    run.machine.devices.iter().filter(|d| d.kind.is_gpu())
}

fn backends(run: &Run) -> String {
    let gpus = join(gpus(run).map(|d| &d.backend));
    if gpus.is_empty() { "CPU".into() } else { gpus }
}

fn join<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    texts.map(|t| inert_line(t)).collect::<Vec<_>>().join(", ")
}

/// Architecture, size and quantization, in the order of `llama_model_desc`, from the header.
fn model_type(facts: Option<&ModelFacts>) -> String {
    facts.map_or_else(
        || "unknown".into(),
        |f| {
            let millions = f.n_params as f64 / 1e6;
            let size = if millions >= 1e3 { format!("{:.0}B", millions / 1e3) } else { format!("{millions:.0}M") };
            format!("{} {size} {}", f.architecture, f.quant)
        },
    )
}

fn text(of: &str) -> Field {
    Field::Text(inert_line(of))
}

fn whole(n: u32) -> Field {
    Field::Integer(n.into())
}

#[expect(clippy::cast_possible_truncation, reason = "nanoseconds of a sample")]
fn nanoseconds(mean: f64) -> i128 {
    mean.clamp(0.0, 1e18 * NS_PER_S) as i128
}

impl Field {
    /// A setting's value as llama-bench prints it.
    fn of(value: Value) -> Self {
        match value {
            Value::Word(word) => text(&word),
            Value::Whole(n) | Value::Coded { code: n, .. } => Self::Integer(n.into()),
            Value::Truth(yes) => Self::Truth(yes),
        }
    }

    /// As llama-bench's csv and sql have it: every value a string, truth as 0 or 1.
    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(n) => n.to_string(),
            Self::Truth(yes) => u8::from(*yes).to_string(),
            Self::Real(x) => format!("{x:.6}"),
        }
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Text(text) => serde_json::to_string(text),
            Self::Truth(yes) => Ok(yes.to_string()),
            Self::Integer(_) | Self::Real(_) => Ok(self.plain()),
        }
    }

    fn sql_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "TEXT",
            Self::Integer(_) | Self::Truth(_) => "INTEGER",
            Self::Real(_) => "REAL",
        }
    }
}

/// The inside of a JSON object, samples last.
fn object(row: &Row<'_>, gap: &str) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    for (name, field) in &row.fields {
        let _ = write!(out, "\"{name}\": {},{gap}", field.json()?);
    }
    let list = |values: Vec<String>| format!("[ {} ]", values.join(", "));
    let ns = list(row.samples.iter().map(|s| s.0.to_string()).collect());
    let ts = list(row.samples.iter().map(|s| format!("{:.2}", s.1)).collect());
    let _ = write!(out, "\"samples_ns\": {ns},{gap}\"samples_ts\": {ts}");
    Ok(out)
}

fn names(row: &Row<'_>) -> Vec<&'static str> {
    row.fields.iter().map(|(name, _)| *name).collect()
}

/// llama-bench's `-o csv`: every field but the heads in quotes.
pub(super) fn csv(run: &Run) -> Result<String, csv::Error> {
    let rows = rows(run);
    let plain = |(_, field): &(&str, Field)| match field {
        Field::Text(text) => not_a_formula(text.clone()),
        other => other.plain(),
    };
    let head = rows.first().map_or(String::new(), |r| names(r).join(",") + "\n");
    let mut way = csv::WriterBuilder::new();
    way.quote_style(csv::QuoteStyle::Always).terminator(csv::Terminator::Any(b'\n'));
    Ok(head + &write(&way, rows.iter().map(|r| r.fields.iter().map(plain).collect()))?)
}

/// llama-bench's `-o sql`.
pub(super) fn sql(run: &Run) -> String {
    let rows = rows(run);
    let Some(first) = rows.first() else { return String::new() };
    let columns: Vec<String> = first.fields.iter().map(|(name, f)| format!("  {name} {}", f.sql_type())).collect();
    let mut out = format!("CREATE TABLE IF NOT EXISTS llama_bench (\n{}\n);\n\n", columns.join(",\n"));
    let quote = |field: &Field| format!("'{}'", field.plain().replace('\'', "''"));
    for row in &rows {
        let values: Vec<String> = row.fields.iter().map(|(_, f)| quote(f)).collect();
        let _ = writeln!(out, "INSERT INTO llama_bench ({}) VALUES ({});", names(row).join(", "), values.join(", "));
    }
    out
}

/// llama-bench's `-o md`.
pub(super) fn markdown(run: &Run) -> String {
    let mut out = format!(
        "| {:<30} | {:>10} | {:>10} | {:<10} | {:>7} | {:>15} | {:>20} |\n",
        "model", "size", "params", "backend", "threads", "test", "t/s"
    );
    out.push_str("| ------------------------------ | ---------: | ---------: | ---------- | ------: | --------------: | -------------------: |\n");
    for row in rows(run) {
        let (bytes, params) = row.facts.map_or((0.0, 0.0), |f| (f.weights_bytes as f64, f.n_params as f64));
        let size = if bytes >= GIB { format!("{:.2} GiB", bytes / GIB) } else { format!("{:.2} MiB", bytes / MIB) };
        let params = if params >= 1e9 { format!("{:.2} B", params / 1e9) } else { format!("{:.2} M", params / 1e6) };
        let rate = format!("{:.2} ± {:.2}", row.rate.mean, row.rate.deviation);
        let _ = writeln!(
            out,
            "| {:<30} | {size:>10} | {params:>10} | {:<10} | {:>7} | {:>15} | {rate:>20} |",
            cell(&model_type(row.facts)),
            cell(&backends(run)),
            row.n_threads,
            cell(&row.test)
        );
    }
    let _ = writeln!(out, "\nbuild: llama-cpp-sys-2-{} (0)", cell(&run.build.llama_cpp_sys_2));
    out
}

/// Of the signs of Markdown only those that a name of llama-bench's never holds: its rows stay as it writes them.
fn cell(text: &str) -> String {
    let text = inert_line(text).replace('<', "&lt;").replace('@', "&#64;");
    ['|', '`', '['].iter().fold(text, |text, &sign| text.replace(sign, &format!("\\{sign}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_in_columns_that_llama_bench_has() {
        for column in Settings::defaults(1).table().iter().filter_map(|(setting, _)| setting.column) {
            assert!(PARAMETERS.iter().any(|(known, _)| *known == column), "{column}");
        }
    }

    #[test]
    fn defaults_are_llama_benchs_but_for_the_threads() {
        for ((column, default), (_, field)) in PARAMETERS.into_iter().zip(parameters(&Settings::defaults(0))) {
            assert_eq!(Field::of(default), field, "{column}");
        }
    }
}
