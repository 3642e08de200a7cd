//! Whether a load was cold or warm, by what the process had to fetch from storage.

use crate::record::CacheState;

/// What a load may read of the program itself: its own pages come from storage too, and say nothing of the model's.
const PROGRAM_BYTES: u64 = 1 << 20;

/// State of the page cache by what a load of `file_bytes` had to read from storage: under 1 %, or under 1 MiB, is warm.
pub(crate) fn cache_state(storage_read_bytes: Option<u64>, file_bytes: u64) -> CacheState {
    match storage_read_bytes {
        Some(read) if file_bytes > 0 && read < PROGRAM_BYTES.max(file_bytes / 100) => CacheState::Warm,
        Some(_) if file_bytes > 0 => CacheState::Cold,
        _ => CacheState::Unknown,
    }
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
}
