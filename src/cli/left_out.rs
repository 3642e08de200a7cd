//! What models without a next token can't be asked is left out of the plan, with the reason; the rest is measured.

use anyhow::{Result, bail};

use super::subjects::Found;
use crate::{
    record::{
        LeftOut, LeftOutReason, LeftOutWork, ModelFacts, NoNextToken, Outcome, Plan, Stage, WorkloadKind,
        left_out_words,
    },
    run::quality::Inputs,
};

/// Fits a plan and its inputs to models that give no next token, and the settings of those to how they are read. Models of the other sort
/// than the original can't be held against it.
pub(super) fn fit(plan: &mut Plan, inputs: &mut Inputs, subjects: &mut [Found]) -> Result<()> {
    let Some(original) = subjects.iter().find_map(facts).map(|facts| facts.no_next_token) else { return Ok(()) };
    for found in subjects.iter_mut() {
        let Some(own) = facts(found).map(|facts| facts.no_next_token) else { continue };
        let reason = match (original, own) {
            (None, Some(own)) => format!("{}: it can't be held against a model that generates", own.words()),
            (Some(original), None) => {
                format!("it generates and can't be held against the original, {}", original.words())
            }
            (None, None) | (Some(_), Some(_)) => continue,
        };
        found.subject.outcome = Outcome::Failed { stage: Stage::Inspect, reason };
    }
    let Some(gives) = original else { return Ok(()) };
    let trained_for = subjects.iter().filter_map(|found| found.subject.model.facts.as_ref()?.n_ctx_train).min();
    leave_out(plan, inputs, gives, trained_for);
    if plan.workloads.is_empty() {
        bail!("nothing can be measured: {}", left_out_words(&plan.left_out).join("; "));
    }
    // Tokens that see those after them are evaluated in one batch.
    let longest = plan.workloads.iter().filter_map(|w| w.kind.n_ctx()).max().unwrap_or(0);
    for Found { subject, .. } in subjects {
        let settings = &mut subject.settings;
        settings.n_batch = settings.n_batch.max(longest);
        settings.n_ubatch = settings.n_ubatch.max(longest);
        settings.embeddings |= gives.gives_embeddings();
    }
    Ok(())
}

/// Those of a model that can be measured.
fn facts(found: &Found) -> Option<&ModelFacts> {
    found.subject.model.facts.as_ref().filter(|_| found.subject.outcome == Outcome::Done)
}

fn leave_out(plan: &mut Plan, inputs: &mut Inputs, gives: NoNextToken, trained_for: Option<u32>) {
    let no_next_token = || LeftOutReason::NoNextToken { gives };
    let reason = |kind: &WorkloadKind| match *kind {
        WorkloadKind::Pp { n_tokens, n_depth: 0 } => {
            let n_ctx_train = trained_for.filter(|most| n_tokens > *most)?;
            Some(LeftOutReason::LongerThanTrained { n_ctx_train })
        }
        WorkloadKind::Pp { .. } | WorkloadKind::PpParallel { .. } => Some(LeftOutReason::ReadsWhole { gives }),
        WorkloadKind::Tg { .. }
        | WorkloadKind::TgParallel { .. }
        | WorkloadKind::PpTg { .. }
        | WorkloadKind::Prompt(_) => Some(no_next_token()),
    };
    let mut prompts = 0;
    let mut left_out = Vec::new();
    plan.workloads.retain(|workload| {
        let Some(because) = reason(&workload.kind) else { return true };
        match workload.kind {
            WorkloadKind::Prompt(_) => prompts += 1,
            _ => left_out.push(LeftOut { work: LeftOutWork::Workload { id: workload.id.clone() }, because }),
        }
        false
    });
    let mut leave = |work| left_out.push(LeftOut { work, because: no_next_token() });
    if prompts > 0 {
        leave(LeftOutWork::Prompts { count: prompts });
    }
    if plan.quality.take().is_some() {
        leave(LeftOutWork::Outputs);
    }
    if plan.task_work.take().is_some() {
        leave(LeftOutWork::Tasks);
    }
    *inputs = Inputs::default();
    plan.left_out.extend(left_out);
}
