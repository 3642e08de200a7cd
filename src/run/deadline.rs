//! How long a worker's answer is waited for: as told, or learned from what the same took the same model before.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use super::{
    protocol::{Reply, Request},
    quality::{CompareJob, Hold},
};

/// For what was never seen: the first load of a model as large as the machine, from a slow disk, or a long prompt on one core.
const UNSEEN: Duration = Duration::from_mins(30);
/// So many times what the slowest of the same took: a machine can swap, throttle and be shared, and still not hang.
const TIMES: u32 = 20;
/// However fast the same was.
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
pub struct Limit {
    /// So long.
    pub after: Duration,
    /// Since.
    pub origin: Origin,
}

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody asked: it is more than this ever takes.
    Given,
    /// `--timeout`.
    Asked,
    /// The same was not seen before.
    Unseen,
    /// The same took at most so long before.
    Seen(Duration),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", seconds(self.after))?;
        match self.origin {
            Origin::Given => Ok(()),
            Origin::Asked => write!(f, " (--timeout)"),
            Origin::Unseen => write!(f, " (the limit for what was not seen before; --timeout sets it)"),
            Origin::Seen(longest) => {
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

/// One kind of work on one model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Work {
    subject: String,
    what: String,
}

impl Work {
    /// A process's start.
    pub(super) fn start() -> Self {
        Self { subject: String::new(), what: "start".into() }
    }

    /// A request to a worker that holds `subject`; which ids are asked makes no difference.
    pub(super) fn of(subject: &str, request: &Request) -> Self {
        let what = match request {
            Request::Load { .. } => "load".into(),
            Request::Context { n_ctx } => format!("context {n_ctx}"),
            Request::Prefill { n_tokens, n_depth, .. } => format!("prefill {n_tokens} at {n_depth}"),
            Request::Decode { n_tokens, n_depth, .. } => format!("decode {n_tokens} at {n_depth}"),
            Request::Together { phase, work, .. } => format!("{phase:?} {work:?}"),
            Request::Count { texts } => format!("count {}", texts.len()),
            Request::Answer { text, max_new_tokens, .. } => format!("answer {max_new_tokens} {text}"),
            Request::Compare(_) => "compare".into(),
            Request::Close => "close".into(),
        };
        Self { subject: subject.into(), what }
    }

    /// The replies after the first of a comparison; `None` where models are loaded between them, which takes what it takes.
    pub(super) fn windows(job: &CompareJob) -> Option<Self> {
        (job.hold == Hold::Together).then(|| Self { subject: subject(job), what: "window".into() })
    }
}

/// The models a request makes a worker hold, when it does.
pub(super) fn subject_of(request: &Request) -> Option<String> {
    match request {
        Request::Load { path, .. } => Some(name(path)),
        Request::Compare(job) => Some(subject(job)),
        _ => None,
    }
}

fn subject(job: &CompareJob) -> String {
    job.candidates.iter().map(|path| name(path)).collect::<Vec<_>>().join("\n")
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

/// What work took so far, over all workers.
#[derive(Debug, Default)]
pub(super) struct Experience {
    longest: BTreeMap<Work, Duration>,
}

impl Experience {
    /// How long to wait for it.
    pub(super) fn limit(&self, deadline: Deadline, work: Option<&Work>) -> Limit {
        let longest = work.and_then(|work| self.longest.get(work));
        match (deadline, longest) {
            (Deadline::Fixed(after), _) => Limit { after, origin: Origin::Asked },
            (Deadline::Learned, None) => Limit { after: UNSEEN, origin: Origin::Unseen },
            (Deadline::Learned, Some(&longest)) => {
                Limit { after: longest.saturating_mul(TIMES).max(LEAST), origin: Origin::Seen(longest) }
            }
        }
    }

    /// Notes what it took; `request` is what was asked, when it was a request.
    pub(super) fn learn(&mut self, work: Work, took: Duration, request: Option<&Request>, reply: &Reply) {
        let took = match (request, reply) {
            // The same prompt may be answered at greater length.
            (Some(Request::Answer { max_new_tokens, .. }), Reply::Answered(answer)) => {
                let tokens = u32::try_from(answer.tokens.len()).unwrap_or(u32::MAX).max(1);
                took.saturating_mul(max_new_tokens.div_ceil(tokens).max(1))
            }
            _ => took,
        };
        let longest = self.longest.entry(work).or_default();
        *longest = took.max(*longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefill(n_tokens: u32, seed: u64) -> Work {
        Work::of("a.gguf", &Request::Prefill { n_tokens, n_depth: 0, seed })
    }

    #[test]
    fn what_was_seen_sets_the_limit_and_what_was_not_has_a_generous_one() {
        let mut seen = Experience::default();
        let limit = |seen: &Experience, work: &Work| seen.limit(Deadline::Learned, Some(work));
        assert_eq!(limit(&seen, &prefill(512, 1)), Limit { after: UNSEEN, origin: Origin::Unseen });
        for took in [4, 9, 3] {
            seen.learn(prefill(512, took), Duration::from_secs(took), None, &Reply::Ready);
        }
        let longest = Duration::from_secs(9);
        assert_eq!(limit(&seen, &prefill(512, 7)), Limit { after: longest * 20, origin: Origin::Seen(longest) });
        assert_eq!(limit(&seen, &prefill(64, 7)).origin, Origin::Unseen, "another length is other work");
        let other = Work::of("b.gguf", &Request::Prefill { n_tokens: 512, n_depth: 0, seed: 1 });
        assert_eq!(limit(&seen, &other).origin, Origin::Unseen, "and so is another model");
        seen.learn(prefill(64, 0), Duration::from_millis(2), None, &Reply::Ready);
        assert_eq!(limit(&seen, &prefill(64, 0)).after, LEAST, "milliseconds are no reason for haste");
        assert_eq!(seen.limit(Deadline::Learned, None).after, UNSEEN);
    }

    #[test]
    fn what_a_person_asks_for_is_kept() {
        let asked = Duration::from_secs(5);
        let mut seen = Experience::default();
        seen.learn(prefill(512, 0), Duration::from_secs(100), None, &Reply::Ready);
        let limit = seen.limit(Deadline::Fixed(asked), Some(&prefill(512, 0)));
        assert_eq!(limit, Limit { after: asked, origin: Origin::Asked });
        assert_eq!(limit.to_string(), "5 s (--timeout)");
    }

    #[test]
    fn limits_say_where_they_come_from() {
        let seen = Limit { after: LEAST, origin: Origin::Seen(Duration::from_millis(1234)) };
        assert_eq!(seen.to_string(), "60 s (before, the same took 1.23 s at most; --timeout sets the limit)");
        let unseen = Limit { after: UNSEEN, origin: Origin::Unseen };
        assert!(unseen.to_string().starts_with("1800 s (the limit for what was not seen"), "{unseen}");
    }
}
