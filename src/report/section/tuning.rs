//! Tuning: the settings to run, and what became of everything that was tried.

use crate::{
    analysis::Analysis,
    report::{
        document::{Cell, Column, Section, Table},
        tune,
    },
};

pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "tuning",
        title: "Tuning",
        lead: "One setting after the other was raced, each from the best of those before. The rounds of this report came afterwards and \
               chose nothing, so having been picked as the best is no part of these figures.",
        tables: analysis.tuning.iter().map(|found| table(analysis, found)).collect(),
        figures: Vec::new(),
    }
}

fn table(analysis: &Analysis, found: &crate::analysis::TuneConclusion) -> Table {
    let columns = vec![Column::text("setting"), Column::text("what became of it")];
    let rows = tune::history(found).into_iter().map(|row| row.into_iter().map(Cell::text).collect()).collect();
    let mut table = Table::new("tuning-table", "What was tried", columns, rows);
    if !found.keeps_limits {
        return table;
    }
    let [server, benches] = tune::commands(analysis, found, None);
    table.notes = server.into_iter().chain(benches).collect();
    table
}
