//! The model card: a Markdown section between markers and Hugging Face metadata in the head. Pure: text in, text out.

mod badge;
mod front;
mod index;
mod section;

pub(crate) use badge::badge;
pub(crate) use front::CardError;
pub(crate) use section::{badge_file, section};

use crate::analysis::Analysis;
use section::key_of;

/// The card with the results of one candidate: what was there of it is replaced, everything else stays as it is.
pub(crate) fn update(card: Option<&str>, analysis: &Analysis, model: usize) -> Result<String, CardError> {
    let key = key_of(analysis, model);
    let minimal = || format!("# {}\n", section::title(&analysis.models[model]));
    let card = card.map_or_else(minimal, str::to_owned);
    // Editors on Windows write other line ends; they stay.
    let crlf = card.contains("\r\n");
    let card = if crlf { card.replace("\r\n", "\n") } else { card };
    let body = replace(
        &card,
        &format!("<!-- gguf-bench:begin {key} -->"),
        &format!("<!-- gguf-bench:end {key} -->"),
        &section(analysis, model),
    )?;
    let card = match index::item(analysis, model) {
        Some(item) => front::with_item(&body, &key, &item)?,
        None => body,
    };
    Ok(if crlf { card.replace('\n', "\r\n") } else { card })
}

/// Puts `content` between the markers: where they are, or at the end.
fn replace(text: &str, begin: &str, end: &str, content: &str) -> Result<String, CardError> {
    let block = format!("{begin}\n{content}{end}\n");
    let Some(start) = line_start(text, begin) else {
        let gap = if text.is_empty() || text.ends_with("\n\n") {
            ""
        } else if text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        return Ok(format!("{text}{gap}{block}"));
    };
    let unclosed = || CardError::Unclosed { marker: begin.to_owned() };
    let length = line_start(&text[start..], end).ok_or_else(unclosed)?;
    let after = &text[start + length + end.len()..];
    let after = after.strip_prefix('\n').unwrap_or(after);
    Ok(format!("{}{block}{after}", &text[..start]))
}

/// Where a line that is `marker` begins.
fn line_start(text: &str, marker: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == marker {
            return Some(at);
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests;
