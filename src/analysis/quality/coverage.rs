//! What the intervals of quality hold: documents and windows of real models are drawn again and again at the counts that are
//! scored, and the share of intervals that hold the true value is counted.
//!
//! Documents are drawn as they are scored, the domains taking turns, and also at random whatever their domain. The first is what
//! a run does; the second is harder, since a draw may miss a domain. `cargo test --release --lib coverage -- --nocapture` prints
//! the table of docs/validation.md.

#![expect(clippy::print_stdout, reason = "the tables of docs/validation.md")]

use serde::Deserialize;

use super::*;
use crate::stats::SplitMix64;

const DRAWS: usize = 2_000;
const DOCUMENTS: [usize; 4] = [8, 16, 32, 64];
const WINDOWS: [usize; 3] = [16, 20, 40];
/// Two standard errors of a share of so many draws that is near 92 %, in points.
const NOISE: f64 = 1.2;
/// Documents of a model to draw from, whatever their domain.
const ENOUGH: usize = 32;

/// The windows of one candidate.
#[derive(Debug, Deserialize)]
struct Series {
    original: String,
    candidate: String,
    texts: Vec<Text>,
    /// Scored positions of each window; `None` of its whole second half.
    #[serde(default)]
    positions: Option<u32>,
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.original, self.candidate)?;
        self.positions.map_or(Ok(()), |positions| write!(f, ", {positions} positions"))
    }
}

#[derive(Debug, Deserialize)]
struct Text {
    domain: String,
    /// Mean KLD, −log p of the original, what the candidate has more, share of equal first choices.
    windows: Vec<[f64; 4]>,
}

fn series() -> Vec<Series> {
    serde_json::from_str(include_str!("../../../tests/fixtures/quality/windows.json")).expect("a fixture")
}

fn window([kld_nats, nll_base_nats, more, same_top_fraction]: [f64; 4]) -> WindowMeans {
    WindowMeans {
        window: 0,
        tokens: 255,
        nll_base_nats,
        nll_candidate_nats: nll_base_nats + more,
        kld_nats,
        same_top_fraction,
        kld_largest_nats: Vec::new(),
        at_floor_tokens: 0,
    }
}

/// The four figures that have intervals.
fn intervals(figures: &Figures) -> [Figure; 4] {
    [figures.kld_mean_nats, figures.ppl, figures.ppl_ratio.expect("known"), figures.top1_agreement]
}

const NAMES: [&str; 4] = ["mean KLD", "PPL(Q)", "PPL ratio", "same top"];

/// In how many per cent of the draws the interval holds the truth, figure by figure.
fn coverage(truth: [f64; 4], mut draw: impl FnMut() -> Figures) -> [f64; 4] {
    let mut held = [0_usize; 4];
    for _ in 0..DRAWS {
        for ((held, figure), truth) in held.iter_mut().zip(intervals(&draw())).zip(truth) {
            let (low, high) = figure.low.zip(figure.high).expect("an interval at these counts");
            *held += usize::from(low <= truth && truth <= high);
        }
    }
    held.map(|held| 100.0 * held as f64 / DRAWS as f64)
}

fn values(figures: &Figures) -> [f64; 4] {
    intervals(figures).map(|figure| figure.value)
}

/// Every document of a candidate, its first window standing for it, by domain.
fn by_domain(series: &Series) -> Vec<Vec<Vec<WindowMeans>>> {
    let mut domains: Vec<(&str, Vec<Vec<WindowMeans>>)> = Vec::new();
    for text in series.texts.iter().filter(|text| !text.windows.is_empty()) {
        let document = vec![window(text.windows[0])];
        match domains.iter_mut().find(|(domain, _)| *domain == text.domain) {
            Some((_, documents)) => documents.push(document),
            None => domains.push((&text.domain, vec![document])),
        }
    }
    domains.into_iter().map(|(_, documents)| documents).collect()
}

fn figures_of(documents: &[&Vec<WindowMeans>], unit: QualityUnit) -> Figures {
    figures(&documents.iter().map(|windows| &windows[..]).collect::<Vec<_>>(), unit, 0.95)
}

/// Each domain as heavy as any other, to a few thousandths: its documents repeated.
fn balanced(domains: &[Vec<Vec<WindowMeans>>]) -> Vec<&Vec<WindowMeans>> {
    let repeated = |domain: &'_ Vec<Vec<WindowMeans>>| domain.len().max(1);
    let least: usize = 840;
    domains.iter().flat_map(|domain| domain.iter().cycle().take(least / repeated(domain) * repeated(domain))).collect()
}

#[test]
fn intervals_over_documents_hold_what_they_promise() {
    let mut rng = SplitMix64::new(16);
    println!("| documents of | n | drawn | {} |\n|---|--:|---|--:|--:|--:|--:|", NAMES.join(" | "));
    let all_series = series();
    assert!(all_series.iter().any(|series| series.positions.is_some()), "the fixture has windows that were cut");
    for series in all_series.iter().filter(|series| series.texts.len() > 1) {
        let domains = by_domain(series);
        let all: Vec<&Vec<WindowMeans>> = domains.iter().flatten().collect();
        let in_turn = values(&figures_of(&balanced(&domains), QualityUnit::Document));
        let at_random = values(&figures_of(&all, QualityUnit::Document));
        for n in DOCUMENTS {
            let turns = coverage(in_turn, || {
                let draw = |at: usize| {
                    let domain = &domains[at % domains.len()];
                    &domain[rng.below(domain.len())]
                };
                figures_of(&(0..n).map(draw).collect::<Vec<_>>(), QualityUnit::Document)
            });
            // A handful drawn from a handful often misses what is rare among them, which no interval can know.
            let random = (all.len() >= ENOUGH).then(|| {
                coverage(at_random, || {
                    let draw = |_| all[rng.below(all.len())];
                    figures_of(&(0..n).map(draw).collect::<Vec<_>>(), QualityUnit::Document)
                })
            });
            for (drawn, held) in [("in turn", Some(turns)), ("at random", random)] {
                let Some(held) = held else { continue };
                let cells: Vec<String> = held.iter().map(|held| format!("{held:.1} %")).collect();
                println!("| {series} | {n} | {drawn} | {} |", cells.join(" | "));
            }
            let what = format!("{series} at {n}: {turns:?} in turn, {random:?} at random");
            // As they are scored, every interval holds; that it is wider than it need be there is the price of the next line.
            assert!(turns.iter().all(|held| *held >= 92.0 - NOISE), "{what}");
            // Without the domains' turns mean KLD and same top still hold, and are no wider than they need be.
            let Some([kld, _, _, same]) = random else { continue };
            assert!([kld, same].iter().all(|held| (92.0 - NOISE..=99.0).contains(held)), "{what}");
        }
    }
}

#[test]
fn intervals_over_windows_of_one_text_hold_for_this_text() {
    let mut rng = SplitMix64::new(17);
    println!("| windows of | n | {} |\n|---|--:|--:|--:|--:|--:|", NAMES.join(" | "));
    let mut tested = 0;
    for series in series().iter().filter(|series| series.texts.len() == 1) {
        let all: Vec<WindowMeans> = series.texts[0].windows.iter().copied().map(window).collect();
        let truth = values(&figures_of(&[&all], QualityUnit::Window));
        for n in WINDOWS {
            let held = coverage(truth, || {
                let drawn: Vec<WindowMeans> = (0..n).map(|_| all[rng.below(all.len())].clone()).collect();
                figures_of(&[&drawn], QualityUnit::Window)
            });
            let cells: Vec<String> = held.iter().map(|held| format!("{held:.1} %")).collect();
            println!("| {series} | {n} | {} |", cells.join(" | "));
            let what = format!("{series} at {n}: {held:?}");
            assert!(held.iter().all(|held| (92.0 - NOISE..=99.0).contains(held)), "{what}");
            tested += 1;
        }
    }
    assert!(tested > 0, "the fixture has a text of many windows");
}

#[test]
fn too_few_documents_have_no_interval() {
    let seven = vec![vec![window([0.1, 2.0, 0.01, 0.9])]; FEWEST_DOCUMENTS - 1];
    let figures = figures_of(&seven.iter().collect::<Vec<_>>(), QualityUnit::Document);
    assert!(intervals(&figures).iter().all(|figure| figure.low.is_none() && figure.high.is_none()));
}
