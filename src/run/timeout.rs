//! How long a worker's answer is waited for: as told, or learned from what the same took the same model before.

use std::{cell::RefCell, collections::BTreeMap, fmt, path::PathBuf, rc::Rc, time::Duration};

use crate::protocol::Operation;

/// For what was never seen: the first load of a model as large as the machine, from a slow disk, or a long prompt on one core.
const UNSEEN: Duration = Duration::from_mins(30);
/// So many times what the slowest of the same took: a machine can swap, throttle and be shared, and still not hang.
const TIMES: u32 = 20;
/// However fast the same was: a machine may stop for seconds, for other reasons than what is asked.
const LEAST: Duration = Duration::from_mins(1);

/// How long workers may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// So long, whatever they are asked.
    Fixed(Duration),
    /// By what the same took in earlier rounds.
    Learned,
}

/// How long one answer is waited for. Displays as the time and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout {
    pub after: Duration,
    pub basis: TimeoutBasis,
}

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutBasis {
    /// Nobody asked: it is more than this ever takes.
    Given,
    /// `--timeout`.
    Asked,
    /// The same was not seen before.
    Unseen,
    /// The same took at most so long before.
    Seen(Duration),
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", seconds(self.after))?;
        match self.basis {
            TimeoutBasis::Given => Ok(()),
            TimeoutBasis::Asked => write!(f, " (--timeout)"),
            TimeoutBasis::Unseen => write!(f, " (the limit for what was not seen before; --timeout sets it)"),
            TimeoutBasis::Seen(longest) => {
                write!(f, " (before, the same took {} s at most; --timeout sets the limit)", seconds(longest))
            }
        }
    }
}

/// Two digits of what is short, none behind the point of what is long.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 && time.subsec_nanos() > 0 { format!("{seconds:.2}") } else { format!("{seconds:.0}") }
}

/// What calls took so far, by the models a worker held.
#[derive(Debug, Default)]
struct TimingHistory {
    longest: BTreeMap<(Vec<PathBuf>, Operation), Duration>,
}

/// How long workers are waited for, and what was learned of them: shared by all workers of a launcher, the earlier ones too.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    deadline: Deadline,
    history: Rc<RefCell<TimingHistory>>,
}

impl Patience {
    pub(crate) fn new(deadline: Deadline) -> Self {
        Self { deadline, history: Rc::default() }
    }

    /// How long to wait; without an operation, as for one that was never seen.
    pub(super) fn timeout(&self, models: &[PathBuf], operation: Option<Operation>) -> Timeout {
        if let Deadline::Fixed(after) = self.deadline {
            return Timeout { after, basis: TimeoutBasis::Asked };
        }
        let history = self.history.borrow();
        match operation.and_then(|operation| history.longest.get(&(models.to_vec(), operation))) {
            None => Timeout { after: UNSEEN, basis: TimeoutBasis::Unseen },
            Some(&longest) => {
                Timeout { after: longest.saturating_mul(TIMES).max(LEAST), basis: TimeoutBasis::Seen(longest) }
            }
        }
    }

    /// Notes how long an operation took, or may take.
    pub(super) fn learn(&self, models: &[PathBuf], operation: Operation, took: Duration) {
        if self.deadline != Deadline::Learned {
            return;
        }
        let mut history = self.history.borrow_mut();
        let longest = history.longest.entry((models.to_vec(), operation)).or_default();
        *longest = took.max(*longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefill(n_tokens: u32) -> Operation {
        Operation::Prefill { n_tokens, n_depth: 0 }
    }

    #[test]
    fn what_was_seen_sets_the_limit_and_what_was_not_has_a_generous_one() {
        let seen = Patience::new(Deadline::Learned);
        let (a, b) = (["a.gguf".into()], ["b.gguf".into()]);
        assert_eq!(seen.timeout(&a, Some(prefill(512))), Timeout { after: UNSEEN, basis: TimeoutBasis::Unseen });
        for took in [4, 9, 3] {
            seen.learn(&a, prefill(512), Duration::from_secs(took));
        }
        let longest = Duration::from_secs(9);
        let expected = Timeout { after: longest * 20, basis: TimeoutBasis::Seen(longest) };
        assert_eq!(seen.timeout(&a, Some(prefill(512))), expected);
        assert_eq!(seen.clone().timeout(&a, Some(prefill(512))), expected, "workers learn from each other");
        assert_eq!(seen.timeout(&a, Some(prefill(64))).basis, TimeoutBasis::Unseen, "another length is other work");
        assert_eq!(seen.timeout(&b, Some(prefill(512))).basis, TimeoutBasis::Unseen, "and so is another model");
        seen.learn(&a, prefill(64), Duration::from_millis(2));
        assert_eq!(seen.timeout(&a, Some(prefill(64))).after, LEAST, "milliseconds are no reason for haste");
        assert_eq!(seen.timeout(&a, None).after, UNSEEN);
    }

    #[test]
    fn what_a_person_asks_for_is_kept() {
        let asked = Duration::from_secs(5);
        let seen = Patience::new(Deadline::Fixed(asked));
        seen.learn(&[], prefill(512), Duration::from_secs(100));
        let timeout = seen.timeout(&[], Some(prefill(512)));
        assert_eq!(timeout, Timeout { after: asked, basis: TimeoutBasis::Asked });
        assert_eq!(timeout.to_string(), "5 s (--timeout)");
    }

    #[test]
    fn limits_say_where_they_come_from() {
        let seen = Timeout { after: LEAST, basis: TimeoutBasis::Seen(Duration::from_millis(1234)) };
        assert_eq!(seen.to_string(), "60 s (before, the same took 1.23 s at most; --timeout sets the limit)");
        let unseen = Timeout { after: UNSEEN, basis: TimeoutBasis::Unseen };
        assert!(unseen.to_string().starts_with("1800 s (the limit for what was not seen"), "{unseen}");
    }
}
