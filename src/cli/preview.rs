//! --dry-run: the plan, the memory it needs by model, and the time it will take. Measures nothing.

use std::fmt::Write;

use anyhow::Result;

use super::{
    cache,
    console::{Exit, print_text, size},
    fits,
    machine::Environment,
    past_speeds::{Basis, PastSpeeds},
    plan_words::plan_words,
    quantize::Checkpoints,
    subjects::Found,
};
use crate::{
    record::{
        Arrangement, Budget, InnerPolicy, ModelFacts, Outcome, Plan, PromptPolicy, Protocol, QualityPlan, Role,
        Settings, TimePlan, WorkloadKind, left_out_words, time_plan::in_words,
    },
    run::{self, MemoryBudget},
    text::counted,
};

/// Prints the plan for these models, and for what would be `made` of the first.
pub(super) fn show(
    found: &[Found],
    plan: &Plan,
    environment: &Environment,
    made: Option<&Checkpoints>,
) -> Result<Exit> {
    let n_made = made.map_or(0, |made| made.files.len());
    let mut text = String::new();
    let protocol = &plan.protocol;
    let (prompts, synthetic): (Vec<_>, Vec<_>) =
        plan.workloads.iter().partition(|w| matches!(w.kind, WorkloadKind::Prompt(_)));
    let ids = synthetic.iter().map(|w| w.id.as_str()).collect::<Vec<_>>().join(", ");
    writeln!(text, "Plan")?;
    writeln!(
        text,
        "  workloads  {}; {}{}",
        if ids.is_empty() { "none" } else { &ids },
        counted(prompts.len(), "prompt"),
        match protocol.prompts {
            PromptPolicy::IfTimeAllows if !prompts.is_empty() => ", where there is time",
            PromptPolicy::IfTimeAllows | PromptPolicy::Always => "",
        }
    )?;
    writeln!(text, "  rounds     {}", rounds_words(protocol))?;
    writeln!(text, "  a round    {}", round_words(protocol))?;
    if let Some(settings) = found.first().map(|original| &original.subject.settings) {
        writeln!(
            text,
            "  llama.cpp  {}{} ({} for prompts), batch {}/{}, seed {}",
            counted(settings.n_threads, "thread"),
            plan.threads.map_or_else(String::new, |reason| format!(", {reason}")),
            settings.n_threads_batch,
            settings.n_batch,
            settings.n_ubatch,
            plan.seed
        )?;
        if let Some(quality) = &plan.quality {
            writeln!(text, "  quality    {}", quality_words(quality, found, settings, environment, n_made))?;
        }
    }
    for words in left_out_words(&plan.left_out) {
        writeln!(text, "  not done   {words}")?;
    }
    writeln!(text, "\nModels")?;
    for Found { subject, pending, .. } in found {
        let name = &subject.name;
        match (&subject.model.facts, &subject.outcome) {
            _ if pending.is_some() => writeln!(text, "  {name}  {}", pending.as_deref().unwrap_or_default())?,
            (_, Outcome::Failed { reason, .. }) => writeln!(text, "  {name}  can't be measured: {reason}")?,
            (Some(facts), Outcome::Done) => {
                writeln!(
                    text,
                    "  {name}  {}, {:.2} bits per weight: {} of {} available",
                    facts.quant,
                    facts.bits_per_weight,
                    MemoryBudget::to_time(subject, plan).map(fits::sum).unwrap_or_default(),
                    size(run::available_bytes(&environment.machine, &subject.settings))
                )?;
                for (id, n_ctx) in too_deep(plan, facts) {
                    writeln!(text, "    {id} needs a context of {n_ctx}, which it was not trained for: not measured")?;
                }
            }
            (None, Outcome::Done) => {}
        }
    }
    if let Some(made) = made {
        writeln!(text, "  to be made of it: {}", made.words())?;
    }
    if found.iter().any(|f| f.pending.is_some()) {
        writeln!(text, "\nTime: not known before every model is here")?;
    } else {
        let (time, basis) = expected_time(found, plan, n_made);
        writeln!(text, "\nTime, {}", basis_words(basis))?;
        for line in plan_words(protocol, &time) {
            writeln!(text, "  {line}")?;
        }
    }
    print_text(&text)
}

/// The time that a plan will take, before anything is measured, with so many files that are made of the first.
fn expected_time(found: &[Found], plan: &Plan, made: usize) -> (TimePlan, Basis) {
    let past = PastSpeeds::read(cache::speeds().as_deref());
    let (mut costs, mut basis) = (Vec::new(), Basis::SameFile);
    for subject in found.iter().map(|found| &found.subject).filter(|subject| subject.outcome == Outcome::Done) {
        let Some(facts) = &subject.model.facts else { continue };
        let (speeds, by) = past.expect(facts, &subject.settings);
        basis = basis.max(by);
        // What would be made of it is smaller and no slower than it.
        costs.extend(vec![speeds.cost(plan, Some(facts)); 1 + made]);
    }
    let probes_ns = costs.iter().map(|cost| cost.round_ns).fold(0, u64::saturating_add);
    // As many passes of the original as where everything fits; the run knows better.
    (run::plan_time(plan, costs, run::Situation { spent_ns: probes_ns, original_passes: 1, has_original: true }), basis)
}

/// The time that many subjects will take, said before the first look at each, which takes minutes as well; `None` of a few.
pub(super) fn time_of_many(found: &[Found], plan: &Plan) -> Option<String> {
    /// A look at fewer is soon over.
    const MANY: usize = 6;
    if found.len() < MANY {
        return None;
    }
    let (time, basis) = expected_time(found, plan, 0);
    let first = plan_words(&plan.protocol, &time).into_iter().next()?;
    Some(format!("{} subjects. {first}, {}", found.len(), basis_words(basis)))
}

fn basis_words(basis: Basis) -> &'static str {
    match basis {
        Basis::SameFile => "as these files were measured here before",
        Basis::OtherFiles => "by what other files took here before",
        Basis::Assumed => "from the sizes and assumed speeds: nothing was measured here yet",
    }
}

/// Work at a depth that the model's training does not allow, and the context it needs.
fn too_deep<'a>(plan: &'a Plan, facts: &ModelFacts) -> Vec<(&'a str, u32)> {
    let deep = plan.workloads.iter().filter(|w| w.kind.is_too_deep(facts.n_ctx_train));
    deep.filter_map(|w| Some((w.id.as_str(), w.kind.n_ctx()?))).collect()
}

fn rounds_words(protocol: &Protocol) -> String {
    let Protocol { min_rounds, max_rounds, .. } = protocol;
    if min_rounds == max_rounds {
        return format!("{max_rounds}, order mirrored in every second one");
    }
    let budget = match (protocol.budget_s, protocol.budget) {
        (None, _) => String::new(),
        (Some(s), Budget::Aim) => format!(", or about {} have passed", in_words(s * 1_000_000_000)),
        (Some(s), Budget::Limit) => format!(", or {} have passed", in_words(s * 1_000_000_000)),
    };
    format!(
        "{min_rounds} to {max_rounds}, order mirrored in every second one, until every speed ratio is known to ±{:.1} %{budget}",
        protocol.precision * 100.0
    )
}

fn round_words(protocol: &Protocol) -> String {
    let arrangement = match protocol.arrangement {
        Arrangement::Sequential => "one model after the other",
        Arrangement::Alternating => "all models loaded side by side, their samples alternating",
    };
    let samples = match protocol.inner {
        InnerPolicy::Fixed => format!("{} sample(s) of each workload", protocol.inner_samples),
        InnerPolicy::Planned => "as many samples of each workload as are worth their time".into(),
    };
    format!("{arrangement}; fresh processes; {samples}")
}

/// How outputs are compared, and who shares a pass of the original.
fn quality_words(
    quality: &QualityPlan,
    found: &[Found],
    settings: &Settings,
    environment: &Environment,
    n_made: usize,
) -> String {
    let needs = |f: &Found| MemoryBudget::to_score(&f.subject, &f.path, quality.n_ctx).total();
    let (originals, candidates): (Vec<&Found>, _) = found.iter().partition(|f| f.subject.role == Role::Original);
    // A file of log-probabilities in its place has no facts.
    let original_bytes = originals.first().filter(|f| f.subject.model.facts.is_some()).map(|f| needs(f));
    // What would be made of the original is no larger than it.
    let made = std::iter::repeat_n(original_bytes, n_made).flatten();
    let demand = run::quality::Demand {
        original_bytes,
        candidates_bytes: candidates.into_iter().map(needs).chain(made).collect(),
        cache_bytes: run::quality::cache_bytes(quality),
        available_bytes: run::available_bytes(&environment.machine, settings),
    };
    run::quality::describe(run::quality::sharing(quality, &demand), quality)
}
