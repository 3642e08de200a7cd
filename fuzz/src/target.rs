//! What each fuzz target does with its input. Here, since the modules of the program are visible to their own crate only.

use std::{io::Cursor, num::NonZeroUsize};

use clap::ValueEnum;
use sha2::{Digest, Sha256};

use crate::{
    analysis,
    gguf::{Facts, GgmlType, Header, error::Error},
    mutate, on_disk, prompts as prompt_files,
    quality::{logits_file::LogitsReader, reference_file},
    record::{self, Role},
    report::{self, Format, Options, RunReport, card::Card},
    stats::SplitMix64,
};

/// Headers of GGUF files, and every fact drawn from them.
pub fn read_gguf_header(input: &[u8]) {
    // As long as it is, and as a file whose data go on behind what is here.
    for bytes in [input.len() as u64, 1 << 40] {
        match Header::parse(input, bytes) {
            Ok(header) => {
                let facts = Facts::of(&header, &[]);
                let _ = facts.shape.kv_cache_bytes(u32::MAX, GgmlType::F16, GgmlType::Q4_0);
                let _ = serde_json::to_string(&facts).expect("facts are JSON");
                assert!(header.weights_bytes() <= bytes);
            }
            Err(Error::Io(error)) => panic!("a slice has no input errors: {error}"),
            Err(error) => {
                let words = error.to_string();
                assert!(!words.contains(char::is_control), "{words:?}");
            }
        }
    }
}

/// llama-perplexity's files of log-probabilities.
pub fn read_logits(input: &[u8]) {
    let Ok(mut reader) = LogitsReader::new(Cursor::new(input)) else { return };
    let header = reader.header();
    let known = |token: &i32| usize::try_from(*token).is_ok_and(|token| token < header.n_vocab());
    assert!(reader.tokens().iter().all(known));
    let mut row = Vec::new();
    while let Ok(true) = reader.read_row(&mut row) {
        assert!(row.len() == header.n_vocab() && row.iter().all(|log_prob| log_prob.is_finite()));
    }
}

/// Files that stand for an original: as they are, and with a checksum that is right, so that what it covers is reached.
pub fn read_reference(input: &[u8]) {
    const HASH_BYTES: usize = 32;
    /// More is as wide as models are, and takes the time of many inputs.
    const MOST_VOCABULARY: usize = 1 << 16;
    let mut sealed = input[..input.len().saturating_sub(HASH_BYTES)].to_vec();
    sealed.extend_from_slice(&Sha256::digest(&sealed));
    for bytes in [input, sealed.as_slice()] {
        let path = on_disk("original.gbref", bytes);
        let Ok((header, cache)) = reference_file::read(&path) else { continue };
        let known = |token: i32| usize::try_from(token).is_ok_and(|token| token < header.n_vocab.get());
        assert!(cache.tokens().all(known) && header.tokens.iter().flatten().all(|&token| known(token)));
        // What could be read can be written, and is then the same.
        reference_file::write(&path, &header, &cache).expect("a reference can be written");
        let (again, kept) = reference_file::read(&path).expect("what was written can be read");
        assert!(again == header && kept.len() == cache.len());
        if cache.len() > 0 && header.n_vocab.get() <= MOST_VOCABULARY {
            let logits = vec![0.0; header.n_vocab.get()];
            let _ = cache.compare(0, &logits, NonZeroUsize::MIN);
        }
    }
}

/// Prompt files in every form.
pub fn read_prompts(input: &[u8]) {
    for name in ["prompts.json", "prompts.txt"] {
        if let Ok(found) = prompt_files::read(&on_disk(name, input)) {
            assert!(!found.is_empty() && found.iter().all(|prompt| !prompt.text.contains('\0')));
            let mut names: Vec<&str> = found.iter().map(|prompt| prompt.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), found.len(), "names are unique");
        }
    }
}

/// Records and journals: reading what a run wrote, or someone sent.
pub fn read_record(input: &[u8]) {
    let _ = record::journal::Journal::parse("run.jsonl".as_ref(), input);
    if let Ok(run) = record::read_run(&on_disk("run.json", input)) {
        // What could be read can be written, and is then the same.
        let path = on_disk("again.json", b"");
        record::write_run(&path, &run).expect("a record can be written");
        let again = record::read_run(&path).expect("what was written can be read");
        assert_eq!(again, run);
    }
}

/// The analysis and every form of the report of a record that someone sent: it may be absurd, but nothing may panic on it.
pub fn render_report(input: &[u8]) {
    let Ok(run) = record::read_run(&on_disk("run.json", input)) else { return };
    let analysis = analysis::analyse(&run);
    let options = Options::default();
    let report = RunReport::new(&run, &analysis);
    for &format in Format::value_variants().iter().chain([&Format::Recommendation]) {
        let _ = report::render(format, &report, &options);
    }
    let candidates = (0..run.subjects.len()).filter(|&model| run.subjects[model].role == Role::Candidate);
    for model in candidates {
        let Ok(card) = Card::of(&analysis, model) else { continue };
        let _ = card.update(None);
        let _ = card.badge();
    }
    let side = std::slice::from_ref(&run);
    let Ok(diff) = analysis::diff::diff(side, side, &[]) else { return };
    for format in [Format::Html, Format::Md, Format::Csv, Format::Json, Format::Text] {
        let _ = report::render(format, &diff, &options);
    }
}

/// Changes a record where its structure allows.
pub fn mutate_record(data: &[u8], seed: u32, max_size: usize) -> Mutated {
    let mut random = SplitMix64::new(seed.into());
    let document = serde_json::from_slice(data).ok().filter(|_| random.below(16) > 0);
    let Some(mut document) = document else { return Mutated::AsBytes };
    for _ in 0..=random.below(4) {
        mutate::change(&mut document, &mut random);
    }
    let changed = serde_json::to_vec(&document).expect("JSON");
    if changed.len() > max_size { Mutated::TooLong } else { Mutated::Changed(changed) }
}

/// What became of a record that was to be changed.
pub enum Mutated {
    Changed(Vec<u8>),
    TooLong,
    AsBytes,
}
