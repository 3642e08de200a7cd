//! Warnings: what a reader should know before trusting the numbers, with evidence and a remedy.

mod answers;
mod build;
mod kind;
mod machine;
mod models;
mod openmp;
mod samples;

use super::{model::ModelAnalysis, series::Series};
use crate::record::Run;

pub(crate) use kind::{Warning, WarningKind};

/// Everything that should be said, the run as a whole first.
pub(super) fn find(run: &Run, series: &[Vec<Series>], models: &[ModelAnalysis]) -> Vec<Warning> {
    let mut found = Vec::new();
    found.extend(build::debug(run));
    found.extend(build::not_native(run));
    found.extend(build::threads(run));
    found.extend(openmp::environment(run));
    found.extend(machine::busy(run));
    found.extend(machine::swapping(run));
    found.extend(machine::throttling(run));
    found.extend(samples::drift(run, series));
    found.extend(samples::outliers(run, series));
    found.extend(samples::too_noisy(run, models));
    found.extend(models::original_quantized(run));
    found.extend(answers::forms(run, models));
    found.extend(models::of_llama_cpp(run));
    for (index, model) in models.iter().enumerate() {
        found.extend(models::tokenizers(run, index));
        found.extend(answers::template_unused(model));
        found.extend(samples::warmup_too_short(run, index, &series[index]));
        found.extend(samples::clocks(run, index));
        found.extend(models::cache_mixed(run, index));
        found.extend(models::memory_near_full(run, model));
        found.extend(models::device_memory(model));
        found.extend(models::retried(run, index));
        found.extend(models::requantized(run, index));
        found.extend(models::type_contradicted(run, index));
        found.extend(models::rows_do_not_fill(run, index));
        found.extend(models::larger_than_original(run, index));
    }
    found
}

#[cfg(test)]
mod tests;
