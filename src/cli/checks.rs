//! What is refused before anything is measured: by a run and by its dry run alike.

use std::path::Path;

use anyhow::{Result, bail};

use super::{fits, subjects::Found};
use crate::{
    gguf::{self, GgmlType, Shape},
    record::{CacheType, Device, FlashAttention, Machine, Outcome, Plan, Settings, Stage},
};

/// Why a subject can't be measured; `None` of one that can, and of one that is to be fetched first.
pub(super) fn failure(found: &Found) -> Option<&str> {
    match &found.subject.outcome {
        Outcome::Failed { reason, .. } if found.pending.is_none() => Some(reason),
        Outcome::Failed { .. } | Outcome::Done => None,
    }
}

/// Fails the subjects that llama.cpp would refuse, and without `force` those that memory can't hold.
pub(super) fn mark(subjects: &mut [Found], plan: &Plan, machine: &Machine, force: bool) {
    for found in subjects.iter_mut().filter(|found| found.subject.outcome == Outcome::Done) {
        if let Some((stage, reason)) = refused_by_llama(&found.subject.settings, found.shape.as_ref(), machine) {
            found.subject.outcome = Outcome::Failed { stage, reason };
        }
    }
    if !force {
        fits::refuse(subjects, machine, plan);
    }
}

/// Ends what would measure nothing, or nothing of use.
pub(super) fn refuse(subjects: &[Found], plan: &Plan, force: bool) -> Result<()> {
    check_some_can_run(subjects)?;
    check_some_work_fits(subjects, plan)?;
    if force { Ok(()) } else { check_original(subjects) }
}

/// What llama.cpp says no to only after it has loaded a model, though it can be known before.
fn refused_by_llama(settings: &Settings, shape: Option<&Shape>, machine: &Machine) -> Option<(Stage, String)> {
    if let Some(reason) = no_device(&settings.device, machine) {
        return Some((Stage::Load, reason));
    }
    let flash = settings.flash_attention;
    if is_quantized(settings.type_v) && flash == FlashAttention::Off {
        let ty = GgmlType::from(settings.type_v).to_string().to_lowercase();
        let reason =
            format!("a quantized V cache (-ctv {ty}) needs flash attention: leave out -fa off, or take -ctv f16");
        return Some((Stage::Context, reason));
    }
    let heads = [
        ("K", "-ctk", settings.type_k, shape.and_then(|shape| shape.key_length)),
        ("V", "-ctv", settings.type_v, shape.and_then(|shape| shape.value_length)),
    ];
    let unfilled = heads.into_iter().find_map(|(cache, option, cache_type, length)| {
        let ty = GgmlType::from(cache_type);
        let (length, (block, _)) = (length?, ty.block());
        (is_quantized(cache_type) && flash != FlashAttention::Off && !length.is_multiple_of(block)).then(|| {
            let ty = ty.to_string().to_lowercase();
            format!(
                "heads of {length} do not fill the {cache} cache's blocks of {block} ({option} {ty}): take {option} f16"
            )
        })
    });
    unfilled.map(|reason| (Stage::Context, reason))
}

fn is_quantized(ty: CacheType) -> bool {
    gguf::GgmlType::from(ty).block().0 > 1
}

/// The device that is asked for is none of llama.cpp's here.
fn no_device(device: &Device, machine: &Machine) -> Option<String> {
    let there = |wanted: &str| match device.backend() {
        Some(backend) => {
            machine.devices.iter().any(|d| d.backend.eq_ignore_ascii_case(backend) || d.name.starts_with(backend))
        }
        None => machine.devices.iter().any(|d| d.name.eq_ignore_ascii_case(wanted) && !d.kind.is_cpu()),
    };
    let asked: Vec<&str> = match (device, device.backend()) {
        (_, Some(backend)) => vec![backend],
        (Device::Named(names), None) => names.iter().map(String::as_str).collect(),
        (_, None) => Vec::new(),
    };
    let wanted = asked.into_iter().find(|wanted| !there(wanted))?;
    let found: Vec<&str> = machine.devices.iter().map(|device| device.name.as_str()).collect();
    Some(format!(
        "no {wanted} device: this build finds {}; build with that feature, or choose another --device",
        found.join(", ")
    ))
}

/// Nothing slow starts when no model could be measured anyway.
fn check_some_can_run(subjects: &[Found]) -> Result<()> {
    let failed: Vec<(&Found, &str)> =
        subjects.iter().filter_map(|found| failure(found).map(|reason| (found, reason))).collect();
    let [(_, first), ..] = failed[..] else { return Ok(()) };
    if failed.len() < subjects.len() {
        return Ok(());
    }
    if failed.len() > 1 && failed.iter().all(|(_, reason)| *reason == first) {
        // It is no model's fault.
        bail!("{first}");
    }
    let reasons: Vec<String> = failed.iter().map(|(found, reason)| told(&found.path, reason)).collect();
    bail!("{}", reasons.join("\n       "))
}

/// Quantizations without their original answer nothing, and measuring them takes minutes to hours.
fn check_original(subjects: &[Found]) -> Result<()> {
    let Some((original, [_, ..])) = subjects.split_first() else { return Ok(()) };
    match failure(original) {
        Some(reason) => bail!(
            "the original can't be measured, and without it the others answer nothing (--force measures them all the same): {}",
            told(&original.path, reason)
        ),
        None => Ok(()),
    }
}

/// A reason with the path that it is about, which many say themselves.
pub(super) fn told(path: &Path, reason: &str) -> String {
    let path = path.display().to_string();
    if reason.contains(&path) { reason.to_owned() } else { format!("{path}: {reason}") }
}

/// Rounds in which every workload is too deep for every model would measure nothing.
fn check_some_work_fits(subjects: &[Found], plan: &Plan) -> Result<()> {
    let trained_for = |s: &Found| s.subject.model.facts.as_ref().and_then(|facts| facts.n_ctx_train);
    let fits = |s: &Found| plan.workloads.iter().any(|w| !w.kind.is_too_deep(trained_for(s)));
    if plan.workloads.is_empty() || subjects.iter().filter(|s| failure(s).is_none()).any(fits) {
        return Ok(());
    }
    let longest = subjects.iter().filter_map(trained_for).max().unwrap_or(0);
    bail!(
        "nothing can be measured: with --pp and --tg on top, every --depth exceeds the {longest} tokens that the models were trained for"
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        crate::record::read_run(&path).unwrap().machine
    }

    fn said(settings: &Settings, head: u64) -> Option<String> {
        let shape = Shape { key_length: Some(head), value_length: Some(head), ..Shape::default() };
        refused_by_llama(settings, Some(&shape), &machine()).map(|(_, reason)| reason)
    }

    #[test]
    fn what_llama_cpp_refuses_is_known_before_it_loads() {
        let plain = Settings { device: Device::Cpu, ..Settings::defaults(1) };
        assert_eq!(said(&plain, 16), None);
        let v = Settings { type_v: CacheType::Q8_0, flash_attention: FlashAttention::Off, ..plain.clone() };
        let reason = said(&v, 64).unwrap();
        assert!(reason.starts_with("a quantized V cache (-ctv q8_0) needs flash attention"), "{reason}");
        for flash_attention in [FlashAttention::Auto, FlashAttention::On] {
            assert_eq!(said(&Settings { flash_attention, ..v.clone() }, 64), None);
        }
        let k = Settings { type_k: CacheType::Q8_0, ..plain.clone() };
        let reason = said(&k, 16).unwrap();
        assert!(reason.starts_with("heads of 16 do not fill the K cache's blocks of 32 (-ctk q8_0)"), "{reason}");
        assert_eq!((said(&k, 64), said(&Settings { type_k: CacheType::Bf16, ..plain.clone() }, 16)), (None, None));
        let reason = said(&Settings { device: Device::Cuda, ..plain }, 64).unwrap();
        assert!(reason.starts_with("no CUDA device: this build finds "), "{reason}");
    }
}
