//! Options of how outputs are compared, and on what.

use anyhow::Result;
use base16ct::lower::encode_string as hex;
use clap::Args;
use sha2::{Digest, Sha256};

use super::values::{not_negative, one_of, percentage};
use crate::{
    prompts::{self, Text},
    record::{DEFAULT_TOP_K, FEWEST_DOCUMENTS, QualityMemory, QualityPlan, TextPlan},
    run::quality::{Inputs, Pace},
};

/// Tokens of a window when nothing is said: llama-perplexity's.
const WINDOW_TOKENS: u32 = 512;
/// Never stop for precision before so many windows of a few texts: the estimate of the spread must be one.
const MIN_WINDOWS: usize = 20;
/// Windows of a quick look, each of a document of its own.
const QUICK_WINDOWS: usize = 8;

#[derive(Debug, Args)]
#[command(next_help_heading = "Quality")]
pub(crate) struct QualityArgs {
    /// Tokens a window; as in llama-perplexity, the second half is scored. Where documents are too short for it those of a domain are
    /// joined [default: 512; where cache types are compared, as many as the greatest --depth, as far as the texts allow]
    #[arg(long, visible_alias = "ctx-size", value_name = "N", value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    pub(crate) ctx: Option<u32>,
    /// A text to compare on; may be repeated [default: documents of eight domains that come with the program]
    #[arg(long, value_name = "FILE|NAME=FILE")]
    pub(crate) text: Vec<String>,
    /// Stop when the mean KLD is known this well (0 = score all windows)
    #[arg(long, default_value = "10%", value_name = "P%", value_parser = percentage)]
    pub(crate) quality_precision: f64,
    /// Most windows to score, over all texts (0 = no limit) [default: no limit; 8 with --quick, 16 in demo]
    #[arg(long, value_name = "N")]
    pub(crate) max_windows: Option<usize>,
    /// The mean KLD you accept, in nats: every candidate is judged by it, and what is above is not recommended
    #[arg(long, value_name = "NATS", value_parser = not_negative)]
    pub(crate) max_kld: Option<f64>,
    /// What to hold in memory together: all models, pairs of the original and one candidate, or one model at a time, compared
    /// through a cache of the original's most likely tokens, which makes KLD a lower bound (auto = the first that fits)
    #[arg(long, value_parser = one_of::<QualityMemory>(), default_value = "auto", value_name = "MODE")]
    pub(crate) quality_memory: QualityMemory,
    /// Tokens kept at each position of an original that is evaluated alone
    #[arg(long, default_value_t = DEFAULT_TOP_K, value_name = "N")]
    pub(crate) cache_top_k: usize,
    /// Score so many positions of each window, the first of its second half, as where time is short (internal)
    #[arg(long, hide = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) positions: Option<u32>,
    /// Evaluate the windows and compare nothing (internal)
    #[arg(long, hide = true)]
    pub(crate) no_statistics: bool,
    /// Compare while the next window is evaluated, as on a GPU (internal)
    #[arg(long, hide = true)]
    pub(crate) overlap: bool,
}

/// On what outputs are compared when nothing is said.
#[derive(Clone, Copy)]
pub(crate) struct Texts {
    pub(crate) defaults: fn() -> Vec<Text>,
    /// Whether no more than a quick look is taken at them, unless more is asked for.
    pub(crate) quick: bool,
    /// Most windows without a quick look, unless more is asked for.
    pub(crate) most_windows: Option<usize>,
}

/// How outputs are to be compared, and on what.
pub(crate) struct OutputComparison {
    pub(crate) plan: QualityPlan,
    pub(crate) inputs: Inputs,
}

impl QualityArgs {
    pub(crate) fn into_plan(self, default: Texts) -> Result<OutputComparison> {
        let Self {
            ctx,
            text,
            quality_precision,
            max_windows,
            max_kld,
            quality_memory,
            cache_top_k,
            positions,
            no_statistics,
            overlap,
        } = self;
        let ctx = ctx.unwrap_or(WINDOW_TOKENS);
        // Asking for all windows is asking for more than a quick look.
        let limit = if default.quick { Some(QUICK_WINDOWS) } else { default.most_windows };
        let limit = limit.filter(|_| quality_precision > 0.0);
        let texts = if text.is_empty() {
            prompts::for_windows((default.defaults)(), ctx)
        } else {
            text.iter().map(|spec| prompts::read_text(spec)).collect::<Result<_, _>>()?
        };
        let plan = QualityPlan {
            n_ctx: ctx,
            texts: texts.iter().map(text_plan).collect(),
            precision: quality_precision,
            min_windows: min_windows(texts.len()),
            max_windows: max_windows.map_or(limit, |most| (most > 0).then_some(most)),
            max_kld_nats: max_kld,
            memory: quality_memory,
            cache_top_k,
            positions,
        };
        let inputs = Inputs {
            texts: texts.iter().map(|text| text.scored().to_owned()).collect(),
            skip_statistics: no_statistics,
            pace: overlap.then_some(Pace::Overlapped),
            ..Inputs::default()
        };
        Ok(OutputComparison { plan, inputs })
    }
}

/// Makes windows as long as a context is deep, as far as most of the texts hold one; those of a domain are joined for it.
pub(crate) fn deepen(plan: &mut QualityPlan, inputs: &mut Inputs, n_depth: u32) {
    let documents = plan.texts.iter().zip(&inputs.texts).map(|(text, body)| Text {
        name: text.name.clone(),
        domain: text.domain.clone(),
        body: body.clone(),
    });
    let joined = prompts::for_windows(documents.collect(), n_depth);
    let n_ctx = n_depth.min(prompts::longest_window(&joined));
    // A window is cut in halves.
    let n_ctx = n_ctx - n_ctx % 2;
    if n_ctx <= plan.n_ctx {
        return;
    }
    if joined.len() != plan.texts.len() {
        plan.texts = joined.iter().map(text_plan).collect();
        plan.min_windows = min_windows(joined.len());
        inputs.texts = joined.iter().map(|text| text.scored().to_owned()).collect();
    }
    plan.n_ctx = n_ctx;
}

/// A window of each of the fewest documents, or enough windows where there are no more texts than that.
pub(crate) fn min_windows(texts: usize) -> usize {
    if texts >= FEWEST_DOCUMENTS { FEWEST_DOCUMENTS } else { MIN_WINDOWS }
}

fn text_plan(text: &Text) -> TextPlan {
    TextPlan {
        name: text.name.clone(),
        domain: text.domain.clone(),
        sha256: Some(hex(&Sha256::digest(text.body.as_bytes()))),
        bytes: Some(text.body.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(texts: &[(&str, usize)]) -> OutputComparison {
        let text = |(domain, bytes): &(&str, usize)| Text {
            name: format!("{domain} {bytes}"),
            domain: (*domain).into(),
            body: "word ".repeat(bytes / 5),
        };
        let texts: Vec<Text> = texts.iter().map(text).collect();
        let plan = QualityPlan {
            n_ctx: WINDOW_TOKENS,
            texts: texts.iter().map(text_plan).collect(),
            precision: 0.1,
            min_windows: min_windows(texts.len()),
            max_windows: None,
            max_kld_nats: None,
            memory: QualityMemory::Auto,
            cache_top_k: DEFAULT_TOP_K,
            positions: None,
        };
        let inputs = Inputs { texts: texts.into_iter().map(|text| text.body).collect(), ..Inputs::default() };
        OutputComparison { plan, inputs }
    }

    fn deepened(texts: &[(&str, usize)], n_depth: u32) -> (u32, usize) {
        let OutputComparison { mut plan, mut inputs } = compared(texts);
        deepen(&mut plan, &mut inputs, n_depth);
        assert_eq!(plan.texts.len(), inputs.texts.len());
        (plan.n_ctx, plan.texts.len())
    }

    #[test]
    fn windows_reach_as_deep_as_the_texts_allow() {
        let short = [("a", 3000), ("a", 3000), ("b", 3000), ("b", 3000)];
        assert_eq!(deepened(&short, 1024), (1024, 2), "joined by domain");
        assert_eq!(deepened(&short, 256), (512, 4), "never shallower than usual");
        let (n_ctx, texts) = deepened(&short, 100_000);
        assert!((1400..=1500).contains(&n_ctx) && texts == 2, "{n_ctx}: no more than they hold");
        assert_eq!(deepened(&[("a", 20_000), ("b", 20_000)], 2048), (2048, 2), "long ones stay as they are");
    }
}
