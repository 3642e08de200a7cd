//! Time: what was planned and what it took, by part, and what was given up for want of it.

use crate::{
    analysis::{Analysis, TimeSpent},
    record::{TimeParts, time_plan::in_words},
    report::{
        document::{Cell, Column, Section, Table},
        text::{list, plural},
    },
};

pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "time",
        title: "Time",
        lead: "A first look at each model tells what the plan costs. Whatever does not fit the time is given up, least needed first.",
        tables: vec![table(&analysis.time)],
        figures: Vec::new(),
    }
}

/// What it is called, and where it stands.
type Part = (&'static str, fn(&TimeParts) -> u64);

fn table(spent: &TimeSpent) -> Table {
    let TimeSpent { planned, taken, given_up, .. } = spent;
    let columns = vec![Column::text("part"), Column::number("planned", ""), Column::number("taken", "")];
    let parts: [Part; 5] = [
        ("first look", |parts| parts.probe_ns),
        ("rounds", |parts| parts.rounds_ns),
        ("prompts", |parts| parts.prompts_ns),
        ("outputs", |parts| parts.outputs_ns),
        ("tasks", |parts| parts.tasks_ns),
    ];
    let cell = |ns: u64| Cell::number(in_words(ns), ns as f64);
    let row = |(name, of): &Part| {
        let (planned, taken) = (planned.as_ref().map(of), of(taken));
        let any = taken > 0 || planned.is_some_and(|ns| ns > 0);
        any.then(|| vec![Cell::text(*name), planned.map_or_else(|| Cell::text("not planned"), cell), cell(taken)])
    };
    let mut table = Table::new("time-table", "Planned and taken", columns, parts.iter().filter_map(row).collect());
    table.notes = given_up
        .iter()
        .map(|given_up| {
            format!(
                "Given up for want of time: {given_up}. Without that it would take {}.",
                in_words(given_up.needs_ns())
            )
        })
        .chain(spoilt(spent))
        .collect();
    table
}

/// Rounds beside which the machine was another.
fn spoilt(TimeSpent { spoilt_rounds, spoilt_left_out, .. }: &TimeSpent) -> Option<String> {
    let rounds: Vec<String> = spoilt_rounds.iter().map(|round| (round + 1).to_string()).collect();
    if rounds.is_empty() {
        return None;
    }
    let which = format!("{} {}", plural(rounds.len() == 1, "round"), list(&rounds));
    let then = match (*spoilt_left_out, rounds.len()) {
        (true, 1) => "That round is left out of every figure.",
        (true, _) => "Those rounds are left out of every figure.",
        (false, _) => "It was so beside too many rounds to leave them out, so they count all the same.",
    };
    Some(format!("The machine itself was slower or faster than usual beside {which}. {then}"))
}

/// One sentence without its full stop: `It took 1 min 50 s, where 1 min 45 s were planned and 5 min aimed at`.
pub(crate) fn line(TimeSpent { asked_s, is_limit, planned, taken, .. }: &TimeSpent) -> String {
    let planned = planned.as_ref().map(|planned| format!("{} were planned", in_words(planned.total_ns())));
    let asked = asked_s.map(|seconds| {
        let what = if *is_limit { "allowed" } else { "aimed at" };
        let were = if planned.is_some() { "" } else { "were " };
        format!("{} {were}{what}", in_words(seconds.saturating_mul(1_000_000_000)))
    });
    let beside: Vec<String> = planned.into_iter().chain(asked).collect();
    let beside = if beside.is_empty() { String::new() } else { format!(", where {}", list(&beside)) };
    format!("It took {}{beside}", in_words(taken.total_ns()))
}
