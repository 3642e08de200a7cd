//! Where a candidate's answer parts from the original's, and by how little the original had chosen there.

use schemars::JsonSchema;
use serde::Serialize;

use super::defects::first_divergence;
use crate::record::Generation;

/// A candidate's answer against the original's to the same prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The same tokens to the end.
    Same,
    /// They part.
    Parts {
        /// The first token that differs, from 0.
        token_index: usize,
        /// Tokens until then over tokens of the longer answer.
        common_fraction: f64,
        /// By how much the original preferred its token there to the second best, in nats; `None` when its answer had ended.
        original_margin_nats: Option<f32>,
    },
}

/// Holds two answers against each other.
pub(super) fn agreement(original: &Generation, candidate: &Generation) -> Agreement {
    match first_divergence(&original.tokens, &candidate.tokens) {
        None => Agreement::Same,
        Some(parting) => Agreement::Parts {
            token_index: parting.token_index,
            common_fraction: parting.common_fraction,
            original_margin_nats: original.margins_nats.get(parting.token_index).copied(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FinishReason;

    fn answer(tokens: &[i32]) -> Generation {
        Generation {
            workload: 0,
            n_prompt: 3,
            templated: false,
            tokens: tokens.to_vec(),
            text: String::new(),
            finish: FinishReason::Length,
            ttft_ns: 1,
            inter_token_ns: Vec::new(),
            margins_nats: vec![0.5, 0.25, 0.125, 4.0][..tokens.len()].to_vec(),
        }
    }

    #[test]
    fn the_originals_margin_is_that_of_the_token_that_differs() {
        assert_eq!(agreement(&answer(&[1, 2]), &answer(&[1, 2])), Agreement::Same);
        let parts = |token_index, common_fraction, original_margin_nats| Agreement::Parts {
            token_index,
            common_fraction,
            original_margin_nats,
        };
        assert_eq!(agreement(&answer(&[1, 2, 3, 4]), &answer(&[1, 2, 9, 4])), parts(2, 0.5, Some(0.125)));
        assert_eq!(agreement(&answer(&[1]), &answer(&[1, 2])), parts(1, 0.5, None));
    }
}
