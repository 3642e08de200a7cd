//! The table of generation against the memory: what a token reads, and the share of the measured bandwidth that is reached.

use super::{
    names::name,
    table::{Cell, Column, Table},
};
use crate::{
    analysis::{Analysis, Roofline, RooflineRow, Unit},
    record::MemoryBandwidth,
    report::{
        format::{Scale, bytes, in_percent, sig3},
        text::inert_line,
    },
    units::GIB,
};

/// One row a model and generation workload; nothing where the bandwidth was not measured.
pub(super) fn shares(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("work"),
        Column::number("weights a token", "MiB"),
        Column::number("KV cache a token", "MiB"),
        Column::number("reads", "GiB/s"),
        Column::number("of the bandwidth", "%"),
    ];
    let of = |r: &RooflineRow| {
        let mib = Scale::of(Unit::Bytes, crate::units::MIB);
        let spread = in_percent(r.share, r.low.zip(r.high));
        Some(vec![
            Cell::text(name(analysis.models.get(r.model)?)),
            Cell::text(inert_line(&r.key)),
            Cell::number(mib.number(r.weights_bytes as f64), r.weights_bytes as f64),
            Cell::maybe(r.kv_bytes, |b| mib.number(b), "does not follow from the header"),
            Cell::number(sig3(r.bytes_per_s / GIB), r.bytes_per_s),
            Cell { brackets: spread.brackets, plus_minus: spread.plus_minus, ..Cell::number(spread.value, r.share) },
        ])
    };
    let rows = analysis.roofline.iter().flat_map(|r| &r.rows).filter_map(of).collect();
    let mut table = Table::new("bandwidth-table", "What generation reads, and what the memory gives", columns, rows);
    table.notes = analysis.roofline.iter().flat_map(notes).collect();
    table
}

fn notes(Roofline { bandwidth, rows }: &Roofline) -> Vec<String> {
    let mut notes = vec![format!("{} Intervals are those of the speed.", measured(bandwidth))];
    let over: Vec<&RooflineRow> = rows.iter().filter(|r| r.share > 1.0).collect();
    let held = |r: &&RooflineRow| bandwidth.cache_bytes.is_none_or(|cache| r.weights_bytes <= cache);
    if over.iter().any(held) {
        let cache = bandwidth.cache_bytes.map_or(String::new(), |b| format!(" of {}", bytes(b as f64)));
        notes.push(format!("Over 100 % is possible where weights stay in the CPU's cache{cache} from token to token."));
    }
    if !over.iter().all(held) {
        notes.push("Over 100 % with weights larger than that: the memory gave less when it was measured than during the rounds, as on machines that are shared.".into());
    }
    notes
}

/// How the bandwidth was measured, with the figure.
pub(in crate::report) fn measured(bandwidth: &MemoryBandwidth) -> String {
    let MemoryBandwidth { bytes_per_s, n_threads, buffer_bytes, cache_bytes, passes } = bandwidth;
    let cache = cache_bytes.map_or_else(
        || "the caches' size is not known".to_owned(),
        |b| format!("last-level cache {}", bytes(b as f64)),
    );
    let threads = if *n_threads == 1 { "thread" } else { "threads" };
    format!(
        "The memory gave {} GiB/s: {n_threads} {threads} reading {} ({cache}), the best of {passes} passes, before the first round.",
        sig3(bytes_per_s / GIB),
        bytes(*buffer_bytes as f64)
    )
}
