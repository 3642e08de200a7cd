//! Ratios, verdicts and limits on records with a known difference.

use std::path::Path;

use super::{diff as diff_of, *};
use crate::{
    analysis::{
        Verdict,
        gate::GateVerdict::{self, Fail, Inconclusive, Pass},
    },
    metric::{MetricId, Unit, Word, id},
    record::{Outcome, Phase, Run, WindowMeans, read_run},
};

fn run() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    read_run(&path).expect("the fixture is a record")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
fn times(ns: u64, factor: f64) -> u64 {
    (ns as f64 * factor) as u64
}

/// The fixture with every generation of one model taking `factor` times as long.
fn slower(model: usize, factor: f64) -> Run {
    let mut run = run();
    let visits = run.rounds.iter_mut().flat_map(|r| &mut r.visits).filter(|v| v.model == model);
    for sample in visits.flat_map(|v| &mut v.samples).filter(|s| s.phase == Phase::Decode) {
        sample.wall_ns = times(sample.wall_ns, factor);
        sample.native_ns = sample.native_ns.map(|ns| times(ns, factor));
    }
    run
}

fn metric<'a>(diff: &'a Diff, model: usize, key: &str) -> &'a MetricDiff {
    diff.models[model].metrics.iter().find(|m| m.metric.to_string() == key).expect("both have it")
}

fn diff(old: &Run, new: &Run) -> Diff {
    held_to(old, new, None)
}

fn gates(old: &Run, new: &Run, limit: &str) -> Vec<GateVerdict> {
    let limits = [limit.parse().expect("a limit")];
    let diff = diff_of(std::slice::from_ref(old), std::slice::from_ref(new), &limits).expect("a metric");
    diff.gate.expect("a limit was set").cases.iter().map(|case| case.verdict).collect()
}

#[test]
fn a_record_against_itself_has_ratio_1_and_fails_nothing() {
    let diff = diff(&run(), &run());
    assert_eq!((diff.differences.len(), diff.models.len(), diff.objections().count()), (0, 5, 0));
    let tg = metric(&diff, 1, "tg128");
    assert!((tg.change.value - 1.0).abs() < 1e-12, "{tg:?}");
    assert!(tg.change.low < Some(1.0) && tg.change.high > Some(1.0), "{tg:?}");
    assert_eq!((tg.n_old, tg.n_new, tg.unit), (12, 12, Unit::TokensPerSecond));
    assert!(gates(&run(), &run(), "tg128<-5%").iter().all(|verdict| *verdict == Pass));
    // Its last model has failed in both: nothing is lost.
    assert!(!diff.is_partial());
}

#[test]
fn a_model_that_became_slower_is_found_and_fails_its_limit_alone() {
    let diff = diff(&run(), &slower(1, 1.25));
    let tg = metric(&diff, 1, "tg128");
    assert!((tg.change.value - 0.8).abs() < 1e-6, "{tg:?}");
    assert_eq!(tg.verdict, Some(Verdict::Worse(Word::Slower)));
    assert_eq!(metric(&diff, 2, "tg128").verdict.filter(|v| *v == Verdict::Worse(Word::Slower)), None);
    let gates = |limit: &str| gates(&run(), &slower(1, 1.25), limit);
    assert_eq!(gates("tg128<-3%"), [Pass, Fail, Pass, Pass]);
    // −20 % is past −20 % with half of its interval, and a fall is no rise.
    assert_eq!(gates("tg128 < -20 %")[1], Inconclusive);
    assert_eq!(gates("tg128>3%")[1], Pass);
}

#[test]
fn drift_within_a_run_widens_the_interval() {
    let width = |d: &Diff| {
        let change = metric(d, 1, "tg128").change;
        change.high.expect("an interval") - change.low.expect("an interval")
    };
    let steady = width(&diff(&run(), &run()));
    let mut drifting = run();
    for (at, round) in (0_u32..).zip(&mut drifting.rounds) {
        for sample in round.visits.iter_mut().flat_map(|v| &mut v.samples) {
            sample.native_ns = sample.native_ns.map(|ns| ns * u64::from(100 + 2 * at) / 100);
        }
    }
    assert!(width(&diff(&run(), &drifting)) > 2.0 * steady);
}

#[test]
fn too_few_rounds_give_no_interval_and_decide_nothing() {
    let mut new = slower(1, 1.5);
    new.rounds.truncate(2);
    let diff = diff(&run(), &new);
    let tg = metric(&diff, 1, "tg128");
    assert_eq!((tg.verdict, tg.change.low, tg.n_new), (None, None, 2));
    assert!(tg.change.value < 0.7, "{tg:?}");
    assert_eq!(gates(&run(), &new, "tg128<-3%"), [Inconclusive; 4]);
}

#[test]
fn loads_from_another_kind_of_cache_are_not_compared() {
    let mut cold = run();
    for load in cold.rounds.iter_mut().flat_map(|r| &mut r.visits).filter_map(|v| v.load.as_mut()) {
        load.cache = crate::record::CacheState::Cold;
    }
    let diff = diff(&run(), &cold);
    assert!(diff.models[0].metrics.iter().all(|m| m.metric != MetricId::Load));
    assert_eq!(diff.models[0].lost, [MetricId::Load]);
}

#[test]
fn a_model_that_fails_now_is_not_passed_over() {
    let mut new = run();
    let failed = Outcome::Failed { stage: crate::record::Stage::Load, reason: "killed".into() };
    new.subjects[1].outcome = failed;
    for round in &mut new.rounds {
        round.visits.retain(|v| v.model != 1);
    }
    let diff = diff(&run(), &new);
    assert!(diff.is_partial());
    assert!(diff.models[1].metrics.is_empty() && diff.models[1].lost.contains(&id("tg128")));
    assert_eq!(gates(&run(), &new, "tg128<-3%"), [Pass, Inconclusive, Pass, Pass]);
}

/// The fixture on several days, whose generations are slower as a whole by a share of the day's own.
fn days(of_day: &[f64], model: usize, slower: f64) -> Vec<Run> {
    let day = |share: &f64| {
        let mut run = run();
        for (index, visit) in run.rounds.iter_mut().flat_map(|r| &mut r.visits).map(|v| (v.model, v)) {
            let factor = (1.0 + share) * if index == model { slower } else { 1.0 };
            for sample in visit.samples.iter_mut().filter(|s| s.phase == Phase::Decode) {
                sample.native_ns = sample.native_ns.map(|ns| times(ns, factor));
            }
        }
        run
    };
    of_day.iter().map(day).collect()
}

#[test]
fn three_records_of_each_side_know_what_varies_between_days() {
    let (old, new) = ([0.0, 0.06, 0.02], [0.12, -0.01, 0.03]);
    let of = |slower| {
        diff_of(&days(&old, 1, 1.0), &days(&new, 1, slower), &["tg128<-10%".parse().expect("one")]).expect("three")
    };
    let same = of(1.0);
    assert_eq!((same.scatter, same.records()), (Scatter::BetweenRuns, (3, 3)));
    let tg = metric(&same, 1, "tg128");
    // Student's interval of the three logarithms of each side, which scipy gives as well.
    let logs = |days: [f64; 3]| days.map(|share: f64| -(1.0 + share).ln());
    let expected = crate::stats::between_runs(&logs(old), &logs(new), 0.95).expect("three").exp();
    for (found, expected) in
        [(Some(tg.change.value), expected.value), (tg.change.low, expected.low), (tg.change.high, expected.high)]
    {
        assert!((found.expect("it is there") / expected - 1.0).abs() < 1e-6, "{tg:?} {expected}");
    }
    assert_eq!((tg.n_old, tg.n_new), (36, 36));
    // A day of each says that something changed, and is sure of it.
    let two = metric(&diff(&days(&old, 1, 1.0)[0], &days(&new, 1, 1.0)[0]), 1, "tg128").clone();
    assert_eq!(two.verdict, Some(Verdict::Worse(Word::Slower)), "{two:?}");
    assert_ne!(tg.verdict, Some(Verdict::Worse(Word::Slower)));
    // What is slow on every day is found.
    assert_eq!(of(1.6).gate.map(|gate| gate.cases[1].verdict), Some(Fail));
}

#[test]
fn sides_have_one_record_each_or_enough() {
    let counts = |old: usize, new: usize| diff_of(&vec![run(); old], &vec![run(); new], &[]).map(|diff| diff.records());
    assert_eq!(counts(1, 1), Ok((1, 1)));
    assert_eq!(counts(3, 4), Ok((3, 4)));
    for (old, new) in [(1, 3), (2, 2), (3, 2), (0, 1)] {
        let error = counts(old, new).expect_err("too few").to_string();
        assert!(error.starts_with(&format!("{old} older and {new} newer records")), "{error}");
    }
}

#[test]
fn records_of_a_side_must_be_of_the_same_work() {
    let mut other = run();
    other.plan.workloads.remove(0);
    let diff = diff_of(&[run(), run(), other], &vec![run(); 3], &[]).expect("three");
    assert_eq!(diff.objections().count(), 0);
    assert!(
        diff.within.iter().all(|found| found.old && found.record == 3) && !diff.within.is_empty(),
        "{:?}",
        diff.within
    );
}

pub(crate) mod outputs {
    use super::*;
    use crate::record::{
        CandidateQuality, Quality, QualityMemory, QualityPlan, QualityText, Reference, Sharing, TextPlan, TextQuality,
    };

    fn scored(kld: impl Fn(usize) -> f64) -> Run {
        with_outputs(run(), kld)
    }

    /// A run with the outputs of model 1 on one text of 12 windows.
    pub(crate) fn with_outputs(mut run: Run, kld: impl Fn(usize) -> f64) -> Run {
        run.plan.quality = Some(QualityPlan {
            n_ctx: 512,
            texts: vec![TextPlan {
                name: "prose".into(),
                domain: "prose".into(),
                sha256: Some("a".into()),
                bytes: None,
            }],
            precision: 0.0,
            min_windows: 1,
            max_windows: None,
            max_kld_nats: None,
            memory: QualityMemory::Auto,
            cache_top_k: 256,
            positions: None,
        });
        let window = |window| WindowMeans {
            window,
            tokens: 256,
            nll_base_nats: 2.0,
            nll_candidate_nats: 2.0 + 0.001 * window as f64,
            kld_nats: kld(window),
            same_top_fraction: 0.9,
            kld_largest_nats: Vec::new(),
            at_floor_tokens: 0,
        };
        run.quality = Some(Quality {
            texts: vec![QualityText { n_tokens: 12 * 512, n_windows: 12 }],
            reference: Reference::Original,
            sharing: Sharing::Shared { needed_bytes: 1, available_bytes: 2 },
            workers: Vec::new(),
            results: vec![CandidateQuality {
                candidate: 1,
                outcome: Outcome::Done,
                stopped: None,
                texts: vec![TextQuality { text: 0, windows: (0..12).map(window).collect(), summary: None }],
                domains: Vec::new(),
                overall: None,
                note: None,
                other_tokens: false,
                bits_per_byte: None,
            }],
            original_bits_per_byte: None,
            fault: None,
        });
        run
    }

    #[test]
    fn outputs_are_paired_by_window_and_equal_ones_are_exactly_equal() {
        let old = scored(|w| 0.01 + 0.001 * w as f64);
        let same = diff(&old, &old);
        let kld = metric(&same, 1, "kld_mean").change;
        assert_eq!((kld.kind, kld.value, kld.low, kld.high), (ChangeKind::Difference, 0.0, Some(0.0), Some(0.0)));
        let ppl = metric(&same, 1, "ppl").change;
        assert_eq!((ppl.kind, ppl.value, ppl.high), (ChangeKind::Ratio, 1.0, Some(1.0)));
        assert_eq!(metric(&same, 0, "ppl").n_new, 12);
        assert_eq!(gates(&old, &old, "kld>0.001"), [Pass]);
        // Records of a side are averaged: three of the same are as one.
        let three = diff_of(&vec![old.clone(); 3], &vec![old.clone(); 3], &[]).expect("three");
        assert_eq!(metric(&three, 1, "kld_mean").change, kld);

        // Windows differ widely and the change hardly: pairing shows it.
        let new = scored(|w| 0.012 + 0.001 * w as f64 + 0.0001 * (w % 2) as f64);
        let worse = diff(&old, &new);
        let kld = metric(&worse, 1, "kld_mean").change;
        assert!((kld.value - 0.002_05).abs() < 1e-9 && kld.low > Some(0.0019), "{kld:?}");
        assert_eq!(gates(&old, &new, "kld_mean>0.001"), [Fail]);
    }
}
