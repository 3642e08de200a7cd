//! tune: the best settings of a model on this machine. One setting after the other is raced, then what was found is held against what was
//! given, in rounds of their own.

mod grid;
#[cfg(test)]
mod tests;

use std::{fmt::Write, path::PathBuf, sync::Arc};

use anyhow::{Result, bail};
use clap::{Args, Command, FromArgMatches};

use super::{
    bench::{self, Job, Taken},
    cache, checks,
    console::{Exit, print_text},
    fetch,
    gate::GateArgs,
    interrupt,
    machine::Environment,
    options::{
        engine::{EngineArgs, SEPARATOR, Variants},
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        quality::{OutputComparison, QualityArgs, Texts},
        recommendation::bytes,
        values::{duration_s, not_negative, one_of, percentage},
    },
    outputs::{self, Layout, OutputArgs, Outputs, ResultArgs, Stdout},
    past_speeds::PastSpeeds,
    session::{self, ResumeState, Session},
    subjects::{self, Found},
};
use crate::{
    analysis::{Analysis, MAX_KLD_NATS, analyse, tune as races},
    event::Event,
    probe::{Clock, Monotonic},
    prompts,
    record::{
        Budget, DropReason, Ended, Fate, Goal, NotTried, Outcome, Plan, PromptPolicy, Purpose, QualityPlan, Race, Role,
        Run, Sampling, Settings, Subject, TriedKld, Tuning, TuningStage, Workload, WorkloadKind, time_plan::in_words,
    },
    report,
    run::{WithoutOriginal, quality::Inputs},
    units::NS_PER_S,
};
use grid::{Circumstances, Tuned};

/// Wall time aimed at when nothing is said: what a person waits for, and enough for a small model.
const AIM_S: u64 = 150;
/// Rounds of a race, at least and at most.
const RACE_ROUNDS: (u32, u32) = (2, 6);
/// What confirming is worth, in races.
const CONFIRMATION: u64 = 3;
/// Windows by which a cache type is held to the limit.
const WINDOWS: usize = 16;

/// What is tuned, for what, and within which limits.
#[derive(Debug, Args)]
#[command(after_help = HOW)]
pub(super) struct TuneArgs {
    /// A GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    model: String,
    #[command(flatten)]
    output: OutputArgs,
    /// What the settings are to be best for: prompts, generation, or the time of a request of --pp and --tg tokens
    #[arg(long = "for", value_parser = one_of::<Goal>(), default_value = "request", value_name = "WHAT", help_heading = "Tuning")]
    goal: Goal,
    /// Settings to try [default: all that can matter here]
    #[arg(long, value_delimiter = ',', value_parser = one_of::<Tuned>(), value_name = "SETTING,...", help_heading = "Tuning")]
    over: Vec<Tuned>,
    /// Take only what stays within so much memory: 8GiB, 900MB (a bare number is GiB)
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Tuning")]
    max_memory: Option<f64>,
    /// Take only what holds so many tokens of context: every subject makes it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_777_216), help_heading = "Tuning")]
    min_ctx: Option<u32>,
    /// The mean KLD you accept of another cache type, in nats, against the outputs with the type given [default: 0.05]
    #[arg(long, value_name = "NATS", value_parser = not_negative, help_heading = "Tuning")]
    max_kld: Option<f64>,
    /// Differences up to this are ties, which the settings given win
    #[arg(long, default_value = "3%", value_name = "P%", value_parser = percentage, help_heading = "Tuning")]
    equivalence: f64,
    /// Time limit: it ends in time, with what is known by then [default: about 2.5m, or the least that every race needs]
    #[arg(long, value_name = "TIME", value_parser = duration_s, help_heading = "Tuning")]
    budget: Option<u64>,
    /// Tokens of the prompt
    #[arg(short = 'p', long, visible_alias = "n-prompt", default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_777_216), help_heading = "Work")]
    pp: u32,
    /// Tokens of the answer
    #[arg(short = 'n', long, visible_alias = "n-gen", default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_777_216), help_heading = "Work")]
    tg: u32,
    /// Tokens already in the context: cache types matter there
    #[arg(short, long, visible_alias = "n-depth", default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=16_777_216), help_heading = "Work")]
    depth: u32,
    #[command(flatten)]
    execution: ExecutionArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

const HOW: &str = "\
A list of values, such as -t 2,4,8, races those values; one value is what a race sets out from. In a race every two
rounds drop who is shown to be slower. Running out of memory drops a value, too. What is not shown to be faster by more
than --equivalence is left as given. The records of the races lie beside run.json, which holds the confirmation.";

/// What does not change from race to race.
struct Tuner {
    execution: ExecutionArgs,
    environment: Environment,
    output: OutputArgs,
    folder: PathBuf,
    /// The model, hashed, with the settings given.
    model: Found,
    goal: Goal,
    max_memory_bytes: Option<f64>,
    max_kld_nats: f64,
    equivalence: f64,
    budget_s: Option<u64>,
    min_ctx: Option<u32>,
    work: Vec<Workload>,
    threads: crate::record::ThreadsReason,
    clock: Arc<Monotonic>,
}

/// A setting and its values to race, or why there are none.
type Step = (Tuned, Result<Vec<Settings>, String>);

pub(super) fn run(args: TuneArgs) -> Result<Exit> {
    let TuneArgs {
        model,
        output,
        goal,
        over,
        max_memory,
        min_ctx,
        max_kld,
        equivalence,
        budget,
        pp,
        tg,
        depth,
        execution,
        engine,
    } = args;
    let environment = Environment::with_servers(&engine.rpc_servers())?;
    let variants = engine.into_variants(environment.threads)?;
    let typed = Typed::of(&variants)?;
    let work = [
        (goal != Goal::Tg).then_some(WorkloadKind::Pp { n_tokens: pp, n_depth: depth }),
        (goal != Goal::Pp).then_some(WorkloadKind::Tg { n_tokens: tg, n_depth: depth }),
    ];
    let work: Vec<Workload> = work.into_iter().flatten().filter_map(Workload::synthetic).collect();
    let mut sources =
        fetch::sources([&*model], Role::Original, execution.downloads(), bench::observer(&output.results).as_mut());
    sources.truncate(1);
    let mut found = subjects::find(sources, &variants);
    found.truncate(1);
    if let [found] = &found[..]
        && let Some(reason) = checks::failure(found)
    {
        bail!("{}", checks::told(&found.path, reason));
    }
    if let Some(gives) = found[0].subject.model.facts.as_ref().and_then(|facts| facts.no_next_token) {
        bail!("{model}: {}: tune races models that generate", gives.words());
    }
    let trained = found[0].subject.model.facts.as_ref().and_then(|facts| facts.n_ctx_train);
    if let (Some(asked), Some(trained)) = (min_ctx, trained)
        && asked > trained
    {
        bail!("--min-ctx {asked}: the model was trained for {trained} tokens");
    }
    if !execution.dry_run {
        subjects::hash(&mut found, cache::hashes().as_deref(), bench::observer(&output.results).as_mut());
    }
    let output = output.settled();
    let mut tuner = Tuner {
        folder: output.out.clone().unwrap_or_default(),
        execution,
        environment,
        output,
        model: found.remove(0),
        goal,
        max_memory_bytes: max_memory,
        max_kld_nats: max_kld.unwrap_or(MAX_KLD_NATS),
        equivalence,
        budget_s: budget,
        min_ctx,
        work,
        threads: variants.threads,
        clock: Arc::new(Monotonic::start()),
    };
    tuner.model.subject.name = tuner.short_name();
    session::check_place(&tuner.output.place(&Layout::Folder), tuner.output.replace)?;
    let order: Vec<Tuned> = Tuned::ALL.into_iter().filter(|tuned| over.is_empty() || over.contains(tuned)).collect();
    if tuner.execution.dry_run {
        return tuner.show_plan(&order, &typed);
    }
    outputs::make_folder(&tuner.folder, "--out")?;
    tuner.tune(&order, &typed)
}

/// The values of settings that were typed as lists.
struct Typed {
    base: Settings,
    all: Vec<Settings>,
}

impl Typed {
    fn of(variants: &Variants) -> Result<Self> {
        let base = variants.base().clone();
        let all: Vec<Settings> = variants.all().iter().map(|variant| variant.settings.clone()).collect();
        for settings in &all {
            let tuned = Tuned::ALL.into_iter().fold(base.clone(), |into, tuned| tuned.put(&into, settings));
            if tuned != *settings {
                bail!(
                    "tune takes lists of -t, -fa, -b, -ub, -ctk, -ctv, -ngl and -ncmoe: compare takes lists of the others"
                );
            }
        }
        Ok(Self { base, all })
    }

    /// Values of this setting other than the first, where several were typed, with the rest as in `from`.
    fn values(&self, tuned: Tuned, from: &Settings) -> Vec<Settings> {
        let mut values: Vec<Settings> = Vec::new();
        for settings in &self.all {
            let value = tuned.put(from, settings);
            if value != tuned.put(from, &self.base) && !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }
}

/// What the races have found so far.
struct Search {
    best: Settings,
    stages: Vec<TuningStage>,
    not_tried: Vec<NotTried>,
    /// The change that came closest to what was chosen in its race, and its speed over that.
    closest: Option<(Tuned, Settings, f64)>,
}

impl Tuner {
    fn circumstances(&self) -> Circumstances<'_> {
        let n_prompt = self.work.iter().find_map(|w| match w.kind {
            WorkloadKind::Pp { n_tokens, .. } => Some(n_tokens),
            _ => None,
        });
        Circumstances {
            machine: &self.environment.machine,
            facts: self.model.subject.model.facts.as_ref(),
            goal: self.goal,
            n_prompt: n_prompt.unwrap_or(0),
            has_memory_limit: self.max_memory_bytes.is_some(),
        }
    }

    fn step(&self, tuned: Tuned, from: &Settings, typed: &Typed) -> Step {
        let values = typed.values(tuned, from);
        let step = if values.is_empty() { tuned.candidates(from, &self.circumstances()) } else { Ok(values) };
        (tuned, step)
    }

    /// The quant, which is what tells files of a model apart, or the file's name.
    fn short_name(&self) -> String {
        let subject = &self.model.subject;
        let quant = subject.model.facts.as_ref().map(|facts| facts.quant.clone());
        quant.filter(|quant| quant != "unknown").unwrap_or_else(|| subject.name.clone())
    }

    fn tune(self, order: &[Tuned], typed: &Typed) -> Result<Exit> {
        let given = self.model.subject.settings.clone();
        let mut search = Search { best: given.clone(), stages: Vec::new(), not_tried: Vec::new(), closest: None };
        for (at, &tuned) in order.iter().enumerate() {
            let (_, step) = self.step(tuned, &search.best, typed);
            let left = order[at..].iter().filter(|&&t| self.step(t, &search.best, typed).1.is_ok()).count() as u64;
            match step {
                Err(because) => search.not_tried.push(NotTried { flags: tuned.flags(), because }),
                Ok(_) if self.left_s() == Some(0) => {
                    search.not_tried.push(NotTried { flags: tuned.flags(), because: "no time was left".into() });
                }
                Ok(values) => {
                    let share_s = self.time_left_s() / (left + CONFIRMATION);
                    if self.stage(tuned, values, share_s, &mut search)? == Ended::Interrupted {
                        return self.interrupted(&search);
                    }
                }
            }
        }
        search.not_tried.push(NotTried {
            flags: "-b".into(),
            because: "of one request at a time it cuts nothing that -ub does not".into(),
        });
        self.confirm(&given, search)
    }

    fn interrupted(&self, search: &Search) -> Result<Exit> {
        interrupt::say(&format!(
            "The tuning ends here, after {} of its races: their records are in {}.",
            search.stages.len(),
            self.folder.display()
        ));
        let found: Vec<String> = search
            .stages
            .iter()
            .flat_map(|stage| &stage.tried)
            .filter(|tried| matches!(tried.fate, Fate::Taken(_)))
            .map(|tried| tried.name.clone())
            .collect();
        if self.output.results.stdout() == Stdout::Free {
            print_text(&format!("Best so far, not confirmed: {}\n", found.join(" ")))?;
        }
        Ok(Exit::Interrupted)
    }

    /// What is left of a time limit, in whole seconds.
    fn left_s(&self) -> Option<u64> {
        self.budget_s.map(|limit| limit.saturating_sub(self.elapsed_s()))
    }

    /// What is left of the time that is allowed or aimed at.
    fn time_left_s(&self) -> u64 {
        self.budget_s.unwrap_or(AIM_S).saturating_sub(self.elapsed_s())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time that passed")]
    fn elapsed_s(&self) -> u64 {
        (self.clock.now_ns() as f64 / NS_PER_S).ceil() as u64
    }

    /// Races the values of a setting, and goes on with what is shown to be faster.
    fn stage(&self, tuned: Tuned, values: Vec<Settings>, share_s: u64, search: &mut Search) -> Result<Ended> {
        let base = search.best.clone();
        let all: Vec<Settings> = std::iter::once(base.clone()).chain(values).collect();
        let entrants = self.entrants(all.iter().map(|settings| (tuned.typed(settings), settings)));
        let record = format!("race-{}-{}.json", search.stages.len() + 1, tuned.flags().replace([' ', '-'], ""));
        let names: Vec<&str> = entrants.iter().map(|found| found.subject.name.as_str()).collect();
        bench::observer(&self.output.results)
            .on(Event::Note { words: &format!("Race {}: {}", search.stages.len() + 1, names.join(" | ")) });
        let race = Race { goals: tuned.goals(self.goal), max_memory_bytes: self.max_memory_bytes };
        let plan = self.race_plan(&race, share_s.max(1))?;
        let run = self.measure(entrants, plan, Inputs::default(), &record)?;
        if run.ended == Ended::Interrupted {
            return Ok(run.ended);
        }
        let raced = races::raced(&run, &race);
        let mut next = base.clone();
        for &(goal, chosen) in &raced.chosen {
            let Some(chosen) = chosen else { continue };
            let value = &all[chosen];
            match (tuned, goal) {
                (Tuned::Threads, Goal::Tg) if race.goals.len() > 1 => next.n_threads = value.n_threads,
                (Tuned::Threads, Goal::Pp) if race.goals.len() > 1 => next.n_threads_batch = value.n_threads_batch,
                _ => next = tuned.put(&next, value),
            }
        }
        let next_best = raced.next_best;
        let mut stage = races::stage(&run, raced, tuned.flags(), record);
        if tuned == Tuned::CacheTypes
            && next != base
            && let Some(taken) = all.iter().position(|settings| *settings == next)
        {
            let given = tuned.put(&next, &self.model.subject.settings);
            let (ended, kld) = self.divergence(&given, &next, search.stages.len() + 1)?;
            if ended == Ended::Interrupted {
                return Ok(ended);
            }
            stage.tried[taken].kld = kld;
            if kld.and_then(|kld| kld.high).is_none_or(|high| high > self.max_kld_nats) {
                let limit = format!("--max-kld {}", self.max_kld_nats);
                let because = DropReason::OutsideLimit { limit };
                stage.tried[taken].fate = Fate::Dropped { from_round: stage.rounds, because };
                // What it set out from stays, where that can be had.
                if stage.tried[0].fate == Fate::NotFaster {
                    stage.tried[0].fate = Fate::Taken(race.goals.clone());
                }
                next = base;
            }
        }
        // A cache type whose outputs were not compared is no alternative.
        if let Some(near) = next_best.filter(|_| tuned != Tuned::CacheTypes)
            && let Some(ratio) = races::ratio(&run, &race, near, all.iter().position(|settings| *settings == next))
            && search.closest.as_ref().is_none_or(|(_, _, known)| ratio > *known)
        {
            search.closest = Some((tuned, all[near].clone(), ratio));
        }
        search.best = next;
        search.stages.push(stage);
        Ok(run.ended)
    }

    /// Subjects of the model, each with a name and settings; the first is what the others are held against.
    fn entrants<'a>(&self, all: impl Iterator<Item = (String, &'a Settings)>) -> Vec<Found> {
        let with = |(index, (name, settings)): (usize, (String, &Settings))| {
            let role = if index == 0 { Role::Original } else { Role::Candidate };
            let subject = Subject { name, role, settings: settings.clone(), ..self.model.subject.clone() };
            Found { subject, ..self.model.clone() }
        };
        all.enumerate().map(with).collect()
    }

    fn race_plan(&self, race: &Race, share_s: u64) -> Result<Plan> {
        let is_asked = |w: &Workload| match w.kind {
            WorkloadKind::Pp { .. } => race.goals.iter().any(|goal| *goal != Goal::Tg),
            _ => race.goals.iter().any(|goal| *goal != Goal::Pp),
        };
        let work: Vec<Workload> = self.work.iter().filter(|w| is_asked(w)).cloned().collect();
        let mut plan = self.plan(work, share_s)?;
        (plan.protocol.min_rounds, plan.protocol.max_rounds) = RACE_ROUNDS;
        plan.race = Some(race.clone());
        Ok(plan)
    }

    fn plan(&self, workloads: Vec<Workload>, seconds: u64) -> Result<Plan> {
        let precision = PrecisionArgs { equivalence: self.equivalence, ..PrecisionArgs::defaults()? };
        let mut protocol = precision.into_protocol(Scale::usual(), &workloads, PromptPolicy::IfTimeAllows);
        protocol.budget_s = Some(seconds);
        protocol.budget = if self.budget_s.is_some() { Budget::Limit } else { Budget::Aim };
        Ok(Plan {
            workloads,
            protocol,
            sampling: Sampling::Greedy,
            seed: self.execution.seed,
            quality: None,
            threads: Some(self.threads),
            left_out: Vec::new(),
            task_work: None,
            min_ctx: self.min_ctx,
            race: None,
        })
    }

    /// A run of its own beside the one that confirms.
    fn measure(&self, mut subjects: Vec<Found>, plan: Plan, inputs: Inputs, record: &str) -> Result<Run> {
        let Environment { build, machine, threads: _ } = &self.environment;
        bench::prepared(&mut subjects, &plan, machine, build, self.execution.force);
        let layout = Layout::Files { record: self.folder.join(record), report: None };
        let outputs = Outputs::open(&layout, None, &self.output.results)?;
        let mut journal = session::claim(&outputs, self.output.replace)?;
        let nothing = (&GateArgs::default(), &ResultArgs::default());
        let resume = ResumeState::new(&layout, &self.execution, &subjects, inputs, WithoutOriginal::GoesOn, nothing);
        let subjects = subjects.into_iter().map(|found| found.subject).collect();
        let run = bench::unmeasured((build.clone(), machine.clone()), Purpose::Tuning, plan, subjects);
        let interrupt = session::begin(&mut journal, &run, &resume, &outputs)?;
        let session = Session {
            run,
            outputs,
            journal,
            resume,
            devices: machine.devices.clone(),
            clock: Arc::new(Monotonic::start()),
            interrupt,
            observer: bench::observer(&self.output.results),
        };
        Ok(session.measure()?.run)
    }

    /// How far outputs with these cache types lie from those with the types given.
    fn divergence(&self, given: &Settings, other: &Settings, race: usize) -> Result<(Ended, Option<TriedKld>)> {
        let quality =
            QualityArgs::from_arg_matches(&QualityArgs::augment_args(Command::default()).try_get_matches_from([""])?)?;
        let texts = Texts { defaults: prompts::documents, quick: false, most_windows: Some(WINDOWS) };
        let OutputComparison { plan: quality, inputs } = quality.into_plan(texts)?;
        let quality = QualityPlan { max_kld_nats: Some(self.max_kld_nats), ..quality };
        let plan = Plan { quality: Some(quality), ..self.plan(Vec::new(), self.time_left_s().max(1))? };
        let tuned = Tuned::CacheTypes;
        let entrants = self.entrants([given, other].into_iter().map(|settings| (tuned.typed(settings), settings)));
        let run = self.measure(entrants, plan, inputs, &format!("race-{race}-kld.json"))?;
        let analysis = analyse(&run);
        let figures = analysis.models.get(1).and_then(|model| model.quality.as_ref()?.overall.as_ref());
        let kld = figures.map(|figures| figures.kld_mean_nats);
        Ok((run.ended, kld.map(|kld| TriedKld { nats: kld.value, low: kld.low, high: kld.high })))
    }

    /// What was found against what was given, and against what came closest, in rounds that choose nothing.
    fn confirm(self, given: &Settings, search: Search) -> Result<Exit> {
        let Search { best, stages, not_tried, closest } = search;
        if stages.is_empty() {
            let why: Vec<String> = not_tried.iter().map(|not| format!("{}: {}", not.flags, not.because)).collect();
            bail!("nothing can be tuned here:\n  {}", why.join("\n  "));
        }
        let mut subjects: Vec<Settings> = vec![given.clone()];
        let mut index = |settings: Settings| {
            subjects.iter().position(|known| *known == settings).unwrap_or_else(|| {
                subjects.push(settings);
                subjects.len() - 1
            })
        };
        let best_at = index(best.clone());
        let runner_up = closest.map(|(tuned, settings, _)| index(tuned.put(&best, &settings)));
        let runner_up = runner_up.or((best_at != 0).then_some(0)).filter(|other| *other != best_at);
        let name = |settings: &Settings| {
            let differs = Tuned::ALL.into_iter().filter(|tuned| tuned.put(given, settings) != *given);
            let parts: Vec<String> = differs.map(|tuned| tuned.typed(settings).replace('-', "")).collect();
            let varied = if parts.is_empty() { "as given".to_owned() } else { parts.join(SEPARATOR) };
            format!("{}{SEPARATOR}{varied}", self.model.subject.name)
        };
        let entrants = self.entrants(subjects.iter().map(|settings| (name(settings), settings)));
        let tuning = Tuning {
            goal: self.goal,
            max_memory_bytes: self.max_memory_bytes,
            max_kld_nats: self.max_kld_nats,
            stages,
            not_tried,
            best: best_at,
            runner_up,
        };
        let names: Vec<&str> = entrants.iter().map(|found| found.subject.name.as_str()).collect();
        bench::observer(&self.output.results).on(Event::Note { words: &format!("To confirm: {}", names.join(" | ")) });
        let mut plan = self.plan(self.work.clone(), self.time_left_s().max(1))?;
        if entrants.len() == 1 {
            // There is nothing to hold it against: a look at it is enough.
            (plan.protocol.min_rounds, plan.protocol.max_rounds) = (1, 1);
        }
        let file = self.model.path.display().to_string();
        let results = self.output.results.clone();
        let job = Job {
            purpose: Purpose::Tuning,
            plan,
            subjects: entrants,
            inputs: Inputs::default(),
            constraints: None,
            tuning: Some(tuning),
            execution: self.execution,
            environment: self.environment,
            layout: Layout::Folder,
            output: self.output,
            gate: GateArgs::default(),
        };
        match bench::take(job)? {
            Taken::Planned(exit) => Ok(exit),
            Taken::Finished(finished) => {
                let stdout = finished.report(&results, None)?;
                conclude(&finished.run, &finished.analysis, stdout, Some(&file))
            }
        }
    }

    /// What would be raced, and what would not, from the settings given.
    fn show_plan(&self, order: &[Tuned], typed: &Typed) -> Result<Exit> {
        let given = &self.model.subject.settings;
        let mut text = String::from("Races, one after the other, each from the best of those before\n");
        let (mut not, mut raced, mut n_raced) = (String::new(), 0, 0);
        for &tuned in order {
            match self.step(tuned, given, typed).1 {
                Ok(values) => {
                    let words: Vec<String> =
                        std::iter::once(given).chain(&values).map(|settings| tuned.typed(settings)).collect();
                    (raced, n_raced) = (raced + 1, n_raced + words.len());
                    writeln!(text, "  {}", words.join(" | "))?;
                }
                Err(because) => writeln!(not, "  {}: {because}", tuned.flags())?,
            }
        }
        if raced == 0 {
            bail!("nothing can be tuned here:\n{not}");
        }
        let ids: Vec<&str> = self.work.iter().map(|w| w.id.as_str()).collect();
        writeln!(text, "Then what was found against the settings given and the next best, by {}", ids.join(", "))?;
        if !not.is_empty() {
            write!(text, "\nNot tried\n{not}")?;
        }
        writeln!(text, "\n{}", self.time_words(n_raced)?)?;
        print_text(&text)?;
        Ok(Exit::Fine)
    }

    /// The least that all races and their confirmation take, before anything is measured.
    fn time_words(&self, n_raced: usize) -> Result<String> {
        let Some(facts) = self.model.subject.model.facts.as_ref() else {
            return Ok("Time: not known before the model is here".into());
        };
        let plan = self.plan(self.work.clone(), 1)?;
        let (speeds, _) = PastSpeeds::read(cache::speeds().as_deref()).expect(facts, &self.model.subject.settings);
        let cost = speeds.cost(&plan, Some(facts));
        let round_ns = cost.samples_ns.iter().fold(cost.round_ns, |sum, ns| sum.saturating_add(*ns));
        let rounds = n_raced as u64 * u64::from(RACE_ROUNDS.0) + 3 * u64::from(plan.protocol.min_rounds);
        let least_ns = round_ns.saturating_mul(rounds);
        Ok(match self.budget_s {
            Some(limit) => format!("Time: it ends within {} (--budget)", in_words(limit * 1_000_000_000)),
            None => format!(
                "Time: about {}, since {}",
                in_words(least_ns.max(AIM_S * 1_000_000_000)),
                if least_ns > AIM_S * 1_000_000_000 {
                    "the least work takes it"
                } else {
                    "that is aimed at (--budget)"
                }
            ),
        })
    }
}

/// What to run, and how sure that is.
pub(super) fn conclude(run: &Run, analysis: &Analysis, stdout: Stdout, file: Option<&str>) -> Result<Exit> {
    let text = report::tune(analysis, file);
    if stdout == Stdout::Free && !text.is_empty() {
        print_text(&format!("\n{text}"))?;
    }
    if analysis.tuning.as_ref().is_some_and(|found| !found.keeps_limits) {
        return Ok(Exit::Failed);
    }
    // Settings that can't be had are a finding.
    let fails = |subject: &Subject| subject.outcome != Outcome::Done;
    Ok(match bench::exit(run) {
        Exit::Partial if run.tuning.is_some() && !run.subjects.iter().all(fails) => Exit::Fine,
        exit => exit,
    })
}
