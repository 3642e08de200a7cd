//! The table of metrics: unit, which way is better, which verdicts it is counted with, where it is shown and in which words.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::id::{Layout, MetricId};

/// Unit of a metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub enum Unit {
    /// Tokens per second.
    #[serde(rename = "t/s")]
    TokensPerSecond,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// Joules per token.
    #[serde(rename = "J/token")]
    JoulesPerToken,
    /// Perplexity.
    #[serde(rename = "ppl")]
    Perplexity,
    /// Nats.
    #[serde(rename = "nats")]
    Nats,
    /// A fraction of 1.
    #[serde(rename = "fraction")]
    Fraction,
}

impl Unit {
    /// As JSON and CSV name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TokensPerSecond => "t/s",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::JoulesPerToken => "J/token",
            Self::Perplexity => "ppl",
            Self::Nats => "nats",
            Self::Fraction => "fraction",
        }
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What a relevant difference is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Takes relevantly less time.
    Faster,
    /// Takes relevantly more time.
    Slower,
    /// Takes relevantly less memory.
    Smaller,
    /// Takes relevantly more memory.
    Larger,
    /// Takes relevantly less energy.
    UsesLessEnergy,
    /// Takes relevantly more energy.
    UsesMoreEnergy,
}

impl Word {
    /// As JSON and CSV name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Smaller => "smaller",
            Self::Larger => "larger",
            Self::UsesLessEnergy => "uses_less_energy",
            Self::UsesMoreEnergy => "uses_more_energy",
        }
    }

    /// As people read it.
    pub(crate) fn text(self) -> String {
        self.name().replace('_', " ")
    }
}

/// Verdicts that are adjusted for their number together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Speed of the synthetic work, load, resident memory.
    Primary,
    /// Speed at a depth of context.
    Depth,
    /// Speed by category of prompts.
    Category,
    /// One line over all work, and the time of a request.
    Overall,
    /// Energy of a token.
    Energy,
    /// Read once, alone: a figure without uncertainty needs no verdict.
    Exact,
    /// What quantizing did to the output. It is compared by windows, not by rounds, and gets no verdict of this kind.
    Quality,
}

/// The section of a page that shows a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// The sentences and the table at the top.
    Summary,
    Speed,
    Depth,
    Parallel,
    Memory,
    Load,
    Energy,
    Quality,
    Prompts,
}

/// A metric's column in the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) title: String,
    /// Where width is short, columns of a higher rank go first; 0 stays.
    pub(crate) rank: u8,
}

/// An output that is not a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Csv,
    /// The terminal's report, and Markdown with the same tables.
    Terminal,
}

/// What is known of a metric, whatever was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricSpec {
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    pub(crate) family: Family,
    pub(crate) section: Section,
    /// What relevantly more of it is called.
    pub(crate) more: Word,
    /// What relevantly less of it is called.
    pub(crate) less: Word,
    /// `None` of what only a section of its own shows.
    pub(crate) column: Option<Column>,
    /// Outputs that leave it out, and why.
    pub(crate) left_out: &'static [(Output, &'static str)],
}

impl MetricId {
    /// Everything known of it.
    pub(crate) fn spec(&self) -> MetricSpec {
        const OWN_SECTION: &[(Output, &str)] =
            &[(Output::Terminal, "the terminal shows the summary; the page has a section for it")];
        let column = |title: &str, rank| Some(Column { title: title.into(), rank });
        let rate = |family, section, column, left_out| MetricSpec {
            unit: Unit::TokensPerSecond,
            better: Better::Higher,
            family,
            section,
            more: Word::Faster,
            less: Word::Slower,
            column,
            left_out,
        };
        let memory = |family, column| MetricSpec {
            unit: Unit::Bytes,
            better: Better::Lower,
            family,
            section: Section::Memory,
            more: Word::Larger,
            less: Word::Smaller,
            column,
            left_out: &[],
        };
        let quality = |unit, better, column| MetricSpec {
            unit,
            better,
            family: Family::Quality,
            section: Section::Quality,
            more: Word::Larger,
            less: Word::Smaller,
            column,
            left_out: &[],
        };
        match self {
            Self::Prefill(shape) | Self::Decode(shape) => match shape.layout {
                Layout::One { n_depth } => {
                    let column = column(&self.to_string(), u8::from(matches!(self, Self::Prefill(_))));
                    match n_depth {
                        0 => rate(Family::Primary, Section::Speed, column, &[]),
                        _ => rate(Family::Depth, Section::Depth, column, &[]),
                    }
                }
                Layout::Parallel { .. } => rate(Family::Primary, Section::Parallel, None, &[]),
            },
            Self::PrefillDecode { n_depth, .. } => {
                let column = column(&self.to_string(), 2);
                match n_depth {
                    0 => rate(Family::Primary, Section::Speed, column, &[]),
                    _ => rate(Family::Depth, Section::Depth, column, &[]),
                }
            }
            Self::Load => MetricSpec {
                unit: Unit::Seconds,
                better: Better::Lower,
                family: Family::Primary,
                section: Section::Load,
                more: Word::Slower,
                less: Word::Faster,
                column: column("load", 3),
                left_out: &[],
            },
            Self::PeakMemory => memory(Family::Primary, column("peak memory", 0)),
            Self::DeviceMemory => memory(Family::Exact, column("device memory", 0)),
            Self::Category { .. } => rate(Family::Category, Section::Prompts, None, OWN_SECTION),
            Self::Overall => rate(
                Family::Overall,
                Section::Summary,
                None,
                &[(Output::Csv, "a mean over different work is a ratio only, and a row of CSV is a value")],
            ),
            Self::Request => MetricSpec {
                unit: Unit::Seconds,
                better: Better::Lower,
                family: Family::Overall,
                section: Section::Speed,
                more: Word::Slower,
                less: Word::Faster,
                column: None,
                left_out: OWN_SECTION,
            },
            Self::Energy { .. } => MetricSpec {
                unit: Unit::JoulesPerToken,
                better: Better::Lower,
                family: Family::Energy,
                section: Section::Energy,
                more: Word::UsesMoreEnergy,
                less: Word::UsesLessEnergy,
                column: None,
                left_out: OWN_SECTION,
            },
            Self::Perplexity => quality(Unit::Perplexity, Better::Lower, column("ΔPPL", 5)),
            Self::MeanKld { .. } => quality(Unit::Nats, Better::Lower, column("mean KLD", 3)),
            Self::P99Kld { .. } => quality(Unit::Nats, Better::Lower, column("99 % KLD", 6)),
            Self::SameTop => quality(Unit::Fraction, Better::Higher, column("same top", 5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metric::plan::tests::every_metric;

    #[test]
    fn names_are_those_of_json() {
        for id in every_metric() {
            let spec = id.spec();
            assert_eq!(serde_json::json!(spec.unit), spec.unit.name());
            assert_eq!(serde_json::json!(spec.more), spec.more.name());
            assert_eq!(serde_json::json!(spec.less), spec.less.name());
        }
    }

    #[test]
    fn what_is_left_out_somewhere_says_why() {
        for id in every_metric() {
            assert!(id.spec().left_out.iter().all(|(_, why)| !why.is_empty()), "{id}");
        }
    }
}
