//! Generation against the memory: what a token reads, and the share of the measured bandwidth that is reached.

use super::names::name;
use crate::{
    analysis::{Analysis, Roofline, RooflineRow, Unit},
    record::MemoryBandwidth,
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::{Axis, grid_across, grid_up},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
            plot::{LEFT, MARGIN, ink, legend, legend_height, mark},
        },
        figure::both,
        number::{Scale, bytes, in_percent, sig3},
        text::{agree, counted, shorten},
    },
    units::{GIB, MIB},
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "bandwidth",
        title: "Memory bandwidth",
        lead: "To generate a token, a model reads all its weights and the KV cache so far, so the memory's bandwidth bounds the speed. Far \
             below it something else is the brake, mostly the arithmetic of unpacking a type.",
        tables: vec![table(analysis)],
        figures: both(|size| figure(analysis, size))?.into_iter().collect(),
    })
}

/// One row a model and generation workload; nothing where the bandwidth was not measured.
fn table(analysis: &Analysis) -> Table {
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
            Cell::text(r.key.to_string()),
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
        notes.push("Over 100 % with larger weights means that the memory gave less when it was measured than in the rounds, as on shared machines.".into());
    }
    notes
}

/// How the bandwidth was measured, with the figure.
pub(super) fn measured(bandwidth: &MemoryBandwidth) -> String {
    let MemoryBandwidth { bytes_per_s, n_threads, buffer_bytes, cache_bytes, passes } = bandwidth;
    let cache = cache_bytes.map_or_else(
        || "the caches' size is not known".to_owned(),
        |b| format!("last-level cache {}", bytes(b as f64)),
    );
    let buffer = bytes(*buffer_bytes as f64);
    let reading = format!("{} {} {buffer}", counted(*n_threads, "thread"), agree(*n_threads as usize, "reads", "read"));
    format!(
        "Before the first round the memory gave {} GiB/s: {reading} ({cache}), the best of {}.",
        sig3(bytes_per_s / GIB),
        counted(*passes, "pass"),
    )
}

const PLOT: i32 = 260;
const FOOT: i32 = 40;
/// The line goes so far beyond the outermost models.
const BEYOND: f64 = 1.25;

/// A model's place: MiB a token, tokens a second with their interval.
struct Place {
    label: String,
    mib: f64,
    tps: f64,
    range: Option<(f64, f64)>,
}

fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let right = size.width - MARGIN;
    let Some(roofline) = &analysis.roofline else { return Ok(None) };
    let Some(first) = roofline.rows.first() else { return Ok(None) };
    let gives_mib = roofline.bandwidth.bytes_per_s / MIB;
    let places: Vec<Place> =
        roofline.rows.iter().filter(|r| r.key == first.key).filter_map(|r| place(analysis, r)).collect();
    let (least, most) = places.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), p| (l.min(p.mib), h.max(p.mib)));
    let line = [least / BEYOND, most * BEYOND].map(|mib| (mib, gives_mib / mib));
    let top = legend_height(places.len() + 1);
    let (roof, floor) = (top + 10, top + PLOT);
    let rates = places.iter().flat_map(|p| [Some(p.tps), p.range.map(|r| r.0), p.range.map(|r| r.1)]).flatten();
    let across = Axis::holding(line.iter().map(|(mib, _)| *mib), (LEFT, right));
    let up = Axis::holding(rates.chain(line.iter().map(|(_, tps)| *tps)), (floor, roof));
    let (Some(across), Some(up)) = (across, up) else { return Ok(None) };
    let bound = format!("measured bandwidth, {} GiB/s", sig3(roofline.bandwidth.bytes_per_s / GIB));
    let title = format!("{}: generation against what the memory gives", first.key);
    let desc = places.iter().map(|p| p.label.clone()).collect::<Vec<_>>().join("; ");
    let id = "chart-bandwidth";
    let svg = svg(&size.id(id), &title, &format!("{bound}; {desc}"), (size.width, top + PLOT + FOOT), |canvas| {
        let labels: Vec<String> = places.iter().map(|p| p.label.clone()).collect();
        legend(canvas, &labels);
        bound_legend(canvas, legend_height(places.len()), &bound);
        grid_across(canvas, &across.decades(), roof, floor);
        grid_up(canvas, &up.decades(), right);
        let at = |(mib, tps): (f64, f64)| (across.at(mib), up.at(tps));
        canvas.line(Ink::Text, at(line[0]), at(line[1]), 2);
        for (series, p) in places.iter().enumerate() {
            if let Some((low, high)) = p.range {
                canvas.line(ink(series), at((p.mib, low)), at((p.mib, high)), 2);
            }
            mark(canvas, series, at((p.mib, p.tps)));
        }
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (right, top + PLOT + 28), "MiB read a token");
        canvas.text(Ink::Muted, Face::Small, Anchor::Start, (LEFT + 4, roof - 4), "tokens a second");
    })?;
    let note = format!(
        "Logarithmic. The nearer a model lies to the line, the less is left to gain on this memory. {}",
        measured(&roofline.bandwidth)
    );
    Ok(Some(Figure { id: id.into(), title, note, svg, narrow: None }))
}

fn place(analysis: &Analysis, row: &RooflineRow) -> Option<Place> {
    let model = analysis.models.get(row.model)?;
    let speed = model.metric(&row.key)?;
    let tps = speed.value?;
    Some(Place {
        label: format!("{}, {} % of the bandwidth", shorten(&name(model), 40), in_percent(row.share, None).value),
        mib: row.bytes_per_s / tps / MIB,
        tps,
        range: speed.low.zip(speed.high),
    })
    .filter(|p| p.mib > 0.0 && p.tps > 0.0)
}

fn bound_legend(canvas: &mut Canvas<'_>, y: i32, bound: &str) {
    canvas.line(Ink::Text, (2, y), (22, y), 2);
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (30, y), bound);
}
