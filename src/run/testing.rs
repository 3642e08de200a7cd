//! Plans and runs for the tests of this folder.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    bench::{Bench, Save},
    connection::Launcher,
    execute,
};
use crate::{
    event::Silent,
    probe::Virtual,
    record::{
        Arrangement, Budget, Build, CacheType, Conditions, Device, Ended, FORMAT, FlashAttention, InnerPolicy, Machine,
        Model, Outcome, Phase, Plan, PromptText, PromptTurns, Protocol, Purpose, QualityMemory, QualityPlan, Role,
        Round, Run, Sample, Sampling, Settings, Subject, Visit, Workers, Workload, WorkloadKind,
    },
};

fn settings() -> Settings {
    Settings {
        device: Device::Cpu,
        n_gpu_layers: 0,
        n_threads: 1,
        n_threads_batch: 1,
        n_batch: 512,
        n_ubatch: 512,
        type_k: CacheType::F16,
        type_v: CacheType::F16,
        flash_attention: FlashAttention::Auto,
    }
}

/// Measures what the run's plan asks and the run does not have.
pub(super) fn measure<E>(
    launcher: &dyn Launcher,
    clock: Virtual,
    files: [&str; 2],
    run: &mut Run,
    save: &mut Save<'_, E>,
) -> Result<(), E> {
    let (plan, files, interrupt) = (run.plan.clone(), files.map(PathBuf::from), AtomicBool::new(false));
    let clock = Arc::new(clock);
    let bench = Bench { plan: &plan, files: &files, launcher, clock, devices: &[], interrupt: &interrupt };
    execute(&bench, run, &mut Silent, save)
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
            workers: Workers::Fresh,
            prompt_rounds: 0,
            prompt_turns: PromptTurns::All,
            warmup_ms: 1,
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
        }],
        generations: Vec::new(),
        skipped: Vec::new(),
        conditions: Conditions::default(),
        retried: None,
    };
    let round = |(index, (&a, &b)): (usize, (&f64, &f64))| Round {
        index: u32::try_from(index).unwrap_or(u32::MAX),
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
        },
        command: Vec::new(),
        started_utc: String::new(),
        plan: plan(),
        subjects: vec![subject("original", Role::Original), subject("candidate", Role::Candidate)],
        rounds: original.iter().zip(candidate).enumerate().map(round).collect(),
        ended: Ended::Unfinished,
        purpose: Purpose::Comparison,
        adaptation: None,
        resumed: Vec::new(),
        constraints: None,
        quality: None,
    }
}
