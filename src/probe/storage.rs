//! What a process had to fetch from storage: whether a load was cold or warm, and dropping a file from the page cache.

use std::{io, path::Path};

use super::process;
use crate::record::CacheState;

/// Counters of this process at one moment; `None` where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StorageRead {
    /// Bytes that came from storage, not from the page cache.
    pub bytes: Option<u64>,
    /// Page faults that had to wait for storage.
    pub major_faults: Option<u64>,
}

impl StorageRead {
    /// The counters of this process now: read before and after a load.
    #[must_use]
    pub(crate) fn now() -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        Self {
            bytes: read("io").and_then(|text| process::read_bytes(&text)),
            major_faults: read("stat").and_then(|text| process::Stat::parse(&text)).map(|stat| stat.major_faults),
        }
    }

    /// What was added since `earlier`.
    #[must_use]
    pub(crate) fn since(self, earlier: Self) -> Self {
        let added = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        Self { bytes: added(self.bytes, earlier.bytes), major_faults: added(self.major_faults, earlier.major_faults) }
    }
}

/// What a load may read of the program itself: its own pages come from storage too, and say nothing of the model's.
const PROGRAM_BYTES: u64 = 1 << 20;

/// State of the page cache by what a load of `file_bytes` had to read from storage: under 1 %, or under 1 MiB, is warm.
#[must_use]
pub(crate) fn cache_state(storage_read_bytes: Option<u64>, file_bytes: u64) -> CacheState {
    match storage_read_bytes {
        Some(read) if file_bytes > 0 && read < PROGRAM_BYTES.max(file_bytes / 100) => CacheState::Warm,
        Some(_) if file_bytes > 0 => CacheState::Cold,
        _ => CacheState::Unknown,
    }
}

/// Asks the kernel to drop a file from the page cache, so that the next load is cold. Pages that a process has mapped stay.
///
/// # Errors
/// When the file can't be opened, or the system has no such call.
#[cfg(target_os = "linux")]
pub(crate) fn evict(path: &Path) -> io::Result<()> {
    let file = std::fs::File::open(path)?;
    // Pages not yet written cannot be dropped: a file just quantized would stay.
    file.sync_data()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

/// Asks the kernel to drop a file from the page cache, so that the next load is cold.
///
/// # Errors
/// Always: this system has no such call.
#[cfg(not(target_os = "linux"))]
pub fn evict(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_per_cent_divides_warm_from_cold() {
        let gb = 1_000_000_000;
        assert_eq!(cache_state(Some(0), gb), CacheState::Warm);
        assert_eq!(cache_state(Some(gb / 100 - 1), gb), CacheState::Warm);
        assert_eq!(cache_state(Some(gb / 100), gb), CacheState::Cold);
        assert_eq!(cache_state(Some(400_000), 8_000_000), CacheState::Warm, "the program's own pages");
        assert_eq!(cache_state(Some(2_000_000), 8_000_000), CacheState::Cold);
        assert_eq!(cache_state(Some(u64::MAX), u64::MAX), CacheState::Cold);
        assert_eq!(cache_state(None, 1000), CacheState::Unknown);
        assert_eq!(cache_state(Some(0), 0), CacheState::Unknown);
    }

    #[test]
    fn differences_need_both_ends() {
        let then = StorageRead { bytes: Some(10), major_faults: None };
        let now = StorageRead { bytes: Some(25), major_faults: Some(3) };
        assert_eq!(now.since(then), StorageRead { bytes: Some(15), major_faults: None });
        assert_eq!(then.since(now).bytes, None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[expect(clippy::unwrap_used, reason = "tests")]
    fn an_evicted_file_is_read_from_storage_again() {
        use std::io::Write;
        const SIZE: usize = 8 << 20;
        const EXT4: rustix::fs::FsWord = 0xef53;
        const XFS: rustix::fs::FsWord = 0x5846_5342;
        const BTRFS: rustix::fs::FsWord = 0x9123_683e;
        // Beside this program, for /tmp may be memory itself; and only where the page cache is the kernel's plain one.
        let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        if ![EXT4, XFS, BTRFS].contains(&rustix::fs::statfs(&folder).unwrap().f_type) {
            return;
        }
        let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
        file.write_all(&vec![7; SIZE]).unwrap();
        let load = || {
            let before = StorageRead::now();
            assert_eq!(std::fs::read(file.path()).unwrap().len(), SIZE);
            cache_state(StorageRead::now().since(before).bytes, SIZE as u64)
        };
        // Other tests of this process may read from storage meanwhile, which counts as ours: warm is seen sooner or later.
        let warm = || (0..50).any(|_| load() == CacheState::Warm);
        assert!(warm());
        evict(file.path()).unwrap();
        assert_eq!(load(), CacheState::Cold);
        assert!(warm());
        assert!(evict(Path::new("/nowhere/at/all")).is_err());
    }
}
