//! The method in ten lines, with this run's own figures.

use super::names::baseline;
use crate::{
    analysis::Context,
    record::{Arrangement, Protocol, QualityPlan, QualityUnit, Sampling, Workload, round_value},
    report::{
        document::MethodPoint,
        number::percent,
        text::{counted, inert_line, list},
    },
};

/// Where METHODOLOGY.md can be read.
const METHODOLOGY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/METHODOLOGY.md");

pub(crate) fn lines(context: &Context) -> Vec<MethodPoint> {
    let point = |(section, text): (&'static str, String)| MethodPoint {
        text,
        section,
        link: format!("{METHODOLOGY}#{}", section.to_lowercase().replace(' ', "-")),
    };
    let timed = context.plan.has_rounds().then(|| timed(context)).into_iter().flatten();
    let compared = context.plan.quality.as_ref().map(compared);
    timed.chain(compared).map(point).collect()
}

fn compared(plan: &QualityPlan) -> (&'static str, String) {
    let over = match plan.unit() {
        QualityUnit::Document => "documents",
        QualityUnit::Window => "windows of these texts",
    };
    let text = format!(
        "Outputs are compared token by token on windows of {} tokens. The second half of each is scored, as llama-perplexity does. \
         Intervals are over {over}.",
        plan.n_ctx
    );
    ("Output quality", text)
}

/// How speed, memory and answers were measured, each with its section.
fn timed(context: &Context) -> Vec<(&'static str, String)> {
    const PROTOCOL: &str = "The protocol";
    const STATISTICS: &str = "The statistics";
    let p = &context.plan.protocol;
    let sampling = match context.plan.sampling {
        Sampling::Greedy => "greedily".to_owned(),
        Sampling::TopP { temperature, top_p } => {
            format!("with temperature {temperature}, top-p {top_p} and seed {}", context.plan.seed)
        }
    };
    let base = baseline(context);
    let arrangement = context.adaptation.as_ref().map_or(p.arrangement, |adaptation| adaptation.arrangement);
    let mut all = vec![
        (PROTOCOL, "A round visits every model once. Each visit is a fresh process that holds one model, so its load and its peak memory are its own.".into()),
        (PROTOCOL, match arrangement {
            Arrangement::Alternating => "All models of a round are loaded, and their samples alternate, forwards and backwards. Every second round mirrors the one before, so slow drift of the machine hits all models alike.".into(),
            Arrangement::Sequential => "The models of a round follow each other. Every second round runs in the reverse order of the one before, so slow drift of the machine hits all models alike.".into(),
        }),
        (PROTOCOL, format!("A visit loads the model, which is timed, and warms up until two repetitions take about as long. Then it takes {} of each workload. Their median is its value in the round.", samples(context))),
        (PROTOCOL, "ppN evaluates N given tokens, and tgN generates N tokens one after another, as llama-bench does. The tokens are the same for every model.".into()),
        (PROTOCOL, "Times are llama.cpp's own. A second clock runs beside them, and a warning says where the two disagree.".into()),
        (STATISTICS, format!("Rounds are the independent units. The {base}'s figures are medians over rounds with an order-statistic interval at {} confidence. A candidate's are the {base}'s times its ratio.", percent(p.confidence))),
        (STATISTICS, "Ratios are paired by round: the Hodges–Lehmann estimate of the log ratio with the exact Wilcoxon signed-rank interval.".into()),
        (STATISTICS, format!("A verdict holds the whole interval against ±{}. Outside it is faster or slower, inside it no relevant difference, across its border not resolved.", percent(p.equivalence))),
        (PROTOCOL, "Memory is the worker's resident memory, sampled from outside, with the kernel's exact peak where it tells. Weights mapped from the file count as file-backed.".into()),
    ];
    if context.prompt_rounds > 0 {
        let rounds = counted(context.prompt_rounds, "round");
        let text = format!("Prompts are answered {sampling}, in {rounds}. Rates are total tokens over total time.");
        all.push((PROTOCOL, text));
    }
    all
}

/// Samples in a visit, as typed or as chosen: `6 samples of pp512 and 14 of tg128`.
pub(super) fn samples(context: &Context) -> String {
    let Protocol { inner_samples: n, .. } = context.plan.protocol;
    let chosen: Vec<String> = context
        .adaptation
        .iter()
        .flat_map(|adaptation| &adaptation.samples_per_round)
        .filter_map(|choice| Some((choice.samples, context.plan.workloads.get(choice.workload)?)))
        .filter(|(_, Workload { kind, .. })| round_value::synthetic_phase(kind).is_some())
        .map(|(samples, workload)| format!("{samples} ({})", inert_line(&workload.id)))
        .collect();
    if chosen.is_empty() { counted(n, "sample") } else { format!("{} samples", list(&chosen)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_section_that_exists() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = crate::record::read_run(&path).expect("the fixture is a record");
        let context = Context::of(&run);
        let lines = lines(&context);
        assert!(lines.len() > 9);
        let document = include_str!("../../../METHODOLOGY.md");
        for point in lines {
            assert!(document.contains(&format!("\n## {}\n", point.section)), "{}", point.section);
        }
    }
}
