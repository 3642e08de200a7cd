//! Before anything is loaded: what each model is expected to take, held against what there is.

use super::{preview::size, subjects::Found};
use crate::{
    record::{Machine, ModelFacts, Outcome, Plan, Settings, Stage, Subject},
    run,
};

/// Fails the models that can't fit: the system would kill their workers, and perhaps others with them.
pub(super) fn refuse(found: &mut [Found], machine: &Machine, plan: &Plan) {
    for subject in found.iter_mut().map(|f| &mut f.subject).filter(|s| s.outcome == Outcome::Done) {
        if let Some(reason) = too_much(subject, machine, plan) {
            subject.outcome = Outcome::Failed { stage: Stage::Load, reason };
        }
    }
}

/// Why a model does not fit; `None` of one that does, or whose size is not known.
pub(super) fn too_much(subject: &Subject, machine: &Machine, plan: &Plan) -> Option<String> {
    let (facts, settings) = (subject.model.facts.as_ref()?, &subject.settings);
    let available_bytes = available_bytes(machine, settings);
    let expected = Expected::of(facts, settings, plan.largest_synthetic_context(facts.n_ctx_train));
    (expected.all() > available_bytes).then(|| expected.too_much_for(available_bytes))
}

/// Where it is computed. Layers that stay on the CPU are the machine's to hold.
fn available_bytes(machine: &Machine, engine: &Settings) -> u64 {
    let there = run::quality::available_bytes(machine, engine);
    let shared = engine.n_gpu_layers > 0 && machine.devices.iter().any(|device| device.kind.has_own_memory());
    if shared { there.saturating_add(machine.available_bytes) } else { there }
}

/// The parts of a model's memory that its header and the plan tell, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    weights: u64,
    kv: u64,
    compute: u64,
}

impl Expected {
    fn of(facts: &ModelFacts, engine: &Settings, n_ctx: u32) -> Self {
        // The largest tensors of llama.cpp's graph are the logits of a micro-batch, beside one of its width; they are f32, and
        // what comes before reuses their place.
        let batch = u64::from(engine.n_ubatch.min(n_ctx.max(1)));
        let width = u64::from(facts.tokenizer.n_vocab) + u64::from(facts.n_embd.unwrap_or(0));
        Self {
            weights: facts.weights_bytes,
            kv: facts.expected_kv_bytes.unwrap_or(0),
            compute: batch.saturating_mul(width).saturating_mul(4),
        }
    }

    fn all(self) -> u64 {
        self.weights.saturating_add(self.kv).saturating_add(self.compute)
    }

    fn too_much_for(self, available_bytes: u64) -> String {
        format!(
            "not enough memory: weights {} + KV cache {} + compute buffers {} = {}, {} is available; close programs, choose a \
             smaller quantization or shorter work (--pp, --tg), or try it all the same with --force",
            size(self.weights),
            size(self.kv),
            size(self.compute),
            size(self.all()),
            size(available_bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{DeviceInfo, DeviceKind, Run, read_run};

    fn run_and_subjects() -> (Run, Vec<Found>) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = read_run(&path).expect("the fixture is a record");
        let found = |subject: &Subject| Found { subject: subject.clone(), path: "unread".into(), pending: None };
        let subjects = run.subjects.iter().filter(|m| m.outcome == Outcome::Done).map(found).collect();
        (run, subjects)
    }

    fn refused(subjects: &[Found]) -> Vec<bool> {
        subjects.iter().map(|s| s.subject.outcome != Outcome::Done).collect()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_sum() {
        let (run, mut subjects) = run_and_subjects();
        let settings = Settings { n_gpu_layers: 0, ..run.base_settings().clone() };
        for found in &mut subjects {
            found.subject.settings = settings.clone();
        }
        let largest = run.subjects[0].model.facts.as_ref().expect("facts").clone();
        let plan = &run.plan;
        let n_ctx = plan.largest_synthetic_context(largest.n_ctx_train);
        let needed = Expected::of(&largest, &settings, n_ctx);
        assert!(needed.compute > 0 && needed.all() > largest.weights_bytes + needed.compute);
        let of = |available_bytes| Machine { available_bytes, ..run.machine.clone() };
        refuse(&mut subjects, &of(needed.all()), plan);
        assert_eq!(refused(&subjects), [false; 4], "what just fits is tried");
        refuse(&mut subjects, &of(needed.all() - 1), plan);
        assert_eq!(refused(&subjects), [true, false, false, false], "the others are smaller");
        let Outcome::Failed { stage: Stage::Load, reason } = &subjects[0].subject.outcome else {
            panic!("not at load")
        };
        for part in [needed.weights, needed.kv, needed.compute, needed.all()] {
            assert!(reason.contains(&size(part)), "{} in {reason}", size(part));
        }
        assert!(reason.contains("--force"), "{reason}");
    }

    #[test]
    fn a_gpu_has_its_own_memory_and_shares_layers_with_the_machine() {
        let (run, _) = run_and_subjects();
        let gpu = DeviceInfo {
            name: "CUDA0".into(),
            description: String::new(),
            kind: DeviceKind::Gpu,
            backend: "CUDA".into(),
            memory_total_bytes: 100,
            memory_free_bytes: 80,
        };
        let machine = Machine { available_bytes: 1000, devices: vec![gpu], ..run.machine.clone() };
        let engine = |n_gpu_layers| Settings {
            device: crate::record::Device::Auto,
            n_gpu_layers,
            ..run.base_settings().clone()
        };
        assert_eq!(available_bytes(&machine, &engine(-1)), 80);
        assert_eq!(available_bytes(&machine, &engine(10)), 1080);
        assert_eq!(available_bytes(&machine, &engine(0)), 1000);
    }
}
