//! What quantizing did to the output: how it was to be compared, and what came out.

use clap::ValueEnum;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    comparison::{Summary, WindowMeans},
    visit::Outcome,
};

/// How the output is compared. Windows and what is scored in them are llama-perplexity's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct QualityPlan {
    /// Tokens a window; the second half is scored.
    pub n_ctx: u32,
    /// The texts; windows are taken from them in turn, in this order.
    pub texts: Vec<TextPlan>,
    /// Stop when the mean KLD is known this well, as a fraction of it; 0 scores everything.
    pub precision: f64,
    /// Never stop for precision before so many windows.
    pub min_windows: usize,
    /// Never score more, over all texts; `None` for no limit.
    pub max_windows: Option<usize>,
    /// The mean KLD a person accepts, in nats.
    pub max_kld_nats: Option<f64>,
    /// What the models may hold in memory together.
    #[serde(default)]
    pub memory: QualityMemory,
    /// The original's most likely tokens that are kept at each position when it is evaluated alone.
    #[serde(default = "default_top_k")]
    pub cache_top_k: usize,
    /// Positions of each window that are scored, the first of its second half; `None` of all of it, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<u32>,
}

/// What is independent, and so what an interval is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QualityUnit {
    /// A text: what is found holds for texts of these domains.
    Document,
    /// A window: what is found holds for these texts alone.
    Window,
}

/// With fewer texts the spread between them says too little, and windows are the unit.
pub(crate) const FEWEST_DOCUMENTS: usize = 8;

impl QualityPlan {
    /// Windows of one text resemble each other, so that texts are the unit wherever there are enough of them.
    pub(crate) fn unit(&self) -> QualityUnit {
        if self.texts.len() >= FEWEST_DOCUMENTS { QualityUnit::Document } else { QualityUnit::Window }
    }
}

/// Tokens kept at each position of an original that is evaluated alone, when nothing is said: 2 KiB a position.
pub(crate) const DEFAULT_TOP_K: usize = 256;

fn default_top_k() -> usize {
    DEFAULT_TOP_K
}

/// Which models are held in memory together while outputs are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QualityMemory {
    /// The first of the others that fits.
    #[default]
    Auto,
    /// All.
    Shared,
    /// The original and one candidate after the other.
    Pairs,
    /// One model alone: first the original, of which a cache is kept.
    Cached,
}

/// A text, by identity; the record does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TextPlan {
    /// What a report calls it.
    pub name: String,
    /// The domain it stands for.
    pub domain: String,
    /// SHA-256 of its file, in hex; `None` when all there is are the tokens of a logits file.
    pub sha256: Option<String>,
    /// Size of its file.
    pub bytes: Option<u64>,
}

/// What the comparison of outputs gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Quality {
    /// The texts as tokens, in the plan's order.
    pub texts: Vec<QualityText>,
    /// What the candidates were compared with.
    pub reference: Reference,
    /// Whether the candidates shared the original's pass, and why.
    pub sharing: Sharing,
    /// The worker processes, in time order.
    pub workers: Vec<QualityWorker>,
    /// One for each candidate, in the order of models.
    pub results: Vec<CandidateQuality>,
    /// The original's bits per byte, when a candidate reads other tokens.
    #[serde(default)]
    pub original_bits_per_byte: Option<BitsPerByte>,
    /// At what it lies that nothing could be compared, where that is no candidate's fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ComparisonFault>,
}

/// What keeps every candidate from being compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ComparisonFault {
    /// The original can't be evaluated.
    Original,
    /// What was asked for: texts, windows, a file that stands for the original.
    Asked,
}

/// What the candidates are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The original itself, evaluated beside them: exact.
    Original,
    /// Log-probabilities in llama-perplexity's format, which cuts and rounds them.
    LogitsFile {
        /// Its name without the folder.
        file: String,
    },
    /// A file that stands for the original: its most likely tokens and the sum of all others. KLD is a lower bound, the
    /// Jensen–Shannon divergence is unknown, all else is exact.
    ReferenceFile {
        /// Its name without the folder.
        file: String,
        /// The original's name.
        model: String,
        /// SHA-256 of the original's file, when it was known.
        model_sha256: Option<String>,
        /// Tokens kept at each position.
        top_k: usize,
        /// Version of the program that wrote it.
        program: String,
    },
}

/// Which models were held in memory together, so how often the original was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// All fit in memory together.
    Shared {
        /// Expected for all.
        needed_bytes: u64,
        /// There is.
        available_bytes: u64,
    },
    /// They don't, so the original is evaluated again for each.
    Repeated {
        /// Expected for all.
        needed_bytes: u64,
        /// There is.
        available_bytes: u64,
    },
    /// Not even the original and its largest candidate do: the original was evaluated alone, its most likely tokens were kept,
    /// and every candidate was compared with these. KLD is a lower bound, the Jensen–Shannon divergence is unknown.
    Cached {
        /// Expected for the original and its largest candidate together.
        pair_bytes: u64,
        /// Expected for the larger of them and the cache.
        needed_bytes: u64,
        /// Expected for the cache.
        cache_bytes: u64,
        /// There is.
        available_bytes: u64,
        /// Tokens kept at each position.
        top_k: usize,
    },
}

/// A text as the original's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct QualityText {
    /// Tokens, BOS included.
    pub n_tokens: usize,
    /// Whole windows it has; 0 when it is too short for one.
    pub n_windows: usize,
}

/// One worker process of the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct QualityWorker {
    /// The models compared with the original, as indices into the run's.
    pub candidates: Vec<usize>,
    /// From the first window to the last, statistics included.
    pub wall_ns: u64,
    /// The part of it in which models were evaluated.
    pub evaluate_ns: u64,
    /// Windows scored.
    pub n_windows: usize,
    /// Windows evaluated, counted once for each model: divided by `n_windows` this is the number of model passes. `None` in
    /// records from before it was counted.
    #[serde(default)]
    pub n_evaluated: Option<usize>,
    /// Exact peak of resident memory, when the kernel says.
    pub peak_rss_bytes: Option<u64>,
    /// When it ended, since the run began; `None` in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ns: Option<u64>,
    /// What ended a worker before this one that was to do the same; nothing of what it found is used.
    #[serde(default)]
    pub retried: Option<String>,
    /// What llama.cpp warned of, whichever of its models it was of, in its own words, each kind once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A candidate's output against the original's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CandidateQuality {
    /// Index into the run's models.
    pub candidate: usize,
    /// `Done`, or why it could not be compared; windows scored before a failure stay.
    pub outcome: Outcome,
    /// Why no more windows were scored.
    pub stopped: Option<QualityStop>,
    /// By text, in the plan's order; texts without a scored window are left out.
    pub texts: Vec<TextQuality>,
    /// All scored tokens of each domain of more than one text together, in the order in which the plan names the domains.
    #[serde(default)]
    pub domains: Vec<DomainQuality>,
    /// All scored tokens together; `None` with one text, when the worker ended early, and in records of before documents.
    #[serde(default)]
    pub overall: Option<Summary>,
    /// In what its tokenizer differs from the original's although both read the texts as the same tokens.
    #[serde(default)]
    pub note: Option<String>,
    /// Whether it reads the texts as other tokens than the original, or has a vocabulary of another size: then KLD means nothing,
    /// and bits per byte stand in its place.
    #[serde(default)]
    pub other_tokens: bool,
    /// Its bits per byte, when it reads other tokens.
    #[serde(default)]
    pub bits_per_byte: Option<BitsPerByte>,
}

/// How well a model alone predicts texts, whatever its tokens are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct BitsPerByte {
    /// By text, in the plan's order; the same bytes for every model.
    pub texts: Vec<TextBits>,
}

/// How well a model predicts the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TextBits {
    /// Index into the texts.
    pub text: usize,
    /// Bytes of the tokens that were predicted.
    pub bytes: u64,
    /// Tokens that were predicted.
    pub tokens: u64,
    /// Σ −log p of these tokens, in nats.
    pub nll_nats: f64,
}

/// Why no more windows were scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QualityStop {
    /// The texts had no more.
    TextsDone,
    /// The mean KLD of every candidate was as precise as asked.
    Precise,
    /// The limit was reached.
    MaxWindows,
    /// The time of the run was spent.
    TimeSpent,
    /// The person asked to stop, or the worker ended.
    Interrupted,
}

/// A candidate's output on one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TextQuality {
    /// Index into the texts.
    pub text: usize,
    /// Every scored window, in order.
    pub windows: Vec<WindowMeans>,
    /// All their tokens together; `None` when the worker ended before it could sum up, and where the domain's summary stands for
    /// its texts'.
    pub summary: Option<Summary>,
}

/// A candidate's output on the texts of a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DomainQuality {
    /// The domain.
    pub domain: String,
    /// All scored tokens of its texts together.
    pub summary: Summary,
}
