//! Where a process's threads run, and with which right of way: what holds for all of it, set before it loads a model.

use super::{Error, ffi};
use crate::settings::{CpuMask, Numa, Settings};

/// Sets what the settings ask of the process. Threads made later inherit it.
pub(super) fn apply(settings: &Settings) -> Result<(), Error> {
    let Settings { cpu_mask, priority, numa, .. } = settings;
    bind(cpu_mask)?;
    prioritize(*priority)?;
    match numa {
        Numa::Off => {}
        Numa::Distribute => ffi::spread_over_nodes(llama_cpp_sys_2::GGML_NUMA_STRATEGY_DISTRIBUTE),
        Numa::Isolate => ffi::spread_over_nodes(llama_cpp_sys_2::GGML_NUMA_STRATEGY_ISOLATE),
        Numa::Numactl => ffi::spread_over_nodes(llama_cpp_sys_2::GGML_NUMA_STRATEGY_NUMACTL),
    }
    Ok(())
}

/// Binds this thread, and those it will make, to the mask's CPUs.
#[cfg(target_os = "linux")]
fn bind(mask: &CpuMask) -> Result<(), Error> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let cpus = mask.cpus();
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu));
    sched_setaffinity(None, &set).map_err(|error| Error::Placement {
        what: format!("run on the CPUs of {mask} (--cpu-mask)"),
        why: error.to_string(),
    })
}

#[cfg(not(target_os = "linux"))]
fn bind(mask: &CpuMask) -> Result<(), Error> {
    if mask.cpus().is_empty() {
        return Ok(());
    }
    let why = "this system binds no process to CPUs".into();
    Err(Error::Placement { what: format!("run on the CPUs of {mask} (--cpu-mask)"), why })
}

/// How nice to others a priority is, as llama-bench has it.
#[cfg(unix)]
fn niceness(priority: i32) -> i32 {
    match priority {
        ..=-1 => 5,
        0 => 0,
        1 => -5,
        2 => -10,
        3.. => -20,
    }
}

#[cfg(unix)]
fn prioritize(priority: i32) -> Result<(), Error> {
    if priority == 0 {
        return Ok(());
    }
    rustix::process::setpriority_process(None, niceness(priority)).map_err(|error| Error::Placement {
        what: format!("run with priority {priority} (--prio)"),
        why: format!("{error}; more than 0 is for administrators"),
    })
}

#[cfg(not(unix))]
fn prioritize(priority: i32) -> Result<(), Error> {
    if priority == 0 {
        return Ok(());
    }
    let why = "this program sets no priority on this system".into();
    Err(Error::Placement { what: format!("run with priority {priority} (--prio)"), why })
}

#[cfg(all(test, unix))]
mod tests {
    use super::niceness;

    #[test]
    fn priorities_are_llama_benchs() {
        assert_eq!([-1, 0, 1, 2, 3].map(niceness), [5, 0, -5, -10, -20]);
    }
}
