//! The progress display: an indicatif bar on stderr, drawn between timed sections only.

use std::{io::IsTerminal, time::Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::preview::size;
use crate::event::{Event, Observer};

/// A bar for the whole run: how far it is, what is being timed, how long it still takes.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    at: Place,
}

/// Where in the run we are.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    round: u32,
    rounds: u32,
    step: u32,
    steps: u32,
}

impl Place {
    /// Share of the rounds that is done; they are taken to be equally long.
    fn share(self) -> f64 {
        let in_round = f64::from(self.step) / f64::from(self.steps.max(1));
        ((f64::from(self.round) + in_round.min(1.0)) / f64::from(self.rounds.max(1))).min(1.0)
    }
}

/// Units of the bar.
const LENGTH: f64 = 1000.0;
/// Before this share is done, an estimate of the rest is a guess.
const ENOUGH_TO_ESTIMATE: f64 = 0.02;

impl Progress {
    /// On stderr, when it is a terminal.
    pub(super) fn on_stderr() -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        // No steady tick: a drawing thread would run inside timed sections.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small constant")]
        let bar = ProgressBar::with_draw_target(Some(LENGTH as u64), ProgressDrawTarget::stderr_with_hz(20));
        let style = ProgressStyle::with_template("{bar:20} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Some(Self { bar, started: now(), at: Place::default() })
    }

    fn draw(&self, model: &str, what: &str) {
        let share = self.at.share();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        self.bar.set_position((share * LENGTH) as u64);
        let left = if share > ENOUGH_TO_ESTIMATE {
            let elapsed = self.started.elapsed().as_secs_f64();
            format!(", about {:.0} s left", elapsed / share * (1.0 - share))
        } else {
            String::new()
        };
        let Place { round, rounds, .. } = self.at;
        self.bar.set_message(format!("round {} of {rounds}, {model}: {what}{left}", round + 1));
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
                let percent = done_bytes as f64 / total_bytes.max(1) as f64 * 100.0;
                self.bar.set_message(format!("checksum of {model}: {percent:.0} %"));
            }
            Event::Downloading { file, done_bytes, total_bytes } => {
                let (done, total) = (size(done_bytes), size(total_bytes));
                self.bar.set_message(format!("downloading {file}: {done} of {total}"));
            }
            Event::Quantizing { to } => self.bar.set_message(format!("quantizing to {to}")),
            Event::Round { index, of, steps } => {
                if index == 0 {
                    self.started = now();
                }
                self.at = Place { round: index, rounds: of.max(index + 1), step: 0, steps };
            }
            Event::Step { model, what, .. } => self.draw(model, what),
            Event::StepDone => self.at.step += 1,
            Event::RoundDone => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_from_nothing_to_everything() {
        let place = |round, step| Place { round, rounds: 2, step, steps: 4 }.share();
        let shares = [place(0, 0), place(0, 2), place(1, 0), place(1, 3), place(1, 4)];
        assert!(shares.is_sorted());
        assert!(shares[0].abs() < 1e-12 && (shares[4] - 1.0).abs() < 1e-12);
    }
}
