//! tune: the best settings of a model on this machine. One setting after the other is raced, then what was found is held against what was
//! given, in rounds of their own.

mod grid;
mod kept;
#[cfg(test)]
mod tests;
mod typed;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};
use clap::{Args, Command, FromArgMatches};

use super::{
    bench::{self, Confirmed, Job, Taken},
    cache, checks,
    console::{Exit, print_text},
    fetch,
    gate::GateArgs,
    go_on, interrupt,
    machine::Environment,
    options::{
        engine::{EngineArgs, SEPARATOR, Variants},
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        quality::{OutputComparison, QualityArgs, Texts},
        recommendation::bytes,
        values::{duration_s, not_negative, one_of, percentage},
    },
    outputs::{self, Layout, OutputArgs, Outputs, ReplaceArgs, ResultArgs, Stdout},
    past_speeds::{Basis, PastSpeeds},
    session::{self, ResumeState, Session},
    subjects::{self, Found, Source},
};
use crate::{
    analysis::{Analysis, MAX_KLD_NATS, analyse, tune as races},
    event::Event,
    probe::{self, Clock, Continued, Monotonic},
    prompts,
    record::{
        self, Budget, DropReason, Ended, FEWEST_DOCUMENTS, Fate, Goal, ModelFacts, NotTried, Outcome, Plan,
        PromptPolicy, Purpose, QualityPlan, Race, Role, Run, Sampling, Settings, Subject, TriedKld, Tuning,
        TuningStage, Workload, WorkloadKind, time_plan::in_words,
    },
    report,
    run::{Speeds, WithoutOriginal, quality::Inputs},
    units::NS_PER_S,
};
use grid::{Circumstances, Tuned};
use kept::Asked;
pub(super) use kept::Kept;
use typed::Typed;

/// Wall time aimed at when nothing is said: what a person waits for, and enough for a small model.
const AIM_S: u64 = 150;
/// Rounds of a race, at least and at most.
const RACE_ROUNDS: (u32, u32) = (2, 6);
/// What confirming is worth at most, in parts of the time: as much as all races where they are few.
const CONFIRMATION: u64 = 3;
/// Windows by which a cache type is held to the limit, at most.
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
than --equivalence is left as given. The records of the races lie beside run.json, which holds the confirmation. What is
interrupted goes on with gguf-bench resume.";

/// A tuning under way.
struct Tuner {
    asked: Asked,
    environment: Environment,
    folder: PathBuf,
    replace: ReplaceArgs,
    results: ResultArgs,
    gate: GateArgs,
    /// The model, hashed, with the settings given.
    model: Found,
    /// The command line that began it.
    command: Vec<String>,
    started_utc: String,
    /// Records of the races that were begun.
    races: Vec<String>,
    /// What passed between an interruption and going on does not count.
    clock: Arc<dyn Clock>,
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
    // Hashing counts, too: a person waits for it.
    let clock = Arc::new(Monotonic::start());
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
    let folder = output.out.clone().unwrap_or_default();
    if !output.replace.overwrite {
        Kept::refuse_to_replace(&folder)?;
    }
    session::check_place(&output.place(&Layout::Folder), output.replace)?;
    let dry_run = execution.dry_run;
    let order = Tuned::ALL.into_iter().filter(|tuned| over.is_empty() || over.contains(tuned)).collect();
    let asked = Asked {
        goal,
        order,
        typed,
        max_memory_bytes: max_memory,
        max_kld_nats: max_kld.unwrap_or(MAX_KLD_NATS),
        equivalence,
        budget_s: budget,
        min_ctx,
        work,
        threads: variants.threads,
        execution: execution.absolute(),
    };
    let mut tuner = Tuner {
        asked,
        environment,
        folder,
        replace: output.replace,
        results: output.results,
        gate: GateArgs::default(),
        model: found.remove(0),
        command: bench::command_line(),
        started_utc: probe::utc_now().to_string(),
        races: Vec::new(),
        clock,
    };
    tuner.model.subject.name = tuner.short_name();
    if dry_run {
        return tuner.show_plan();
    }
    outputs::make_folder(&tuner.folder, "--out")?;
    let (results, file) = (tuner.results.clone(), tuner.model.path.display().to_string());
    match tuner.tune()? {
        Taken::Planned(exit) => Ok(exit),
        Taken::Finished(finished) => {
            let stdout = finished.report(&results, None)?;
            conclude(&finished.run, &finished.analysis, stdout, Some(&file))
        }
    }
}

/// Goes on with a tuning that was stopped before it was confirmed: what its races have measured is not measured again.
pub(super) fn resume(kept: Kept, folder: &Path, results: &ResultArgs, gate: &GateArgs, force: bool) -> Result<Taken> {
    let Kept { mut asked, model, name, command, started_utc, races, results: _ } = kept;
    asked.execution.force |= force;
    let environment = Environment::with_servers(&asked.typed.base.rpc)?;
    let variants = Variants::of(asked.typed.base.clone(), asked.threads);
    let mut found = subjects::find(vec![Source::found(&model.display().to_string())], &variants);
    if let Some(reason) = found.first().and_then(checks::failure) {
        bail!("{}", checks::told(&model, reason));
    }
    subjects::hash(&mut found, cache::hashes().as_deref(), bench::observer(results).as_mut());
    let mut elapsed_ns = 0;
    for record in &races {
        let Some(race) = go_on::Kept::read(&journal_of(folder, record))? else { continue };
        elapsed_ns += race.run.elapsed_ns();
        // Those that are not will be refused when they go on.
        if race.run.is_finished() {
            go_on::refuse_changes(&race.run, &environment, &race.state, bench::observer(results).as_mut())?;
        }
    }
    let mut tuner = Tuner {
        asked,
        environment,
        folder: folder.to_owned(),
        // What is there is its own.
        replace: ReplaceArgs { overwrite: true },
        results: results.clone(),
        gate: gate.clone(),
        model: found.remove(0),
        command,
        started_utc,
        races,
        clock: Arc::new(Continued::after(elapsed_ns)),
    };
    tuner.model.subject.name = name;
    tuner.gate.check(&tuner.plan(tuner.asked.work.clone(), 1)?)?;
    tuner.tune()
}

fn journal_of(folder: &Path, record: &str) -> PathBuf {
    let layout = Layout::Files { record: folder.join(record), report: None };
    Outputs::of(&layout, PathBuf::new).journal()
}

/// What the races have found so far.
struct Search {
    best: Settings,
    stages: Vec<TuningStage>,
    not_tried: Vec<NotTried>,
    /// The change that came closest to what was chosen in its race, and its speed over that.
    closest: Option<(Tuned, Settings, f64)>,
}

/// How far outputs lie from others.
struct Divergence {
    ended: Ended,
    /// Why they could not be compared.
    failed: Option<String>,
    /// Windows of text that were scored.
    windows: usize,
    kld: Option<TriedKld>,
}

impl Divergence {
    /// What becomes of a cache type by its outputs; `None` where they are within the limit.
    fn outside(&self, max_kld_nats: f64, from_round: u32) -> Option<Fate> {
        if let Some(reason) = &self.failed {
            return Some(Fate::NotCompared { because: reason.clone() });
        }
        if self.windows < FEWEST_DOCUMENTS {
            let because =
                format!("its outputs were compared on {} of {FEWEST_DOCUMENTS} documents in the time", self.windows);
            return Some(Fate::NotCompared { because });
        }
        let is_within = self.kld.and_then(|kld| kld.high).is_some_and(|high| high <= max_kld_nats);
        let because = DropReason::OutsideLimit { limit: format!("--max-kld {max_kld_nats}") };
        (!is_within).then_some(Fate::Dropped { from_round, because })
    }
}

/// The record of the next race.
fn record_of(search: &Search, tuned: Tuned) -> String {
    format!("race-{}-{}.json", search.stages.len() + 1, tuned.flags().replace([' ', '-'], ""))
}

/// What a first look takes, and a round with one sample of each.
fn first_and_round_ns(speeds: Speeds, plan: &Plan, facts: &ModelFacts) -> (u64, u64) {
    let cost = speeds.cost(plan, Some(facts));
    (cost.round_ns, cost.samples_ns.iter().fold(cost.round_ns, |sum, ns| sum.saturating_add(*ns)))
}

/// A share, or more where that is the least of use and no more than there is for it.
fn at_least(share_s: u64, least_s: u64, most_s: u64) -> u64 {
    if least_s <= most_s { share_s.max(least_s) } else { share_s }
}

/// Parts of the time that a setting may take: of cache types the outputs are compared, too.
fn parts(tuned: Tuned) -> u64 {
    if tuned == Tuned::CacheTypes { 2 } else { 1 }
}

impl Tuner {
    fn circumstances(&self) -> Circumstances<'_> {
        let n_prompt = self.asked.work.iter().find_map(|w| match w.kind {
            WorkloadKind::Pp { n_tokens, .. } => Some(n_tokens),
            _ => None,
        });
        Circumstances {
            machine: &self.environment.machine,
            facts: self.model.subject.model.facts.as_ref(),
            goal: self.asked.goal,
            n_prompt: n_prompt.unwrap_or(0),
            has_memory_limit: self.asked.max_memory_bytes.is_some(),
        }
    }

    fn step(&self, tuned: Tuned, from: &Settings) -> Step {
        let values = self.asked.typed.values(tuned, from);
        let step = if values.is_empty() { tuned.candidates(from, &self.circumstances()) } else { Ok(values) };
        (tuned, step)
    }

    /// The quant, which is what tells files of a model apart, or the file's name.
    fn short_name(&self) -> String {
        let subject = &self.model.subject;
        let quant = subject.model.facts.as_ref().map(|facts| facts.quant.clone());
        quant.filter(|quant| quant != "unknown").unwrap_or_else(|| subject.name.clone())
    }

    fn tune(mut self) -> Result<Taken> {
        let given = self.model.subject.settings.clone();
        let order = self.asked.order.clone();
        let mut search = Search { best: given.clone(), stages: Vec::new(), not_tried: Vec::new(), closest: None };
        let confirmation = self.parts_of(&order, &given).min(CONFIRMATION);
        for (at, &tuned) in order.iter().enumerate() {
            let (_, step) = self.step(tuned, &search.best);
            let parts = confirmation + self.parts_of(&order[at..], &search.best);
            match step {
                Err(because) => search.not_tried.push(NotTried { flags: tuned.flags(), because }),
                Ok(_) if self.left_s() == Some(0) && !self.has_begun(tuned, &search) => {
                    search.not_tried.push(NotTried { flags: tuned.flags(), because: "no time was left".into() });
                }
                Ok(values) => {
                    if self.stage(tuned, values, parts, &mut search)? == Ended::Interrupted {
                        return self.interrupted(&search).map(Taken::Planned);
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

    /// Parts of the time that the races for these settings may take.
    fn parts_of(&self, order: &[Tuned], from: &Settings) -> u64 {
        let raced = order.iter().filter(|&&tuned| self.step(tuned, from).1.is_ok());
        raced.map(|&tuned| parts(tuned)).sum()
    }

    fn interrupted(&self, search: &Search) -> Result<Exit> {
        let folder = self.folder.display();
        interrupt::say(&format!(
            "The tuning ends here, after {} of its races. What was measured is saved. To go on: gguf-bench resume {folder}",
            search.stages.len(),
        ));
        let found: Vec<String> = search
            .stages
            .iter()
            .flat_map(|stage| &stage.tried)
            .filter(|tried| matches!(tried.fate, Fate::Taken(_)))
            .map(|tried| tried.name.clone())
            .collect();
        if self.results.stdout() == Stdout::Free && !found.is_empty() {
            let file = self.model.path.display().to_string();
            let server = report::tune_server(&self.environment.machine, &search.best, self.asked.min_ctx, &file);
            print_text(&format!("Best so far, not confirmed: {}\nRun it so:\n  {server}\n", found.join(" ")))?;
        }
        Ok(Exit::Interrupted)
    }

    /// Whether a race for this setting was begun before the tuning was stopped.
    fn has_begun(&self, tuned: Tuned, search: &Search) -> bool {
        self.races.contains(&record_of(search, tuned))
    }

    /// What is left of a time limit, in whole seconds.
    fn left_s(&self) -> Option<u64> {
        self.asked.budget_s.map(|limit| limit.saturating_sub(self.elapsed_s()))
    }

    /// What is left of the time that is allowed or aimed at.
    fn time_left_s(&self) -> u64 {
        self.asked.budget_s.unwrap_or(AIM_S).saturating_sub(self.elapsed_s())
    }

    /// The next of so many parts of it. Of a limit that has passed nothing is left; an aim is passed where the least work takes more.
    fn share_s(&self, parts: u64) -> u64 {
        let share_s = self.time_left_s() / parts.max(1);
        if self.left_s() == Some(0) { 0 } else { share_s.max(1) }
    }

    /// A race's share of a limit, or what its least rounds take where that is more and confirming keeps enough: the settings come in the
    /// order of what they are worth, and a race that is broken off decides nothing. By what these settings took here before.
    /// `None` without a limit, and where nothing was measured with them.
    fn with_least(&self, share_s: u64, race: &Plan, n_subjects: usize, base: &Settings) -> Option<u64> {
        let (left_s, facts) = (self.left_s()?, self.model.subject.model.facts.as_ref()?);
        let (speeds, basis) = PastSpeeds::read(cache::speeds().as_deref()).expect(facts, base);
        let confirmation = self.plan(self.asked.work.clone(), 1).ok().filter(|_| basis == Basis::SameFile)?;
        let least_s = |n: usize, plan: &Plan| {
            let (first_ns, round_ns) = first_and_round_ns(speeds, plan, facts);
            let one_ns = round_ns.saturating_mul(u64::from(plan.protocol.min_rounds)).saturating_add(first_ns);
            one_ns.saturating_mul(n as u64).div_ceil(1_000_000_000)
        };
        let most_s = left_s.saturating_sub(least_s(2, &confirmation));
        Some(at_least(share_s, least_s(n_subjects, race), most_s))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time that passed")]
    fn elapsed_s(&self) -> u64 {
        (self.clock.now_ns() as f64 / NS_PER_S).ceil() as u64
    }

    /// Races the values of a setting, and goes on with what is shown to be faster.
    fn stage(&mut self, tuned: Tuned, values: Vec<Settings>, parts: u64, search: &mut Search) -> Result<Ended> {
        let base = search.best.clone();
        let all: Vec<Settings> = std::iter::once(base.clone()).chain(values).collect();
        let entrants = self.entrants(all.iter().map(|settings| (tuned.typed(settings), settings)));
        let record = record_of(search, tuned);
        let names: Vec<&str> = entrants.iter().map(|found| found.subject.name.as_str()).collect();
        let before = if self.races.contains(&record) { " (begun before)" } else { "" };
        let words = format!("Race {}{before}: {}", search.stages.len() + 1, names.join(" | "));
        bench::observer(&self.results).on(Event::Note { words: &words });
        let race = Race { goals: tuned.goals(self.asked.goal), max_memory_bytes: self.asked.max_memory_bytes };
        let mut plan = self.race_plan(&race, self.share_s(parts))?;
        let share_s = self.share_s(parts);
        plan.protocol.budget_s = Some(self.with_least(share_s, &plan, all.len(), &base).unwrap_or(share_s));
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
            let own = self.divergence(&given, &next, search.stages.len() + 1, parts - 1)?;
            if own.ended == Ended::Interrupted {
                return Ok(own.ended);
            }
            stage.tried[taken].kld = own.kld;
            if let Some(fate) = own.outside(self.asked.max_kld_nats, stage.rounds) {
                stage.tried[taken].fate = fate;
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
        let work: Vec<Workload> = self.asked.work.iter().filter(|w| is_asked(w)).cloned().collect();
        let mut plan = self.plan(work, share_s)?;
        (plan.protocol.min_rounds, plan.protocol.max_rounds) = RACE_ROUNDS;
        plan.race = Some(race.clone());
        Ok(plan)
    }

    fn plan(&self, workloads: Vec<Workload>, seconds: u64) -> Result<Plan> {
        let precision = PrecisionArgs { equivalence: self.asked.equivalence, ..PrecisionArgs::defaults()? };
        let mut protocol = precision.into_protocol(Scale::usual(), &workloads, PromptPolicy::IfTimeAllows);
        protocol.budget_s = Some(seconds);
        protocol.budget = if self.asked.budget_s.is_some() { Budget::Limit } else { Budget::Aim };
        Ok(Plan {
            workloads,
            protocol,
            sampling: Sampling::Greedy,
            seed: self.asked.execution.seed,
            quality: None,
            threads: Some(self.asked.threads),
            left_out: Vec::new(),
            task_work: None,
            min_ctx: self.asked.min_ctx,
            race: None,
        })
    }

    /// A run of its own beside the one that confirms; as far as it was measured before the tuning was stopped, what was.
    fn measure(&mut self, subjects: Vec<Found>, plan: Plan, inputs: Inputs, record: &str) -> Result<Run> {
        let layout = Layout::Files { record: self.folder.join(record), report: None };
        let outputs = Outputs::open(&layout, None, &self.results)?;
        let known = self.races.iter().any(|begun| begun == record);
        let known = if known { go_on::Kept::read(&outputs.journal())? } else { None };
        let run = match known {
            Some(race) if race.run.is_finished() => {
                record::write_run(outputs.record(), &race.run)?;
                race.run
            }
            Some(race) => {
                let (observer, force) = (bench::observer(&self.results), self.asked.execution.force);
                race.go_on(outputs, &self.environment, force, self.folder.clone(), observer)?.into_run()?
            }
            None => self.measure_anew(subjects, plan, inputs, (record, outputs))?,
        };
        if let Some(Outcome::Failed { reason, .. }) = run.server_lost() {
            bail!("{reason}: when the server is back, `gguf-bench resume {}` goes on", self.folder.display());
        }
        Ok(run)
    }

    fn measure_anew(
        &mut self,
        mut subjects: Vec<Found>,
        plan: Plan,
        inputs: Inputs,
        (record, outputs): (&str, Outputs),
    ) -> Result<Run> {
        let Environment { build, machine, threads: _ } = &self.environment;
        bench::prepared(&mut subjects, &plan, machine, build, self.asked.execution.force);
        let layout = Layout::Files { record: self.folder.join(record), report: None };
        let mut journal = session::claim(&outputs, self.replace)?;
        let nothing = (&GateArgs::default(), &ResultArgs::default());
        let resume =
            ResumeState::new(&layout, &self.asked.execution, &subjects, inputs, WithoutOriginal::GoesOn, nothing);
        let subjects = subjects.into_iter().map(|found| found.subject).collect();
        let unmeasured = bench::unmeasured((build.clone(), machine.clone()), Purpose::Tuning, plan, subjects);
        let run = Run { command: self.command.clone(), ..unmeasured };
        session::begin(&mut journal, &run, &resume, &outputs)?;
        self.keep(record)?;
        let interrupt = interrupt::measuring(self.folder.clone());
        let session = Session {
            run,
            outputs,
            journal,
            resume,
            devices: self.environment.machine.devices.clone(),
            clock: Arc::new(Monotonic::start()),
            interrupt,
            observer: bench::observer(&self.results),
        };
        session.measure()?.into_run()
    }

    /// Another race was begun: from here on `resume` goes on with the tuning.
    fn keep(&mut self, record: &str) -> Result<()> {
        self.races.push(record.to_owned());
        let kept = Kept {
            asked: self.asked.clone(),
            model: std::path::absolute(&self.model.path)?,
            name: self.model.subject.name.clone(),
            command: self.command.clone(),
            started_utc: self.started_utc.clone(),
            races: self.races.clone(),
            results: self.results.files(),
        };
        kept.write(&self.folder)
    }

    /// How far outputs with these cache types lie from those with the types given, in the next of so many parts of the time.
    fn divergence(&mut self, given: &Settings, other: &Settings, race: usize, parts: u64) -> Result<Divergence> {
        let quality =
            QualityArgs::from_arg_matches(&QualityArgs::augment_args(Command::default()).try_get_matches_from([""])?)?;
        let texts = Texts { defaults: prompts::documents, quick: false, most_windows: Some(WINDOWS) };
        let OutputComparison { plan: quality, inputs } = quality.into_plan(texts)?;
        let quality = QualityPlan { max_kld_nats: Some(self.asked.max_kld_nats), ..quality };
        let plan = Plan { quality: Some(quality), ..self.plan(Vec::new(), self.share_s(parts))? };
        let tuned = Tuned::CacheTypes;
        let entrants = self.entrants([given, other].into_iter().map(|settings| (tuned.typed(settings), settings)));
        let run = self.measure(entrants, plan, inputs, &format!("race-{race}-kld.json"))?;
        let analysis = analyse(&run);
        let quality = analysis.models.get(1).and_then(|model| model.quality.as_ref());
        let kld = quality.and_then(|quality| quality.overall.as_ref()).map(|figures| figures.kld_mean_nats);
        let failed = match quality.map(|quality| &quality.outcome) {
            Some(Outcome::Failed { reason, .. }) => Some(reason.clone()),
            Some(Outcome::Done) | None => None,
        };
        Ok(Divergence {
            ended: run.ended,
            failed,
            windows: quality.map_or(0, |quality| quality.windows),
            kld: kld.map(|kld| TriedKld { nats: kld.value, low: kld.low, high: kld.high }),
        })
    }

    /// What was found against what was given, and against what came closest, in rounds that choose nothing.
    fn confirm(self, given: &Settings, search: Search) -> Result<Taken> {
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
            goal: self.asked.goal,
            max_memory_bytes: self.asked.max_memory_bytes,
            max_kld_nats: self.asked.max_kld_nats,
            stages,
            not_tried,
            best: best_at,
            runner_up,
        };
        let names: Vec<&str> = entrants.iter().map(|found| found.subject.name.as_str()).collect();
        bench::observer(&self.results).on(Event::Note { words: &format!("To confirm: {}", names.join(" | ")) });
        let mut plan = self.plan(self.asked.work.clone(), self.share_s(1))?;
        if entrants.len() == 1 {
            // There is nothing to hold it against: a look at it is enough.
            (plan.protocol.min_rounds, plan.protocol.max_rounds) = (1, 1);
        }
        let job = Job {
            purpose: Purpose::Tuning,
            plan,
            subjects: entrants,
            inputs: Inputs::default(),
            constraints: None,
            tuning: Some(Confirmed { tuning, command: self.command }),
            execution: self.asked.execution,
            environment: self.environment,
            layout: Layout::Folder,
            output: OutputArgs { out: Some(self.folder.clone()), replace: self.replace, results: self.results },
            gate: self.gate,
        };
        let taken = bench::take(job)?;
        Kept::remove(&self.folder);
        Ok(taken)
    }

    /// What would be raced, and what would not, from the settings given.
    fn show_plan(&self) -> Result<Exit> {
        let given = &self.model.subject.settings;
        let mut text = String::from("Races, one after the other, each from the best of those before\n");
        let (mut not, mut raced, mut n_raced) = (String::new(), 0, 0);
        for &tuned in &self.asked.order {
            match self.step(tuned, given).1 {
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
        let ids: Vec<&str> = self.asked.work.iter().map(|w| w.id.as_str()).collect();
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
        let plan = self.plan(self.asked.work.clone(), 1)?;
        let (speeds, _) = PastSpeeds::read(cache::speeds().as_deref()).expect(facts, &self.model.subject.settings);
        let (_, round_ns) = first_and_round_ns(speeds, &plan, facts);
        let rounds = n_raced as u64 * u64::from(RACE_ROUNDS.0) + 3 * u64::from(plan.protocol.min_rounds);
        let least_ns = round_ns.saturating_mul(rounds);
        Ok(match self.asked.budget_s {
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
