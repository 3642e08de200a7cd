//! The rule on models made up for it: what it takes, what it leaves, and what it refuses to say.

use super::*;
use Relation::{Better, Open, Same, Worse};

fn observed(value: f64, half: f64) -> Observation {
    Observation { value, interval: Some((value - half, value + half)) }
}

fn model(role: Role, kld: f64, tg: f64, gib: f64) -> Candidate {
    let kld_nats = Some(if role == Role::Original { observed(0.0, 0.0) } else { observed(kld, kld * 0.1) });
    let bytes = gib * 1e9;
    Candidate {
        role,
        is_copy: false,
        only_bound: false,
        kld_nats,
        request_s: Some(observed(100.0 / tg, 2.0 / tg)),
        pp_tps: Some(observed(tg * 10.0, tg * 0.2)),
        tg_tps: Some(observed(tg, tg * 0.02)),
        joules_a_token: None,
        memory_bytes: Some(observed(bytes, 1e6)),
        file_bytes: Some(bytes),
    }
}

/// F16, and quants that are faster, smaller and worse in turn.
fn ladder() -> Vec<Candidate> {
    vec![
        model(Role::Original, 0.0, 10.0, 4.0),
        model(Role::Candidate, 0.001, 18.0, 2.2),
        model(Role::Candidate, 0.02, 25.0, 1.4),
        model(Role::Candidate, 0.2, 30.0, 1.0),
    ]
}

/// Relations by central values, which stand for intervals that tell; `open` names the pairs that don't. Divergence is a respect only
/// where it is preferred.
fn field(models: &[Candidate], prefer: Prefer, open: &[(Axis, usize, usize)]) -> Field {
    let table = |axis: Axis| {
        let of = |a: usize, b: usize| {
            let value = |m: usize| models[m].on(axis).map_or(0.0, |s| s.value);
            let sign = if matches!(axis, Axis::Generation | Axis::Prompt) { -1.0 } else { 1.0 };
            let d = sign * (value(a) - value(b));
            match d {
                _ if open.contains(&(axis, a, b)) || open.contains(&(axis, b, a)) => Open,
                d if d < 0.0 => Better,
                d if d > 0.0 => Worse,
                _ => Same,
            }
        };
        (axis, (0..models.len()).map(|a| (0..models.len()).map(|b| of(a, b)).collect()).collect())
    };
    let divergence = (prefer == Prefer::Quality).then_some(Axis::Divergence);
    let others = [Axis::Request, Axis::Generation, Axis::Prompt, Axis::Memory];
    Field::new(divergence.into_iter().chain(others).map(table).collect())
}

fn rule_of(prefer: Prefer) -> Rule {
    let by = match prefer {
        Prefer::Speed => Axis::Request,
        Prefer::Quality => Axis::Divergence,
        Prefer::Energy => Axis::Energy,
        Prefer::Size => Axis::Memory,
    };
    let max_kld_from = Source::Default;
    Rule { max_kld_nats: MAX_KLD_NATS, max_kld_from, min_tg_tps: None, max_memory_bytes: None, prefer, by }
}

fn advice(models: &[Candidate], rule: Rule, open: &[(Axis, usize, usize)]) -> Advice {
    advise(rule, models, &field(models, rule.prefer, open))
}

fn places(advice: &Advice) -> Vec<Rank> {
    advice.standings.iter().map(|s| s.place).collect()
}

fn take(model: usize) -> Choice {
    Choice::Take { model, equals: Vec::new() }
}

#[test]
fn the_fastest_within_the_limit_is_taken() {
    let advice = advice(&ladder(), rule_of(Prefer::Speed), &[]);
    assert_eq!(advice.choice, take(2));
    assert_eq!(places(&advice), [Rank::Original, Rank::Dominated, Rank::Chosen, Rank::OutsideLimits]);
}

#[test]
fn the_preference_decides() {
    assert_eq!(advice(&ladder(), rule_of(Prefer::Quality), &[]).choice, take(1), "not the original itself");
    assert_eq!(advice(&ladder(), rule_of(Prefer::Size), &[]).choice, take(2));
    let loose = Rule { max_kld_nats: 1.0, ..rule_of(Prefer::Size) };
    assert_eq!(advice(&ladder(), loose, &[]).choice, take(3));
}

#[test]
fn of_those_not_told_apart_the_smaller_file_is_taken() {
    let mut models = ladder();
    // The larger file is a little faster, which no interval tells, and needs less memory.
    models[1] = Candidate { memory_bytes: Some(observed(1.3e9, 1e6)), ..model(Role::Candidate, 0.001, 26.0, 2.2) };
    let told = advice(&models, rule_of(Prefer::Speed), &[]);
    assert_eq!(told.choice, take(1), "told apart, the faster one");
    let open = [(Axis::Request, 1, 2), (Axis::Generation, 1, 2)];
    let untold = advice(&models, rule_of(Prefer::Speed), &open);
    assert_eq!(untold.choice, Choice::Take { model: 2, equals: vec![1] });
    assert_eq!(untold.standings[1].place, Rank::Equal);
}

#[test]
fn within_the_limit_divergence_never_decides() {
    let mut models = ladder();
    let with = |models: &[Candidate]| advice(models, rule_of(Prefer::Speed), &[]).choice;
    for (one, other) in [(0.001, 0.049), (0.044, 0.0), (0.02, 0.02)] {
        models[1].kld_nats = Some(observed(one, one * 0.01));
        models[2].kld_nats = Some(observed(other, other * 0.01));
        assert_eq!(with(&models), take(2), "{one} {other}");
    }
    assert_eq!(
        advice(&models, rule_of(Prefer::Quality), &[(Axis::Divergence, 1, 2)]).choice,
        Choice::Take { model: 2, equals: vec![1] }
    );
}

#[test]
fn an_interval_across_a_limit_is_not_within_it() {
    let mut models = ladder();
    models[2].kld_nats = Some(observed(0.045, 0.01));
    let crossed = advice(&models, rule_of(Prefer::Speed), &[]);
    assert_eq!((crossed.choice.clone(), crossed.standings[2].place), (take(1), Rank::LimitNotResolved));
    models[2].kld_nats = Some(Observation { value: 0.02, interval: None });
    assert_eq!(advice(&models, rule_of(Prefer::Speed), &[]).standings[2].limits[0].held, LimitCheck::NotResolved);
}

#[test]
fn every_limit_counts() {
    let slow = Rule { min_tg_tps: Some(20.0), ..rule_of(Prefer::Quality) };
    assert_eq!(advice(&ladder(), slow, &[]).choice, take(2));
    let small = Rule { max_memory_bytes: Some(1.2e9), ..rule_of(Prefer::Speed) };
    let none = advice(&ladder(), small, &[]);
    assert_eq!(none.choice, Choice::Nothing { because: NoRecommendation::NothingWithinLimits });
    assert_eq!(none.standings[3].limits.len(), 2);
    assert_eq!(none.standings[0].place, Rank::OutsideLimits, "the original has limits, too");
}

#[test]
fn where_no_candidate_keeps_the_limits_the_original_does() {
    let strict = Rule { max_kld_nats: 1e-6, ..rule_of(Prefer::Quality) };
    assert_eq!(advice(&ladder(), strict, &[]).choice, take(0));
}

#[test]
fn a_candidate_that_is_not_faster_than_the_original_is_not_taken_for_its_speed() {
    let mut models = ladder();
    for m in &mut models[1..] {
        (m.tg_tps, m.request_s) = (Some(observed(9.0, 0.1)), Some(observed(11.0, 0.1)));
    }
    assert_eq!(advice(&models, rule_of(Prefer::Speed), &[]).choice, take(0));
}

#[test]
fn the_dominated_are_named_with_what_dominates_them_and_only_when_resolved() {
    let mut models = ladder();
    models.push(model(Role::Candidate, 0.03, 20.0, 1.6));
    let told = advice(&models, rule_of(Prefer::Speed), &[]);
    assert_eq!(told.standings[4].dominated_by, [2], "not by what breaks a limit");
    assert_eq!(told.standings[4].place, Rank::Dominated);
    let open = advice(&models, rule_of(Prefer::Speed), &[(Axis::Memory, 2, 4)]);
    assert!(open.standings[4].dominated_by.is_empty());
    assert_eq!(open.standings[4].place, Rank::Behind);
}

#[test]
fn what_it_cannot_say_it_says() {
    let nothing = |models: &[Candidate], prefer| match advice(models, rule_of(prefer), &[]).choice {
        Choice::Nothing { because } => because,
        choice @ Choice::Take { .. } => panic!("{choice:?}"),
    };
    let change = |of: fn(&mut Candidate)| {
        let mut models = ladder();
        models[1..].iter_mut().for_each(of);
        models
    };
    assert_eq!(nothing(&ladder()[..1], Prefer::Speed), NoRecommendation::NoCandidate);
    assert_eq!(nothing(&change(|m| m.is_copy = true), Prefer::Size), NoRecommendation::OnlyCopies);
    assert_eq!(nothing(&change(|m| m.kld_nats = None), Prefer::Size), NoRecommendation::OutputsNotCompared);
    let bound = |m: &mut Candidate| (m.kld_nats, m.only_bound) = (None, true);
    assert_eq!(nothing(&change(bound), Prefer::Size), NoRecommendation::OnlyBounds);
    let alone = |m: &mut Candidate| {
        (m.request_s, m.pp_tps, m.tg_tps, m.memory_bytes) = (None, None, None, None);
    };
    assert_eq!(nothing(&change(alone), Prefer::Speed), NoRecommendation::OutputsAlone);
    let alone_and_bound = |m: &mut Candidate| {
        (m.request_s, m.pp_tps, m.tg_tps, m.memory_bytes) = (None, None, None, None);
        (m.kld_nats, m.only_bound) = (None, true);
    };
    assert_eq!(nothing(&change(alone_and_bound), Prefer::Size), NoRecommendation::OutputsAlone);
    assert_eq!(nothing(&change(|m| m.request_s = None), Prefer::Speed), NoRecommendation::NotMeasured);
    let quick = change(|m| m.request_s = Some(Observation { value: 5.0, interval: None }));
    assert_eq!(nothing(&quick, Prefer::Speed), NoRecommendation::NoIntervals);
    assert_eq!(advice(&quick, rule_of(Prefer::Quality), &[]).choice, take(1), "which needs no speed");
}

#[test]
fn a_model_that_failed_has_no_place() {
    let mut models = ladder();
    models[2] = Candidate {
        kld_nats: None,
        request_s: None,
        pp_tps: None,
        tg_tps: None,
        memory_bytes: None,
        file_bytes: None,
        ..models[2].clone()
    };
    let advice = advice(&models, rule_of(Prefer::Speed), &[]);
    assert_eq!((advice.choice.clone(), advice.standings[2].place), (take(1), Rank::NotMeasured));
}
