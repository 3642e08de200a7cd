//! What the machine did to the timings: other processes, swapping, throttling.

use super::kind::{Warning, WarningKind, of_run, percent};
use crate::{
    record::{Conditions, Run, Visit},
    stats,
    text::counted,
    thresholds,
    units::{MIB, NS_PER_S},
};

/// Chance of a trend where there is none.
pub(super) const TREND_P: f64 = 0.01;

fn visits(run: &Run) -> impl Iterator<Item = &Visit> {
    run.rounds.iter().flat_map(|r| &r.visits)
}

fn of_visits(run: &Run, of: impl Fn(&Visit) -> Option<f64>) -> Vec<f64> {
    visits(run).filter_map(of).collect()
}

pub(super) fn busy(run: &Run) -> Option<Warning> {
    let median = |of: &dyn Fn(&Visit) -> Option<f64>| stats::median(&of_visits(run, of)).ok();
    let others = median(&|v| v.conditions.other_cpu_share);
    let steal = median(&|v| v.conditions.steal_share);
    let threads = f64::from(run.base_settings().n_threads.max(run.base_settings().n_threads_batch).max(1));
    let switches = median(&|v| {
        let seconds = v.duration_ns as f64 / NS_PER_S;
        Some(v.conditions.involuntary_switches? as f64 / threads / seconds).filter(|rate| rate.is_finite())
    });
    // After the first visit the load average is our own doing.
    let load = visits(run).next().and_then(|v| v.conditions.load_average_1m).filter(|_| others.is_none());
    let per_cpu = load.map(|load| load / f64::from(run.machine.logical_cpus.max(1)));
    let over = |value: Option<f64>, limit: f64| value.filter(|value| *value > limit);
    let seen = [
        over(others, thresholds::OTHER_CPU_SHARE.in_run).map(|share| {
            format!("In the median visit, other processes used {} of the machine's CPU time.", percent(share))
        }),
        over(steal, thresholds::STEAL_SHARE.in_run)
            .map(|share| format!("In the median visit, the hypervisor kept back {} of the CPU time.", percent(share))),
        over(switches, thresholds::SWITCHES_PER_S)
            .map(|rate| format!("In the median visit, each thread was interrupted {rate:.0} times a second.")),
        over(per_cpu, thresholds::LOAD_PER_CPU.in_run).and(load).map(|load| {
            let cpus = counted(run.machine.logical_cpus, "CPU");
            format!("The load average was {load:.1} on {cpus} before the first visit.")
        }),
    ];
    let seen: Vec<String> = seen.into_iter().flatten().collect();
    if seen.is_empty() {
        return None;
    }
    Some(of_run(
        WarningKind::BusyMachine,
        seen.join(" "),
        "Pairing protects ratios, but not absolute numbers. Repeat on an idle machine.",
    ))
}

pub(super) fn swapping(run: &Run) -> Option<Warning> {
    let swapped: f64 = visits(run).filter_map(|v| v.conditions.swap_in_bytes).map(|bytes| bytes as f64 / MIB).sum();
    let waited = of_visits(run, |v| v.conditions.memory_pressure).into_iter().fold(0.0, f64::max);
    let in_visits = visits(run).filter(|v| v.conditions.swap_in_bytes.is_some_and(|bytes| bytes > 0)).count();
    let seen = [
        (swapped > thresholds::SWAPPED_IN_MIB)
            .then(|| format!("{swapped:.1} MiB came back from swap in {}.", counted(in_visits, "visit"))),
        (waited > thresholds::MEMORY_PRESSURE.in_run)
            .then(|| format!("Tasks waited for memory for up to {} of a visit.", percent(waited))),
    ];
    let seen: Vec<String> = seen.into_iter().flatten().collect();
    (!seen.is_empty()).then(|| {
        of_run(
            WarningKind::Swapping,
            seen.join(" "),
            "What is swapped runs at the speed of the disk. Close other programs, or measure a smaller model.",
        )
    })
}

pub(super) fn throttling(run: &Run) -> Option<Warning> {
    let fell = fall(run, |c| c.cpu_mhz).filter(|(fell, _)| *fell > thresholds::FREQUENCY_FALL);
    let hottest = of_visits(run, |v| v.conditions.cpu_celsius).into_iter().reduce(f64::max);
    let hot = hottest.filter(|&celsius| celsius >= thresholds::CPU_CELSIUS.in_run);
    let seen = [
        fell.map(|(fell, from)| format!("The CPU's frequency fell by {} from {from:.0} MHz.", percent(fell))),
        hot.map(|celsius| format!("The CPU got as hot as {celsius:.0} °C.")),
    ];
    let seen: Vec<String> = seen.into_iter().flatten().collect();
    (!seen.is_empty()).then(|| {
        of_run(
            WarningKind::Throttling,
            seen.join(" "),
            "Let the machine cool, clear its vents, use mains power and the performance governor, then repeat.",
        )
    })
}

/// By which share a condition fell from the first visit to the last, and from where, if that is a trend.
fn fall(run: &Run, of: impl Fn(&Conditions) -> Option<f64>) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64)> =
        visits(run).filter_map(|v| Some((v.started_ns as f64 / NS_PER_S, of(&v.conditions)?))).collect();
    let (at, values): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    let trend = stats::theil_sen(&at, &values).ok().filter(|t| t.p_value < TREND_P)?;
    let (first, last) = (at.first()?, at.last()?);
    // The line through the median point.
    let middle = stats::median(&values).ok()? - trend.slope * stats::median(&at).ok()?;
    let from = middle + trend.slope * first;
    (from > 0.0).then(|| (-trend.slope * (last - first) / from, from))
}
