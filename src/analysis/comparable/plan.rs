//! What differs between what was to be done: parameters, workloads, prompts, protocol, texts.

use super::{
    difference::{Found, Scope, Weight, named, or_unknown},
    models::pair_models,
};
use crate::record::{Arrangement, Plan, PromptText, Protocol, QualityPlan, Run, Settings, WorkloadKind};
use crate::settings::{Setting, Value};

/// The day on which a run was begun, which always differs in a history.
pub(crate) const BEGUN: &str = "begun (UTC)";
/// Enough of a prompt to know it by.
const SHOWN_CHARACTERS: usize = 30;

pub(super) fn compare(found: &mut Found, old: &Run, new: &Run) {
    settings(found, old, new);
    let lengths = |plan: &Plan| list(plan.workloads.iter().filter(|w| prompt(&w.kind).is_none()).map(|w| &w.id[..]));
    found.compare(Weight::Meaningless, "lengths timed", lengths(&old.plan), lengths(&new.plan));
    prompts(found, &old.plan, &new.plan);
    protocol(found, &old.plan.protocol, &new.plan.protocol);
    let note = Weight::Noteworthy;
    found.compare(note, "seed", old.plan.seed, new.plan.seed);
    found.compare(note, BEGUN, day(&old.started_utc), day(&new.started_utc));
    found.compare(note, "ended because", named(&old.ended), named(&new.ended));
    quality(found, old, new);
}

/// A setting, as it was and as it is.
type Changed = (Setting, Value, Value);

/// What all subjects have otherwise is said once; what one has, of it.
fn settings(found: &mut Found, old: &Run, new: &Run) {
    let differ = |old: &Settings, new: &Settings| -> Vec<Changed> {
        let both = old.table().into_iter().zip(new.table());
        both.filter(|((_, was), (_, is))| was != is).map(|((setting, was), (_, is))| (setting, was, is)).collect()
    };
    let pairs: Vec<(String, Vec<Changed>)> = pair_models(old, new)
        .into_iter()
        .map(|pair| {
            let (old, new) = (&old.subjects[pair.old], &new.subjects[pair.new]);
            (new.name.clone(), differ(&old.settings, &new.settings))
        })
        .collect();
    let common = match pairs.first() {
        Some((_, first)) if pairs.iter().all(|(_, own)| own == first) => first.clone(),
        Some(_) => Vec::new(),
        None => differ(old.base_settings(), new.base_settings()),
    };
    let said = |setting: &Setting| format!("{} ({})", setting.name, setting.flag());
    let weight = |setting: &Setting| {
        if setting.forbids_comparison { Weight::Meaningless } else { Weight::Noteworthy }
    };
    for (setting, was, is) in &common {
        found.compare(weight(setting), said(setting), was, is);
    }
    for (name, own) in &pairs {
        for (setting, was, is) in own.iter().filter(|own| !common.contains(own)) {
            let what = format!("{} of {name}", said(setting));
            found.compare_some(Scope::Model(name.clone()), weight(setting), what, was, is);
        }
    }
}

/// Categories that both have are compared, so their prompts must be the same; a category only one has is left out.
fn prompts(found: &mut Found, old: &Plan, new: &Plan) {
    let of = |plan: &Plan| -> Vec<(String, PromptText)> {
        plan.workloads.iter().filter_map(|w| Some((w.id.clone(), prompt(&w.kind)?.clone()))).collect()
    };
    let (before, after) = (of(old), of(new));
    let categories = |prompts: &[(String, PromptText)]| {
        let mut names: Vec<String> = prompts.iter().map(|(_, p)| p.category.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let (old_categories, new_categories) = (categories(&before), categories(&after));
    found.compare(Weight::Noteworthy, "categories of prompts", list(&old_categories), list(&new_categories));
    if !before.is_empty() && !after.is_empty() {
        let (was, is) = (named(&old.sampling), named(&new.sampling));
        found.compare_some(Scope::Prompts, Weight::Meaningless, "sampling", was, is);
    }
    let shared =
        |p: &&(String, PromptText)| old_categories.contains(&p.1.category) && new_categories.contains(&p.1.category);
    for (id, own) in before.iter().filter(shared) {
        let (was, is) = match after.iter().find(|(other, _)| other == id) {
            Some((_, other)) if other == own => continue,
            Some((_, other)) if shown(other) == shown(own) => (shown(own), format!("other words: {}", shown(other))),
            Some((_, other)) => (shown(own), shown(other)),
            None => (shown(own), "not asked".into()),
        };
        let scope = Scope::Category(own.category.clone());
        found.compare_some(scope, Weight::Meaningless, format!("prompt {id}"), was, is);
    }
    for (id, own) in after.iter().filter(shared).filter(|(id, _)| before.iter().all(|(other, _)| other != id)) {
        let scope = Scope::Category(own.category.clone());
        found.compare_some(scope, Weight::Meaningless, format!("prompt {id}"), "not asked", shown(own));
    }
}

fn prompt(kind: &WorkloadKind) -> Option<&PromptText> {
    match kind {
        WorkloadKind::Prompt(prompt) => Some(prompt),
        WorkloadKind::Pp { .. }
        | WorkloadKind::Tg { .. }
        | WorkloadKind::PpParallel { .. }
        | WorkloadKind::TgParallel { .. }
        | WorkloadKind::PpTg { .. } => None,
    }
}

fn shown(prompt: &PromptText) -> String {
    let start: String = prompt.text.chars().take(SHOWN_CHARACTERS).collect();
    let (n, most, category) = (prompt.text.chars().count(), prompt.max_new_tokens, &prompt.category);
    format!("{start:?}, {n} characters of {category}, up to {most} tokens")
}

fn protocol(found: &mut Found, old: &Protocol, new: &Protocol) {
    let mut note = |what: &str, of: &dyn Fn(&Protocol) -> String| {
        found.compare(Weight::Noteworthy, what, of(old), of(new));
    };
    note("samples in a round", &|p| p.inner_samples.to_string());
    note("arrangement", &|p| match p.arrangement {
        Arrangement::Sequential => "sequential".into(),
        Arrangement::Alternating => "alternating".into(),
    });
    note("rounds with prompts", &|p| p.prompt_rounds.to_string());
    note("confidence", &|p| p.confidence.to_string());
    note("region of equivalence", &|p| p.equivalence.to_string());
}

/// Only where both compared outputs.
fn quality(found: &mut Found, old: &Run, new: &Run) {
    let plan = |run: &'_ Run| run.quality.as_ref().and(run.plan.quality.clone());
    let measured = |run: &Run| if plan(run).is_some() { "compared" } else { "not compared" };
    found.compare(Weight::Noteworthy, "outputs", measured(old), measured(new));
    let (Some(before), Some(after)) = (plan(old), plan(new)) else { return };
    let outputs = Scope::Outputs;
    found.compare_some(outputs, Weight::Meaningless, "tokens a window (--ctx)", before.n_ctx, after.n_ctx);
    let reference = |run: &Run| run.quality.as_ref().map_or_else(String::new, |q| named(&q.reference));
    found.compare(Weight::Noteworthy, "outputs compared with", reference(old), reference(new));
    let names = |plan: &QualityPlan| list(plan.texts.iter().map(|t| &t.name[..]));
    found.compare(Weight::Noteworthy, "texts", names(&before), names(&after));
    for text in &before.texts {
        if let Some(other) = after.texts.iter().find(|t| t.name == text.name) {
            let hash = |hash: &Option<String>| or_unknown(hash.as_deref().map(super::models::short));
            let what = format!("text {} (SHA-256)", text.name);
            let (was, is) = (hash(&text.sha256), hash(&other.sha256));
            found.compare_some(Scope::Outputs, Weight::Meaningless, what, was, is);
        }
    }
}

/// The day of an RFC 3339 time.
fn day(started_utc: &str) -> &str {
    started_utc.split('T').next().unwrap_or(started_utc)
}

fn list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<String> = items.into_iter().map(|s| s.as_ref().to_owned()).collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}
