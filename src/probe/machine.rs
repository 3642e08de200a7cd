//! The machine as the record keeps it, read once before the first round, and what stands between the program and the metal.

use std::{fs, path::Path};

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::{
    cgroup, cpus,
    kernel::{self, MachineMemory},
};
use crate::record::{DeviceInfo, Machine};

/// Reads the machine. The devices are llama.cpp's to name, so they are given.
pub(crate) fn machine(devices: Vec<DeviceInfo>) -> Machine {
    let read = |path: &str| fs::read_to_string(path).ok();
    let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
    let MachineMemory { total: ram_bytes, available: free_bytes } = memory();
    let Limits { limit_bytes, headroom_bytes } = Limits::now();
    Machine {
        os: read("/etc/os-release")
            .and_then(|text| pretty_name(&text))
            .or_else(|| System::long_os_version().ok())
            .unwrap_or_else(|| std::env::consts::OS.into()),
        kernel: System::kernel_version().ok().filter(|version| !version.is_empty()),
        cpu: cpus::model_name(&cpuinfo).or_else(ask_cpu_name).unwrap_or_else(|| std::env::consts::ARCH.into()),
        cpu_features: cpus::features(),
        physical_cores: cpus::physical_cores(),
        logical_cpus: cpus::logical(),
        allowed_cpus: cpus::allowed(),
        ram_bytes,
        memory_limit_bytes: limit_bytes.filter(|&bytes| bytes < ram_bytes),
        available_bytes: headroom_bytes.map_or(free_bytes, |bytes| bytes.min(free_bytes)),
        governor: cpus::governor(),
        on_battery: on_battery(Path::new("/sys/class/power_supply")),
        devices,
        memory_bandwidth: None,
        openmp_variables: None,
        rpc_servers: Vec::new(),
        energy: None,
    }
}

/// Memory that could be used without swapping, now, bytes: the system's, the control group's and `ulimit -v`'s word, whichever
/// is least.
pub(crate) fn available_bytes() -> u64 {
    let system = memory().available;
    Limits::now().headroom_bytes.map_or(system, |bytes| bytes.min(system))
}

/// What is set below the machine's own memory; `None` where nothing is.
struct Limits {
    limit_bytes: Option<u64>,
    headroom_bytes: Option<u64>,
}

impl Limits {
    fn now() -> Self {
        let group = cgroup::memory_limit();
        let process = address_space_limit();
        let least = |a: Option<u64>, b: Option<u64>| [a, b].into_iter().flatten().min();
        Self {
            limit_bytes: least(group.map(|g| g.limit_bytes), process),
            headroom_bytes: least(group.map(|g| g.headroom_bytes), process),
        }
    }
}

/// What every process started here may map at most (`ulimit -v`): a fresh worker has all of it.
#[cfg(target_os = "linux")]
fn address_space_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

#[cfg(not(target_os = "linux"))]
fn address_space_limit() -> Option<u64> {
    None
}

fn memory() -> MachineMemory {
    let ask = || {
        let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let (total, available) = System::new_with_specifics(kind)
            .map_or((0, 0), |system| (system.total_memory(), system.available_memory()));
        MachineMemory { total, available }
    };
    kernel::machine_memory().unwrap_or_else(ask)
}

fn ask_cpu_name() -> Option<String> {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing())).ok()?;
    let brand = system.cpus().first()?.brand().trim().to_owned();
    (!brand.is_empty()).then_some(brand)
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = value.trim().trim_matches(['"', '\'']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Any mains that is on: no. Else a battery of the machine (not of a mouse) that is draining: yes. No sign of either: unknown.
pub(super) fn on_battery(power_supply: &Path) -> Option<bool> {
    let read = |supply: &Path, name: &str| {
        fs::read_to_string(supply.join(name)).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let supplies: Vec<_> = fs::read_dir(power_supply).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let mut batteries = supplies.iter().filter(|s| read(s, "type") == "Battery" && read(s, "scope") != "Device");
    let mut mains = supplies.iter().filter(|s| matches!(read(s, "type").as_str(), "Mains" | "USB"));
    if mains.any(|s| read(s, "online") == "1") {
        return Some(false);
    }
    let states: Vec<_> = batteries.by_ref().map(|s| read(s, "status")).collect();
    (!states.is_empty()).then(|| states.iter().any(|state| state == "Discharging"))
}

/// What stands between the program and the metal. `None` = no sign of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// The virtual machine's maker, or "unknown hypervisor".
    pub virtual_machine: Option<String>,
    pub container: Option<String>,
}

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
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    #[test]
    fn names_of_systems() {
        assert_eq!(pretty_name("NAME=x\nPRETTY_NAME=\"Debian 12\"\n").as_deref(), Some("Debian 12"));
        assert_eq!(pretty_name("PRETTY_NAME=Arch\n").as_deref(), Some("Arch"));
        assert_eq!(pretty_name("PRETTY_NAME=\"\"\n"), None);
        assert_eq!(pretty_name("NAME=x\n"), None);
    }

    #[test]
    fn power_of_a_laptop_a_desktop_and_a_mouse() {
        let dir = tempfile::tempdir().unwrap();
        let set = |supply: &str, name: &str, value: &str| {
            fs::create_dir_all(dir.path().join(supply)).unwrap();
            fs::write(dir.path().join(supply).join(name), format!("{value}\n")).unwrap();
        };
        assert_eq!(on_battery(&dir.path().join("absent")), None);
        set("mouse", "type", "Battery");
        set("mouse", "scope", "Device");
        set("mouse", "status", "Discharging");
        assert_eq!(on_battery(dir.path()), None);
        set("BAT0", "type", "Battery");
        set("BAT0", "status", "Discharging");
        assert_eq!(on_battery(dir.path()), Some(true));
        set("AC", "type", "Mains");
        set("AC", "online", "0");
        assert_eq!(on_battery(dir.path()), Some(true));
        set("AC", "online", "1");
        assert_eq!(on_battery(dir.path()), Some(false));
    }

    #[test]
    fn this_machine() {
        let machine = machine(Vec::new());
        assert!(machine.ram_bytes > 1 << 28);
        assert!(machine.available_bytes > 0 && machine.available_bytes <= machine.ram_bytes);
        assert!(machine.memory_limit_bytes.is_none_or(|limit| limit < machine.ram_bytes));
        assert!(!machine.os.is_empty() && !machine.cpu.is_empty());
        assert!(machine.kernel.is_some());
        assert!(available_bytes() <= machine.ram_bytes);
    }

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
