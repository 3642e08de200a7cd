//! The recommendation: what to take, by which rule, and how each of the others stands.

pub(crate) mod limits;
pub(crate) mod picture;
pub(crate) mod words;

use super::{
    metric::scale,
    names::{name, why_missing},
    quality::cells::{NOT_COMPARED, kld_of},
};
use crate::{
    analysis::{Analysis, Axis, ModelAnalysis, Unit},
    metric::MetricId,
    record::{Phase, Role},
    report::{
        document::{Cell, Column, Section, Table},
        number::Scale,
        text::list,
    },
};
use words::{first_tg, weights, why};

pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "choice",
        title: "Choice",
        lead: "How each model stands by the rule. A limit is kept only by a whole interval. What intervals can't tell apart counts as equal.",
        tables: vec![table(analysis)],
        figures: Vec::new(),
    }
}

/// One row a model: the respects that count, what dominates it, what became of it.
fn table(analysis: &Analysis) -> Table {
    let tg = first_tg(analysis);
    let tg = tg.as_ref();
    let is_weights = |id: &MetricId| (0..analysis.models.len()).any(|model| weights(analysis, model) == *id);
    let on_device = is_weights(&MetricId::DeviceMemory);
    let memory_id = if on_device { MetricId::DeviceMemory } else { MetricId::PeakMemory };
    let (speed, memory) = (tg.map(|id| scale(analysis, id)), scale(analysis, &memory_id));
    let request = analysis.models.iter().any(|m| m.metric(&MetricId::Request).is_some());
    let request = request.then(|| scale(analysis, &MetricId::Request));
    let mut columns = vec![Column::text("model"), Column::number("mean KLD", "nats")];
    columns.extend(request.map(|scale| Column::number("request", scale.suffix)));
    columns.extend(tg.zip(speed).map(|(id, scale)| Column::number(&id.to_string(), scale.suffix)));
    let by_memory = (0..).zip(&analysis.models).any(|(i, m)| m.metric(&weights(analysis, i)).is_some());
    let sizes = Scale::for_all(Unit::Bytes, analysis.models.iter().filter_map(|m| m.size_bytes).map(|b| b as f64));
    columns.push(if by_memory {
        Column::number(if on_device { "device memory" } else { "peak memory" }, memory.suffix)
    } else {
        Column::number("file", sizes.suffix)
    });
    columns.extend([Column::text("dominated by"), Column::text("outcome")]);
    let row = |(i, m): (usize, &ModelAnalysis)| {
        let divergence = m.quality.as_ref().and_then(|q| q.overall.as_ref()).map(|f| f.kld_mean_nats);
        let mut cells = vec![Cell::text(name(m))];
        cells.push(match divergence {
            Some(f) => kld_of(m, f),
            None if m.role == Role::Original => Cell::text("—"),
            None => Cell::unknown(NOT_COMPARED),
        });
        let of = |key: &MetricId, scale| Cell::metric(m.metric(key), None, scale, why_missing(m));
        cells.extend(request.map(|scale| of(&MetricId::Request, scale)));
        cells.extend(tg.zip(speed).map(|(key, scale)| of(key, scale)));
        cells.push(if by_memory {
            of(&weights(analysis, i), memory)
        } else {
            Cell::maybe(m.size_bytes.map(|b| b as f64), |b| sizes.number(b), "file not read")
        });
        let by: Vec<String> = analysis
            .advice
            .standings
            .get(i)
            .iter()
            .flat_map(|s| &s.dominated_by)
            .map(|&d| name(&analysis.models[d]))
            .collect();
        cells.push(Cell::text(if by.is_empty() { "—".into() } else { list(&by) }));
        let why = why(analysis, &analysis.advice, i);
        cells.push(Cell::text(if why.is_empty() { "—".to_owned() } else { why }));
        cells
    };
    let mut table = Table::new(
        "standings",
        "How each model stands",
        columns,
        analysis.models.iter().enumerate().map(row).collect(),
    );
    table.notes.push(words::rule(&analysis.advice));
    table.notes.push(format!(
        "A model is dominated when another within the limits is nowhere relevantly worse and somewhere better. What counts: {}, each by an \
         interval of its own.",
        list(&axes(analysis, tg, by_memory))
    ));
    table
}

/// The respects that count, in words.
fn axes(analysis: &Analysis, tg: Option<&MetricId>, by_memory: bool) -> Vec<String> {
    let mut all = Vec::new();
    if analysis.advice.rule.by == Axis::Divergence {
        all.push("mean KLD".to_owned());
    }
    if analysis.advice.rule.by == Axis::Request {
        all.push("the time of a request".to_owned());
    }
    if analysis.advice.rule.by == Axis::Energy {
        all.push("energy of a token".to_owned());
    }
    all.extend(tg.map(|_| "generation".to_owned()));
    if analysis.models.iter().any(|m| m.metrics.iter().any(|metric| metric.id.is_of(Phase::Prefill))) {
        all.push("prompt processing".into());
    }
    all.push(if by_memory { "memory where the weights lie" } else { "size of the file" }.into());
    all
}
