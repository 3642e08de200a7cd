//! Options of tasks with right answers.

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    prompts::{self, LEAST_TOKENS, MOST_TOKENS},
    run::TaskInputs,
    stats::SplitMix64,
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Tasks")]
pub(crate) struct TaskArgs {
    /// Questions with right answers, weighed by log-likelihood; may be repeated. llama-perplexity's HellaSwag text, Winogrande CSV,
    /// or JSON Lines with context or question, endings or choices, and answer
    #[arg(long, value_name = "FILE|NAME=FILE")]
    task: Vec<String>,
    /// Most items of a task, drawn with --seed (0 = all) [default: 200; of --recall 40 for each length]
    #[arg(long, value_name = "N")]
    task_items: Option<usize>,
    /// Ask after numbers in lists of about so many tokens, at every depth of them
    #[arg(long, value_delimiter = ',', value_name = "N,...", value_parser = clap::value_parser!(u32).range(i64::from(LEAST_TOKENS)..=i64::from(MOST_TOKENS)))]
    recall: Vec<u32>,
}

/// Items of a file that are asked when nothing is said: they show a difference of some 7 points where a tenth of them flips.
const ITEMS: usize = 200;

impl TaskArgs {
    /// The tasks, read and checked before anything is loaded.
    pub(crate) fn into_inputs(self, seed: u64) -> Result<TaskInputs> {
        let Self { task, task_items, recall } = self;
        let most = Some(task_items.unwrap_or(ITEMS)).filter(|&most| most > 0);
        let mut tasks = Vec::new();
        for spec in &task {
            let mut rng = SplitMix64::new(seed);
            let read = prompts::read_task(spec, most, |left| rng.below(left));
            tasks.push(read?);
        }
        let lengths: std::collections::BTreeSet<u32> = recall.into_iter().collect();
        tasks
            .extend(lengths.into_iter().map(|n_tokens| prompts::recall(n_tokens, seed, task_items.filter(|&n| n > 0))));
        for (at, task) in tasks.iter().enumerate() {
            if tasks[..at].iter().any(|other| other.name == task.name) {
                bail!("two tasks are called {:?}: write NAME=FILE", task.name);
            }
        }
        Ok(TaskInputs { tasks })
    }
}
