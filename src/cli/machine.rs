//! What the program and the machine are, for the record and for doctor.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::worker::Description;
use crate::{
    probe::{
        self, DefaultThreads,
        rpc::{self, MOST_SERVERS},
    },
    record::{Build, Machine, MemoryBandwidth, Plan, RpcServer, Settings, WorkloadKind},
    run::{self, Deadline, ProcessLauncher},
};

/// Identity of this binary and this machine.
pub(super) struct Environment {
    pub(super) build: Build,
    pub(super) machine: Machine,
    /// Of llama.cpp, unless others are asked for.
    pub(super) threads: DefaultThreads,
}

impl Environment {
    /// Of this machine alone.
    pub(super) fn read() -> Result<Self> {
        Self::with_servers(&[])
    }

    /// With the devices of RPC servers, each of which must answer. llama.cpp is asked in a process of its own: here it would hold device
    /// memory, and end this program where a server does not answer.
    pub(super) fn with_servers(servers: &[String]) -> Result<Self> {
        if servers.len() > MOST_SERVERS {
            bail!("{} RPC servers are named, and ggml takes {MOST_SERVERS} at most", servers.len());
        }
        let greet = |endpoint: &String| Ok((endpoint.clone(), rpc::greet(endpoint, rpc::PATIENCE)?));
        let greeted = servers.iter().map(greet).collect::<Result<Vec<_>>>()?;
        let asked = servers.iter().flat_map(|server| ["--rpc".into(), server.clone()]);
        let job: Vec<String> = worker("describe").into_iter().chain(asked).collect();
        let said =
            run::run_to_end(&program()?, &job, Duration::from_mins(1)).context("ask llama.cpp for its devices")?;
        let Description { devices, system_info } =
            serde_json::from_slice(&said).context("understand llama.cpp's devices")?;
        let threads = probe::default_threads(performance_cores());
        // ggml describes a device of a server by the server's endpoint.
        let rpc_servers = greeted
            .into_iter()
            .map(|(endpoint, protocol)| RpcServer {
                devices: devices.iter().filter(|d| d.description == endpoint).map(|d| d.name.clone()).collect(),
                endpoint,
                protocol: protocol.to_string(),
                own_protocol: rpc::OWN_PROTOCOL.to_string(),
            })
            .collect();
        let openmp_variables = Some(openmp_variables());
        let machine = Machine { openmp_variables, rpc_servers, ..probe::machine(devices) };
        Ok(Self { build: build(system_info), machine, threads })
    }
}

/// What the workers inherit of what OpenMP's runtimes read, GCC's, LLVM's and Intel's.
fn openmp_variables() -> BTreeMap<String, String> {
    let read = |name: &str| ["OMP_", "GOMP_", "KMP_"].iter().any(|prefix| name.starts_with(prefix));
    let text = |word: OsString| word.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).filter(|(name, _)| read(name)).collect()
}

/// Performance cores where macOS tells them apart; Linux is read by the probe.
fn performance_cores() -> Option<u32> {
    let asked = ["-n", "hw.perflevel0.physicalcpu"].map(String::from);
    let said = cfg!(target_os = "macos")
        .then(|| run::run_to_end(Path::new("/usr/sbin/sysctl"), &asked, Duration::from_secs(10)))?;
    String::from_utf8(said.ok()?).ok()?.trim().parse().ok()
}

/// How fast the memory is read that generation reads, with the threads it will use; `None` where a GPU does the work, or none is asked for.
pub(super) fn memory_bandwidth(plan: &Plan, settings: &Settings, machine: &Machine) -> Option<MemoryBandwidth> {
    let generates = plan.workloads.iter().any(|w| matches!(w.kind, WorkloadKind::Tg { .. }));
    let clock = probe::Monotonic::start();
    (!machine.lends_device_to(settings) && generates)
        .then(|| probe::bandwidth(&clock, settings.n_threads, probe::machine::available_bytes()))?
}

/// This executable.
pub(super) fn program() -> Result<PathBuf> {
    std::env::current_exe().context("find this executable")
}

/// What this executable is told to be a worker that ends when this process does.
pub(super) fn worker(job: &str) -> Vec<String> {
    ["worker", "--tied", job].map(String::from).into()
}

/// Starts workers of this executable, which may be silent for so many seconds, or as long as is learned.
pub(super) fn launcher(script: Option<&PathBuf>, timeout_s: Option<u64>) -> Result<ProcessLauncher> {
    let mut arguments = worker("serve");
    if let Some(script) = script {
        arguments.extend(["--script".into(), script.display().to_string()]);
    }
    let deadline = timeout_s.map_or(Deadline::Learned, |seconds| Deadline::Fixed(Duration::from_secs(seconds)));
    Ok(ProcessLauncher::new(program()?, arguments, deadline))
}

fn build(system_info: String) -> Build {
    let options: BTreeMap<String, String> = serde_json::from_str(env!("GGUF_BENCH_LLAMA_OPTIONS")).unwrap_or_default();
    let features = env!("GGUF_BENCH_FEATURES").split(',').filter(|f| !f.is_empty()).map(Into::into).collect();
    Build {
        version: env!("CARGO_PKG_VERSION").into(),
        git_revision: env!("GGUF_BENCH_GIT_REVISION").into(),
        target: env!("GGUF_BENCH_TARGET").into(),
        profile: env!("GGUF_BENCH_PROFILE").into(),
        features,
        llama_cpp_2: env!("GGUF_BENCH_LLAMA_CPP_2").into(),
        llama_cpp_sys_2: env!("GGUF_BENCH_LLAMA_CPP_SYS_2").into(),
        ggml: env!("GGUF_BENCH_GGML_VERSION").into(),
        options,
        system_info,
    }
}
