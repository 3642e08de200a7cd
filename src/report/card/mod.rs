//! The model card: a Markdown section between markers and Hugging Face metadata in the head. Pure: text in, text out.

mod badge;
mod front;
mod index;
mod section;

use thiserror::Error;

pub(crate) use front::CardError;

use crate::{
    analysis::Analysis,
    record::{Ended, Outcome},
};

/// Why nothing of a candidate belongs into a card, which people rely on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NoCard {
    #[error("{name} could not be measured: {reason}")]
    Failed { name: String, reason: String },
    #[error("the output of {name} could not be compared: {reason}")]
    NotCompared { name: String, reason: String },
    #[error("{name} holds the bytes of the original: a card would say what quantizing cost, and nothing was quantized")]
    Copy { name: String },
    #[error("the run was a quick look, too short for intervals: measure again without --quick, or with more time")]
    Quick,
    #[error("the run was too short for intervals: measure more rounds (--rounds), or give it more time (--budget)")]
    TooShort,
    #[error("the run did not come to its end: go on with it by gguf-bench resume")]
    Unfinished,
}

/// What a card says of one candidate. There is none of what a card must not say.
pub(crate) struct Card<'a> {
    analysis: &'a Analysis,
    model: usize,
}

impl<'a> Card<'a> {
    pub(crate) fn of(analysis: &'a Analysis, model: usize) -> Result<Self, NoCard> {
        let m = &analysis.models[model];
        let name = || m.name.clone();
        if let Outcome::Failed { reason, .. } = &m.outcome {
            return Err(NoCard::Failed { name: name(), reason: reason.clone() });
        }
        let subjects = &analysis.context.subjects;
        let original = analysis.context.original().map(|original| &subjects[original].model);
        if original.is_some_and(|original| subjects[model].model.holds_the_bytes_of(original)) {
            return Err(NoCard::Copy { name: name() });
        }
        match analysis.ended {
            Ended::Interrupted | Ended::Unfinished | Ended::OriginalFailed | Ended::ServerLost => {
                return Err(NoCard::Unfinished);
            }
            Ended::RoundsDone | Ended::Precise | Ended::OneLeft | Ended::Budget | Ended::NothingLeft => {}
        }
        if analysis.quick {
            return Err(NoCard::Quick);
        }
        let mut ratios = m.vs_original.iter().filter(|compared| compared.ratio.is_some()).peekable();
        if ratios.peek().is_some() && ratios.all(|compared| compared.low.is_none()) {
            return Err(NoCard::TooShort);
        }
        let compared = m.quality.as_ref().filter(|quality| quality.bits_per_byte.is_none());
        if let Some(Outcome::Failed { reason, .. }) = compared.map(|quality| &quality.outcome) {
            return Err(NoCard::NotCompared { name: name(), reason: reason.clone() });
        }
        Ok(Self { analysis, model })
    }

    /// The card with these results: what was there of them is replaced, everything else stays as it is.
    pub(crate) fn update(&self, card: Option<&str>) -> Result<String, CardError> {
        let key = section::key_of(self.analysis, self.model);
        let minimal = || format!("# {}\n", section::title(&self.analysis.models[self.model]));
        let card = card.map_or_else(minimal, str::to_owned);
        // Editors on Windows write other line ends; they stay.
        let crlf = card.contains("\r\n");
        let card = if crlf { card.replace("\r\n", "\n") } else { card };
        let markers = Markers::of(&key);
        let body = markers.replace(&card, &self.badge_file(), &self.section())?;
        let results = index::items(self.analysis, self.model);
        let card = if results.is_empty() {
            body
        } else {
            let name = index::quoted(&self.model_name());
            front::with_results(&body, &front::Entry { name: &name, config: &key, results: &results })?
        };
        Ok(if crlf { card.replace('\n', "\r\n") } else { card })
    }

    /// What its header calls the model, of which it is one checkpoint.
    fn model_name(&self) -> String {
        let facts = self.analysis.context.subjects[self.model].model.facts.as_ref();
        let titled = facts.and_then(|facts| facts.title.clone()).filter(|title| !title.trim().is_empty());
        titled.unwrap_or_else(|| section::title(&self.analysis.models[self.model]))
    }

    /// The Markdown section without its markers, ending in a line end.
    pub(crate) fn section(&self) -> String {
        section::section(self.analysis, self.model)
    }

    /// The picture as SVG.
    pub(crate) fn badge(&self) -> String {
        badge::badge(self.analysis, self.model)
    }

    /// What the picture is called beside its card.
    pub(crate) fn badge_file(&self) -> String {
        section::badge_file(self.analysis, self.model)
    }
}

/// The lines around a section.
struct Markers {
    begin: String,
    end: String,
}

impl Markers {
    fn of(key: &str) -> Self {
        Self { begin: format!("<!-- gguf-bench:begin {key} -->"), end: format!("<!-- gguf-bench:end {key} -->") }
    }

    /// Puts `content` where it was, or at the end. Where someone took the markers away, its heading, its picture and its last line show it.
    fn replace(&self, text: &str, picture: &str, content: &str) -> Result<String, CardError> {
        let Self { begin, end } = self;
        let block = format!("{begin}\n{content}{end}\n");
        if let Some(start) = line_start(text, begin) {
            let unclosed = || CardError::Unclosed { marker: begin.to_owned() };
            let length = line_start(&text[start..], end).ok_or_else(unclosed)?;
            let after = &text[start + length + end.len()..];
            let after = after.strip_prefix('\n').unwrap_or(after);
            return Ok(format!("{}{block}{after}", &text[..start]));
        }
        if let Some((start, end)) = unmarked(text, picture) {
            return Ok(format!("{}{block}{}", &text[..start], &text[end..]));
        }
        let gap = if text.is_empty() || text.ends_with("\n\n") {
            ""
        } else if text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        Ok(format!("{text}{gap}{block}"))
    }
}

/// Where a section with this picture begins and ends that has no markers.
fn unmarked(text: &str, picture: &str) -> Option<(usize, usize)> {
    let shown = format!("]({picture})");
    let (mut at, mut heading, mut start) = (0, None, None);
    for line in text.split_inclusive('\n') {
        let words = line.trim_end();
        if start.is_some() && words.starts_with(section::LAST_LINE) {
            return Some((start?, at + line.len()));
        } else if words == section::HEADING {
            (heading, start) = (Some(at), None);
        } else if heading.is_some() && words.ends_with(&shown) {
            start = heading;
        } else if !words.is_empty() && start.is_none() {
            heading = None;
        }
        at += line.len();
    }
    None
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
