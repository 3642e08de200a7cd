//! What a person preferred who did not know whose answers they were: a table, and a sentence a candidate.

use super::{
    names::{name, original},
    table::{Cell, Column, Table, Tone},
};
use crate::{
    analysis::{Analysis, Preference, VoteCount},
    report::format::{in_percent, sig3},
};

/// One row a candidate; nothing where no votes were given.
pub(super) fn counts(analysis: &Analysis) -> Table {
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
        "Interval: Wilson. Sign test: two-sided, exact, over the prompts with a preference; the verdict is adjusted for the number of \
         candidates. One reader and these prompts: others may prefer otherwise."
            .into(),
    ];
    table
}

/// One sentence a candidate.
pub(in crate::report) fn sentences(analysis: &Analysis) -> Vec<String> {
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
            Preference::NotResolved => ": chance explains that, a preference is not resolved",
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
