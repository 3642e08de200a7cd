//! How the models behaved when they answered, side by side: what is wrong with answers in themselves.

use crate::{
    analysis::{Analysis, Behaviour, ModelAnalysis},
    record::PromptForm,
    report::{
        document::{Cell, Column, Table},
        section::names::name,
        text::{inert_line, shorten},
    },
};

/// A row a model that answered.
pub(crate) fn table(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("asked").rank(2),
        Column::number("answers", ""),
        Column::number("cut by length", "").rank(1),
        Column::number("empty", ""),
        Column::number("loops", ""),
        Column::number("other script", ""),
        Column::number("cut JSON", ""),
        Column::number("invalid JSON", ""),
        Column::number("broken characters", ""),
    ];
    let answered = || analysis.models.iter().filter_map(|m| Some((m, m.behaviour.as_ref()?)));
    let rows = answered().map(|(m, b)| row(m, b)).collect();
    let mut table = Table::new("behaviour", "Behaviour of the answers", columns, rows);
    if table.rows.is_empty() {
        return table;
    }
    table.notes.push(
        "Answers with each defect, of the first answer to every prompt. What the first model does, too, is not the others' doing. \
         An answer cut by length is no defect, nor is half a character at its end."
            .into(),
    );
    let unrendered = answered().filter_map(|(m, b)| Some((name(m), reason(b)?)));
    table.notes.extend(unrendered.map(|(name, reason)| {
        format!("The chat template of {name} was not rendered: {}.", shorten(&inert_line(reason), 300))
    }));
    table
}

/// The same, where it says more than that all is well.
pub(crate) fn telling(analysis: &Analysis) -> Option<Table> {
    let any = |b: &Behaviour| b.defects().iter().any(|(_, count)| *count > 0);
    let tells = analysis.models.iter().filter_map(|m| m.behaviour.as_ref()).any(|b| any(b) || reason(b).is_some());
    tells.then(|| table(analysis))
}

/// Why prompts did not go through the rendered template, where there is one.
fn reason(behaviour: &Behaviour) -> Option<&String> {
    match behaviour.prompt_form.as_ref()? {
        PromptForm::Rendered => None,
        PromptForm::Matched { reason } => Some(reason),
        PromptForm::Plain { reason } => reason.as_ref(),
    }
}

fn row(m: &ModelAnalysis, b: &Behaviour) -> Vec<Cell> {
    let count = |n: usize| Cell::number(n.to_string(), n as f64);
    let asked = match &b.prompt_form {
        Some(PromptForm::Rendered) => Cell::text("chat template"),
        Some(PromptForm::Matched { .. }) => Cell::text("llama.cpp's form of the template"),
        Some(PromptForm::Plain { .. }) => Cell::text("plain text"),
        None => Cell::unknown("not in older records"),
    };
    let mut cells = vec![Cell::text(name(m)), asked, count(b.answers), count(b.cut_by_length)];
    cells.extend(b.defects().into_iter().map(|(_, n)| count(n)));
    cells
}
