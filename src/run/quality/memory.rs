//! Whether an original and its candidates fit in memory together: decides who shares a pass.

use std::path::Path;

use crate::{
    gguf,
    quality::{pieces::Pieces, windows::WindowShape},
    record::{Device, EngineConfig, Machine, Model, QualityPlan, Sharing},
};

/// What a process takes besides its models.
const PROCESS_BYTES: u64 = 64 << 20;

/// Expected memory of one model while windows are scored: weights, KV cache, and logits twice, as computed and as read.
#[must_use]
pub fn needed_bytes(model: &Model, file: &Path, engine: &EngineConfig, n_ctx: u32) -> u64 {
    let Some(facts) = &model.facts else { return 0 };
    let Ok(shape) = WindowShape::new(n_ctx as usize) else { return facts.weights_bytes };
    let pieces = Pieces::new(shape, engine.n_ubatch as usize);
    let logits = 2 * 4 * pieces.max_rows(shape) as u64 * u64::from(facts.tokenizer.n_vocab);
    let cells = u32::try_from(pieces.n_seq).unwrap_or(u32::MAX).saturating_mul(n_ctx);
    let kv = gguf::Model::read(file).ok().and_then(|model| {
        let shape = &model.facts().shape;
        shape.kv_cache_bytes(cells, engine.type_k.into(), engine.type_v.into()).ok()
    });
    facts.weights_bytes + kv.unwrap_or(0) + logits
}

/// Memory for models: of the devices when one is used, of the machine otherwise.
#[must_use]
pub fn available_bytes(machine: &Machine, engine: &EngineConfig) -> u64 {
    if on_device(machine, engine) {
        machine.devices.iter().filter(|device| device.kind == "gpu").map(|device| device.memory_free_bytes).sum()
    } else {
        machine.available_bytes
    }
}

/// Whether the models are evaluated on a GPU.
#[must_use]
pub(super) fn on_device(machine: &Machine, engine: &EngineConfig) -> bool {
    engine.device != Device::Cpu
        && engine.n_gpu_layers != 0
        && machine.devices.iter().any(|device| device.kind == "gpu")
}

/// Shared when the original and all candidates fit together; `needs` lists the original first.
#[must_use]
pub fn sharing(needs: &[u64], available_bytes: u64) -> Sharing {
    let needed_bytes = needs.iter().sum::<u64>() + PROCESS_BYTES;
    if needed_bytes <= available_bytes {
        Sharing::Shared { needed_bytes, available_bytes }
    } else {
        Sharing::Repeated { needed_bytes, available_bytes }
    }
}

/// Why the original and this one candidate can't be compared at all, when they do not fit.
#[must_use]
pub fn too_large(original: u64, candidate: u64, available_bytes: u64) -> Option<String> {
    let needed = original + candidate + PROCESS_BYTES;
    let gib = |bytes: u64| bytes as f64 / crate::units::GIB;
    (needed > available_bytes).then(|| {
        format!(
            "not enough memory to hold the original and this candidate together: {:.2} GiB needed, {:.2} GiB available; \
             comparing through a cache of the original's most likely tokens is not supported, so use a machine with more \
             memory, or make the original's logits file elsewhere (--save-logits) and compare with it (--logits)",
            gib(needed),
            gib(available_bytes)
        )
    })
}

/// For people, before anything runs.
#[must_use]
pub fn describe(sharing: Sharing, plan: &QualityPlan) -> String {
    let gib = |bytes: u64| bytes as f64 / crate::units::GIB;
    let most = plan.max_windows.map_or(String::new(), |most| format!(", at most {most}"));
    let until = if plan.precision > 0.0 {
        format!(
            ", until the mean KLD is known to ±{:.0} % (from {} windows on)",
            plan.precision * 100.0,
            plan.min_windows
        )
    } else {
        String::new()
    };
    let shared = match sharing {
        Sharing::Shared { needed_bytes, available_bytes } => format!(
            "the original is evaluated once for all candidates: together they need {:.2} of {:.2} GiB",
            gib(needed_bytes),
            gib(available_bytes)
        ),
        Sharing::Repeated { needed_bytes, available_bytes } => format!(
            "the original is evaluated again for each candidate: together they would need {:.2} of {:.2} GiB",
            gib(needed_bytes),
            gib(available_bytes)
        ),
    };
    format!("{} texts, windows of {} tokens{most}{until}; {shared}", plan.texts.len(), plan.n_ctx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pass_is_shared_when_all_fit() {
        let gib = 1 << 30;
        assert!(matches!(sharing(&[gib, gib], 3 * gib), Sharing::Shared { .. }));
        assert!(matches!(sharing(&[gib, gib, gib], 3 * gib), Sharing::Repeated { .. }));
        assert_eq!(too_large(gib, gib, 3 * gib), None);
        assert!(too_large(gib, 2 * gib, 3 * gib).is_some_and(|reason| reason.contains("--logits")));
    }
}
