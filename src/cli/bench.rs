//! compare and sweep: from the models' names to the record and its reports.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};

use super::{
    args::{CompareArgs, MeasureArgs, SweepArgs},
    exit::Exit,
    fetch, fits, interrupt,
    machine::{self, Here},
    outputs::{Outputs, ResultArgs},
    plan::{self, Setting},
    preview,
    progress::Progress,
    quality,
    quantize::{self, Workshop},
    remake,
    session::{self, Finished, Needs, Session},
    subjects::{self, Found, Source},
};
use crate::{
    event::{Observer, Silent},
    probe::{self, Monotonic},
    prompts,
    record::{self, Ended, FORMAT, Outcome, Plan, Purpose, Run, Settings, journal::Begun},
};

/// Samples of a quick round of models whose samples last a second or so.
const QUICK_INNER: u32 = 1;

/// What compare and sweep know before they plan.
pub(super) fn setting(n_models: usize) -> Setting {
    Setting { n_models, quick_inner: QUICK_INNER, budget_s: None }
}

/// What is measured, whichever command asked for it.
pub(super) struct Job<'a> {
    pub(super) args: &'a MeasureArgs,
    pub(super) plan: Plan,
    /// Every subject's.
    pub(super) settings: Settings,
    pub(super) here: Here,
    pub(super) sources: Vec<Source>,
    pub(super) quality: quality::Wanted,
    pub(super) purpose: Purpose,
}

pub(super) fn compare(args: &CompareArgs) -> Result<Exit> {
    let here = machine::here()?;
    let quality = quality::wanted(&args.measure, prompts::builtin_texts)?;
    let plan = plan::plan(&args.measure, &setting(1 + args.quantized.len()), &quality, &here.machine)?;
    let settings = plan::settings(&args.measure, here.machine.allowed_cpus);
    let names = std::iter::once(&args.original).chain(&args.quantized).map(String::as_str);
    let sources = fetch::sources(names, fetch::Downloads::of(&args.measure), observer(&args.measure).as_mut());
    measure(Job { args: &args.measure, plan, settings, here, sources, quality, purpose: Purpose::Comparison })
}

pub(super) fn sweep(args: &SweepArgs) -> Result<Exit> {
    let here = machine::here()?;
    let quality = quality::wanted(&args.measure, prompts::builtin_texts)?;
    let plan = plan::plan(&args.measure, &setting(1 + args.types.len()), &quality, &here.machine)?;
    let settings = plan::settings(&args.measure, here.machine.allowed_cpus);
    let types = quantize::types(&args.types)?;
    if args.measure.dry_run {
        let sources = fetch::sources([&*args.original], fetch::Downloads::Announced, &mut Silent);
        return preview::show(subjects::find(&sources, &settings), &plan, &settings, &here, &types, args.measure.force);
    }
    let original = fetch::path(&args.original, observer(&args.measure).as_mut())?;
    let workshop = Workshop::open(args.keep.as_deref())?;
    let mut observer = observer(&args.measure);
    let request = quantize::Request {
        original: &original,
        types: &types,
        n_threads: settings.n_threads,
        allow_requantize: args.allow_requantize,
    };
    let sources = quantize::make(&workshop, &request, observer.as_mut())?;
    drop(observer);
    measure(Job { args: &args.measure, plan, settings, here, sources, quality, purpose: Purpose::Comparison })
}

/// Measures, keeps every round, reports.
pub(super) fn measure(job: Job<'_>) -> Result<Exit> {
    let args = job.args;
    let Some(finished) = take(job)? else { return Ok(Exit::Fine) };
    finished.report(&args.results)?;
    Ok(exit(&finished.run))
}

/// Measures and keeps every round; `None` when the plan alone was to be shown.
pub(super) fn take(job: Job<'_>) -> Result<Option<Finished>> {
    let Job { args, plan, settings, here, sources, quality, purpose } = job;
    let mut subjects = subjects::find(&sources, &settings);
    if let Some(file) = &quality.inputs.logits {
        subjects::compare_with_file(&mut subjects, file, &settings);
    }
    if args.dry_run {
        preview::show(subjects, &plan, &settings, &here, &[], args.force)?;
        return Ok(None);
    }
    check_some_can_run(&subjects)?;
    check_some_work_fits(&subjects, &plan)?;
    subjects::expect_kv_cache(&mut subjects, &plan);
    if !args.force {
        fits::refuse(&mut subjects, &here.machine, &plan);
    }
    let outputs = Outputs::open(args)?;
    let mut journal = session::claim(&outputs)?;
    let mut observer = observer(args);
    subjects::hash(&mut subjects, hash_cache().as_deref(), observer.as_mut());

    let mut here = here;
    here.machine.memory_bandwidth =
        args.script.is_none().then(|| machine::memory_bandwidth(&plan, &settings, &here.machine)).flatten();
    let devices = here.machine.devices.clone();
    let (subjects, files): (Vec<_>, Vec<PathBuf>) = subjects.into_iter().map(|s| (s.subject, s.path)).unzip();
    let run = Run {
        format: FORMAT,
        build: here.build,
        machine: here.machine,
        purpose,
        command: command_line(),
        started_utc: probe::utc_now().to_string(),
        plan,
        subjects,
        rounds: Vec::new(),
        ended: Ended::Unfinished,
        adaptation: None,
        quality: None,
        resumed: Vec::new(),
        wishes: args.wishes.record(),
    };
    let needs = Needs::new(args, &files, remake::made(&sources), quality.inputs);
    let interrupt = interrupt::interrupt()?;
    journal.begin(Begun { run: run.clone(), inputs: serde_json::to_value(&needs)? })?;
    let clock = Arc::new(Monotonic::start());
    Session { run, outputs, journal, needs, devices, clock, interrupt, observer }.measure().map(Some)
}

/// How a run went, as an exit code.
pub(super) fn exit(run: &Run) -> Exit {
    let compared = |model| {
        let results = run.quality.iter().flat_map(|quality| &quality.results);
        results.filter(|result| result.candidate == model).all(|result| result.outcome == Outcome::Done)
    };
    let fine = |(index, model): (usize, &record::Subject)| model.outcome == Outcome::Done && compared(index);
    let failed = run.subjects.len() - run.subjects.iter().enumerate().filter(|&model| fine(model)).count();
    if run.ended == Ended::Interrupted {
        Exit::Interrupted
    } else if failed == run.subjects.len() {
        Exit::Failed
    } else if failed > 0 {
        Exit::Partial
    } else {
        Exit::Fine
    }
}

/// Nothing slow starts when no model could be measured anyway.
fn check_some_can_run(subjects: &[Found]) -> Result<()> {
    if subjects.iter().any(|s| s.subject.outcome == Outcome::Done) {
        return Ok(());
    }
    let reasons: Vec<String> = subjects
        .iter()
        .filter_map(|s| match &s.subject.outcome {
            Outcome::Failed { reason, .. } => Some(format!("{}: {reason}", s.path.display())),
            Outcome::Done => None,
        })
        .collect();
    bail!("{}", reasons.join("\n       "))
}

/// Rounds in which every workload is too deep for every model would measure nothing.
fn check_some_work_fits(subjects: &[Found], plan: &Plan) -> Result<()> {
    let trained_for = |s: &Found| s.subject.model.facts.as_ref().and_then(|facts| facts.n_ctx_train);
    let fits = |s: &Found| plan.workloads.iter().any(|w| !w.kind.is_too_deep(trained_for(s)));
    if plan.workloads.is_empty() || subjects.iter().filter(|s| s.subject.outcome == Outcome::Done).any(fits) {
        return Ok(());
    }
    let longest = subjects.iter().filter_map(trained_for).max().unwrap_or(0);
    bail!(
        "nothing can be measured: with --pp and --tg on top, every --depth exceeds the {longest} tokens that the models were trained for"
    )
}

/// The progress display, when someone is looking.
pub(super) fn observer(args: &MeasureArgs) -> Box<dyn Observer> {
    watcher(&args.results)
}

/// The same, for whoever does not plan.
pub(super) fn watcher(args: &ResultArgs) -> Box<dyn Observer> {
    if args.quiet { Box::new(Silent) } else { Progress::on_stderr().map_or(Box::new(Silent), |p| Box::new(p) as _) }
}

/// Where hashes are kept between runs: the person's cache folder, when there is one.
#[expect(clippy::disallowed_methods, reason = "configuration is read in cli")]
pub(super) fn hash_cache() -> Option<PathBuf> {
    let var = |name| std::env::var(name).ok().filter(|v| Path::new(v).is_absolute());
    let base = var("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = PathBuf::from(var("HOME").or_else(|| var("LOCALAPPDATA"))?);
        Some(home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }))
    })?;
    Some(base.join("gguf-bench").join("sha256.json"))
}

/// The command line, without the folder of this program: records are published.
fn command_line() -> Vec<String> {
    let mut words: Vec<String> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        *program = Path::new(&*program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    words
}
