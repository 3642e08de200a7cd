//! What a worker is told to compare, and what it gives back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::record::{QualityStop, Settings, Summary};

/// A comparison for one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompareJob {
    /// What the candidates are compared with.
    pub base: Base,
    /// The candidates' files.
    pub candidates: Vec<PathBuf>,
    /// llama.cpp's parameters.
    pub config: Settings,
    /// Tokens a window; a file of log-probabilities brings its own.
    pub n_ctx: u32,
    /// The texts; none with a file of log-probabilities, which holds tokens.
    pub texts: Vec<String>,
    /// When to stop.
    pub until: Until,
    /// Which models are in memory at the same time.
    pub hold: Hold,
    /// Write the original's log-probabilities in llama-perplexity's format.
    pub save_logits: Option<PathBuf>,
    /// Whether to compare at all.
    pub statistics: Statistics,
    /// Whether to compare while the next logits are computed.
    pub pace: Pace,
}

/// What candidates are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The original.
    Model(PathBuf),
    /// A file of log-probabilities in llama-perplexity's format.
    Logits(PathBuf),
}

/// Which of the job's models are in memory at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// All.
    Together,
    /// One after the other; of the original so many most likely tokens are kept at each position.
    OneAtATime {
        /// How many.
        top_k: usize,
    },
}

/// When no more windows are scored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Until {
    /// The mean KLD is known to this fraction of itself; 0 = never.
    pub precision: f64,
    /// Confidence of that.
    pub confidence: f64,
    /// Not before so many windows.
    pub min_windows: usize,
    /// Not after so many.
    pub max_windows: Option<usize>,
    /// Precision is not waited for past this time, nanoseconds from the first window on.
    pub time_ns: Option<u64>,
}

/// What is done with logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// They are compared.
    Compare,
    /// They are thrown away, to time the forward passes alone.
    Skip,
}

/// When logits are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Where they lie, before the next evaluation: on a CPU, which has no one else to do it.
    InTurn,
    /// As copies, while a GPU computes the next.
    Overlapped,
}

/// What a comparison gave, besides its windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// One for each candidate.
    pub results: Vec<CandidateResult>,
    /// From the first window to the last.
    pub wall_ns: u64,
    /// The part of it in which models were evaluated.
    pub evaluate_ns: u64,
    /// Windows of the original's that candidates could be compared with.
    pub n_windows: usize,
    /// Windows evaluated, counted once for each model.
    pub n_evaluated: usize,
    /// Exact peak of resident memory, when the kernel says.
    pub peak_rss_bytes: Option<u64>,
}

/// What became of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CandidateResult {
    /// Why it could not be compared, or no further.
    pub failed: Option<String>,
    /// Why no more windows were scored; absent after a failure.
    pub stopped: Option<QualityStop>,
    /// (Text, all its tokens together); texts without a scored window are left out.
    pub summaries: Vec<(usize, Summary)>,
}
