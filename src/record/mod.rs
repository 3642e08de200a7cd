//! The Run file: everything that was measured and under what conditions, raw, versioned, documented in FORMAT.md.
//!
//! The only thing that measuring and analysing share. Times are integers in nanoseconds, sizes in bytes.

mod adaptation;
mod build;
mod check;
mod comparison;
mod constraints;
mod error;
mod format1;
pub(crate) mod journal;
mod machine;
mod model;
mod plan;
mod prompt_form;
mod quality;
mod race;
mod read;
mod recipe;
mod retired;
pub(crate) mod round_value;
mod run;
#[cfg(test)]
pub(crate) mod schema;
mod task;
pub(crate) mod time_plan;
mod tuning;
mod visit;
mod write;

pub(crate) use crate::settings::ThreadsReason;
pub(crate) use crate::settings::{CacheType, FlashAttention};
pub use crate::settings::{Device, Settings};
pub(crate) use adaptation::{Adaptation, Decision, DropReason, Resumed, SamplesChoice};
pub(crate) use build::Build;
pub(crate) use comparison::{
    EntropyBin, Flips, Percentiles, PositionBin, Summary, TokenContext, TokenMean, WindowMeans, WorstToken,
};
pub(crate) use constraints::{Constraints, Prefer};
pub(crate) use error::{ReadError, WriteError, system_reason};
pub(crate) use machine::{Conditions, DeviceInfo, DeviceKind, EnergySources, Machine, MemoryBandwidth, RpcServer};
pub(crate) use model::{MadeFrom, ModelFacts, NoNextToken, RowFallback, TensorGroup, TokenizerFacts};
pub use model::{Model, Role, Subject};
pub use plan::{
    Arrangement, Budget, InnerPolicy, Plan, Preparation, PromptPolicy, PromptTurns, Protocol, Workload, WorkloadKind,
};
pub(crate) use plan::{CONTEXT_STEP, PromptText, Sampling, is_primary};
pub(crate) use plan::{LeftOut, LeftOutReason, LeftOutWork, TaskWork, WarmUpPolicy, left_out_words};
pub(crate) use prompt_form::PromptForm;
pub use quality::QualityWorker;
pub(crate) use quality::{
    BitsPerByte, CandidateQuality, ComparisonFault, DEFAULT_TOP_K, DomainQuality, FEWEST_DOCUMENTS, Quality,
    QualityMemory, QualityPlan, QualityStop, QualityText, QualityUnit, Reference, Sharing, TextBits, TextPlan,
    TextQuality,
};
pub(crate) use race::{Goal, Race};
#[cfg(test)]
pub(crate) use read::from_value;
pub(crate) use read::locate;
pub use read::read_run;
pub(crate) use recipe::{ImatrixUsed, QuantizeRecipe, TensorTypeRule};
pub use run::{Ended, Run};
pub(crate) use run::{FORMAT, Purpose};
pub(crate) use task::{TaskItem, TaskKind, TaskPlan, TaskResult, TaskScores, TaskSource, TaskStop, Tasks};
pub(crate) use time_plan::{GivenUp, Probe, SubjectCost, TimeParts, TimePlan};
pub(crate) use tuning::{Fate, NotTried, Tried, TriedKld, TriedSpeed, Tuning, TuningStage};
pub use visit::Outcome;
pub(crate) use visit::{
    Buffer, CacheState, DeviceMemory, FinishReason, Generation, Load, Mark, Memory, MemoryReading, MemorySeries, Phase,
    Retried, Round, Sample, Skipped, Stage, Timing, Visit, Warmup,
};
pub(crate) use write::{write_atomically, write_run};
