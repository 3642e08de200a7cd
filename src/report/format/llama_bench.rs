//! llama-bench's rows of our ppN and tgN, field for field, so that scripts written for it go on working.
//!
//! Averages are llama-bench's too: plain means over all samples. Our own figures, with intervals, are in every other format.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write};

use super::csv::write;
use crate::{
    record::{DeviceInfo, Machine, ModelFacts, Run, Sample, ThreadsReason, Visit, Workload, WorkloadKind},
    report::text::{inert_line, not_a_formula},
    settings::{self, Settings, Value},
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
    model_type: String,
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
        WorkloadKind::PpTg { n_prompt, n_gen, .. } => (*n_prompt, *n_gen),
        // Rows of llama-bench are of one sequence.
        WorkloadKind::PpParallel { .. } | WorkloadKind::TgParallel { .. } | WorkloadKind::Prompt(_) => return None,
    };
    let visits = run.rounds.iter().flat_map(|r| &r.visits).filter(|v: &&Visit| v.model == model);
    let of = |s: &Sample| {
        // llama-bench reads the clock around the calls, and so does wall_ns.
        let rate = tokens_per_second(s.n_tokens.into(), s.wall_ns)?;
        Some((s.wall_ns, rate))
    };
    let own: Vec<&Sample> = visits.flat_map(|v| &v.samples).filter(|s| s.workload == workload).collect();
    let first_ns = own.iter().map(|sample| sample.at_ns).min()?;
    let samples: Vec<(u64, f64)> = own.into_iter().filter_map(of).collect();
    if samples.is_empty() {
        return None;
    }
    let time = Moments::of(&samples.iter().map(|s| s.0 as f64).collect::<Vec<_>>());
    let rate = Moments::of(&samples.iter().map(|s| s.1).collect::<Vec<_>>());
    let subject = &run.subjects[model];
    let settings = &subject.settings;
    let n_threads = if n_gen == 0 { settings.n_threads_batch } else { settings.n_threads };
    let model_type = model_type(run, model);
    let mut fields = identity(run, model, &model_type);
    fields.extend(parameters(&Settings { n_threads, ..settings.clone() }, &run.machine));
    fields.extend([
        ("n_prompt", whole(n_prompt)),
        ("n_gen", whole(n_gen)),
        ("n_depth", whole(kind.depth().unwrap_or(0))),
        ("test_time", Field::Text(inert_line(&began(run, first_ns)))),
        ("avg_ns", Field::Integer(nanoseconds(time.mean))),
        ("stddev_ns", Field::Integer(nanoseconds(time.deviation))),
        ("avg_ts", Field::Real(rate.mean)),
        ("stddev_ts", Field::Real(rate.deviation)),
    ]);
    Some(Row { fields, samples, facts: subject.model.facts.as_ref(), model_type, test: inert_line(id), rate })
}

/// Build, machine and model. The crate that carries llama.cpp stands for its commit, which the crate does not name.
fn identity(run: &Run, model: usize, model_type: &str) -> Vec<(&'static str, Field)> {
    let model = &run.subjects[model].model;
    let facts = model.facts.as_ref();
    vec![
        ("build_commit", text(&format!("llama-cpp-sys-2-{}", run.build.llama_cpp_sys_2))),
        ("build_number", whole(0)),
        ("cpu_info", text(&run.machine.cpu)),
        ("gpu_info", text(&join(gpus(run).map(|d| &d.description)))),
        ("backends", text(&backends(run))),
        ("model_filename", text(&model.file)),
        ("model_type", text(model_type)),
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

fn parameters(settings: &Settings, machine: &Machine) -> Vec<(&'static str, Field)> {
    let set = settings.table();
    let one = |(column, default): (&'static str, Value)| {
        let own = set.iter().find(|(setting, _)| setting.column == Some(column));
        let value = match own {
            // A kind of device is names of single ones there.
            Some((setting, _)) if *setting == settings::DEVICE => {
                Value::Word(machine.device_names(&settings.device).into())
            }
            Some((_, value)) => value.clone(),
            None => default,
        };
        (column, Field::of(value))
    };
    PARAMETERS.into_iter().map(one).collect()
}

/// When a test began. Where a run was taken up again its clock says nothing of the time between.
fn began(run: &Run, first_ns: u64) -> String {
    let started = run.started_utc.parse::<jiff::Timestamp>().ok().filter(|_| run.resumed.is_empty());
    let passed = jiff::SignedDuration::from_secs(i64::try_from(first_ns / 1_000_000_000).unwrap_or(0));
    let began = started.and_then(|started| started.checked_add(passed).ok());
    began.map_or_else(|| run.started_utc.clone(), |began| format!("{began:.0}"))
}

fn gpus(run: &Run) -> impl Iterator<Item = &DeviceInfo> {
    run.machine.devices.iter().filter(|d| d.kind.is_gpu())
}

/// Each backend but the CPU's once, the network's last.
fn backends(run: &Run) -> String {
    let mut names: Vec<String> = Vec::new();
    for device in run.machine.devices.iter().filter(|device| !device.kind.is_cpu()) {
        let name = inert_line(&device.backend);
        if name != "CPU" && !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| name.starts_with("RPC"));
    if names.is_empty() { "CPU".into() } else { names.join(",") }
}

fn join<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    texts.map(|t| inert_line(t)).collect::<Vec<_>>().join(", ")
}

/// What llama.cpp calls a model. Where a record does not have it: the same parts in the same order, from the header.
fn model_type(run: &Run, model: usize) -> String {
    let visits = run.rounds.iter().flat_map(|r| &r.visits).filter(|v| v.model == model).filter_map(|v| v.load.as_ref());
    let probes = run.probes.iter().filter(|p| p.model == model).filter_map(|p| p.load.as_ref());
    if let Some(own) = probes.chain(visits).find_map(|load| load.description.clone()) {
        return own;
    }
    run.subjects[model].model.facts.as_ref().map_or_else(
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

/// A column of parameters in llama-bench's Markdown, in its order there: its name in the record, its head, how wide it is, and whether it
/// begins at the left.
const MARKDOWN: [(&str, &str, usize, bool); 25] = [
    ("n_gpu_layers", "ngl", 3, false),
    ("n_cpu_moe", "n_cpu_moe", 10, false),
    ("n_threads", "threads", 7, false),
    ("cpu_mask", "cpu_mask", 10, true),
    ("cpu_strict", "cpu_strict", 10, false),
    ("poll", "poll", 10, false),
    ("n_batch", "n_batch", 7, false),
    ("n_ubatch", "n_ubatch", 8, false),
    ("type_k", "type_k", 6, false),
    ("type_v", "type_v", 6, false),
    ("main_gpu", "main_gpu", 10, false),
    ("split_mode", "sm", 6, false),
    ("no_kv_offload", "nkvo", 13, false),
    ("flash_attn", "fa", 3, false),
    ("devices", "dev", 12, true),
    ("tensor_split", "ts", 12, true),
    ("tensor_buft_overrides", "ot", 21, true),
    ("load_mode", "lm", 10, false),
    ("lazy_mode", "lazy_mode", 10, true),
    ("embeddings", "embd", 10, false),
    ("no_op_offload", "nopo", 4, false),
    ("no_host", "noh", 4, false),
    ("repack", "rpk", 3, false),
    ("fit_target", "fitt", 10, false),
    ("fit_min_ctx", "fitc", 11, false),
];

/// Whether a column is shown: it varies, or is not what llama-bench does when nothing is said.
fn is_shown(run: &Run, rows: &[Row<'_>], column: &str) -> bool {
    let values: BTreeSet<String> = rows.iter().filter_map(|row| row.field(column)).map(Field::plain).collect();
    let backends = backends(run);
    let on_cpu = ["CPU", "BLAS", "ZenDNN"].iter().any(|name| backends.contains(name));
    match column {
        "n_gpu_layers" => !on_cpu,
        // Its number is the machine's.
        "n_threads" => on_cpu || values.len() > 1 || run.plan.threads == Some(ThreadsReason::Asked),
        _ => {
            let default = PARAMETERS.into_iter().find(|(name, _)| *name == column);
            let default = default.map(|(_, value)| Field::of(value).plain());
            values.len() > 1 || values.into_iter().next() != default
        }
    }
}

/// llama-bench's `-o md`.
pub(super) fn markdown(run: &Run) -> String {
    let rows = rows(run);
    let shown: Vec<_> = MARKDOWN.into_iter().filter(|(column, ..)| is_shown(run, &rows, column)).collect();
    let padded = |text: &str, width: usize, left: bool| {
        if left { format!(" {text:<width$} |") } else { format!(" {text:>width$} |") }
    };
    let rule = |width: usize, left: bool| {
        let dashes = "-".repeat(width - 1);
        format!(" {dashes}{} |", if left { '-' } else { ':' })
    };
    let fixed = [("model", 30, true), ("size", 10, false), ("params", 10, false), ("backend", 10, true)];
    let last = [("test", 15, false), ("t/s", 20, false)];
    let heads: Vec<(&str, usize, bool)> =
        fixed.into_iter().chain(shown.iter().map(|&(_, head, width, left)| (head, width, left))).chain(last).collect();
    let line = |cells: Vec<String>| format!("|{}\n", cells.concat());
    let mut out = line(heads.iter().map(|&(head, width, left)| padded(head, width, left)).collect());
    out.push_str(&line(heads.iter().map(|&(_, width, left)| rule(width, left)).collect()));
    for row in &rows {
        let (bytes, params) = row.facts.map_or((0.0, 0.0), |f| (f.weights_bytes as f64, f.n_params as f64));
        let size = if bytes >= GIB { format!("{:.2} GiB", bytes / GIB) } else { format!("{:.2} MiB", bytes / MIB) };
        let params = if params >= 1e9 { format!("{:.2} B", params / 1e9) } else { format!("{:.2} M", params / 1e6) };
        let rate = format!("{:.2} ± {:.2}", row.rate.mean, row.rate.deviation);
        let values = shown.iter().map(|(column, ..)| cell(&row.field(column).map(Field::plain).unwrap_or_default()));
        let cells = [cell(&row.model_type), size, params, cell(&backends(run))].into_iter();
        let cells = cells.chain(values).chain([cell(&row.test), rate]);
        out.push_str(&line(cells.zip(&heads).map(|(text, &(_, width, left))| padded(&text, width, left)).collect()));
    }
    let _ = writeln!(out, "\nbuild: llama-cpp-sys-2-{} (0)", cell(&run.build.llama_cpp_sys_2));
    out
}

impl Row<'_> {
    fn field(&self, column: &str) -> Option<&Field> {
        self.fields.iter().find(|(name, _)| *name == column).map(|(_, field)| field)
    }
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
    fn every_parameter_has_a_column_of_markdown() {
        for (column, _) in PARAMETERS {
            assert!(MARKDOWN.iter().any(|(known, ..)| *known == column), "{column}");
        }
    }

    #[test]
    fn a_column_is_shown_where_it_varies_or_is_unusual() {
        let mut run = crate::report::tests::fixture::run();
        let head = |run: &Run| markdown(run).lines().next().map(str::to_owned).unwrap_or_default();
        assert!(!head(&run).contains("| fa |") && head(&run).contains("threads"), "{}", head(&run));
        run.subjects[1].settings.flash_attention = crate::record::FlashAttention::On;
        run.subjects.iter_mut().for_each(|subject| subject.settings.device = crate::record::Device::Cpu);
        let text = markdown(&run);
        assert!(head(&run).contains("|  fa | dev          |"), "{text}");
        let fa: BTreeSet<&str> =
            text.lines().filter(|l| l.contains(" none ")).filter_map(|l| l.split('|').nth(6)).map(str::trim).collect();
        assert_eq!(fa.into_iter().collect::<Vec<_>>(), ["-1", "1"], "{text}");
        let csv = csv(&run).expect("rows");
        assert!(csv.contains("\"none\"") && !csv.contains("\"auto\",\"0.00\""), "devices are what was used: {csv}");
    }

    #[test]
    fn defaults_are_llama_benchs_but_for_the_threads() {
        let machine = crate::report::tests::fixture::run().machine;
        for ((column, default), (_, field)) in PARAMETERS.into_iter().zip(parameters(&Settings::defaults(0), &machine))
        {
            assert_eq!(Field::of(default), field, "{column}");
        }
    }
}
