//! How many threads llama.cpp gets unless told: one a physical core, as llama-bench counts them, within what this process may use.
//!
//! llama-bench counts the cores of the whole machine. It does not ask to which CPUs a process is bound (taskset, cpuset), nor for a
//! quota of CPU time (a container's): its threads then share CPUs, and wait for each other by spinning.

use std::{fs, path::Path};

use super::cpus;
use crate::record::ThreadsReason;

/// A number of threads, and what says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DefaultThreads {
    pub(crate) n_threads: u32,
    pub(crate) reason: ThreadsReason,
}

/// The machine's. Of the performance cores of a hybrid CPU Linux tells itself; elsewhere they are given, where known.
pub(crate) fn default_threads(performance_cores: Option<u32>) -> DefaultThreads {
    let (bound, allowed) = (cpus::bound_to(), cpus::allowed());
    let counted = in_tree(Path::new("/sys/devices"), &bound).or_else(|| {
        let of = |n_threads, reason| DefaultThreads { n_threads, reason };
        let fast = performance_cores.map(|cores| of(cores, ThreadsReason::PerformanceCores));
        fast.or_else(|| cpus::physical_cores().map(|cores| of(cores, ThreadsReason::PhysicalCores)))
    });
    within(counted, if bound.is_empty() { cpus::logical() } else { cpus::count(bound.len()) }, allowed)
}

/// What is allowed caps what was counted: `bound` CPUs by affinity, and `allowed` of them by a quota too.
fn within(counted: Option<DefaultThreads>, bound: u32, allowed: u32) -> DefaultThreads {
    let Some(counted) = counted.filter(|counted| counted.n_threads > 0) else {
        return DefaultThreads { n_threads: allowed.max(1), reason: ThreadsReason::AllowedCpus };
    };
    let reason = match counted.n_threads {
        n_threads if n_threads <= allowed => return counted,
        _ if allowed < bound => ThreadsReason::Quota,
        _ => ThreadsReason::Affinity,
    };
    DefaultThreads { n_threads: allowed.max(1), reason }
}

/// From Linux' description of its CPUs: the cores, or on a hybrid CPU the performance cores, of the CPUs this process is bound to. Where
/// it is bound to efficiency cores alone, those.
fn in_tree(sys_devices: &Path, bound: &[u32]) -> Option<DefaultThreads> {
    let list = |name: &str| cpus::parse_list(&fs::read_to_string(sys_devices.join(name)).ok()?);
    let online = list("system/cpu/online")?;
    // Intel's hybrid CPUs have a folder for each kind of core. Of ARM's kinds llama-bench counts all.
    let performance = list("cpu_core/cpus").filter(|_| list("cpu_atom/cpus").is_some());
    let fast: Vec<u32> =
        online.iter().copied().filter(|cpu| performance.as_ref().is_none_or(|p| p.contains(cpu))).collect();
    let ours = |cpus: &[u32]| cpus.iter().copied().filter(|cpu| bound.is_empty() || bound.contains(cpu)).collect();
    let mut used: Vec<u32> = ours(&fast);
    let is_bound_elsewhere = used.is_empty();
    if is_bound_elsewhere {
        used = ours(&online);
    }
    let cores = |cpus: &[u32]| cpus::cores_of(&sys_devices.join("system/cpu"), cpus);
    let n_threads = cores(&used)?;
    let reason = if is_bound_elsewhere || n_threads < cores(&fast)? {
        ThreadsReason::Affinity
    } else if performance.is_some() {
        ThreadsReason::PerformanceCores
    } else {
        ThreadsReason::PhysicalCores
    };
    Some(DefaultThreads { n_threads, reason })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    /// A tree like that of /sys/devices: the threads of each core, and which CPUs are performance and efficiency cores.
    fn tree(cores: &[&[u32]], kinds: Option<(&str, &str)>) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let write = |name: String, text: String| {
            let path = sys.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let list = |cpus: &[u32]| cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        write("system/cpu/online".into(), list(&cores.concat()));
        for core in cores {
            for cpu in *core {
                write(format!("system/cpu/cpu{cpu}/topology/thread_siblings_list"), format!("{}\n", list(core)));
            }
        }
        if let Some((performance, efficiency)) = kinds {
            write("cpu_core/cpus".into(), format!("{performance}\n"));
            write("cpu_atom/cpus".into(), format!("{efficiency}\n"));
        }
        sys
    }

    fn of(n_threads: u32, reason: ThreadsReason) -> DefaultThreads {
        DefaultThreads { n_threads, reason }
    }

    fn counted(sys: &tempfile::TempDir, bound: &[u32]) -> DefaultThreads {
        in_tree(sys.path(), bound).unwrap()
    }

    #[test]
    fn two_threads_of_a_core_are_one() {
        let sys = tree(&[&[0, 4], &[1, 5], &[2, 6], &[3, 7]], None);
        assert_eq!(counted(&sys, &[0, 1, 2, 3, 4, 5, 6, 7]), of(4, ThreadsReason::PhysicalCores));
        assert_eq!(counted(&sys, &[]), of(4, ThreadsReason::PhysicalCores));
        // One thread of each core is enough for all cores.
        assert_eq!(counted(&sys, &[0, 1, 2, 3]), of(4, ThreadsReason::PhysicalCores));
    }

    #[test]
    fn a_process_bound_to_some_cpus_gets_their_cores() {
        let sys = tree(&[&[0, 4], &[1, 5], &[2, 6], &[3, 7]], None);
        assert_eq!(counted(&sys, &[0, 4]), of(1, ThreadsReason::Affinity));
        assert_eq!(counted(&sys, &[2, 3, 7]), of(2, ThreadsReason::Affinity));
    }

    #[test]
    fn a_hybrid_cpu_gives_its_performance_cores() {
        let sys = tree(&[&[0, 1], &[2, 3], &[4], &[5], &[6], &[7]], Some(("0-3", "4-7")));
        assert_eq!(counted(&sys, &[0, 1, 2, 3, 4, 5, 6, 7]), of(2, ThreadsReason::PerformanceCores));
        assert_eq!(counted(&sys, &[0, 4, 5, 6, 7]), of(1, ThreadsReason::Affinity));
        assert_eq!(counted(&sys, &[5, 6, 7]), of(3, ThreadsReason::Affinity));
        // Performance cores need not have two threads, nor be numbered first.
        let newer = tree(&[&[0], &[1], &[2], &[3]], Some(("1,3", "0,2")));
        assert_eq!(counted(&newer, &[0, 1, 2, 3]), of(2, ThreadsReason::PerformanceCores));
    }

    #[test]
    fn a_quota_leaves_fewer() {
        let eight = Some(of(8, ThreadsReason::PhysicalCores));
        assert_eq!(within(eight, 16, 16), of(8, ThreadsReason::PhysicalCores));
        assert_eq!(within(eight, 16, 8), of(8, ThreadsReason::PhysicalCores));
        assert_eq!(within(eight, 16, 3), of(3, ThreadsReason::Quota));
        assert_eq!(within(Some(of(2, ThreadsReason::Affinity)), 4, 1), of(1, ThreadsReason::Quota));
    }

    #[test]
    fn without_a_tree_what_is_allowed_caps_the_cores() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(in_tree(sys.path(), &[0, 1]), None);
        let half = tree(&[&[0], &[1]], None);
        fs::remove_dir_all(half.path().join("system/cpu/cpu1")).unwrap();
        assert_eq!(in_tree(half.path(), &[0, 1]), None);
        // Bound to two of eight cores by a system that says no more.
        assert_eq!(within(Some(of(8, ThreadsReason::PhysicalCores)), 2, 2), of(2, ThreadsReason::Affinity));
        assert_eq!(within(None, 6, 6), of(6, ThreadsReason::AllowedCpus));
        assert_eq!(within(None, 6, 0), of(1, ThreadsReason::AllowedCpus));
    }

    #[test]
    fn this_machine_has_some() {
        let threads = default_threads(None);
        assert!(threads.n_threads >= 1 && threads.n_threads <= cpus::allowed());
        assert_ne!(threads.reason, ThreadsReason::Asked);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_bound_to_one_cpu_gets_one_thread() {
        use rustix::thread::{CpuSet, sched_setaffinity};
        let here = *cpus::bound_to().first().unwrap();
        // The binding is of this thread alone and ends with it.
        let seen = std::thread::spawn(move || {
            let mut one = CpuSet::new();
            one.set(here as usize);
            sched_setaffinity(None, &one).unwrap();
            default_threads(None)
        });
        assert_eq!(seen.join().unwrap().n_threads, 1);
    }
}
