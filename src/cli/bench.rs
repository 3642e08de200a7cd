//! compare and sweep, and what every command that measures does: from found models to the record and its reports.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};
use clap::Args;

use super::{
    cache,
    console::Exit,
    fetch, fits,
    machine::{self, Environment},
    options::{MeasureArgs, Request, execution::ExecutionArgs, precision::Scale, quality::Texts},
    outputs::{Layout, OutputArgs, Outputs, ResultArgs},
    preview,
    progress::{Log, Progress},
    quantize::{self, CheckpointDir, QuantizeRequest},
    session::{self, Finished, ResumeState, Session},
    subjects::{self, Found},
};
use crate::{
    event::{Observer, Silent},
    probe::{self, Monotonic},
    prompts,
    record::{self, CandidateQuality, Constraints, Ended, FORMAT, Outcome, Plan, Purpose, Role, Run, journal::Begun},
    run::quality::Inputs,
};

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The original: a GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    pub(super) original: String,
    /// The quantized checkpoints, named like the original; none to compare settings of one file (-fa 0,1)
    pub(super) quantized: Vec<String>,
    /// Compare the outputs of all models named with a file that `gguf-bench reference` wrote. Nothing is there to hold speeds against, so
    /// none are measured
    #[arg(long, value_name = "FILE.gbref", conflicts_with_all = ["task", "recall", "no_quality"], help_heading = "Quality")]
    pub(super) reference: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// The original: a GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    original: String,
    /// Types to make of it, by llama-quantize's names
    #[arg(long, value_delimiter = ',', default_value = "Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q3_K_M,Q2_K", value_name = "TYPE,...")]
    types: Vec<String>,
    /// Keep the files made here; without it they are deleted at the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Quantize even an already quantized original; the report labels the results
    #[arg(long)]
    allow_requantize: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    measure: MeasureArgs,
}

/// What is measured, whichever command asked for it.
pub(super) struct Job {
    pub(super) purpose: Purpose,
    pub(super) plan: Plan,
    /// With their settings.
    pub(super) subjects: Vec<Found>,
    pub(super) inputs: Inputs,
    pub(super) constraints: Option<Constraints>,
    pub(super) execution: ExecutionArgs,
    pub(super) environment: Environment,
    pub(super) layout: Layout,
    pub(super) output: OutputArgs,
}

/// Texts of every measurement but the demo's.
const TEXTS: Texts = Texts { defaults: prompts::documents, quick: false, most_windows: None };

pub(super) fn compare(args: CompareArgs) -> Result<Exit> {
    let CompareArgs { original, quantized, reference: _, output, measure } = args;
    let finished = compare_models(&original, &quantized, measure, Layout::Folder, output)?;
    Ok(finished.map_or(Exit::Fine, |finished| exit(&finished.run)))
}

/// Measures models as they were named, keeps the results where the layout says, and reports; `None` when the plan alone was to be shown.
pub(super) fn compare_models(
    original: &str,
    quantized: &[String],
    options: MeasureArgs,
    layout: Layout,
    output: OutputArgs,
) -> Result<Option<Finished>> {
    let environment = Environment::with_servers(&options.engine.rpc_servers())?;
    let Request { plan, variants, inputs, constraints, execution } =
        options.into_request(Scale::usual(), TEXTS, &environment)?;
    if quantized.is_empty() && variants.all().len() < 2 {
        bail!(
            "there is nothing to compare {original} with: name another file, or several values of a setting, such as -fa 0,1"
        );
    }
    let names = std::iter::once(original).chain(quantized.iter().map(String::as_str));
    let sources = fetch::sources(names, Role::Original, execution.downloads(), observer(&output.results).as_mut());
    let subjects = subjects::find(sources, &variants);
    reported(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects,
        inputs,
        constraints,
        execution,
        environment,
        layout,
        output,
    })
}

pub(super) fn sweep(args: SweepArgs) -> Result<Exit> {
    let SweepArgs { original, types, keep, allow_requantize, output, measure: options } = args;
    let environment = Environment::with_servers(&options.engine.rpc_servers())?;
    let Request { plan, variants, inputs, constraints, execution } =
        options.into_request(Scale::usual(), TEXTS, &environment)?;
    let types = quantize::types(&types)?;
    if execution.dry_run {
        let sources =
            fetch::sources([&*original], Role::Original, execution.downloads(), observer(&output.results).as_mut());
        return preview::show(subjects::find(sources, &variants), &plan, &environment, &types, execution.force);
    }
    let original = fetch::path(&original, Role::Original, observer(&output.results).as_mut())?;
    let folder = CheckpointDir::open(keep.as_deref())?;
    let request =
        QuantizeRequest { original: &original, types: &types, n_threads: variants.base().n_threads, allow_requantize };
    let sources = quantize::make(&folder, &request, observer(&output.results).as_mut())?;
    let subjects = subjects::find(sources, &variants);
    measure(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects,
        inputs,
        constraints,
        execution,
        environment,
        layout: Layout::Folder,
        output,
    })
}

/// Measures, keeps every round, reports.
pub(super) fn measure(job: Job) -> Result<Exit> {
    Ok(reported(job)?.map_or(Exit::Fine, |finished| exit(&finished.run)))
}

fn reported(job: Job) -> Result<Option<Finished>> {
    let results = job.output.results.clone();
    let finished = take(job)?;
    if let Some(finished) = &finished {
        finished.report(&results)?;
    }
    Ok(finished)
}

/// Measures and keeps every round; `None` when the plan alone was to be shown.
pub(super) fn take(job: Job) -> Result<Option<Finished>> {
    let Job { purpose, plan, mut subjects, inputs, constraints, execution, environment, layout, output } = job;
    if execution.dry_run {
        preview::show(subjects, &plan, &environment, &[], execution.force)?;
        return Ok(None);
    }
    let Environment { build, mut machine, threads: _ } = environment;
    // Hashing counts, too: a person waits for it.
    let clock = Arc::new(Monotonic::start());
    check_some_can_run(&subjects)?;
    check_some_work_fits(&subjects, &plan)?;
    subjects::expect_memory(&mut subjects, &plan, &machine, &build);
    if !execution.force {
        fits::refuse(&mut subjects, &machine, &plan);
        check_original(&subjects)?;
    }
    let outputs = Outputs::open(&layout, output.out, &output.results)?;
    let mut journal = session::claim(&outputs)?;
    let mut observer = observer(&output.results);
    subjects::hash(&mut subjects, cache::hashes().as_deref(), observer.as_mut());

    let base = subjects.first().filter(|_| execution.script.is_none());
    machine.memory_bandwidth = base.and_then(|base| machine::memory_bandwidth(&plan, &base.subject.settings, &machine));
    let devices = machine.devices.clone();
    let resume = ResumeState::new(&layout, &execution, &subjects, inputs);
    let run = Run {
        format: FORMAT,
        build,
        machine,
        purpose,
        command: command_line(),
        started_utc: probe::utc_now().to_string(),
        plan,
        subjects: subjects.into_iter().map(|found| found.subject).collect(),
        probes: Vec::new(),
        time_plan: None,
        rounds: Vec::new(),
        ended: Ended::Unfinished,
        adaptation: None,
        quality: None,
        tasks: None,
        resumed: Vec::new(),
        constraints,
    };
    let interrupt = session::interrupt()?;
    journal.begin(Begun { run: run.clone(), inputs: serde_json::to_value(&resume)? })?;
    Session { run, outputs, journal, resume, devices, clock, interrupt, observer }.measure().map(Some)
}

/// How a run went, as an exit code.
pub(super) fn exit(run: &Run) -> Exit {
    let compared = |model| {
        let results = run.quality.iter().flat_map(|quality| &quality.results);
        let answered = run.tasks.iter().flat_map(|tasks| &tasks.results).filter(|result| result.subject == model);
        // What reads other tokens than the original has bits per byte where others have KLD: nothing of it failed.
        let said = |result: &CandidateQuality| result.outcome == Outcome::Done || result.bits_per_byte.is_some();
        results.filter(|result| result.candidate == model).all(said)
            && answered.into_iter().all(|result| result.outcome == Outcome::Done)
    };
    let fine = |(index, model): (usize, &record::Subject)| model.outcome == Outcome::Done && compared(index);
    let failed = run.subjects.len() - run.subjects.iter().enumerate().filter(|&model| fine(model)).count();
    if run.ended == Ended::Interrupted {
        Exit::Interrupted
    } else if failed == run.subjects.len() || run.ended == Ended::OriginalFailed {
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
            Outcome::Failed { reason, .. } => Some(told(&s.path, reason)),
            Outcome::Done => None,
        })
        .collect();
    bail!("{}", reasons.join("\n       "))
}

/// Quantizations without their original answer nothing, and measuring them takes minutes to hours.
fn check_original(subjects: &[Found]) -> Result<()> {
    match subjects.first() {
        Some(Found { subject, path, .. }) if subjects.len() > 1 => match &subject.outcome {
            Outcome::Failed { reason, .. } => bail!(
                "the original can't be measured, and without it the others answer nothing (--force measures them all the same): {}",
                told(path, reason)
            ),
            Outcome::Done => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A reason with the path that it is about, which many say themselves.
fn told(path: &Path, reason: &str) -> String {
    let path = path.display().to_string();
    if reason.contains(&path) { reason.to_owned() } else { format!("{path}: {reason}") }
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

/// The progress display, when someone is looking; in a log, the plan and notes.
pub(super) fn observer(results: &ResultArgs) -> Box<dyn Observer> {
    if results.quiet {
        return Box::new(Silent);
    }
    Progress::on_stderr().map_or(Box::new(Log), |progress| Box::new(progress) as _)
}

/// The command line, without the folder of this program: records are published.
fn command_line() -> Vec<String> {
    let mut words: Vec<String> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        *program = Path::new(&*program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    words
}
