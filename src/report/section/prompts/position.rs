//! Speed of answering against the position in the context: prompt and answer so far, in bins, one line a model.

use crate::{
    analysis::Analysis,
    record::{Run, datum::visits},
    report::{
        document::Figure,
        draw::{
            axis::Spacing,
            canvas::DrawError,
            curves::{Curve, Panel, Panels, Point, draw},
        },
        section::names::name,
        text::shorten,
    },
    stats,
    units::NS_PER_S,
};

/// Bins at most, so that each is wide enough to be seen.
const BINS: usize = 16;
/// Tokens of context in the narrowest bin.
const NARROWEST: usize = 16;
/// A bin with fewer times has no tenths.
const FEWEST: usize = 10;

pub(super) fn figure(run: &Run, analysis: &Analysis) -> Result<Option<Figure>, DrawError> {
    let steps: Vec<Vec<(usize, u64)>> = (0..analysis.models.len()).map(|model| steps(run, model)).collect();
    let longest = steps.iter().flatten().map(|(position, _)| *position).max().unwrap_or(0);
    let width = (longest + 1).div_ceil(BINS).next_power_of_two().max(NARROWEST);
    let curves: Vec<Curve> = analysis
        .models
        .iter()
        .zip(&steps)
        .map(|(m, steps)| Curve { name: shorten(&name(m), 40), points: bins(steps, width) })
        .collect();
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return Ok(None);
    }
    let (id, title) = ("chart-position", "Tokens a second of answers, by position in the context");
    let panels = vec![Panel { title: "generation".into(), curves }];
    let svg =
        draw(&Panels { id, title, across: "tokens of prompt and answer before", spacing: Spacing::Linear, panels })?;
    let note = format!(
        "More is better. Marks: median over all answers and rounds in {width} tokens of context, by our clock from token to token, sampling \
         included. Whiskers: from the slowest tenth to the fastest. Different prompts reach different positions."
    );
    Ok(Some(Figure { id: id.into(), section: "prompts", title: title.into(), note, svg }))
}

/// Tokens in the context before each step of every answer, and the step's time.
fn steps(run: &Run, model: usize) -> Vec<(usize, u64)> {
    let answers = visits(run, model).flat_map(|(_, visit)| &visit.generations);
    let of = |answer: &crate::record::Generation| {
        let from = answer.n_prompt as usize;
        answer.inter_token_ns.iter().enumerate().map(move |(i, ns)| (from + i, *ns)).collect::<Vec<_>>()
    };
    answers.flat_map(of).filter(|(_, ns)| *ns > 0).collect()
}

/// Median rate of each bin that has times enough, in its middle.
fn bins(steps: &[(usize, u64)], width: usize) -> Vec<Point> {
    let most = steps.iter().map(|(position, _)| position / width).max().map_or(0, |last| last + 1);
    let mut by_bin: Vec<Vec<f64>> = vec![Vec::new(); most];
    for &(position, ns) in steps {
        by_bin[position / width].push(NS_PER_S / ns as f64);
    }
    let of = |(bin, rates): (usize, &Vec<f64>)| {
        let at = |p| stats::quantile(rates, p).ok();
        let x = (bin * width) as f64 + width as f64 / 2.0;
        (rates.len() >= FEWEST).then_some(Point { x, y: at(0.5)?, range: at(0.1).zip(at(0.9)) })
    };
    by_bin.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_fall_into_bins_with_their_medians() {
        let steps: Vec<(usize, u64)> = (0..40).map(|i| (i, if i < 16 { 10_000_000 } else { 20_000_000 })).collect();
        let points = bins(&steps, 16);
        let shown: Vec<(f64, f64)> = points.iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(shown, [(8.0, 100.0), (24.0, 50.0)], "the third bin has too few");
        assert_eq!(points[0].range, Some((100.0, 100.0)));
    }
}
