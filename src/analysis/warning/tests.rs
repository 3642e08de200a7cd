//! Each warning on a record made to deserve it, and none on a clean one.

use std::path::Path;

use super::*;
use crate::{
    analysis::{Analysis, analyse},
    record::{
        CacheState, MadeFrom, Phase, Quality, QualityWorker, Reference, Retried, Sample, Sharing, Stage, Visit,
        read_run,
    },
};

/// The fixture, steady and with inner samples alike: nothing to warn of.
fn clean() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    let mut run = read_run(&path).expect("the fixture is a record");
    run.build.system_info = "CPU : AVX2 = 1 | AVX512 = 1 | FMA = 1 |".into();
    for (round, wave) in run.rounds.iter_mut().zip([0, 5, 3, 1, 4, 2].into_iter().cycle()) {
        for sample in round.visits.iter_mut().flat_map(|v| &mut v.samples) {
            // Up and down by half a per cent, without a trend.
            let rate = match sample.phase {
                Phase::Prefill => 4_000_000,
                Phase::Decode => 20_000_000,
            };
            let ns = u64::from(sample.n_tokens) * rate * (1000 + wave) / 1000;
            (sample.wall_ns, sample.native_ns) = (ns, Some(ns - 20_000));
        }
    }
    run
}

fn warnings(run: &Run) -> Vec<Warning> {
    let Analysis { warnings, .. } = analyse(run);
    warnings
}

/// The one warning that a change gives rise to.
fn one(change: impl FnOnce(&mut Run)) -> Warning {
    let mut run = clean();
    change(&mut run);
    let mut found = warnings(&run);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn each_visit(run: &mut Run, mut change: impl FnMut(u32, &mut Visit)) {
    let visits = run.rounds.iter_mut().flat_map(|r| &mut r.visits);
    for (visit, at) in visits.zip(0..) {
        change(at, visit);
    }
}

/// Samples of one workload take so much longer.
fn slow<'a>(samples: impl Iterator<Item = &'a mut Sample>, percent: u64) {
    for sample in samples {
        sample.wall_ns = sample.wall_ns * (100 + percent) / 100;
        sample.native_ns = sample.native_ns.map(|ns| ns * (100 + percent) / 100);
    }
}

#[test]
fn a_clean_record_gives_none() {
    assert_eq!(warnings(&clean()), []);
}

#[test]
fn names_are_those_of_json() {
    for kind in [WarningKind::DebugBuild, WarningKind::BusyMachine, WarningKind::WarmupTooShort] {
        assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
    }
}

#[test]
fn builds() {
    let debug = one(|r| r.build.profile = "debug".into());
    assert_eq!(debug.kind, WarningKind::DebugBuild);
    assert!(debug.evidence.contains("profile debug") && debug.remedy.contains("make"));
    let slow = one(|r| r.build.system_info = "CPU : AVX2 = 1 | FMA = 1 |".into());
    assert_eq!(slow.kind, WarningKind::CpuFeaturesUnused);
    assert!(slow.evidence.contains("avx512f"), "{}", slow.evidence);
    let threads = one(|r| r.subjects.iter_mut().for_each(|s| s.settings.n_threads_batch = 12));
    assert_eq!(threads.kind, WarningKind::MoreThreadsThanCpus);
    assert_eq!(threads.evidence, "12 threads share the 4 CPUs that this process may use.");
}

#[test]
fn company_in_whatever_way_it_shows() {
    let others = one(|r| each_visit(r, |_, v| v.conditions.other_cpu_share = Some(0.25)));
    assert_eq!(others.kind, WarningKind::BusyMachine);
    assert!(others.evidence.contains("other processes used 25.0 %"), "{}", others.evidence);
    let steal = one(|r| each_visit(r, |_, v| v.conditions.steal_share = Some(0.03)));
    assert!(steal.evidence.contains("kept back 3.0 %"), "{}", steal.evidence);
    let often = one(|r| {
        each_visit(r, |_, v| v.conditions.involuntary_switches = Some(v.duration_ns / 1_000_000 * 4 * 3 / 10));
    });
    assert!(often.evidence.contains("interrupted 300 times a second"), "{}", often.evidence);
    // Some company in a few visits is what medians are for.
    let mut few = clean();
    each_visit(&mut few, |at, v| v.conditions.other_cpu_share = Some(if at % 5 == 0 { 0.5 } else { 0.01 }));
    assert_eq!(warnings(&few), []);
    // The load average counts only where nothing else is readable, and only before we began.
    let blind = |load| {
        move |r: &mut Run| {
            each_visit(r, |at, v| {
                v.conditions.other_cpu_share = None;
                v.conditions.load_average_1m = Some(if at == 0 { load } else { 16.0 });
            });
        }
    };
    assert!(one(blind(12.0)).evidence.contains("load average was 12.0 on 16 CPUs"));
    let mut quiet = clean();
    blind(1.0)(&mut quiet);
    assert_eq!(warnings(&quiet), []);
}

#[test]
fn variables_of_openmp() {
    let set = |r: &mut Run, name: &str, value: &str| {
        r.machine.openmp_variables = Some([(name.to_owned(), value.to_owned())].into());
    };
    let most = |r: &Run| r.base_settings().n_threads.max(r.base_settings().n_threads_batch);
    let binds = one(|r| set(r, "GOMP_CPU_AFFINITY", "0-3"));
    assert_eq!((binds.kind, binds.model), (WarningKind::OpenmpEnvironment, None));
    assert_eq!(binds.evidence, "GOMP_CPU_AFFINITY=0-3 binds threads to CPUs.");
    let mut enough = clean();
    let n_threads = most(&enough).to_string();
    set(&mut enough, "OMP_THREAD_LIMIT", &n_threads);
    assert_eq!(warnings(&enough), []);
    let fewer = one(|r| {
        let limit = (most(r) - 1).to_string();
        set(r, "OMP_THREAD_LIMIT", &limit);
    });
    assert!(fewer.evidence.ends_with("leaves fewer threads than were asked for."), "{}", fewer.evidence);
}

#[test]
fn swap() {
    let swapped = one(|r| r.rounds[3].visits[1].conditions.swap_in_bytes = Some(5 << 20));
    assert_eq!(swapped.kind, WarningKind::Swapping);
    assert!(swapped.evidence.contains("5.0 MiB came back from swap in 1 visit."), "{}", swapped.evidence);
    let waited = one(|r| r.rounds[3].visits[1].conditions.memory_pressure = Some(0.4));
    assert!(waited.evidence.contains("up to 40.0 % of a visit"), "{}", waited.evidence);
    let mut page = clean();
    page.rounds[3].visits[1].conditions.swap_in_bytes = Some(4096);
    assert_eq!(warnings(&page), []);
}

#[test]
fn a_visit_that_was_made_again() {
    let retried = |stage| Retried { stage, reason: "killed by signal 9".into(), duration_ns: 1, samples: Vec::new() };
    let once = one(|r| {
        let visit = r.rounds[4].visits.iter_mut().find(|v| v.model == 1).expect("Q8_0");
        visit.retried = Some(retried(Stage::Decode));
    });
    assert_eq!((once.kind, once.model.as_deref()), (WarningKind::Retried, Some("Q8_0")));
    assert_eq!(once.evidence, "A worker was lost in round 5, and the visit made again: killed by signal 9.");
    let twice = one(|r| {
        for round in [2, 4] {
            let visit = r.rounds[round].visits.iter_mut().find(|v| v.model == 1).expect("Q8_0");
            visit.retried = Some(retried(Stage::Load));
        }
    });
    assert!(twice.evidence.contains("in rounds 3 and 5, "), "{}", twice.evidence);
    let compared = one(|r| {
        let worker = QualityWorker {
            ended_ns: None,
            candidates: vec![1],
            wall_ns: 1,
            evaluate_ns: 1,
            n_windows: 1,
            n_evaluated: None,
            peak_rss_bytes: None,
            warnings: Vec::new(),
            retried: Some("killed by signal 9".into()),
        };
        r.quality = Some(Quality {
            original_bits_per_byte: None,
            fault: None,
            texts: Vec::new(),
            reference: Reference::Original,
            sharing: Sharing::Shared { needed_bytes: 1, available_bytes: 2 },
            workers: vec![worker],
            results: Vec::new(),
        });
    });
    assert_eq!(
        compared.evidence,
        "A worker was lost while outputs were compared, which was done again: killed by signal 9."
    );
}

#[test]
fn throttling_by_frequency_or_heat() {
    let slower = one(|r| each_visit(r, |at, v| v.conditions.cpu_mhz = Some(4000.0 - 10.0 * f64::from(at))));
    assert_eq!(slower.kind, WarningKind::Throttling);
    // From 4000 to 3530 MHz over 48 visits, a line through their times.
    assert_eq!(slower.evidence, "The CPU's frequency fell by 12.1 % from 4018 MHz.");
    let hot = one(|r| r.rounds[9].visits[0].conditions.cpu_celsius = Some(98.0));
    assert_eq!((hot.kind, &hot.evidence[..]), (WarningKind::Throttling, "The CPU got as hot as 98 °C."));
    // Frequencies that wander are no fall.
    let mut wander = clean();
    each_visit(&mut wander, |at, v| v.conditions.cpu_mhz = Some(if at % 2 == 0 { 4000.0 } else { 3000.0 }));
    assert_eq!(warnings(&wander), []);
}

#[test]
fn drift_of_the_original() {
    let drift = one(|r| {
        for (round, at) in r.rounds.iter_mut().zip(0..) {
            slow(round.visits.iter_mut().flat_map(|v| &mut v.samples), at);
        }
    });
    assert_eq!((drift.kind, drift.model), (WarningKind::Drift, None));
    assert!(drift.evidence.contains("of F16 fell by") && drift.evidence.contains("Kendall's τ"), "{}", drift.evidence);
}

#[test]
fn a_first_sample_that_is_always_slower() {
    let cold = one(|r| {
        each_visit(r, |_, v| {
            let own = v.model == 1;
            slow(v.samples.iter_mut().filter(|s| own && s.workload == 1 && s.inner == 0), 8);
        });
    });
    assert_eq!((cold.kind, cold.model.as_deref()), (WarningKind::WarmupTooShort, Some("Q8_0")));
    assert!(cold.evidence.starts_with("The first sample of tg128 in a visit took 8.0 % longer"), "{}", cold.evidence);
}

#[test]
fn rounds_far_from_the_others() {
    let outlier = one(|r| {
        let visit = r.rounds[6].visits.iter_mut().find(|v| v.model == 2).expect("Q4_K_M");
        slow(visit.samples.iter_mut().filter(|s| s.workload == 0), 60);
    });
    assert_eq!(outlier.kind, WarningKind::Outliers);
    assert!(outlier.evidence.contains("1 of 96 values"), "{}", outlier.evidence);
    assert!(outlier.evidence.contains("pp512 of Q4_K_M in round 7 (−37.5 %)"), "{}", outlier.evidence);
}

#[test]
fn samples_that_scatter_too_far_for_what_was_asked() {
    // From one sample of a visit to the next, or from round to round.
    let scattered = |r: &mut Run, by_round: [u64; 5], after_the_first: u64| {
        for (round, by_round) in r.rounds.iter_mut().zip(by_round.into_iter().cycle()) {
            let own = round.visits.iter_mut().filter(|v| v.model == 1).flat_map(|v| &mut v.samples);
            for sample in own.filter(|s| s.workload == 1) {
                let later = if sample.inner > 0 { after_the_first } else { 0 };
                slow([sample].into_iter(), by_round + later);
            }
        }
        r.plan.protocol.equivalence = 0.03;
    };
    let noisy = one(|r| scattered(r, [0, 16, 4, 12, 8], 0));
    assert_eq!((noisy.kind, noisy.model), (WarningKind::TooNoisy, None));
    assert!(noisy.evidence.starts_with("Single samples of tg128 scatter by "), "{}", noisy.evidence);
    assert!(noisy.evidence.contains("Between Q8_0 and F16 only a difference of"), "{}", noisy.evidence);
    let mut steady = clean();
    scattered(&mut steady, [0; 5], 12);
    assert_eq!(warnings(&steady), []);
}

#[test]
fn clocks_that_disagree() {
    let clocks = one(|r| {
        each_visit(r, |_, v| {
            let own = v.model == 3;
            for s in v.samples.iter_mut().filter(|s| own && s.phase == Phase::Decode) {
                s.wall_ns = s.wall_ns * 105 / 100;
            }
        });
    });
    assert_eq!((clocks.kind, clocks.model.as_deref()), (WarningKind::ClocksDisagree, Some("Q2_K")));
    assert!(clocks.evidence.contains("4.8 % in generation"), "{}", clocks.evidence);
}

#[test]
fn caches_tokenizers_memory_and_origin() {
    let mixed = one(|r| {
        let visit = r.rounds[5].visits.iter_mut().find(|v| v.model == 1).expect("Q8_0");
        visit.load.as_mut().expect("a load").cache = CacheState::Cold;
    });
    assert_eq!((mixed.kind, mixed.model.as_deref()), (WarningKind::CacheMixed, Some("Q8_0")));
    assert!(mixed.evidence.starts_with("1 of 12 loads came from storage after the first"), "{}", mixed.evidence);
    let always = one(|r| {
        each_visit(r, |_, v| {
            if v.model == 1 {
                v.load.as_mut().expect("a load").cache = CacheState::Cold;
            }
        });
    });
    assert!(always.evidence.starts_with("All of 12 loads came from storage"), "{}", always.evidence);

    let facts = |r: &mut Run| r.subjects[2].model.facts.clone().expect("facts");
    let tokens = one(|r| {
        let mut changed = facts(r);
        changed.tokenizer.fingerprint = "other".into();
        r.subjects[2].model.facts = Some(changed);
    });
    assert_eq!(tokens.evidence, "The tokenizer is not that of F16, so speeds are of other tokens.");
    let memory = one(|r| r.machine.available_bytes = 300 << 20);
    assert_eq!((memory.kind, memory.model.as_deref()), (WarningKind::MemoryNearFull, Some("F16")));
    let requantized = one(|r| {
        let mut changed = facts(r);
        changed.made_from = Some(MadeFrom::Requantized { from: "Q8_0".into() });
        r.subjects[2].model.facts = Some(changed);
    });
    assert_eq!(requantized.kind, WarningKind::Requantized);
    let contradicted = one(|r| {
        let contradiction = Some("F16 by its file type; 31 % of its bytes are MXFP4".into());
        r.subjects[2].model.facts = Some(crate::record::ModelFacts { contradiction, ..facts(r) });
    });
    assert_eq!(contradicted.kind, WarningKind::TypeContradicted);
    let rows = one(|r| {
        let row_fallback = Some(crate::record::RowFallback { matrices: 180, of: 211, row: 576, block: 256 });
        r.subjects[2].model.facts = Some(crate::record::ModelFacts { row_fallback, ..facts(r) });
    });
    assert_eq!(rows.kind, WarningKind::RowsDoNotFill);
    assert!(rows.evidence.starts_with("Rows of 576 do not fill blocks of 256"), "{}", rows.evidence);
}

#[test]
fn an_original_that_is_quantized_and_a_candidate_that_is_larger() {
    let quantized = one(|run| {
        let facts = run.subjects[0].model.facts.as_mut().expect("facts");
        (facts.full_precision, facts.quant) = (Some(false), "Q8_0".into());
    });
    assert_eq!((quantized.kind, quantized.model.as_deref()), (WarningKind::OriginalQuantized, Some("F16")));
    assert!(quantized.evidence.starts_with("The original is Q8_0. KLD and ΔPPL are from it"));
    let larger = one(|run| {
        let base = run.subjects[0].model.facts.as_ref().expect("facts").weights_bytes;
        run.subjects[1].model.facts.as_mut().expect("facts").weights_bytes = 3 * base;
    });
    assert_eq!(larger.kind, WarningKind::LargerThanOriginal);
    assert!(larger.evidence.contains("3.00× the bytes of the original's"), "{}", larger.evidence);
    // Padding is no other order.
    let mut padded = clean();
    let base = padded.subjects[0].model.facts.as_ref().expect("facts").weights_bytes;
    padded.subjects[1].model.facts.as_mut().expect("facts").weights_bytes = base + base / 200;
    assert_eq!(warnings(&padded), []);
}

#[test]
fn what_llama_cpp_warns_of_is_passed_on_once_and_of_whom_it_is() {
    let probe = |model: usize, warnings: &[&str]| crate::record::Probe {
        model,
        started_ns: 0,
        duration_ns: 1,
        outcome: crate::record::Outcome::Done,
        load: None,
        peak_rss_bytes: None,
        devices: Vec::new(),
        buffers: Vec::new(),
        warnings: warnings.iter().map(|&line| line.to_owned()).collect(),
        prefill: None,
        decode: None,
        retried: None,
    };
    let said = |probes: Vec<crate::record::Probe>| -> Vec<(Option<String>, String)> {
        let mut run = clean();
        run.probes = probes;
        let found = warnings(&run).into_iter();
        found.filter(|w| w.kind == WarningKind::LlamaCppWarned).map(|w| (w.model, w.evidence)).collect()
    };
    let n = clean().subjects.len();
    let degraded = "GENERATION QUALITY WILL BE DEGRADED!";
    let all = said((0..n).map(|model| probe(model, &[degraded])).collect());
    assert_eq!(all, [(None, format!("llama.cpp warned of every model: {degraded}"))]);
    let lines: [&[&str]; 2] = [&[], &[degraded, "odd"]];
    let one = said((0..n).map(|model| probe(model, lines[usize::from(model == 1)])).collect());
    assert_eq!(one, [(Some("Q8_0".into()), format!("llama.cpp warned: {degraded} | odd."))]);
    assert!(said((0..n).map(|model| probe(model, &[])).collect()).is_empty());
}
