//! Ratios, verdicts and limits on records with a known difference.

use std::path::Path;

use super::{
    Passing::{Failed, Passed},
    *,
};
use crate::{
    analysis::Verdict,
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

fn gates(diff: &mut Diff, limit: &str) -> Vec<Passing> {
    diff.hold_against(&[limit.parse().expect("a limit")]).expect("a metric");
    diff.gates.iter().map(|g| g.passing).collect()
}

#[test]
fn a_record_against_itself_has_ratio_1_and_fails_nothing() {
    let mut diff = diff(&run(), &run());
    assert_eq!((diff.differences.len(), diff.models.len(), diff.objections().count()), (0, 5, 0));
    let tg = metric(&diff, 1, "tg128");
    assert!((tg.change.value - 1.0).abs() < 1e-12, "{tg:?}");
    assert!(tg.change.low < Some(1.0) && tg.change.high > Some(1.0), "{tg:?}");
    assert_eq!((tg.n_old, tg.n_new, tg.unit), (12, 12, Unit::TokensPerSecond));
    assert!(gates(&mut diff, "tg128<-3%").iter().all(|p| *p == Passed));
    // Its last model has failed in both: nothing is lost.
    assert!(!diff.is_partial());
}

#[test]
fn a_model_that_became_slower_is_found_and_fails_its_limit_alone() {
    let mut diff = diff(&run(), &slower(1, 1.25));
    let tg = metric(&diff, 1, "tg128");
    assert!((tg.change.value - 0.8).abs() < 1e-6, "{tg:?}");
    assert_eq!(tg.verdict, Some(Verdict::Worse(Word::Slower)));
    assert_eq!(metric(&diff, 2, "tg128").verdict.filter(|v| *v == Verdict::Worse(Word::Slower)), None);
    assert_eq!(gates(&mut diff, "tg128<-3%"), [Passed, Failed, Passed, Passed]);
    assert!(diff.fails());
    // −20 % is not past −20 % with its whole interval, nor is a fall a rise.
    assert_eq!(gates(&mut diff, "tg128 < -20 %")[1], Passed);
    assert_eq!(gates(&mut diff, "tg128>3%")[1], Passed);
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
fn too_few_rounds_give_no_interval_and_can_fail_nothing() {
    let mut new = slower(1, 1.5);
    new.rounds.truncate(2);
    let mut diff = diff(&run(), &new);
    let tg = metric(&diff, 1, "tg128");
    assert_eq!((tg.verdict, tg.change.low, tg.n_new), (None, None, 2));
    assert!(tg.change.value < 0.7, "{tg:?}");
    assert_eq!(gates(&mut diff, "tg128<-3%"), [Passing::NoInterval; 4]);
    assert!(!diff.fails());
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
}

#[test]
fn limits_are_read_exactly() {
    for (text, why) in [
        ("tg128", "there is no < or >"),
        ("<3%", "there is no metric before the sign"),
        ("tg128<", "after the sign there is no number"),
        ("tg128<three%", "after the sign there is no number"),
        ("tg128<inf%", "the number is not finite"),
    ] {
        assert_eq!(text.parse::<Limit>().map_err(|e| e.why), Err(why), "{text}");
    }
    let mut diff = diff(&run(), &run());
    let mut error =
        |text: &str| diff.hold_against(&[text.parse().expect("a limit")]).expect_err("no such metric").to_string();
    let told = error("tg64<-3%");
    assert!(told.contains("tg64") && told.contains("pp512, tg128, load, memory_peak, short/pp"), "{told}");
    assert!(error("tg128<-3").contains("in per cent"), "{}", error("tg128<-3"));
    assert_eq!(gates(&mut diff, "peak>5%").len(), 4);
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
        });
        run
    }

    #[test]
    fn outputs_are_paired_by_window_and_equal_ones_are_exactly_equal() {
        let old = scored(|w| 0.01 + 0.001 * w as f64);
        let mut same = diff(&old, &old);
        let kld = metric(&same, 1, "kld_mean").change;
        assert_eq!((kld.kind, kld.value, kld.low, kld.high), (ChangeKind::Difference, 0.0, Some(0.0), Some(0.0)));
        let ppl = metric(&same, 1, "ppl").change;
        assert_eq!((ppl.kind, ppl.value, ppl.high), (ChangeKind::Ratio, 1.0, Some(1.0)));
        assert_eq!(metric(&same, 0, "ppl").n_new, 12);
        assert_eq!(gates(&mut same, "kld>0.001"), [Passed]);

        // Windows differ widely and the change hardly: pairing shows it.
        let mut worse = diff(&old, &scored(|w| 0.012 + 0.001 * w as f64 + 0.0001 * (w % 2) as f64));
        let kld = metric(&worse, 1, "kld_mean").change;
        assert!((kld.value - 0.002_05).abs() < 1e-9 && kld.low > Some(0.0019), "{kld:?}");
        assert_eq!(gates(&mut worse, "kld_mean>0.001"), [Failed]);
        let error = worse.hold_against(&["kld>1%".parse().expect("a limit")]).expect_err("other terms").to_string();
        assert!(error.contains("own unit"), "{error}");
    }
}
