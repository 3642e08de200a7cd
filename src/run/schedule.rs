//! The order of models, a seeded shuffle in round 2j and its mirror image in round 2j+1, and which prompts a round asks.
//!
//! In a mirrored pair any two models have opposite distances in time, so a linear drift and the effect of
//! coming second cancel for every pair of models.

use crate::{
    record::{Plan, PromptText, PromptTurns, WorkloadKind},
    stats::SplitMix64,
};

/// Rounds of which there is an interval at 95 %: a sign of six equal ones has a chance of 2/64 without a difference.
const FEWEST_FOR_INTERVAL: u32 = 6;
/// Rounds that mirror each other.
const PAIR: u32 = 2;

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

/// How long prompts are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PromptSchedule {
    /// In all of the plan's rounds with prompts.
    Full,
    /// Until all were asked and there is an interval.
    Minimal,
    /// The same, but some of the longest once, forwards and backwards: of these there is a value and no interval.
    LongestCategoryOnce,
}

/// The prompts asked in round `round`, as indices into the plan's workloads.
///
/// In turn means: both rounds of a mirrored pair ask the same ones, every category has some in every round so that its
/// ratio is paired by round, and all have been asked when the prompt rounds are over (but for [`PromptSchedule::LongestCategoryOnce`]). The
/// category with the longest texts costs most and is asked in as few rounds as an interval needs.
pub(crate) fn prompts_in(plan: &Plan, round: u32, prompts: PromptSchedule) -> Vec<usize> {
    let pair = (round / 2) as usize;
    let mut asked: Vec<usize> = Vec::new();
    for Category { members, turn, rounds } in categories(plan, prompts) {
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

fn categories(plan: &Plan, prompts: PromptSchedule) -> Vec<Category> {
    let protocol = &plan.protocol;
    let grouped = grouped(plan);
    let mean_bytes = |members: &[(usize, &PromptText)]| {
        members.iter().map(|(_, p)| p.text.len()).sum::<usize>() as f64 / members.len() as f64
    };
    let longest = grouped.iter().map(|members| mean_bytes(members)).fold(0.0, f64::max);
    let several = grouped.len() > 1;
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
        let once = u32::try_from(2 * n.div_ceil(turn)).unwrap_or(u32::MAX);
        let rounds = match prompts {
            PromptSchedule::Full => rounds,
            PromptSchedule::LongestCategoryOnce if is_longest && several => rounds.min(PAIR),
            PromptSchedule::Minimal | PromptSchedule::LongestCategoryOnce => rounds.min(once.max(FEWEST_FOR_INTERVAL)),
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
        let asked: Vec<Vec<usize>> = (0..12).map(|round| prompts_in(&plan, round, PromptSchedule::Full)).collect();
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
        assert_eq!(prompts_in(&with_prompts(PromptTurns::InTurn, 2), 1, PromptSchedule::Full).len(), 9);
        assert_eq!(prompts_in(&with_prompts(PromptTurns::All, 4), 3, PromptSchedule::Minimal).len(), 9);
    }

    #[test]
    fn the_fewest_rounds_have_an_interval_and_ask_everything() {
        let n_asked = |plan: &Plan, schedule| {
            let asked = (0..plan.protocol.max_rounds).map(|round| prompts_in(plan, round, schedule));
            asked.filter(|prompts| !prompts.is_empty()).flatten().collect::<Vec<_>>()
        };
        let everything = |asked: &[usize]| asked.iter().collect::<std::collections::BTreeSet<_>>().len();
        // Four short prompts take four pairs, the five long ones three.
        let plan = with_prompts(PromptTurns::InTurn, 10);
        let fewest = n_asked(&plan, PromptSchedule::Minimal);
        assert_eq!((fewest.len(), everything(&fewest)), (8 + 12, 9));
        // Two of the long ones in each of two rounds.
        assert_eq!(n_asked(&plan, PromptSchedule::LongestCategoryOnce).len(), 8 + 4);
        // Of two short ones an interval needs each more than once.
        let mut few = with_prompts(PromptTurns::InTurn, 10);
        few.workloads.retain(|w| !["short2", "short3"].contains(&w.id.as_str()));
        let fewest = n_asked(&few, PromptSchedule::Minimal);
        assert_eq!((fewest.len(), everything(&fewest)), (6 + 12, 7));
        assert_eq!(n_asked(&few, PromptSchedule::Full).len(), 10 + 12);
        // Of one category alone there is no longest.
        few.workloads.retain(|w| !w.id.starts_with("long"));
        assert_eq!(n_asked(&few, PromptSchedule::LongestCategoryOnce), n_asked(&few, PromptSchedule::Minimal));
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
