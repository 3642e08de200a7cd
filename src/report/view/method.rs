//! The method in ten lines, with this run's own figures.

use crate::{
    record::{Run, Sampling},
    report::format::percent,
};

/// The lines.
pub(super) fn lines(run: &Run) -> Vec<String> {
    let p = &run.plan.protocol;
    let sampling = match run.plan.sampling {
        Sampling::Greedy => "greedily".to_owned(),
        Sampling::TopP { temperature, top_p } => {
            format!("with temperature {temperature}, top-p {top_p} and seed {}", run.plan.seed)
        }
    };
    vec![
        "A round visits every model once. Each visit is a fresh process that holds one model, so its load and its peak memory are its own.".into(),
        "Every second round runs in the reverse order of the one before, so that slow drift of the machine hits all models alike.".into(),
        format!("A visit loads the model (timed), works untimed for at least {} ms, then takes {} samples of each workload; its datum is their median.", p.warmup_ms, p.inner_samples),
        "ppN evaluates N given tokens, tgN generates N tokens one after another, as llama-bench does; the tokens are the same for every model.".into(),
        "Times are llama.cpp's own; a second clock runs beside them, and where the two disagree a warning says so.".into(),
        format!("Rounds are the independent units. Absolute figures are medians over rounds with an order-statistic interval at {} confidence.", percent(p.confidence)),
        "Ratios are paired by round: the Hodges–Lehmann estimate of the log ratio with the exact Wilcoxon signed-rank interval.".into(),
        format!("A verdict holds the whole interval against ±{}: faster or slower outside it, no relevant difference inside it, not resolved across its border.", percent(p.equivalence)),
        "Memory is resident memory of the worker, sampled from outside, with the kernel's exact peak where it tells; weights mapped from the file count as file-backed.".into(),
        format!("Prompts are answered {sampling} in the first {} rounds; rates are total tokens over total time.", p.prompt_rounds),
    ]
}
