//! What happens in a run, as the progress display observes it. Measuring code knows no display.

use crate::record::Phase;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A file is being hashed: bytes done, bytes in all.
    Hashing {
        /// The model.
        model: &'a str,
        /// Bytes read so far.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// A file is coming from the Hub: bytes here, bytes in all (0 while unknown).
    Downloading {
        /// The file.
        file: &'a str,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// A file is being made by quantizing.
    Quantizing {
        /// The type it is made to.
        to: &'a str,
    },
    /// A round begins.
    Round {
        /// Number, from 0.
        index: u32,
        /// How many there will probably be.
        of: u32,
        /// Steps in it, over all models.
        steps: u32,
    },
    /// A step begins: nothing is drawn from here to [`Event::StepDone`], it is timed.
    Step {
        /// The model that works.
        model: &'a str,
        /// What is being timed: `load`, `pp512`, a prompt's name.
        what: &'a str,
        /// Which part of it.
        phase: Option<Phase>,
    },
    /// A step ended.
    StepDone,
    /// A round ended.
    RoundDone,
}

/// Sees events. Every method call happens outside timed sections.
pub trait Observer {
    /// Something happened.
    fn on(&mut self, event: Event<'_>);
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _: Event<'_>) {}
}
