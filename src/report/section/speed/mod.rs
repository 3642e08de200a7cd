//! Speed: every metric over the rounds, and figures of what was timed.

mod ratio;
mod timeline;

use super::{
    findings,
    metric::{one_each, scale, synthetic, whiskers},
    names::{baseline, name, original, why_missing},
};
use crate::{
    analysis::Analysis,
    metric::{self, MetricId},
    record::Phase,
    report::{
        document::{Cell, Column, Figure, Section, Table, without_verdict, words},
        draw::{
            bars,
            canvas::{DrawError, Size},
        },
        figure::both,
        number::{fixed, sig3},
        text::inert_line,
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    let mut figures: Vec<Figure> = both(|size| ratio::figure(analysis, size))?.into_iter().collect();
    figures.extend(bars_each(analysis)?);
    figures.extend(timeline::figures(analysis)?);
    Ok(Section {
        id: "speed",
        title: "Speed",
        lead: "ppN is prompt processing of N tokens, and tgN the generation of N tokens, as llama-bench counts them. A ratio counts \
             as faster or slower only when its whole interval lies outside the shaded region of equivalence. The last column of the table \
             has the smallest difference that four of five such runs would have shown.",
        tables: vec![table(analysis)],
        figures,
    })
}

/// Level, interval, best, and what may be concluded against the original.
fn table(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("metric"),
        Column::text("unit"),
        Column::number("level", ""),
        Column::number("best seen", ""),
        Column::number("rounds", ""),
        Column::number("took", "s"),
        Column::number(&format!("against the {}", baseline(&analysis.context)), ""),
        Column::text("verdict"),
        Column::number("would show", "%"),
    ];
    let mut rows = Vec::new();
    for m in &analysis.models {
        // Categories and quality have sections of their own.
        let is_elsewhere =
            |id: &MetricId| matches!(id.spec().section, metric::Section::Prompts | metric::Section::Quality);
        for metric in m.metrics.iter().filter(|metric| !is_elsewhere(&metric.id)) {
            let scale = scale(analysis, &metric.id);
            let mut cell = Cell::metric(Some(metric), m.comparison(&metric.id), scale, why_missing(m));
            let (ratio, tone) = (cell.ratio.take(), cell.tone);
            let against = ratio.map_or_else(
                || Cell::text("—"),
                |r| Cell { text: r.value, brackets: r.brackets, plus_minus: r.plus_minus, tone, ..Cell::default() },
            );
            let compared = m.comparison(&metric.id);
            let verdict = compared.map(|c| c.verdict.map_or_else(|| without_verdict(&c.id).into(), words));
            let detectable = match compared {
                None => Cell::text("—"),
                Some(c) => Cell::maybe(c.detectable.map(|size| size * 100.0), sig3, without_verdict(&c.id)),
            };
            rows.push(vec![
                Cell::text(name(m)),
                Cell::text(inert_line(&metric.id.words())),
                Cell::text(scale.suffix),
                Cell { verdict: None, ..cell },
                Cell::maybe(metric.best, |v| scale.number(v), "not measured"),
                Cell::number(metric.n.to_string(), metric.n as f64),
                Cell::maybe(metric.cost_s, |s| fixed(s, 1), "came with other work"),
                against,
                Cell::text(verdict.unwrap_or_else(|| "—".into())),
                detectable,
            ]);
        }
    }
    let mut table = Table::new("metrics", "Every metric over the rounds", columns, rows);
    table.notes =
        original(analysis).and_then(|original| findings::overall_of_each(analysis, original)).into_iter().collect();
    table
}

/// One figure a workload.
fn bars_each(analysis: &Analysis) -> Result<Vec<Figure>, DrawError> {
    let measured = |id: &MetricId| analysis.models.iter().any(|m| m.metric(id).is_some());
    let draw = |(i, of): (usize, MetricId), size: Size| {
        let id = format!("chart-speed-{i}");
        let what = match &of {
            MetricId::PrefillDecode { .. } => "a prompt and what is generated after it",
            of if of.is_of(Phase::Prefill) => "prompt processing",
            _ => "generation",
        };
        let title = format!("{of}: {what}, tokens a second");
        let note = format!("More is better. {}", whiskers(analysis, &of));
        let svg = bars::draw(size, &id, &title, &one_each(analysis, &of, scale(analysis, &of)))?;
        Ok(Some(Figure { id, title, note, svg, narrow: None }))
    };
    let all = synthetic(analysis).into_iter().filter(measured).enumerate();
    all.filter_map(|(i, of)| both(|size| draw((i, of.clone()), size)).transpose()).collect()
}
