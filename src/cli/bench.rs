//! compare and sweep, and what every command that measures does: from found models to the record and its reports.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use clap::Args;

use super::{
    cache, checks,
    console::{Exit, Misused, print_text},
    fetch,
    gate::{self, GateArgs, LIMITS},
    left_out,
    machine::{self, Environment},
    options::{
        MeasureArgs, Request,
        execution::ExecutionArgs,
        precision::Scale,
        quality::{self, Texts},
    },
    outputs::{Layout, OutputArgs, Outputs, ResultArgs},
    preview,
    progress::{Log, Progress},
    quantize::{self, CheckpointDir, Checkpoints, QuantizeRequest},
    recipe::RecipeArgs,
    session::{self, Finished, ResumeState, Session},
    subjects::{self, Found},
};
use crate::{
    event::{Event, Observer, Silent},
    probe::{self, Monotonic, meters::energy_meter, nvml::Gpus},
    prompts,
    record::{
        self, Build, CandidateQuality, Constraints, Ended, FORMAT, Machine, Outcome, Plan, Purpose, Role, Run, Subject,
        Tuning, left_out_words,
    },
    report::gate::Held,
    run::{WithoutOriginal, quality::Inputs},
};

#[derive(Debug, Args)]
#[command(after_help = LIMITS)]
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
    pub(super) gate: GateArgs,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

#[derive(Debug, Args)]
#[command(after_help = LIMITS)]
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
    recipe: RecipeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    gate: GateArgs,
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
    /// How the settings of its subjects were found.
    pub(super) tuning: Option<Confirmed>,
    pub(super) execution: ExecutionArgs,
    pub(super) environment: Environment,
    pub(super) layout: Layout,
    pub(super) output: OutputArgs,
    pub(super) gate: GateArgs,
}

/// What a tuning found, and the command line that began it.
pub(super) struct Confirmed {
    pub(super) tuning: Tuning,
    pub(super) command: Vec<String>,
}

/// Texts of every measurement but the demo's.
const TEXTS: Texts = Texts { defaults: prompts::documents, quick: false, most_windows: None };

pub(super) fn compare(args: CompareArgs) -> Result<Exit> {
    let CompareArgs { original, quantized, reference: _, output, gate, measure } = args;
    Ok(compare_models((&original, &quantized), measure, Scale::usual(), Layout::Folder, output, gate)?.exit())
}

/// Measures models as they were named, keeps the results where the layout says, and reports; or shows the plan alone.
pub(super) fn compare_models(
    (original, quantized): (&str, &[String]),
    options: MeasureArgs,
    scale: Scale,
    layout: Layout,
    output: OutputArgs,
    gate: GateArgs,
) -> Result<Taken> {
    let environment = Environment::with_servers(&options.engine.rpc_servers())?;
    let is_ctx_typed = options.quality.ctx.is_some();
    let Request { mut plan, variants, mut inputs, constraints, execution } =
        options.into_request(scale, TEXTS, &environment)?;
    if quantized.is_empty() && variants.all().len() < 2 {
        let words = "name another file, or several values of a setting, such as -fa 0,1";
        return Err(Misused(format!("there is nothing to compare {original} with: {words}")).into());
    }
    let names = std::iter::once(original).chain(quantized.iter().map(String::as_str));
    let sources = fetch::sources(names, Role::Original, execution.downloads(), observer(&output.results).as_mut());
    let subjects = subjects::find(sources, &variants);
    if !is_ctx_typed {
        reach_depth(&mut plan, &mut inputs, &subjects);
    }
    reported(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects,
        inputs,
        constraints,
        tuning: None,
        execution,
        environment,
        layout,
        output,
        gate,
    })
}

/// Where cache types alone differ, outputs are compared as deep as speeds are, as far as the model was trained.
fn reach_depth(plan: &mut Plan, inputs: &mut Inputs, subjects: &[Found]) {
    let Some((original, others)) = subjects.split_first() else { return };
    let has_caches = others.iter().any(|own| own.subject.differs_in_cache_types_alone(&original.subject));
    let trained_for = original.subject.model.facts.as_ref().and_then(|facts| facts.n_ctx_train);
    let done = plan.workloads.iter().filter(|w| !w.kind.is_too_deep(trained_for));
    let deepest = done.filter_map(|w| w.kind.depth()).max().unwrap_or(0);
    if let Some(quality) = plan.quality.as_mut().filter(|_| has_caches) {
        quality::deepen(quality, inputs, deepest);
    }
}

pub(super) fn sweep(args: SweepArgs) -> Result<Exit> {
    let SweepArgs { original, types, keep, allow_requantize, recipe, output, gate, measure: options } = args;
    let environment = Environment::with_servers(&options.engine.rpc_servers())?;
    let Request { plan, variants, inputs, constraints, execution } =
        options.into_request(Scale::usual(), TEXTS, &environment)?;
    gate.check(&plan)?;
    let types = quantize::types(&types, recipe.has_imatrix())?;
    let sources =
        fetch::sources([&*original], Role::Original, execution.downloads(), observer(&output.results).as_mut());
    let mut subjects = subjects::find(sources.clone(), &variants);
    let n_threads = variants.base().n_threads;
    let replace = output.replace;
    let request = QuantizeRequest { types: &types, n_threads, allow_requantize, options: &recipe, replace };
    if execution.dry_run {
        session::check_place(&output.place(&Layout::Folder), output.replace)?;
        let made = Checkpoints::planned(subjects.first(), &request, keep.as_deref());
        let exit = show_plan(subjects, &plan, &environment, made.as_ref().ok(), execution.force)?;
        return made.map(|_| exit);
    }
    // What the run would refuse is refused before anything is made.
    prepared(&mut subjects, &plan, &environment.machine, &environment.build, execution.force);
    checks::refuse(&subjects, &plan, execution.force)?;
    let made = Checkpoints::planned(subjects.first(), &request, keep.as_deref())?;
    observer(&output.results).on(Event::Note { words: &format!("To be made: {}", made.words()) });
    let output = output.settled();
    let outputs = Outputs::open(&Layout::Folder, output.out.clone(), &output.results)?;
    session::check_place(&outputs, output.replace)?;
    let folder = CheckpointDir::open(keep.as_deref())?;
    let sources = quantize::make(&folder, &sources[0], &request, observer(&output.results).as_mut())?;
    let subjects = subjects::find(sources, &variants);
    measure(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects,
        inputs,
        constraints,
        tuning: None,
        execution,
        environment,
        layout: Layout::Folder,
        output,
        gate,
    })
}

/// What became of a job.
pub(super) enum Taken {
    Finished(Box<Finished>),
    /// The plan alone was to be shown; so the run would end.
    Planned(Exit),
}

impl Taken {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Finished(finished) => gate::exit(finished.gate.as_ref(), exit(&finished.run)),
            Self::Planned(exit) => *exit,
        }
    }
}

/// Measures, keeps every round, reports.
pub(super) fn measure(job: Job) -> Result<Exit> {
    Ok(reported(job)?.exit())
}

fn reported(job: Job) -> Result<Taken> {
    let (results, conditions) = (job.output.results.clone(), job.gate.clone());
    let mut taken = take(job)?;
    if let Taken::Finished(finished) = &mut taken {
        let gate = conditions.of_run(&finished.run)?;
        finished.report(&results, gate.as_ref())?;
        conditions.write(gate.as_ref(), Held::Run, "gguf-bench")?;
        finished.gate = gate;
    }
    Ok(taken)
}

/// What is known of the models once there is a plan: the memory to expect, and who can't be measured.
pub(super) fn prepared(subjects: &mut [Found], plan: &Plan, machine: &Machine, build: &Build, force: bool) {
    subjects::expect_memory(subjects, plan, machine, build);
    checks::mark(subjects, plan, machine, force);
}

/// Shows the plan for these models, and for what would be `made` of the first, and ends as the run would: it has the same checks.
pub(super) fn show_plan(
    mut subjects: Vec<Found>,
    plan: &Plan,
    environment: &Environment,
    made: Option<&Checkpoints>,
    force: bool,
) -> Result<Exit> {
    let mut plan = plan.clone();
    left_out::fit(&mut plan, &mut Inputs::default(), &mut subjects)?;
    prepared(&mut subjects, &plan, &environment.machine, &environment.build, force);
    preview::show(&subjects, &plan, environment, made)?;
    checks::refuse(&subjects, &plan, force)?;
    let failed = subjects.iter().any(|found| checks::failure(found).is_some());
    Ok(if failed { Exit::Partial } else { Exit::Fine })
}

/// Measures and keeps every round, or shows the plan alone.
pub(super) fn take(job: Job) -> Result<Taken> {
    let Job {
        purpose,
        mut plan,
        mut subjects,
        mut inputs,
        constraints,
        tuning,
        execution,
        environment,
        layout,
        output,
        gate,
    } = job;
    gate.check(&plan)?;
    // Settings that can't be measured are a finding of a tuning, also where they are those that were given.
    let goes_on = execution.force || tuning.is_some();
    if execution.dry_run {
        session::check_place(&output.place(&layout), output.replace)?;
        let exit = show_plan(subjects, &plan, &environment, None, execution.force)?;
        let tasks = inputs.tasks.in_words().join("\n  ");
        if !tasks.is_empty() {
            print_text(&format!("\nTasks\n  {tasks}\n"))?;
        }
        return Ok(Taken::Planned(exit));
    }
    left_out::fit(&mut plan, &mut inputs, &mut subjects)?;
    let Environment { build, mut machine, threads: _ } = environment;
    // Hashing counts, too: a person waits for it.
    let clock = Arc::new(Monotonic::start());
    prepared(&mut subjects, &plan, &machine, &build, execution.force);
    checks::refuse(&subjects, &plan, goes_on)?;
    let outputs = Outputs::open(&layout, output.out, &output.results)?;
    let mut journal = session::claim(&outputs, output.replace)?;
    let mut observer = observer(&output.results);
    for words in left_out_words(&plan.left_out) {
        observer.on(Event::Note { words: &format!("Not measured: {words}") });
    }
    if let Some(words) = preview::time_of_many(&subjects, &plan) {
        observer.on(Event::Note { words: &words });
    }
    subjects::hash(&mut subjects, cache::hashes().as_deref(), observer.as_mut());

    let base = subjects.first().filter(|_| execution.script.is_none());
    machine.memory_bandwidth = base.and_then(|base| machine::memory_bandwidth(&plan, &base.subject.settings, &machine));
    let times = execution.script.is_none() && !plan.workloads.is_empty();
    machine.energy = times.then(|| machine::energy(&energy_meter(&Gpus::load()), &*clock));
    let devices = machine.devices.clone();
    let without_original = if goes_on { WithoutOriginal::GoesOn } else { WithoutOriginal::Ends };
    let resume = ResumeState::new(&layout, &execution, &subjects, inputs, without_original, (&gate, &output.results));
    let subjects = subjects.into_iter().map(|found| found.subject).collect();
    let unmeasured = unmeasured((build, machine), purpose, plan, subjects);
    let (tuning, command) = match tuning {
        Some(Confirmed { tuning, command }) => (Some(tuning), command),
        None => (None, unmeasured.command),
    };
    let run = Run { command, constraints, tuning, ..unmeasured };
    let interrupt = session::begin(&mut journal, &run, &resume, &outputs)?;
    let session = Session { run, outputs, journal, resume, devices, clock, interrupt, observer };
    Ok(Taken::Finished(Box::new(session.measure()?)))
}

/// A run that begins now, by this command line, and has measured nothing yet.
pub(super) fn unmeasured(
    (build, machine): (Build, Machine),
    purpose: Purpose,
    plan: Plan,
    subjects: Vec<Subject>,
) -> Run {
    Run {
        format: FORMAT,
        build,
        machine,
        purpose,
        command: command_line(),
        started_utc: probe::utc_now().to_string(),
        plan,
        subjects,
        probes: Vec::new(),
        time_plan: None,
        rounds: Vec::new(),
        ended: Ended::Unfinished,
        adaptation: None,
        quality: None,
        tasks: None,
        resumed: Vec::new(),
        constraints: None,
        tuning: None,
    }
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

/// The progress display, when someone is looking; in a log, the plan and notes.
pub(super) fn observer(results: &ResultArgs) -> Box<dyn Observer> {
    if results.quiet {
        return Box::new(Silent);
    }
    Progress::on_stderr().map_or(Box::new(Log), |progress| Box::new(progress) as _)
}

/// The command line, without the folder of this program: records are published.
pub(super) fn command_line() -> Vec<String> {
    let mut words: Vec<String> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        *program = Path::new(&*program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    words
}
