//! Prompts with the answers of every model side by side, the first difference from the original's answer found.

use crate::{
    analysis::{Analysis, AnswerRow},
    record::{FinishReason, WorkloadKind},
    report::{
        document::{Answer, Prompt},
        number::{ms, or_unknown, rate},
        section::names::{baseline, name, original},
        text::{clip, counted, inert_line, inert_text, shorten},
    },
};

/// Most characters of a text on the page; the record keeps all of it.
const MOST: usize = 8_000;

/// Every prompt that was answered.
pub(crate) fn prompts(analysis: &Analysis) -> Vec<Prompt> {
    let of = |w: &crate::record::Workload| {
        let WorkloadKind::Prompt(prompt) = &w.kind else { return None };
        let row = |m: &crate::analysis::ModelAnalysis| m.answers.iter().find(|a| a.prompt == w.id).cloned();
        let base = original(analysis).and_then(row).map(|a| inert_text(&a.text));
        let answers: Vec<Answer> = analysis
            .models
            .iter()
            .filter_map(|m| {
                let base = base.as_deref().filter(|_| m.role == crate::record::Role::Candidate);
                Some(answer(name(m), &row(m)?, base, baseline(&analysis.context)))
            })
            .collect();
        let (text, cut) = clip(&inert_text(&prompt.text), MOST);
        let (name, category) = (shorten(&inert_line(&w.id), 60), shorten(&inert_line(&prompt.category), 40));
        (!answers.is_empty()).then_some(Prompt { name, category, text, cut, answers })
    };
    analysis.context.plan.workloads.iter().filter_map(of).collect()
}

fn answer(model: String, row: &AnswerRow, base: Option<&str>, baseline: &str) -> Answer {
    let whole = inert_text(&row.text);
    let (text, cut) = clip(&whole, MOST);
    let common = base.map(|b| b.chars().zip(whole.chars()).take_while(|(a, b)| a == b).count());
    let relation = base.zip(common).map(|(base, n)| {
        if base == whole { format!("same as the {baseline}'s") } else { format!("differs from character {}", n + 1) }
    });
    let (same, rest) = match common.filter(|_| base != Some(whole.as_str())) {
        Some(n) => {
            let at = text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
            (text[..at].to_owned(), text[at..].to_owned())
        }
        None => (text, String::new()),
    };
    Answer { model, same, rest, relation, cut, facts: facts(row) }
}

fn facts(row: &AnswerRow) -> String {
    let finish = match row.finish {
        FinishReason::EndOfGeneration => "ended by the model",
        FinishReason::Length => "cut at the most tokens allowed",
    };
    let repeat = match (row.n, row.repeatable) {
        (0 | 1, _) => "asked once",
        (_, true) => "the same in every round",
        (_, false) => "not the same in every round",
    };
    format!(
        "{}, {}, first token after {}; {finish}, {repeat}",
        counted(row.n_generated, "token"),
        or_unknown(row.generation_tps, rate),
        ms(row.latency.ttft_ms)
    )
}
