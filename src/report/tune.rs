//! The words of a tuning: what to run, how sure that is, and what became of everything that was tried.

use super::{
    number::{bytes, nats, percent},
    text::{agree, counted, inert_line, shell},
};
use crate::{
    analysis::{Analysis, SpeedRatio, TuneConclusion},
    record::{Fate, Goal, Machine, Outcome, Settings, Tried, TriedSpeed, WorkloadKind},
    settings::Offload,
};

/// A line for everything tried, then what to take, how sure that is, and commands to run it. Ends in a line end; empty of a run that is no tuning.
pub(crate) fn tune(analysis: &Analysis, file: Option<&str>) -> String {
    let Some(found) = &analysis.tuning else { return String::new() };
    let mut lines = vec!["What was tried, one setting after the other:".to_owned()];
    lines.extend(history(found).into_iter().map(|[what, fate]| format!("  {what}: {fate}")));
    lines.extend([String::new(), verdict(analysis, found)]);
    lines.extend(evidence(analysis, found).into_iter().map(|line| format!("  {line}")));
    if found.keeps_limits {
        let [server, benches] = commands(analysis, found, file);
        lines.push("Run it so:".into());
        lines.extend(server.into_iter().chain(benches).map(|line| format!("  {line}")));
    }
    lines.join("\n") + "\n"
}

/// What decides.
pub(super) const RULE: &str = "Rule: settings are taken when they are shown to be faster than those given, by more than --equivalence and by their \
     whole interval. What can't be told apart leaves the settings as given.";

pub(super) fn verdict(analysis: &Analysis, found: &TuneConclusion) -> String {
    let goal = goal_words(found.tuning.goal);
    if !found.keeps_limits {
        let limit = if found.tuning.max_memory_bytes.is_some() {
            "--max-memory, or could be measured"
        } else {
            "what this machine can hold"
        };
        return format!("Nothing that was tried keeps {limit}.");
    }
    let name = |subject: usize| inert_line(&analysis.models[subject].name);
    if found.is_given {
        return match &found.not_shown {
            Some(ratio) => format!(
                "Keep the settings as given: for {goal}, {} is not shown to be faster ({}).",
                name(found.tuning.best),
                ratio_words(ratio)
            ),
            None => format!("Keep the settings as given: for {goal}, nothing that was tried is shown to be faster."),
        };
    }
    match &found.over_given {
        Some(ratio) => {
            format!("Best for {goal}: {}, {} as fast as the settings given.", name(found.take), ratio_words(ratio))
        }
        None => format!("Best for {goal}: {}. The settings given could not be measured.", name(found.take)),
    }
}

/// How sure it is.
pub(super) fn evidence(analysis: &Analysis, found: &TuneConclusion) -> Vec<String> {
    let mut lines = Vec::new();
    if !found.keeps_limits {
        return lines;
    }
    let name = |subject: usize| inert_line(&analysis.models[subject].name);
    if let Some((runner_up, ratio)) = found.runner_up.zip(found.over_runner_up.as_ref()) {
        let told = match ratio.low {
            Some(low) if low <= 1.0 => "; the two can't be told apart",
            Some(_) | None => "",
        };
        lines.push(format!("Next best: {}. It is {} as fast as that{told}.", name(runner_up), ratio_words(ratio)));
    }
    let n = if analysis.models.len() > 1 { analysis.rounds } else { 0 };
    let confidence = percent(analysis.confidence);
    let intervals = if n >= 6 {
        format!("Brackets are {confidence} intervals of ratios paired by round.")
    } else {
        format!("{} too few for intervals.", agree(n as usize, "It is", "They are"))
    };
    if n > 0 {
        lines.push(format!("This comes from {} that chose nothing. {intervals}", counted(n, "round")));
    }
    if let Some(most) = found.tuning.max_memory_bytes {
        lines.push(format!("Within --max-memory {}, read at the first look.", bytes(most)));
    }
    if let Some(n_ctx) = analysis.context.plan.min_ctx {
        lines.push(format!("Every subject held a context of {} (--min-ctx).", counted(n_ctx, "token")));
    }
    lines
}

fn ratio_words(ratio: &SpeedRatio) -> String {
    let SpeedRatio { ratio, low, high, n } = ratio;
    match low.zip(*high) {
        Some((low, high)) => format!("{ratio:.3}× [{low:.3}, {high:.3}]"),
        None => format!("about {ratio:.3}× in {}, too few for an interval", counted(*n, "round")),
    }
}

pub(crate) fn goal_words(goal: Goal) -> &'static str {
    match goal {
        Goal::Pp => "prompt processing",
        Goal::Tg => "generation",
        Goal::Request => "a request",
    }
}

/// The line that starts llama-server with settings.
pub(crate) fn server(machine: &Machine, settings: &Settings, min_ctx: Option<u32>, file: &str) -> String {
    let n_ctx = min_ctx.map(|n| vec!["-c".to_owned(), n.to_string()]).unwrap_or_default();
    line("llama-server", file, [n_ctx, settings.for_llama_server(offload(machine, settings))].concat())
}

fn line(program: &str, file: &str, words: Vec<String>) -> String {
    shell(&[vec![program.to_owned(), "-m".into(), file.into()], words].concat())
}

fn offload(machine: &Machine, settings: &Settings) -> Offload {
    let any_device = machine.lends_device_to(&Settings { n_gpu_layers: -1, ..settings.clone() });
    if any_device { Offload::Possible } else { Offload::None }
}

/// The line for llama-server, and those for llama-bench: two where prompts and generation have threads of their own.
pub(super) fn commands(analysis: &Analysis, found: &TuneConclusion, file: Option<&str>) -> [Vec<String>; 2] {
    let context = &analysis.context;
    let subject = &context.subjects[found.take];
    let settings = &subject.settings;
    let file = file.unwrap_or(&subject.model.file);
    let server = server(&context.machine, settings, context.plan.min_ctx, file);
    let tokens = |is: &dyn Fn(&WorkloadKind) -> Option<u32>| context.plan.workloads.iter().find_map(|w| is(&w.kind));
    let pp = tokens(&|kind| if let WorkloadKind::Pp { n_tokens, .. } = kind { Some(*n_tokens) } else { None });
    let tg = tokens(&|kind| if let WorkloadKind::Tg { n_tokens, .. } = kind { Some(*n_tokens) } else { None });
    let depth = context.plan.workloads.iter().find_map(|w| w.kind.depth()).filter(|depth| *depth > 0);
    let bench = |pp: Option<u32>, tg: Option<u32>, threads: u32| {
        let number = |n: Option<u32>| n.unwrap_or(0).to_string();
        let mut words = vec!["-p".to_owned(), number(pp), "-n".into(), number(tg)];
        words.extend(depth.map(|depth| ["-d".to_owned(), depth.to_string()]).into_iter().flatten());
        words.extend(settings.for_llama_bench(offload(&context.machine, settings), threads));
        line("llama-bench", file, words)
    };
    let benches = if settings.n_threads == settings.n_threads_batch || pp.is_none() || tg.is_none() {
        vec![bench(pp, tg, if tg.is_some() { settings.n_threads } else { settings.n_threads_batch })]
    } else {
        vec![bench(pp, None, settings.n_threads_batch), bench(None, tg, settings.n_threads)]
    };
    [vec![server], benches]
}

/// A line for each value that was tried, and for each setting that was not: what, and what became of it.
pub(super) fn history(found: &TuneConclusion) -> Vec<[String; 2]> {
    let mut lines = Vec::new();
    for stage in &found.tuning.stages {
        let given = stage.tried.first();
        for (at, tried) in stage.tried.iter().enumerate() {
            let against = if at == 0 { None } else { given.map(|given| given.name.as_str()) };
            lines.push([inert_line(&tried.name), fate(tried, against, stage.rounds)]);
        }
    }
    lines.extend(
        found
            .tuning
            .not_tried
            .iter()
            .map(|not| [inert_line(&not.flags), format!("not tried: {}", inert_line(&not.because))]),
    );
    lines
}

fn fate(tried: &Tried, against: Option<&str>, rounds: u32) -> String {
    let speeds = |tried: &Tried| {
        let all: Vec<String> = tried.speeds.iter().map(speed).collect();
        let against = against.map_or_else(String::new, |against| format!(" of {}", inert_line(against)));
        if all.is_empty() { String::new() } else { format!(" ({}{against})", all.join(", ")) }
    };
    let rounds = match rounds {
        0 => "the first look".to_owned(),
        n => counted(n, "round"),
    };
    let kld = tried.kld.map_or_else(String::new, |kld| {
        let interval =
            kld.low.zip(kld.high).map_or_else(String::new, |(low, high)| format!(" [{}, {}]", nats(low), nats(high)));
        format!("; mean KLD {}{interval}", nats(kld.nats))
    });
    let words = match &tried.fate {
        Fate::Taken(_) if against.is_none() => format!("kept after {rounds}"),
        Fate::Taken(goals) => {
            let goals: Vec<&str> = goals.iter().map(|goal| goal_words(*goal)).collect();
            format!("taken for {} after {rounds}{}", goals.join(" and "), speeds(tried))
        }
        Fate::NotFaster => format!("not shown to be faster in {rounds}{}", speeds(tried)),
        Fate::Dropped { from_round: 0, because } => {
            format!("dropped after the first look: {}", inert_line(&because.to_string()))
        }
        Fate::Dropped { from_round, because } => {
            format!("dropped after {}: {}", counted(*from_round, "round"), inert_line(&because.to_string()))
        }
        Fate::NotCompared { because } => format!("not taken: {}{}", inert_line(because), speeds(tried)),
        Fate::Failed(Outcome::Failed { reason, .. }) => format!("failed: {}", inert_line(reason)),
        Fate::Failed(Outcome::Done) | Fate::NotMeasured => "not measured, as the time was spent".into(),
    };
    format!("{words}{kld}")
}

fn speed(speed: &TriedSpeed) -> String {
    let TriedSpeed { goal, ratio, low, high, n: _ } = speed;
    let interval = low.zip(*high).map_or_else(String::new, |(low, high)| format!(" [{low:.3}, {high:.3}]"));
    format!("{} {ratio:.3}×{interval}", goal_words(*goal))
}
