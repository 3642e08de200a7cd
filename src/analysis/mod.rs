//! From the record to findings: summaries with intervals, ratios to the original, verdicts, warnings. Pure: no I/O, no clock.

mod analyse;
mod answers;
mod behaviour;
mod change;
pub(crate) mod comparable;
mod context;
mod costs;
mod defects;
mod device_memory;
pub(crate) mod diff;
pub(crate) mod gate;
mod grounds;
pub(crate) mod history;
mod model;
mod not_done;
mod pareto;
mod quality;
mod race;
mod recommend;
mod roofline;
mod selfcheck;
mod series;
mod tasks;
mod time;
mod traces;
pub(crate) mod tune;
mod verdict;
pub(crate) mod votes;
mod warning;

pub(crate) use crate::metric::{Better, Unit};
pub use analyse::{Analysis, analyse};
pub(crate) use answers::{Agreement, AnswerRow};
#[cfg(test)]
pub(crate) use answers::{CategoryRow, Latency};
pub(crate) use behaviour::Behaviour;
pub(crate) use context::Context;
pub(crate) use costs::MemorySummary;
#[cfg(test)]
pub(crate) use costs::{BufferTotals, LoadSummary};
pub(crate) use device_memory::DeviceUse;
#[cfg(test)]
pub(crate) use grounds::Grounds;
pub(crate) use grounds::Limits;
pub(crate) use model::ModelAnalysis;
pub(crate) use not_done::NotDone;
#[cfg(test)]
pub(crate) use not_done::Part;
pub(crate) use pareto::Axis;
pub(crate) use quality::{DomainFigures, Figure, Figures, KldKind, QualityAnalysis, QualityVerdict};
pub(crate) use race::out_of_the_race;
pub(crate) use recommend::MAX_KLD_NATS;
pub(crate) use recommend::{Advice, Choice, Limit, LimitCheck, NoRecommendation, Rank, Source};
#[cfg(test)]
pub(crate) use recommend::{Rule, Standing};
pub(crate) use roofline::{Roofline, RooflineRow, weights_a_token};
pub(crate) use selfcheck::{Finding, SelfCheck, selfcheck};
pub(crate) use series::MetricSummary;
pub(crate) use tasks::{TaskAnalysis, TaskComparison, TaskStanding, TaskVerdict};
pub(crate) use time::TimeSpent;
#[cfg(test)]
pub(crate) use traces::Traces;
pub(crate) use traces::{ModelTraces, SampleTrace, Tenths};
pub(crate) use tune::{SpeedRatio, TuneConclusion};
pub use verdict::Verdict;
pub(crate) use verdict::{Comparison, Retained};
pub(crate) use votes::{Preference, VoteCount};
pub(crate) use warning::{Warning, WarningKind};
