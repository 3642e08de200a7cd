//! Which differences forbid a comparison, and which are only told.

use std::path::Path;

use super::{
    MatchedBy::{Content, Name},
    *,
};
use crate::record::{WorkloadKind, read_run};

fn run() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    read_run(&path).expect("the fixture is a record")
}

/// What differs once the newer record is changed: (weight, what, old, new).
fn after(change: impl FnOnce(&mut Run)) -> Vec<(Weight, String, String, String)> {
    let (old, mut new) = (run(), run());
    change(&mut new);
    differences(&old, &new).into_iter().map(|d| (d.weight, d.what, d.old, d.new)).collect()
}

#[test]
fn a_record_does_not_differ_from_itself() {
    assert_eq!(after(|_| ()), []);
}

#[test]
fn files_that_nobody_hashed_are_not_known_to_be_the_same() {
    let (mut old, mut new) = (run(), run());
    for run in [&mut old, &mut new] {
        run.subjects[1].model.facts.as_mut().expect("facts").sha256 = None;
    }
    let told = differences(&old, &new);
    assert_eq!((told.len(), told[0].weight, &told[0].new[..]), (1, Weight::Meaningless, "unknown as well"));
}

#[test]
fn parameters_and_builds_that_make_it_another_measurement() {
    type Change = fn(&mut Run);
    let cases: [(Change, &str, &str, &str); 9] = [
        (|r| r.subjects.iter_mut().for_each(|s| s.settings.n_threads = 8), "threads for generation (-t)", "4", "8"),
        (|r| r.subjects.iter_mut().for_each(|s| s.settings.n_ubatch = 256), "physical batch (-ub)", "512", "256"),
        (
            |r| r.subjects.iter_mut().for_each(|s| s.settings.type_k = crate::record::CacheType::Q8_0),
            "K cache (-ctk)",
            "f16",
            "q8_0",
        ),
        (
            |r| r.subjects.iter_mut().for_each(|s| s.settings.device = crate::record::Device::Cuda),
            "device (-dev)",
            "cpu",
            "cuda",
        ),
        (|r| r.build.profile = "debug".into(), "build profile", "release", "debug"),
        (|r| r.build.features = vec!["cuda".into()], "backends built in", "CPU only", "cuda"),
        (|r| _ = r.build.options.remove("GGML_NATIVE"), "build option GGML_NATIVE", "\"ON\"", "not set"),
        (
            |r| r.build.system_info = "CPU : AVX2 = 1 | OPENMP = 1 | REPACK = 1 |".into(),
            "compiled to use",
            "AVX512",
            "nothing more",
        ),
        (|r| r.plan.workloads[0].id = "pp256".into(), "lengths timed", "pp512, tg128", "pp256, tg128"),
    ];
    for (change, what, old, new) in cases {
        assert_eq!(after(change), [(Weight::Meaningless, what.into(), old.into(), new.into())]);
    }
}

#[test]
fn what_is_compared_is_only_told() {
    type Change = fn(&mut Run);
    let cases: [(Change, &str); 7] = [
        (|r| r.build.llama_cpp_sys_2 = "0.1.170".into(), "llama.cpp (llama-cpp-sys-2)"),
        (|r| r.machine.cpu = "Another CPU".into(), "CPU"),
        (|r| r.started_utc = "2026-02-03T00:00:00Z".into(), "begun (UTC)"),
        (|r| r.plan.seed = 43, "seed"),
        (|r| r.subjects[1].name = "q8".into(), "name of a model"),
        (|r| r.machine.governor = None, "frequency governor"),
        (|r| r.plan.protocol.inner_samples = 1, "samples in a round"),
    ];
    for (change, what) in cases {
        let found = after(change);
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        assert_eq!((found[0].0, &found[0].1[..]), (Weight::Noteworthy, what));
    }
    // The same time of another day or not: only the day is told.
    assert_eq!(after(|r| r.started_utc = "2026-01-02T23:00:00Z".into()), []);
}

#[test]
fn options_of_another_llama_cpp_or_of_a_backend_that_is_off_do_not_forbid() {
    let newer = after(|r| {
        r.build.llama_cpp_sys_2 = "0.1.170".into();
        r.build.options.insert("GGML_NEW".into(), "ON".into());
    });
    assert!(newer.iter().all(|d| d.0 == Weight::Noteworthy), "{newer:?}");
    assert_eq!(after(|r| _ = r.build.options.insert("GGML_CUDA_GRAPHS".into(), "ON".into())), []);
    assert_eq!(after(|r| _ = r.build.options.insert("GGML_GIT_DIRTY".into(), "1".into())), []);
}

#[test]
fn prompts_of_a_category_must_be_the_same_ones() {
    let found = after(|r| {
        let WorkloadKind::Prompt(prompt) = &mut r.plan.workloads[2].kind else { panic!("a prompt") };
        prompt.max_new_tokens = 32;
    });
    assert_eq!((found[0].0, &found[0].1[..]), (Weight::Meaningless, "prompt short/capital"));
    assert!(found[0].2.ends_with("up to 64 tokens") && found[0].3.ends_with("up to 32 tokens"), "{found:?}");
    let fewer = after(|r| r.plan.workloads.truncate(2));
    assert_eq!(fewer.len(), 1);
    assert_eq!((fewer[0].0, &fewer[0].3[..]), (Weight::Noteworthy, "none"));
}

#[test]
fn models_are_matched_by_content_then_by_name() {
    let (old, mut new) = (run(), run());
    new.subjects.swap(1, 2);
    // The candidate's file was replaced.
    new.subjects[3].model.facts.as_mut().expect("facts").sha256 = Some("f".repeat(64));
    let pairs: Vec<(usize, usize, MatchedBy)> =
        pair_models(&old, &new).into_iter().map(|p| (p.old, p.new, p.by)).collect();
    assert_eq!(pairs, [(0, 0, Content), (2, 1, Content), (1, 2, Content), (3, 3, Name), (4, 4, Name)]);
    let told = differences(&old, &new);
    let file = told.iter().find(|d| d.what == "file of Q2_K (SHA-256)").expect("it is named");
    assert_eq!((file.weight, &file.old[..], &file.new[..]), (Weight::Meaningless, "333333333333", "ffffffffffff"));
    // Two copies of one file stay with their names.
    let (mut old, mut new) = (run(), run());
    for run in [&mut old, &mut new] {
        run.subjects.truncate(2);
        run.subjects[1].model.facts = run.subjects[0].model.facts.clone();
    }
    new.subjects.swap(0, 1);
    let pairs = pair_models(&old, &new);
    assert_eq!((pairs[0].old, pairs[1].old), (1, 0));
}
