//! What the kernel says of one process: parsers of /proc/PID/status, statm, stat and io.

use crate::record::MemoryReading;

/// The lines of /proc/PID/status that matter here; `None` for those the kernel did not write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// `VmRSS`, bytes.
    pub rss_bytes: Option<u64>,
    /// `RssAnon`, bytes.
    pub anon_bytes: Option<u64>,
    /// `RssFile`, bytes.
    pub file_bytes: Option<u64>,
    /// `VmHWM`: the peak of resident memory since the process began, bytes.
    pub peak_bytes: Option<u64>,
    /// Involuntary context switches, of this one thread.
    pub involuntary_switches: Option<u64>,
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
                "nonvoluntary_ctxt_switches" => &mut status.involuntary_switches,
                _ => continue,
            };
            *field = quantity(value);
        }
        status
    }

    /// The resident memory, when the kernel gave it.
    #[must_use]
    pub fn memory(&self) -> Option<MemoryReading> {
        let (anon_bytes, file_bytes) = (self.anon_bytes, self.file_bytes);
        self.rss_bytes.map(|rss_bytes| MemoryReading { rss_bytes, anon_bytes, file_bytes })
    }
}

/// Resident memory from the text of /proc/PID/statm, in pages; `None` of a zombie. The shared part is file-backed or shared
/// memory, the rest anonymous.
#[must_use]
pub(crate) fn statm(text: &str, page_bytes: u64) -> Option<MemoryReading> {
    let mut pages = text.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().ok()?.checked_mul(page_bytes));
    let (rss_bytes, file_bytes) = (pages.next()??, pages.next()??);
    let anon_bytes = rss_bytes.checked_sub(file_bytes);
    (rss_bytes > 0).then_some(MemoryReading { rss_bytes, anon_bytes, file_bytes: Some(file_bytes) })
}

/// A count, or a size in kB as bytes (the kernel's kB are KiB). Shared with /proc/meminfo.
pub(super) fn quantity(value: &str) -> Option<u64> {
    let value = value.trim();
    match value.strip_suffix("kB") {
        Some(kib) => kib.trim().parse::<u64>().ok()?.checked_mul(1024),
        None => value.parse().ok(),
    }
}

/// The fields of /proc/PID/stat that matter here. Ticks are the kernel's, as in /proc/stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// State letter; `Z` is a zombie.
    pub state: char,
    /// CPU time of the process, all threads, ended ones too.
    pub own_ticks: u64,
    /// CPU time of its children that were waited for.
    pub reaped_ticks: u64,
}

impl Stat {
    /// Reads the text of /proc/PID/stat; `None` when it is cut short.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The name stands in parentheses and may hold spaces and parentheses itself.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // Field n of proc(5) is here at n - 3.
        let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            own_ticks: number(14)? + number(15)?,
            reaped_ticks: number(16)? + number(17)?,
        })
    }
}

/// Bytes that came from storage, from the text of /proc/PID/io.
#[must_use]
pub(crate) fn read_bytes(io: &str) -> Option<u64> {
    io.lines().find_map(|line| quantity(line.strip_prefix("read_bytes:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tgguf-bench\nState:\tR (running)\nPid:\t23703\nVmPeak:\t    3060 kB\nVmHWM:\t    1708 kB\n\
        VmRSS:\t    1608 kB\nRssAnon:\t     116 kB\nRssFile:\t    1492 kB\nRssShmem:\t       0 kB\nVmData:\t     360 kB\n\
        Cpus_allowed_list:\t0-1\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";

    #[test]
    fn status_of_a_running_process() {
        let status = Status::parse(STATUS);
        assert_eq!(status.peak_bytes, Some(1708 * 1024));
        assert_eq!(status.involuntary_switches, Some(3));
        let expected =
            MemoryReading { rss_bytes: 1608 * 1024, anon_bytes: Some(116 * 1024), file_bytes: Some(1492 * 1024) };
        assert_eq!(status.memory(), Some(expected));
    }

    #[test]
    fn a_zombie_has_no_memory_and_an_old_kernel_no_parts() {
        let zombie = "Name:\tx\nState:\tZ (zombie)\nThreads:\t1\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(Status::parse(zombie).memory(), None);
        assert_eq!(Status::parse(zombie).involuntary_switches, Some(4));
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
    fn stat_with_a_nasty_name() {
        let text = "77 (a) R (b) S 1 77 77 0 -1 4194304 98 5 7 0 11 2 30 4 20 0 1 0 180219 3133440 381";
        let stat = Stat { state: 'S', own_ticks: 13, reaped_ticks: 34 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("77 (a) R 1 2 3"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn io_counts_storage_not_calls() {
        assert_eq!(read_bytes("rchar: 6976\nread_bytes: 4096\nwrite_bytes: 1\ncancelled_write_bytes: 0\n"), Some(4096));
        assert_eq!(read_bytes("rchar: 6976\n"), None);
    }
}
