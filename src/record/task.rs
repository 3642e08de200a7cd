//! Tasks with right answers: what was asked of every model, and how likely each found every answer.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::visit::Outcome;

/// Tasks with right answers, asked of every model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Tasks {
    /// What was asked.
    pub plans: Vec<TaskPlan>,
    /// What came out, one a model, in the order they were asked.
    pub results: Vec<TaskResult>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskPlan {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TaskKind,
    /// The file it came from; `None` of one that the program made.
    pub source: Option<TaskSource>,
    /// What items are told apart by: parts of the depth; empty where they are not.
    pub groups: Vec<String>,
    /// Its items, in the order they were asked.
    pub items: Vec<TaskItem>,
}

/// The kinds of tasks; they say how an ending's likelihood is reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Endings of a context: mean log-probability of a token, from the first on that is not the same in all of them.
    #[serde(rename = "hellaswag")]
    HellaSwag,
    /// Answers to a question: as HellaSwag.
    MultipleChoice,
    /// Two words for a gap: mean log-probability of a token of what follows the gap.
    Winogrande,
    /// A number that stands in a long list: mean log-probability of its tokens.
    Recall {
        /// Tokens of the list, about.
        n_tokens: u32,
    },
}

/// The file of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskSource {
    /// SHA-256 of its text.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Items in it; fewer may have been asked.
    pub items: u64,
}

/// An item of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskItem {
    /// Answers to choose from.
    pub choices: u16,
    /// Index of the right one.
    pub answer: u16,
    /// Index into the task's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u16>,
}

/// What one model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskResult {
    /// Index into the run's subjects.
    pub subject: usize,
    /// `Done`, or why it could not be asked, or no further.
    pub outcome: Outcome,
    /// Why it was asked no more; `None` after a failure.
    pub stopped: Option<TaskStop>,
    /// One a task, in their order.
    pub tasks: Vec<TaskScores>,
    /// From the first item to the last.
    pub wall_ns: u64,
}

/// Why no more items were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskStop {
    /// There were no more.
    ItemsDone,
    /// The run's time was spent.
    TimeSpent,
    /// The original was asked no more.
    OriginalStopped,
    /// The person asked to stop.
    Interrupted,
}

/// How likely a model found the answers of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TaskScores {
    /// Of each item asked, in the plan's order, the mean log-probability of a token of each choice, in nats; empty where the item did not
    /// fit the context the model was trained for.
    pub choices_nats: Vec<Vec<f32>>,
    /// Tokens of the longest text that was evaluated, question and ending included.
    pub longest_tokens: u32,
}
