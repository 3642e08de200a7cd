//! Room for what is to be written: how much is free where a file would lie, and whether that is memory rather than a disk.

use std::path::Path;

/// What is free where a file would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free_bytes: u64,
    /// A file system of the kernel's memory: a file there takes what the models need.
    pub(crate) in_memory: bool,
}

/// Room below a folder that is, or will be, there; `None` where the system does not say.
#[cfg(unix)]
pub(crate) fn room(folder: &Path) -> Option<Room> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let (at, found) = folder.ancestors().find_map(|at| Some((at, rustix::fs::statvfs(at).ok()?)))?;
    Some(Room { free_bytes: found.f_bavail.checked_mul(found.f_frsize)?, in_memory: is_memory(at) })
}

#[cfg(not(unix))]
pub(crate) fn room(_: &Path) -> Option<Room> {
    None
}

/// By its number in linux/magic.h.
#[cfg(target_os = "linux")]
fn is_memory(folder: &Path) -> bool {
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    rustix::fs::statfs(folder).is_ok_and(|found| found.f_type == TMPFS)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_memory(_: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let there = room(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("Linux says");
        assert!(there.free_bytes > 0);
        let below = room(&Path::new(env!("CARGO_MANIFEST_DIR")).join("none/of/these")).expect("Linux says");
        assert_eq!(there.in_memory, below.in_memory);
        assert!(room(Path::new("none/of/these")).is_some(), "a relative path is below the current folder");
    }

    #[test]
    fn what_the_kernel_mounts_in_memory_is_memory() {
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("Linux lists its mounts");
        for line in mounts.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, place, kind, ..] = words[..] else { continue };
            if let Some(found) = room(Path::new(place)).filter(|_| ["tmpfs", "ext4", "proc"].contains(&kind)) {
                // What was mounted over later is another's.
                let covered = mounts.lines().filter(|other| other.split(' ').nth(1) == Some(place)).count() > 1;
                assert!(covered || found.in_memory == (kind == "tmpfs"), "{line}");
            }
        }
    }
}
