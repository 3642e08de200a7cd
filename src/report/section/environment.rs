//! Where and with what it was measured: machine, program, parameters, files.

use super::{bandwidth, method, names};
use crate::{
    analysis::{Analysis, Context},
    record::{Arrangement, Budget, EnergySources, Model, Resumed, Subject},
    report::{
        document::Facts,
        number::{UNKNOWN, bytes, count, fixed, percent, sig3},
        text::{counted, inert_line, shorten},
    },
    settings::{N_THREADS, Setting, Value},
};

/// Machine, program, parameters, then one a model.
pub(crate) fn facts(analysis: &Analysis) -> Vec<Facts> {
    let context = &analysis.context;
    let mut all = vec![
        Facts { title: "Machine".into(), rows: named(machine(context)) },
        Facts { title: "Program".into(), rows: named(program(context)) },
        Facts { title: "Parameters".into(), rows: named(parameters(analysis)) },
    ];
    all.extend(
        context
            .subjects
            .iter()
            .map(|m| Facts { title: shorten(&inert_line(&m.name), 40), rows: named(model(&m.model)) }),
    );
    all
}

fn named(rows: Vec<(&str, String)>) -> Vec<(String, String)> {
    rows.into_iter().map(|(name, value)| (name.into(), shorten(&inert_line(&value), 1000))).collect()
}

fn or_not(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| format!("{UNKNOWN}: not readable here"))
}

fn machine(context: &Context) -> Vec<(&'static str, String)> {
    let m = &context.machine;
    let cores = m.physical_cores.map_or_else(|| format!("{UNKNOWN} physical"), |n| format!("{n} physical"));
    let limit = m.memory_limit_bytes.map_or(String::new(), |b| format!(", limited to {}", bytes(b as f64)));
    let battery = match m.on_battery {
        Some(true) => "battery",
        Some(false) => "mains",
        None => "n/a: not readable here",
    };
    let device = |d: &crate::record::DeviceInfo| format!("{} ({}, {})", d.name, d.description, d.backend);
    let mut rows = vec![
        ("CPU", m.cpu.clone()),
        ("Cores", format!("{cores}, {} logical, {} allowed", m.logical_cpus, m.allowed_cpus)),
        ("CPU features", m.cpu_features.join(" ")),
        (
            "Memory",
            format!("{}, {} available at the start{limit}", bytes(m.ram_bytes as f64), bytes(m.available_bytes as f64)),
        ),
        ("System", m.os.clone()),
        ("Kernel", or_not(m.kernel.as_ref())),
        ("Governor", or_not(m.governor.as_ref())),
        ("Power", battery.into()),
        ("Devices", m.devices.iter().map(device).collect::<Vec<_>>().join("; ")),
    ];
    let variables = m.openmp_variables.iter().flatten().map(|(name, value)| format!("{name}={value}"));
    let variables: Vec<String> = variables.collect();
    rows.extend((!variables.is_empty()).then(|| ("OpenMP variables", variables.join(" "))));
    rows.extend(m.energy.as_ref().map(|energy| ("Energy", energy_counted(energy))));
    rows.extend(m.memory_bandwidth.as_ref().map(|b| ("Memory bandwidth", bandwidth::measured(b))));
    rows
}

/// What counts energy, or why nothing does.
fn energy_counted(EnergySources { counted, absent, idle_watts, .. }: &EnergySources) -> String {
    let idle = idle_watts.map_or_else(String::new, |watts| format!("; {} W at rest", sig3(watts)));
    if counted.is_empty() {
        format!("{UNKNOWN}: {}", absent.join("; "))
    } else {
        format!("{}{idle}", counted.join(", "))
    }
}

fn program(context: &Context) -> Vec<(&'static str, String)> {
    let b = &context.build;
    let options: Vec<String> = b.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let features = if b.features.is_empty() { "none (CPU only)".into() } else { b.features.join(" ") };
    vec![
        ("gguf-bench", format!("{} ({}), {}, {}", b.version, b.git_revision, b.profile, b.target)),
        ("llama.cpp", format!("llama-cpp-sys-2 {} through llama-cpp-2 {}", b.llama_cpp_sys_2, b.llama_cpp_2)),
        ("ggml", b.ggml.clone()),
        ("Features", features),
        ("Build options", options.join(" ")),
        ("System info", b.system_info.clone()),
    ]
}

fn parameters(analysis: &Analysis) -> Vec<(&'static str, String)> {
    let context = &analysis.context;
    let p = &context.plan.protocol;
    let mut rows = settings(&context.subjects);
    let threads = rows.iter_mut().find(|(name, _)| *name == N_THREADS.row);
    if let Some(((_, said), reason)) = threads.zip(context.plan.threads) {
        said.extend(["; ", &reason.to_string()]);
    }
    if context.plan.has_rounds() {
        rows.extend([
            ("Rounds", rounds(analysis)),
            ("Samples a visit", method::samples(context)),
            ("Arrangement", arrangement(context)),
            ("Stopped", format!("{} (±{} was asked for)", names::ended(analysis.ended), percent(p.precision))),
        ]);
    } else {
        rows.push(("Stopped", names::ended_of(analysis).into()));
    }
    rows.push(("Seed", context.plan.seed.to_string()));
    rows
}

/// Settings that belong together are one row; what varies from subject to subject has all its values.
fn settings(subjects: &[Subject]) -> Vec<(&'static str, String)> {
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    let mut told: Vec<(Setting, Vec<String>)> = Vec::new();
    let Some(base) = subjects.first() else { return rows };
    for (setting, _) in base.settings.table() {
        let is_told = subjects.iter().any(|subject| subject.settings.told().iter().any(|(own, _)| *own == setting));
        let mut values: Vec<String> = Vec::new();
        for value in subjects.iter().filter_map(|subject| subject.settings.value(&setting)).map(|v| v.to_string()) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        told.extend(is_told.then_some((setting, values)));
    }
    for (setting, values) in told {
        let phrase = setting.phrase(&Value::Word(values.join(" or ").into()));
        match rows.last_mut().filter(|(name, _)| *name == setting.row) {
            Some((_, phrases)) => phrases.extend([", ", &phrase]),
            None => rows.push((setting.row, phrase)),
        }
    }
    rows
}

fn rounds(analysis: &Analysis) -> String {
    let context = &analysis.context;
    let p = &context.plan.protocol;
    let planned = if p.min_rounds == p.max_rounds {
        p.max_rounds.to_string()
    } else {
        format!("{} to {}", p.min_rounds, p.max_rounds)
    };
    let budget = match (p.budget_s, p.budget) {
        (None, _) => String::new(),
        (Some(seconds), Budget::Aim) => format!(", aiming at {seconds} s"),
        (Some(seconds), Budget::Limit) => format!(", within {seconds} s"),
    };
    let again = |resumed: &Resumed| {
        format!(", taken up again from round {} on at {}", resumed.from_round + 1, inert_line(&resumed.at_utc))
    };
    let resumed: String = context.resumed.iter().map(again).collect();
    format!("{} run of {planned} planned{budget}{resumed}", analysis.rounds)
}

/// How the models shared a round, and what was decided on the way.
fn arrangement(context: &Context) -> String {
    let p = &context.plan.protocol;
    let adaptation = context.adaptation.as_ref();
    let shared = match adaptation.map_or(p.arrangement, |a| a.arrangement) {
        Arrangement::Sequential => "one model after the other",
        Arrangement::Alternating => "all models side by side, samples alternating",
    };
    let decisions = adaptation.iter().flat_map(|a| &a.decisions);
    let why = decisions.map(|decision| format!("; {}", inert_line(&decision.to_string())));
    format!("{shared}{}", why.collect::<String>())
}

fn model(m: &Model) -> Vec<(&'static str, String)> {
    let mut rows = vec![("File", m.file.clone())];
    let Some(f) = &m.facts else {
        rows.push(("Header", format!("{UNKNOWN}: it could not be read")));
        return rows;
    };
    let parts = if f.parts > 1 { format!(" in {}", counted(f.parts, "part")) } else { String::new() };
    let number = |n: Option<u32>| n.map_or(UNKNOWN.into(), |n| count(n.into()));
    rows.extend([
        ("Size", format!("{}{parts}", bytes(f.file_bytes as f64))),
        ("SHA-256", f.sha256.clone().unwrap_or_else(|| format!("{UNKNOWN}: not computed"))),
        ("Type", format!("{}, {} bits per weight", f.quant, fixed(f.bits_per_weight, 2))),
        ("Made from", f.made_from.as_ref().map_or_else(|| "not by this run".into(), ToString::to_string)),
        ("Importance matrix", f.imatrix.clone().unwrap_or_else(|| "none named in the header".into())),
        ("Architecture", format!("{}, {} layers, width {}", f.architecture, number(f.n_layer), number(f.n_embd))),
        ("Context", format!("{} tokens in training", number(f.n_ctx_train))),
        ("Tokenizer", format!("{}, {} tokens", f.tokenizer.model, count(f.tokenizer.n_vocab.into()))),
        (
            "Chat template",
            if f.chat_template { "yes, applied to prompts" } else { "no, prompts are plain text" }.into(),
        ),
    ]);
    rows.extend(f.recipe.as_ref().map(|recipe| ("Quantized with", inert_line(&recipe.to_string()))));
    rows
}
