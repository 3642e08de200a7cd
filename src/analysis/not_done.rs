//! What was asked for and not done, each with its reason: nobody should have to infer it from a figure that is absent.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{quality::QualityAnalysis, series::visits};
use crate::{
    record::{
        CandidateQuality, ComparisonFault, Decision, Ended, GivenUp, Outcome, Quality, QualityPlan, QualityStop,
        QualityUnit, Run, Skipped, Subject, TaskResult, TaskStop, Tasks, WorkloadKind, left_out_words,
        time_plan::in_words,
    },
    text::{self, agree, counted, list, plural},
};

/// What was asked for and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct NotDone {
    /// The part of the plan.
    pub part: Part,
    /// The model it concerns, by name; `None` for the run as a whole.
    pub model: Option<String>,
    /// What was not done, and why, with figures, in whole sentences.
    pub reason: String,
    /// What would do it, in whole sentences; `None` where nothing need be done.
    pub remedy: Option<String>,
}

/// A part of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All that had not been done when it ended early.
    Run,
    /// What models of this kind can't be asked.
    Kind,
    /// Rounds of a model that was left out of them.
    Rounds,
    /// Work that is timed.
    Workloads,
    /// Work at a depth of context for which the model was not trained.
    Depth,
    /// Prompts and their answers.
    Prompts,
    /// Texts that outputs were to be compared on.
    Texts,
    /// The comparison of outputs.
    Outputs,
    /// Tasks with right answers.
    Tasks,
}

/// The least that `--ctx` takes.
const LEAST_CTX: usize = 8;
/// More names than this are counted.
const MOST_NAMES: usize = 4;

/// Everything, the run as a whole first.
pub(super) fn find(run: &Run, outputs: &[Option<QualityAnalysis>]) -> Vec<NotDone> {
    let mut found = Vec::new();
    found.extend(ended_early(run));
    found.extend(cannot_be_asked(run));
    found.extend(given_up(run));
    found.extend(workloads(run));
    found.extend(once((0..run.subjects.len()).flat_map(|subject| too_long(run, subject)), alive(run).count()));
    found.extend(texts(run));
    found.extend(not_compared(run));
    found.extend(outputs.iter().flatten().find_map(|found| imprecise(run, found)));
    found.extend(tasks(run));
    found.extend(left_out(run));
    found
}

fn of_run(part: Part, reason: String, remedy: Option<String>) -> NotDone {
    NotDone { part, model: None, reason, remedy }
}

fn of_subject(part: Part, subject: &Subject, reason: String, remedy: Option<String>) -> NotDone {
    NotDone { part, model: Some(subject.name.clone()), reason, remedy }
}

/// What was asked of those that can be asked: a failed one says so in its row.
fn alive(run: &Run) -> impl Iterator<Item = usize> {
    (0..run.subjects.len()).filter(|&subject| run.subjects[subject].outcome == Outcome::Done)
}

/// That a run ended before it was done, and how it is gone on with.
fn ended_early(run: &Run) -> Option<NotDone> {
    let none = run.plan.has_rounds() && run.rounds.is_empty();
    let after = if none { "before the first round".to_owned() } else { format!("after {}", run.progress()) };
    let (reason, remedy) = match run.ended {
        Ended::Interrupted => (format!("The run was interrupted {after}."), format!("Go on with {}.", resume(run))),
        Ended::Unfinished => (format!("The run was cut off {after}."), format!("Go on with {}.", resume(run))),
        Ended::ServerLost => (
            format!("An RPC server went away {after}."),
            format!("Start the server again, then go on with {}.", resume(run)),
        ),
        Ended::OriginalFailed => (
            format!("The original failed {after}. Without it the others answer nothing."),
            "Mend what its row says, or measure the others all the same (--force).".into(),
        ),
        Ended::RoundsDone | Ended::Precise | Ended::OneLeft | Ended::Budget | Ended::NothingLeft => return None,
    };
    Some(of_run(Part::Run, reason, Some(remedy)))
}

/// What these models can't be asked, by reason.
fn cannot_be_asked(run: &Run) -> Vec<NotDone> {
    let remedy = "The rest was measured. Programs of their kind measure what such models are for.";
    let of = |words: String| of_run(Part::Kind, format!("Not measured: {words}."), Some(remedy.into()));
    left_out_words(&run.plan.left_out).into_iter().map(of).collect()
}

/// The command that goes on with a run, as far as its own command says where it lies.
fn resume(run: &Run) -> String {
    let mut words = run.command.iter().map(String::as_str);
    let named = words.find_map(|word| match word.split_once('=') {
        Some(("--out", folder)) => Some(folder.to_owned()),
        _ if word == "--out" => Some(String::new()),
        _ => None,
    });
    let folder = named.map(|named| if named.is_empty() { words.next().unwrap_or_default().to_owned() } else { named });
    // What a shell would take for more than a word is not put into a line to be pasted.
    let is_plain =
        |folder: &String| !folder.is_empty() && folder.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    match folder.filter(is_plain) {
        Some(folder) => format!("`gguf-bench resume {folder}`"),
        None => "`gguf-bench resume` and the folder of this run".into(),
    }
}

/// Why what had not begun by then was not done.
fn because(run: &Run) -> &'static str {
    match run.ended {
        Ended::Interrupted => "the run was interrupted before",
        Ended::Unfinished => "the run was cut off before",
        Ended::ServerLost => "an RPC server went away before",
        Ended::OriginalFailed => "the original failed before",
        Ended::Budget => "the time was spent before",
        Ended::RoundsDone | Ended::Precise | Ended::OneLeft => "the rounds ended before their turn",
        Ended::NothingLeft => "no model was left to measure",
    }
}

/// What the plan of the time gave up, but for rounds and samples, of which every figure tells how many there were.
fn given_up(run: &Run) -> Vec<NotDone> {
    let given_up = run.time_plan.iter().flat_map(|plan| &plan.given_up);
    let no_windows = given_up.clone().any(|given_up| matches!(given_up, GivenUp::Windows { windows: 0, .. }));
    let more = |needs_ns: u64| Some(format!("Allow {} (--budget).", in_words(needs_ns)));
    let of = |given_up: &GivenUp| match *given_up {
        GivenUp::Prompts { needs_ns } => {
            let n = run.plan.workloads.iter().filter(|w| matches!(w.kind, WorkloadKind::Prompt(_))).count();
            let were = agree(n, "was", "were");
            let reason = format!("{} {were} not asked, for want of time.", counted(n, "prompt"));
            Some(of_run(Part::Prompts, reason, more(needs_ns)))
        }
        GivenUp::Windows { windows: 0, needs_ns } => {
            Some(of_run(Part::Outputs, "Outputs were not compared, for want of time.".into(), more(needs_ns)))
        }
        // Of no window nothing is scored, and that is told.
        GivenUp::Positions { .. } if no_windows => None,
        GivenUp::Positions { positions, needs_ns } => Some(of_run(
            Part::Outputs,
            format!(
                "Of the second half of each window only the first {} {} scored, for want of time.",
                counted(positions, "token"),
                agree(positions as usize, "was", "were")
            ),
            more(needs_ns),
        )),
        // What was not asked of a task is told by what came of it.
        GivenUp::Questions { .. }
        | GivenUp::Windows { .. }
        | GivenUp::Samples { .. }
        | GivenUp::Blocks { .. }
        | GivenUp::Rounds { .. }
        | GivenUp::Intervals { .. } => None,
    };
    given_up.filter_map(of).collect()
}

/// Work of which a model has no sample although it could have had one.
fn workloads(run: &Run) -> Vec<NotDone> {
    if run.rounds.is_empty() || run.ended == Ended::NothingLeft {
        return Vec::new();
    }
    let asks_prompts = run.time_plan.as_ref().is_none_or(|plan| plan.prompts);
    let missing = |subject: usize| -> Vec<usize> {
        let sampled = visits(run, subject).flat_map(|v| v.samples.iter().map(|sample| sample.workload));
        let answered = visits(run, subject).flat_map(|v| v.generations.iter().map(|answer| answer.workload));
        let skipped = visits(run, subject).flat_map(|v| v.skipped.iter().map(|skipped| skipped.workload));
        let known: std::collections::BTreeSet<usize> = sampled.chain(answered).chain(skipped).collect();
        let is_asked = |workload: &usize| {
            let is_prompt = matches!(run.plan.workloads[*workload].kind, WorkloadKind::Prompt(_));
            !is_prompt || asks_prompts && run.plan.protocol.prompt_rounds > 0
        };
        (0..run.plan.workloads.len()).filter(is_asked).filter(|workload| !known.contains(workload)).collect()
    };
    let each: Vec<(usize, Vec<usize>)> = alive(run).map(|subject| (subject, missing(subject))).collect();
    let of = |subject: Option<usize>, missing: &[usize]| {
        let is_prompt = |workload: &&usize| matches!(run.plan.workloads[**workload].kind, WorkloadKind::Prompt(_));
        let (prompts, timed): (Vec<&usize>, Vec<&usize>) = missing.iter().partition(is_prompt);
        let one = |part: Part, missing: &[&usize], what: &str, done: &str| {
            let ids: Vec<String> = missing.iter().map(|&&workload| run.plan.workloads[workload].id.clone()).collect();
            let names = match ids.len() {
                0 => return None,
                n @ 1..=MOST_NAMES if part == Part::Prompts => {
                    format!("The {} {}", plural(n == 1, what), list(&ids))
                }
                1..=MOST_NAMES => list(&ids),
                n => counted(n, what),
            };
            let were = agree(ids.len(), "was", "were");
            let reason = format!("{names} {were} not {done}, because {}.", because(run));
            Some(NotDone { part, model: subject.map(|s| run.subjects[s].name.clone()), reason, remedy: None })
        };
        [one(Part::Workloads, &timed, "workload", "measured"), one(Part::Prompts, &prompts, "prompt", "asked")]
    };
    match each.first() {
        Some((_, first)) if each.iter().all(|(_, own)| own == first) => of(None, first).into_iter().flatten().collect(),
        _ => each.iter().flat_map(|(subject, own)| of(Some(*subject), own)).flatten().collect(),
    }
}

/// What a model was not trained for: it was not asked, and is a row here, never a hole.
fn too_long(run: &Run, subject: usize) -> Vec<NotDone> {
    let mut skipped: Vec<&Skipped> = Vec::new();
    for one in visits(run, subject).flat_map(|v| &v.skipped) {
        if skipped.iter().all(|known| known.workload != one.workload) {
            skipped.push(one);
        }
    }
    let of = |s: &Skipped| {
        let workload = &run.plan.workloads[s.workload];
        let id = &workload.id;
        let (part, reason, remedy) = if let WorkloadKind::Prompt(_) = workload.kind {
            let reason = format!(
                "The prompt {id} was not asked: it has {}, and needs a context of {} with its answer. The model was trained for {}.",
                counted(s.n_prompt, "token"),
                s.n_ctx_needed,
                s.n_ctx_train
            );
            (Part::Prompts, reason, "Shorten it, or lower --max-new-tokens.")
        } else {
            let reason = format!(
                "{id} was not measured: it needs a context of {} tokens, and the model was trained for {}.",
                s.n_ctx_needed, s.n_ctx_train
            );
            (Part::Depth, reason, "Choose a smaller --depth.")
        };
        of_subject(part, &run.subjects[subject], reason, Some(remedy.into()))
    };
    skipped.into_iter().map(of).collect()
}

/// What is true of all `n` models is told once, of the run.
fn once(found: impl Iterator<Item = NotDone>, n: usize) -> Vec<NotDone> {
    let all: Vec<NotDone> = found.collect();
    let mut told: Vec<NotDone> = Vec::new();
    for one in &all {
        let alike = |other: &&NotDone| other.reason == one.reason;
        let of_all = n > 1 && all.iter().filter(alike).count() == n;
        if !(of_all && told.iter().any(|known| known.reason == one.reason)) {
            told.push(NotDone { model: one.model.clone().filter(|_| !of_all), ..one.clone() });
        }
    }
    told
}

/// Texts without a whole window.
fn texts(run: &Run) -> Option<NotDone> {
    let (plan, quality) = (run.plan.quality.as_ref()?, run.quality.as_ref()?);
    if plan.texts.len() != quality.texts.len() {
        // Of a file of log-probabilities nobody knows where its texts begin.
        return None;
    }
    let n_ctx = plan.n_ctx;
    let known = plan.texts.iter().zip(&quality.texts);
    let short: Vec<(&str, usize)> =
        known.filter(|(_, text)| text.n_windows == 0).map(|(own, text)| (own.name.as_str(), text.n_tokens)).collect();
    let least = short.iter().map(|(_, n_tokens)| *n_tokens).min()?;
    let reason = if let [(name, n_tokens)] = &short[..] {
        let tokens = counted(*n_tokens, "token");
        format!("Outputs were not compared on the text {name}: it has {tokens}, and a window takes {n_ctx} (--ctx).")
    } else {
        let each = short.iter().take(MOST_NAMES - 1).map(|(name, n_tokens)| format!("{name} has {n_tokens}"));
        let more = short.len().saturating_sub(MOST_NAMES - 1);
        let each: Vec<String> = each.chain((more > 0).then(|| format!("{more} more"))).collect();
        format!(
            "Outputs were not compared on {} of {} texts, which are shorter than a window of {n_ctx} tokens (--ctx): {}.",
            short.len(),
            plan.texts.len(),
            list(&each)
        )
    };
    let remedy = if least >= LEAST_CTX { format!("--ctx {least} would do.") } else { "Give longer texts.".into() };
    Some(of_run(Part::Texts, reason, Some(remedy)))
}

/// Candidates whose outputs were not compared, or not to the end.
fn not_compared(run: &Run) -> Vec<NotDone> {
    let Some(_) = &run.plan.quality else { return Vec::new() };
    let has_no_time = run.time_plan.as_ref().is_some_and(|plan| plan.windows == Some(0));
    let Some(Quality { results, fault, .. }) = &run.quality else {
        let is_left = alive(run).any(|subject| Some(subject) != run.original());
        let never = is_left && !has_no_time && run.ended != Ended::NothingLeft;
        let reason = || format!("Outputs were not compared, because {}.", before_outputs(run));
        return never.then(|| of_run(Part::Outputs, reason(), None)).into_iter().collect();
    };
    if let (Some(ComparisonFault::Asked), Some(reason)) = (fault, results.iter().find_map(|r| failure(&r.outcome))) {
        return vec![of_run(Part::Outputs, format!("Outputs were not compared: {}", text::stopped(reason)), None)];
    }
    let windows = |result: &CandidateQuality| result.texts.iter().map(|text| text.windows.len()).sum::<usize>();
    let cut = |result: &&CandidateQuality| {
        let is_cut = match result.stopped {
            Some(QualityStop::Interrupted) => true,
            None | Some(QualityStop::TimeSpent) => windows(result) == 0,
            Some(QualityStop::TextsDone | QualityStop::Precise | QualityStop::MaxWindows) => false,
        };
        result.outcome == Outcome::Done && result.bits_per_byte.is_none() && is_cut
    };
    let of = |result: &CandidateQuality| {
        let why = match result.stopped {
            Some(QualityStop::TimeSpent) => "the time was spent before",
            _ => before_outputs(run),
        };
        let reason = match windows(result) {
            0 => format!("Outputs were not compared, because {why}."),
            n => format!("Outputs were compared on {} only, because the run was interrupted.", counted(n, "window")),
        };
        of_subject(Part::Outputs, &run.subjects[result.candidate], reason, None)
    };
    // A record without an end that is known says it of the run as a whole.
    results.iter().filter(cut).map(of).collect()
}

fn failure(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Done => None,
        Outcome::Failed { reason, .. } => Some(reason),
    }
}

/// Why outputs were not compared: rounds that were precise are no reason.
fn before_outputs(run: &Run) -> &'static str {
    match run.ended {
        Ended::RoundsDone | Ended::Precise => "the run ended before",
        _ => because(run),
    }
}

/// That the mean KLD is known less well than was asked for, and what kept it from more documents.
fn imprecise(run: &Run, found: &QualityAnalysis) -> Option<NotDone> {
    let QualityPlan { max_windows, .. } = run.plan.quality.as_ref()?;
    let planned = run.time_plan.as_ref().and_then(|plan| plan.windows);
    let for_want_of_time = planned.is_some_and(|planned| max_windows.is_none_or(|most| planned < most));
    let (why, remedy) = match found.stopped? {
        QualityStop::TimeSpent => ("because the time was spent", "Allow more time (--budget)."),
        QualityStop::MaxWindows if for_want_of_time => ("for want of time", "Allow more time (--budget)."),
        QualityStop::MaxWindows => ("which is the limit of this run", "Raise --max-windows."),
        QualityStop::TextsDone | QualityStop::Precise | QualityStop::Interrupted => return None,
    };
    let (n, unit) = match found.unit {
        QualityUnit::Document => (found.documents, "document"),
        QualityUnit::Window => (found.windows, "window"),
    };
    (n > 0 && found.misses_precision()).then(|| {
        let asked = format!("{:.0}\u{a0}%", found.precision_asked * 100.0);
        let reason = format!(
            "Outputs were compared on {} only, {why}. The mean KLD is not known to the ±{asked} asked for.",
            counted(n, unit)
        );
        of_run(Part::Outputs, reason, Some(remedy.into()))
    })
}

/// Items that were not asked.
fn tasks(run: &Run) -> Vec<NotDone> {
    let Some(Tasks { plans, results }) = &run.tasks else { return Vec::new() };
    let names = || list(&plans.iter().map(|plan| plan.name.clone()).collect::<Vec<_>>());
    let were = agree(plans.len(), "was", "were");
    let all: usize = plans.iter().map(|plan| plan.items.len()).sum();
    let of = |subject: usize| {
        let (name, result) = (&run.subjects[subject], results.iter().find(|result| result.subject == subject));
        let Some(TaskResult { outcome, stopped, tasks, .. }) = result else {
            let reason = format!("{} {were} not asked, because {}.", names(), before_outputs(run));
            return vec![of_subject(Part::Tasks, name, reason, None)];
        };
        let mut found = Vec::new();
        if let Outcome::Failed { reason, .. } = outcome {
            found.push(of_subject(
                Part::Tasks,
                name,
                format!("{} could not be asked: {}", names(), text::stopped(reason)),
                None,
            ));
        }
        let answered: usize = tasks.iter().map(|scores| scores.choices_nats.len()).sum();
        let cut = match stopped {
            Some(TaskStop::TimeSpent) => Some(("the time was spent", Some("Allow more time (--budget)."))),
            Some(TaskStop::Interrupted) => Some(("the run was interrupted", None)),
            Some(TaskStop::OriginalStopped) => Some(("the original was asked no more", None)),
            Some(TaskStop::ItemsDone) | None => None,
        };
        found.extend(cut.map(|(why, remedy)| {
            let reason = format!("Only {answered} of {all} items of {} were asked, because {why}.", names());
            of_subject(Part::Tasks, name, reason, remedy.map(str::to_owned))
        }));
        for (plan, scores) in plans.iter().zip(tasks) {
            let too_long = scores.choices_nats.iter().filter(|choices| choices.is_empty()).count();
            found.extend((too_long > 0).then(|| {
                let items = counted(too_long, "item");
                let (were, they_are) = (agree(too_long, "was", "were"), agree(too_long, "it is", "they are"));
                let reason = format!(
                    "{items} of {} {were} not asked, because {they_are} longer than what the model was trained for.",
                    plan.name
                );
                of_subject(Part::Tasks, name, reason, None)
            }));
        }
        found
    };
    alive(run).flat_map(of).collect()
}

/// Models that the last rounds went without.
fn left_out(run: &Run) -> Vec<NotDone> {
    let decisions = run.adaptation.iter().flat_map(|adaptation| &adaptation.decisions);
    let dropped = decisions.filter(|decision| matches!(decision, Decision::Dropped { .. }));
    dropped.map(|decision| of_run(Part::Rounds, text::stopped(&decision.to_string()), None)).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        analysis::{analyse, diff::tests::outputs::with_outputs},
        record::{DropReason, QualityText, TimeParts, TimePlan, read_run},
    };

    fn run() -> Run {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = read_run(&path).unwrap();
        run.command = ["gguf-bench", "compare", "a", "b", "--out", "o/1"].map(str::to_owned).into();
        run
    }

    fn told(run: &Run) -> Vec<(Part, Option<String>, String)> {
        let told = |one: NotDone| {
            let remedy = one.remedy.map_or(String::new(), |remedy| format!(" {remedy}"));
            (one.part, one.model, format!("{}{remedy}", one.reason))
        };
        analyse(run).not_done.into_iter().map(told).collect()
    }

    fn only(run: &Run, part: Part) -> Vec<String> {
        told(run).into_iter().filter(|(own, ..)| *own == part).map(|(_, _, words)| words).collect()
    }

    #[test]
    fn an_early_end_is_told_by_its_cause_and_with_the_way_on() {
        let mut run = run();
        run.ended = Ended::RoundsDone;
        assert!(only(&run, Part::Run).is_empty());
        let n = run.rounds.len();
        run.ended = Ended::Interrupted;
        let expected = format!("The run was interrupted after {n} rounds. Go on with `gguf-bench resume o/1`.");
        assert_eq!(only(&run, Part::Run), [expected]);
        for (word, spelled) in [("--out=x", "`gguf-bench resume x`."), ("--out=a;b", "and the folder of this run.")] {
            run.command = vec!["gguf-bench".into(), word.into()];
            let told = only(&run, Part::Run);
            assert!(told[0].ends_with(spelled), "{told:?}");
        }
        run.ended = Ended::OriginalFailed;
        assert!(only(&run, Part::Run)[0].contains("--force"));
    }

    #[test]
    fn outputs_that_were_not_reached_are_told_by_what_kept_them() {
        let mut run = with_outputs(run(), |_| 0.01);
        run.ended = Ended::RoundsDone;
        assert!(only(&run, Part::Outputs).is_empty(), "{:?}", told(&run));
        run.quality = None;
        run.ended = Ended::Interrupted;
        assert_eq!(only(&run, Part::Outputs), ["Outputs were not compared, because the run was interrupted before."]);
        run.ended = Ended::Budget;
        assert_eq!(only(&run, Part::Outputs), ["Outputs were not compared, because the time was spent before."]);
        let mut plan = TimePlan {
            costs: Vec::new(),
            rounds: 6,
            samples: Vec::new(),
            one_block: false,
            prompts: true,
            windows: Some(0),
            positions: None,
            planned: TimeParts::default(),
            given_up: vec![GivenUp::Windows { windows: 0, needs_ns: 480_000_000_000 }],
            intervals_ns: 0,
        };
        run.time_plan = Some(plan.clone());
        assert_eq!(only(&run, Part::Outputs), ["Outputs were not compared, for want of time. Allow 8 min (--budget)."]);
        plan.given_up = vec![GivenUp::Prompts { needs_ns: 480_000_000_000 }];
        plan.prompts = false;
        run.time_plan = Some(plan);
        let prompts = only(&run, Part::Prompts);
        assert!(prompts[0].contains("not asked, for want of time. Allow 8 min (--budget)."), "{prompts:?}");
        run.plan.quality = None;
        assert!(only(&run, Part::Outputs).is_empty(), "they were not asked for");
    }

    #[test]
    fn texts_without_a_window_are_told_with_the_tokens_and_what_would_do() {
        let mut run = with_outputs(run(), |_| 0.01);
        let n_ctx = run.plan.quality.as_ref().unwrap().n_ctx;
        let names: Vec<String> =
            run.plan.quality.as_ref().unwrap().texts.iter().map(|text| text.name.clone()).collect();
        let lengths = |run: &mut Run, lengths: &[usize]| {
            let of = |n_tokens: usize| QualityText { n_tokens, n_windows: n_tokens / n_ctx as usize };
            run.quality.as_mut().unwrap().texts = lengths.iter().map(|&n| of(n)).collect();
        };
        let mut all = vec![10_000; names.len()];
        lengths(&mut run, &all);
        assert!(only(&run, Part::Texts).is_empty());
        all[0] = 300;
        lengths(&mut run, &all);
        let expected = format!(
            "Outputs were not compared on the text {}: it has 300 tokens, and a window takes {n_ctx} (--ctx). --ctx 300 would do.",
            names[0]
        );
        assert_eq!(only(&run, Part::Texts), [expected]);
        all[0] = 6;
        lengths(&mut run, &all);
        assert!(only(&run, Part::Texts)[0].ends_with(" Give longer texts."), "{:?}", only(&run, Part::Texts));
    }

    #[test]
    fn work_without_a_sample_is_told_once_where_all_lack_it() {
        let mut run = run();
        run.ended = Ended::Interrupted;
        run.plan.quality = None;
        let before = only(&run, Part::Workloads);
        assert!(before.is_empty(), "{before:?}");
        let tg = run.plan.workloads.iter().position(|w| w.id == "tg128").unwrap();
        for visit in run.rounds.iter_mut().flat_map(|round| &mut round.visits) {
            visit.samples.retain(|sample| sample.workload != tg);
        }
        assert_eq!(only(&run, Part::Workloads), ["tg128 was not measured, because the run was interrupted before."]);
    }

    #[test]
    fn models_that_rounds_went_without_are_told() {
        let mut run = run();
        let because = DropReason::Dominated { by: "Q4_K_M".into() };
        let dropped = Decision::Dropped { subject: 2, name: "Q2_K".into(), from_round: 6, because };
        run.adaptation = Some(crate::record::Adaptation {
            arrangement: crate::record::Arrangement::Alternating,
            samples_per_round: Vec::new(),
            decisions: vec![dropped],
        });
        assert!(only(&run, Part::Rounds)[0].starts_with("Q2_K was measured in the first 6 rounds only: "));
    }
}
