//! Worker processes: started from this executable, asked and answered line by line, killed when silent too long.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, Command},
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use tempfile::{NamedTempFile, TempPath};

use super::{
    deadline::{Deadline, Experience, Limit, Origin, Work, subject_of},
    lost::{LastWords, Lost},
    protocol::{Reply, Request},
};
use crate::probe::{Clock, Monotonic, OomKills};

/// Silence is counted in turns of this.
const TURN: Duration = Duration::from_secs(1);

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

/// Starts this executable again with a hidden subcommand.
#[derive(Debug, Clone)]
pub struct ProcessLauncher {
    program: PathBuf,
    arguments: Vec<String>,
    deadline: Deadline,
    /// Of all its workers, the earlier ones too.
    experience: Rc<RefCell<Experience>>,
}

impl ProcessLauncher {
    /// This executable, the hidden subcommand and its options, and how long its processes may be silent.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<String>, deadline: Deadline) -> Self {
        Self { program, arguments, deadline, experience: Rc::default() }
    }
}

impl Launcher for ProcessLauncher {
    fn launch(&self) -> Result<Box<dyn Worker>, Lost> {
        let process = Process::start(&self.program, &self.arguments).map_err(Lost::NotStarted)?;
        let mut worker = ProcessWorker { process, launcher: self.clone(), subject: String::new(), windows: None };
        match worker.hear(Some(Work::start()), None)? {
            Reply::Ready => Ok(Box::new(worker)),
            other => Err(Lost::Nonsense(format!("{other:?}"))),
        }
    }
}

/// Runs this executable to its end and returns what it printed.
///
/// # Errors
/// When it can't be started, fails, or is silent for longer than `timeout`.
pub(crate) fn run_to_end(program: &Path, arguments: &[String], timeout: Duration) -> Result<Vec<u8>, Lost> {
    let mut process = Process::start(program, arguments).map_err(Lost::NotStarted)?;
    let mut printed = Vec::new();
    while let Some(line) = process.line(Limit { after: timeout, origin: Origin::Given })? {
        printed.extend(line.bytes().chain(*b"\n"));
    }
    match process.child.wait() {
        Ok(status) if status.success() => Ok(printed),
        Ok(_) => Err(process.obituary()),
        Err(e) => Err(Lost::NotStarted(e)),
    }
}

/// What the parent writes to a process.
#[cfg(unix)]
type Input = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Input = std::process::ChildStdin;

/// Starts a process, and returns where it is told and where it answers.
///
/// Its descriptor 0 is a socket for both. Descriptor 1 is its log, as 2 is: a library, a debugger that shows a backtrace or a GPU's driver
/// may print there what it likes and is never taken for an answer.
#[cfg(unix)]
fn spawn(command: &mut Command, log: File) -> io::Result<(Child, Input, impl Read + Send + 'static)> {
    let (ours, theirs) = Input::pair()?;
    command.stdin(std::os::fd::OwnedFd::from(theirs)).stdout(log.try_clone()?).stderr(log);
    let child = command.spawn()?;
    Ok((child, ours.try_clone()?, ours))
}

/// Elsewhere no safe means of the standard library give a process a third channel: it answers on its standard output.
#[cfg(not(unix))]
fn spawn(command: &mut Command, log: File) -> io::Result<(Child, Input, impl Read + Send + 'static)> {
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
    let (input, output) = (child.stdin.take().expect("was piped"), child.stdout.take().expect("was piped"));
    Ok((child, input, output))
}

/// A process of this executable, its answers read by a thread.
struct Process {
    child: Child,
    input: Option<Input>,
    lines: Receiver<String>,
    log: Log,
    kills: OomKills,
}

impl Process {
    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
    fn start(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let (log, its_end) = Log::new()?;
        let mut command = Command::new(program);
        command.args(arguments);
        // Where an assertion fails, ggml would start a debugger on the process, which takes seconds and buries the assertion's own line.
        command.env("GGML_NO_BACKTRACE", "1");
        // Ctrl-C in a terminal is for the parent: it decides whether the sample under way is finished.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let kills = OomKills::now();
        let (child, input, output) = spawn(&mut command, its_end)?;
        let (send, lines) = channel();
        // A blocked read can't be given up; a thread waits in it so that we can stop waiting.
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input: Some(input), lines, log, kills })
    }

    /// The next line of its output; `None` at the end.
    ///
    /// Silence is counted in turns, each no longer than it was meant to be: while the machine sleeps, or while a person has
    /// stopped both processes, neither works and no turn passes.
    fn line(&mut self, limit: Limit) -> Result<Option<String>, Lost> {
        let turn = TURN.min(limit.after / 4).max(Duration::from_millis(1));
        let mut silent = Duration::ZERO;
        loop {
            match self.lines.recv_timeout(turn) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => silent += turn,
            }
            if silent >= limit.after {
                self.kill();
                return Err(Lost::Silent { limit, words: LastWords::last(&self.log.read()) });
            }
        }
    }

    /// Why a process whose output ended is no more.
    fn obituary(&mut self) -> Lost {
        match self.child.wait() {
            Ok(status) => Lost::of(status, &self.log.read(), OomKills::now().killer_since(self.kills)),
            Err(e) => Lost::NotStarted(e),
        }
    }

    fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it, and a stopped one is killed all the same.
        self.input = None;
        self.kill();
    }
}

/// What a process prints, in a file that goes with us even when we are killed, where the system can do that.
struct Log {
    file: File,
    _path: Option<TempPath>,
}

impl Log {
    /// The log, and the process's end of it.
    fn new() -> io::Result<(Self, File)> {
        let file = NamedTempFile::new()?;
        let its_end = file.reopen()?;
        let (file, path) = file.into_parts();
        // Elsewhere an open file can't lose its name.
        let path = if cfg!(unix) { None } else { Some(path) };
        Ok((Self { file, _path: path }, its_end))
    }

    fn read(&self) -> String {
        let mut file = &self.file;
        let mut bytes = Vec::new();
        // What can't be read is not there: a reason without log lines is still one.
        let _ = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A worker process and what it was told to hold.
struct ProcessWorker {
    process: Process,
    launcher: ProcessLauncher,
    subject: String,
    windows: Option<Work>,
}

impl ProcessWorker {
    /// Waits for a reply as long as this work may take, and learns from what it took.
    fn hear(&mut self, work: Option<Work>, request: Option<&Request>) -> Result<Reply, Lost> {
        let ProcessLauncher { deadline, experience, .. } = &self.launcher;
        let limit = experience.borrow().limit(*deadline, work.as_ref());
        let clock = Monotonic::start();
        let Some(line) = self.process.line(limit)? else { return Err(self.process.obituary()) };
        let took = Duration::from_nanos(clock.now_ns());
        let reply = serde_json::from_str(&line).map_err(|e| Lost::Nonsense(e.to_string()))?;
        if let Some(work) = work {
            experience.borrow_mut().learn(work, took, request, &reply);
        }
        Ok(reply)
    }
}

impl Worker for ProcessWorker {
    fn ask(&mut self, request: &Request) -> Result<Reply, Lost> {
        if let Some(subject) = subject_of(request) {
            self.subject = subject;
        }
        if let Request::Compare(job) = request {
            self.windows = Work::windows(job);
        }
        let mut line = serde_json::to_vec(request).map_err(|e| Lost::Nonsense(e.to_string()))?;
        line.push(b'\n');
        if let Some(input) = &mut self.process.input
            && input.write_all(&line).and_then(|()| input.flush()).is_err()
        {
            return Err(self.process.obituary());
        }
        self.hear(Some(Work::of(&self.subject, request)), Some(request))
    }

    fn next_reply(&mut self) -> Result<Reply, Lost> {
        self.hear(self.windows.clone(), None)
    }

    fn pid(&self) -> Option<u32> {
        Some(self.process.child.id())
    }

    fn log(&self) -> String {
        self.process.log.read()
    }
}
