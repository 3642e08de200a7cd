//! The analysis and every form of the report of a record that someone sent: it may be absurd, but nothing may panic on it.
#![no_main]

use gguf_bench_fuzz::{
    analysis, mutate, on_disk,
    record::{self, Role},
    report::{self, Format, LlamaBench, Options, card},
    stats::SplitMix64,
};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = SplitMix64::new(seed.into());
    let document = serde_json::from_slice(&data[..size]).ok().filter(|_| random.below(16) > 0);
    let Some(mut document) = document else { return fuzzer_mutate(data, size, max_size) };
    for _ in 0..=random.below(4) {
        mutate::change(&mut document, &mut random);
    }
    let changed = serde_json::to_vec(&document).expect("JSON");
    if changed.len() > max_size {
        return size;
    }
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
});

fuzz_target!(|input: &[u8]| {
    let Ok(run) = record::read_run(&on_disk("run.json", input)) else { return };
    let analysis = analysis::analyse(&run);
    let options = Options::default();
    let rows = [LlamaBench::Markdown, LlamaBench::Csv, LlamaBench::Json, LlamaBench::JsonLines, LlamaBench::Sql];
    let formats = [Format::Html, Format::Markdown, Format::Csv, Format::Json, Format::Text, Format::Recommendation];
    for format in formats.into_iter().chain(rows.map(Format::LlamaBench)) {
        let _ = report::render(format, &run, &analysis, &options);
    }
    let candidates = (0..run.models.len()).filter(|&model| run.models[model].role == Role::Candidate);
    for model in candidates {
        let _ = card::update(None, &run, &analysis, model);
        let _ = card::badge(&analysis, model);
    }
    let diff = analysis::diff::diff(&run, &run);
    let _ = (report::diff::terminal(&diff, 80), report::diff::markdown(&diff), report::diff::json(&diff));
});
