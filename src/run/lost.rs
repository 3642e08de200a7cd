//! Workers that are no more: how each was lost, by its exit status, its log and the kernel's counters.

use std::{fmt, io, process::ExitStatus};

use thiserror::Error;

use super::deadline::Limit;
use crate::{engine::last_words, probe::Killer, units::MIB};

/// Telling lines of a log that are kept.
const WORDS: usize = 3;
/// Windows ends a process whose stack overflowed with this code (`STATUS_STACK_OVERFLOW`); Unix has none above 255.
const WINDOWS_STACK_OVERFLOW: u32 = 0xC000_00FD;

/// A worker that is no more.
#[derive(Debug, Error)]
pub enum Lost {
    /// It could not be started.
    #[error("the worker process could not be started: {0}")]
    NotStarted(#[source] io::Error),
    /// The kernel killed it to get memory back.
    #[error("the worker was killed by the kernel (signal 9): {shortage}{words}")]
    OutOfMemory {
        /// What was used up.
        shortage: Shortage,
        /// Last words of its log.
        words: LastWords,
    },
    /// It asked for memory, did not get it and gave up.
    #[error("the worker was refused the memory it asked for and aborted (signal 6){words}")]
    AllocationRefused {
        /// Last words of its log.
        words: LastWords,
    },
    /// Its stack was used up.
    #[error("the worker's stack overflowed{words}")]
    StackOverflow {
        /// Last words of its log.
        words: LastWords,
    },
    /// It gave up, as llama.cpp does where an assertion fails.
    #[error("the worker aborted (signal 6){words}")]
    Aborted {
        /// Last words of its log.
        words: LastWords,
    },
    /// It did what no process may.
    #[error("the worker crashed by signal {signal} ({meaning}){words}")]
    Crashed {
        /// Number of the signal.
        signal: i32,
        /// What that most often means.
        meaning: &'static str,
        /// Last words of its log.
        words: LastWords,
    },
    /// It was ended from outside.
    #[error("the worker was killed by signal {signal} ({meaning}){words}")]
    Killed {
        /// Number of the signal.
        signal: i32,
        /// Who that most often is.
        meaning: &'static str,
        /// Last words of its log.
        words: LastWords,
    },
    /// It ended by itself.
    #[error("the worker ended with exit code {code}{words}")]
    Exited {
        /// Its exit code.
        code: i32,
        /// Last words of its log.
        words: LastWords,
    },
    /// It said nothing for too long and was killed.
    #[error("the worker said nothing for {limit} and was stopped{words}")]
    Silent {
        /// How long it was waited for, and why so long.
        limit: Limit,
        /// Last words of its log.
        words: LastWords,
    },
    /// It said something that is no reply.
    #[error("the worker said something unexpected: {0}")]
    Nonsense(String),
}

/// Whose memory was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The control group's, of so many bytes.
    Group(Option<u64>),
    /// The machine's.
    Machine,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(Some(bytes)) => {
                write!(f, "its control group reached its memory limit of {:.0} MiB", *bytes as f64 / MIB)
            }
            Self::Group(None) => write!(f, "its control group reached its memory limit"),
            Self::Machine => write!(f, "the machine ran out of memory"),
        }
    }
}

/// Some lines of a worker's log.
#[derive(Debug, Clone, Default)]
pub struct LastWords(Vec<String>);

impl LastWords {
    /// The most telling lines of the log of a process that gave up by itself.
    #[must_use]
    pub fn telling(log: &str) -> Self {
        Self(last_words(log, WORDS))
    }

    /// The last lines of the log of one that was ended: none of them is the reason, but they say what it was at.
    #[must_use]
    pub fn last(log: &str) -> Self {
        let mut lines: Vec<String> =
            log.lines().rev().map(str::trim).filter(|l| !l.is_empty()).take(WORDS).map(str::to_owned).collect();
        lines.reverse();
        Self(lines)
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; last log lines: {}", self.0.join(" | ")) }
    }
}

/// Whether to try once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// What ended it may have passed.
    MayHelp,
    /// It would end the same way.
    Useless,
}

impl Lost {
    /// Why a process that ended is no more.
    pub(super) fn of(status: ExitStatus, log: &str, killer: Killer) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return by_signal(signal, log, killer);
        }
        let words = LastWords::telling(log);
        match status.code() {
            Some(code) if code.cast_unsigned() == WINDOWS_STACK_OVERFLOW => Self::StackOverflow { words },
            code => Self::Exited { code: code.unwrap_or(-1), words },
        }
    }

    /// Whether another worker may do better.
    pub(super) fn again(&self) -> Again {
        match self {
            Self::NotStarted(_) | Self::OutOfMemory { .. } | Self::Killed { .. } | Self::Silent { .. } => {
                Again::MayHelp
            }
            Self::AllocationRefused { .. }
            | Self::StackOverflow { .. }
            | Self::Aborted { .. }
            | Self::Crashed { .. }
            | Self::Exited { .. }
            | Self::Nonsense(_) => Again::Useless,
        }
    }
}

#[cfg(unix)]
fn by_signal(signal: i32, log: &str, killer: Killer) -> Lost {
    use rustix::process::Signal;
    const KILL: i32 = Signal::KILL.as_raw();
    const ABORT: i32 = Signal::ABORT.as_raw();
    const ILL: i32 = Signal::ILL.as_raw();
    const BUS: i32 = Signal::BUS.as_raw();
    const FPE: i32 = Signal::FPE.as_raw();
    const SEGV: i32 = Signal::SEGV.as_raw();
    const TERM: i32 = Signal::TERM.as_raw();
    let (words, last) = (LastWords::telling(log), LastWords::last(log));
    let says = |any: &[&str]| any.iter().any(|word| log.contains(word));
    let crashed = |meaning| Lost::Crashed { signal, meaning, words: words.clone() };
    let ended = |meaning| Lost::Killed { signal, meaning, words: last.clone() };
    match signal {
        // Rust's runtime says so and aborts.
        ABORT if says(&["overflowed its stack"]) => Lost::StackOverflow { words },
        // In the words of Rust's runtime and of C++'s.
        ABORT if says(&["memory allocation of", "std::bad_alloc"]) => Lost::AllocationRefused { words },
        ABORT => Lost::Aborted { words },
        ILL => crashed("an instruction this CPU does not have"),
        BUS => crashed("the file shrank or could not be read while mapped"),
        FPE => crashed("an arithmetic error"),
        SEGV => crashed("memory that is not its own"),
        KILL => match killer {
            Killer::Group { limit_bytes } => Lost::OutOfMemory { shortage: Shortage::Group(limit_bytes), words: last },
            Killer::Machine => Lost::OutOfMemory { shortage: Shortage::Machine, words: last },
            Killer::Someone => ended("by a person or a program; the kernel killed nothing for want of memory"),
            Killer::Unknown => ended("by the system, most likely for want of memory, or by a person"),
        },
        TERM => ended("asked to end"),
        _ => ended("ended from outside"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// Of a status as the kernel gives it: the signal in the low bits, the exit code above.
    fn said(raw: i32, log: &str, killer: Killer) -> (String, Again) {
        let lost = Lost::of(ExitStatus::from_raw(raw), log, killer);
        (lost.to_string(), lost.again())
    }

    #[test]
    fn each_way_to_end_has_its_own_reason() {
        let assertion = "loading\nggml.c:1: GGML_ASSERT(n > 0) failed\n";
        for (raw, log, killer, expected, again) in [
            (
                6,
                assertion,
                Killer::Someone,
                "aborted (signal 6); last log lines: ggml.c:1: GGML_ASSERT",
                Again::Useless,
            ),
            (6, "thread 'main' has overflowed its stack\n", Killer::Someone, "stack overflowed", Again::Useless),
            (6, "memory allocation of 8 bytes failed\n", Killer::Someone, "refused the memory", Again::Useless),
            (6, "what():  std::bad_alloc\n", Killer::Someone, "refused the memory", Again::Useless),
            (11, "", Killer::Someone, "crashed by signal 11 (memory that is not its own)", Again::Useless),
            (7, "", Killer::Someone, "the file shrank", Again::Useless),
            (4, "", Killer::Someone, "instruction this CPU does not have", Again::Useless),
            (9, "", Killer::Machine, "the machine ran out of memory", Again::MayHelp),
            (9, "", Killer::Someone, "signal 9 (by a person or a program", Again::MayHelp),
            (9, "error: not this\na\nb\nc\n", Killer::Machine, "last log lines: a | b | c", Again::MayHelp),
            (9, "", Killer::Unknown, "signal 9 (by the system, most likely", Again::MayHelp),
            (15, "", Killer::Someone, "signal 15 (asked to end)", Again::MayHelp),
            (3 << 8, "bye\n", Killer::Someone, "exit code 3; last log lines: bye", Again::Useless),
        ] {
            let (reason, may) = said(raw, log, killer);
            assert!(reason.contains(expected), "{expected:?} in {reason:?}");
            assert_eq!(may, again, "{reason}");
        }
        let (group, _) = said(9, "", Killer::Group { limit_bytes: Some(150 << 20) });
        assert!(group.ends_with("its control group reached its memory limit of 150 MiB"), "{group}");
    }
}
