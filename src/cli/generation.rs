//! Options of how prompts are answered, and what they mean for the plan.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use crate::{
    prompts::Prompt,
    record::{Sampling, Workload, WorkloadKind},
};

/// How prompts are answered.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct GenerationArgs {
    /// Sample the answers at this temperature, with --seed [default: the most likely token, always]
    #[arg(long, value_name = "T", value_parser = temperature, help_heading = "Work")]
    temperature: Option<f32>,
    /// Sample the answers from the most likely tokens that have this probability together
    #[arg(long, value_name = "P", value_parser = probability, help_heading = "Work")]
    top_p: Option<f32>,
    /// Ask so many prompts of each category [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Work")]
    num_prompts: Option<u32>,
    /// Time --pp and --tg with so many tokens already in the context, each, as llama-bench does
    #[arg(
        short,
        long,
        visible_alias = "n-depth",
        value_delimiter = ',',
        default_value = "0",
        value_name = "N,...",
        value_parser = clap::value_parser!(u32).range(0..=16_777_216),
        help_heading = "Work"
    )]
    depth: Vec<u32>,
    /// Also time so many sequences side by side, of the first --pp and --tg tokens each, as llama-batched-bench does
    #[arg(long, visible_alias = "npl", value_delimiter = ',', value_name = "N,...", value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Work")]
    parallel: Vec<u32>,
}

impl GenerationArgs {
    /// How tokens are chosen: greedily unless the person said otherwise.
    pub(super) fn sampling(&self) -> Sampling {
        match (self.temperature, self.top_p) {
            (None, None) => Sampling::Greedy,
            // Dividing by it would leave the most likely token alone.
            (Some(temperature), _) if temperature <= 0.0 => Sampling::Greedy,
            (temperature, top_p) => {
                Sampling::TopP { temperature: temperature.unwrap_or(1.0), top_p: top_p.unwrap_or(1.0) }
            }
        }
    }

    /// The work of one sequence: every length at every depth, the least depth first.
    pub(super) fn alone(&self, pp: &[u32], tg: &[u32]) -> Vec<Workload> {
        let typed: &[u32] = if self.depth.is_empty() { &[0] } else { &self.depth };
        let depths: BTreeSet<u32> = typed.iter().copied().collect();
        let at = |n_depth: u32| {
            let prompts = lengths(pp).map(move |n_tokens| WorkloadKind::Pp { n_tokens, n_depth });
            prompts.chain(lengths(tg).map(move |n_tokens| WorkloadKind::Tg { n_tokens, n_depth }))
        };
        depths.into_iter().flat_map(at).filter_map(Workload::synthetic).collect()
    }

    /// The work of sequences side by side; `pp` and `tg` are the lengths that are timed alone, too.
    pub(super) fn together(&self, pp: &[u32], tg: &[u32]) -> Vec<Workload> {
        let (pp, tg) = (lengths(pp).next(), lengths(tg).next());
        let work = |n_seq: u32| {
            let prompt = pp.map(|n_tokens| WorkloadKind::PpTogether { n_tokens, n_seq });
            let answer = tg.map(|n_tokens| WorkloadKind::TgTogether { n_tokens, n_depth: pp.unwrap_or(1), n_seq });
            prompt.into_iter().chain(answer)
        };
        lengths(&self.parallel).flat_map(work).filter_map(Workload::synthetic).collect()
    }

    /// The first prompts of every category, in their order.
    pub(super) fn some_of(&self, prompts: Vec<Prompt>) -> Vec<Prompt> {
        let Some(most) = self.num_prompts else { return prompts };
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        let mut wanted = |prompt: &Prompt| {
            let n = taken.entry(prompt.category.clone()).or_default();
            *n += 1;
            *n <= most
        };
        prompts.into_iter().filter(|prompt| wanted(prompt)).collect()
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

    fn sampling(temperature: Option<f32>, top_p: Option<f32>) -> Sampling {
        GenerationArgs { temperature, top_p, ..GenerationArgs::default() }.sampling()
    }

    #[test]
    fn greedy_unless_said_otherwise() {
        assert_eq!(sampling(None, None), Sampling::Greedy);
        assert_eq!(sampling(Some(0.0), Some(0.9)), Sampling::Greedy);
        assert_eq!(sampling(Some(0.7), Some(0.9)), Sampling::TopP { temperature: 0.7, top_p: 0.9 });
        assert_eq!(sampling(None, Some(0.5)), Sampling::TopP { temperature: 1.0, top_p: 0.5 });
    }

    #[test]
    fn every_length_at_every_depth_under_llama_benchs_names() {
        let args = GenerationArgs { depth: vec![4096, 0, 4096], ..GenerationArgs::default() };
        let work = args.alone(&[512, 512], &[128, 0]);
        let ids: Vec<&str> = work.iter().map(|w| w.id.as_str()).collect();
        assert_eq!(ids, ["pp512", "tg128", "pp512 @ d4096", "tg128 @ d4096"]);
        assert_eq!(work[3].kind, WorkloadKind::Tg { n_tokens: 128, n_depth: 4096 });
    }

    #[test]
    fn so_many_of_each_category() {
        let prompt =
            |name: &str, category: &str| Prompt { name: name.into(), category: category.into(), text: "t".into() };
        let args = GenerationArgs { num_prompts: Some(1), ..GenerationArgs::default() };
        let some = args.some_of(vec![prompt("a", "x"), prompt("b", "x"), prompt("c", "y")]);
        assert_eq!(some.into_iter().map(|p| p.name).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        assert!(probability("0").is_err() && probability("1.1").is_err() && probability("nan").is_err());
        assert!(temperature("-1").is_err() && temperature("NaN").is_err() && temperature("0").is_ok());
    }
}
