//! Worker processes: started from this executable, asked and answered line by line, killed when silent too long.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;
use thiserror::Error;

use super::protocol::{Reply, Request};
use crate::engine::last_words;

/// Starts workers.
pub trait Launcher {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When the process can't be started or does not get ready.
    fn launch(&self) -> Result<Box<dyn Worker>, Lost>;
}

/// A worker that can be asked.
pub trait Worker {
    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When the worker died, hung or answered nonsense.
    fn ask(&mut self, request: &Request) -> Result<Reply, Lost>;

    /// Waits for the next reply to a request that has several.
    ///
    /// # Errors
    /// As [`Worker::ask`].
    fn next_reply(&mut self) -> Result<Reply, Lost>;

    /// Its process, when it is one.
    fn pid(&self) -> Option<u32>;

    /// What it has logged so far.
    fn log(&self) -> String;
}

/// A worker that is no more.
#[derive(Debug, Error)]
pub enum Lost {
    /// It could not be started.
    #[error("the worker process could not be started: {0}")]
    NotStarted(#[source] std::io::Error),
    /// It ended by a signal.
    #[error("the worker was killed by signal {signal} ({meaning}){words}")]
    Killed {
        /// Number of the signal.
        signal: i32,
        /// What that most often means.
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
    #[error("the worker said nothing for {seconds} s and was stopped (--timeout allows longer){words}")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
        /// Last words of its log.
        words: LastWords,
    },
    /// It said something that is no reply.
    #[error("the worker said something unexpected: {0}")]
    Nonsense(String),
}

/// The telling lines of a worker's log.
#[derive(Debug, Clone, Default)]
pub struct LastWords(Vec<String>);

impl std::fmt::Display for LastWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; its last words: {}", self.0.join(" | ")) }
    }
}

/// Starts this executable again with a hidden subcommand.
#[derive(Debug, Clone)]
pub struct ProcessLauncher {
    /// This executable.
    pub program: PathBuf,
    /// The hidden subcommand and its options.
    pub arguments: Vec<String>,
    /// How long a worker may be silent.
    pub timeout: Duration,
}

impl Launcher for ProcessLauncher {
    fn launch(&self) -> Result<Box<dyn Worker>, Lost> {
        let mut worker = ProcessWorker::start(self).map_err(Lost::NotStarted)?;
        match worker.wait()? {
            Reply::Ready => Ok(Box::new(worker)),
            other => Err(Lost::Nonsense(format!("{other:?}"))),
        }
    }
}

/// Runs this executable to its end and returns what it printed.
///
/// # Errors
/// When it can't be started, fails, or takes longer than `timeout`.
pub fn run_to_end(program: &Path, arguments: &[String], timeout: Duration) -> Result<Vec<u8>, Lost> {
    let launcher = ProcessLauncher { program: program.into(), arguments: arguments.to_vec(), timeout };
    let mut worker = ProcessWorker::start(&launcher).map_err(Lost::NotStarted)?;
    let mut printed = Vec::new();
    loop {
        match worker.replies.recv_timeout(timeout) {
            Ok(line) => printed.extend(line.bytes().chain(*b"\n")),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err(worker.silent()),
        }
    }
    match worker.child.wait() {
        Ok(status) if status.success() => Ok(printed),
        Ok(status) => Err(lost(status, worker.last_words())),
        Err(e) => Err(Lost::NotStarted(e)),
    }
}

struct ProcessWorker {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
    log: NamedTempFile,
    timeout: Duration,
}

impl ProcessWorker {
    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
    fn start(launcher: &ProcessLauncher) -> std::io::Result<Self> {
        let log = NamedTempFile::new()?;
        let mut command = Command::new(&launcher.program);
        command
            .args(&launcher.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log.reopen()?));
        // Ctrl-C in a terminal is for the parent: it decides whether the sample under way is finished.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("was piped");
        let (send, replies) = channel();
        // A blocked read can't be given up; a thread waits in it so that we can stop waiting.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, stdin, replies, log, timeout: launcher.timeout })
    }

    fn wait(&mut self) -> Result<Reply, Lost> {
        match self.replies.recv_timeout(self.timeout) {
            Ok(line) => serde_json::from_str(&line).map_err(|e| Lost::Nonsense(e.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(self.silent()),
            Err(RecvTimeoutError::Disconnected) => Err(self.obituary()),
        }
    }

    fn silent(&mut self) -> Lost {
        self.kill();
        Lost::Silent { seconds: self.timeout.as_secs(), words: self.last_words() }
    }

    /// Why a worker whose output ended is no more.
    fn obituary(&mut self) -> Lost {
        match self.child.wait() {
            Ok(status) => lost(status, self.last_words()),
            Err(e) => Lost::NotStarted(e),
        }
    }

    fn last_words(&self) -> LastWords {
        LastWords(last_words(&self.log(), 3))
    }

    fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lost(status: ExitStatus, words: LastWords) -> Lost {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Lost::Killed { signal, meaning: meaning(signal), words };
    }
    Lost::Exited { code: status.code().unwrap_or(-1), words }
}

#[cfg(unix)]
fn meaning(signal: i32) -> &'static str {
    match signal {
        4 => "an instruction this CPU does not have",
        6 => "llama.cpp aborted",
        7 => "the file shrank or could not be read while mapped",
        9 => "by the system, most likely for want of memory, or by a person",
        11 => "llama.cpp crashed",
        15 => "asked to end",
        _ => "ended from outside",
    }
}

impl Worker for ProcessWorker {
    fn ask(&mut self, request: &Request) -> Result<Reply, Lost> {
        let mut line = serde_json::to_vec(request).map_err(|e| Lost::Nonsense(e.to_string()))?;
        line.push(b'\n');
        if let Some(stdin) = &mut self.stdin
            && stdin.write_all(&line).and_then(|()| stdin.flush()).is_err()
        {
            return Err(self.obituary());
        }
        self.wait()
    }

    fn next_reply(&mut self) -> Result<Reply, Lost> {
        self.wait()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.child.id())
    }

    fn log(&self) -> String {
        let bytes = std::fs::read(self.log.path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for ProcessWorker {
    fn drop(&mut self) {
        // Closing its input ends an idle worker; a busy or hung one is killed.
        self.stdin = None;
        self.kill();
    }
}
