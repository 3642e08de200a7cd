//! The order of models, a seeded shuffle in round 2j and its mirror image in round 2j+1, and which prompts a round asks.
//!
//! In a mirrored pair any two models have opposite distances in time, so a linear drift and the effect of
//! coming second cancel for every pair of models.

use crate::{
    record::{Plan, PromptText, PromptTurns, WorkloadKind},
    stats::SplitMix64,
};

/// Rounds of which there is an interval at 95 %: a sign of six equal ones has a chance of 2/64 without a difference.
pub(super) const FEWEST_FOR_INTERVAL: u32 = 6;

/// The order in which round `round` visits `n` models.
#[must_use]
pub fn order(n: usize, round: u32, seed: u64) -> Vec<usize> {
    let pair = u64::from(round / 2);
    let mut order: Vec<usize> = (0..n).collect();
    SplitMix64::new(seed ^ pair.wrapping_mul(0x9E37_79B9_7F4A_7C15)).shuffle(&mut order);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// The prompts asked in round `round`, as indices into the plan's workloads.
///
/// In turn means: both rounds of a mirrored pair ask the same ones, every category has some in every round so that its
/// ratio is paired by round, and all have been asked when the prompt rounds are over. The category with the longest texts costs most and
/// is asked in as few rounds as an interval needs.
pub(crate) fn prompts_in(plan: &Plan, round: u32) -> Vec<usize> {
    let pair = (round / 2) as usize;
    let mut asked: Vec<usize> = Vec::new();
    for Category { members, turn, rounds } in categories(plan) {
        if round < rounds {
            asked.extend((0..turn).map(|i| members[(pair * turn + i) % members.len()]));
        }
    }
    asked.sort_unstable();
    asked
}

/// Prompts that are compared together.
struct Category {
    members: Vec<usize>,
    /// How many of them a round asks.
    turn: usize,
    /// Rounds that do.
    rounds: u32,
}

fn categories(plan: &Plan) -> Vec<Category> {
    let protocol = &plan.protocol;
    let grouped = grouped(plan);
    let mean_bytes = |members: &[(usize, &PromptText)]| {
        members.iter().map(|(_, p)| p.text.len()).sum::<usize>() as f64 / members.len() as f64
    };
    let longest = grouped.iter().map(|members| mean_bytes(members)).fold(0.0, f64::max);
    let category = |members: Vec<(usize, &PromptText)>| {
        let n = members.len();
        let planned = protocol.prompt_rounds.min(protocol.max_rounds);
        let is_longest = mean_bytes(&members) >= longest;
        let of_category = if is_longest { planned.min(FEWEST_FOR_INTERVAL) } else { planned };
        let (turn, rounds) = match protocol.prompt_turns {
            PromptTurns::All => (n, planned),
            PromptTurns::InTurn => {
                let rounds = of_category.next_multiple_of(2).min(protocol.prompt_rounds);
                (n.div_ceil((of_category / 2).max(1) as usize), rounds)
            }
        };
        Category { members: members.into_iter().map(|(index, _)| index).collect(), turn, rounds }
    };
    grouped.into_iter().map(category).collect()
}

/// By category, in the order of the plan.
fn grouped(plan: &Plan) -> Vec<Vec<(usize, &PromptText)>> {
    let mut found: Vec<(&str, Vec<(usize, &PromptText)>)> = Vec::new();
    for (index, workload) in plan.workloads.iter().enumerate() {
        let WorkloadKind::Prompt(prompt) = &workload.kind else { continue };
        match found.iter_mut().find(|(name, _)| *name == prompt.category) {
            Some((_, members)) => members.push((index, prompt)),
            None => found.push((&prompt.category, vec![(index, prompt)])),
        }
    }
    found.into_iter().map(|(_, members)| members).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::{plan, prompt};

    fn with_prompts(turns: PromptTurns, rounds: u32) -> Plan {
        let mut plan = plan();
        for (category, n, bytes) in [("short", 4, 20), ("long", 5, 2000)] {
            plan.workloads.extend((0..n).map(|i| prompt(category, &format!("{category}{i}"), bytes)));
        }
        plan.protocol.prompt_turns = turns;
        (plan.protocol.prompt_rounds, plan.protocol.max_rounds) = (rounds, rounds);
        plan
    }

    #[test]
    fn prompts_in_turn_cover_the_suite_in_mirrored_pairs() {
        let plan = with_prompts(PromptTurns::InTurn, 10);
        let asked: Vec<Vec<usize>> = (0..12).map(|round| prompts_in(&plan, round)).collect();
        let all: std::collections::BTreeSet<usize> = asked.iter().flatten().copied().collect();
        assert_eq!(all.len(), 9, "every prompt had its turn");
        for (pair, rounds) in asked[..10].chunks(2).enumerate() {
            assert_eq!(rounds[0], rounds[1]);
            let of = |category: &str| rounds[0].iter().filter(|&&i| plan.workloads[i].id.starts_with(category)).count();
            let long = if pair < 3 { 2 } else { 0 };
            assert_eq!((of("short"), of("long")), (1, long), "long prompts are asked in the fewest rounds");
        }
        assert!(asked[10].is_empty() && asked[11].is_empty());
    }

    #[test]
    fn a_single_pair_asks_everything() {
        assert_eq!(prompts_in(&with_prompts(PromptTurns::InTurn, 2), 1).len(), 9);
        assert_eq!(prompts_in(&with_prompts(PromptTurns::All, 4), 3).len(), 9);
    }

    #[test]
    fn odd_rounds_mirror_even_ones() {
        for n in 1..6 {
            for pair in 0..10 {
                let first = order(n, 2 * pair, 7);
                let mut second = order(n, 2 * pair + 1, 7);
                second.reverse();
                assert_eq!(first, second);
                let mut sorted = first.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn pairs_differ_and_seeds_repeat() {
        let orders = |seed| (0..20).map(|r| order(4, r, seed)).collect::<Vec<_>>();
        assert_eq!(orders(1), orders(1));
        assert_ne!(orders(1), orders(2));
        let firsts: std::collections::BTreeSet<usize> = orders(1).iter().map(|o| o[0]).collect();
        assert_eq!(firsts.len(), 4, "every model comes first at some time");
    }
}
