//! Memory bandwidth of this machine: threads that read a buffer far larger than the caches, the best of a few passes.
//!
//! As the `STREAM` benchmark does it (1995): every pass touches all of the buffer, the first is not counted, the best of the others is the
//! figure. It only reads, as generation does, whose traffic is the weights.

use std::{
    collections::BTreeMap,
    fs, hint,
    path::Path,
    sync::{Barrier, Mutex},
    thread,
};

use super::clock::Clock;
use crate::record::MemoryBandwidth;

/// Passes over the buffer; the first brings it where it is read from, and the best of four is free of what else ran for a moment.
const PASSES: usize = 5;
/// The buffer is so many times the caches, as `STREAM` demands.
const TIMES_CACHE: u64 = 4;
/// Caches that are not known are taken to be this large.
const ASSUMED_CACHE: u64 = 32 << 20;
/// A pass over less takes a millisecond or two, against which the waking of the threads counts.
const SMALLEST: u64 = 64 << 20;
/// A pass over it takes a tenth of a second at 10 GB/s.
const LARGEST: u64 = 1 << 30;
/// What is free must be so many times the buffer, so that looking pushes nothing out.
const SPARE: u64 = 4;
/// Sums that run side by side, so that loads and not additions are what takes the time.
const LANES: usize = 32;

/// Reads with so many threads. `None` when there is not the memory for it, or no time passed.
pub(crate) fn bandwidth(clock: &dyn Clock, n_threads: u32, available_bytes: u64) -> Option<MemoryBandwidth> {
    let cache_bytes = last_level_cache(Path::new("/sys/devices/system/cpu"), n_threads);
    let wanted = (cache_bytes.unwrap_or(ASSUMED_CACHE) * TIMES_CACHE).clamp(SMALLEST, LARGEST);
    if n_threads == 0 || available_bytes / SPARE < wanted {
        return None;
    }
    let words = usize::try_from(wanted / 8 / u64::from(n_threads)).ok()?.next_multiple_of(LANES);
    let buffer_bytes = words as u64 * 8 * u64::from(n_threads);
    let best_ns = passes(clock, n_threads, words).into_iter().skip(1).min().filter(|ns| *ns > 0)?;
    Some(MemoryBandwidth {
        bytes_per_s: buffer_bytes as f64 * crate::units::NS_PER_S / best_ns as f64,
        n_threads,
        buffer_bytes,
        cache_bytes,
        passes: u32::try_from(PASSES - 1).unwrap_or(u32::MAX),
    })
}

/// How long each pass took, from the first thread's start to the last one's end.
fn passes(clock: &dyn Clock, n_threads: u32, words: usize) -> Vec<u64> {
    let barrier = Barrier::new(n_threads as usize);
    let spans = Mutex::new(vec![(u64::MAX, 0_u64); PASSES]);
    let read = |thread: u32| {
        // Written by the thread that reads it, so that it lies near its CPU.
        let buffer: Vec<u64> = (0..words as u64).map(|word| word ^ u64::from(thread)).collect();
        for pass in 0..PASSES {
            barrier.wait();
            let begin_ns = clock.now_ns();
            hint::black_box(sum(hint::black_box(&buffer)));
            let end_ns = clock.now_ns();
            let mut spans = spans.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            spans[pass] = (spans[pass].0.min(begin_ns), spans[pass].1.max(end_ns));
        }
    };
    thread::scope(|scope| {
        for thread in 0..n_threads {
            scope.spawn(move || read(thread));
        }
    });
    let spans = spans.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    spans.into_iter().map(|(begin, end)| end.saturating_sub(begin)).collect()
}

/// The sum of all words, which can't be had without reading them.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [0_u64; LANES];
    for chunk in words.chunks_exact(LANES) {
        for (sum, word) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}

/// Bytes of the last level of cache that so many threads can have: of each different one, at most one a thread.
fn last_level_cache(cpus: &Path, n_threads: u32) -> Option<u64> {
    let mut found: BTreeMap<(u32, String), u64> = BTreeMap::new();
    for cpu in fs::read_dir(cpus).ok()?.flatten() {
        for index in fs::read_dir(cpu.path().join("cache")).into_iter().flatten().flatten() {
            let read = |name: &str| fs::read_to_string(index.path().join(name)).ok();
            let one = || {
                let level = read("level")?.trim().parse().ok()?;
                let size = kibibytes(read("size")?.trim())?;
                Some(((level, read("shared_cpu_list")?.trim().to_owned()), size))
            };
            found.extend(one());
        }
    }
    let last = found.keys().map(|(level, _)| *level).max()?;
    let sizes = found.iter().filter(|((level, _), _)| *level == last).map(|(_, size)| *size);
    Some(sizes.take(n_threads as usize).sum())
}

/// `32768K` in bytes.
fn kibibytes(size: &str) -> Option<u64> {
    size.strip_suffix('K')?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;
    use crate::probe::{Monotonic, Virtual};

    #[test]
    fn every_word_is_read() {
        let words: Vec<u64> = (0..3 * LANES as u64).collect();
        assert_eq!(sum(&words), words.iter().sum::<u64>());
    }

    #[test]
    fn this_machine_reads_faster_than_a_disk_and_slower_than_a_cache() {
        let found = bandwidth(&Monotonic::start(), 1, u64::MAX).unwrap();
        assert!((1e8..1e12).contains(&found.bytes_per_s), "{found:?}");
        assert!(found.buffer_bytes >= SMALLEST && found.buffer_bytes <= LARGEST + 8 * LANES as u64);
        assert!(found.cache_bytes.is_none_or(|cache| found.buffer_bytes >= cache.min(LARGEST)));
    }

    #[test]
    fn without_room_or_time_there_is_no_figure() {
        assert_eq!(bandwidth(&Monotonic::start(), 1, SMALLEST), None);
        assert_eq!(bandwidth(&Monotonic::start(), 0, u64::MAX), None);
        assert_eq!(bandwidth(&Virtual::default(), 1, u64::MAX), None);
    }

    #[test]
    fn caches_of_several_dies_count_once_a_thread() {
        let dir = tempfile::tempdir().unwrap();
        for (cpu, level, size, shared) in [
            ("cpu0", 2, "512K", "0"),
            ("cpu0", 3, "32768K", "0-1"),
            ("cpu1", 3, "32768K", "0-1"),
            ("cpu2", 3, "32768K", "2-3"),
        ] {
            let index = dir.path().join(cpu).join("cache").join(format!("index{level}"));
            fs::create_dir_all(&index).unwrap();
            fs::write(index.join("level"), format!("{level}\n")).unwrap();
            fs::write(index.join("size"), format!("{size}\n")).unwrap();
            fs::write(index.join("shared_cpu_list"), format!("{shared}\n")).unwrap();
        }
        assert_eq!(last_level_cache(dir.path(), 1), Some(32 << 20));
        assert_eq!(last_level_cache(dir.path(), 4), Some(64 << 20));
        assert_eq!(last_level_cache(&dir.path().join("none"), 4), None);
        assert_eq!(kibibytes("1M"), None);
    }
}
