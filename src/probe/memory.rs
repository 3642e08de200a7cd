//! Resident memory of a process: from the kernel on Linux, sampled through sysinfo elsewhere.

use std::io;

use crate::record::MemoryReading;

/// A process whose memory can be read again and again, cheaply.
#[derive(Debug)]
pub(crate) struct ProcessMemory {
    source: source::Source,
}

/// One reading of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessReading {
    pub memory: MemoryReading,
    /// Peak of resident memory so far by the kernel's account; `None` where only samples are to be had.
    pub peak_bytes: Option<u64>,
}

impl ProcessMemory {
    /// Opens a process. On Linux the handle stays with this process even when its number is given to another.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        source::Source::open(pid).map(|source| Self { source })
    }

    /// Reads everything; `None` when the process has ended.
    pub(crate) fn read(&mut self) -> Option<ProcessReading> {
        self.source.read()
    }

    /// Reads what a series needs, at a tenth of the kernel's work on Linux: the file-backed part counts shared memory in, and
    /// there is no peak. `None` when the process has ended.
    pub(crate) fn sample(&mut self) -> Option<MemoryReading> {
        self.source.sample()
    }
}

pub(crate) fn own_memory() -> Option<ProcessReading> {
    ProcessMemory::open(std::process::id()).ok()?.read()
}

/// Peak of this process's resident memory by the kernel's account, in bytes; `None` where it keeps none.
///
/// Linux notes it from counters kept per CPU, so it may lie some hundred KiB below a reading taken at the peak itself: of
/// several accounts of one process the greatest is the peak.
pub(crate) fn own_peak() -> Option<u64> {
    own_memory()?.peak_bytes
}

/// What /proc/PID/status says of memory, in bytes; `None` for lines the kernel did not write.
///
/// Parsed here and not by `procfs`: the sampler reads it from a file it holds open, and needs five of its sixty lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// `VmRSS`.
    pub rss_bytes: Option<u64>,
    /// `RssAnon`.
    pub anon_bytes: Option<u64>,
    /// `RssFile`.
    pub file_bytes: Option<u64>,
    /// `VmHWM`: the peak of resident memory since the process began.
    pub peak_bytes: Option<u64>,
}

impl Status {
    /// Reads the text of /proc/PID/status. A zombie's has no memory lines.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let field = match key {
                "VmRSS" => &mut status.rss_bytes,
                "RssAnon" => &mut status.anon_bytes,
                "RssFile" => &mut status.file_bytes,
                "VmHWM" => &mut status.peak_bytes,
                _ => continue,
            };
            // The kernel's kB are KiB.
            let kib = value.trim().strip_suffix("kB").and_then(|kib| kib.trim().parse::<u64>().ok());
            *field = kib.and_then(|kib| kib.checked_mul(1024));
        }
        status
    }

    #[cfg(any(test, target_os = "linux"))]
    fn memory(&self) -> Option<MemoryReading> {
        let (anon_bytes, file_bytes) = (self.anon_bytes, self.file_bytes);
        self.rss_bytes.map(|rss_bytes| MemoryReading { rss_bytes, anon_bytes, file_bytes })
    }
}

/// Resident memory from the text of /proc/PID/statm, in pages; `None` of a zombie. The shared part is file-backed or shared
/// memory, the rest anonymous.
#[cfg(any(test, target_os = "linux"))]
fn statm(text: &str, page_bytes: u64) -> Option<MemoryReading> {
    let mut pages = text.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().ok()?.checked_mul(page_bytes));
    let (rss_bytes, file_bytes) = (pages.next()??, pages.next()??);
    let anon_bytes = rss_bytes.checked_sub(file_bytes);
    (rss_bytes > 0).then_some(MemoryReading { rss_bytes, anon_bytes, file_bytes: Some(file_bytes) })
}

#[cfg(target_os = "linux")]
mod source {
    use std::{fs::File, io, os::unix::fs::FileExt};

    use super::{ProcessReading, Status, statm};
    use crate::record::MemoryReading;

    #[derive(Debug)]
    pub(super) struct Source {
        status: File,
        statm: File,
        page_bytes: u64,
        buffer: Box<[u8]>,
    }

    impl Source {
        pub(super) fn open(pid: u32) -> io::Result<Self> {
            let open = |name: &str| File::open(format!("/proc/{pid}/{name}"));
            let page_bytes = rustix::param::page_size() as u64;
            Ok(Self { status: open("status")?, statm: open("statm")?, page_bytes, buffer: vec![0; 4096].into() })
        }

        // Reading at 0 of the open file makes the kernel write the text anew: no lookup of the path each time.
        pub(super) fn read(&mut self) -> Option<ProcessReading> {
            let length = self.status.read_at(&mut self.buffer, 0).ok()?;
            let status = Status::parse(&String::from_utf8_lossy(&self.buffer[..length]));
            Some(ProcessReading { memory: status.memory()?, peak_bytes: status.peak_bytes })
        }

        pub(super) fn sample(&mut self) -> Option<MemoryReading> {
            let length = self.statm.read_at(&mut self.buffer, 0).ok()?;
            statm(std::str::from_utf8(&self.buffer[..length]).ok()?, self.page_bytes)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod source {
    use std::io;

    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

    use super::ProcessReading;
    use crate::record::MemoryReading;

    #[derive(Debug)]
    pub(super) struct Source {
        system: System,
        pid: Pid,
    }

    impl Source {
        pub(super) fn open(pid: u32) -> io::Result<Self> {
            let system = System::new().map_err(|error| io::Error::other(error.to_string()))?;
            let mut source = Self { system, pid: Pid::from_u32(pid) };
            source.read().map(|_| source).ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        pub(super) fn read(&mut self) -> Option<ProcessReading> {
            let kind = ProcessRefreshKind::nothing().with_memory();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, kind);
            let rss_bytes = self.system.process(self.pid)?.memory();
            let memory = MemoryReading { rss_bytes, anon_bytes: None, file_bytes: None };
            Some(ProcessReading { memory, peak_bytes: None })
        }

        pub(super) fn sample(&mut self) -> Option<MemoryReading> {
            self.read().map(|reading| reading.memory)
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tgguf-bench\nState:\tR (running)\nPid:\t23703\nVmPeak:\t    3060 kB\nVmHWM:\t    1708 kB\n\
        VmRSS:\t    1608 kB\nRssAnon:\t     116 kB\nRssFile:\t    1492 kB\nRssShmem:\t       0 kB\nVmData:\t     360 kB\n\
        Cpus_allowed_list:\t0-1\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";

    #[test]
    fn status_of_a_running_process() {
        let status = Status::parse(STATUS);
        assert_eq!(status.peak_bytes, Some(1708 * 1024));
        let expected =
            MemoryReading { rss_bytes: 1608 * 1024, anon_bytes: Some(116 * 1024), file_bytes: Some(1492 * 1024) };
        assert_eq!(status.memory(), Some(expected));
    }

    #[test]
    fn a_zombie_has_no_memory_and_an_old_kernel_no_parts() {
        let zombie = "Name:\tx\nState:\tZ (zombie)\nThreads:\t1\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(Status::parse(zombie).memory(), None);
        let old = Status::parse("VmHWM:\t 20 kB\nVmRSS:\t 10 kB\n");
        assert_eq!(old.memory(), Some(MemoryReading { rss_bytes: 10_240, anon_bytes: None, file_bytes: None }));
        assert_eq!(Status::parse("VmRSS:\t lots kB\nVmHWM: 99999999999999999999 kB"), Status::default());
    }

    #[test]
    fn statm_counts_pages() {
        let reading =
            MemoryReading { rss_bytes: 402 * 4096, anon_bytes: Some(29 * 4096), file_bytes: Some(373 * 4096) };
        assert_eq!(statm("765 402 373 5 0 90 0\n", 4096), Some(reading));
        for none in ["0 0 0 0 0 0 0\n", "765 402", "", "1 x 3", "1 18446744073709551615 1"] {
            assert_eq!(statm(none, 4096), None, "{none:?}");
        }
    }

    #[test]
    fn this_process_has_a_peak_not_below_what_it_holds() {
        let reading = own_memory().unwrap();
        assert!(reading.memory.rss_bytes > 1 << 20);
        assert!(reading.peak_bytes.unwrap() >= reading.memory.rss_bytes);
        let (anon, file) = (reading.memory.anon_bytes.unwrap(), reading.memory.file_bytes.unwrap());
        assert!(anon > 0 && file > 0 && anon + file <= reading.memory.rss_bytes);
    }

    #[test]
    fn an_allocation_is_seen_as_anonymous_and_stays_in_the_peak() {
        // Other tests share this process and come and go, so only what this block alone makes sure of is asked. The kernel
        // notes the peak from counters kept per CPU, which lag by some hundred KiB.
        const SIZE: usize = 64 << 20;
        const LEAST: u64 = 60 << 20;
        let block = std::hint::black_box(vec![1_u8; SIZE]);
        let during = own_memory().unwrap();
        drop(block);
        assert!(during.memory.anon_bytes.unwrap() >= LEAST);
        assert!(own_peak().unwrap() >= LEAST);
    }

    #[test]
    fn the_two_accounts_agree() {
        let mut own = ProcessMemory::open(std::process::id()).unwrap();
        // Other tests may take or free memory between the two.
        let agree = (0..100).any(|_| {
            let (sample, whole) = (own.sample().unwrap(), own.read().unwrap().memory);
            assert_eq!(sample.anon_bytes.unwrap() + sample.file_bytes.unwrap(), sample.rss_bytes);
            let near = |a: Option<u64>, b: Option<u64>| a.unwrap().abs_diff(b.unwrap()) < 1 << 20;
            near(Some(sample.rss_bytes), Some(whole.rss_bytes)) && near(sample.anon_bytes, whole.anon_bytes)
        });
        assert!(agree);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert_eq!(ProcessMemory::open(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
