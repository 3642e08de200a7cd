//! Before anything is loaded: what each model is expected to take, held against what there is.

use super::{console::size, subjects::Found};
use crate::{
    record::{Machine, Outcome, Plan, Stage, Subject},
    run::{MemoryBudget, available_bytes},
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
    let budget = MemoryBudget::to_time(subject, plan)?;
    let available = available_bytes(machine, &subject.settings);
    (budget.total() > available).then(|| {
        format!(
            "not enough memory: {}, {} is available; close programs, choose a smaller quantization or shorter work (--pp, --tg), \
             or try it all the same with --force",
            sum(budget),
            size(available)
        )
    })
}

/// What a model to be timed takes, as a sum.
pub(super) fn sum(budget: MemoryBudget) -> String {
    let MemoryBudget { weights, repacked, kv, compute, logits: _ } = budget;
    let again =
        if repacked > 0 { format!(" + {} of them laid out anew for this CPU", size(repacked)) } else { String::new() };
    format!(
        "weights {}{again} + KV cache {} + compute buffers {} = {}",
        size(weights),
        kv.map_or_else(|| "unknown".into(), size),
        size(compute),
        size(budget.total())
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{Run, Settings, read_run};

    fn run_and_subjects() -> (Run, Vec<Found>) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = read_run(&path).expect("the fixture is a record");
        let found = |subject: &Subject| Found::unread(subject.clone(), "unread".into());
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
        let plan = &run.plan;
        let needed = MemoryBudget::to_time(&subjects[0].subject, plan).expect("facts");
        assert!(needed.compute > 0 && needed.total() > needed.weights + needed.compute);
        let of = |available_bytes| Machine { available_bytes, ..run.machine.clone() };
        refuse(&mut subjects, &of(needed.total()), plan);
        assert_eq!(refused(&subjects), [false; 4], "what just fits is tried");
        refuse(&mut subjects, &of(needed.total() - 1), plan);
        assert_eq!(refused(&subjects), [true, false, false, false], "the others are smaller");
        let Outcome::Failed { stage: Stage::Load, reason } = &subjects[0].subject.outcome else {
            panic!("not at load")
        };
        for part in [needed.weights, needed.kv.unwrap_or(0), needed.compute, needed.total()] {
            assert!(reason.contains(&size(part)), "{} in {reason}", size(part));
        }
        assert!(reason.contains("--force"), "{reason}");
    }
}
