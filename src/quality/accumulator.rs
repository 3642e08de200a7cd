//! Collects scored tokens, in a few dozen bytes each, and sums them up under llama-perplexity's names.

use std::collections::BTreeMap;

use super::compare::{Flip, TokenComparison};
use super::row::TOP;
use super::windows::WindowShape;
use crate::{
    record::{EntropyBin, Flips, Percentiles, PositionBin, Summary, TokenMean, WindowMeans, WorstToken},
    stats::{Sum, interpolate, mean_of as mean},
};

/// Tokens listed as the worst: as many as a person reads.
const WORST_TOKENS: usize = 10;

/// Why tokens cannot be collected or summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccumulatorError {
    /// The position is not among the scored ones.
    #[error("position {position} is not scored")]
    NotScored { position: usize },
    /// A position came twice or too early.
    #[error("position {position} of window {window}, expected {expected}")]
    OutOfOrder {
        /// Window, from 0.
        window: usize,
        position: usize,
        expected: usize,
    },
    #[error("no token was scored")]
    Empty,
}

/// The scored tokens of one candidate, by (text, window).
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    shape: WindowShape,
    windows: BTreeMap<Place, Vec<TokenComparison>>,
}

/// A text, and a window of it; both from 0.
type Place = (usize, usize);

impl Accumulator {
    /// An empty one for windows of this shape.
    pub(crate) fn new(shape: WindowShape) -> Self {
        Self { shape, windows: BTreeMap::new() }
    }

    /// Adds consecutive positions of a window, as micro-batches deliver them. Windows may interleave.
    ///
    /// # Errors
    /// A position that is not scored or not the next one of its window; nothing is added then.
    pub(crate) fn extend(
        &mut self,
        (text, window): Place,
        position: usize,
        tokens: &[TokenComparison],
    ) -> Result<(), AccumulatorError> {
        let scored = self.shape.scored();
        let kept = self.windows.entry((text, window)).or_default();
        let expected = scored.start + kept.len();
        if let Some(position) = (position..position + tokens.len()).find(|position| !scored.contains(position)) {
            return Err(AccumulatorError::NotScored { position });
        }
        if position != expected {
            return Err(AccumulatorError::OutOfOrder { window, position, expected });
        }
        kept.extend_from_slice(tokens);
        Ok(())
    }

    /// Means of one window; none before all its positions have come.
    pub(crate) fn window(&self, place: Place) -> Option<WindowMeans> {
        let tokens = self.windows.get(&place).filter(|tokens| tokens.len() == self.shape.scored().len())?;
        Some(window_means(place.1, tokens))
    }

    /// Sums up all tokens so far of the texts that are wanted.
    pub(crate) fn summary(&self, wanted: impl Fn(usize) -> bool) -> Result<Summary, AccumulatorError> {
        let windows: Windows<'_> =
            self.windows.iter().filter(|((text, _), tokens)| wanted(*text) && !tokens.is_empty()).collect();
        let tokens: Tokens<'_> = windows.iter().flat_map(|(_, tokens)| *tokens).collect();
        if tokens.is_empty() {
            return Err(AccumulatorError::Empty);
        }
        let perplexity = Perplexity::of(&tokens);
        let kld = column(&tokens, |token| token.kld_nats);
        let delta_p = column(&tokens, |token| token.p_candidate() - token.p_base());
        Ok(Summary {
            tokens: tokens.len(),
            windows: windows.len(),
            ppl_base: perplexity.base,
            ppl_candidate: perplexity.candidate,
            ppl_ratio: perplexity.ratio,
            ln_ppl_ratio_nats: perplexity.ln_ratio_nats,
            ppl_difference: perplexity.difference,
            ln_ppl_correlation: perplexity.correlation,
            kld_mean_nats: token_mean(&kld),
            kld_percentiles_nats: percentiles(kld),
            jsd_mean_nats: jsd(&tokens),
            delta_p_mean: token_mean(&delta_p),
            delta_p_rms: root_mean_square(&delta_p),
            delta_p_percentiles: percentiles(delta_p),
            same_top_fraction: same_top(&tokens),
            top5_overlap_fraction: mean(&column(&tokens, |token| f64::from(token.top5_overlap) / TOP as f64)),
            flips: flips(&tokens),
            kld_by_position: by_position(&windows, self.shape),
            kld_by_base_entropy: by_base_entropy(&tokens),
            worst_tokens: worst_tokens(&windows, self.shape),
        })
    }
}

/// Windows to sum up, in order of their texts.
type Windows<'a> = Vec<(&'a Place, &'a Vec<TokenComparison>)>;

fn worst_tokens(windows: &Windows<'_>, shape: WindowShape) -> Vec<WorstToken> {
    let first = shape.scored().start;
    let places = windows.iter().flat_map(|&(&place, tokens)| {
        tokens.iter().enumerate().map(move |(index, token)| (place, first + index, token))
    });
    let mut places: Vec<_> = places.collect();
    places.sort_by(|a, b| b.2.kld_nats.total_cmp(&a.2.kld_nats));
    let worst = places.into_iter().take(WORST_TOKENS);
    worst.map(|(place, position, token)| worst_token(place, position, token)).collect()
}

fn worst_token((text, window): Place, position: usize, token: &TokenComparison) -> WorstToken {
    WorstToken {
        text: Some(text),
        window,
        position,
        kld_nats: token.kld_nats,
        token: token.token,
        top1_base: token.top1_base,
        top1_candidate: token.top1_candidate,
        p_base: token.p_base(),
        p_candidate: token.p_candidate(),
        context: None,
    }
}

/// Tokens to sum up, where they lie: copied they would double what many windows take.
type Tokens<'a> = Vec<&'a TokenComparison>;

fn column(tokens: &Tokens<'_>, value: impl Fn(&TokenComparison) -> f64) -> Vec<f64> {
    tokens.iter().map(|token| value(token)).collect()
}

fn window_means(window: usize, tokens: &[TokenComparison]) -> WindowMeans {
    let tokens: &Tokens<'_> = &tokens.iter().collect();
    WindowMeans {
        window,
        tokens: tokens.len(),
        nll_base_nats: mean(&column(tokens, |token| token.nll_base_nats)),
        nll_candidate_nats: mean(&column(tokens, |token| token.nll_candidate_nats)),
        kld_nats: mean(&column(tokens, |token| token.kld_nats)),
        same_top_fraction: same_top(tokens).value,
        kld_largest_nats: largest_tenth(column(tokens, |token| token.kld_nats)),
        at_floor_tokens: tokens.iter().filter(|token| token.at_floor).count(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are plenty for a percentile")]
fn largest_tenth(mut values: Vec<f64>) -> Vec<f32> {
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values.truncate(values.len().div_ceil(10));
    values.into_iter().map(|value| value as f32).collect()
}

/// Share of equal first choices, with √(p(1 − p)/(n − 1)).
fn same_top(tokens: &Tokens<'_>) -> TokenMean {
    let n = tokens.len() as f64;
    let value = tokens.iter().filter(|token| token.same_top()).count() as f64 / n;
    TokenMean { value, naive_standard_error: (tokens.len() > 1).then(|| (value * (1.0 - value) / (n - 1.0)).sqrt()) }
}

/// √ of the mean square, with ½/RMS times the error of the mean square.
fn root_mean_square(values: &[f64]) -> TokenMean {
    let square = token_mean(&values.iter().map(|value| value * value).collect::<Vec<_>>());
    let value = square.value.sqrt();
    let naive_standard_error = square.naive_standard_error.filter(|_| value > 0.0).map(|error| 0.5 / value * error);
    TokenMean { value, naive_standard_error }
}

/// None when it is unknown of a token.
fn jsd(tokens: &Tokens<'_>) -> Option<f64> {
    tokens.iter().map(|token| token.jsd_nats.map(f64::from)).collect::<Option<Vec<_>>>().map(|all| mean(&all))
}

fn flips(tokens: &Tokens<'_>) -> Flips {
    let mut flips = Flips::default();
    for token in tokens {
        match token.flip() {
            Flip::None => {}
            Flip::TowardsCorrect => flips.towards_correct_tokens += 1,
            Flip::AwayFromCorrect => flips.away_from_correct_tokens += 1,
            Flip::BetweenWrong => flips.between_wrong_tokens += 1,
        }
    }
    flips
}

/// What follows from the two log-likelihoods.
struct Perplexity {
    base: TokenMean,
    candidate: TokenMean,
    ratio: TokenMean,
    ln_ratio_nats: TokenMean,
    difference: TokenMean,
    correlation: Option<f64>,
}

impl Perplexity {
    /// Errors by the delta method, as llama-perplexity propagates them.
    fn of(tokens: &Tokens<'_>) -> Self {
        let base_nll = column(tokens, |token| token.nll_base_nats);
        let candidate_nll = column(tokens, |token| token.nll_candidate_nats);
        let exp = |ln: TokenMean| {
            let value = ln.value.exp();
            TokenMean { value, naive_standard_error: ln.naive_standard_error.map(|error| value * error) }
        };
        let (ln_base, ln_candidate) = (token_mean(&base_nll), token_mean(&candidate_nll));
        let (base, candidate) = (exp(ln_base), exp(ln_candidate));
        // The error of the mean of differences is √(σq² + σb² − 2 cov), without the cancellation.
        let ln_ratio_nats = token_mean(&column(tokens, |token| token.nll_candidate_nats - token.nll_base_nats));
        let scaled =
            column(tokens, |token| candidate.value * token.nll_candidate_nats - base.value * token.nll_base_nats);
        let covariance = covariance_of_means(&base_nll, &candidate_nll);
        let errors = ln_base.naive_standard_error.zip(ln_candidate.naive_standard_error);
        Self {
            base,
            candidate,
            ratio: exp(ln_ratio_nats),
            ln_ratio_nats,
            difference: TokenMean { value: candidate.value - base.value, ..token_mean(&scaled) },
            correlation: covariance.zip(errors).map(|(both, (b, q))| both / (b * q)).filter(|r| r.is_finite()),
        }
    }
}

/// At this many tokens or fewer llama-perplexity gives no error.
const TOO_FEW_TOKENS: usize = 10;

/// Mean and √((Σx²/n − x̄²)/(n − 1)), the error llama-perplexity prints beside it. That treats tokens as independent, which they
/// are not within a window: it is here to be held against the tool's output. The tool's one-pass formula is kept in meaning, not
/// in form, since Σx² − n·x̄² cancels.
fn token_mean(values: &[f64]) -> TokenMean {
    TokenMean { value: mean(values), naive_standard_error: covariance_of_means(values, values).map(f64::sqrt) }
}

/// (Σxy/n − x̄·ȳ)/(n − 1), the covariance of two means over the same independent tokens.
fn covariance_of_means(x: &[f64], y: &[f64]) -> Option<f64> {
    let (n, x_mean, y_mean) = (x.len(), mean(x), mean(y));
    let products = x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean));
    (n > TOO_FEW_TOKENS).then(|| products.collect::<Sum>().total() / n as f64 / (n as f64 - 1.0))
}

/// Percentiles of values, which must be finite and not empty, as llama-perplexity interpolates them.
fn percentiles(mut values: Vec<f64>) -> Percentiles {
    values.sort_unstable_by(f64::total_cmp);
    let at = |fraction| interpolate(&values, fraction);
    Percentiles {
        minimum: at(0.0),
        p0_1: at(0.001),
        p1: at(0.01),
        p5: at(0.05),
        p10: at(0.1),
        p25: at(0.25),
        median: at(0.5),
        p75: at(0.75),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p99_9: at(0.999),
        maximum: at(1.0),
    }
}

/// Equal parts of the scored half of a window: 51 positions each where it is of 512 tokens, enough for a mean of one text.
const POSITION_BINS: usize = 5;
/// Lower edges of the entropy bins, in nats, from a certain next token to one of 50 or more: fixed, so that models can be held against each other.
const ENTROPY_EDGES_NATS: [f64; 6] = [0.0, 0.5, 1.0, 2.0, 3.0, 4.0];

/// Mean KLD for each part of the window, in order; fewer parts where there are fewer positions.
fn by_position(windows: &Windows<'_>, shape: WindowShape) -> Vec<PositionBin> {
    let scored = shape.scored();
    let bins = POSITION_BINS.min(scored.len());
    let edge = |bin: usize| bin * scored.len() / bins;
    let bin = |bin| {
        let range = edge(bin)..edge(bin + 1);
        let within = windows.iter().flat_map(|(_, tokens)| tokens.iter().take(range.end).skip(range.start));
        let klds: Vec<f64> = within.map(|token| token.kld_nats).collect();
        PositionBin {
            from_position: scored.start + range.start,
            to_position: scored.start + range.end,
            tokens: klds.len(),
            kld_mean_nats: mean_of_any(&klds),
        }
    };
    (0..bins).map(bin).collect()
}

/// Mean KLD for each range of the original's entropy, in order.
fn by_base_entropy(tokens: &[&TokenComparison]) -> Vec<EntropyBin> {
    let bin = |bin: usize| {
        let (from_nats, to_nats) = (ENTROPY_EDGES_NATS[bin], ENTROPY_EDGES_NATS.get(bin + 1).copied());
        let within = |token: &&&TokenComparison| {
            // Rounding may leave a certain token a hair under 0.
            let entropy = f64::from(token.base_entropy_nats).max(0.0);
            entropy >= from_nats && to_nats.is_none_or(|to| entropy < to)
        };
        let klds: Vec<f64> = tokens.iter().filter(within).map(|token| token.kld_nats).collect();
        EntropyBin { from_nats, to_nats, tokens: klds.len(), kld_mean_nats: mean_of_any(&klds) }
    };
    (0..ENTROPY_EDGES_NATS.len()).map(bin).collect()
}

fn mean_of_any(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| mean(values))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data of a few digits")]
mod tests {
    use super::*;
    use crate::quality::testing::Random;

    fn token(random: &mut Random) -> TokenComparison {
        let nll_base_nats = 3.0 * random.uniform();
        TokenComparison {
            nll_base_nats,
            nll_candidate_nats: nll_base_nats + 0.1 * random.normal().abs(),
            kld_nats: 0.1 * random.uniform(),
            jsd_nats: Some(0.02 * random.uniform() as f32),
            base_entropy_nats: (6.0 * random.uniform()) as f32,
            base_margin_nats: Some(1.0),
            token: 1,
            top1_base: (3.0 * random.uniform()) as i32,
            top1_candidate: (3.0 * random.uniform()) as i32,
            top5_overlap: 4,
            at_floor: false,
        }
    }

    fn filled(tokens: &[TokenComparison], order: &[(usize, usize)]) -> Accumulator {
        let shape = WindowShape::new(32).expect("long enough");
        let mut accumulator = Accumulator::new(shape);
        for &(window, position) in order {
            let index = window * 15 + position - 16;
            accumulator.extend((0, window), position, &tokens[index..=index]).expect("in order");
        }
        accumulator
    }

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{actual} is not {expected}");
    }

    #[test]
    fn agrees_with_llama_perplexitys_sums() {
        let mut random = Random::new(8);
        let tokens: Vec<TokenComparison> = (0..60).map(|_| token(&mut random)).collect();
        let order: Vec<_> = (0..4).flat_map(|window| (16..31).map(move |position| (window, position))).collect();
        let summary = filled(&tokens, &order).summary(|_| true).expect("not empty");
        let n = 60.0;
        let total = |f: &dyn Fn(&TokenComparison) -> f64| tokens.iter().map(f).sum::<f64>();
        let unc = |sum: f64, sum2: f64| (sum / n, ((sum2 / n - (sum / n) * (sum / n)) / (n - 1.0)).sqrt());
        let (b, sb) = unc(total(&|t| t.nll_base_nats), total(&|t| t.nll_base_nats.powi(2)));
        let (q, sq) = unc(total(&|t| t.nll_candidate_nats), total(&|t| t.nll_candidate_nats.powi(2)));
        let cov = (total(&|t| t.nll_base_nats * t.nll_candidate_nats) / n - b * q) / (n - 1.0);
        let se = |mean: TokenMean| mean.naive_standard_error.expect("60 tokens");
        close(summary.ppl_base.value, b.exp());
        close(se(summary.ppl_base), b.exp() * sb);
        close(summary.ppl_ratio.value, (q - b).exp());
        close(se(summary.ln_ppl_ratio_nats), (sq * sq + sb * sb - 2.0 * cov).sqrt());
        close(se(summary.ppl_ratio), (q - b).exp() * (sq * sq + sb * sb - 2.0 * cov).sqrt());
        let (uq, ub) = (q.exp() * sq, b.exp() * sb);
        close(summary.ppl_difference.value, q.exp() - b.exp());
        close(se(summary.ppl_difference), (uq * uq + ub * ub - 2.0 * q.exp() * b.exp() * cov).sqrt());
        close(summary.ln_ppl_correlation.expect("varies"), cov / (sb * sq));
        let dp = |t: &TokenComparison| (-t.nll_candidate_nats).exp() - (-t.nll_base_nats).exp();
        let (square, error) = unc(total(&|t| dp(t).powi(2)), total(&|t| dp(t).powi(4)));
        close(summary.delta_p_rms.value, square.sqrt());
        close(se(summary.delta_p_rms), 0.5 / square.sqrt() * error);
        let same = total(&|t| f64::from(u8::from(t.top1_base == t.top1_candidate))) / n;
        close(summary.same_top_fraction.value, same);
        close(se(summary.same_top_fraction), (same * (1.0 - same) / (n - 1.0)).sqrt());
        close(summary.top5_overlap_fraction, 0.8);
        let Flips { towards_correct_tokens: to, away_from_correct_tokens: from, between_wrong_tokens: other } =
            summary.flips;
        assert_eq!(to + from + other, tokens.iter().filter(|t| !t.same_top()).count());
        assert_eq!(to, tokens.iter().filter(|t| t.top1_base != 1 && t.top1_candidate == 1).count());
    }

    #[test]
    fn the_order_of_windows_changes_nothing() {
        let mut random = Random::new(9);
        let tokens: Vec<TokenComparison> = (0..60).map(|_| token(&mut random)).collect();
        let by_window: Vec<_> = (0..4).flat_map(|window| (16..31).map(move |position| (window, position))).collect();
        let interleaved: Vec<_> =
            (16..31).flat_map(|position| (0..4).rev().map(move |window| (window, position))).collect();
        let (a, b) = (filled(&tokens, &by_window), filled(&tokens, &interleaved));
        assert_eq!(a.summary(|_| true), b.summary(|_| true));
        let window_means =
            |accumulator: &Accumulator| (0..4).map_while(|at| accumulator.window((0, at))).collect::<Vec<_>>();
        let means = window_means(&a);
        assert_eq!((means.len(), &means), (4, &window_means(&b)));
        close(
            means.iter().map(|window| window.kld_nats).sum::<f64>() / 4.0,
            a.summary(|_| true).expect("not empty").kld_mean_nats.value,
        );
        assert_eq!(window_means(&filled(&tokens, &by_window[..59])), means[..3]);
    }

    #[test]
    fn a_model_against_itself_is_exact() {
        let mut random = Random::new(10);
        let shape = WindowShape::new(32).expect("long enough");
        let mut accumulator = Accumulator::new(shape);
        for window in 0..3 {
            let same = |_| {
                let token = token(&mut random);
                TokenComparison {
                    nll_candidate_nats: token.nll_base_nats,
                    top1_candidate: token.top1_base,
                    kld_nats: 0.0,
                    ..token
                }
            };
            let tokens: Vec<_> = (0..15).map(same).collect();
            accumulator.extend((0, window), 16, &tokens).expect("in order");
        }
        let summary = accumulator.summary(|_| true).expect("not empty");
        let exact = |actual: f64, expected: f64| assert_eq!(actual.to_bits(), expected.to_bits());
        exact(summary.ppl_ratio.value, 1.0);
        exact(summary.ln_ppl_ratio_nats.value, 0.0);
        exact(summary.kld_mean_nats.value, 0.0);
        exact(summary.same_top_fraction.value, 1.0);
        close(summary.ln_ppl_correlation.expect("varies"), 1.0);
        assert_eq!(summary.delta_p_rms.naive_standard_error, None);
        assert_eq!(summary.flips, Flips::default());
    }

    #[test]
    fn the_worst_tokens_are_listed_with_their_place() {
        let mut random = Random::new(11);
        let mut tokens: Vec<TokenComparison> = (0..60).map(|_| token(&mut random)).collect();
        tokens[15 * 2 + 4].kld_nats = 9.0;
        let order: Vec<_> = (0..4).flat_map(|window| (16..31).map(move |position| (window, position))).collect();
        let worst = filled(&tokens, &order).summary(|_| true).expect("not empty").worst_tokens;
        assert_eq!((worst.len(), worst[0].window, worst[0].position), (WORST_TOKENS, 2, 20));
        assert!(worst.is_sorted_by(|a, b| a.kld_nats >= b.kld_nats));
    }

    #[test]
    fn positions_must_come_in_order() {
        let shape = WindowShape::new(32).expect("long enough");
        let mut accumulator = Accumulator::new(shape);
        let one = [token(&mut Random::new(12))];
        assert_eq!(accumulator.summary(|_| true), Err(AccumulatorError::Empty));
        accumulator.extend((0, 5), 16, &one).expect("in order");
        let twice = AccumulatorError::OutOfOrder { window: 5, position: 16, expected: 17 };
        assert_eq!(accumulator.extend((0, 5), 16, &one), Err(twice));
        assert_eq!(accumulator.extend((0, 5), 15, &one), Err(AccumulatorError::NotScored { position: 15 }));
        assert_eq!(accumulator.extend((0, 6), 31, &one), Err(AccumulatorError::NotScored { position: 31 }));
        assert_eq!(accumulator.summary(|_| true).expect("one token").windows, 1);
    }

    #[test]
    fn the_error_is_the_one_pass_formula() {
        let values: Vec<f64> = (1..=12).map(f64::from).collect();
        let result = token_mean(&values);
        assert!((result.value - 6.5).abs() < 1e-15);
        // Σx² = 650: √((650/12 − 6.5²)/11).
        let expected = ((650.0 / 12.0 - 42.25) / 11.0_f64).sqrt();
        assert!((result.naive_standard_error.expect("12 tokens") - expected).abs() < 1e-14);
        assert_eq!(token_mean(&values[..10]).naive_standard_error, None);
    }

    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
    }

    #[test]
    fn interpolates_between_neighbours() {
        let result = percentiles(vec![4.0, 1.0, 2.0, 3.0]);
        near(result.median, 2.5);
        near(result.p10, 1.3);
        near(result.p99_9, 3.997);
        near(result.minimum, 1.0);
        near(result.maximum, 4.0);
        let odd = percentiles((0..=1000).rev().map(f64::from).collect());
        near(odd.median, 500.0);
        near(odd.p0_1, 1.0);
        near(odd.p95, 950.0);
        near(percentiles(vec![7.0]).p25, 7.0);
    }

    fn scored(kld_nats: f64, base_entropy_nats: f32) -> TokenComparison {
        TokenComparison {
            nll_base_nats: 1.0,
            nll_candidate_nats: 1.0,
            kld_nats,
            jsd_nats: Some(0.0),
            base_entropy_nats,
            base_margin_nats: None,
            token: 0,
            top1_base: 0,
            top1_candidate: 0,
            top5_overlap: 5,
            at_floor: false,
        }
    }

    #[test]
    fn positions_fall_in_equal_parts() {
        let shape = WindowShape::new(512).expect("long enough");
        let window: Vec<TokenComparison> = (0..255_u8).map(|i| scored(f64::from(i / 51), 1.0)).collect();
        let bins = by_position(&vec![(&(0, 0), &window), (&(0, 3), &window)], shape);
        assert_eq!(bins.iter().map(|bin| bin.from_position).collect::<Vec<_>>(), [256, 307, 358, 409, 460]);
        assert_eq!(bins[4].to_position, 511);
        assert!(bins.iter().all(|bin| bin.tokens == 102));
        for (expected, bin) in (0..5_u8).zip(&bins) {
            assert!((bin.kld_mean_nats.expect("tokens") - f64::from(expected)).abs() < 1e-12);
        }
        let short = WindowShape::new(5).expect("long enough");
        assert_eq!(by_position(&Vec::new(), short).len(), 2);
    }

    #[test]
    fn entropies_fall_between_the_edges() {
        let tokens = [scored(1.0, -1e-9), scored(3.0, 0.499), scored(5.0, 0.5), scored(7.0, 40.0)];
        let bins = by_base_entropy(&tokens.iter().collect::<Vec<_>>());
        assert_eq!(bins.iter().map(|bin| bin.tokens).collect::<Vec<_>>(), [2, 1, 0, 0, 0, 1]);
        assert_eq!(bins[2].kld_mean_nats, None);
        assert_eq!(bins[5].to_nats, None);
        assert!((bins[0].kld_mean_nats.expect("two tokens") - 2.0).abs() < 1e-12);
    }
}
