//! Why a model could not be had from the Hub, and what to do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{HubName, Pick, name::base};
use crate::{
    gguf::{self, Kind},
    models::{
        names::quant_of,
        near::{PROPOSED, by_nearness},
        resolve::kinds,
    },
};

/// Why a model could not be had from the Hub.
#[derive(Debug, Error)]
pub enum HubError {
    /// The network may not be used, and the cache does not have it.
    #[error("{repo} is not in the cache {cache}, and HF_HUB_OFFLINE forbids to download it", cache = cache.display())]
    Offline { repo: String, cache: PathBuf },
    /// The Hub can't be reached, and the cache does not have it.
    #[error("{repo} is neither a path here nor in the cache, and {endpoint} can't be reached: {reason}")]
    Unreachable { repo: String, endpoint: String, reason: String },
    #[error("{endpoint} has no repository {repo}{near}; a model on this machine is named by its path", near = near(nearby))]
    NoSuchRepo { repo: String, endpoint: String, nearby: Vec<String> },
    /// The Hub wants to know who asks.
    #[error("{endpoint} does not give {repo} to {who}: it is private, gated or does not exist; {remedy}",
        who = if *had_token { "this HF_TOKEN" } else { "the unnamed" },
        remedy = if *had_token { "ask for access on its page" } else { "set HF_TOKEN to a token that may read it" })]
    Refused { repo: String, endpoint: String, had_token: bool },
    #[error(
        "{endpoint} has had too many requests from here (429): wait some minutes, or set HF_TOKEN, which allows more"
    )]
    TooMany { endpoint: String },
    /// The repository has nothing that llama.cpp reads.
    #[error("{repo} has no GGUF file: convert it with llama.cpp's convert_hf_to_gguf.py, or name a GGUF repository{near}", near = near(nearby))]
    NoGguf { repo: String, nearby: Vec<String> },
    /// The repository has only what lies beside a model.
    #[error("{repo} has no model, only {list}: name the repository of the model it belongs to", list = kinds(sides))]
    NoModel { repo: String, sides: Vec<(String, Kind)> },
    /// The model is there in pieces that llama.cpp does not read.
    #[error("{repo} has this model in pieces that were cut by bytes: download them, and {advice}")]
    BytePieces { repo: String, advice: String },
    #[error("{repo} has no {what}; {list}", repo = asked.repo, what = what(&asked.pick), list = nearest(asked, models))]
    NoSuchFile { asked: HubName, models: Vec<String> },
    /// Equal answers, of which no rule takes one.
    #[error("{repo} has several models that this may mean; name one of them: {list}", repo = asked.repo,
        list = models.iter().map(|file| format!("{}/{file}", asked.repo)).collect::<Vec<_>>().join(", "))]
    SeveralFiles { asked: HubName, models: Vec<String> },
    /// A split model without all of its parts.
    #[error("{repo} has {found} of the {of} parts of {file}")]
    PartsMissing { repo: String, file: String, found: usize, of: u32 },
    /// What arrived is not what the Hub has.
    #[error("{file} arrived with SHA-256 {found}, the Hub says {expected}: it was deleted, so try again")]
    Checksum {
        file: String,
        /// By the Hub's account.
        expected: String,
        /// Of what arrived.
        found: String,
    },
    #[error("download {file}: {reason}; what arrived is kept, and the next try goes on from there")]
    Cut { file: String, reason: String },
    #[error("{file} is being downloaded by another program, which holds {lock}: wait for it", lock = lock.display())]
    Busy { file: String, lock: PathBuf },
    #[error("{endpoint} answered what no Hub answers: {what}")]
    Strange { endpoint: String, what: String },
    #[error("{path}: {source}", path = path.display())]
    Cache { path: PathBuf, source: io::Error },
}

fn near(nearby: &[String]) -> String {
    if nearby.is_empty() { String::new() } else { format!("; with GGUF files there are {}", nearby.join(", ")) }
}

/// What there is in place of what was asked for, the nearest first.
fn nearest(asked: &HubName, models: &[String]) -> String {
    let sorted = match &asked.pick {
        Pick::Quant(quant) => by_nearness(quant, models, |name| {
            let stem = gguf::stem(base(name));
            quant_of(stem).unwrap_or(stem)
        }),
        Pick::File(file) => by_nearness(base(file), models, base),
        Pick::Usual => models.iter().map(String::as_str).collect(),
    };
    if sorted.len() <= PROPOSED {
        return format!("it has {}", sorted.join(", "));
    }
    let others = sorted.len() - PROPOSED;
    format!("nearest to it are {}, and there are {others} more", sorted[..PROPOSED].join(", "))
}

fn what(pick: &Pick) -> String {
    match pick {
        Pick::Usual => "model".into(),
        Pick::Quant(quant) => format!("{quant} file"),
        Pick::File(file) => file.clone(),
    }
}
