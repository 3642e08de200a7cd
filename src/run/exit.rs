//! Why a worker is no more: what it said itself, or its exit status, its log and the kernel's counters.

use std::{fmt, io, path::PathBuf, process::ExitStatus};

use thiserror::Error;

use super::timeout::Timeout;
use crate::{
    probe::Killer,
    protocol::{dying_lines, telling_lines},
    record::{ComparisonFault, Stage},
    units::MIB,
};

/// Lines of a log that are kept: an assertion, and what led to it.
const LINES: usize = 3;
/// Windows ends a process whose stack overflowed with this code (`STATUS_STACK_OVERFLOW`); Unix has none above 255.
const WINDOWS_STACK_OVERFLOW: u32 = 0xC000_00FD;

/// A worker that is no more.
#[derive(Debug, Error)]
pub enum WorkerExit {
    /// It could not be started.
    #[error("start the worker {program}: {source}", program = program.display())]
    NotStarted { program: PathBuf, source: io::Error },
    /// There is nowhere to keep what it prints.
    #[error("make a worker's log in {folder} (TMPDIR names another place): {source}", folder = folder.display())]
    NoLog { folder: PathBuf, source: io::Error },
    /// The kernel killed it to get memory back.
    #[error("the worker was killed by the kernel (signal 9): {shortage}{log}")]
    OutOfMemory { shortage: Shortage, log: LogTail },
    /// It asked for memory, did not get it and gave up.
    #[error("the worker was refused the memory it asked for and aborted (signal 6){log}")]
    AllocationRefused { log: LogTail },
    /// Its stack was used up.
    #[error("the worker's stack overflowed{log}")]
    StackOverflow { log: LogTail },
    /// It gave up, as llama.cpp does where an assertion fails.
    #[error("the worker aborted (signal 6){log}")]
    Aborted { log: LogTail },
    /// A server of llama.cpp's RPC went away, which ggml answers with an abort.
    #[error("an RPC server went away while it was needed{log}")]
    ServerLost { log: LogTail },
    /// It did what no process may.
    #[error("the worker crashed by signal {signal} ({meaning}){log}")]
    Crashed {
        signal: i32,
        /// What that most often means.
        meaning: &'static str,
        log: LogTail,
    },
    /// It was ended from outside.
    #[error("the worker was killed by signal {signal} ({meaning}){log}")]
    Killed {
        signal: i32,
        /// Who that most often is.
        meaning: &'static str,
        log: LogTail,
    },
    /// It ended by itself.
    #[error("the worker ended with exit code {code}{log}")]
    Exited { code: i32, log: LogTail },
    /// It said nothing for too long and was killed.
    #[error("the worker said nothing for {timeout} and was stopped{log}")]
    Silent { timeout: Timeout, log: LogTail },
    /// The person asked to stop, and what it was at took too long to wait for.
    #[error("the worker was given up: the person asked to stop")]
    GivenUp,
    /// It said something that is no answer.
    #[error("the worker said something unexpected: {0}")]
    Unintelligible(String),
    /// It said itself that it could not do what it was called for, and ended.
    #[error("{reason}{}", log.under("llama.cpp"))]
    Reported { stage: Stage, reason: String, fault: Option<ComparisonFault>, log: LogTail },
}

/// Whose memory was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The control group's, of so many bytes.
    Group(Option<u64>),
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
pub struct LogTail(Vec<String>);

impl LogTail {
    /// What llama.cpp gave as the reason.
    pub(super) fn telling(log: &str, most: usize) -> Self {
        Self(telling_lines(log, most))
    }

    /// Of a process that gave up by itself: what it gave as the reason, or else its last lines, where what C++ or Rust printed stands.
    fn dying(log: &str) -> Self {
        let given = Self(dying_lines(log, LINES));
        if given.0.is_empty() { Self::last(log) } else { given }
    }

    /// The last lines of the log of one that was ended: none of them is the reason, but they say what it was at.
    pub(super) fn last(log: &str) -> Self {
        let mut lines: Vec<String> =
            log.lines().rev().map(str::trim).filter(|l| !l.is_empty()).take(LINES).map(str::to_owned).collect();
        lines.reverse();
        Self(lines)
    }

    /// To follow a reason; nothing when there are no lines.
    fn under(&self, label: &str) -> String {
        if self.0.is_empty() { String::new() } else { format!("; {label}: {}", self.0.join(" | ")) }
    }
}

impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.under("last log lines"))
    }
}

impl WorkerExit {
    /// Why a process that ended is no more.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "only unix says which signal ended a process"))]
    pub(super) fn of(status: ExitStatus, log: &str, killer: Killer) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return by_signal(signal, log, killer);
        }
        let tail = LogTail::dying(log);
        match status.code() {
            Some(code) if code.cast_unsigned() == WINDOWS_STACK_OVERFLOW => Self::StackOverflow { log: tail },
            code => Self::Exited { code: code.unwrap_or(-1), log: tail },
        }
    }

    /// What was being done, when it was called for something at `called`.
    pub(super) fn stage(&self, called: Stage) -> Stage {
        match self {
            Self::Reported { stage, .. } => *stage,
            Self::ServerLost { .. } => Stage::Server,
            _ => called,
        }
    }

    /// Whether another worker may do better: what ended this one may have passed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NotStarted { .. }
            | Self::NoLog { .. }
            | Self::OutOfMemory { .. }
            | Self::Killed { .. }
            | Self::Silent { .. } => true,
            Self::AllocationRefused { .. }
            | Self::StackOverflow { .. }
            | Self::Aborted { .. }
            | Self::ServerLost { .. }
            | Self::Crashed { .. }
            | Self::Exited { .. }
            | Self::GivenUp
            | Self::Unintelligible(_)
            | Self::Reported { .. } => false,
        }
    }
}

#[cfg(unix)]
fn by_signal(signal: i32, log: &str, killer: Killer) -> WorkerExit {
    use rustix::process::Signal;
    const KILL: i32 = Signal::KILL.as_raw();
    const ABORT: i32 = Signal::ABORT.as_raw();
    const ILL: i32 = Signal::ILL.as_raw();
    const BUS: i32 = Signal::BUS.as_raw();
    const FPE: i32 = Signal::FPE.as_raw();
    const SEGV: i32 = Signal::SEGV.as_raw();
    const TERM: i32 = Signal::TERM.as_raw();
    let (tail, last) = (LogTail::dying(log), LogTail::last(log));
    let says = |any: &[&str]| any.iter().any(|word| log.contains(word));
    let crashed = |meaning| WorkerExit::Crashed { signal, meaning, log: tail.clone() };
    let ended = |meaning| WorkerExit::Killed { signal, meaning, log: last.clone() };
    match signal {
        // Rust's runtime says so and aborts.
        ABORT if says(&["overflowed its stack"]) => WorkerExit::StackOverflow { log: tail },
        // In the words of Rust's runtime and of C++'s.
        ABORT if says(&["memory allocation of", "std::bad_alloc"]) => WorkerExit::AllocationRefused { log: tail },
        // In ggml's words, before and after it has connected.
        ABORT if says(&["Remote RPC server crashed", "RPC handshake failed", "Failed to connect to"]) => {
            WorkerExit::ServerLost { log: tail }
        }
        ABORT => WorkerExit::Aborted { log: tail },
        ILL => crashed("an instruction this CPU does not have"),
        BUS => crashed("the file shrank or could not be read while mapped"),
        FPE => crashed("an arithmetic error"),
        SEGV => crashed("memory that is not its own"),
        KILL => match killer {
            Killer::Group { limit_bytes } => {
                WorkerExit::OutOfMemory { shortage: Shortage::Group(limit_bytes), log: last }
            }
            Killer::Machine => WorkerExit::OutOfMemory { shortage: Shortage::Machine, log: last },
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
    fn said(raw: i32, log: &str, killer: Killer) -> (String, bool) {
        let exit = WorkerExit::of(ExitStatus::from_raw(raw), log, killer);
        (exit.to_string(), exit.is_transient())
    }

    #[test]
    fn each_way_to_end_has_its_own_reason() {
        let assertion = "loading\nggml.c:1: GGML_ASSERT(n > 0) failed\n";
        for (raw, log, killer, expected, transient) in [
            (6, assertion, Killer::Someone, "aborted (signal 6); last log lines: ggml.c:1: GGML_ASSERT", false),
            (6, "thread 'main' has overflowed its stack\n", Killer::Someone, "stack overflowed", false),
            (6, "memory allocation of 8 bytes failed\n", Killer::Someone, "refused the memory", false),
            (6, "ggml-rpc.cpp:1: Remote RPC server crashed or\n", Killer::Someone, "an RPC server went away", false),
            (6, "what():  std::bad_alloc\n", Killer::Someone, "refused the memory", false),
            (11, "", Killer::Someone, "crashed by signal 11 (memory that is not its own)", false),
            (7, "", Killer::Someone, "the file shrank", false),
            (4, "", Killer::Someone, "instruction this CPU does not have", false),
            (9, "", Killer::Machine, "the machine ran out of memory", true),
            (9, "", Killer::Someone, "signal 9 (by a person or a program", true),
            (9, "error: not this\na\nb\nc\n", Killer::Machine, "last log lines: a | b | c", true),
            (9, "", Killer::Unknown, "signal 9 (by the system, most likely", true),
            (15, "", Killer::Someone, "signal 15 (asked to end)", true),
            (3 << 8, "bye\n", Killer::Someone, "exit code 3; last log lines: bye", false),
        ] {
            let (reason, is_transient) = said(raw, log, killer);
            assert!(reason.contains(expected), "{expected:?} in {reason:?}");
            assert_eq!(is_transient, transient, "{reason}");
        }
        let (group, _) = said(9, "", Killer::Group { limit_bytes: Some(150 << 20) });
        assert!(group.ends_with("its control group reached its memory limit of 150 MiB"), "{group}");
    }
}
