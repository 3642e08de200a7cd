//! What a type of the KV cache costs and buys: the same file with other cache types, its output and its speed as the context grows.

use super::{
    depth::{Sweep, all_sweeps},
    metric::{curve, whiskers},
    names::{name, why_missing},
    quality::{
        bins::{self, PositionMean},
        cells::{NOT_COMPARED, kld_of, mark},
    },
};
use crate::{
    analysis::{Analysis, ModelAnalysis, TaskAnalysis},
    metric::MetricId,
    record::{Role, Subject, TaskKind},
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::Spacing,
            canvas::{DrawError, Size},
            curves::{Curve, Panel, Panels, Point, draw},
        },
        figure::both,
        number::{bytes, nats, or_unknown, percent, sig3},
        section::metric::scale,
        text::shorten,
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    let group = Group::of(analysis);
    Ok(Section {
        id: "kv-cache",
        title: "KV-cache types",
        lead: "The same file with other types of the KV cache, so whatever differs here is their doing. Divergence is from the first of \
             them, by the position of the token. Speed is at each depth of context that was asked for.",
        tables: group.iter().flat_map(|group| [costs(analysis, group), positions(group)]).collect(),
        figures: match &group {
            Some(group) => both(|size| figure(analysis, size, group))?.into_iter().collect(),
            None => Vec::new(),
        },
    })
}

/// Subjects that differ in the types of their KV cache and in nothing else; the original is the first.
struct Group<'a> {
    members: Vec<(&'a Subject, &'a ModelAnalysis, usize)>,
}

impl<'a> Group<'a> {
    fn of(analysis: &'a Analysis) -> Option<Self> {
        let subjects = &analysis.context.subjects;
        let base = subjects.iter().find(|subject| subject.role == Role::Original)?;
        let all = subjects.iter().zip(&analysis.models).zip(0..);
        let belongs = |own: &Subject| std::ptr::eq(own, base) || own.differs_in_cache_types_alone(base);
        let mut members: Vec<_> =
            all.filter(|((own, _), _)| belongs(own)).map(|((own, model), at)| (own, model, at)).collect();
        members.sort_by_key(|(own, ..)| own.role != Role::Original);
        (members.len() > 1).then_some(Self { members })
    }

    fn models(&self) -> impl Iterator<Item = &'a ModelAnalysis> {
        self.members.iter().map(|(_, model, _)| *model)
    }
}

/// What the whole cache costs: its memory, and the divergence that comes of it.
fn costs(analysis: &Analysis, group: &Group<'_>) -> Table {
    let recall: Vec<&TaskAnalysis> = recall(analysis).collect();
    let speeds: Vec<MetricId> =
        all_sweeps(analysis).into_iter().flat_map(|sweep| sweep.ids).map(|(_, id)| id).collect();
    let mut columns = vec![
        Column::text("model"),
        Column::text("K cache"),
        Column::text("V cache"),
        Column::number("cache, by its header", ""),
        Column::number("mean KLD", "nats"),
    ];
    columns.extend(recall.iter().map(|task| Column::number(&shorten(&task.name, 40), "% right")));
    columns.extend(speeds.iter().map(|id| Column::number(&id.to_string(), scale(analysis, id).suffix)));
    let row = |(subject, m, at): &(&Subject, &ModelAnalysis, usize)| {
        let cached = subject.model.facts.as_ref().and_then(|facts| facts.expected_kv_bytes);
        let kld = m.quality.as_ref().and_then(|q| q.overall.as_ref()).map(|figures| figures.kld_mean_nats);
        let mut cells = vec![
            Cell::text(name(m)),
            Cell::text(subject.settings.type_k.name()),
            Cell::text(subject.settings.type_v.name()),
            Cell::text(or_unknown(cached.map(|n| n as f64), bytes)),
            match kld {
                Some(kld) => kld_of(m, kld),
                None if subject.role == Role::Original => Cell::text("—"),
                None => Cell::unknown(NOT_COMPARED),
            },
        ];
        cells.extend(recall.iter().map(|task| {
            let score = task.models.get(*at).and_then(|own| own.score);
            Cell::maybe(score.map(|score| score.value), |share| percent(share).replace("\u{a0}%", ""), "not asked")
        }));
        cells.extend(
            speeds.iter().map(|id| Cell::metric(m.metric(id), m.comparison(id), scale(analysis, id), why_missing(m))),
        );
        cells
    };
    Table::new(
        "kv-cache-table",
        "Each cache type (-ctk, -ctv) beside the first",
        columns,
        group.members.iter().map(row).collect(),
    )
}

/// Mean KLD at each part of the window.
fn positions(group: &Group<'_>) -> Table {
    let all: Vec<(&ModelAnalysis, Vec<PositionMean>)> = by_position(group).collect();
    let parts: Vec<(usize, usize)> =
        all.first().map_or_else(Vec::new, |(_, parts)| parts.iter().map(|p| (p.from, p.to)).collect());
    let mut columns = vec![Column::text("model")];
    columns.extend(parts.iter().map(|(from, to)| Column::number(&format!("{from}–{}", to.saturating_sub(1)), "nats")));
    let rows = all.iter().filter(|(_, own)| own.len() == parts.len()).map(|(m, own)| {
        let mut cells = vec![Cell::text(name(m))];
        let kld = |part: &PositionMean| {
            Cell::maybe(part.mean_nats, |mean| format!("{}{}", mark(m), nats(mean)), "no token was scored here")
        };
        cells.extend(own.iter().map(kld));
        cells
    });
    let mut table = Table::new("kv-cache-positions", "Mean KLD by the position of the token", columns, rows.collect());
    if !table.rows.is_empty() {
        table.notes.push(
            "The second half of each window is scored: --ctx, or the greatest --depth, says how deep it reaches."
                .into(),
        );
    }
    table
}

fn by_position<'a>(group: &Group<'a>) -> impl Iterator<Item = (&'a ModelAnalysis, Vec<PositionMean>)> {
    group.models().filter_map(|m| Some((m, bins::by_position(m.quality.as_ref()?)?)))
}

fn recall(analysis: &Analysis) -> impl Iterator<Item = &TaskAnalysis> {
    analysis.tasks.iter().filter(|task| matches!(task.kind, TaskKind::Recall { .. }))
}

/// Divergence, recall and speed of each cache type over one axis: tokens in the context.
fn figure(analysis: &Analysis, size: Size, group: &Group<'_>) -> Result<Option<Figure>, DrawError> {
    let label = |m: &ModelAnalysis| shorten(&name(m), 40);
    let divergence = |m: &ModelAnalysis| {
        let parts = m.quality.as_ref().and_then(bins::by_position).unwrap_or_default();
        let point = |part: &PositionMean| {
            let x = (part.from + part.to) as f64 / 2.0;
            Some(Point { x, y: part.mean_nats?, range: None })
        };
        Curve { name: label(m), points: parts.iter().filter_map(point).collect() }
    };
    let right = |(_, m, at): &(&Subject, &ModelAnalysis, usize)| {
        let point = |task: &TaskAnalysis| {
            let own = task.models.get(*at)?;
            let score = own.score.filter(|_| own.longest_tokens > 0)?;
            let range = Some((score.low * 100.0, score.high * 100.0));
            Some(Point { x: f64::from(own.longest_tokens), y: score.value * 100.0, range })
        };
        Curve { name: label(m), points: recall(analysis).filter_map(point).collect() }
    };
    let speeds = all_sweeps(analysis);
    let panel = |title: &str, written, curves: Vec<Curve>| Panel { title: title.into(), written, curves };
    let mut panels = vec![
        panel("mean KLD, nats (less is better)", nats, group.models().map(divergence).collect()),
        panel("recall, % right", sig3, group.members.iter().map(right).collect()),
    ];
    panels.extend(speeds.iter().map(|Sweep { work, ids }| {
        let of = |m: &ModelAnalysis| curve(m, ids.iter().map(|(n_depth, id)| (*n_depth, id)));
        panel(&format!("{work}, tokens a second"), sig3, group.models().map(of).collect())
    }));
    panels.retain(|panel| panel.curves.iter().any(|curve| !curve.points.is_empty()));
    if panels.is_empty() {
        return Ok(None);
    }
    let (id, title) = ("chart-kv-cache", "Output and speed of each cache type as the context grows");
    let svg = draw(size, &Panels { id, title, across: "tokens in the context", spacing: Spacing::Linear, panels })?;
    let first = speeds.first().and_then(|sweep| sweep.ids.first());
    let whiskers = first.map_or_else(String::new, |(_, id)| format!(" {}", whiskers(analysis, id)));
    let note = format!("KLD is from the first, which does not diverge from itself and has no line there.{whiskers}");
    Ok(Some(Figure { id: id.into(), title: title.into(), note, svg, narrow: None }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        analysis::{analyse, diff::tests::outputs::with_outputs},
        record::{CacheType, Run, Settings},
        report::tests::fixture,
    };

    /// The same file three times, its K cache in three types.
    fn caches() -> Run {
        let mut run = with_outputs(fixture::run(), |window| 0.01 + 0.001 * window as f64);
        let original = run.subjects.iter().position(|subject| subject.role == Role::Original).unwrap();
        let base = run.subjects[original].clone();
        let candidates = run.subjects.iter_mut().filter(|subject| subject.role == Role::Candidate);
        for (subject, type_k) in candidates.zip([CacheType::Q8_0, CacheType::Q4_0]) {
            subject.model = base.model.clone();
            subject.settings = Settings { type_k, ..base.settings.clone() };
        }
        run
    }

    fn of(run: &Run) -> (Vec<String>, usize) {
        let Section { tables, figures, .. } = section(&analyse(run)).unwrap();
        let types = tables.iter().filter(|table| table.id == "kv-cache-table").flat_map(|table| &table.rows);
        (types.map(|row| row[1].text.clone()).collect(), figures.len())
    }

    #[test]
    fn what_differs_in_its_cache_alone_stands_together() {
        let mut run = caches();
        assert_eq!(of(&run), (vec!["f16".into(), "q8_0".into(), "q4_0".into()], 1));
        run.subjects[2].settings.n_threads += 1;
        assert_eq!(of(&run), (vec!["f16".into(), "q8_0".into()], 1), "another setting is another cause");
        run.subjects[1].model.file = "another.gguf".into();
        if let Some(facts) = &mut run.subjects[1].model.facts {
            facts.sha256 = Some("another".into());
        }
        assert_eq!(of(&run), (Vec::new(), 0), "so is another file");
    }
}
