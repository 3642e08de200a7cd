//! Counters that Linux keeps of the machine and its processes, read by `procfs`; `None` where the kernel does not say, and on
//! other systems.

/// CPU time of a process, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessTicks {
    /// Of all its threads, ended ones too.
    pub own: u64,
    /// Of its children that were waited for.
    pub reaped: u64,
}

/// CPU time of the machine since it started, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    pub busy: u64,
    pub steal: u64,
    pub total: u64,
}

/// Memory of the machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MachineMemory {
    pub total: u64,
    /// What could be used without swapping.
    pub available: u64,
}

pub use source::process_ticks;
pub(crate) use source::{
    cpu_ticks, involuntary_switches, machine_memory, memory_stall_us, oom_kills, storage_read_bytes, swapped_in_bytes,
};

#[cfg(target_os = "linux")]
mod source {
    use procfs::{Current, CurrentSI, KernelStats, Meminfo, MemoryPressure, process::Process};

    use super::{CpuTicks, MachineMemory, ProcessTicks};

    fn process(pid: u32) -> Option<Process> {
        Process::new(i32::try_from(pid).ok()?).ok()
    }

    /// CPU time of a process so far.
    #[must_use]
    pub fn process_ticks(pid: u32) -> Option<ProcessTicks> {
        let stat = process(pid)?.stat().ok()?;
        let reaped = u64::try_from(stat.cutime + stat.cstime).ok()?;
        Some(ProcessTicks { own: stat.utime + stat.stime, reaped })
    }

    pub(crate) fn cpu_ticks() -> Option<CpuTicks> {
        CpuTicks::of(&KernelStats::current().ok()?.total)
    }

    impl CpuTicks {
        pub(super) fn of(time: &procfs::CpuTime) -> Option<Self> {
            // Guest time is in user and nice time already.
            let busy = time.user + time.nice + time.system + time.irq? + time.softirq?;
            let steal = time.steal?;
            Some(Self { busy, steal, total: busy + time.idle + time.iowait? + steal })
        }
    }

    /// Involuntary context switches of a process's living threads; `None` when it has ended.
    pub(crate) fn involuntary_switches(pid: u32) -> Option<u64> {
        let of_thread = |thread: procfs::ProcResult<procfs::process::Task>| {
            let status = thread.ok()?.status().ok()?;
            // A zombie's status has no memory lines, and its other threads are gone from the count.
            status.vmrss.and(status.nonvoluntary_ctxt_switches)
        };
        process(pid)?.tasks().ok()?.map(of_thread).sum()
    }

    /// Bytes this process has had from storage, not from the page cache.
    pub(crate) fn storage_read_bytes() -> Option<u64> {
        Some(Process::myself().ok()?.io().ok()?.read_bytes)
    }

    fn vmstat(counter: &str) -> Option<u64> {
        u64::try_from(*procfs::vmstat().ok()?.get(counter)?).ok()
    }

    /// Processes the kernel has killed for want of memory, since Linux 4.13.
    pub(crate) fn oom_kills() -> Option<u64> {
        vmstat("oom_kill")
    }

    pub(crate) fn swapped_in_bytes() -> Option<u64> {
        vmstat("pswpin")?.checked_mul(procfs::page_size())
    }

    /// Microseconds in which some task waited for memory.
    pub(crate) fn memory_stall_us() -> Option<u64> {
        Some(MemoryPressure::current().ok()?.some.total)
    }

    pub(crate) fn machine_memory() -> Option<MachineMemory> {
        let memory = Meminfo::current().ok()?;
        Some(MachineMemory { total: memory.mem_total, available: memory.mem_available? })
    }
}

#[cfg(not(target_os = "linux"))]
mod source {
    use super::{CpuTicks, MachineMemory, ProcessTicks};

    #[must_use]
    pub fn process_ticks(_: u32) -> Option<ProcessTicks> {
        None
    }

    pub(crate) fn cpu_ticks() -> Option<CpuTicks> {
        None
    }

    pub(crate) fn involuntary_switches(_: u32) -> Option<u64> {
        None
    }

    pub(crate) fn storage_read_bytes() -> Option<u64> {
        None
    }

    pub(crate) fn oom_kills() -> Option<u64> {
        None
    }

    pub(crate) fn swapped_in_bytes() -> Option<u64> {
        None
    }

    pub(crate) fn memory_stall_us() -> Option<u64> {
        None
    }

    pub(crate) fn machine_memory() -> Option<MachineMemory> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; the worker here is a child of the test")]
mod tests {
    use procfs::FromBufReadSI;

    use super::*;

    #[test]
    fn ticks_of_the_machine() {
        const STAT: &str = "cpu  205011 2566 27597 78524 1110 3 662 4407 900 0\n\
            cpu0 99996 1267 12996 43350 182 0 33 2111 0 0\nctxt 1\nbtime 1\nprocesses 1\n";
        let ticks = |text: &str| {
            let stats = procfs::KernelStats::from_buf_read(text.as_bytes(), procfs::current_system_info());
            CpuTicks::of(&stats.ok()?.total)
        };
        let busy = 205_011 + 2566 + 27_597 + 3 + 662;
        assert_eq!(ticks(STAT), Some(CpuTicks { busy, steal: 4407, total: busy + 78_524 + 1110 + 4407 }));
        assert_eq!(ticks("cpu  1 2 3 4\nctxt 1\nbtime 1\nprocesses 1\n"), None);
        assert_eq!(ticks("intr 7\n"), None);
    }

    #[test]
    fn this_machine_keeps_its_counters() {
        let cpu = cpu_ticks().unwrap();
        assert!(cpu.busy > 0 && cpu.busy + cpu.steal <= cpu.total);
        let memory = machine_memory().unwrap();
        assert!(memory.total > 1 << 28 && (1..=memory.total).contains(&memory.available));
        assert!(oom_kills().is_some() && swapped_in_bytes().is_some() && storage_read_bytes().is_some());
    }

    #[test]
    fn a_process_has_ticks_and_switches_until_it_ends() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        assert!(process_ticks(pid).is_some() && involuntary_switches(pid).is_some());
        child.kill().unwrap();
        // A zombie until it is waited for: its time can be told, its switches not.
        while involuntary_switches(pid).is_some() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(process_ticks(pid).is_some());
        child.wait().unwrap();
        assert_eq!(process_ticks(u32::MAX), None);
        assert_eq!(involuntary_switches(u32::MAX), None);
        while process_ticks(std::process::id()).unwrap().own == 0 {
            std::hint::spin_loop();
        }
    }
}
