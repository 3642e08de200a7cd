//! Candidates whose tokens are not the original's: what differs, in words, and bits per byte in place of KLD.

use std::path::PathBuf;

use crate::{
    gguf::{Model, differing_keys, tokenizer_difference},
    protocol::ScoreBytes,
    record::{
        BitsPerByte, Outcome, Run, TextBits,
        journal::{Compared, Entry},
    },
    run::{
        bench::{Bench, Save, note as keep},
        exit::WorkerExit,
    },
};

/// Bytes of a text for each token of a window: what common tokenizers make of so many bytes fits into a window.
const BYTES_A_TOKEN: usize = 2;

/// That a candidate's vocabulary has another size than the original's, from the headers.
pub(super) fn other_vocabulary(run: &Run, candidate: usize) -> Option<String> {
    let facts = |model: usize| run.subjects[model].model.facts.as_ref();
    let (own, others) = (facts(candidate)?, facts(run.original()?)?);
    let same = own.tokenizer.n_vocab == others.tokenizer.n_vocab;
    let difference = tokenizer_difference(&others.tokenizer, &own.tokenizer).filter(|_| !same)?;
    Some(format!("it can't be compared token by token: {difference}"))
}

/// In what a candidate's tokenizer differs from the original's, from the headers; none where it does not.
pub(super) fn note(files: &[PathBuf], run: &Run, candidate: usize) -> Option<String> {
    let facts = |model: usize| run.subjects[model].model.facts.as_ref();
    let original = run.original()?;
    let (own, others) = (facts(candidate)?, facts(original)?);
    let difference = tokenizer_difference(&others.tokenizer, &own.tokenizer)?;
    let header = |model: usize| Model::read(files.get(model)?).ok();
    let keys = header(original).zip(header(candidate)).map(|(original, candidate)| {
        let parts = original.parts().next().zip(candidate.parts().next());
        parts.map_or_else(Vec::new, |(a, b)| differing_keys(&a.header.metadata, &b.header.metadata))
    });
    let keys = keys.filter(|keys| !keys.is_empty()).map_or_else(String::new, |keys| format!(": {}", keys.join(", ")));
    Some(format!("{difference}{keys}"))
}

/// Scores the original and every candidate that reads other tokens, each alone, as far as there is time.
pub(super) fn execute<E>(bench: &Bench<'_>, texts: &[String], run: &mut Run, save: &mut Save<'_, E>) -> Result<(), E> {
    let Some((quality, plan)) = run.quality.as_ref().zip(bench.plan.quality.as_ref()) else { return Ok(()) };
    let waits = quality.results.iter().filter(|result| result.other_tokens && result.bits_per_byte.is_none());
    let candidates: Vec<usize> = waits.map(|result| result.candidate).collect();
    let Some(original) = run.original().filter(|_| !candidates.is_empty()) else {
        return Ok(());
    };
    let bytes = plan.n_ctx as usize * BYTES_A_TOKEN;
    let texts: Vec<String> = texts.iter().map(|text| beginning(text, bytes).to_owned()).collect();
    if run.quality.as_ref().is_some_and(|quality| quality.original_bits_per_byte.is_none()) {
        let found = score(bench, run, original, &texts).and_then(Result::ok);
        let Some(own) = found else { return Ok(()) };
        keep(run, &entry(run, Some(own), &[]), save)?;
    }
    for candidate in candidates {
        if bench.stops() {
            break;
        }
        let Some(scored) = score(bench, run, candidate, &texts) else { break };
        let mut results = run.quality.iter_mut().flat_map(|quality| &mut quality.results);
        let Some(result) = results.find(|result| result.candidate == candidate) else { continue };
        match scored {
            Ok(own) => result.bits_per_byte = Some(own),
            Err(exit) => {
                if let Outcome::Failed { reason, .. } = &mut result.outcome {
                    *reason = format!("{reason}; bits per byte: {exit}");
                }
            }
        }
        keep(run, &entry(run, None, &[candidate]), save)?;
    }
    Ok(())
}

fn entry(run: &Run, original_bits_per_byte: Option<BitsPerByte>, candidates: &[usize]) -> Entry {
    let results = run.quality.iter().flat_map(|quality| &quality.results);
    Entry::Compared(Box::new(Compared {
        texts: Vec::new(),
        worker: None,
        original: None,
        results: results.filter(|result| candidates.contains(&result.candidate)).cloned().collect(),
        original_bits_per_byte,
        fault: None,
    }))
}

/// `None` when there is no time left for it.
fn score(bench: &Bench<'_>, run: &Run, model: usize, texts: &[String]) -> Option<Result<BitsPerByte, WorkerExit>> {
    let time_ns = bench.allowed_ns();
    if time_ns == Some(0) {
        return None;
    }
    let call = ScoreBytes {
        model: bench.files[model].clone(),
        settings: run.subjects[model].settings.clone(),
        texts: texts.to_vec(),
        time_ns,
    };
    let scored = bench.launcher.launch().and_then(|mut worker| worker.call(&call));
    if matches!(scored, Err(WorkerExit::GivenUp)) {
        return None;
    }
    Some(scored.map(|texts: Vec<TextBits>| BitsPerByte { texts }))
}

/// The first bytes of a text, whole characters only.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
