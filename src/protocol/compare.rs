//! The call that compares outputs: what a worker is told, what it says of each window, and what it gives back in the end.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::call::{Call, Operation};
use crate::record::{DomainQuality, QualityStop, QualityText, QualityUnit, Settings, Summary, TextPlan, WindowMeans};

/// Compare the outputs of candidates with those of an original; the only call but [`super::Hello`] that its worker gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compare {
    /// What the candidates are compared with.
    pub(crate) base: Base,
    pub(crate) candidates: Vec<PathBuf>,
    /// The original's; how windows are cut into batches follows from them for all.
    pub(crate) settings: Settings,
    /// One for each candidate.
    pub(crate) candidate_settings: Vec<Settings>,
    /// Tokens a window; a file of log-probabilities brings its own.
    pub(crate) n_ctx: u32,
    /// Positions of each window that are scored at most; `None` of all of its second half.
    pub(crate) positions: Option<u32>,
    /// The texts; none with a file of log-probabilities, which holds tokens.
    pub(crate) texts: Vec<String>,
    /// The domain of each text, a file's included.
    pub(crate) domains: Vec<String>,
    pub(crate) stop: StopRule,
    /// Which models are in memory at the same time.
    pub(crate) hold: Hold,
    /// Write the original's log-probabilities in llama-perplexity's format.
    pub(crate) save_logits: Option<PathBuf>,
    /// Write a file that stands for the original.
    pub(crate) save_reference: Option<SaveReference>,
    /// Whether to compare at all.
    pub(crate) statistics: Statistics,
    /// Whether to compare while the next logits are computed.
    pub(crate) pace: Pace,
}

/// What comes before the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompareEvent {
    /// The texts as tokens: once, when all models are loaded.
    Texts(Vec<QualityText>),
    /// A window was scored.
    Window {
        /// Index of the text.
        text: usize,
        /// One for each candidate, in the call's order; `None` where it failed.
        means: Vec<Option<WindowMeans>>,
    },
}

impl Call for Compare {
    type Event = CompareEvent;
    type Answer = Compared;

    fn operation(&self) -> Operation {
        Operation::Compare
    }

    /// Where models are loaded between windows, these take what they take.
    fn operation_of_next(&self) -> Option<Operation> {
        (self.hold == Hold::Together).then_some(Operation::Window)
    }

    fn models(&self) -> Option<Vec<PathBuf>> {
        Some(self.candidates.clone())
    }
}

/// What candidates are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Base {
    Model(PathBuf),
    /// A file of log-probabilities in llama-perplexity's format.
    Logits(PathBuf),
    /// A file of the original's most likely tokens, which this program wrote.
    Reference(PathBuf),
}

/// Where a file goes that stands for the original, and what it says of itself that its worker doesn't know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SaveReference {
    pub(crate) path: PathBuf,
    pub(crate) program: String,
    pub(crate) model: String,
    pub(crate) model_sha256: Option<String>,
    pub(crate) texts: Vec<TextPlan>,
}

/// Which of the job's models are in memory at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hold {
    Together,
    /// One after the other; of the original so many most likely tokens are kept at each position.
    OneAtATime {
        top_k: usize,
    },
}

/// When no more windows are scored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct StopRule {
    /// The mean KLD is known to this fraction of itself; 0 = never.
    pub(crate) precision: f64,
    pub(crate) confidence: f64,
    /// What the mean KLD's interval is over.
    pub(crate) unit: QualityUnit,
    /// Precision is not looked at before so many windows.
    pub(crate) min_windows: usize,
    /// Not after so many.
    pub(crate) max_windows: Option<usize>,
    /// What another candidate was scored on, when one was before.
    pub(crate) bound: Option<Bound>,
    /// No window is begun past this time, nanoseconds from the call on.
    pub(crate) time_ns: Option<u64>,
}

/// Windows that were scored of a candidate before: as many are scored of the next, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) windows: usize,
    /// Why it were no more.
    pub(crate) stopped: QualityStop,
}

/// What is done with logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Statistics {
    Compare,
    /// They are thrown away, to time the forward passes alone.
    Skip,
}

/// When logits are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pace {
    /// Where they lie, before the next evaluation: on a CPU, which has no one else to do it.
    InTurn,
    /// As copies, while a GPU computes the next.
    Overlapped,
}

/// What a comparison gave, besides its windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// One for each candidate.
    pub(crate) results: Vec<CandidateResult>,
    /// From the first window to the last.
    pub(crate) wall_ns: u64,
    /// The part of it in which models were evaluated.
    pub(crate) evaluate_ns: u64,
    /// Windows of the original's that candidates could be compared with.
    pub(crate) n_windows: usize,
    /// Windows evaluated, counted once for each model.
    pub(crate) n_evaluated: usize,
    /// Exact peak of resident memory, when the kernel says.
    pub(crate) peak_rss_bytes: Option<u64>,
}

/// What became of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CandidateResult {
    /// Why it could not be compared, or no further.
    pub(crate) failed: Option<String>,
    /// Whether that is because it reads the texts as other tokens than the original.
    pub(crate) other_tokens: bool,
    /// Why no more windows were scored; absent after a failure.
    pub(crate) stopped: Option<QualityStop>,
    /// (Text, all its tokens together); only texts that are alone in their domain and have a scored window.
    pub(crate) summaries: Vec<(usize, Summary)>,
    /// The domains of several texts.
    pub(crate) domains: Vec<DomainQuality>,
    /// All tokens together, of several texts.
    pub(crate) overall: Option<Summary>,
}
