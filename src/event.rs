//! What happens in a run, as the progress display observes it. Measuring code knows no display.

use crate::record::{Phase, Protocol, TimePlan};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A file is being hashed: bytes done, bytes in all.
    Hashing {
        model: &'a str,
        done_bytes: u64,
        total_bytes: u64,
    },
    /// Something a person should know, on a terminal as well as in a log.
    Note {
        words: &'a str,
    },
    /// A file is coming from the Hub: bytes here, bytes in all (0 while unknown).
    Downloading {
        file: &'a str,
        done_bytes: u64,
        total_bytes: u64,
    },
    /// A file is being made by quantizing.
    Quantizing {
        to: &'a str,
    },
    /// Every subject was looked at; this is what will be done, and in which time.
    Planned {
        protocol: &'a Protocol,
        plan: &'a TimePlan,
    },
    /// So many rounds are done of as many as there will probably be.
    Rounds {
        done: u32,
        of: u32,
    },
    /// A round begins.
    Round {
        /// Number, from 0.
        index: u32,
    },
    /// A step begins: nothing is drawn from here to [`Event::StepDone`], it is timed.
    Step {
        model: &'a str,
        /// What is being timed: `load`, `pp512`, a prompt's name.
        what: &'a str,
        phase: Option<Phase>,
    },
    StepDone,
    RoundDone,
    /// A window of a text was scored.
    Windows {
        /// What is evaluated; `None` for the original and candidates side by side.
        model: Option<&'a str>,
        done: usize,
        /// At most: it may stop earlier.
        of: usize,
    },
    /// Questions with right answers are asked of a model.
    Items {
        model: &'a str,
        done: usize,
        of: usize,
    },
}

/// Sees events. Every method call happens outside timed sections.
pub trait Observer {
    fn on(&mut self, event: Event<'_>);
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _: Event<'_>) {}
}
