//! Properties every interval must have, on seeded random samples: symmetry, order, and honest
//! coverage.

use super::*;

type OneSample = fn(&[f64], f64) -> Result<Estimate, Error>;

/// Every estimator of one sample with its name.
const ONE_SAMPLE: [(&str, OneSample); 3] =
    [("hodges_lehmann", hodges_lehmann), ("median_interval", median_interval), ("window_t", window_t)];

/// A symmetric, heavy-tailed value around 0: a difference of two exponential delays.
fn laplace(rng: &mut SplitMix64) -> f64 {
    (1.0 - rng.unit()).ln() - (1.0 - rng.unit()).ln()
}

fn sample(rng: &mut SplitMix64, n: usize) -> Vec<f64> {
    (0..n).map(|_| laplace(rng)).collect()
}

fn ends(estimate: &Estimate) -> [f64; 3] {
    [estimate.low, estimate.value, estimate.high]
}

#[track_caller]
fn assert_same(what: &str, actual: [f64; 3], expected: [f64; 3]) {
    for (a, e) in actual.into_iter().zip(expected) {
        assert!((a - e).abs() <= 1e-11 * e.abs().max(1.0), "{what}: {actual:?}, expected {expected:?}");
    }
}

#[test]
fn intervals_contain_their_estimate_and_nest_by_confidence() {
    let mut rng = SplitMix64::new(21);
    for n in [10, 11, 17, 30] {
        let values = sample(&mut rng, n);
        for (name, estimator) in ONE_SAMPLE {
            let [narrow, wide] = [0.9, 0.99].map(|confidence| estimator(&values, confidence).expect("enough values"));
            assert!(narrow.contains(narrow.value), "{name}: {narrow:?}");
            assert!(wide.low <= narrow.low && narrow.high <= wide.high, "{name}: {narrow:?} {wide:?}");
        }
    }
}

#[test]
fn shifting_and_scaling_the_data_shifts_and_scales_the_interval() {
    let mut rng = SplitMix64::new(22);
    for n in [10, 13, 24] {
        let values = sample(&mut rng, n);
        let moved: Vec<f64> = values.iter().map(|x| 3.0 * x - 7.0).collect();
        let mirrored: Vec<f64> = values.iter().map(|x| -x).collect();
        for (name, estimator) in ONE_SAMPLE {
            let of = |values: &[f64]| ends(&estimator(values, 0.95).expect("enough values"));
            let [low, value, high] = of(&values);
            assert_same(name, of(&moved), [low, value, high].map(|x| 3.0 * x - 7.0));
            assert_same(name, of(&mirrored), [-high, -value, -low]);
        }
    }
}

#[test]
fn the_order_of_the_data_is_irrelevant() {
    let mut rng = SplitMix64::new(23);
    for _ in 0..20 {
        let values = sample(&mut rng, 15);
        let mut shuffled = values.clone();
        rng.shuffle(&mut shuffled);
        for (name, estimator) in ONE_SAMPLE {
            let of = |values: &[f64]| ends(&estimator(values, 0.95).expect("enough values"));
            assert_same(name, of(&shuffled), of(&values));
        }
        assert_eq!(quantile(&shuffled, 0.9), quantile(&values, 0.9));
    }
}

#[test]
fn swapping_the_two_runs_turns_the_shift_around() {
    let mut rng = SplitMix64::new(24);
    for (m, n) in [(4, 4), (5, 9), (20, 20), (60, 50)] {
        let (before, after) = (sample(&mut rng, m), sample(&mut rng, n));
        let there = hodges_lehmann_shift(&before, &after, 0.95).expect("enough values");
        let back = hodges_lehmann_shift(&after, &before, 0.95).expect("enough values");
        assert_same("shift", ends(&back), [-there.high, -there.value, -there.low]);
        let moved: Vec<f64> = after.iter().map(|y| y + 2.0).collect();
        let moved = hodges_lehmann_shift(&before, &moved, 0.95).expect("enough values");
        assert_same("moved shift", ends(&moved), ends(&there).map(|x| x + 2.0));
    }
}

#[test]
fn a_slope_follows_the_units_of_both_axes() {
    let mut rng = SplitMix64::new(25);
    let positions: Vec<f64> = (0..15).map(|i| f64::from(i) + 0.5 * rng.unit()).collect();
    let values = sample(&mut rng, 15);
    let trend = theil_sen(&positions, &values).expect("enough values");
    let seconds: Vec<f64> = positions.iter().map(|x| 60.0 * x + 9.0).collect();
    let tilted: Vec<f64> = values.iter().zip(&positions).map(|(y, x)| 2.0 * y + 6.0 * x).collect();
    let tilted = theil_sen(&seconds, &tilted).expect("enough values");
    assert!((tilted.slope - (2.0 * trend.slope + 6.0) / 60.0).abs() < 1e-12, "{trend:?} {tilted:?}");
    let falling: Vec<f64> = values.iter().map(|y| -y).collect();
    let falling = theil_sen(&positions, &falling).expect("enough values");
    assert_eq!((falling.s, falling.p_value.to_bits()), (-trend.s, trend.p_value.to_bits()));
}

/// How often in `runs` a 95 % interval made by `interval` contains the true value 0.
fn covered(runs: usize, mut interval: impl FnMut() -> Estimate) -> f64 {
    (0..runs).filter(|_| interval().contains(0.0)).count() as f64 / runs as f64
}

#[test]
fn rank_intervals_cover_the_truth_as_often_as_they_say() {
    const RUNS: usize = 4000;
    let mut rng = SplitMix64::new(26);
    let mut seen = Vec::new();
    // Confidence of the exact intervals at 95 %, from the test statistics' distributions: signed rank, order statistics, rank sum.
    let exact = [
        (6, [0.968_75, 0.968_75, 0.958_87]),
        (10, [0.951_17, 0.978_52, 0.956_74]),
        (20, [0.951_56, 0.958_61, 0.950_91]),
    ];
    for (n, said) in exact {
        let saw = covered(RUNS, || hodges_lehmann(&sample(&mut rng, n), 0.95).expect("enough values"));
        seen.push(("signed rank", n, said[0], saw));
        let saw = covered(RUNS, || median_interval(&sample(&mut rng, n), 0.95).expect("enough values"));
        seen.push(("order statistics", n, said[1], saw));
        let shift = || hodges_lehmann_shift(&sample(&mut rng, n), &sample(&mut rng, n), 0.95).expect("enough values");
        seen.push(("rank sum", n, said[2], covered(RUNS, shift)));
    }
    // Four standard errors of a proportion near 0.95 in 4000 runs are 1.4 points.
    for (name, n, said, saw) in seen {
        assert!((said - saw).abs() < 0.014, "{name}, n = {n}: said {said}, covered {saw}");
    }
}

#[test]
fn a_median_interval_of_a_shape_unlike_the_others_still_covers() {
    let mut rng = SplitMix64::new(27);
    // Exponential delays: skewed, with median ln 2.
    let coverage = covered(4000, || {
        let delays: Vec<f64> = (0..12).map(|_| -(1.0 - rng.unit()).ln() - std::f64::consts::LN_2).collect();
        median_interval(&delays, 0.95).expect("enough values")
    });
    assert!((0.947..0.975).contains(&coverage), "{coverage}, exactly 0.961");
}
