//! The table of loads.

use super::{
    names::name,
    table::{Cell, Column, Table},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    record::CacheState,
    report::format::{seconds, sig3},
};

pub(super) fn load(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::number("model", ""),
        Column::number("context", ""),
        Column::number("rate", "GiB/s"),
        Column::text("page cache"),
        Column::number("first cold load", ""),
        Column::number("loads", ""),
    ];
    let row = |m: &ModelAnalysis| {
        let l = m.load.as_ref()?;
        let cache = match l.cache {
            CacheState::Warm => "warm",
            CacheState::Cold => "cold",
            CacheState::Unknown => "n/a: not readable here",
        };
        Some(vec![
            Cell::text(name(m)),
            Cell::number(seconds(l.model_s), l.model_s),
            Cell::number(seconds(l.context_s), l.context_s),
            Cell::maybe(l.gib_per_s, sig3, "no time passed"),
            Cell::text(cache),
            Cell::maybe(l.first_cold_s, seconds, "none was cold"),
            Cell::number(l.n.to_string(), l.n as f64),
        ])
    };
    Table::new("load-table", "Loads, medians over rounds", columns, analysis.models.iter().filter_map(row).collect())
}
