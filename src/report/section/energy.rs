//! Energy: joules for a token of the prompt and for a generated one, beside what the machine takes at rest.

use super::{
    choice::picture::{self, Across, Towards},
    metric::scale,
    names::{name, why_missing},
};
use crate::{
    analysis::{Analysis, ModelAnalysis},
    metric::MetricId,
    record::{EnergySources, Phase},
    report::{
        document::{Cell, Column, Section, Table},
        draw::canvas::DrawError,
        number::{in_percent, sig3},
        text::{inert_line, list},
    },
};

/// Nothing where no energy was counted.
pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    let ids = measured(analysis);
    let generation = ids.iter().find(|id| matches!(id, MetricId::Energy { phase: Phase::Decode, .. })).or(ids.first());
    let figure = match generation {
        Some(id) => picture::across(analysis, &across(analysis, id))?.map(|(figure, _)| figure),
        None => None,
    };
    Ok(Section {
        id: "energy",
        title: "Energy",
        lead: "What the machine's energy counters counted while a workload was timed, over its tokens. They count whoever caused it, so the \
               power at rest and all other programs are in it.",
        tables: vec![table(analysis, &ids)],
        figures: figure.into_iter().collect(),
    })
}

/// The energies that a model has, in the order people read them.
fn measured(analysis: &Analysis) -> Vec<MetricId> {
    let of = |m: &ModelAnalysis| m.metrics.iter().map(|metric| metric.id.clone()).collect::<Vec<_>>();
    let mut found: Vec<MetricId> = Vec::new();
    for id in analysis.models.iter().flat_map(of).filter(|id| matches!(id, MetricId::Energy { .. })) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

fn across(analysis: &Analysis, id: &MetricId) -> Across {
    let scale = scale(analysis, id);
    Across {
        chart: "energy",
        id: Some(id.clone()),
        title: "Divergence against energy",
        axis: format!("{}, {}", id.words(), scale.suffix),
        scale,
        better: Towards::Left("less energy"),
    }
}

/// One row a model and workload.
fn table(analysis: &Analysis, ids: &[MetricId]) -> Table {
    let columns = vec![Column::text("model"), Column::text("work"), Column::number("energy", "")];
    let mut rows = Vec::new();
    for m in &analysis.models {
        for id in ids {
            let what = match id {
                MetricId::Energy { phase: Phase::Prefill, .. } => "a token of the prompt",
                _ => "a generated token",
            };
            let scale = scale(analysis, id);
            let mut cell = Cell::metric(m.metric(id), m.comparison(id), scale, why_missing(m));
            if m.metric(id).is_some() {
                cell.text = format!("{} {}", cell.text, scale.suffix);
            }
            rows.push(vec![Cell::text(name(m)), Cell::text(format!("{what}: {}", id.words())), cell]);
        }
    }
    let mut table = Table::new("energy-table", "Energy of a token", columns, rows);
    table.notes = notes(analysis);
    table
}

fn notes(analysis: &Analysis) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(EnergySources { counted, absent, idle_watts, idle_s }) = &analysis.context.machine.energy {
        let inert = |words: &[String]| list(&words.iter().map(|word| inert_line(word)).collect::<Vec<_>>());
        notes.push(format!("Counted: {}.", inert(counted)));
        if !absent.is_empty() {
            notes.push(format!("Not counted: {}.", inert(absent)));
        }
        notes.extend(idle_watts.map(|watts| {
            format!(
                "At rest, for {} s before the first round, all of it took {} W. That is in the figures, not subtracted.",
                sig3(*idle_s),
                sig3(watts)
            )
        }));
    }
    if let Some(share) = analysis.context.other_cpu_share {
        notes.push(format!(
            "Other programs used {} % of the machine's CPU time (median over visits). Their energy is in the figures.",
            in_percent(share, None).value
        ));
    }
    notes.push("Fans, disks, the power supply's losses and other machines are not counted.".into());
    notes
}
