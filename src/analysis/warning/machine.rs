//! What the machine did to the timings: other processes, swapping, throttling.

use super::kind::{Warning, WarningKind, of_run, percent};
use crate::{
    record::{Conditions, Run, Visit},
    stats, thresholds,
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
    let over = |value: Option<f64>, limit: f64| value.is_some_and(|value| value > limit);
    if !over(others, thresholds::OTHER_CPU_SHARE.in_run)
        && !over(steal, thresholds::STEAL_SHARE.in_run)
        && !over(switches, thresholds::SWITCHES_PER_S)
        && !over(per_cpu, thresholds::LOAD_PER_CPU.in_run)
    {
        return None;
    }
    let seen = [
        others.map(|share| format!("other processes used {} of the machine's CPU time", percent(share))),
        steal.map(|share| format!("the hypervisor kept back {}", percent(share))),
        switches.map(|rate| format!("each thread was interrupted {rate:.0} times a second")),
        load.map(|load| {
            format!("the load average was {load:.1} on {} CPUs before the first visit", run.machine.logical_cpus)
        }),
    ];
    let seen: Vec<String> = seen.into_iter().flatten().collect();
    Some(of_run(
        WarningKind::BusyMachine,
        format!("{} (medians over visits)", seen.join(", ")),
        "ratios are protected by pairing, absolute numbers are not: repeat on an idle machine",
    ))
}

pub(super) fn swapping(run: &Run) -> Option<Warning> {
    let swapped: f64 = visits(run).filter_map(|v| v.conditions.swap_in_bytes).map(|bytes| bytes as f64 / MIB).sum();
    let waited = of_visits(run, |v| v.conditions.memory_pressure).into_iter().fold(0.0, f64::max);
    (swapped > thresholds::SWAPPED_IN_MIB || waited > thresholds::MEMORY_PRESSURE.in_run).then(|| {
        let in_visits = visits(run).filter(|v| v.conditions.swap_in_bytes.is_some_and(|bytes| bytes > 0)).count();
        let evidence = format!(
            "{swapped:.1} MiB came back from swap in {in_visits} visits, and tasks waited for memory up to {} of a visit",
            percent(waited)
        );
        of_run(
            WarningKind::Swapping,
            evidence,
            "close other programs or measure a smaller model: what is swapped runs at the speed of the disk",
        )
    })
}

pub(super) fn throttling(run: &Run) -> Option<Warning> {
    let fell = fall(run, |c| c.cpu_mhz).filter(|(fell, _)| *fell > thresholds::FREQUENCY_FALL);
    let hottest = of_visits(run, |v| v.conditions.cpu_celsius).into_iter().reduce(f64::max);
    let hot = hottest.filter(|&celsius| celsius >= thresholds::CPU_CELSIUS.in_run);
    let seen = [
        fell.map(|(fell, from)| format!("the CPU's frequency fell by {} from {from:.0} MHz", percent(fell))),
        hot.map(|celsius| format!("the CPU was up to {celsius:.0} °C hot")),
    ];
    let seen: Vec<String> = seen.into_iter().flatten().collect();
    (!seen.is_empty()).then(|| {
        of_run(
            WarningKind::Throttling,
            seen.join(" and "),
            "let the machine cool, clear its vents, use mains power and the performance governor, then repeat",
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
