//! Options of what is timed: lengths, depths, sequences side by side, and prompts with how they are answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Result;
use clap::Args;

use super::values::{Several, range};
use crate::{
    prompts::{self, Prompt},
    record::{PromptPolicy, PromptText, Sampling, Workload, WorkloadKind},
};

// By these the guide's commands and selfcheck give options other words or defaults.
pub(crate) const PROMPTS: &str = "prompts";
pub(crate) const MAX_NEW_TOKENS: &str = "max-new-tokens";
pub(crate) const PARALLEL: &str = "parallel";

/// Names the built-in prompts.
const SUITE: &str = "suite";

/// Longer than any model's context.
const MOST_TOKENS: i64 = 16_777_216;

/// What is timed. Those with an order of their own are shown after other groups' under the same heading.
#[derive(Debug, Args)]
#[command(next_help_heading = "Work")]
pub(crate) struct SpeedArgs {
    /// Prompt lengths to time, in tokens, as lists and ranges like 128-1024*2 (0 = none)
    #[arg(
        short = 'p',
        long,
        visible_alias = "n-prompt",
        value_delimiter = ',',
        value_parser = range::<u32>(0, MOST_TOKENS),
        default_value = "512",
        value_name = "N,..."
    )]
    pub(crate) pp: Vec<Several<u32>>,
    /// Generation lengths to time, in tokens (0 = none)
    #[arg(
        short = 'n',
        long,
        visible_alias = "n-gen",
        value_delimiter = ',',
        value_parser = range::<u32>(0, MOST_TOKENS),
        default_value = "128",
        value_name = "N,..."
    )]
    pub(crate) tg: Vec<Several<u32>>,
    /// A prompt and a generation timed together, in tokens; may be repeated
    #[arg(long = "pg", value_parser = pair, value_name = "PP,TG", display_order = 100)]
    pg: Vec<(u32, u32)>,
    /// Prompts to answer: a file (JSON, JSON Lines or text), suite, or none [default: the built-in suite, where time is left]
    #[arg(id = PROMPTS, long, value_name = "FILE|suite|none")]
    pub(crate) prompts: Option<String>,
    /// Most tokens of an answer
    #[arg(id = MAX_NEW_TOKENS, long, default_value_t = 64, value_name = "N")]
    pub(crate) max_new_tokens: u32,
    /// Sample the answers at this temperature, with --seed [default: the most likely token, always]
    #[arg(long, value_name = "T", value_parser = temperature, display_order = 100)]
    temperature: Option<f32>,
    /// Sample the answers from the most likely tokens that have this probability together
    #[arg(long, value_name = "P", value_parser = probability, display_order = 101)]
    top_p: Option<f32>,
    /// Ask so many prompts of each category [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), display_order = 102)]
    num_prompts: Option<u32>,
    /// Time --pp and --tg with so many tokens already in the context, each, as llama-bench does [default: 0; 0,4096,16384 with --full]
    #[arg(
        short,
        long,
        visible_alias = "n-depth",
        value_delimiter = ',',
        value_name = "N,...",
        value_parser = range::<u32>(0, MOST_TOKENS),
        display_order = 103
    )]
    depth: Vec<Several<u32>>,
    /// Also time so many sequences side by side, of the first --pp and --tg tokens each, as llama-batched-bench does
    #[arg(
        id = PARALLEL,
        long,
        visible_alias = "npl",
        value_delimiter = ',',
        value_name = "N,...",
        value_parser = clap::value_parser!(u32).range(1..=1024),
        display_order = 104
    )]
    parallel: Vec<u32>,
}

/// Depths of a thorough run: a fresh context, a long document, a long conversation.
const FULL_DEPTHS: [u32; 3] = [0, 4096, 16_384];

impl SpeedArgs {
    /// What is timed in a thorough run, as far as nothing else was typed.
    pub(crate) fn full(self) -> Self {
        let depth = if self.depth.is_empty() { vec![Several(FULL_DEPTHS.to_vec())] } else { self.depth };
        Self { depth, prompts: self.prompts.or_else(|| Some(SUITE.into())), ..self }
    }

    /// Whoever says which prompts, or how many, wants them.
    pub(crate) fn prompt_policy(&self) -> PromptPolicy {
        let are_asked_for = self.prompts.is_some() || self.num_prompts.is_some();
        if are_asked_for { PromptPolicy::Always } else { PromptPolicy::IfTimeAllows }
    }

    /// The work of a plan, and how answers are sampled.
    pub(crate) fn into_work(self) -> Result<(Vec<Workload>, Sampling)> {
        let Self { pp, tg, pg, prompts, max_new_tokens, temperature, top_p, num_prompts, depth, parallel } = self;
        let (pp, tg, depth) = (Several::all(&pp), Several::all(&tg), Several::all(&depth));
        let mut workloads = alone(&pp, &tg, &pg, &depth);
        workloads.extend(side_by_side(&pp, &tg, &parallel));
        workloads.extend(some_of(prompts_of(prompts.as_deref())?, num_prompts).into_iter().map(|prompt| {
            let Prompt { name, category, text } = prompt;
            let text = PromptText { category, text, max_new_tokens: max_new_tokens.max(1) };
            Workload { id: name, kind: WorkloadKind::Prompt(text) }
        }));
        Ok((workloads, sampling(temperature, top_p)))
    }
}

/// How tokens are chosen: greedily unless the person said otherwise.
fn sampling(temperature: Option<f32>, top_p: Option<f32>) -> Sampling {
    match (temperature, top_p) {
        (None, None) => Sampling::Greedy,
        // Dividing by it would leave the most likely token alone.
        (Some(temperature), _) if temperature <= 0.0 => Sampling::Greedy,
        (temperature, top_p) => Sampling::TopP { temperature: temperature.unwrap_or(1.0), top_p: top_p.unwrap_or(1.0) },
    }
}

/// The work of one sequence: every length at every depth, the least depth first.
fn alone(pp: &[u32], tg: &[u32], pg: &[(u32, u32)], depth: &[u32]) -> Vec<Workload> {
    let typed: &[u32] = if depth.is_empty() { &[0] } else { depth };
    let depths: BTreeSet<u32> = typed.iter().copied().collect();
    let at = |n_depth: u32| {
        let prompts = lengths(pp).map(move |n_tokens| WorkloadKind::Pp { n_tokens, n_depth });
        let pairs = pg.iter().filter(|(n_prompt, n_gen)| *n_prompt > 0 && *n_gen > 0);
        let both = pairs.map(move |&(n_prompt, n_gen)| WorkloadKind::PpTg { n_prompt, n_gen, n_depth });
        prompts.chain(lengths(tg).map(move |n_tokens| WorkloadKind::Tg { n_tokens, n_depth })).chain(both)
    };
    depths.into_iter().flat_map(at).filter_map(Workload::synthetic).collect()
}

/// The work of sequences side by side; `pp` and `tg` are the lengths that are timed alone, too.
fn side_by_side(pp: &[u32], tg: &[u32], parallel: &[u32]) -> Vec<Workload> {
    let (pp, tg) = (lengths(pp).next(), lengths(tg).next());
    let work = |n_seq: u32| {
        let prompt = pp.map(|n_tokens| WorkloadKind::PpParallel { n_tokens, n_seq });
        let answer = tg.map(|n_tokens| WorkloadKind::TgParallel { n_tokens, n_depth: pp.unwrap_or(1), n_seq });
        prompt.into_iter().chain(answer)
    };
    lengths(parallel).flat_map(work).filter_map(Workload::synthetic).collect()
}

/// The first prompts of every category, in their order.
fn some_of(prompts: Vec<Prompt>, most: Option<u32>) -> Vec<Prompt> {
    let Some(most) = most else { return prompts };
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut wanted = |prompt: &Prompt| {
        let n = taken.entry(prompt.category.clone()).or_default();
        *n += 1;
        *n <= most
    };
    prompts.into_iter().filter(|prompt| wanted(prompt)).collect()
}

fn prompts_of(typed: Option<&str>) -> Result<Vec<Prompt>> {
    match typed {
        // The suite's prompts are grouped by length; files have categories of their own.
        None | Some(SUITE) => Ok(prompts::suite().into_iter().map(by_length).collect()),
        Some("none") => Ok(Vec::new()),
        Some(path) => Ok(prompts::read(Path::new(path))?),
    }
}

fn by_length(prompt: Prompt) -> Prompt {
    match prompt.length_class() {
        Some(class) => Prompt { category: class.as_str().into(), ..prompt },
        None => prompt,
    }
}

/// Numbers without the zeros that mean none and without repetitions.
fn lengths(typed: &[u32]) -> impl Iterator<Item = u32> + use<> {
    let mut seen: Vec<u32> = Vec::new();
    for &n in typed {
        if n > 0 && !seen.contains(&n) {
            seen.push(n);
        }
    }
    seen.into_iter()
}

/// `512,128`: as llama-bench's, one pair at a time.
fn pair(text: &str) -> Result<(u32, u32), String> {
    let number = |part: &str| match part.trim().parse::<u32>() {
        Ok(n) if i64::from(n) <= MOST_TOKENS => Ok(n),
        _ => Err(format!("{part:?} is no number of tokens: write 512,128")),
    };
    let (prompt, answer) = text.split_once(',').ok_or_else(|| format!("{text:?} is no pair: write 512,128"))?;
    Ok((number(prompt)?, number(answer)?))
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(t) if (0.0..=100.0).contains(&t) => Ok(t),
        _ => Err(format!("{text:?} is no temperature between 0 and 100")),
    }
}

fn probability(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(p) if p > 0.0 && p <= 1.0 => Ok(p),
        _ => Err(format!("{text:?} is no probability above 0 and up to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_unless_said_otherwise() {
        assert_eq!(sampling(None, None), Sampling::Greedy);
        assert_eq!(sampling(Some(0.0), Some(0.9)), Sampling::Greedy);
        assert_eq!(sampling(Some(0.7), Some(0.9)), Sampling::TopP { temperature: 0.7, top_p: 0.9 });
        assert_eq!(sampling(None, Some(0.5)), Sampling::TopP { temperature: 1.0, top_p: 0.5 });
    }

    #[test]
    fn every_length_at_every_depth_under_llama_benchs_names() {
        let work = alone(&[512, 512], &[128, 0], &[(512, 128), (0, 5)], &[4096, 0, 4096]);
        let ids: Vec<&str> = work.iter().map(|w| w.id.as_str()).collect();
        assert_eq!(ids, ["pp512", "tg128", "pp512+tg128", "pp512 @ d4096", "tg128 @ d4096", "pp512+tg128 @ d4096"]);
        assert_eq!(pair("512, 128"), Ok((512, 128)));
        assert!(["512", "512,", "a,b", "1,2,3"].iter().all(|wrong| pair(wrong).is_err()));
        assert_eq!(work[4].kind, WorkloadKind::Tg { n_tokens: 128, n_depth: 4096 });
    }

    #[test]
    fn so_many_of_each_category() {
        let prompt =
            |name: &str, category: &str| Prompt { name: name.into(), category: category.into(), text: "t".into() };
        let some = some_of(vec![prompt("a", "x"), prompt("b", "x"), prompt("c", "y")], Some(1));
        assert_eq!(some.into_iter().map(|p| p.name).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        assert!(probability("0").is_err() && probability("1.1").is_err() && probability("nan").is_err());
        assert!(temperature("-1").is_err() && temperature("NaN").is_err() && temperature("0").is_ok());
    }
}
