//! The hidden subcommand: what a worker process does.

use std::{
    io::{self, BufRead, BufReader},
    path::Path,
    thread,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    args::{WorkerArgs, WorkerJob},
    exit::Exit,
    print,
};
use crate::{
    engine::{self, LlamaEngine, QuantType, Script, ScriptedEngine},
    probe::Monotonic,
    record::DeviceInfo,
    run,
};

/// What a worker says of llama.cpp; the parent never starts it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) devices: Vec<DeviceInfo>,
    pub(super) system_info: String,
}

pub(super) fn run(args: &WorkerArgs) -> Result<Exit> {
    let mut input: Box<dyn BufRead> =
        if args.tied { Box::new(tied_input().context("read stdin")?) } else { Box::new(io::stdin().lock()) };
    match &args.job {
        WorkerJob::Serve { script: None } => {
            let clock = Monotonic::start();
            let engine = LlamaEngine::start(&clock)?;
            serve(&engine, &LlamaEngine::devices, &mut input)
        }
        WorkerJob::Serve { script: Some(path) } => {
            serve(&ScriptedEngine::new(read_script(path)?), &Vec::new, &mut input)
        }
        WorkerJob::Describe => {
            let description = Description { devices: LlamaEngine::devices(), system_info: LlamaEngine::system_info() };
            print(&serde_json::to_string(&description)?)
        }
        WorkerJob::Quantize { input, output, to, threads, allow_requantize } => {
            let Some(to) = QuantType::by_name(to) else { bail!("no type {to}") };
            engine::quantize(input, output, to, *threads, *allow_requantize)?;
            Ok(Exit::Fine)
        }
    }
}

fn serve(engine: &dyn engine::Engine, devices: &dyn Fn() -> Vec<DeviceInfo>, input: &mut dyn BufRead) -> Result<Exit> {
    run::serve(engine, devices, input, &mut io::stdout().lock())?;
    Ok(Exit::Fine)
}

/// What the parent says, by a thread that is never busy with anything else: a worker must not outlive its parent, and the end of
/// its input, which the parent alone can write to, is how that shows on every system.
fn tied_input() -> io::Result<impl BufRead> {
    let (input, mut told) = io::pipe()?;
    thread::Builder::new().name("parent".into()).spawn(move || {
        // That nothing more can be read or passed on is an end, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut told);
        end_at_once();
    })?;
    Ok(BufReader::new(input))
}

fn read_script(path: &Path) -> Result<Script> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no script", path.display()))
}

/// Without anything that a thread of llama.cpp, still computing, could trip over.
#[cfg(unix)]
fn end_at_once() {
    use rustix::process::{Signal, getpid, kill_process};
    // No process is refused its own end.
    let _ = kill_process(getpid(), Signal::KILL);
}

#[cfg(not(unix))]
#[expect(clippy::exit, clippy::disallowed_methods, reason = "the parent that the code would be for is gone")]
fn end_at_once() {
    std::process::exit(1);
}
