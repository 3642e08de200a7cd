//! The progress display: an indicatif bar on stderr, drawn between timed sections only.

use std::{io::IsTerminal, time::Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::size;
use crate::{
    event::{Event, Observer},
    text::inert_line,
};

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

    /// Names of models, prompts and downloads are others' words.
    fn say(&self, words: &str) {
        self.bar.set_message(inert_line(words));
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
        self.say(&format!("round {} of {rounds}, {model}: {what}{left}", round + 1));
    }

    /// Outputs are compared after the rounds, or instead of them: the bar begins anew.
    fn windows(&mut self, model: Option<&str>, done: usize, of: usize) {
        if done == 0 {
            self.started = now();
        }
        let share = (done as f64 / of.max(1) as f64).min(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        self.bar.set_position((share * LENGTH) as u64);
        let elapsed_s = self.started.elapsed().as_secs_f64();
        self.say(&windows_words(model, done, of, elapsed_s));
    }
}

/// How far the comparison of outputs is. It may stop before the last window, so the time left is the longest.
fn windows_words(model: Option<&str>, done: usize, of: usize, elapsed_s: f64) -> String {
    let whose = model.map_or(String::new(), |model| format!(" of {model}"));
    let left = if done > 0 && done < of {
        format!(", at most about {:.0} s left", elapsed_s / done as f64 * (of - done) as f64)
    } else {
        String::new()
    };
    format!("comparing outputs{whose}: window {done} of {of}{left}")
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
                self.say(&format!("checksum of {model}: {percent:.0} %"));
            }
            Event::Downloading { file, done_bytes, total_bytes } => {
                let (done, total) = (size(done_bytes), size(total_bytes));
                self.say(&format!("downloading {file}: {done} of {total}"));
            }
            Event::Quantizing { to } => self.say(&format!("quantizing to {to}")),
            Event::Round { index, of, steps } => {
                if index == 0 {
                    self.started = now();
                }
                self.at = Place { round: index, rounds: of.max(index + 1), step: 0, steps };
            }
            Event::Step { model, what, .. } => self.draw(model, what),
            Event::StepDone => self.at.step += 1,
            Event::RoundDone => {}
            Event::Windows { model, done, of } => self.windows(model, done, of),
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
    fn windows_say_how_far_and_how_long() {
        assert_eq!(windows_words(None, 0, 40, 1.0), "comparing outputs: window 0 of 40");
        let words = windows_words(Some("Q4_K_M"), 10, 40, 5.0);
        assert_eq!(words, "comparing outputs of Q4_K_M: window 10 of 40, at most about 15 s left");
    }

    #[test]
    fn what_others_named_steers_no_terminal() {
        let mut progress = Progress { bar: ProgressBar::hidden(), started: now(), at: Place::default() };
        let name = "a\u{1b}[2J\u{9b}2J\r\u{202e}b";
        for event in [
            Event::Hashing { model: name, done_bytes: 1, total_bytes: 2 },
            Event::Downloading { file: name, done_bytes: 1, total_bytes: 2 },
            Event::Quantizing { to: name },
            Event::Step { model: name, what: name, phase: None },
            Event::Windows { model: Some(name), done: 1, of: 2 },
        ] {
            progress.on(event);
            let shown = progress.bar.message();
            assert!(shown.contains('a') && !shown.contains(['\u{1b}', '\u{9b}', '\r', '\u{202e}']), "{shown:?}");
        }
    }

    #[test]
    fn the_share_grows_from_nothing_to_everything() {
        let place = |round, step| Place { round, rounds: 2, step, steps: 4 }.share();
        let shares = [place(0, 0), place(0, 2), place(1, 0), place(1, 3), place(1, 4)];
        assert!(shares.is_sorted());
        assert!(shares[0].abs() < 1e-12 && (shares[4] - 1.0).abs() < 1e-12);
    }
}
