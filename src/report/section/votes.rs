//! Answers judged blind: what the page needs to have them judged, and what a person preferred who did not know whose they were.

use serde_json::json;

use super::names::{name, original};
use crate::{
    analysis::{
        Analysis, ModelAnalysis, Preference, VoteCount,
        votes::{self, Question},
    },
    record::Workload,
    report::{
        document::{Ballot, Cell, Column, Section, Table, Tone},
        number::{in_percent, sig3},
        text::inert_in_html,
    },
};

pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "votes",
        title: "Judged blind",
        lead: "A person chose the better of two answers to each prompt, one of the original and one of a candidate, without knowing whose was whose.",
        tables: vec![table(analysis)],
        figures: Vec::new(),
    }
}

/// One row a candidate; nothing where no votes were given.
fn table(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("candidate"),
        Column::number("original preferred", "prompts"),
        Column::number("candidate preferred", "prompts"),
        Column::number("neither", "prompts"),
        Column::number("same text", "prompts"),
        Column::number("not judged", "prompts"),
        Column::number("candidate's share of preferences", "%"),
        Column::number("sign test", "p"),
        Column::text("verdict"),
    ];
    let of = |v: &VoteCount| {
        let n = |n: u32| Cell::number(n.to_string(), f64::from(n));
        let share = v.candidate_share.map_or_else(
            || Cell::unknown("no preference"),
            |share| {
                let spread = in_percent(share, v.low.zip(v.high));
                Cell { brackets: spread.brackets, plus_minus: spread.plus_minus, ..Cell::number(spread.value, share) }
            },
        );
        let (verdict, tone) = match v.verdict {
            Preference::Original => ("original preferred", Tone::Worse),
            Preference::Candidate => ("candidate preferred", Tone::Better),
            Preference::NotResolved => ("not resolved", Tone::Open),
        };
        Some(vec![
            Cell::text(name(analysis.models.get(v.candidate)?)),
            n(v.original_preferred),
            n(v.candidate_preferred),
            n(v.neither),
            n(v.same),
            n(v.not_judged),
            share,
            Cell::maybe(v.p_value, p_value, "no preference"),
            Cell { tone, ..Cell::text(verdict) },
        ])
    };
    let rows = analysis.votes.iter().flatten().filter_map(of).collect();
    let mut table =
        Table::new("votes-table", "Preferences of a reader who did not know whose answers they were", columns, rows);
    table.notes = vec![
        "Interval: Wilson. Sign test: two-sided, exact, over the prompts with a preference, adjusted for the number of candidates. \
         This is one reader and these prompts: others may prefer otherwise."
            .into(),
    ];
    table
}

/// One sentence a candidate.
pub(crate) fn sentences(analysis: &Analysis) -> Vec<String> {
    let of = |v: &VoteCount| {
        let (base, own) = (name(original(analysis)?), name(analysis.models.get(v.candidate)?));
        let decided = v.original_preferred + v.candidate_preferred;
        let Some(p) = v.p_value else {
            return Some(format!(
                "Judged blind, no answer of {own} was preferred to {base}'s, nor the other way round."
            ));
        };
        let (won, of_whom) = match v.verdict {
            Preference::Original => (v.original_preferred, &base),
            Preference::Candidate | Preference::NotResolved => (v.candidate_preferred, &own),
        };
        let so = match v.verdict {
            Preference::NotResolved => ", which chance explains",
            Preference::Original | Preference::Candidate => "",
        };
        let whom = if of_whom == &base { &own } else { &base };
        Some(format!(
            "Judged blind, {of_whom}'s answers were preferred to {whom}'s in {won} of {decided} prompts with a preference (sign test, p = {}){so}.",
            p_value(p)
        ))
    };
    analysis.votes.iter().flatten().filter_map(of).collect()
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "under 0.001".into() } else { sig3(p) }
}

/// The ballot of a record; `None` when there is nothing to judge.
pub(crate) fn ballot(analysis: &Analysis) -> Option<Ballot> {
    let votes::Ballot { id, questions, same } = analysis.ballot.as_ref()?;
    let original = analysis.context.original()?;
    let shown = |q: &Question| {
        Some(json!({
            "workload": q.workload,
            "candidate": q.candidate,
            "original": q.original,
            "prompt": prompt(analysis, q.workload)?,
            "answers": { "original": answer(analysis, q.workload, original)?, "candidate": answer(analysis, q.workload, q.candidate)? },
        }))
    };
    let questions: Vec<serde_json::Value> = questions.iter().filter_map(shown).collect();
    let names: Vec<String> = analysis.models.iter().map(name).collect();
    let json = json!({ "id": id, "original": original, "models": names, "questions": questions, "same": same });
    let ballot = Ballot { pairs: questions.len(), same: same.len(), json: inert_in_html(&json.to_string()) };
    (ballot.pairs > 0).then_some(ballot)
}

/// Whether a model's answer to a prompt is on the page.
fn on_page(model: &ModelAnalysis, workload: &Workload) -> bool {
    model.answers.iter().any(|a| a.prompt == workload.id)
}

/// Which of the page's prompts it is.
fn prompt(analysis: &Analysis, workload: usize) -> Option<usize> {
    let shown = |w: &Workload| analysis.models.iter().any(|m| on_page(m, w));
    let before = analysis.context.plan.workloads.get(..workload)?;
    shown(analysis.context.plan.workloads.get(workload)?).then(|| before.iter().filter(|w| shown(w)).count())
}

/// Which of that prompt's answers it is.
fn answer(analysis: &Analysis, workload: usize, model: usize) -> Option<usize> {
    let workload = analysis.context.plan.workloads.get(workload)?;
    let before = analysis.models.get(..model)?;
    on_page(analysis.models.get(model)?, workload).then(|| before.iter().filter(|m| on_page(m, workload)).count())
}
