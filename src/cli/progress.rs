//! The progress display: an indicatif bar on stderr, drawn between timed sections only.

use std::{io::IsTerminal, time::Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    console::{size, to_stderr},
    plan_words::plan_words,
};
use crate::{
    event::{Event, Observer},
    record::{TimePlan, time_plan::about},
    text::inert_line,
    units::{NS_PER_S, whole_ns},
};

/// A bar for the whole run in expected seconds: how far it is, what is being timed, how long it still takes.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    expected: Expected,
    round: u32,
    rounds: u32,
}

/// What the run is expected to take.
#[derive(Debug, Clone, Copy, Default)]
struct Expected {
    /// As planned, seconds; 0 before there is a plan.
    planned_s: f64,
    planned_rounds: u32,
    round_s: f64,
}

impl Expected {
    fn of(plan: &TimePlan) -> Self {
        Self {
            planned_s: plan.planned.total_ns() as f64 / NS_PER_S,
            planned_rounds: plan.rounds,
            round_s: plan.planned.rounds_ns as f64 / NS_PER_S / f64::from(plan.rounds.max(1)),
        }
    }

    /// Of as many rounds as there will probably be, when so much has passed: a plan that was too short is no reason to say nothing is left.
    fn total_s(self, rounds: u32, elapsed_s: f64) -> Option<f64> {
        let more = f64::from(rounds.saturating_sub(self.planned_rounds)) * self.round_s;
        (self.planned_s > 0.0).then(|| (self.planned_s + more).max(elapsed_s + 1.0))
    }
}

/// Units of the bar.
const LENGTH: f64 = 1000.0;

impl Progress {
    /// On stderr, when it is a terminal.
    pub(super) fn on_stderr() -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        // No steady tick: a drawing thread would run inside timed sections.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small constant")]
        let bar = ProgressBar::with_draw_target(Some(LENGTH as u64), ProgressDrawTarget::stderr_with_hz(20));
        Some(Self::with(bar))
    }

    fn with(bar: ProgressBar) -> Self {
        let style = ProgressStyle::with_template("{bar:20} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self { bar, started: now(), expected: Expected::default(), round: 0, rounds: 0 }
    }

    /// Names of models, prompts and downloads are others' words.
    fn say(&self, words: &str) {
        self.bar.set_message(inert_line(words));
    }

    fn draw(&self, model: &str, what: &str) {
        let elapsed_s = self.started.elapsed().as_secs_f64();
        let Some(total_s) = self.expected.total_s(self.rounds, elapsed_s) else {
            return self.say(&format!("{model}: {what}"));
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        self.bar.set_position((elapsed_s / total_s * LENGTH) as u64);
        let left = about(whole_ns((total_s - elapsed_s) * NS_PER_S));
        self.say(&format!("round {} of {}, {model}: {what}, {left} left", self.round + 1, self.rounds));
    }

    /// What is done between the rounds, or instead of them: by the time of the plan where there is one, else by its own count.
    fn beside_rounds(&self, done: usize, of: usize, words: &str) {
        let elapsed_s = self.started.elapsed().as_secs_f64();
        let share = match self.expected.total_s(self.rounds, elapsed_s) {
            Some(total_s) => elapsed_s / total_s,
            None => (done as f64 / of.max(1) as f64).min(1.0),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        self.bar.set_position((share * LENGTH) as u64);
        self.say(words);
    }
}

/// How far the comparison of outputs is.
fn windows_words(model: Option<&str>, done: usize, of: usize) -> String {
    let whose = model.map_or(String::new(), |model| format!(" of {model}"));
    format!("comparing outputs{whose}: window {done} of at most {of}")
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
            Event::Note { words } => self.bar.println(inert_line(words)),
            Event::Quantizing { to } => self.say(&format!("quantizing to {to}")),
            Event::Planned { protocol, plan } => {
                self.expected = Expected::of(plan);
                self.rounds = plan.rounds;
                for line in plan_words(protocol, plan) {
                    self.bar.println(inert_line(&line));
                }
            }
            Event::Rounds { done, of } => (self.round, self.rounds) = (done, of),
            Event::Step { model, what, .. } => self.draw(model, what),
            Event::Round { .. } | Event::StepDone | Event::RoundDone => {}
            Event::Windows { model, done, of } => self.beside_rounds(done, of, &windows_words(model, done, of)),
            Event::Items { model, done, of } => {
                self.beside_rounds(done, of, &format!("tasks of {model}: text {done} of {of}"));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Says the plan and what a person should know besides, and nothing else: for logs.
pub(super) struct Log;

impl Observer for Log {
    fn on(&mut self, event: Event<'_>) {
        let lines = match event {
            Event::Planned { protocol, plan } => plan_words(protocol, plan),
            Event::Note { words } => vec![words.to_owned()],
            _ => return,
        };
        for line in lines {
            to_stderr(&format!("{}\n", inert_line(&line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_say_how_far() {
        assert_eq!(windows_words(None, 0, 40), "comparing outputs: window 0 of at most 40");
        assert_eq!(windows_words(Some("Q4_K_M"), 10, 40), "comparing outputs of Q4_K_M: window 10 of at most 40");
    }

    #[test]
    fn what_others_named_steers_no_terminal() {
        let mut progress = Progress::with(ProgressBar::hidden());
        let name = "a\u{1b}[2J\u{9b}2J\r\u{202e}b";
        for event in [
            Event::Hashing { model: name, done_bytes: 1, total_bytes: 2 },
            Event::Downloading { file: name, done_bytes: 1, total_bytes: 2 },
            Event::Quantizing { to: name },
            Event::Step { model: name, what: name, phase: None },
            Event::Windows { model: Some(name), done: 1, of: 2 },
            Event::Items { model: name, done: 1, of: 2 },
        ] {
            progress.on(event);
            let shown = progress.bar.message();
            assert!(shown.contains('a') && !shown.contains(['\u{1b}', '\u{9b}', '\r', '\u{202e}']), "{shown:?}");
        }
    }

    #[test]
    fn what_is_expected_grows_with_the_rounds_and_never_ends_before_the_run() {
        let expected = Expected { planned_s: 60.0, planned_rounds: 10, round_s: 5.0 };
        assert_eq!(expected.total_s(10, 20.0), Some(60.0));
        assert_eq!(expected.total_s(14, 20.0), Some(80.0));
        assert_eq!(expected.total_s(10, 90.0), Some(91.0));
        assert_eq!(Expected::default().total_s(10, 5.0), None);
    }
}
