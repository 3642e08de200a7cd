//! KLD by where a token stands and by how sure the original was.

use std::collections::BTreeMap;

use super::compare::TokenComparison;
use super::moments::mean;
use super::windows::WindowShape;
use crate::record::{EntropyBin, PositionBin};

/// Equal parts of the scored half of a window.
const POSITION_BINS: usize = 5;
/// Lower edges of the entropy bins, in nats: fixed, so that models can be held against each other.
const ENTROPY_EDGES_NATS: [f64; 6] = [0.0, 0.5, 1.0, 2.0, 3.0, 4.0];

/// Mean KLD for each part of the window, in order; fewer parts where there are fewer positions.
pub(super) fn by_position(windows: &BTreeMap<usize, Vec<TokenComparison>>, shape: WindowShape) -> Vec<PositionBin> {
    let scored = shape.scored();
    let bins = POSITION_BINS.min(scored.len());
    let edge = |bin: usize| bin * scored.len() / bins;
    let bin = |bin| {
        let range = edge(bin)..edge(bin + 1);
        let within = windows.values().flat_map(|tokens| tokens.iter().take(range.end).skip(range.start));
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
pub(super) fn by_base_entropy(tokens: &[&TokenComparison]) -> Vec<EntropyBin> {
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
mod tests {
    use super::*;

    fn token(kld_nats: f64, base_entropy_nats: f32) -> TokenComparison {
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
        }
    }

    #[test]
    fn positions_fall_in_equal_parts() {
        let shape = WindowShape::new(512).expect("long enough");
        let window: Vec<TokenComparison> = (0..255_u8).map(|i| token(f64::from(i / 51), 1.0)).collect();
        let bins = by_position(&BTreeMap::from([(0, window.clone()), (3, window)]), shape);
        assert_eq!(bins.iter().map(|bin| bin.from_position).collect::<Vec<_>>(), [256, 307, 358, 409, 460]);
        assert_eq!(bins[4].to_position, 511);
        assert!(bins.iter().all(|bin| bin.tokens == 102));
        for (expected, bin) in (0..5_u8).zip(&bins) {
            assert!((bin.kld_mean_nats.expect("tokens") - f64::from(expected)).abs() < 1e-12);
        }
        let short = WindowShape::new(5).expect("long enough");
        assert_eq!(by_position(&BTreeMap::new(), short).len(), 2);
    }

    #[test]
    fn entropies_fall_between_the_edges() {
        let tokens = [token(1.0, -1e-9), token(3.0, 0.499), token(5.0, 0.5), token(7.0, 40.0)];
        let bins = by_base_entropy(&tokens.iter().collect::<Vec<_>>());
        assert_eq!(bins.iter().map(|bin| bin.tokens).collect::<Vec<_>>(), [2, 1, 0, 0, 0, 1]);
        assert_eq!(bins[2].kld_mean_nats, None);
        assert_eq!(bins[5].to_nats, None);
        assert!((bins[0].kld_mean_nats.expect("two tokens") - 2.0).abs() < 1e-12);
    }
}
