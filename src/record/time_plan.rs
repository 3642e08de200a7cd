//! Where a run's time goes: what a probe found each subject to cost, what was planned by it, and what was given up.

use std::fmt;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    adaptation::SamplesChoice,
    visit::{Buffer, DeviceMemory, Load, Outcome, Timing},
};
use crate::{
    text::{agree, counted},
    units::NS_PER_S,
};

/// A first look at one subject, alone in memory, before any round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Probe {
    /// Index into the run's subjects.
    pub model: usize,
    /// Since the run began.
    pub started_ns: u64,
    /// Process start to exit.
    pub duration_ns: u64,
    /// Whether it went through.
    pub outcome: Outcome,
    /// The load, cold where the file was not in the page cache.
    pub load: Option<Load>,
    /// Peak of resident memory, when the kernel says.
    pub peak_rss_bytes: Option<u64>,
    /// Devices other than the CPU, with everything allocated, no other subject loaded.
    pub devices: Vec<DeviceMemory>,
    /// llama.cpp's own account of its buffers.
    pub buffers: Vec<Buffer>,
    /// What llama.cpp warned of while it loaded and used this subject, in its own words, each kind once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// A short prompt, after one that is not timed.
    pub prefill: Option<Timing>,
    /// A few generated tokens, after one that is not timed.
    pub decode: Option<Timing>,
    /// What ended a worker before that was to do the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<String>,
}

/// What one subject is expected to take, nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SubjectCost {
    /// What a round costs once: start, load, context, warm-ups.
    pub round_ns: u64,
    /// One sample of each of the plan's workloads; of a prompt, its answer.
    pub samples_ns: Vec<u64>,
    /// Scoring one window of a text.
    pub window_ns: u64,
    /// Answering all questions with right answers, in a worker of its own; 0 in older records.
    #[serde(default)]
    pub tasks_ns: u64,
}

/// The parts of a run's time, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TimeParts {
    /// The first look at each subject.
    pub probe_ns: u64,
    /// Rounds, without prompts.
    pub rounds_ns: u64,
    /// Prompts and their answers.
    pub prompts_ns: u64,
    /// Comparing outputs.
    pub outputs_ns: u64,
    /// Questions with right answers; 0 in older records.
    #[serde(default)]
    pub tasks_ns: u64,
}

impl TimeParts {
    /// All parts together.
    pub(crate) fn total_ns(self) -> u64 {
        let Self { probe_ns, rounds_ns, prompts_ns, outputs_ns, tasks_ns } = self;
        [probe_ns, rounds_ns, prompts_ns, outputs_ns, tasks_ns].into_iter().fold(0, u64::saturating_add)
    }
}

/// What is done in which time, made after the probe and before the first round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TimePlan {
    /// By subject, in the run's order.
    pub costs: Vec<SubjectCost>,
    /// Rounds that are planned; more follow while the precision is not met and time is left.
    pub rounds: u32,
    /// Samples of each synthetic workload in a round.
    pub samples: Vec<SamplesChoice>,
    /// Whether a round times one block of each generation, in turn, in place of all of it.
    #[serde(default)]
    pub one_block: bool,
    /// Whether prompts are asked.
    pub prompts: bool,
    /// Windows of text that are compared at most, over all texts; `None` where outputs are not compared.
    pub windows: Option<usize>,
    /// Positions of each window that are scored, the first of its second half; `None` of all of it.
    #[serde(default)]
    pub positions: Option<u32>,
    /// What this takes.
    pub planned: TimeParts,
    /// What is given up for want of time, in the order it was.
    pub given_up: Vec<GivenUp>,
    /// The least time that gives every primary ratio an interval.
    pub intervals_ns: u64,
}

impl TimePlan {
    /// Whether it gives intervals.
    pub(crate) fn is_quick_look(&self) -> bool {
        self.given_up.iter().any(|given_up| matches!(given_up, GivenUp::Intervals { .. }))
    }
}

/// What is given up for want of time, and the whole time that would have given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GivenUp {
    /// Prompts and their answers.
    Prompts {
        /// The time with them.
        needs_ns: u64,
    },
    /// More than one sample of each workload in a round.
    Samples {
        /// The time with as many as are worth it.
        needs_ns: u64,
    },
    /// Windows of text beyond so many.
    Windows {
        /// The windows that are left.
        windows: usize,
        /// The time with as many as were to be compared.
        needs_ns: u64,
    },
    /// Rounds beyond so many.
    Rounds {
        /// The rounds that are left.
        rounds: u32,
        /// The time with more.
        needs_ns: u64,
    },
    /// The whole of each generation in a round: one block of it is timed, in turn.
    Blocks {
        /// The time with whole generations.
        needs_ns: u64,
    },
    /// A part of each window's second half.
    Positions {
        /// The positions of each window that are scored.
        positions: u32,
        /// The time with the whole second half.
        needs_ns: u64,
    },
    /// Questions of tasks that the time does not reach.
    Questions {
        /// The time with all of them.
        needs_ns: u64,
    },
    /// Intervals: fewer rounds than they need.
    Intervals {
        /// The rounds that are left.
        rounds: u32,
        /// The time that gives them.
        needs_ns: u64,
    },
}

impl GivenUp {
    /// The whole time that would have given it.
    pub(crate) fn needs_ns(self) -> u64 {
        match self {
            Self::Prompts { needs_ns }
            | Self::Questions { needs_ns }
            | Self::Samples { needs_ns }
            | Self::Blocks { needs_ns }
            | Self::Windows { needs_ns, .. }
            | Self::Rounds { needs_ns, .. }
            | Self::Positions { needs_ns, .. }
            | Self::Intervals { needs_ns, .. } => needs_ns,
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompts { .. } => f.write_str("prompts are not asked"),
            Self::Questions { .. } => f.write_str("tasks are asked as far as the time reaches"),
            Self::Samples { .. } => f.write_str("one sample of each workload in a round"),
            Self::Blocks { .. } => f.write_str("a round times one block of each generation, in turn"),
            Self::Windows { windows: 0, .. } => f.write_str("outputs are not compared"),
            Self::Windows { windows, .. } => {
                write!(f, "outputs are compared on {} of text", counted(*windows, "window"))
            }
            Self::Positions { positions, .. } => {
                let are = agree(*positions as usize, "is", "are");
                write!(f, "{} of each window {are} scored", counted(*positions, "token"))
            }
            Self::Rounds { rounds, .. } => f.write_str(&counted(*rounds, "round")),
            Self::Intervals { rounds, .. } => {
                write!(f, "{}: a quick look, without intervals", counted(*rounds, "round"))
            }
        }
    }
}

/// A time as a person says it: `40 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn in_words(ns: u64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of days at most")]
    let seconds = (ns as f64 / NS_PER_S).round() as u64;
    match seconds {
        0 if ns > 0 => "under 1 s".into(),
        0..=119 => format!("{seconds} s"),
        120..=7199 => match seconds % 60 {
            0 => format!("{} min", seconds / 60),
            rest => format!("{} min {rest} s", seconds / 60),
        },
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `about 40 s`; less than a second is no more exactly known.
pub(crate) fn about(ns: u64) -> String {
    let words = in_words(ns);
    if words.starts_with("under") { words } else { format!("about {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let words = [0, 200, 40_000, 119_400, 200_000, 300_000, 7_500_000].map(|ms| in_words(ms * 1_000_000));
        assert_eq!(words, ["0 s", "under 1 s", "40 s", "119 s", "3 min 20 s", "5 min", "2 h 5 min"]);
        assert_eq!([200, 40_000].map(|ms| about(ms * 1_000_000)), ["under 1 s", "about 40 s"]);
    }

    #[test]
    fn what_is_given_up_is_said_with_what_is_left() {
        let needs_ns = 1;
        let words = [
            GivenUp::Prompts { needs_ns },
            GivenUp::Windows { windows: 8, needs_ns },
            GivenUp::Windows { windows: 0, needs_ns },
            GivenUp::Intervals { rounds: 1, needs_ns },
        ]
        .map(|given_up| given_up.to_string());
        assert_eq!(
            words,
            [
                "prompts are not asked",
                "outputs are compared on 8 windows of text",
                "outputs are not compared",
                "1 round: a quick look, without intervals"
            ]
        );
    }
}
