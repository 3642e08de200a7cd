//! The hidden subcommand: what a worker process does.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    thread,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::{console::Exit, recipe::RecipeArgs};
use crate::{
    engine::{self, Effect, LlamaEngine, LogMarks, QuantType, QuantizeOptions, Script, ScriptedEngine},
    probe::{self, Monotonic, meters::energy_meter, nvml::Gpus},
    protocol,
    record::DeviceInfo,
    worker::{Host, Worker},
};

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// End at once when stdin does: the parent is gone.
    #[arg(long)]
    pub(super) tied: bool,
    #[command(subcommand)]
    pub(super) job: WorkerJob,
}

#[derive(Debug, Subcommand)]
pub(super) enum WorkerJob {
    /// Hold one model and answer requests.
    Serve {
        #[arg(long)]
        script: Option<PathBuf>,
    },
    /// Print devices, those of RPC servers included, and llama.cpp's system info as JSON.
    Describe {
        #[arg(long)]
        rpc: Vec<String>,
    },
    /// Quantize one file.
    Quantize {
        input: PathBuf,
        output: PathBuf,
        to: String,
        #[arg(long)]
        threads: u32,
        #[arg(long)]
        allow_requantize: bool,
        #[arg(long)]
        only_size: bool,
        #[command(flatten)]
        recipe: RecipeArgs,
    },
}

/// What a worker says of llama.cpp; the parent never starts it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) devices: Vec<DeviceInfo>,
    pub(super) system_info: String,
}

pub(super) fn run(args: &WorkerArgs) -> Result<Exit> {
    engine::mark_log(LogMarks { error: protocol::ERROR, warning: protocol::WARNING });
    let mut input: Box<dyn BufRead> =
        if args.tied { Box::new(tied_input().context("read stdin")?) } else { Box::new(io::stdin().lock()) };
    let mut output = output().context("take hold of the way back")?;
    match &args.job {
        WorkerJob::Serve { script: None } => {
            let engine = LlamaEngine::start(Arc::new(Monotonic::start()))?.with_energy(energy_meter(&Gpus::load()));
            Worker::new(Rc::new(engine), host(LlamaEngine::devices)).serve(&mut input, &mut output)?;
        }
        WorkerJob::Serve { script: Some(path) } => {
            let engine = ScriptedEngine::new(read_script(path)?);
            Worker::new(Rc::new(engine), host(Vec::new)).serve(&mut input, &mut output)?;
        }
        WorkerJob::Describe { rpc } => {
            if !rpc.is_empty() {
                LlamaEngine::start(Arc::new(Monotonic::start()))?.add_servers(rpc)?;
            }
            let description = Description { devices: LlamaEngine::devices(), system_info: LlamaEngine::system_info() };
            output.write_all(&serde_json::to_vec(&description)?)?;
            output.flush()?;
        }
        WorkerJob::Quantize { input, output, to, threads, allow_requantize, only_size, recipe } => {
            let Some(to) = QuantType::by_name(to) else { bail!("no type {to}") };
            let plain = QuantizeOptions {
                to,
                n_threads: *threads,
                allow_requantize: *allow_requantize,
                effect: if *only_size { Effect::OnlySize } else { Effect::File },
                pure: false,
                keep_split: false,
                output_tensor_type: None,
                token_embedding_type: None,
                tensor_types: &[],
                imatrix: None,
            };
            recipe.with_options(plain, |options| Ok(engine::quantize(input, output, options)?))?;
        }
    }
    Ok(Exit::Fine)
}

fn host(devices: fn() -> Vec<DeviceInfo>) -> Host {
    Host { devices, storage_read_bytes: probe::storage_read_bytes, peak_rss_bytes: probe::own_peak }
}

/// Where answers go: back over descriptor 0 where the parent made it a socket, so that they share nothing with what C code prints.
#[cfg(unix)]
fn output() -> io::Result<Box<dyn Write>> {
    use rustix::fs::{FileType, fstat};
    let input = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    if FileType::from_raw_mode(fstat(&input)?.st_mode) == FileType::Socket {
        return Ok(Box::new(std::fs::File::from(input)));
    }
    Ok(Box::new(io::stdout()))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as elsewhere")]
fn output() -> io::Result<Box<dyn Write>> {
    Ok(Box::new(io::stdout()))
}

/// What the parent says, by a thread that is never busy with anything else: a worker must not outlive its parent, and the end of
/// its input, which the parent alone can write to, is how that shows on every system.
fn tied_input() -> io::Result<impl BufRead> {
    let (input, mut told) = io::pipe()?;
    thread::Builder::new().name("parent".into()).spawn(move || {
        // That nothing more can be read or passed on is an end, too.
        let _ = pass_on(&mut io::stdin().lock(), &mut told);
        end_at_once();
    })?;
    Ok(BufReader::new(input))
}

/// As [`io::copy`], which on Linux splices: from a socket that holds the pipe's lock while nothing comes, and whoever reads or closes the
/// pipe would wait for it.
fn pass_on(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
