//! From what is to be done to what is measured by it: the metrics of a plan, and the names of its synthetic work.

use super::id::{Layout, MetricId, Shape};
use crate::record::{Machine, Phase, Plan, Settings, Workload, WorkloadKind, is_primary};

impl WorkloadKind {
    /// The metric that synthetic work gives; `None` of prompts, which give those of their category.
    pub(crate) fn metric(&self) -> Option<MetricId> {
        let one = |n_tokens, n_depth| Shape { n_tokens, layout: Layout::One { n_depth } };
        let parallel = |n_tokens, n_seq| Shape { n_tokens, layout: Layout::Parallel { n_seq } };
        match *self {
            Self::Pp { n_tokens, n_depth } => Some(MetricId::Prefill(one(n_tokens, n_depth))),
            Self::Tg { n_tokens, n_depth } => Some(MetricId::Decode(one(n_tokens, n_depth))),
            Self::PpParallel { n_tokens, n_seq } => Some(MetricId::Prefill(parallel(n_tokens, n_seq))),
            Self::TgParallel { n_tokens, n_depth: _, n_seq } => Some(MetricId::Decode(parallel(n_tokens, n_seq))),
            Self::PpTg { n_prompt, n_gen, n_depth } => Some(MetricId::PrefillDecode { n_prompt, n_gen, n_depth }),
            Self::Prompt(_) => None,
        }
    }

    /// The category and the text of a prompt; `None` of synthetic work.
    pub(crate) fn category(&self) -> Option<&str> {
        match self {
            Self::Prompt(prompt) => Some(&prompt.category),
            Self::Pp { .. }
            | Self::Tg { .. }
            | Self::PpParallel { .. }
            | Self::TgParallel { .. }
            | Self::PpTg { .. } => None,
        }
    }
}

impl Workload {
    /// Synthetic work under the name of its metric; a prompt has the name that its author gave it.
    pub(crate) fn synthetic(kind: WorkloadKind) -> Option<Self> {
        Some(Self { id: kind.metric()?.to_string(), kind })
    }
}

/// The memory that weights take: a device's where one holds them, else the machine's.
pub(crate) fn memory_of_weights(machine: &Machine, settings: &Settings) -> MetricId {
    if machine.lends_device_to(settings) { MetricId::DeviceMemory } else { MetricId::PeakMemory }
}

/// The metrics of a category of prompts.
fn of_category(category: &str) -> impl Iterator<Item = MetricId> + use<> {
    let category = category.to_owned();
    [Phase::Prefill, Phase::Decode]
        .into_iter()
        .map(move |phase| MetricId::Category { category: category.clone(), phase })
}

/// A person's request, as a plan describes it: where its prompt and its answer stand among the work. Both are the first of one
/// sequence at the least depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) prefill: usize,
    pub(crate) decode: usize,
}

/// The request that work of this kind describes; `None` where it lacks the prompt or the answer.
pub(crate) fn request(workloads: &[Workload]) -> Option<Request> {
    let first = |phase: Phase| {
        workloads.iter().position(|w| {
            let alone = is_primary(workloads, &w.kind) && w.kind.depth().is_some();
            alone && w.kind.metric().is_some_and(|id| id.is_of(phase))
        })
    };
    Some(Request { prefill: first(Phase::Prefill)?, decode: first(Phase::Decode)? })
}

/// Everything that work of this kind measures of a model, in the order people read it. Memory of a device and energy are among it, whether
/// they can be read or not.
pub(crate) fn of_workloads(workloads: &[Workload]) -> Vec<MetricId> {
    let mut all: Vec<MetricId> = Vec::new();
    let mut add = |id: MetricId| {
        if !all.contains(&id) {
            all.push(id);
        }
    };
    workloads.iter().filter_map(|w| w.kind.metric()).for_each(&mut add);
    [MetricId::Load, MetricId::PeakMemory, MetricId::DeviceMemory].into_iter().for_each(&mut add);
    // Of one sequence at the least depth: elsewhere tokens that are not timed come between.
    let alone = workloads.iter().filter(|w| is_primary(workloads, &w.kind) && w.kind.depth().is_some());
    let energy = alone.filter_map(|w| w.kind.metric()?.synthetic());
    energy.map(|(phase, shape)| MetricId::Energy { phase, shape }).for_each(&mut add);
    workloads.iter().filter_map(|w| w.kind.category()).flat_map(of_category).for_each(&mut add);
    if workloads.iter().filter(|w| is_primary(workloads, &w.kind)).count() > 1 {
        add(MetricId::Overall);
    }
    if request(workloads).is_some() {
        add(MetricId::Request);
    }
    all
}

impl Plan {
    /// Everything it measures of a model in the course of the rounds.
    pub(crate) fn metrics(&self) -> Vec<MetricId> {
        of_workloads(&self.workloads)
    }

    /// Where the workload of a synthetic metric stands.
    pub(crate) fn workload_of(&self, metric: &MetricId) -> Option<usize> {
        self.workloads.iter().position(|w| w.kind.metric().as_ref() == Some(metric))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{metric::id, record::PromptText};

    /// Work that measures whatever can be measured in rounds.
    pub(crate) fn all_work() -> Vec<Workload> {
        let mut kinds = vec![
            WorkloadKind::PpParallel { n_tokens: 512, n_seq: 8 },
            WorkloadKind::TgParallel { n_tokens: 128, n_depth: 512, n_seq: 8 },
        ];
        for n_depth in [0, 4096] {
            kinds.push(WorkloadKind::Pp { n_tokens: 512, n_depth });
            kinds.push(WorkloadKind::Tg { n_tokens: 128, n_depth });
            kinds.push(WorkloadKind::PpTg { n_prompt: 512, n_gen: 128, n_depth });
        }
        let prompt = PromptText { category: "short".into(), text: "t".into(), max_new_tokens: 8 };
        let prompts = ["a", "b"].map(|id| Workload { id: id.into(), kind: WorkloadKind::Prompt(prompt.clone()) });
        kinds.into_iter().filter_map(Workload::synthetic).chain(prompts).collect()
    }

    /// One metric at least of every variant.
    pub(crate) fn every_metric() -> Vec<MetricId> {
        let outputs =
            super::super::KldOf::ALL.into_iter().flat_map(|of| [MetricId::MeanKld { of }, MetricId::P99Kld { of }]);
        let mut all = of_workloads(&all_work());
        all.extend([MetricId::Perplexity, MetricId::SameTop]);
        all.extend(outputs);
        all
    }

    #[test]
    fn work_has_the_names_of_llama_bench() {
        let names: Vec<String> = all_work().into_iter().map(|w| w.id).collect();
        assert_eq!(names[..5], ["pp512x8", "tg128x8", "pp512", "tg128", "pp512+tg128"]);
        assert_eq!(names[5..], ["pp512 @ d4096", "tg128 @ d4096", "pp512+tg128 @ d4096", "a", "b"]);
    }

    #[test]
    fn work_gives_each_metric_once_in_the_order_people_read_them() {
        let mut work = all_work();
        work.extend(all_work());
        let all: Vec<String> = of_workloads(&work).iter().map(ToString::to_string).collect();
        assert_eq!(
            all[8..],
            [
                "load",
                "memory_peak",
                "device_memory",
                "energy_pp512",
                "energy_tg128",
                "short/pp",
                "short/tg",
                "all_workloads",
                "request"
            ]
        );
        assert!(!of_workloads(&work[..1]).contains(&MetricId::Overall), "a line over one is no line over all");
        assert_eq!(id("tg128x8"), of_workloads(&work)[1]);
    }
}
