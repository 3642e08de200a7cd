//! What the program and the machine are, for the record and for doctor.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{interrupt, worker::Description};
use crate::{
    probe::{
        self, Clock, DefaultThreads,
        energy::EnergyMeter,
        rpc::{self, MOST_SERVERS},
    },
    record::{Build, EnergySources, Machine, MemoryBandwidth, Plan, RpcServer, Settings, WorkloadKind},
    run::{self, Deadline, ProcessLauncher},
    units::NS_PER_S,
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

/// How long the machine is watched at rest.
const AT_REST: Duration = Duration::from_secs(2);

/// What counts energy here, and what it takes while nothing of ours runs. Where nothing counts no time is spent.
pub(super) fn energy(meter: &EnergyMeter, clock: &dyn Clock) -> EnergySources {
    let counted = meter.counted();
    let absent = meter.absent().iter().map(ToString::to_string).collect();
    if counted.is_empty() {
        return EnergySources { counted, absent, idle_watts: None, idle_s: 0.0 };
    }
    let (before, start_ns) = (meter.now(clock), clock.now_ns());
    std::thread::sleep(AT_REST);
    let used_uj = meter.used_uj(&before, clock);
    let idle_s = clock.now_ns().saturating_sub(start_ns) as f64 / NS_PER_S;
    let idle_watts = used_uj.filter(|_| idle_s > 0.0).map(|uj| uj as f64 / 1e6 / idle_s);
    EnergySources { counted, absent, idle_watts, idle_s }
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
    Ok(ProcessLauncher::new(program()?, arguments, deadline).interrupted_by(interrupt::asked()))
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{convert::Infallible, sync::atomic::AtomicBool};

    use super::*;
    use crate::{
        analysis::{Verdict, analyse},
        engine::{ModelScript, Script, ScriptedEngine},
        metric::{MetricId, Word},
        probe::{
            Virtual,
            energy::{EnergyCounter, EnergyDomain, Unreadable},
        },
        record::{Constraints, InnerPolicy, Prefer, Run, Workload, journal::Entry, read_run},
        report::{Format, Options, RunReport, render},
        run::{Bench, NoJudge, WithoutOriginal},
        testing::run::SimulatedLauncher,
    };

    /// Thirty watts, on a virtual clock; it comes round every two seconds.
    struct ThirtyWatts(Virtual, EnergyDomain);

    const TURN_UJ: u64 = 60_000_000;

    impl EnergyCounter for ThirtyWatts {
        fn domain(&self) -> &EnergyDomain {
            &self.1
        }

        fn now_uj(&self) -> Result<u64, Unreadable> {
            Ok((self.0.now_ns() * 30 / 1000) % (TURN_UJ + 1))
        }

        fn largest_uj(&self) -> Option<u64> {
            Some(TURN_UJ)
        }
    }

    fn meter(clock: &Virtual) -> EnergyMeter {
        let package = EnergyDomain::Package { name: "package-0".into() };
        let counter = |domain| Box::new(ThirtyWatts(clock.clone(), domain)) as Box<dyn EnergyCounter>;
        let cores = EnergyDomain::Cores { package: "package-0".into() };
        EnergyMeter::find(Path::new("/nowhere"), vec![Ok(counter(package)), Ok(counter(cores))])
    }

    /// A run of two scripted models, the second of which generates in two thirds of the time.
    fn measured() -> Run {
        let mut run = read_run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json")).unwrap();
        run.subjects.truncate(2);
        run.rounds.clear();
        (run.quality, run.adaptation, run.plan.quality) = (None, None, None);
        let work = [WorkloadKind::Pp { n_tokens: 100, n_depth: 0 }, WorkloadKind::Tg { n_tokens: 50, n_depth: 0 }];
        run.plan.workloads = work.into_iter().filter_map(Workload::synthetic).collect();
        let protocol = &mut run.plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.inner) = (6, 6, InnerPolicy::Fixed);
        (protocol.inner_samples, protocol.budget_s) = (2, None);
        let script = |decode_ns_per_token| ModelScript {
            load_ns: 1000,
            prefill_ns_per_token: 1_000_000,
            decode_ns_per_token,
            answer: String::new(),
            logit_noise: 0.0,
            fail: None,
        };
        let models = [("a.gguf".to_owned(), script(15_000_000)), ("b.gguf".to_owned(), script(10_000_000))];
        let clock = Virtual::default();
        let engine = ScriptedEngine::on_clock(Script { models: models.into(), noise: None }, clock.clone());
        let launcher = SimulatedLauncher::new(engine.with_energy(meter(&clock)));
        let files = ["a.gguf", "b.gguf"].map(PathBuf::from);
        let plan = run.plan.clone();
        let bench = Bench {
            plan: &plan,
            files: &files,
            launcher: &launcher,
            clock: std::sync::Arc::new(clock),
            devices: &[],
            interrupt: &AtomicBool::new(false),
            judge: &NoJudge,
            without_original: WithoutOriginal::Ends,
        };
        let mut nothing = |_: &Run, _: &Entry| Ok::<(), Infallible>(());
        let Ok(()) = run::execute(&bench, &mut run, &mut crate::event::Silent, &mut nothing);
        run
    }

    #[test]
    fn what_counters_count_becomes_joules_a_token_a_verdict_and_a_section() {
        let mut run = measured();
        let clock = Virtual::default();
        let counted = meter(&clock).domains().map(ToString::to_string).collect();
        run.machine.energy = Some(EnergySources { counted, absent: Vec::new(), idle_watts: Some(12.0), idle_s: 2.0 });
        let analysis = analyse(&run);
        let of = |model: usize, id: &str| {
            let id: MetricId = id.parse().unwrap();
            analysis.models[model].metric(&id).and_then(|metric| metric.value).unwrap()
        };
        // 30 W for 1, 15 and 10 ms a token.
        for (model, id, joules) in [(0, "energy_pp100", 0.03), (0, "energy_tg50", 0.45), (1, "energy_tg50", 0.3)] {
            assert!((of(model, id) / joules - 1.0).abs() < 1e-4, "{id}: {}", of(model, id));
        }
        let compared = analysis.models[1].comparison(&"energy_tg50".parse().unwrap()).unwrap();
        assert_eq!(compared.verdict, Some(Verdict::Better(Word::UsesLessEnergy)));
        let page = render(Format::Html, &RunReport::new(&run, &analysis), &Options::default()).unwrap();
        for words in
            ["Energy of a token", "uses less energy", "Counted: CPU package-0.", "took 12.0 W. That is in the figures"]
        {
            assert!(page.contains(words), "{words}");
        }

        run.constraints = Some(Constraints { prefer: Prefer::Energy, ..Constraints::default() });
        let rule = analyse(&run).advice.rule;
        assert_eq!(rule.by, crate::analysis::Axis::Energy);
    }

    #[test]
    fn where_nothing_is_counted_nothing_is_shown() {
        let mut run = measured();
        for sample in run.rounds.iter_mut().flat_map(|r| &mut r.visits).flat_map(|v| &mut v.samples) {
            sample.energy_uj = None;
        }
        let clock = Virtual::default();
        run.machine.energy = Some(energy(&EnergyMeter::find(Path::new("/nowhere"), Vec::new()), &clock));
        let page = render(Format::Html, &RunReport::new(&run, &analyse(&run)), &Options::default()).unwrap();
        assert!(!page.contains("Energy of a token") && page.contains("energy is not shown"));
    }
}
