//! What is the matter with single models: tokenizers, caches, memory, where they came from.

use super::kind::{Warning, WarningKind, of_model, of_run, original, percent};
use crate::{
    analysis::{device_memory::DeviceUse, model::ModelAnalysis, series::visits},
    record::{CacheState, MadeFrom, Purpose, RowFallback, Run, Subject, round_value},
    text::{counted, list, plural, stopped},
    thresholds::{LARGER_THAN_ORIGINAL, PEAK_OF_AVAILABLE},
    units::MIB,
};

pub(super) fn tokenizers(run: &Run, model: usize) -> Option<Warning> {
    let fingerprint = |s: &Subject| s.model.facts.as_ref().map(|f| f.tokenizer.fingerprint.clone());
    let (own, original) = (run.subjects.get(model)?, run.subjects.get(original(run))?);
    let differs = fingerprint(own).zip(fingerprint(original)).is_some_and(|(a, b)| a != b);
    differs.then(|| {
        let evidence = format!("The tokenizer is not that of {}, so speeds are of other tokens.", original.name);
        of_model(WarningKind::TokenizersDiffer, &own.name, evidence, "Compare checkpoints of one model.")
    })
}

/// A first load from storage is to be expected and is told apart. Later ones mean that something empties the page cache, and
/// loads of models that are never warm can't be held against warm ones.
pub(super) fn cache_mixed(run: &Run, model: usize) -> Option<Warning> {
    let states = |model: usize| visits(run, model).filter_map(|v| v.load.as_ref()).map(|l| l.cache);
    let cold = |model: usize| states(model).skip(1).filter(|c| *c == CacheState::Cold).count();
    let warm = |model: usize| states(model).any(|c| c == CacheState::Warm);
    let later = cold(model);
    let any_warm = (0..run.subjects.len()).any(warm);
    (later > 0 && any_warm).then(|| {
        let all = states(model).count();
        let evidence = if warm(model) {
            format!(
                "{later} of {} came from storage after the first, the others from memory. Only those from memory count.",
                counted(all, "load")
            )
        } else {
            format!("All of {} came from storage, those of other models from memory.", counted(all, "load"))
        };
        of_model(
            WarningKind::CacheMixed,
            &run.subjects[model].name,
            evidence,
            "Free memory so that the page cache can hold all files, or measure fewer models at a time.",
        )
    })
}

pub(super) fn memory_near_full(run: &Run, model: &ModelAnalysis) -> Option<Warning> {
    let memory = model.memory.as_ref()?;
    let of_device = |device: &DeviceUse| device.taken_bytes() as f64 / device.free_before_bytes.max(1) as f64;
    let host =
        (memory.peak_bytes / run.machine.available_bytes.max(1) as f64, "the memory that was available".to_owned());
    let devices = memory.devices.iter().map(|device| (of_device(device), format!("what was free on {}", device.name)));
    let (share, what) = devices.chain([host]).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (share > PEAK_OF_AVAILABLE).then(|| {
        let evidence = format!("The peak was {} of {what}.", percent(share));
        of_model(
            WarningKind::MemoryNearFull,
            &model.name,
            evidence,
            "Close other programs, or choose a smaller context or quantization.",
        )
    })
}

/// Whether what a driver says and what llama.cpp says is of the same memory. Another program's allocations are in the one and not in the
/// other.
pub(super) fn device_memory(model: &ModelAnalysis) -> Option<Warning> {
    let disagrees = |device: &&DeviceUse| !device.agrees();
    let one = model.memory.as_ref()?.devices.iter().find(disagrees)?;
    let mib = |bytes: u64| format!("{:.0} MiB", bytes as f64 / MIB);
    let evidence = format!(
        "Loading took {1} of the free memory of {0}. By llama.cpp's own account it is {2}.",
        one.name,
        mib(one.taken_bytes()),
        mib(one.account_bytes)
    );
    Some(of_model(
        WarningKind::DeviceMemoryDisagrees,
        &model.name,
        evidence,
        "The first figure holds other programs' memory, too. Close what else uses the device, and repeat.",
    ))
}

/// The second attempt's figures are as good as any; that there was a first is for the reader to know.
pub(super) fn retried(run: &Run, model: usize) -> Option<Warning> {
    let visits: Vec<_> =
        round_value::visits(run, model).filter_map(|(round, v)| Some((round + 1, v.retried.as_ref()?))).collect();
    let probed = run.probes.iter().find(|probe| probe.model == model).and_then(|probe| probe.retried.as_deref());
    let workers = run.quality.iter().flat_map(|quality| &quality.workers);
    let compared = workers.filter(|worker| worker.candidates.contains(&model)).find_map(|w| w.retried.as_deref());
    let mut lost: Vec<String> = Vec::new();
    if let Some((_, first)) = visits.first() {
        let rounds: Vec<String> = visits.iter().map(|(round, _)| round.to_string()).collect();
        let which = plural(rounds.len() == 1, "round");
        lost.push(format!(
            "A worker was lost in {which} {}, and the visit made again: {}",
            list(&rounds),
            stopped(&first.reason)
        ));
    }
    lost.extend(
        probed.map(|reason| format!("A worker was lost in the first look, which was taken again: {}", stopped(reason))),
    );
    lost.extend(compared.map(|reason| {
        format!("A worker was lost while outputs were compared, which was done again: {}", stopped(reason))
    }));
    (!lost.is_empty()).then(|| {
        of_model(
            WarningKind::Retried,
            &run.subjects[model].name,
            lost.join(" "),
            "The figures are the second attempt's. Free memory, or find out what ended the first.",
        )
    })
}

pub(super) fn requantized(run: &Run, model: usize) -> Option<Warning> {
    let made_from = run.subjects[model].model.facts.as_ref()?.made_from.as_ref()?;
    matches!(made_from, MadeFrom::Requantized { .. }).then(|| {
        let evidence = format!("The file was {made_from}, so it carries that file's losses, too.");
        of_model(
            WarningKind::Requantized,
            &run.subjects[model].name,
            evidence,
            "Quantize the full-precision model where there is one.",
        )
    })
}

pub(super) fn type_contradicted(run: &Run, model: usize) -> Option<Warning> {
    let subject = &run.subjects[model];
    let evidence = format!("The file contradicts itself: {}.", subject.model.facts.as_ref()?.contradiction.as_ref()?);
    let remedy = "Its tensors decide what it is called here. Go by bits per weight, not by the file's name.";
    Some(of_model(WarningKind::TypeContradicted, &subject.name, evidence, remedy))
}

pub(super) fn rows_do_not_fill(run: &Run, model: usize) -> Option<Warning> {
    let subject = &run.subjects[model];
    let facts = subject.model.facts.as_ref()?;
    let RowFallback { matrices, of, row, block } = facts.row_fallback?;
    let evidence = format!(
        "Rows of {row} do not fill blocks of {block}, so llama.cpp stores {matrices} of {of} matrices in another type, mostly a larger one."
    );
    let remedy = "Go by bits per weight, not by the name. Types of small blocks (Q4_0, Q5_0, Q8_0, IQ4_NL) are what they say they are.";
    Some(of_model(WarningKind::RowsDoNotFill, &subject.name, evidence, remedy))
}

/// Whatever the original lost is lost to what it is compared with.
pub(super) fn original_quantized(run: &Run) -> Option<Warning> {
    let original = run.subjects.get(run.original()?)?;
    let facts = original.model.facts.as_ref().filter(|facts| facts.full_precision == Some(false))?;
    // Of one file with several settings nothing is said of quantizing.
    let another = |subject: &Subject| !subject.model.holds_the_bytes_of(&original.model);
    let compares = run.purpose == Purpose::Comparison && run.subjects.iter().any(another);
    compares.then(|| {
        let evidence =
            format!("The original is {}. KLD and ΔPPL are from it, and not from the full model.", facts.quant);
        let remedy = "Compare with the F16, BF16 or F32 file where there is one.";
        of_model(WarningKind::OriginalQuantized, &original.name, evidence, remedy)
    })
}

/// A quantized file is smaller than what it was made from.
pub(super) fn larger_than_original(run: &Run, model: usize) -> Option<Warning> {
    let bytes = |subject: &Subject| subject.model.facts.as_ref().map(|facts| facts.weights_bytes);
    let original = run.subjects.get(run.original().filter(|original| *original != model)?)?;
    let (own, base) = (bytes(&run.subjects[model])?, bytes(original)?);
    let times = own as f64 / base.max(1) as f64;
    (base > 0 && times > LARGER_THAN_ORIGINAL).then(|| {
        let evidence = format!("The weights take {times:.2}× the bytes of the original's.");
        let remedy = "See whether the order is right: the original is named first.";
        of_model(WarningKind::LargerThanOriginal, &run.subjects[model].name, evidence, remedy)
    })
}

/// What llama.cpp itself warned of: once for all where it said the same of all of them.
pub(super) fn of_llama_cpp(run: &Run) -> Vec<Warning> {
    const REMEDY: &str =
        "Take a file that a current llama.cpp converted, or read what its documentation says of these words.";
    let said = |lines: &[String], when: &str| format!("llama.cpp warned{when}: {}", stopped(&lines.join(" | ")));
    let probed: Vec<(usize, &[String])> =
        run.probes.iter().filter(|probe| !probe.warnings.is_empty()).map(|p| (p.model, &p.warnings[..])).collect();
    let mut found = Vec::new();
    match &probed[..] {
        [(_, first), others @ ..]
            if probed.len() == run.subjects.len() && others.iter().all(|(_, own)| own == first) =>
        {
            found.push(of_run(WarningKind::LlamaCppWarned, said(first, " of every model"), REMEDY));
        }
        _ => {
            found.extend(probed.iter().map(|(model, own)| {
                of_model(WarningKind::LlamaCppWarned, &run.subjects[*model].name, said(own, ""), REMEDY)
            }));
        }
    }
    let mut while_comparing: Vec<String> = Vec::new();
    for line in run.quality.iter().flat_map(|quality| &quality.workers).flat_map(|worker| &worker.warnings) {
        if !while_comparing.contains(line) && probed.iter().all(|(_, own)| !own.contains(line)) {
            while_comparing.push(line.clone());
        }
    }
    if !while_comparing.is_empty() {
        let evidence = said(&while_comparing, " while outputs were compared");
        found.push(of_run(WarningKind::LlamaCppWarned, evidence, REMEDY));
    }
    found
}
