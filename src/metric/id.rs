//! What is measured, as one type, and its text form, which stands at the edges only: in records, JSON, CSV and `--fail-if`.

#[cfg(test)]
use std::borrow::Cow;
use std::{fmt, str::FromStr};

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::record::Phase;

/// A metric of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricId {
    /// Prompt processing of given tokens: `pp512`, `pp512 @ d4096`, `pp512x8`.
    Prefill(Shape),
    /// Generation of tokens fed with given ones: `tg128`, `tg128 @ d4096`, `tg128x8`.
    Decode(Shape),
    /// A prompt and what is generated after it, together: `pp512+tg128`, `pp512+tg128 @ d4096`.
    PrefillDecode { n_prompt: u32, n_gen: u32, n_depth: u32 },
    /// Time to load the model alone.
    Load,
    /// Peak of resident memory while it loads and does the synthetic work.
    PeakMemory,
    /// What the free memory of the devices fell by.
    DeviceMemory,
    /// A phase of the prompts of a category, total tokens over total time: `short/pp`, `short/tg`.
    Category { category: String, phase: Phase },
    /// One line over all primary synthetic work.
    Overall,
    /// Time of one request: the prompt of the first primary prompt processing, then the answer of the first primary generation.
    Request,
    /// Energy of a token of synthetic work: `energy_pp512`, `energy_tg128`.
    Energy { phase: Phase, shape: Shape },
    /// Perplexity over the texts.
    Perplexity,
    /// Mean KLD from the original. A bound has another name, so that no script takes it for the value.
    MeanKld { of: KldOf },
    /// The KLD that 99 % of tokens stay below.
    P99Kld { of: KldOf },
    /// Tokens with the original's first choice.
    SameTop,
}

/// What a divergence was computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KldOf {
    /// Both models' whole distributions.
    Whole,
    /// The original's most likely tokens and the sum of the others: a lower bound.
    MostLikely,
    /// Log-probabilities that a file rounds and cuts.
    Rounded,
}

impl KldOf {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::MostLikely, Self::Rounded];

    /// What it adds to a metric's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::MostLikely => "_lower_bound",
            Self::Rounded => "_rounded",
        }
    }
}

/// How much synthetic work is timed, and beside what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Tokens of each sequence.
    pub n_tokens: u32,
    pub layout: Layout,
}

/// The sequences that are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One, with so many tokens in the context before.
    One { n_depth: u32 },
    /// Several in one batch.
    Parallel { n_seq: u32 },
}

/// Between a work's name and its depth, as llama-bench writes it.
const DEPTH: &str = " @ d";
/// Between a prompt and what is generated after it.
const BOTH: &str = "+tg";

/// Before the work whose energy it is.
const ENERGY: &str = "energy_";

impl Phase {
    const ALL: [Self; 2] = [Self::Prefill, Self::Decode];

    /// As llama-bench names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prefill => "pp",
            Self::Decode => "tg",
        }
    }
}

impl MetricId {
    /// Synthetic work, with its phase; `None` of everything else.
    pub(crate) fn synthetic(&self) -> Option<(Phase, Shape)> {
        match self {
            Self::Prefill(shape) => Some((Phase::Prefill, *shape)),
            Self::Decode(shape) => Some((Phase::Decode, *shape)),
            Self::PrefillDecode { .. }
            | Self::Load
            | Self::PeakMemory
            | Self::DeviceMemory
            | Self::Category { .. }
            | Self::Overall
            | Self::Request
            | Self::Energy { .. }
            | Self::Perplexity
            | Self::MeanKld { .. }
            | Self::P99Kld { .. }
            | Self::SameTop => None,
        }
    }

    /// Whether it times synthetic work of this phase.
    pub(crate) fn is_of(&self, phase: Phase) -> bool {
        self.synthetic().is_some_and(|(own, _)| own == phase)
    }

    /// The same work of one sequence with an empty context; other metrics are what they are.
    pub(crate) fn without_layout(&self) -> Self {
        let bare = |shape: &Shape| Shape { layout: Layout::One { n_depth: 0 }, ..*shape };
        match self {
            Self::Prefill(shape) => Self::Prefill(bare(shape)),
            Self::Decode(shape) => Self::Decode(bare(shape)),
            Self::PrefillDecode { n_prompt, n_gen, n_depth: _ } => {
                Self::PrefillDecode { n_prompt: *n_prompt, n_gen: *n_gen, n_depth: 0 }
            }
            other => other.clone(),
        }
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefill(shape) => write!(f, "{}{shape}", Phase::Prefill.name()),
            Self::Decode(shape) => write!(f, "{}{shape}", Phase::Decode.name()),
            Self::PrefillDecode { n_prompt, n_gen, n_depth } => {
                let answer = Shape { n_tokens: *n_gen, layout: Layout::One { n_depth: *n_depth } };
                write!(f, "{}{n_prompt}{BOTH}{answer}", Phase::Prefill.name())
            }
            Self::Load => f.write_str("load"),
            Self::PeakMemory => f.write_str("memory_peak"),
            Self::DeviceMemory => f.write_str("device_memory"),
            Self::Category { category, phase } => write!(f, "{category}/{}", phase.name()),
            Self::Overall => f.write_str("all_workloads"),
            Self::Request => f.write_str("request"),
            Self::Energy { phase, shape } => write!(f, "{ENERGY}{}{shape}", phase.name()),
            Self::Perplexity => f.write_str("ppl"),
            Self::MeanKld { of } => write!(f, "kld_mean{}", of.suffix()),
            Self::P99Kld { of } => write!(f, "kld_p99{}", of.suffix()),
            Self::SameTop => f.write_str("top1_agreement"),
        }
    }
}

impl MetricId {
    /// As a person reads it, in a sentence or at the head of a row.
    pub(crate) fn words(&self) -> String {
        let of = |of: KldOf, what: &str| match of {
            KldOf::Whole => what.to_owned(),
            KldOf::MostLikely => format!("{what}, lower bound"),
            KldOf::Rounded => format!("{what}, rounded"),
        };
        match self {
            Self::Prefill(_) | Self::Decode(_) | Self::PrefillDecode { .. } | Self::Load => self.to_string(),
            Self::PeakMemory => "peak memory".into(),
            Self::DeviceMemory => "device memory".into(),
            Self::Category { category, phase } => format!("{} of {category} prompts", phase.name()),
            Self::Overall => "all workloads".into(),
            Self::Request => "time of a request".into(),
            Self::Energy { phase, shape } => format!("energy of {}{shape}", phase.name()),
            Self::Perplexity => "perplexity".into(),
            Self::MeanKld { of: own } => of(*own, "mean KLD"),
            Self::P99Kld { of: own } => of(*own, "99 % KLD"),
            Self::SameTop => "same top".into(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.n_tokens;
        match self.layout {
            Layout::One { n_depth: 0 } => write!(f, "{n}"),
            Layout::One { n_depth } => write!(f, "{n}{DEPTH}{n_depth}"),
            Layout::Parallel { n_seq } => write!(f, "{n}x{n_seq}"),
        }
    }
}

/// A text that names no metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such metric")]
pub struct NoSuchMetric;

impl FromStr for MetricId {
    type Err = NoSuchMetric;

    /// Reads what [`Display`](fmt::Display) writes, and what people write for short.
    fn from_str(text: &str) -> Result<Self, NoSuchMetric> {
        if let Some((category, phase)) = text.rsplit_once('/') {
            let phase = Phase::ALL.into_iter().find(|own| own.name() == phase).ok_or(NoSuchMetric)?;
            return Ok(Self::Category { category: category.into(), phase });
        }
        if let Some(work) = text.strip_prefix(ENERGY) {
            let timed: Self = work.parse()?;
            let (phase, shape) = timed.synthetic().ok_or(NoSuchMetric)?;
            return Ok(Self::Energy { phase, shape });
        }
        if let Some((prompt, answer)) = text.strip_prefix(Phase::Prefill.name()).and_then(|rest| rest.split_once(BOTH))
        {
            let n_prompt = prompt.parse().map_err(|_| NoSuchMetric)?;
            let Shape { n_tokens: n_gen, layout: Layout::One { n_depth } } = answer.parse()? else {
                return Err(NoSuchMetric);
            };
            return Ok(Self::PrefillDecode { n_prompt, n_gen, n_depth });
        }
        let shape = |phase: Phase| text.strip_prefix(phase.name()).and_then(|rest| rest.parse().ok());
        if let Some(shape) = shape(Phase::Prefill) {
            return Ok(Self::Prefill(shape));
        }
        if let Some(shape) = shape(Phase::Decode) {
            return Ok(Self::Decode(shape));
        }
        Ok(match text {
            "load" => Self::Load,
            "memory_peak" | "peak" => Self::PeakMemory,
            "device_memory" => Self::DeviceMemory,
            "all_workloads" => Self::Overall,
            "request" => Self::Request,
            "ppl" => Self::Perplexity,
            "kld_mean" | "kld" => Self::MeanKld { of: KldOf::Whole },
            "kld_mean_lower_bound" => Self::MeanKld { of: KldOf::MostLikely },
            "kld_mean_rounded" => Self::MeanKld { of: KldOf::Rounded },
            "kld_p99" => Self::P99Kld { of: KldOf::Whole },
            "kld_p99_lower_bound" => Self::P99Kld { of: KldOf::MostLikely },
            "kld_p99_rounded" => Self::P99Kld { of: KldOf::Rounded },
            "top1_agreement" => Self::SameTop,
            _ => return Err(NoSuchMetric),
        })
    }
}

impl FromStr for Shape {
    type Err = NoSuchMetric;

    fn from_str(text: &str) -> Result<Self, NoSuchMetric> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| NoSuchMetric);
        let (n, layout) = if let Some((n, n_depth)) = text.split_once(DEPTH) {
            (n, Layout::One { n_depth: number(n_depth)? })
        } else if let Some((n, n_seq)) = text.split_once('x') {
            (n, Layout::Parallel { n_seq: number(n_seq)? })
        } else {
            (text, Layout::One { n_depth: 0 })
        };
        Ok(Self { n_tokens: number(n)?, layout })
    }
}

impl Serialize for MetricId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
impl JsonSchema for MetricId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MetricId".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "pp512",
            "tg128 @ d4096",
            "pp512x8",
            "pp512+tg128",
            "pp512+tg128 @ d4096",
            "short/tg",
            "a/b/pp",
            "load",
            "kld_mean_lower_bound",
        ] {
            assert_eq!(text.parse::<MetricId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for id in crate::metric::plan::tests::every_metric() {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn people_read_words() {
        for id in crate::metric::plan::tests::every_metric() {
            assert!(!id.words().contains(['_', '/']), "{id}");
        }
    }

    #[test]
    fn what_people_write_for_short() {
        assert_eq!("peak".parse(), Ok(MetricId::PeakMemory));
        assert_eq!("kld".parse(), Ok(MetricId::MeanKld { of: KldOf::Whole }));
    }

    #[test]
    fn other_texts_name_no_metric() {
        for text in [
            "",
            "pp",
            "energy_",
            "energy_load",
            "pp5+tg",
            "pp+tg5",
            "pp5+tg5x8",
            "tg12a",
            "tg128 @ d",
            "pp512x",
            "short/xx",
            "speed",
        ] {
            assert_eq!(text.parse::<MetricId>(), Err(NoSuchMetric), "{text}");
        }
    }
}
