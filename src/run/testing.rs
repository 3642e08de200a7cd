//! Plans and runs for the tests of this folder.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    bench::{Bench, Judge, NoJudge, Save, WithoutOriginal},
    connection::{Connection, Launcher},
    execute,
    exit::WorkerExit,
};
use crate::{
    event::Silent,
    probe::Virtual,
    record::{
        Arrangement, Budget, Build, Conditions, Device, Ended, FORMAT, InnerPolicy, Machine, Model, Outcome, Phase,
        Plan, Preparation, PromptPolicy, PromptText, PromptTurns, Protocol, Purpose, Quality, QualityMemory,
        QualityPlan, Reference, Role, Round, Run, Sample, Sampling, Settings, Sharing, Subject, Visit, Workload,
        WorkloadKind,
    },
};

fn settings() -> Settings {
    Settings { device: Device::Cpu, n_gpu_layers: 0, n_batch: 512, ..Settings::defaults(1) }
}

/// Measures what the run's plan asks and the run does not have.
pub(super) fn measure<E>(
    launcher: &dyn Launcher,
    clock: Virtual,
    files: [&str; 2],
    run: &mut Run,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    judged(launcher, clock, &files, &NoJudge, run, save)
}

/// The same, though the original may fail.
pub(super) fn without_original<E>(
    launcher: &dyn Launcher,
    clock: Virtual,
    files: [&str; 2],
    run: &mut Run,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    taken(launcher, clock, &files, (&NoJudge, WithoutOriginal::GoesOn), run, save)
}

/// The same of any number of subjects, with somebody to ask.
pub(super) fn judged<E>(
    launcher: &dyn Launcher,
    clock: Virtual,
    files: &[&str],
    judge: &dyn Judge,
    run: &mut Run,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    taken(launcher, clock, files, (judge, WithoutOriginal::Ends), run, save)
}

fn taken<E>(
    launcher: &dyn Launcher,
    clock: Virtual,
    files: &[&str],
    (judge, without_original): (&dyn Judge, WithoutOriginal),
    run: &mut Run,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let (plan, interrupt) = (run.plan.clone(), AtomicBool::new(false));
    let clock = Arc::new(clock);
    let bench = Bench {
        plan: &plan,
        files: &files,
        launcher,
        clock,
        devices: &[],
        interrupt: &interrupt,
        judge,
        without_original,
    };
    execute(&bench, run, &mut Silent, save)
}

/// Nothing is started.
struct NoWorkers;

impl Launcher for NoWorkers {
    fn launch(&self) -> Result<Connection, WorkerExit> {
        Err(WorkerExit::NotStarted { program: "none".into(), source: std::io::ErrorKind::Unsupported.into() })
    }
}

/// What is found so many seconds after the run began.
pub(super) fn at<T>(run: &Run, seconds: u64, look: impl FnOnce(&Bench<'_>) -> T) -> T {
    let (clock, interrupt) = (Virtual::default(), AtomicBool::new(false));
    clock.set(seconds * 1_000_000_000);
    let clock = Arc::new(clock);
    look(&Bench {
        plan: &run.plan,
        files: &[],
        launcher: &NoWorkers,
        clock,
        devices: &[],
        interrupt: &interrupt,
        judge: &NoJudge,
        without_original: WithoutOriginal::Ends,
    })
}

/// Outputs that were compared, without results.
pub(super) fn no_results() -> Quality {
    Quality {
        original_bits_per_byte: None,
        fault: None,
        texts: Vec::new(),
        reference: Reference::Original,
        sharing: Sharing::Shared { needed_bytes: 0, available_bytes: 0 },
        workers: Vec::new(),
        results: Vec::new(),
    }
}

/// One generation of 100 tokens, ten rounds.
pub(super) fn plan() -> Plan {
    Plan {
        workloads: vec![Workload { id: "pp100".into(), kind: WorkloadKind::Pp { n_tokens: 100, n_depth: 0 } }],
        protocol: Protocol {
            min_rounds: 10,
            max_rounds: 10,
            inner_samples: 1,
            inner: InnerPolicy::Fixed,
            arrangement: Arrangement::Sequential,
            block_tokens: None,
            preparation: Preparation::default(),
            prompt_rounds: 0,
            prompts: PromptPolicy::Always,
            prompt_turns: PromptTurns::All,
            precision: 0.01,
            confidence: 0.95,
            equivalence: 0.01,
            budget_s: None,
            budget: Budget::Aim,
            quick: false,
        },
        sampling: Sampling::Greedy,
        seed: 1,
        quality: None,
        threads: None,
        task_work: None,
        left_out: Vec::new(),
        min_ctx: None,
        race: None,
    }
}

/// A prompt of so many bytes.
pub(super) fn prompt(category: &str, id: &str, bytes: usize) -> Workload {
    let text = PromptText { category: category.into(), text: "x".repeat(bytes), max_new_tokens: 8 };
    Workload { id: id.into(), kind: WorkloadKind::Prompt(text) }
}

/// Outputs compared over at most so many windows of 512 tokens.
pub(super) fn quality(max_windows: usize) -> QualityPlan {
    QualityPlan {
        n_ctx: 512,
        texts: Vec::new(),
        precision: 0.05,
        min_windows: 20,
        max_windows: Some(max_windows),
        max_kld_nats: None,
        memory: QualityMemory::Auto,
        cache_top_k: 256,
        positions: None,
    }
}

/// A run of two models with one rate a round each; every visit takes a second.
pub(super) fn run_of_rates(original: &[f64], candidate: &[f64]) -> Run {
    let visit = |round: usize, model: usize, rate: f64| Visit {
        model,
        started_ns: (2 * round + model) as u64 * 1_000_000_000,
        duration_ns: 1_000_000_000,
        outcome: Outcome::Done,
        load: None,
        memory: None,
        buffers: Vec::new(),
        warmup: None,
        samples: vec![Sample {
            workload: 0,
            phase: Phase::Prefill,
            inner: 0,
            n_tokens: 100,
            wall_ns: std::time::Duration::from_secs_f64(100.0 / rate).as_nanos().try_into().expect("a short time"),
            native_ns: None,
            at_ns: 0,
            energy_uj: None,
        }],
        generations: Vec::new(),
        skipped: Vec::new(),
        conditions: Conditions::default(),
        retried: None,
    };
    let round = |(index, (&a, &b)): (usize, (&f64, &f64))| Round {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        calibration_ns: None,
        visits: vec![visit(index, 0, a), visit(index, 1, b)],
    };
    let subject = |name: &str, role| Subject {
        name: name.into(),
        role,
        model: Model { file: format!("{name}.gguf"), facts: None },
        settings: settings(),
        outcome: Outcome::Done,
    };
    Run {
        format: FORMAT,
        build: Build {
            version: String::new(),
            git_revision: String::new(),
            target: String::new(),
            profile: "release".into(),
            features: Vec::new(),
            llama_cpp_2: String::new(),
            llama_cpp_sys_2: String::new(),
            ggml: String::new(),
            options: std::collections::BTreeMap::new(),
            system_info: String::new(),
        },
        machine: Machine {
            os: String::new(),
            kernel: None,
            cpu: String::new(),
            cpu_features: Vec::new(),
            physical_cores: None,
            logical_cpus: 1,
            allowed_cpus: 1,
            ram_bytes: 0,
            memory_limit_bytes: None,
            available_bytes: 0,
            governor: None,
            on_battery: None,
            devices: Vec::new(),
            memory_bandwidth: None,
            openmp_variables: None,
            rpc_servers: Vec::new(),
            energy: None,
        },
        command: Vec::new(),
        started_utc: String::new(),
        plan: plan(),
        probes: Vec::new(),
        time_plan: None,
        subjects: vec![subject("original", Role::Original), subject("candidate", Role::Candidate)],
        rounds: original.iter().zip(candidate).enumerate().map(round).collect(),
        ended: Ended::Unfinished,
        purpose: Purpose::Comparison,
        adaptation: None,
        resumed: Vec::new(),
        constraints: None,
        tuning: None,
        quality: None,
        tasks: None,
    }
}
