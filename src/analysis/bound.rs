//! What a comparison's KLD is: exact, a lower bound, or computed from rounded log-probabilities; and what it could not give.

use schemars::JsonSchema;
use serde::Serialize;

use crate::record::{Quality, Reference, Sharing};

/// What the KLD of a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KldKind {
    /// Of the two models' whole distributions.
    Exact,
    /// Of the original's most likely tokens and the sum of all others: at most the true KLD, token by token, so in every mean and
    /// percentile too.
    LowerBound {
        /// Tokens kept at each position.
        top_k: usize,
    },
    /// Of log-probabilities that llama-perplexity's file cuts and rounds.
    Rounded,
}

impl KldKind {
    pub(super) fn of(quality: &Quality) -> Self {
        match (&quality.reference, quality.sharing) {
            (Reference::LogitsFile { .. }, _) => Self::Rounded,
            (_, Sharing::Cached { top_k, .. }) => Self::LowerBound { top_k },
            (_, Sharing::Shared { .. } | Sharing::Repeated { .. }) => Self::Exact,
        }
    }

    pub(super) fn is_lower_bound(self) -> bool {
        match self {
            Self::LowerBound { .. } => true,
            Self::Exact | Self::Rounded => false,
        }
    }

    pub(super) fn absent(self) -> Vec<Absent> {
        match self {
            Self::LowerBound { .. } => vec![Absent {
                field: "jsd_mean_nats",
                reason: "the original and a candidate did not fit in memory together, and the Jensen–Shannon divergence needs the \
                         tokens of the original that were not kept",
            }],
            Self::Exact | Self::Rounded => Vec::new(),
        }
    }
}

/// A figure that is null, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Absent {
    /// Its name in a text's `summary`.
    pub field: &'static str,
    /// Why.
    pub reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(reference: Reference, sharing: Sharing) -> Quality {
        Quality { texts: Vec::new(), reference, sharing, workers: Vec::new(), results: Vec::new() }
    }

    #[test]
    fn a_bound_is_named_as_one() {
        let shared = Sharing::Shared { needed_bytes: 1, available_bytes: 2 };
        let cached = Sharing::Cached { pair_bytes: 3, needed_bytes: 2, cache_bytes: 1, available_bytes: 2, top_k: 256 };
        let bound = KldKind::of(&quality(Reference::Original, cached));
        assert_eq!(bound, KldKind::LowerBound { top_k: 256 });
        assert_eq!((bound.is_lower_bound(), bound.absent().len()), (true, 1));
        let exact = KldKind::of(&quality(Reference::Original, shared));
        assert_eq!((exact, exact.is_lower_bound()), (KldKind::Exact, false));
        let file = Reference::LogitsFile { file: "base.kld".into() };
        assert_eq!(KldKind::of(&quality(file, shared)), KldKind::Rounded);
    }
}
