//! Every sample in time order as a deviation from its model's own median: drift and disturbances show as slopes and steps.

use crate::{
    analysis::{Analysis, ModelAnalysis, Unit},
    record::Run,
    report::{
        document::Figure,
        draw::{
            axis::{Axis, Spacing, time_across},
            canvas::{Anchor, Canvas, DrawError, Face, Ink, WIDTH, svg},
        },
        format::{percent, quantity},
        section::{metric::synthetic, names::name},
        text::{inert_line, shorten},
    },
    stats,
    units::{NS_PER_S, tokens_per_second},
};

const STRIP: i32 = 74;
const HEAD: i32 = 22;
const FOOT: i32 = 28;
const LEFT: i32 = 54;

/// A model's samples: seconds since the run began, and share above or below its median.
struct Strip {
    head: String,
    points: Vec<(f64, f64)>,
    /// Where the drift begins and ends, when there is one.
    drift: Option<[(f64, f64); 2]>,
}

/// A drift is marked when it is this unlikely to be chance, and relevant.
const CHANCE: f64 = 0.05;

/// One figure for the first workload of each kind.
pub(super) fn figures(run: &Run, analysis: &Analysis) -> Result<Vec<Figure>, DrawError> {
    let keys = synthetic(run);
    let firsts = ["tg", "pp"].iter().filter_map(|kind| keys.iter().find(|k| k.starts_with(kind)));
    firsts.filter_map(|key| figure(run, analysis, key).transpose()).collect()
}

fn figure(run: &Run, analysis: &Analysis, key: &str) -> Result<Option<Figure>, DrawError> {
    let Some(workload) = run.plan.workloads.iter().position(|w| w.id == key) else { return Ok(None) };
    let strips: Vec<Strip> = (0..)
        .zip(&analysis.models)
        .filter_map(|(i, m)| strip(run, analysis.equivalence, i, m, (key, workload)))
        .collect();
    let points = || strips.iter().flat_map(|s| &s.points);
    let end = points().map(|p| p.0).fold(0.0, f64::max);
    if end <= 0.0 {
        return Ok(None);
    }
    let reach = points().map(|p| p.1.abs()).fold(0.01, f64::max);
    let id = format!("chart-time-{}", if key.starts_with("pp") { "pp" } else { "tg" });
    let title = format!("{} over the run, from each model's median", inert_line(key));
    let desc = strips.iter().map(|s| s.head.clone()).collect::<Vec<_>>().join("; ");
    let height = FOOT + i32::try_from(strips.len()).unwrap_or(0) * STRIP;
    let x = Axis::up_to(end, (LEFT, WIDTH - 12));
    let svg = svg(&id, &title, &desc, height, |canvas| {
        for (i, strip) in (0_i32..).zip(&strips) {
            draw_strip(canvas, strip, i * STRIP, reach, &x);
        }
        time_across(canvas, &x, end, height - FOOT);
    })?;
    let note =
        "Every sample, as taken. An orange line marks a drift over the rounds that chance hardly explains; a step that all models share is the machine, not the model.".into();
    Ok(Some(Figure { id, section: "speed", title, note, svg }))
}

fn strip(
    run: &Run,
    equivalence: f64,
    model: usize,
    m: &ModelAnalysis,
    (key, workload): (&str, usize),
) -> Option<Strip> {
    let median = m.metric(key)?.value.filter(|v| *v > 0.0)?;
    let visits = run.rounds.iter().flat_map(|r| &r.visits).filter(|v| v.model == model);
    let points: Vec<(f64, f64)> = visits
        .flat_map(|v| &v.samples)
        .filter(|s| s.workload == workload)
        .filter_map(|s| {
            let rate = tokens_per_second(s.n_tokens.into(), s.native_ns.unwrap_or(s.wall_ns))?;
            Some((s.at_ns as f64 / NS_PER_S, rate / median - 1.0))
        })
        .collect();
    let drift = drift(run, model, workload, median).filter(|[from, to]| (to.1 - from.1).abs() > equivalence);
    let drifted = drift.map_or(String::new(), |[from, to]| format!(", drift {} over the run", signed(to.1 - from.1)));
    let head = format!("{}, median {}{drifted}", shorten(&name(m), 30), quantity(Unit::TokensPerSecond, median));
    (!points.is_empty()).then_some(Strip { head, points, drift })
}

/// The trend of the visits' medians from the first to the last (Theil–Sen), when Kendall's test finds one.
fn drift(run: &Run, model: usize, workload: usize, median: f64) -> Option<[(f64, f64); 2]> {
    let visits = run.rounds.iter().flat_map(|r| &r.visits).filter(|v| v.model == model);
    let datum = |v: &crate::record::Visit| {
        let own: Vec<_> = v.samples.iter().filter(|s| s.workload == workload).collect();
        let rate = |s: &&crate::record::Sample| tokens_per_second(s.n_tokens.into(), s.native_ns.unwrap_or(s.wall_ns));
        let rates: Vec<f64> = own.iter().filter_map(rate).collect();
        Some((own.first()?.at_ns as f64 / NS_PER_S, stats::median(&rates).ok()? / median - 1.0))
    };
    let (at, share): (Vec<f64>, Vec<f64>) = visits.filter_map(datum).unzip();
    let trend = stats::theil_sen(&at, &share).ok().filter(|t| t.p_value < CHANCE)?;
    let through = stats::median(&at.iter().zip(&share).map(|(x, y)| y - trend.slope * x).collect::<Vec<_>>()).ok()?;
    let end = |x: f64| (x, through + trend.slope * x);
    Some([end(*at.first()?), end(*at.last()?)])
}

fn signed(share: f64) -> String {
    format!("{}{}", if share > 0.0 { "+" } else { "" }, percent(share))
}

fn draw_strip(canvas: &mut Canvas<'_>, strip: &Strip, top: i32, reach: f64, x: &Axis) {
    let y = Axis::new(Spacing::Linear, (-reach, reach), (top + STRIP - 8, top + HEAD));
    canvas.text(Ink::Text, Face::Normal, Anchor::Start, (LEFT, top + 12), &strip.head);
    for (share, ink) in [(reach, Ink::Grid), (0.0, Ink::Muted), (-reach, Ink::Grid)] {
        canvas.line(ink, (LEFT, y.at(share)), (WIDTH - 12, y.at(share)), 1);
    }
    for share in [reach, -reach] {
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (LEFT - 6, y.at(share)), &signed(share));
    }
    for (at, share) in &strip.points {
        canvas.dot(Ink::Candidate, (x.at(*at), y.at(*share)), 2, true);
    }
    if let Some([from, to]) = strip.drift {
        canvas.line(Ink::Worse, (x.at(from.0), y.at(from.1)), (x.at(to.0), y.at(to.1)), 2);
    }
}
