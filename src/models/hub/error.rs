//! Why a model could not be had from the Hub, by who failed, and what to do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{HubName, Pick, name::base};
use crate::{
    gguf::{self, Kind},
    models::{
        access::AccessError,
        names::quant_of,
        near::{PROPOSED, by_nearness},
        resolve::kinds,
    },
};

/// Why a model could not be had from the Hub.
#[derive(Debug, Error)]
pub enum HubError {
    /// The network may not be used, and no cache has it.
    #[error("{what} is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub{absent}", what = asked)]
    Offline { asked: HubName, absent: Box<Absent> },
    /// The Hub can't be reached, and no cache has it.
    #[error("{endpoint} can't be reached: {reason}")]
    Unreachable { endpoint: String, reason: String },
    /// It is not there, or not shown to everyone.
    #[error("{endpoint} shows no repository {repo}: it is private, gated or misspelt{near}; {remedy}", near = near(nearby),
        remedy = if token.is_some() { "the token that was used may not see it" } else { "a token in HF_TOKEN shows private ones" })]
    NoSuchRepo { repo: String, endpoint: String, nearby: Vec<String>, token: Option<String> },
    #[error("{repo} has no branch, tag or commit {revision}")]
    NoSuchRevision { repo: String, revision: String },
    /// Access must be asked for.
    #[error("{repo} is gated: ask for access on {endpoint}/{repo}, and {remedy}", remedy = match token {
        Some(token) => format!("use a token that may read it; {token} was used"),
        None => "set HF_TOKEN".to_owned(),
    })]
    Gated { repo: String, endpoint: String, token: Option<String> },
    /// The token is none.
    #[error(
        "{endpoint} refuses {token}: it is expired, revoked or misspelt; make another on {endpoint}/settings/tokens, or unset it"
    )]
    BadToken { endpoint: String, token: String },
    #[error(
        "{endpoint} has had too many requests from here (429): wait some minutes, or set HF_TOKEN, which allows more"
    )]
    TooMany { endpoint: String },
    #[error("{endpoint} is out of order ({code}): try again later")]
    OutOfOrder { endpoint: String, code: u16 },
    /// The repository is there, and this file of it is not given.
    #[error("{repo} lists {file}, but {endpoint} does not give it ({code}): try again later, or take another file")]
    FileRefused { repo: String, file: String, endpoint: String, code: u16 },
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
    /// It would not fit.
    #[error("{path}{memory} has {free} free, and {needed} are needed: make room, or set HF_HOME to a folder on another disk",
        path = path.display(), memory = if *in_memory { ", which is memory (tmpfs)," } else { "" },
        free = size(*free_bytes), needed = size(*needed_bytes))]
    NoRoom { path: PathBuf, free_bytes: u64, needed_bytes: u64, in_memory: bool },
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
    #[error("{endpoint} answered what no Hub answers: {what}; if it is a mirror, try without HF_ENDPOINT")]
    Strange { endpoint: String, what: String },
    /// This machine's disk.
    #[error("the Hub's cache can't be used: {path}: {reason}; HF_HOME names another folder", path = path.display())]
    Cache { path: PathBuf, reason: io::Error },
    #[error("the Hub's cache can't be used: {0}")]
    Access(#[from] AccessError),
    /// A file from the Hub whose header is no GGUF header.
    #[error("{file}: {reason}")]
    Header { file: String, reason: String },
}

impl std::fmt::Display for HubName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        match &self.pick {
            Pick::Usual => Ok(()),
            Pick::Quant(quant) => write!(f, ":{quant}"),
            Pick::File(file) => write!(f, "/{file}"),
        }
    }
}

/// What the caches have in place of a model that they don't have.
#[derive(Debug, Default)]
pub struct Absent {
    /// Other models of the repository, by the names to ask for them.
    pub has: Vec<String>,
    /// Names of files whose content is gone.
    pub lost: Vec<PathBuf>,
    /// Where it was looked for.
    pub looked: Vec<PathBuf>,
    pub forbidden: Option<AccessError>,
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { has, lost, looked, forbidden } = self;
        if let Some(lost) = lost.first() {
            write!(f, "; the cache lost the content of {}: fetch it online", lost.display())?;
        }
        if !has.is_empty() {
            write!(f, "; the cache has {}", has.join(", "))?;
        }
        if let Some(forbidden) = forbidden {
            write!(f, "; {forbidden}")?;
        }
        if has.is_empty() && lost.is_empty() && !looked.is_empty() {
            let places: Vec<String> = looked.iter().map(|place| place.display().to_string()).collect();
            write!(f, "; looked in {}", places.join(", "))?;
        }
        Ok(())
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn near(nearby: &[String]) -> String {
    if nearby.is_empty() { String::new() } else { format!("; similar, with GGUF files: {}", nearby.join(", ")) }
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
    if sorted.is_empty() {
        return "it has no GGUF file".into();
    }
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
