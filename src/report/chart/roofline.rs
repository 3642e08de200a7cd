//! Generation against the memory: tokens a second over bytes a token, and the line that measured bandwidth draws.

use super::Chart;
use crate::report::draw::{
    axis::{Axis, grid_across, grid_up},
    canvas::{Anchor, Canvas, DrawError, Face, Ink, WIDTH, svg},
    plot::{LEFT, RIGHT, ink, legend, legend_height, mark},
};
use crate::{
    analysis::{Analysis, RooflineRow},
    report::{
        format::{in_percent, sig3},
        text::{inert_line, shorten},
        view::{names::name, roofline::measured},
    },
    units::{GIB, MIB},
};

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

pub(super) fn chart(analysis: &Analysis) -> Result<Option<Chart>, DrawError> {
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
    let across = Axis::holding(line.iter().map(|(mib, _)| *mib), (LEFT, RIGHT));
    let up = Axis::holding(rates.chain(line.iter().map(|(_, tps)| *tps)), (floor, roof));
    let (Some(across), Some(up)) = (across, up) else { return Ok(None) };
    let bound = format!("measured bandwidth, {} GiB/s", sig3(roofline.bandwidth.bytes_per_s / GIB));
    let title = format!("{}: generation against what the memory gives", inert_line(&first.key));
    let desc = places.iter().map(|p| p.label.clone()).collect::<Vec<_>>().join("; ");
    let id = "chart-bandwidth";
    let svg = svg(id, &title, &format!("{bound}; {desc}"), top + PLOT + FOOT, |canvas| {
        let labels: Vec<String> = places.iter().map(|p| p.label.clone()).collect();
        legend(canvas, &labels);
        bound_legend(canvas, legend_height(places.len()), &bound);
        grid_across(canvas, &across.decades(), roof, floor);
        grid_up(canvas, &up.decades(), RIGHT);
        let at = |(mib, tps): (f64, f64)| (across.at(mib), up.at(tps));
        canvas.line(Ink::Text, at(line[0]), at(line[1]), 2);
        for (series, p) in places.iter().enumerate() {
            if let Some((low, high)) = p.range {
                canvas.line(ink(series), at((p.mib, low)), at((p.mib, high)), 2);
            }
            mark(canvas, series, at((p.mib, p.tps)));
        }
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (RIGHT, top + PLOT + 28), "MiB read a token");
        canvas.text(Ink::Muted, Face::Small, Anchor::Start, (LEFT + 4, roof - 4), "tokens a second");
    })?;
    let note = format!(
        "Logarithmic. The nearer a model lies to the line, the less is left to gain on this memory. {}",
        measured(&roofline.bandwidth)
    );
    Ok(Some(Chart { id: id.into(), section: "bandwidth", title, note, svg }))
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
    canvas.text(
        Ink::Text,
        Face::Normal,
        Anchor::Start,
        (30, y),
        &shorten(bound, usize::try_from(WIDTH / 8).unwrap_or(60)),
    );
}
