//! Mean KLD by position in the window, and by how sure the original was: whether errors pile up, and where they arise.

use super::cells::compared;
use crate::{
    analysis::{Analysis, ModelAnalysis, QualityAnalysis},
    record::{PositionBin, Summary},
    report::{
        document::Figure,
        draw::{
            axis::{Axis, grid_up},
            canvas::{Anchor, DrawError, Face, Ink, Size, px, svg},
            plot::{LEFT, MARGIN, legend, legend_height, line, mark},
        },
        figure::both,
        number::nats,
        section::names::{baseline, name},
        text::shorten,
    },
};

const PLOT: i32 = 180;
const FOOT: i32 = 40;

/// Label of a bin, its tokens, and their mean KLD.
type Bin = (String, usize, Option<f64>);

/// Mean KLD of the tokens at some positions of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PositionMean {
    pub(crate) from: usize,
    /// Behind the last.
    pub(crate) to: usize,
    /// `None` where none was scored.
    pub(crate) mean_nats: Option<f64>,
}

/// All tokens of all texts by position; `None` where texts have different parts, or nothing was summed up.
pub(crate) fn by_position(q: &QualityAnalysis) -> Option<Vec<PositionMean>> {
    let texts: Vec<Vec<Bin>> = q.domains.iter().filter_map(|d| Some(position_bins(d.summary.as_ref()?))).collect();
    let pooled = pooled(&texts)?;
    let parts = &q.domains.iter().find_map(|d| d.summary.as_ref())?.kld_by_position;
    let mean = |(part, (_, _, mean_nats)): (&PositionBin, Bin)| PositionMean {
        from: part.from_position,
        to: part.to_position,
        mean_nats,
    };
    Some(parts.iter().zip(pooled).map(mean).collect())
}

fn position_bins(s: &Summary) -> Vec<Bin> {
    let label = |b: &PositionBin| format!("{}–{}", b.from_position, b.to_position.saturating_sub(1));
    s.kld_by_position.iter().map(|b| (label(b), b.tokens, b.kld_mean_nats)).collect()
}

pub(super) fn figures(analysis: &Analysis) -> Result<Vec<Figure>, DrawError> {
    let by_entropy = |s: &Summary| -> Vec<Bin> {
        let bins = s.kld_by_base_entropy.iter();
        let label = |from: f64, to: Option<f64>| to.map_or(format!("> {from}"), |to| format!("{from}–{to}"));
        bins.map(|b| (label(b.from_nats, b.to_nats), b.tokens, b.kld_mean_nats)).collect()
    };
    let base = baseline(&analysis.context);
    let position = Words {
        id: "chart-kld-position",
        title: "Mean KLD by position in the window".into(),
        axis: "position of the token".into(),
        note: "A rise to the right would mean that errors pile up as the context grows.".into(),
    };
    let entropy = Words {
        id: "chart-kld-entropy",
        title: format!("Mean KLD by the {base}'s uncertainty"),
        axis: format!("entropy of the {base}'s next token, nats"),
        note: format!("Left: tokens of which the {base} was sure. A divergence there is more often felt."),
    };
    Ok([
        both(|size| figure(analysis, size, &position, position_bins))?,
        both(|size| figure(analysis, size, &entropy, by_entropy))?,
    ]
    .into_iter()
    .flatten()
    .collect())
}

struct Words {
    id: &'static str,
    title: String,
    axis: String,
    note: String,
}

fn figure(
    analysis: &Analysis,
    size: Size,
    words: &Words,
    bins: impl Fn(&Summary) -> Vec<Bin>,
) -> Result<Option<Figure>, DrawError> {
    let of = |(m, q): (&ModelAnalysis, &QualityAnalysis)| {
        let texts: Vec<Vec<Bin>> = q.domains.iter().filter_map(|d| Some(bins(d.summary.as_ref()?))).collect();
        Some((shorten(&name(m), 24), pooled(&texts)?))
    };
    let series: Vec<(String, Vec<Bin>)> = compared(analysis).filter_map(of).collect();
    let Some(labels) = series.first().map(|(_, bins)| bins.iter().map(|b| b.0.clone()).collect::<Vec<_>>()) else {
        return Ok(None);
    };
    if labels.len() < 2 || series.iter().any(|(_, bins)| bins.len() != labels.len()) {
        return Ok(None);
    }
    let (top, right) = (legend_height(series.len()) + 8, size.width - MARGIN);
    let values = series.iter().flat_map(|(_, bins)| bins).filter_map(|b| b.2);
    let Some(y) = Axis::holding(values, (top + PLOT, top)) else { return Ok(None) };
    let step = f64::from(right - LEFT) / labels.len() as f64;
    let x = |i: usize| LEFT + px(step * (i as f64 + 0.5));
    let ends = |bins: &[Bin]| {
        let known: Vec<f64> = bins.iter().filter_map(|b| b.2).collect();
        let (first, last) = (known.first().copied().unwrap_or(0.0), known.last().copied().unwrap_or(0.0));
        format!("{} at the left, {} at the right", nats(first), nats(last))
    };
    let texts: Vec<String> = series.iter().map(|(label, bins)| format!("{label}: {}", ends(bins))).collect();
    let svg = svg(&size.id(words.id), &words.title, &texts.join("; "), (size.width, top + PLOT + FOOT), |canvas| {
        legend(canvas, &texts);
        grid_up(canvas, &y.decades(), right);
        for (i, label) in labels.iter().enumerate() {
            canvas.text(Ink::Muted, Face::Small, Anchor::Middle, (x(i), top + PLOT + 12), label);
        }
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (right, top + PLOT + 30), &words.axis);
        for (s, (_, bins)) in series.iter().enumerate() {
            let points: Vec<(i32, i32)> =
                bins.iter().enumerate().filter_map(|(i, b)| Some((x(i), y.at(b.2?)))).collect();
            line(canvas, s, &points);
            for at in points {
                mark(canvas, s, at);
            }
        }
    })?;
    let note = format!("{} All tokens of all texts; nats, logarithmic.", words.note);
    Ok(Some(Figure { id: words.id.into(), title: words.title.clone(), note, svg, narrow: None }))
}

/// The same bins over several domains, every token counting equally; `None` when the texts have different bins.
fn pooled(texts: &[Vec<Bin>]) -> Option<Vec<Bin>> {
    let mut out = texts.first()?.clone();
    for bins in &texts[1..] {
        if bins.len() != out.len() {
            return None;
        }
        for (own, (label, tokens, mean)) in out.iter_mut().zip(bins) {
            if own.0 != *label {
                return None;
            }
            let sum = own.2.unwrap_or(0.0) * own.1 as f64 + mean.unwrap_or(0.0) * *tokens as f64;
            own.1 += tokens;
            own.2 = (own.1 > 0 && (own.2.is_some() || mean.is_some())).then(|| sum / own.1 as f64);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_pooled_by_tokens() {
        let text = |tokens, mean| vec![("0–9".to_owned(), tokens, Some(mean)), ("10–19".to_owned(), 0, None)];
        let both = pooled(&[text(10, 1.0), text(30, 2.0)]).expect("the same bins");
        assert_eq!(both[0].1, 40);
        assert!((both[0].2.expect("tokens") - 1.75).abs() < 1e-12 && both[1].2.is_none());
        assert!(pooled(&[text(1, 1.0), vec![("other".into(), 1, None)]]).is_none());
    }
}
