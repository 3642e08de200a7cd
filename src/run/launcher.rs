//! Processes of this executable: started, talked to line by line, killed when silent too long.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use tempfile::{NamedTempFile, TempPath};

use super::{
    connection::{Channel, Connection, Launcher},
    exit::{LogTail, WorkerExit},
    timeout::{Deadline, Patience, Timeout, TimeoutBasis},
};
use crate::{
    probe::OomKills,
    protocol::{Hello, Request},
    record::system_reason,
};

/// Silence is counted in turns of this: short enough to end in time, long enough to cost no CPU while a worker is timed.
const TURN: Duration = Duration::from_secs(1);

/// How long what is under way may still take once the person asked to stop: most samples are over by then, and nobody waits for minutes.
const GRACE: Duration = Duration::from_secs(10);

/// Starts this executable again with a hidden subcommand.
#[derive(Debug, Clone)]
pub struct ProcessLauncher {
    program: PathBuf,
    arguments: Vec<String>,
    patience: Patience,
    /// Set when the person asked to stop.
    interrupt: Arc<AtomicBool>,
}

impl ProcessLauncher {
    /// This executable, the hidden subcommand and its options, and how long its processes may be silent.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<String>, deadline: Deadline) -> Self {
        Self { program, arguments, patience: Patience::new(deadline), interrupt: Arc::default() }
    }

    /// The same, whose processes are given up when the person asked to stop and they do not come to an end soon.
    #[must_use]
    pub(crate) fn interrupted_by(self, interrupt: Arc<AtomicBool>) -> Self {
        Self { interrupt, ..self }
    }
}

impl Launcher for ProcessLauncher {
    fn launch(&self) -> Result<Connection, WorkerExit> {
        let mut process = Process::start(&self.program, &self.arguments)?;
        process.interrupt = Some(Arc::clone(&self.interrupt));
        let mut connection = Connection::new(Box::new(process), self.patience.clone());
        connection.call(&Hello)?;
        Ok(connection)
    }
}

/// Runs this executable to its end and returns what it answered.
pub(crate) fn run_to_end(program: &Path, arguments: &[String], timeout: Duration) -> Result<Vec<u8>, WorkerExit> {
    ended(program, arguments, timeout).map(|(printed, _)| printed)
}

/// The same, and returns its log.
pub(crate) fn run_for_log(program: &Path, arguments: &[String], timeout: Duration) -> Result<String, WorkerExit> {
    ended(program, arguments, timeout).map(|(_, process)| process.log.read())
}

fn ended(program: &Path, arguments: &[String], timeout: Duration) -> Result<(Vec<u8>, Process), WorkerExit> {
    let mut process = Process::start(program, arguments)?;
    let mut printed = Vec::new();
    while let Some(line) = process.line(Timeout { after: timeout, basis: TimeoutBasis::Given })? {
        printed.extend(line.bytes().chain(*b"\n"));
    }
    match process.child.wait() {
        Ok(status) if status.success() => Ok((printed, process)),
        Ok(_) | Err(_) => Err(process.exit()),
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
    /// Set when the person asked to stop; `None` of a process for which that ends this one.
    interrupt: Option<Arc<AtomicBool>>,
}

impl Process {
    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
    fn start(program: &Path, arguments: &[String]) -> Result<Self, WorkerExit> {
        let (log, its_end) = Log::new()
            .map_err(|error| WorkerExit::NoLog { folder: std::env::temp_dir(), source: system_reason(error) })?;
        let mut command = Command::new(program);
        command.args(arguments);
        // Where an assertion fails, ggml would start a debugger on the process, which takes seconds and buries the assertion's own line.
        command.env("GGML_NO_BACKTRACE", "1");
        // Rust's runtime would bury its own line in the same way.
        command.env("RUST_BACKTRACE", "0");
        // Ctrl-C in a terminal is for the parent: it decides whether the sample under way is finished.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let kills = OomKills::now();
        let not_started = |source| WorkerExit::NotStarted { program: program.into(), source };
        let (child, input, output) = spawn(&mut command, its_end).map_err(not_started)?;
        let (send, lines) = channel();
        // A blocked read can't be given up; a thread waits in it so that we can stop waiting.
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input: Some(input), lines, log, kills, interrupt: None })
    }

    /// The next line of its output; `None` at the end.
    ///
    /// Silence is counted in turns, each no longer than it was meant to be: while the machine sleeps, or while a person has
    /// stopped both processes, neither works and no turn passes.
    fn line(&mut self, timeout: Timeout) -> Result<Option<String>, WorkerExit> {
        let turn = TURN.min(timeout.after / 4).max(Duration::from_millis(1));
        let (mut silent, mut asked) = (Duration::ZERO, Duration::ZERO);
        loop {
            match self.lines.recv_timeout(turn) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => silent += turn,
            }
            if self.interrupt.as_ref().is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) {
                asked += turn;
                if asked > GRACE {
                    self.kill();
                    return Err(WorkerExit::GivenUp);
                }
            }
            if silent >= timeout.after {
                self.kill();
                return Err(WorkerExit::Silent { timeout, log: LogTail::last(&self.log.read()) });
            }
        }
    }

    /// Why a process whose output ended is no more.
    fn exit(&mut self) -> WorkerExit {
        match self.child.wait() {
            Ok(status) => WorkerExit::of(status, &self.log.read(), OomKills::now().killer_since(self.kills)),
            Err(error) => WorkerExit::Unintelligible(format!("how it ended can't be known: {error}")),
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

impl Channel for Process {
    fn send(&mut self, request: &Request) -> Result<(), WorkerExit> {
        let mut line = serde_json::to_vec(request).map_err(|e| WorkerExit::Unintelligible(e.to_string()))?;
        line.push(b'\n');
        let Some(input) = &mut self.input else { return Ok(()) };
        input.write_all(&line).and_then(|()| input.flush()).map_err(|_| self.exit())
    }

    fn receive(&mut self, timeout: Timeout) -> Result<String, WorkerExit> {
        match self.line(timeout)? {
            Some(line) => Ok(line),
            None => Err(self.exit()),
        }
    }

    fn pid(&self) -> Option<u32> {
        Some(self.child.id())
    }

    fn log(&self) -> String {
        self.log.read()
    }
}
