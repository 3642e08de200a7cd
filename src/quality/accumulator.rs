//! Collects scored tokens, in a few dozen bytes each, and sums them up.

use std::collections::BTreeMap;

use super::bins::{by_base_entropy, by_position};
use super::compare::{Flip, TokenComparison};
use super::moments::{covariance_of_means, mean, token_mean};
use super::percentiles::percentiles;
use super::top::TOP;
use super::windows::WindowShape;
use crate::record::{Flips, Summary, TokenMean, WindowMeans, WorstToken};

/// Tokens listed as the worst.
const WORST_TOKENS: usize = 10;

/// Why tokens cannot be collected or summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccumulatorError {
    /// The position is not among the scored ones.
    #[error("position {position} is not scored")]
    NotScored {
        /// Position in the window.
        position: usize,
    },
    /// A position came twice or too early.
    #[error("position {position} of window {window}, expected {expected}")]
    OutOfOrder {
        /// Window, from 0.
        window: usize,
        /// Position in the window.
        position: usize,
        /// The position due.
        expected: usize,
    },
    /// No token was scored.
    #[error("no token was scored")]
    Empty,
}

/// The scored tokens of one candidate on one text.
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    shape: WindowShape,
    windows: BTreeMap<usize, Vec<TokenComparison>>,
}

impl Accumulator {
    /// An empty one for windows of this shape.
    #[must_use]
    pub(crate) fn new(shape: WindowShape) -> Self {
        Self { shape, windows: BTreeMap::new() }
    }

    /// Adds consecutive positions of a window, as micro-batches deliver them. Windows may interleave.
    ///
    /// # Errors
    /// A position that is not scored or not the next one of its window; nothing is added then.
    pub(crate) fn extend(
        &mut self,
        window: usize,
        position: usize,
        tokens: &[TokenComparison],
    ) -> Result<(), AccumulatorError> {
        let scored = self.shape.scored();
        let kept = self.windows.entry(window).or_default();
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
    #[must_use]
    pub(crate) fn window(&self, window: usize) -> Option<WindowMeans> {
        let tokens = self.windows.get(&window).filter(|tokens| tokens.len() == self.shape.scored().len())?;
        Some(window_means(window, tokens))
    }

    /// Sums up all tokens so far.
    ///
    /// # Errors
    /// No token at all.
    pub(crate) fn summary(&self) -> Result<Summary, AccumulatorError> {
        let tokens: Tokens<'_> = self.windows.values().flatten().collect();
        if tokens.is_empty() {
            return Err(AccumulatorError::Empty);
        }
        let perplexity = Perplexity::of(&tokens);
        let kld = column(&tokens, |token| token.kld_nats);
        let delta_p = column(&tokens, |token| token.p_candidate() - token.p_base());
        Ok(Summary {
            tokens: tokens.len(),
            windows: self.windows.values().filter(|tokens| !tokens.is_empty()).count(),
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
            kld_by_position: by_position(&self.windows, self.shape),
            kld_by_base_entropy: by_base_entropy(&tokens),
            worst_tokens: self.worst_tokens(),
        })
    }

    fn worst_tokens(&self) -> Vec<WorstToken> {
        let first = self.shape.scored().start;
        let places = self.windows.iter().flat_map(|(&window, tokens)| {
            tokens.iter().enumerate().map(move |(index, token)| (window, first + index, token))
        });
        let mut places: Vec<_> = places.collect();
        places.sort_by(|a, b| b.2.kld_nats.total_cmp(&a.2.kld_nats));
        let worst = places.into_iter().take(WORST_TOKENS);
        worst.map(|(window, position, token)| worst_token(window, position, token)).collect()
    }
}

fn worst_token(window: usize, position: usize, token: &TokenComparison) -> WorstToken {
    WorstToken {
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
        }
    }

    fn filled(tokens: &[TokenComparison], order: &[(usize, usize)]) -> Accumulator {
        let shape = WindowShape::new(32).expect("long enough");
        let mut accumulator = Accumulator::new(shape);
        for &(window, position) in order {
            let index = window * 15 + position - 16;
            accumulator.extend(window, position, &tokens[index..=index]).expect("in order");
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
        let summary = filled(&tokens, &order).summary().expect("not empty");
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
        assert_eq!(a.summary(), b.summary());
        let window_means =
            |accumulator: &Accumulator| (0..4).map_while(|at| accumulator.window(at)).collect::<Vec<_>>();
        let means = window_means(&a);
        assert_eq!((means.len(), &means), (4, &window_means(&b)));
        close(
            means.iter().map(|window| window.kld_nats).sum::<f64>() / 4.0,
            a.summary().expect("not empty").kld_mean_nats.value,
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
            accumulator.extend(window, 16, &tokens).expect("in order");
        }
        let summary = accumulator.summary().expect("not empty");
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
        let worst = filled(&tokens, &order).summary().expect("not empty").worst_tokens;
        assert_eq!((worst.len(), worst[0].window, worst[0].position), (WORST_TOKENS, 2, 20));
        assert!(worst.is_sorted_by(|a, b| a.kld_nats >= b.kld_nats));
    }

    #[test]
    fn positions_must_come_in_order() {
        let shape = WindowShape::new(32).expect("long enough");
        let mut accumulator = Accumulator::new(shape);
        let one = [token(&mut Random::new(12))];
        assert_eq!(accumulator.summary(), Err(AccumulatorError::Empty));
        accumulator.extend(5, 16, &one).expect("in order");
        let twice = AccumulatorError::OutOfOrder { window: 5, position: 16, expected: 17 };
        assert_eq!(accumulator.extend(5, 16, &one), Err(twice));
        assert_eq!(accumulator.extend(5, 15, &one), Err(AccumulatorError::NotScored { position: 15 }));
        assert_eq!(accumulator.extend(6, 31, &one), Err(AccumulatorError::NotScored { position: 31 }));
        assert_eq!(accumulator.summary().expect("one token").windows, 1);
    }
}
