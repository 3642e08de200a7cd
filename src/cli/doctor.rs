//! doctor: whether numbers from this machine and build can be trusted, each row with a remedy.

use std::{fmt::Write, thread, time::Duration};

use anyhow::Result;
use clap::Args;

use super::{
    console::{Exit, print_json, print_text},
    machine::Environment,
};
use crate::{
    probe::{
        self, Clock, Monotonic, Watch,
        clock::resolution_ns,
        doctor::{Check, Level, LiveState, checks, worst},
        energy::EnergyAtRest,
        meters::energy_meter,
        nvml::Gpus,
        readings::readable,
        steadiness::Scatter,
    },
    record::Build,
};

/// How long the machine is watched while nothing of ours runs.
const WATCHED: Duration = Duration::from_secs(1);

/// How often it calculates the same: for half a second.
const CALCULATIONS: usize = 50;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DoctorArgs) -> Result<Exit> {
    let Environment { build, machine, threads } = Environment::read()?;
    let clock = Monotonic::start();
    let nvidia = Gpus::load();
    let meter = energy_meter(&nvidia);
    let watch = Watch::start(clock.now_ns(), &[]);
    let before = meter.now(&clock);
    thread::sleep(WATCHED);
    let used = meter.between(&before, &meter.now(&clock));
    let conditions = watch.end(clock.now_ns(), &[]);
    let live = LiveState {
        conditions,
        timer_ns: resolution_ns(&clock),
        host: probe::host(),
        threads: Some(threads),
        scatter: Scatter::of(&probe::calculation_ns(&clock, threads.n_threads, CALCULATIONS)),
        energy: EnergyAtRest { used, absent: meter.absent().to_vec() },
        gpus: nvidia.as_ref().map_or_else(|_| Vec::new(), Gpus::states),
        readings: readable(),
    };
    let checks = checks(&machine, &build, &live);
    if args.json { print_json(&checks) } else { print_text(&describe(&build, &checks)?) }
}

fn describe(build: &Build, checks: &[Check]) -> Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "gguf-bench {} ({}), llama.cpp from llama-cpp-sys-2 {} (ggml {})\n",
        build.version, build.git_revision, build.llama_cpp_sys_2, build.ggml
    )?;
    let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for check in checks {
        let level = match check.level {
            Level::Good => "good",
            Level::Unknown => "unknown",
            Level::Warning => "warning",
            Level::Bad => "bad",
        };
        writeln!(out, "{level:<8} {:<width$}  {}", check.name, check.finding)?;
        if let Some(remedy) = &check.remedy {
            writeln!(out, "{:<8} {:<width$}  -> {remedy}", "", "")?;
        }
    }
    writeln!(
        out,
        "\n{}",
        match worst(checks) {
            Level::Good | Level::Unknown => "Numbers from here can be trusted as far as this program can see.",
            Level::Warning =>
                "Ratios from here can be trusted; absolute numbers scatter or drift more than they need to.",
            Level::Bad => "Numbers from here are wrong for this machine until the rows marked bad are fixed.",
        }
    )?;
    Ok(out)
}
