//! Whether this machine is a virtual one, or a container on one.

use std::{fs, path::Path};

/// What stands between the program and the metal. `None` = no sign of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// The virtual machine's maker, or "unknown hypervisor".
    pub virtual_machine: Option<String>,
    /// The kind of container.
    pub container: Option<String>,
}

/// Looks for the signs.
#[must_use]
pub(crate) fn host() -> Host {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let dmi = |name: &str| read(&format!("/sys/class/dmi/id/{name}")).trim().to_owned();
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    Host {
        virtual_machine: virtual_machine(
            &read("/proc/cpuinfo"),
            &read("/proc/sys/kernel/osrelease"),
            &format!("{} {}", dmi("sys_vendor"), dmi("product_name")),
        ),
        container: marks
            .iter()
            .find(|(mark, _)| Path::new(mark).exists())
            .map(|(_, kind)| (*kind).to_owned())
            .or_else(|| container(&read("/run/systemd/container"), &read("/proc/self/cgroup"))),
    }
}

fn virtual_machine(cpuinfo: &str, kernel: &str, dmi: &str) -> Option<String> {
    const KNOWN: [(&str, &str); 9] = [
        ("qemu", "QEMU"),
        ("kvm", "KVM"),
        ("vmware", "VMware"),
        ("virtualbox", "VirtualBox"),
        ("microsoft corporation virtual", "Hyper-V"),
        ("amazon ec2", "Amazon EC2"),
        ("google", "Google Cloud"),
        ("xen", "Xen"),
        ("parallels", "Parallels"),
    ];
    if kernel.to_ascii_lowercase().contains("microsoft") {
        return Some("WSL".into());
    }
    let flagged = cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(key, flags)| key.trim() == "flags" && flags.split_whitespace().any(|flag| flag == "hypervisor"));
    let dmi = dmi.to_ascii_lowercase();
    let named = KNOWN.iter().find(|(sign, _)| dmi.contains(sign)).map(|(_, name)| *name);
    // Some of these names are on bare machines too (EC2 metal): where the CPU has flags, they decide.
    let has_flags = cpuinfo.lines().any(|line| line.starts_with("flags"));
    (flagged || (!has_flags && named.is_some())).then(|| named.unwrap_or("unknown hypervisor").to_owned())
}

fn container(systemd: &str, cgroup: &str) -> Option<String> {
    if !systemd.trim().is_empty() {
        return Some(systemd.trim().to_owned());
    }
    let kinds = [("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("lxc", "lxc")];
    kinds.iter().find(|(sign, _)| cgroup.contains(sign)).map(|(_, kind)| (*kind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_machines() {
        let vm = "processor : 0\nflags\t\t: fpu hypervisor avx\n";
        let metal = "processor : 0\nflags\t\t: fpu avx\n";
        let name = |cpuinfo, kernel, dmi| virtual_machine(cpuinfo, kernel, dmi);
        assert_eq!(name(vm, "6.1.0", "QEMU Standard PC").as_deref(), Some("QEMU"));
        assert_eq!(name(vm, "6.1.0", " ").as_deref(), Some("unknown hypervisor"));
        assert_eq!(name(vm, "5.15.90.1-microsoft-standard-WSL2", "").as_deref(), Some("WSL"));
        assert_eq!(name(metal, "6.1.0", "Dell Inc. XPS 13"), None);
        assert_eq!(name(metal, "6.1.0", "Amazon EC2 c7i.metal"), None);
        assert_eq!(name("Features : asimd", "6.1.0", "Amazon EC2 c7g.large").as_deref(), Some("Amazon EC2"));
        assert_eq!(name("", "", ""), None);
    }

    #[test]
    fn containers() {
        assert_eq!(container("lxc\n", "").as_deref(), Some("lxc"));
        assert_eq!(container("", "0::/kubepods/burstable/pod1\n").as_deref(), Some("kubernetes"));
        assert_eq!(container("", "4:memory:/docker/abc\n").as_deref(), Some("docker"));
        assert_eq!(container("", "0::/user.slice\n"), None);
    }
}
