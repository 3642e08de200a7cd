//! Can numbers from here be trusted: the machine, the build and the moment judged, each with a remedy. Reads nothing itself.

mod build;
mod lasting;
mod now;

use serde::Serialize;

use super::host::Host;
use crate::record::{Build, Conditions, Machine};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at, in a word or two.
    pub name: &'static str,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub finding: String,
    /// What to do about it; there is one whenever the level is not good.
    pub remedy: Option<String>,
}

/// How a thing stands, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// No reason to doubt the numbers.
    Good,
    /// This system does not say.
    Unknown,
    /// Numbers will scatter or drift more than they need to.
    Warning,
    /// Numbers will be wrong for this machine.
    Bad,
}

/// What is true only at the moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Now {
    /// A [`super::Watch`] over a second or so in which nothing of ours ran.
    pub conditions: Conditions,
    /// From [`super::clock::resolution_ns`].
    pub timer_ns: Option<u64>,
    /// From [`super::host()`].
    pub host: Host,
}

/// Every check, in the order to read them: what makes numbers wrong first, what makes them noisy after.
#[must_use]
pub(crate) fn check(machine: &Machine, build: &Build, now: &Now) -> Vec<Check> {
    vec![
        build::instructions(machine, build),
        build::profile(build),
        build::devices(machine, build),
        lasting::cores(machine),
        lasting::memory(machine),
        now::swap(&now.conditions),
        lasting::governor(machine),
        lasting::power(machine),
        now::load(machine, &now.conditions),
        now::company(&now.conditions),
        now::steal(&now.conditions),
        now::temperature(&now.conditions),
        now::timer(now.timer_ns),
        lasting::host(&now.host),
    ]
}

pub(crate) fn worst(checks: &[Check]) -> Level {
    checks.iter().map(|check| check.level).max().unwrap_or(Level::Unknown)
}

fn good(name: &'static str, finding: impl Into<String>) -> Check {
    Check { name, level: Level::Good, finding: finding.into(), remedy: None }
}

fn not_good(name: &'static str, level: Level, finding: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check { name, level, finding: finding.into(), remedy: Some(remedy.into()) }
}

/// Judges a value that should be small: good up to `warning`, bad above `bad`.
fn level_of(value: f64, warning: f64, bad: f64) -> Level {
    if value > bad {
        Level::Bad
    } else if value > warning {
        Level::Warning
    } else {
        Level::Good
    }
}

#[cfg(test)]
mod tests;
