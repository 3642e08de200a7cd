//! The progress display: an indicatif bar on stderr, drawn between timed sections only.

use std::{io::IsTerminal, time::Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Observer};

/// A bar for the whole run: models x rounds, with the step under way beside it.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    round: (u32, u32),
    model: String,
}

impl Progress {
    /// On stderr, when it is a terminal.
    pub(super) fn on_stderr() -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        // No steady tick: a drawing thread would run inside timed sections.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
        let style =
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        Some(Self { bar, started: now(), round: (0, 0), model: String::new() })
    }

    fn say(&self, what: &str) {
        let (index, of) = self.round;
        self.bar.set_message(format!("round {}/{of}  {}  {what}{}", index + 1, self.model, self.remaining()));
        self.bar.tick();
    }

    /// From the finished rounds: the first says little of the others, which may have no prompts.
    fn remaining(&self) -> String {
        let (index, of) = self.round;
        if index == 0 {
            return String::new();
        }
        let left = self.started.elapsed().as_secs_f64() / f64::from(index) * f64::from(of - index);
        format!("  about {left:.0} s left")
    }
}

#[expect(clippy::disallowed_methods, reason = "the display's own clock times nothing that is reported")]
fn now() -> Instant {
    Instant::now()
}

impl Observer for Progress {
    fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Hashing { model, done_bytes, total_bytes } => {
                let share = done_bytes as f64 / total_bytes.max(1) as f64 * 100.0;
                self.bar.set_message(format!("checksum of {model}: {share:.0} %"));
                self.bar.tick();
            }
            Event::Quantizing { to } => {
                self.bar.set_message(format!("quantizing to {to}"));
                self.bar.tick();
            }
            Event::Round { index, of } => {
                if index == 0 {
                    self.started = now();
                }
                self.round = (index, of);
            }
            Event::Visit { model, .. } => {
                self.model = model.into();
            }
            Event::Step { what, .. } => self.say(what),
            Event::StepDone | Event::VisitDone { .. } | Event::RoundDone => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
