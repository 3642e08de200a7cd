//! compare and sweep: from the models' names to the record and its reports.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{
    args::{CompareArgs, MeasureArgs, SweepArgs},
    exit::Exit,
    fetch,
    machine::{self, Here},
    outputs::Outputs,
    plan::{self, Setting},
    preview,
    progress::Progress,
    quality,
    quantize::{self, Workshop},
    subjects::{self, Source, Subject},
};
use crate::{
    event::{Observer, Silent},
    probe::{self, Clock, Monotonic},
    prompts,
    record::{self, Ended, FORMAT, Outcome, Plan, Run},
    run::{self, Bench},
};

/// Samples of a quick round of models whose samples last a second or so.
const QUICK_INNER: u32 = 1;

/// What compare and sweep know before they plan.
pub(super) fn setting(here: &Here, n_models: usize) -> Setting {
    Setting { allowed_cpus: here.machine.allowed_cpus, n_models, quick_inner: QUICK_INNER, budget_s: None }
}

/// What is measured, whichever command asked for it.
pub(super) struct Job<'a> {
    pub(super) args: &'a MeasureArgs,
    pub(super) plan: Plan,
    pub(super) here: Here,
    pub(super) sources: Vec<Source>,
    pub(super) quality: quality::Wanted,
}

pub(super) fn compare(args: &CompareArgs) -> Result<Exit> {
    let here = machine::here()?;
    let quality = quality::wanted(&args.measure, prompts::builtin_texts)?;
    let plan = plan::plan(&args.measure, &setting(&here, 1 + args.quantized.len()), &quality)?;
    let names = std::iter::once(&args.original).chain(&args.quantized).map(String::as_str);
    let sources = fetch::sources(names, fetch::Downloads::of(&args.measure), observer(&args.measure).as_mut());
    measure(Job { args: &args.measure, plan, here, sources, quality })
}

pub(super) fn sweep(args: &SweepArgs) -> Result<Exit> {
    let here = machine::here()?;
    let quality = quality::wanted(&args.measure, prompts::builtin_texts)?;
    let plan = plan::plan(&args.measure, &setting(&here, 1 + args.types.len()), &quality)?;
    let types = quantize::types(&args.types)?;
    if args.measure.dry_run {
        let sources = fetch::sources([&*args.original], fetch::Downloads::Announced, &mut Silent);
        return preview::show(&subjects::find(&sources), &plan, &here, &types);
    }
    let original = fetch::path(&args.original, observer(&args.measure).as_mut())?;
    let workshop = Workshop::open(args.keep.as_deref())?;
    let mut observer = observer(&args.measure);
    let request = quantize::Request {
        original: &original,
        types: &types,
        n_threads: plan.engine.n_threads,
        allow_requantize: args.allow_requantize,
    };
    let sources = quantize::make(&workshop, &request, observer.as_mut())?;
    drop(observer);
    measure(Job { args: &args.measure, plan, here, sources, quality })
}

/// A run that is over, and where its reports go.
pub(super) struct Finished {
    pub(super) run: Run,
    pub(super) outputs: Outputs,
}

/// Measures, saves after every round, reports.
pub(super) fn measure(job: Job<'_>) -> Result<Exit> {
    let args = job.args;
    let Some(Finished { run, outputs }) = take(job)? else { return Ok(Exit::Fine) };
    outputs.report(&run, args)?;
    Ok(exit(&run))
}

/// Measures and saves after every round; `None` when the plan alone was to be shown.
pub(super) fn take(job: Job<'_>) -> Result<Option<Finished>> {
    let Job { args, plan, here, sources, quality } = job;
    let mut subjects = subjects::find(&sources);
    if let Some(file) = &quality.inputs.logits {
        subjects::compare_with_file(&mut subjects, file);
    }
    if args.dry_run {
        preview::show(&subjects, &plan, &here, &[])?;
        return Ok(None);
    }
    check_some_can_run(&subjects)?;
    subjects::expect_kv_cache(&mut subjects, &plan);
    refuse_what_does_not_fit(&mut subjects, here.machine.available_bytes);
    let outputs = Outputs::open(args)?;
    let mut observer = observer(args);
    subjects::hash(&mut subjects, hash_cache().as_deref(), observer.as_mut());

    let mut here = here;
    here.machine.memory_bandwidth =
        args.script.is_none().then(|| machine::memory_bandwidth(&plan, &here.machine)).flatten();
    let clock: Arc<dyn Clock> = Arc::new(Monotonic::start());
    let (models, files): (Vec<_>, Vec<PathBuf>) = subjects.into_iter().map(|s| (s.model, s.path)).unzip();
    let mut run = Run {
        format: FORMAT,
        build: here.build,
        machine: here.machine,
        command: command_line(),
        started_utc: probe::utc_now().to_string(),
        plan,
        models,
        rounds: Vec::new(),
        ended: Ended::Unfinished,
        course: None,
        quality: None,
        wishes: args.wishes.record(),
    };
    let launcher = machine::launcher(args.script.as_ref(), Duration::from_secs(args.timeout))?;
    let (plan, devices) = (run.plan.clone(), run.machine.devices.clone());
    let interrupt = interrupt()?;
    let bench =
        Bench { plan: &plan, files: &files, launcher: &launcher, clock, devices: &devices, interrupt: &interrupt };
    let mut save = |run: &Run| record::write_run(&outputs.record(), run);
    if plan.protocol.max_rounds > 0 {
        run::execute(&bench, &mut run, observer.as_mut(), &mut save)?;
    } else {
        run.ended = Ended::RoundsDone;
    }
    if run.ended != Ended::Interrupted {
        run::quality::execute(&bench, &quality.inputs, &mut run, observer.as_mut(), &mut save)?;
        if interrupt.load(Ordering::Relaxed) {
            run.ended = Ended::Interrupted;
        }
    }
    drop(observer);
    Ok(Some(Finished { run, outputs }))
}

/// How a run went, as an exit code.
pub(super) fn exit(run: &Run) -> Exit {
    let compared = |model| {
        let results = run.quality.iter().flat_map(|quality| &quality.results);
        results.filter(|result| result.candidate == model).all(|result| result.outcome == Outcome::Done)
    };
    let fine = |(index, model): (usize, &record::Model)| model.outcome == Outcome::Done && compared(index);
    let failed = run.models.len() - run.models.iter().enumerate().filter(|&model| fine(model)).count();
    if run.ended == Ended::Interrupted {
        Exit::Interrupted
    } else if failed == run.models.len() {
        Exit::Failed
    } else if failed > 0 {
        Exit::Partial
    } else {
        Exit::Fine
    }
}

/// Nothing slow starts when no model could be measured anyway.
fn check_some_can_run(subjects: &[Subject]) -> Result<()> {
    if subjects.iter().any(|s| s.model.outcome == Outcome::Done) {
        return Ok(());
    }
    let reasons: Vec<String> = subjects
        .iter()
        .filter_map(|s| match &s.model.outcome {
            Outcome::Failed { reason, .. } => Some(format!("{}: {reason}", s.path.display())),
            Outcome::Done => None,
        })
        .collect();
    bail!("{}", reasons.join("\n       "))
}

/// A model that can't fit would be killed by the system, and others with it.
fn refuse_what_does_not_fit(subjects: &mut [Subject], available_bytes: u64) {
    for subject in subjects {
        let Some(facts) = &subject.model.facts else { continue };
        let kv = facts.expected_kv_bytes.unwrap_or(0);
        if facts.weights_bytes + kv > available_bytes {
            let reason = format!(
                "not enough memory: weights {} and KV cache {} need {}, {} is available; close programs or choose a smaller quantization",
                preview::size(facts.weights_bytes),
                preview::size(kv),
                preview::size(facts.weights_bytes + kv),
                preview::size(available_bytes)
            );
            subject.model.outcome = Outcome::Failed { stage: record::Stage::Load, reason };
        }
    }
}

/// The progress display, when someone is looking.
pub(super) fn observer(args: &MeasureArgs) -> Box<dyn Observer> {
    if args.quiet { Box::new(Silent) } else { Progress::on_stderr().map_or(Box::new(Silent), |p| Box::new(p) as _) }
}

/// The first Ctrl-C lets the sample under way finish and saves; the second ends at once.
fn interrupt() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "a second Ctrl-C means at once; the record of finished rounds is on disk"
    )]
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("handle Ctrl-C")?;
    Ok(flag)
}

/// Where hashes are kept between runs: the person's cache folder, when there is one.
#[expect(clippy::disallowed_methods, reason = "configuration is read in cli")]
fn hash_cache() -> Option<PathBuf> {
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
