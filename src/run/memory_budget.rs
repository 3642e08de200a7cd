//! How much memory a subject is expected to take, and how much there is where its weights lie: one answer for previews, refusals and
//! decisions.

use std::path::Path;

use crate::{
    gguf,
    quality::windows::{MicroBatches, WindowShape},
    record::{Device, Machine, ModelFacts, Outcome, Plan, Run, Settings, Subject},
};

/// Bytes of an element of logits and of what is computed on the way to them.
const F32: u64 = 4;

/// What a subject is expected to take, part by part, in bytes. What the process takes besides is not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemoryBudget {
    pub(crate) weights: u64,
    /// Weights that are held a second time, laid out anew for the CPU.
    pub(crate) repacked: u64,
    /// `None` where the header does not tell it.
    pub(crate) kv: Option<u64>,
    pub(crate) compute: u64,
    /// Logits that are kept beside the compute buffers, for whoever reads them.
    pub(crate) logits: u64,
}

impl MemoryBudget {
    /// To be timed in the plan's longest context; `None` of a subject whose header is not known.
    pub(crate) fn to_time(subject: &Subject, plan: &Plan) -> Option<Self> {
        let facts = subject.model.facts.as_ref()?;
        let n_ctx = plan.largest_synthetic_context(facts.n_ctx_train);
        Some(Self::in_context(facts, &subject.settings, n_ctx, facts.expected_kv_bytes))
    }

    /// To be run in a context of `n_ctx` tokens, whose KV cache takes so much.
    pub(crate) fn in_context(facts: &ModelFacts, settings: &Settings, n_ctx: u32, kv: Option<u64>) -> Self {
        let (weights, repacked) = (facts.weights_bytes, facts.expected_repacked_bytes.unwrap_or(0));
        Self { weights, repacked, kv, compute: compute(facts, settings, n_ctx), logits: 0 }
    }

    /// To have windows of `n_ctx` tokens scored; nothing of a subject whose header is not known.
    pub(crate) fn to_score(subject: &Subject, file: &Path, n_ctx: u32) -> Self {
        let Some(facts) = &subject.model.facts else { return Self::default() };
        let (weights, repacked) = (facts.weights_bytes, facts.expected_repacked_bytes.unwrap_or(0));
        let Ok(shape) = WindowShape::new(n_ctx as usize) else { return Self { weights, repacked, ..Self::default() } };
        let settings = &subject.settings;
        let micro_batches = MicroBatches::new(shape, settings.n_ubatch as usize);
        let cells = u32::try_from(micro_batches.n_seq).unwrap_or(u32::MAX).saturating_mul(n_ctx);
        let kv = gguf::Model::read(file).ok().and_then(|model| {
            let shape = &model.facts().shape;
            shape.kv_cache_bytes(cells, settings.type_k.into(), settings.type_v.into()).ok()
        });
        Self {
            weights,
            repacked,
            kv,
            compute: compute(facts, settings, cells),
            logits: (micro_batches.max_rows(shape) as u64).saturating_mul(u64::from(facts.tokenizer.n_vocab)) * F32,
        }
    }

    pub(crate) fn total(self) -> u64 {
        let Self { weights, repacked, kv, compute, logits } = self;
        [weights, repacked, kv.unwrap_or(0), compute, logits].into_iter().fold(0, u64::saturating_add)
    }
}

/// The largest tensors of llama.cpp's graph are the logits of a micro-batch, beside one of its width; they are f32, and what comes
/// before reuses their place. llama.cpp reserves for logits of every token, however few are wanted.
fn compute(facts: &ModelFacts, settings: &Settings, n_ctx: u32) -> u64 {
    let batch = u64::from(settings.n_ubatch.min(n_ctx.max(1)));
    let width = u64::from(facts.tokenizer.n_vocab) + u64::from(facts.n_embd.unwrap_or(0));
    batch.saturating_mul(width).saturating_mul(F32)
}

/// Head-room that is kept free: where memory is full to the brim, pages are evicted while others are timed.
pub(super) const HEAD_ROOM: f64 = 0.05;

/// Whether all models fit in memory at once.
pub(super) struct Room {
    pub(super) needed_bytes: u64,
    pub(super) available_bytes: u64,
}

impl Room {
    pub(super) fn of(plan: &Plan, run: &Run) -> Self {
        let left = run.subjects.iter().filter(|subject| subject.outcome == Outcome::Done);
        let budgets = left.filter_map(|subject| MemoryBudget::to_time(subject, plan));
        Self {
            needed_bytes: budgets.map(MemoryBudget::total).sum(),
            available_bytes: available_bytes(&run.machine, run.base_settings()),
        }
    }

    pub(super) fn is_enough(&self) -> bool {
        self.needed_bytes as f64 <= self.available_bytes as f64 * (1.0 - HEAD_ROOM)
    }
}

/// Memory where the weights lie: of the devices when one is used, of the machine otherwise. Layers that stay on the CPU are the
/// machine's to hold.
pub(crate) fn available_bytes(machine: &Machine, settings: &Settings) -> u64 {
    if !on_device(machine, settings) {
        return machine.available_bytes;
    }
    let devices = machine.devices.iter().filter(|device| device.kind.has_own_memory());
    let of_devices = devices.map(|device| device.memory_free_bytes).fold(0, u64::saturating_add);
    if settings.n_gpu_layers > 0 { of_devices.saturating_add(machine.available_bytes) } else { of_devices }
}

/// Whether models are evaluated on a GPU with memory of its own.
pub(crate) fn on_device(machine: &Machine, settings: &Settings) -> bool {
    settings.device != Device::Cpu
        && settings.n_gpu_layers != 0
        && machine.devices.iter().any(|device| device.kind.has_own_memory())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DeviceInfo, DeviceKind, read_run};

    fn run() -> Run {
        read_run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json")).expect("it is a record")
    }

    #[test]
    fn the_parts_follow_from_header_settings_and_work() {
        let run = run();
        let original = &run.subjects[0];
        // 134 M weights in F16; a vocabulary of 49,152 and a width of 576; micro-batches of 512.
        let expected = MemoryBudget {
            weights: 268_435_456,
            kv: Some(12_582_912),
            compute: 512 * (49_152 + 576) * 4,
            ..MemoryBudget::default()
        };
        assert_eq!(MemoryBudget::to_time(original, &run.plan), Some(expected));
        assert_eq!(MemoryBudget::to_time(&run.subjects[4], &run.plan), None, "its header could not be read");
        // Of a window of 512, 255 positions are scored; there is no file to tell the KV cache.
        let scored = MemoryBudget { kv: None, logits: 255 * 49_152 * 4, ..expected };
        assert_eq!(MemoryBudget::to_score(original, Path::new("none"), 512), scored);
        assert_eq!(scored.total(), scored.weights + scored.compute + scored.logits);
        let mut twice = original.clone();
        twice.model.facts.as_mut().expect("facts").expected_repacked_bytes = Some(1000);
        let budget = MemoryBudget::to_time(&twice, &run.plan).expect("facts");
        assert_eq!((budget.repacked, budget.total()), (1000, expected.total() + 1000));
        assert_eq!(MemoryBudget::to_score(&twice, Path::new("none"), 512).total(), scored.total() + 1000);
    }

    #[test]
    fn a_gpu_has_its_own_memory_and_shares_layers_with_the_machine() {
        let run = run();
        let machine = |kind| {
            let gpu = DeviceInfo {
                name: "CUDA0".into(),
                description: String::new(),
                kind,
                backend: "CUDA".into(),
                memory_total_bytes: 100,
                memory_free_bytes: 80,
                pci_id: None,
            };
            Machine { available_bytes: 1000, devices: vec![gpu], ..run.machine.clone() }
        };
        let settings = |device, n_gpu_layers| Settings { device, n_gpu_layers, ..run.base_settings().clone() };
        let of = |kind, device, layers| available_bytes(&machine(kind), &settings(device, layers));
        assert_eq!([-1, 10, 0].map(|layers| of(DeviceKind::Gpu, Device::Auto, layers)), [80, 1080, 1000]);
        assert_eq!(of(DeviceKind::Gpu, Device::Cpu, 10), 1000, "layers were to be offloaded to nothing");
        assert_eq!(of(DeviceKind::IntegratedGpu, Device::Auto, -1), 1000, "it computes in the machine's memory");
    }
}
