//! Whether the kernel killed a process for want of memory: its counters before and after.

use super::{
    cgroup::{self, GroupKills},
    kernel,
};

/// Counters that only grow, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OomKills {
    group: Option<GroupKills>,
    machine: Option<u64>,
}

/// Who killed a process between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killer {
    /// The kernel, since its control group reached its memory limit.
    Group {
        /// The limit, when it can still be read.
        limit_bytes: Option<u64>,
    },
    /// The kernel, since the machine ran out of memory.
    Machine,
    /// Not the kernel for want of memory.
    Someone,
    /// The kernel keeps no count here.
    Unknown,
}

impl OomKills {
    /// Reads the counters of this process's control group and of the machine.
    pub(crate) fn now() -> Self {
        Self { group: cgroup::kills(), machine: kernel::oom_kills() }
    }

    /// Who killed a process that was alive at `before` and is found dead now. It must be of this process's control group.
    pub(crate) fn killer_since(self, before: Self) -> Killer {
        let limit_bytes = || cgroup::memory_limit().map(|limit| limit.limit_bytes);
        match self.since(before) {
            Killer::Group { .. } => Killer::Group { limit_bytes: limit_bytes() },
            other => other,
        }
    }

    fn since(self, before: Self) -> Killer {
        let in_group = self.group.zip(before.group).map(|(now, then)| {
            // A kill for want of the machine's memory counts for the victim's group, too: then no limit was reached.
            (now.killed > then.killed, now.limit_hits > then.limit_hits)
        });
        let on_machine = self.machine.zip(before.machine).map(|(now, then)| now > then);
        match (in_group, on_machine) {
            (Some((true, true)), _) => Killer::Group { limit_bytes: None },
            (Some((true, false)), _) | (None, Some(true)) => Killer::Machine,
            // Of a group that was spared, whatever was killed was another's.
            (Some((false, _)), _) | (None, Some(false)) => Killer::Someone,
            (None, None) => Killer::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(group: Option<(u64, u64)>, machine: Option<u64>) -> OomKills {
        let group = group.map(|(killed, limit_hits)| GroupKills { killed, limit_hits });
        OomKills { group, machine }
    }

    #[test]
    fn the_group_is_told_from_the_machine() {
        let before = at(Some((2, 7)), Some(5));
        assert_eq!(at(Some((3, 8)), Some(6)).since(before), Killer::Group { limit_bytes: None });
        assert_eq!(at(Some((3, 7)), Some(6)).since(before), Killer::Machine);
        assert_eq!(at(Some((2, 9)), Some(6)).since(before), Killer::Someone, "the kernel killed in another group");
        assert_eq!(at(Some((2, 7)), Some(5)).since(before), Killer::Someone);
    }

    #[test]
    fn without_a_group_the_machine_decides_and_without_either_nobody() {
        assert_eq!(at(None, Some(6)).since(at(None, Some(5))), Killer::Machine);
        assert_eq!(at(None, Some(5)).since(at(None, Some(5))), Killer::Someone);
        assert_eq!(at(None, None).since(at(None, None)), Killer::Unknown);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_was_killed_here_just_now() {
        let before = OomKills::now();
        assert!(before.machine.is_some(), "Linux has kept this count since 4.13");
        assert_eq!(OomKills::now().killer_since(before), Killer::Someone);
    }
}
