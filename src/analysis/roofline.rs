//! How close generation comes to what the memory gives: bytes a token reads, times tokens a second, over measured bandwidth.
//!
//! Generating one token of one sequence reads every weight once and computes little with it, so bandwidth is what bounds it
//! (the roofline model: Williams, Waterman & Patterson 2009, at an intensity of about two operations a weight).

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{model::ModelAnalysis, series::MetricSummary};
use crate::{
    metric::MetricId,
    record::{CONTEXT_STEP, MemoryBandwidth, ModelFacts, Run, WorkloadKind},
};

/// Generation of every model against the memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Roofline {
    /// What the memory gives, and how that was measured.
    pub bandwidth: MemoryBandwidth,
    /// One a model and generation workload of one sequence, in the plan's order.
    pub rows: Vec<RooflineRow>,
}

/// One model's generation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct RooflineRow {
    /// Index into the models.
    pub model: usize,
    /// The metric's key: `tg128`.
    pub key: MetricId,
    /// Weights read for a token.
    pub weights_bytes: u64,
    /// KV cache read for a token, mean over the tokens generated; `None` where its size does not follow from the header.
    pub kv_bytes: Option<f64>,
    /// Bytes read a second: both, times tokens a second.
    pub bytes_per_s: f64,
    /// Of the bandwidth, as a fraction. Above 1 where caches hold what is read.
    pub share: f64,
    /// Lower end of its interval, from that of the speed alone; `None` without one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// `None` when the bandwidth was not measured.
pub(super) fn of(run: &Run, models: &[ModelAnalysis]) -> Option<Roofline> {
    let bandwidth = run.machine.memory_bandwidth.clone()?;
    let mut rows = Vec::new();
    for (index, (info, model)) in run.subjects.iter().zip(models).enumerate() {
        let Some(facts) = &info.model.facts else { continue };
        let Some(weights_bytes) = weights_a_token(facts) else { continue };
        for workload in &run.plan.workloads {
            let WorkloadKind::Tg { n_tokens, n_depth } = workload.kind else { continue };
            let Some(key) = workload.kind.metric() else { continue };
            let Some(MetricSummary { value: Some(tps), low, high, .. }) = model.metric(&key) else { continue };
            // The first token generated reads one entry beyond the depth, the last one n.
            let attended = f64::from(n_depth) + f64::midpoint(1.0, f64::from(n_tokens));
            let kv_bytes = kv_of_one_token(run, facts).map(|bytes| bytes * attended);
            let bytes = weights_bytes as f64 + kv_bytes.unwrap_or(0.0);
            let share = |tps: f64| tps * bytes / bandwidth.bytes_per_s;
            rows.push(RooflineRow {
                model: index,
                key,
                weights_bytes,
                kv_bytes,
                bytes_per_s: tps * bytes,
                share: share(*tps),
                low: low.map(share),
                high: high.map(share),
            });
        }
    }
    (!rows.is_empty()).then_some(Roofline { bandwidth, rows })
}

/// Bytes of the weights that a token reads: all but the embedding, of which it reads one row, unless that is the output, too. `None` of
/// a mixture of experts, which reads some of them only.
pub(crate) fn weights_a_token(facts: &ModelFacts) -> Option<u64> {
    if facts.n_expert.is_some_and(|n| n > 0) {
        return None;
    }
    let tied = facts.tensors.iter().all(|group| group.class != "output");
    let read = facts.tensors.iter().filter(|group| match group.class.as_str() {
        "token_embd" => tied,
        // Of the one a row is read, the other is not loaded.
        "per_layer_token_embd" | "nextn" => false,
        _ => true,
    });
    Some(read.map(|group| group.bytes).sum())
}

/// Bytes of one token in the KV cache.
fn kv_of_one_token(run: &Run, facts: &ModelFacts) -> Option<f64> {
    let n_ctx = run.plan.largest_synthetic_context(facts.n_ctx_train).next_multiple_of(CONTEXT_STEP);
    (n_ctx > 0).then_some(facts.expected_kv_bytes? as f64 / f64::from(n_ctx))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn measured() -> Run {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = crate::record::read_run(&path).unwrap();
        run.machine.memory_bandwidth = Some(MemoryBandwidth {
            bytes_per_s: 1e10,
            n_threads: 2,
            buffer_bytes: 1 << 28,
            cache_bytes: Some(32 << 20),
            passes: 4,
        });
        run
    }

    #[test]
    fn a_token_reads_the_weights_and_the_cache() {
        let run = measured();
        let analysis = crate::analysis::analyse(&run);
        let rows = analysis.roofline.unwrap().rows;
        let row = &rows[0];
        let facts = run.subjects[0].model.facts.as_ref().unwrap();
        let tps = analysis.models[0].metric(&row.key).unwrap().value.unwrap();
        let kv = row.kv_bytes.unwrap_or(0.0);
        assert!(row.weights_bytes <= facts.weights_bytes && kv < facts.expected_kv_bytes.unwrap() as f64);
        assert!((row.share - tps * (row.weights_bytes as f64 + kv) / 1e10).abs() < 1e-12);
        assert!(rows.iter().all(|row| row.key.is_of(crate::record::Phase::Decode)));
    }

    #[test]
    fn a_tied_embedding_is_read_whole_and_experts_are_not_guessed() {
        let mut facts = measured().subjects[0].model.facts.clone().unwrap();
        let group = |class: &str, bytes| crate::record::TensorGroup {
            class: class.into(),
            ggml_type: "F16".into(),
            count: 1,
            n_params: bytes / 2,
            bytes,
        };
        facts.tensors = vec![group("token_embd", 100), group("attn_q", 10)];
        assert_eq!(weights_a_token(&facts), Some(110));
        facts.tensors.push(group("output", 100));
        assert_eq!(weights_a_token(&facts), Some(110));
        facts.tensors.extend([group("per_layer_token_embd", 1000), group("nextn", 1000)]);
        assert_eq!(weights_a_token(&facts), Some(110));
        facts.n_expert = Some(8);
        assert_eq!(weights_a_token(&facts), None);
    }

    #[test]
    fn without_a_measurement_there_is_none() {
        let run = crate::record::Run {
            machine: crate::record::Machine { memory_bandwidth: None, ..measured().machine },
            ..measured()
        };
        assert_eq!(crate::analysis::analyse(&run).roofline, None);
    }
}
