//! The hidden subcommand: what a worker process does.

use std::{io, path::Path};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{args::WorkerJob, exit::Exit, print};
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

pub(super) fn run(job: &WorkerJob) -> Result<Exit> {
    die_with_parent();
    match job {
        WorkerJob::Serve { script: None } => {
            let clock = Monotonic::start();
            let engine = LlamaEngine::start(&clock)?;
            serve(&engine, &LlamaEngine::devices)
        }
        WorkerJob::Serve { script: Some(path) } => serve(&ScriptedEngine::new(read_script(path)?), &Vec::new),
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

fn serve(engine: &dyn engine::Engine, devices: &dyn Fn() -> Vec<DeviceInfo>) -> Result<Exit> {
    run::serve(engine, devices, &mut io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(Exit::Fine)
}

fn read_script(path: &Path) -> Result<Script> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no script", path.display()))
}

/// A worker must not outlive a parent that was killed.
#[cfg(target_os = "linux")]
fn die_with_parent() {
    // Where the kernel refuses, an idle worker still ends at the end of its input.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent() {}
