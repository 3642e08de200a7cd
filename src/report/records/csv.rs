//! Several records as CSV: one row a model, metric and record, plain numbers, formula injection closed.

use super::labels::{Label, labels};
use crate::{
    analysis::{
        diff::ChangeKind,
        several::{MetricRow, Reading, Several, Standing},
    },
    report::{
        csv::{field, number, unit, verdict},
        text::shorten,
    },
};

const HEAD: &str =
    "model,metric,record,started_utc,cpu,value,low,high,unit,n,kind,change,change_low,change_high,verdict,not_compared";

/// Empty fields are unknown. `kind` says what a change is: ratio or difference.
pub(super) fn render(several: &Several) -> String {
    let labels = labels(several);
    let mut out = String::from(HEAD);
    out.push_str("\r\n");
    for model in &several.models {
        for row in &model.metrics {
            for (i, (reading, label)) in row.readings.iter().zip(&labels).enumerate() {
                let fields = fields(several, &model.name, row, (i, reading), label);
                out.push_str(&fields.join(","));
                out.push_str("\r\n");
            }
        }
    }
    out
}

fn fields(
    several: &Several,
    model: &str,
    row: &MetricRow,
    (record, reading): (usize, &Reading),
    label: &Label,
) -> [String; 16] {
    let side = &several.records[record].side;
    let m = reading.measured.value();
    let (change, judged, not_compared) = match &reading.against_first {
        Standing::Compared { change, verdict } => (Some(change), *verdict, None),
        Standing::Forbidden { by } => (None, None, Some(by)),
        Standing::First | Standing::NothingToCompare => (None, None, None),
    };
    [
        field(model),
        field(&row.metric),
        label.letter.clone(),
        field(&side.started_utc),
        field(&shorten(&side.cpu, 120)),
        number(m.and_then(|m| m.value)),
        number(m.and_then(|m| m.low)),
        number(m.and_then(|m| m.high)),
        unit(row.unit).into(),
        m.map_or_else(String::new, |m| m.n.to_string()),
        change.map(|c| kind(c.kind)).unwrap_or_default().into(),
        number(change.map(|c| c.value)),
        number(change.and_then(|c| c.low)),
        number(change.and_then(|c| c.high)),
        judged.map(verdict).unwrap_or_default().into(),
        not_compared.map_or_else(String::new, |by| field(by)),
    ]
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Ratio => "ratio",
        ChangeKind::Difference => "difference",
    }
}
