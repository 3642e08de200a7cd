//! Loading: the time of every model, and what the page cache held.

use super::{
    metric::{one_each, scale, whiskers},
    names::name,
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    metric::MetricId,
    record::CacheState,
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            bars,
            canvas::{DrawError, Size},
        },
        figure::both,
        number::{seconds, sig3},
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "load",
        title: "Load",
        lead: "Time to load the model alone, without its context. Warm means that the page cache held the file.",
        tables: vec![table(analysis)],
        figures: both(|size| figure(analysis, size))?.into_iter().collect(),
    })
}

fn table(analysis: &Analysis) -> Table {
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
            Cell::maybe(l.gib_per_s, sig3, "only a cold load reads the file"),
            Cell::text(cache),
            Cell::maybe(l.first_cold_s, seconds, "none was cold"),
            Cell::number(l.n.to_string(), l.n as f64),
        ])
    };
    Table::new("load-table", "Loads over the rounds", columns, analysis.models.iter().filter_map(row).collect())
}

fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    if analysis.models.iter().all(|m| m.metric(&MetricId::Load).is_none()) {
        return Ok(None);
    }
    let scale = scale(analysis, &MetricId::Load);
    let title = format!("Load time, {}", scale.suffix);
    let svg = bars::draw(size, "chart-load", &title, &one_each(analysis, &MetricId::Load, scale))?;
    let note = format!("Less is better. The model alone, without its context. {}", whiskers(analysis, &MetricId::Load));
    Ok(Some(Figure { id: "chart-load".into(), title, note, svg, narrow: None }))
}
