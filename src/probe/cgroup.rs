//! The memory a control group leaves to this process: limits of cgroup v1 and v2, the group's ancestors included, and its kills.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the tightest of the groups this process is in allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// The limit, bytes.
    pub limit_bytes: u64,
    /// What can still be taken under it, page cache given back, bytes.
    pub headroom_bytes: u64,
}

/// The tightest limit on this process's memory; `None` when no group sets one.
pub(crate) fn memory_limit() -> Option<MemoryLimit> {
    let limits = own_chains().into_iter().flat_map(|chain| {
        let files = chain.files;
        chain.folders.into_iter().filter_map(move |folder| files.read(&folder))
    });
    tightest(limits)
}

/// How often the kernel killed for want of memory, counters that only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GroupKills {
    /// Processes of the group this process is in.
    pub(super) killed: u64,
    /// How often the group or one of its ancestors reached its limit.
    pub(super) limit_hits: u64,
}

/// Kills in the group this process is in; `None` where no memory controller counts them.
pub(super) fn kills() -> Option<GroupKills> {
    own_chains().iter().find_map(|Chain { files, folders }| {
        let killed = files.killed(folders.first()?)?;
        let limit_hits = folders.iter().filter_map(|folder| files.limit_hits(folder)).sum();
        Some(GroupKills { killed, limit_hits })
    })
}

fn own_chains() -> Vec<Chain> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}"));
    read("mountinfo").and_then(|mounts| Ok(chains(&mounts, &read("cgroup")?))).unwrap_or_default()
}

fn tightest(limits: impl Iterator<Item = MemoryLimit>) -> Option<MemoryLimit> {
    limits.reduce(|a, b| MemoryLimit {
        limit_bytes: a.limit_bytes.min(b.limit_bytes),
        headroom_bytes: a.headroom_bytes.min(b.headroom_bytes),
    })
}

/// Which files hold the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    V1,
    V2,
}

impl Files {
    fn read(self, folder: &Path) -> Option<MemoryLimit> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let (limit, usage, active, inactive) = match self {
            Self::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file", "total_inactive_file"),
            Self::V2 => ("memory.max", "memory.current", "active_file", "inactive_file"),
        };
        // "max" of v2 is no number; v1 writes "none" as the largest multiple of a page.
        let limit_bytes = read(limit)?.trim().parse().ok().filter(|&bytes: &u64| bytes < 1 << 62)?;
        let used: u64 = read(usage)?.trim().parse().ok()?;
        let stat = read("memory.stat").unwrap_or_default();
        let cache = field(&stat, active).unwrap_or(0).saturating_add(field(&stat, inactive).unwrap_or(0));
        Some(MemoryLimit { limit_bytes, headroom_bytes: limit_bytes.saturating_sub(used.saturating_sub(cache)) })
    }

    /// Processes the kernel killed in this group.
    fn killed(self, folder: &Path) -> Option<u64> {
        let name = match self {
            Self::V1 => "memory.oom_control",
            Self::V2 => "memory.events",
        };
        field(&fs::read_to_string(folder.join(name)).ok()?, "oom_kill")
    }

    /// How often this group's usage came up to its limit; of v2, and nothing could be given back.
    fn limit_hits(self, folder: &Path) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        match self {
            Self::V1 => read("memory.failcnt")?.trim().parse().ok(),
            Self::V2 => field(&read("memory.events")?, "oom"),
        }
    }
}

/// A value of a file of lines `key value`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().filter_map(|line| line.split_once(' ')).find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

/// A group and its ancestors as far as they are mounted here.
#[derive(Debug, PartialEq, Eq)]
struct Chain {
    files: Files,
    folders: Vec<PathBuf>,
}

/// Finds the folders of the memory controller from /proc/self/mountinfo and /proc/self/cgroup.
fn chains(mounts: &str, groups: &str) -> Vec<Chain> {
    mounts.lines().filter_map(|line| chain(line, groups)).collect()
}

fn chain(mount: &str, groups: &str) -> Option<Chain> {
    // ID parent major:minor root mount-point options... - type source super-options
    let (left, right) = mount.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let files = match (right.next()?, right.nth(1)?.split(',').any(|option| option == "memory")) {
        ("cgroup2", _) => Files::V2,
        ("cgroup", true) => Files::V1,
        _ => return None,
    };
    let group = groups.lines().find_map(|line| {
        // ID:controllers:path
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let ours = match files {
            Files::V1 => controllers.split(',').any(|c| c == "memory"),
            Files::V2 => controllers.is_empty(),
        };
        ours.then_some(path)
    })?;
    // In a container the path may be the host's, of which only the part below the mount's root is visible here.
    let below = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
    let folders = below.ancestors().map(|part| Path::new(point).join(part)).collect();
    Some(Chain { files, folders })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    fn folders(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn v2_with_ancestors() {
        let mounts = "22 1 0:5 / /proc rw - proc proc rw\n\
            31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = chains(mounts, "0::/user.slice/app.scope\n");
        let expected = ["/sys/fs/cgroup/user.slice/app.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/"];
        assert_eq!(found, [Chain { files: Files::V2, folders: folders(&expected) }]);
    }

    #[test]
    fn v1_and_v2_side_by_side() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = chains(mounts, "4:memory:/jobs/7\n1:cpu:/\n0::/\n");
        assert_eq!(found[0].files, Files::V1);
        let v1 = ["/sys/fs/cgroup/memory/jobs/7", "/sys/fs/cgroup/memory/jobs", "/sys/fs/cgroup/memory/"];
        assert_eq!(found[0].folders, folders(&v1));
        assert_eq!(found[1].folders, folders(&["/sys/fs/cgroup/unified/"]));
    }

    #[test]
    fn a_container_that_sees_the_hosts_path() {
        let mounts = "9 8 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        assert_eq!(chains(mounts, "4:memory:/docker/abc\n")[0].folders, folders(&["/sys/fs/cgroup/memory/"]));
        assert_eq!(chains(mounts, "4:memory:/elsewhere\n")[0].folders, folders(&["/sys/fs/cgroup/memory/"]));
        assert!(chains(mounts, "1:cpu:/\n").is_empty());
        assert!(chains("nonsense\n1 2 3 - cgroup2\n", "0::/\n").is_empty());
    }

    #[test]
    fn headroom_counts_page_cache_as_free() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        assert_eq!(Files::V2.read(dir.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        write("memory.stat", "anon 300\nfile 400\nactive_file 150\ninactive_file 250\n");
        assert_eq!(Files::V2.read(dir.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(Files::V2.read(dir.path()), Some(MemoryLimit { limit_bytes: 1000, headroom_bytes: 700 }));
        write("memory.limit_in_bytes", "9223372036854771712\n");
        write("memory.usage_in_bytes", "700\n");
        assert_eq!(Files::V1.read(dir.path()), None);
        write("memory.limit_in_bytes", "500\n");
        assert_eq!(Files::V1.read(dir.path()), Some(MemoryLimit { limit_bytes: 500, headroom_bytes: 0 }));
    }

    #[test]
    fn kills_and_hits_of_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        assert_eq!((Files::V2.killed(dir.path()), Files::V1.limit_hits(dir.path())), (None, None));
        write("memory.events", "low 0\nhigh 4\nmax 90\noom 3\noom_kill 2\noom_group_kill 0\n");
        assert_eq!((Files::V2.killed(dir.path()), Files::V2.limit_hits(dir.path())), (Some(2), Some(3)));
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
        write("memory.failcnt", "812\n");
        assert_eq!((Files::V1.killed(dir.path()), Files::V1.limit_hits(dir.path())), (Some(5), Some(812)));
    }

    #[test]
    fn limit_and_headroom_may_come_from_different_groups() {
        let of = |limit_bytes, headroom_bytes| MemoryLimit { limit_bytes, headroom_bytes };
        assert_eq!(tightest([of(100, 90), of(500, 20)].into_iter()), Some(of(100, 20)));
        assert_eq!(tightest(std::iter::empty()), None);
    }
}
